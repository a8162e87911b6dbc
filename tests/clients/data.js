// @aws-sdk v3 against what keeps data: buckets, queues, topics, tables, roles, stacks.
'use strict';

const assert = require('node:assert/strict');
const { Readable } = require('node:stream');
const CloudFormation = require('@aws-sdk/client-cloudformation');
const DynamoDB = require('@aws-sdk/client-dynamodb');
const Document = require('@aws-sdk/lib-dynamodb');
const IAM = require('@aws-sdk/client-iam');
const S3 = require('@aws-sdk/client-s3');
const SNS = require('@aws-sdk/client-sns');
const SQS = require('@aws-sdk/client-sqs');
const STS = require('@aws-sdk/client-sts');

const fails = (name, promise) => assert.rejects(promise, (error) => (assert.equal(error.name, name), true));

async function buckets() {
  const s3 = new S3.S3({});
  await s3.createBucket({ Bucket: 'shelf' });
  await s3.putObject({ Bucket: 'shelf', Key: 'a/ü b.txt', Body: 'hello', ContentType: 'text/plain', Metadata: { by: 'me' } });
  const got = await s3.getObject({ Bucket: 'shelf', Key: 'a/ü b.txt' });
  assert.equal(await got.Body.transformToString(), 'hello');
  assert.deepEqual([got.ContentType, got.Metadata, got.ContentLength], ['text/plain', { by: 'me' }, 5]);
  // A stream whose length is known is sent in signed chunks with a checksum behind.
  const text = 'x'.repeat(200_000);
  const body = Readable.from([text.slice(0, 70_000), text.slice(70_000)]);
  await s3.putObject({ Bucket: 'shelf', Key: 'stream', Body: body, ContentLength: text.length, ChecksumAlgorithm: 'SHA256' });
  const streamed = await s3.getObject({ Bucket: 'shelf', Key: 'stream', ChecksumMode: 'ENABLED' });
  assert.equal(await streamed.Body.transformToString(), text);
  const keys = [];
  for await (const page of S3.paginateListObjectsV2({ client: s3, pageSize: 1 }, { Bucket: 'shelf' })) {
    keys.push(...page.Contents.map((item) => item.Key));
  }
  assert.deepEqual(keys, ['a/ü b.txt', 'stream']);
  await fails('NoSuchKey', s3.getObject({ Bucket: 'shelf', Key: 'none' }));
  await fails('NotFound', s3.headObject({ Bucket: 'shelf', Key: 'none' }));
  const { Deleted } = await s3.deleteObjects({ Bucket: 'shelf', Delete: { Objects: keys.map((Key) => ({ Key })) } });
  assert.equal(Deleted.length, 2);
  await s3.deleteBucket({ Bucket: 'shelf' });
}

async function messages() {
  const [sqs, sns] = [new SQS.SQS({}), new SNS.SNS({})];
  const { QueueUrl } = await sqs.createQueue({ QueueName: 'inbox' });
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['QueueArn'] });
  const { TopicArn } = await sns.createTopic({ Name: 'news' });
  await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: Attributes.QueueArn, Attributes: { RawMessageDelivery: 'true' } });
  await sns.publish({ TopicArn, Message: 'over the topic' });
  // The SDK itself compares the digests of bodies and attributes.
  const receive = () => sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 10, MessageAttributeNames: ['All'] });
  const [first] = (await receive()).Messages;
  assert.equal(first.Body, 'over the topic');
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: first.ReceiptHandle });
  const MessageAttributes = { n: { DataType: 'Number', StringValue: '7' } };
  await sqs.sendMessage({ QueueUrl, MessageBody: 'straight', MessageAttributes });
  const [second] = (await receive()).Messages;
  assert.deepEqual([second.Body, second.MessageAttributes.n.StringValue], ['straight', '7']);
  await sqs.deleteQueue({ QueueUrl });
  await fails('QueueDoesNotExist', sqs.sendMessage({ QueueUrl, MessageBody: 'late' }));
  await fails('NotFoundException', sns.publish({ TopicArn: `${TopicArn}-other`, Message: 'x' }));
  await sns.deleteTopic({ TopicArn });
}

async function tables() {
  const client = new DynamoDB.DynamoDB({});
  const documents = Document.DynamoDBDocument.from(client);
  const TableName = 'people';
  await client.createTable({
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
  });
  await DynamoDB.waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName });
  const person = { id: 'a', age: 41, names: ['x', 'y'], more: { on: true, none: null }, tags: new Set(['p', 'q']) };
  await documents.put({ TableName, Item: person });
  assert.deepEqual((await documents.get({ TableName, Key: { id: 'a' } })).Item, person);
  const { Attributes } = await documents.update({
    TableName,
    Key: { id: 'a' },
    UpdateExpression: 'SET age = age + :one, #m.#o = :off',
    ExpressionAttributeNames: { '#m': 'more', '#o': 'on' },
    ExpressionAttributeValues: { ':one': 1, ':off': false },
    ReturnValues: 'UPDATED_NEW',
  });
  assert.deepEqual(Attributes, { age: 42, more: { on: false } });
  const taken = documents.put({ TableName, Item: person, ConditionExpression: 'attribute_not_exists(id)' });
  await fails('ConditionalCheckFailedException', taken);
  const Put = { TableName, Item: { id: 'b' } };
  await documents.transactWrite({ TransactItems: [{ Put }, { Delete: { TableName, Key: { id: 'a' } } }] });
  const found = await documents.scan({ TableName });
  assert.deepEqual(found.Items, [{ id: 'b' }]);
  await client.deleteTable({ TableName });
  await fails('ResourceNotFoundException', documents.get({ TableName, Key: { id: 'a' } }));
}

async function stacks() {
  const [iam, sts, client] = [new IAM.IAM({}), new STS.STS({}), new CloudFormation.CloudFormation({})];
  assert.equal((await sts.getCallerIdentity({})).Account, '000000000000');
  const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }] };
  const template = {
    Resources: { Role: { Type: 'AWS::IAM::Role', Properties: { RoleName: 'made', AssumeRolePolicyDocument: trust } } },
    Outputs: { Arn: { Value: { 'Fn::GetAtt': ['Role', 'Arn'] } } },
  };
  const StackName = 'roles';
  await client.createStack({ StackName, TemplateBody: JSON.stringify(template), Capabilities: ['CAPABILITY_NAMED_IAM'] });
  await CloudFormation.waitUntilStackCreateComplete({ client, maxWaitTime: 30, minDelay: 1 }, { StackName });
  const { Stacks } = await client.describeStacks({ StackName });
  assert.equal(Stacks[0].Outputs[0].OutputValue, 'arn:aws:iam::000000000000:role/made');
  assert.equal((await iam.getRole({ RoleName: 'made' })).Role.RoleName, 'made');
  await client.deleteStack({ StackName });
  await CloudFormation.waitUntilStackDeleteComplete({ client, maxWaitTime: 30, minDelay: 1 }, { StackName });
  await fails('NoSuchEntityException', iam.getRole({ RoleName: 'made' }));
}

Promise.all([buckets(), messages(), tables(), stacks()]).then(
  () => console.log('ok'),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  }
);
