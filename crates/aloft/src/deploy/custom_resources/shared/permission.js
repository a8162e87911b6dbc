'use strict';

// The statement in a function's policy that lets a service call it.

const { unless } = require('./resource');

/** The statement's id: the function's name and what calls it, of the characters and the length that Lambda takes. */
const statementId = (functionName, source) =>
  `${functionName}-${source.replace(/[^A-Za-z0-9_-]/g, '')}`.slice(0, 100);

/** Allows a service to call a function on account of a source; one that is allowed already stays so. */
async function allow(functionName, source, principal, sourceArn) {
  const { LambdaClient, AddPermissionCommand } = require('@aws-sdk/client-lambda');
  const command = new AddPermissionCommand({
    FunctionName: functionName,
    StatementId: statementId(functionName, source),
    Action: 'lambda:InvokeFunction',
    Principal: principal,
    SourceArn: sourceArn,
  });
  await unless(['ResourceConflictException'], () => new LambdaClient({}).send(command));
}

/** Takes the permission away again; the function may be gone with it. */
async function forbid(functionName, source) {
  const { LambdaClient, RemovePermissionCommand } = require('@aws-sdk/client-lambda');
  const command = new RemovePermissionCommand({
    FunctionName: functionName,
    StatementId: statementId(functionName, source),
  });
  await unless(['ResourceNotFoundException'], () => new LambdaClient({}).send(command));
}

module.exports = { allow, forbid };
