// @aws-sdk v3 against what runs: functions, their logs, rules, both gateways.
'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const Gateway = require('@aws-sdk/client-api-gateway');
const HttpGateway = require('@aws-sdk/client-apigatewayv2');
const Events = require('@aws-sdk/client-eventbridge');
const Lambda = require('@aws-sdk/client-lambda');
const Logs = require('@aws-sdk/client-cloudwatch-logs');

const fails = (name, promise) => assert.rejects(promise, (error) => (assert.equal(error.name, name), true));
const lambda = new Lambda.Lambda({});
const HANDLER = `
exports.handle = async (event, context) => {
  console.log('got', JSON.stringify(event));
  if (event.fail) throw new RangeError('as asked');
  return event.requestContext ? { statusCode: 201, body: 'made' } : { event, left: context.getRemainingTimeInMillis() > 0 };
};`;

/** A zip of one file, made by Python since Node has no zip of its own. */
function zipped(name, content) {
  const folder = mkdtempSync(join(tmpdir(), 'aloft-zip-'));
  try {
    writeFileSync(join(folder, name), content);
    execFileSync('python3', ['-m', 'zipfile', '-c', 'code.zip', name], { cwd: folder });
    return readFileSync(join(folder, 'code.zip'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function eventually(look) {
  const until = Date.now() + 30_000;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(Date.now() < until, 'waited 30 seconds in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function invoke(payload) {
  const answer = await lambda.invoke({ FunctionName: 'echo', Payload: JSON.stringify(payload) });
  return { ...answer, body: JSON.parse(Buffer.from(answer.Payload).toString()) };
}

async function functions() {
  const made = await lambda.createFunction({
    FunctionName: 'echo',
    Runtime: 'nodejs20.x',
    Role: 'arn:aws:iam::000000000000:role/any',
    Handler: 'index.handle',
    Code: { ZipFile: zipped('index.js', HANDLER) },
  });
  await Lambda.waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 30, minDelay: 1 }, { FunctionName: 'echo' });
  assert.deepEqual((await invoke({ a: 'ü' })).body, { event: { a: 'ü' }, left: true });
  const failed = await invoke({ fail: true });
  assert.deepEqual([failed.FunctionError, failed.body.errorType, failed.body.errorMessage], ['Unhandled', 'RangeError', 'as asked']);
  await fails('ResourceNotFoundException', lambda.invoke({ FunctionName: 'nobody' }));
  const logs = new Logs.CloudWatchLogs({});
  await eventually(async () => {
    const { events } = await logs.filterLogEvents({ logGroupName: '/aws/lambda/echo', filterPattern: '"as asked"' });
    return events.length > 0;
  });
  return made.FunctionArn;
}

async function rules(arn) {
  const events = new Events.EventBridge({});
  await events.putRule({ Name: 'all', EventPattern: JSON.stringify({ source: ['me'] }) });
  await lambda.addPermission({ FunctionName: 'echo', StatementId: 'e', Action: 'lambda:InvokeFunction', Principal: 'events.amazonaws.com' });
  await events.putTargets({ Rule: 'all', Targets: [{ Id: '1', Arn: arn }] });
  await events.putEvents({ Entries: [{ Source: 'me', DetailType: 'sign', Detail: '{"mark": "by the rule"}' }] });
  const logs = new Logs.CloudWatchLogs({});
  await eventually(async () => {
    const { events: lines } = await logs.filterLogEvents({ logGroupName: '/aws/lambda/echo' });
    return lines.some((line) => line.message.includes('by the rule'));
  });
}

async function gateways(arn) {
  const endpoint = process.env.AWS_ENDPOINT_URL;
  await lambda.addPermission({ FunctionName: 'echo', StatementId: 'g', Action: 'lambda:InvokeFunction', Principal: 'apigateway.amazonaws.com' });
  const http = new HttpGateway.ApiGatewayV2({});
  // The short way: an API with one integration for everything.
  const { ApiId } = await http.createApi({ Name: 'quick', ProtocolType: 'HTTP', Target: arn });
  const quick = await fetch(`${endpoint}/_aws/execute-api/${ApiId}/any/path`, { method: 'POST', body: 'x' });
  assert.deepEqual([quick.status, await quick.text()], [201, 'made']);
  await http.deleteApi({ ApiId });
  const rest = new Gateway.APIGateway({});
  const { id: restApiId } = await rest.createRestApi({ name: 'mock' });
  const [{ id: resourceId }] = (await rest.getResources({ restApiId })).items;
  const method = { restApiId, resourceId, httpMethod: 'GET' };
  await rest.putMethod({ ...method, authorizationType: 'NONE' });
  await rest.putIntegration({ ...method, type: 'MOCK', requestTemplates: { 'application/json': '{"statusCode": 200}' } });
  await rest.putMethodResponse({ ...method, statusCode: '200' });
  await rest.putIntegrationResponse({ ...method, statusCode: '200', responseTemplates: { 'application/json': '{"path": "$context.resourcePath"}' } });
  await rest.createDeployment({ restApiId, stageName: 'v1' });
  const mocked = await fetch(`${endpoint}/_aws/execute-api/${restApiId}/v1/`);
  assert.deepEqual([mocked.status, await mocked.json()], [200, { path: '/' }]);
  await rest.deleteRestApi({ restApiId });
}

async function main() {
  const arn = await functions();
  await Promise.all([rules(arn), gateways(arn)]);
  await lambda.deleteFunction({ FunctionName: 'echo' });
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
