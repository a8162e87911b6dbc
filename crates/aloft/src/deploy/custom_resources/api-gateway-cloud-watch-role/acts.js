'use strict';

// The role by which API Gateway writes logs. It is the account's, so a stack that goes leaves it to the others.

const { APIGatewayClient, GetAccountCommand, UpdateAccountCommand } = require('@aws-sdk/client-api-gateway');
const {
  IAMClient,
  AttachRolePolicyCommand,
  CreateRoleCommand,
  ListAttachedRolePoliciesCommand,
} = require('@aws-sdk/client-iam');
const { eventually, unless } = require('../shared/resource');

const ROLE = 'serverlessApiGatewayCloudWatchRole';

const gateway = new APIGatewayClient({});
const iam = new IAMClient({});

/** Makes the role that all services of the account share, unless it is there. */
async function ensureRole(partition) {
  const trust = {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: { Service: ['apigateway.amazonaws.com'] }, Action: ['sts:AssumeRole'] },
    ],
  };
  const list = () => iam.send(new ListAttachedRolePoliciesCommand({ RoleName: ROLE }));
  const create = () =>
    iam.send(new CreateRoleCommand({ RoleName: ROLE, AssumeRolePolicyDocument: JSON.stringify(trust) }));
  const attached = await unless(['NoSuchEntityException', 'NoSuchEntity'], list);
  // Another stack may be making it at this moment.
  if (!attached) await unless(['EntityAlreadyExistsException', 'EntityAlreadyExists'], create);
  const policy = `arn:${partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs`;
  const policies = (attached && attached.AttachedPolicies) || [];
  if (!policies.some(({ PolicyArn }) => PolicyArn === policy)) {
    await iam.send(new AttachRolePolicyCommand({ RoleName: ROLE, PolicyArn: policy }));
  }
}

async function apply({ ResourceProperties }, { partition, account }) {
  const given = ResourceProperties.RoleArn;
  const role = given || `arn:${partition}:iam::${account}:role/${ROLE}`;
  if (!given) await ensureRole(partition);
  const { cloudwatchRoleArn } = await gateway.send(new GetAccountCommand({}));
  if (cloudwatchRoleArn === role) return;
  const change = { op: 'replace', path: '/cloudwatchRoleArn', value: role };
  // A role that was just made is not known everywhere at once.
  await eventually(
    (error) => error.name === 'BadRequestException' || error.name === 'TooManyRequestsException',
    () => gateway.send(new UpdateAccountCommand({ patchOperations: [change] }))
  );
}

module.exports = {
  Create: apply,
  Update: apply,
  Delete: async () => {},
};
