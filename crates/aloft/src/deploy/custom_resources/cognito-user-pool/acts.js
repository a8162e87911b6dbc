'use strict';

// Triggers of a user pool that exists already. What others have set on the pool stays as it is.

const {
  CognitoIdentityProviderClient,
  DescribeUserPoolCommand,
  ListUserPoolsCommand,
  UpdateUserPoolCommand,
} = require('@aws-sdk/client-cognito-identity-provider');
const { allow, forbid } = require('../shared/permission');

const cognito = new CognitoIdentityProviderClient({});

/** The triggers that take a key and a version beside the function. */
const SENDERS = ['CustomSMSSender', 'CustomEmailSender'];

/** What an update takes of what a description gives. An update resets whatever it does not name. */
const SETTINGS = [
  'AccountRecoverySetting',
  'AdminCreateUserConfig',
  'AutoVerifiedAttributes',
  'DeletionProtection',
  'DeviceConfiguration',
  'EmailConfiguration',
  'EmailVerificationMessage',
  'EmailVerificationSubject',
  'MfaConfiguration',
  'Policies',
  'SmsAuthenticationMessage',
  'SmsConfiguration',
  'SmsVerificationMessage',
  'UserAttributeUpdateSettings',
  'UserPoolAddOns',
  'UserPoolTags',
  'UserPoolTier',
  'VerificationMessageTemplate',
];

async function find(name) {
  let NextToken;
  do {
    const page = await cognito.send(new ListUserPoolsCommand({ MaxResults: 60, NextToken }));
    const pool = (page.UserPools || []).find(({ Name }) => Name === name);
    if (pool) {
      const described = await cognito.send(new DescribeUserPoolCommand({ UserPoolId: pool.Id }));
      return described.UserPool;
    }
    NextToken = page.NextToken;
  } while (NextToken);
  return undefined;
}

/** Replaces a function's triggers among those of a pool. */
async function set(pool, functionArn, configurations) {
  const triggers = {};
  for (const [trigger, value] of Object.entries(pool.LambdaConfig || {})) {
    if (value !== functionArn && (value || {}).LambdaArn !== functionArn) triggers[trigger] = value;
  }
  for (const { Trigger, LambdaVersion, KMSKeyID } of configurations) {
    if (SENDERS.includes(Trigger)) {
      triggers[Trigger] = { LambdaArn: functionArn, LambdaVersion };
      triggers.KMSKeyID = KMSKeyID;
    } else {
      triggers[Trigger] = functionArn;
    }
  }
  if (!SENDERS.some((sender) => triggers[sender])) delete triggers.KMSKeyID;
  const settings = {};
  for (const name of SETTINGS) {
    if (pool[name] !== undefined) settings[name] = pool[name];
  }
  if (settings.AdminCreateUserConfig) {
    // The old name of a setting that the password policy has: an update refuses to take both.
    const { UnusedAccountValidityDays, ...rest } = settings.AdminCreateUserConfig;
    settings.AdminCreateUserConfig = rest;
  }
  await cognito.send(new UpdateUserPoolCommand({ UserPoolId: pool.Id, ...settings, LambdaConfig: triggers }));
}

async function apply({ ResourceProperties }, { functionArn }) {
  const { FunctionName, UserPoolName, UserPoolConfigs } = ResourceProperties;
  const pool = await find(UserPoolName);
  if (!pool) throw new Error(`the user pool "${UserPoolName}" does not exist`);
  await allow(FunctionName, UserPoolName.toLowerCase(), 'cognito-idp.amazonaws.com', pool.Arn);
  await set(pool, functionArn(FunctionName), UserPoolConfigs);
}

async function clear({ FunctionName, UserPoolName }, { functionArn }) {
  const pool = await find(UserPoolName);
  if (pool) await set(pool, functionArn(FunctionName), []);
  await forbid(FunctionName, UserPoolName.toLowerCase());
}

module.exports = {
  Create: apply,
  async Update(event, place) {
    const { ResourceProperties: now, OldResourceProperties: before } = event;
    if (before && (before.UserPoolName !== now.UserPoolName || before.FunctionName !== now.FunctionName)) {
      await clear(before, place);
    }
    await apply(event, place);
  },
  Delete: (event, place) => clear(event.ResourceProperties, place),
};
