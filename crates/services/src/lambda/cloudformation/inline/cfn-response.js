'use strict';

// The module that functions find whose code stands in a template: answers CloudFormation for a custom resource.

exports.SUCCESS = 'SUCCESS';
exports.FAILED = 'FAILED';

exports.send = (event, context, status, data, physicalId, noEcho) => {
  const body = JSON.stringify({
    Status: status,
    Reason: `See the log stream ${context.logStreamName}`,
    PhysicalResourceId: physicalId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: data,
  });
  const { request } = require(event.ResponseURL.startsWith('https:') ? 'node:https' : 'node:http');
  const headers = { 'content-type': '', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve) => {
    const ended = () => {
      if (context.done) context.done();
      resolve();
    };
    const sent = request(event.ResponseURL, { method: 'PUT', headers }, (response) => {
      response.resume();
      response.on('end', ended);
    });
    sent.on('error', (error) => {
      console.log(`the answer to CloudFormation could not be sent: ${error.message}`);
      ended();
    });
    sent.end(body);
  });
};
