'use strict';

// Lambda's Node.js runtimes bring the AWS SDK along, so it need not be packaged.
const { randomUUID } = require('node:crypto');
const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');
const {
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  ScanCommand,
  UpdateCommand,
} = require('@aws-sdk/lib-dynamodb');

const table = process.env.NOTES_TABLE;
const database = DynamoDBDocumentClient.from(new DynamoDBClient({}));

const answer = (statusCode, body) => ({
  statusCode,
  headers: { 'content-type': 'application/json' },
  body: body === undefined ? '' : JSON.stringify(body),
});

const missing = (id) => answer(404, { message: `there is no note ${id}` });

/** The text of a note from a request's body, or what is wrong with it. */
function textOf(event) {
  let body;
  try {
    const raw = event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString() : event.body;
    body = JSON.parse(raw || '{}');
  } catch {
    return { error: 'the body is no JSON' };
  }
  if (typeof body.text !== 'string' || body.text.trim() === '') {
    return { error: '"text" must be a text that is not empty' };
  }
  return { text: body.text };
}

exports.create = async (event) => {
  const { text, error } = textOf(event);
  if (error) return answer(400, { message: error });
  const now = new Date().toISOString();
  const note = { id: randomUUID(), text, createdAt: now, updatedAt: now };
  await database.send(new PutCommand({ TableName: table, Item: note }));
  console.log('created', note.id);
  return answer(201, note);
};

exports.list = async () => {
  const notes = [];
  let from;
  do {
    const page = await database.send(new ScanCommand({ TableName: table, ExclusiveStartKey: from }));
    notes.push(...page.Items);
    from = page.LastEvaluatedKey;
  } while (from);
  notes.sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  return answer(200, { notes });
};

exports.get = async (event) => {
  const { id } = event.pathParameters;
  const { Item } = await database.send(new GetCommand({ TableName: table, Key: { id } }));
  return Item ? answer(200, Item) : missing(id);
};

exports.update = async (event) => {
  const { id } = event.pathParameters;
  const { text, error } = textOf(event);
  if (error) return answer(400, { message: error });
  try {
    const { Attributes } = await database.send(
      new UpdateCommand({
        TableName: table,
        Key: { id },
        UpdateExpression: 'SET #text = :text, updatedAt = :now',
        ConditionExpression: 'attribute_exists(id)',
        ExpressionAttributeNames: { '#text': 'text' },
        ExpressionAttributeValues: { ':text': text, ':now': new Date().toISOString() },
        ReturnValues: 'ALL_NEW',
      })
    );
    return answer(200, Attributes);
  } catch (failure) {
    if (failure.name === 'ConditionalCheckFailedException') return missing(id);
    throw failure;
  }
};

exports.remove = async (event) => {
  const { id } = event.pathParameters;
  const { Attributes } = await database.send(
    new DeleteCommand({ TableName: table, Key: { id }, ReturnValues: 'ALL_OLD' })
  );
  return Attributes ? answer(204) : missing(id);
};
