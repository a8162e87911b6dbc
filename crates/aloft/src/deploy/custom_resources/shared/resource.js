'use strict';

// Answers CloudFormation for a custom resource. The response address may be http, as the local cloud's is.

const http = require('node:http');
const https = require('node:https');

/** What a reason may have: CloudFormation takes 4096 bytes for the whole answer. */
const MAX_REASON = 1000;
/** How long before its time is up a function says that it failed, in milliseconds. */
const MARGIN = 3000;

/**
 * A Lambda handler that does what the acts have for the request's type, and tells CloudFormation how it went. The acts are
 * loaded within, so that a missing SDK is told too, rather than waited for.
 * The physical id never changes: what an update leaves behind, the update itself removes.
 */
function handlerOf(physicalId, load) {
  return async (event, context) => {
    let answer = { Status: 'SUCCESS' };
    try {
      const act = load()[event.RequestType];
      if (!act) throw new Error(`Unknown request type ${event.RequestType}`);
      await within(context.getRemainingTimeInMillis() - MARGIN, act(event, placeOf(context)));
    } catch (error) {
      console.error(error);
      answer = { Status: 'FAILED', Reason: String(error.message || error).slice(0, MAX_REASON) };
    }
    await put(event.ResponseURL, {
      ...answer,
      PhysicalResourceId: physicalId,
      StackId: event.StackId,
      RequestId: event.RequestId,
      LogicalResourceId: event.LogicalResourceId,
    });
  };
}

/** Partition, region and account, and the ARN of a function there. */
function placeOf(context) {
  const [, partition, , region, account] = context.invokedFunctionArn.split(':');
  const functionArn = (name) => `arn:${partition}:lambda:${region}:${account}:function:${name}`;
  return { partition, region, account, functionArn };
}

async function within(milliseconds, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('the custom resource took too long')), milliseconds);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Sends the answer; the address is presigned for an empty content type. */
function put(address, answer) {
  const body = Buffer.from(JSON.stringify(answer));
  const { request } = address.startsWith('http:') ? http : https;
  const headers = { 'content-type': '', 'content-length': body.length };
  return new Promise((resolve, reject) => {
    const sent = request(address, { method: 'PUT', headers }, (response) => {
      response.resume();
      response.on('end', resolve);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Tries again while an error may pass, such as a permission that is not in force everywhere yet. */
async function eventually(mayPass, work) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 6 || !mayPass(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
    }
  }
}

/** Does something, and takes errors of these names for success. */
async function unless(names, work) {
  try {
    return await work();
  } catch (error) {
    if (!names.includes(error.name)) throw error;
    return undefined;
  }
}

module.exports = { handlerOf, eventually, unless };
