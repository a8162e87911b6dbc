'use strict';

// Notifications of a bucket that exists already. What others have set on the bucket stays as it is.

const crypto = require('node:crypto');
const {
  S3Client,
  GetBucketNotificationConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
} = require('@aws-sdk/client-s3');
const { eventually, unless } = require('../shared/resource');
const { allow, forbid } = require('../shared/permission');

const s3 = new S3Client({ followRegionRedirects: true });

/** Replaces a function's notifications among those of a bucket. */
async function set(bucket, functionName, functionArn, configurations) {
  const found = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: bucket }));
  const { $metadata, ...rest } = found;
  const all = found.LambdaFunctionConfigurations || [];
  const others = all.filter(({ LambdaFunctionArn }) => LambdaFunctionArn !== functionArn);
  if (others.length === all.length && configurations.length === 0) return;
  const ours = configurations.map((configuration) => described(functionName, functionArn, configuration));
  const wanted = { ...rest, LambdaFunctionConfigurations: [...others, ...ours] };
  // S3 calls nobody who does not allow it, and learns of a new permission with delay.
  await eventually(
    (error) => /Unable to validate the following destination/.test(error.message),
    () =>
      s3.send(
        new PutBucketNotificationConfigurationCommand({ Bucket: bucket, NotificationConfiguration: wanted })
      )
  );
}

function described(functionName, functionArn, { Event, Rules }) {
  const hash = crypto.createHash('md5').update(JSON.stringify({ Event, Rules })).digest('hex');
  const rules = (Rules || []).flatMap((rule) => Object.entries(rule));
  const filter = { Key: { FilterRules: rules.map(([Name, Value]) => ({ Name: Name.toLowerCase(), Value })) } };
  return {
    Id: `${functionName}-${hash}`,
    LambdaFunctionArn: functionArn,
    Events: [Event],
    ...(rules.length > 0 && { Filter: filter }),
  };
}

async function apply({ ResourceProperties }, { partition, functionArn }) {
  const { FunctionName, BucketName, BucketConfigs } = ResourceProperties;
  await allow(FunctionName, BucketName, 's3.amazonaws.com', `arn:${partition}:s3:::${BucketName}`);
  await set(BucketName, FunctionName, functionArn(FunctionName), BucketConfigs);
}

async function clear({ FunctionName, BucketName }, { functionArn }) {
  await unless(['NoSuchBucket'], () => set(BucketName, FunctionName, functionArn(FunctionName), []));
  await forbid(FunctionName, BucketName);
}

module.exports = {
  Create: apply,
  async Update(event, place) {
    const { ResourceProperties: now, OldResourceProperties: before } = event;
    if (before && (before.BucketName !== now.BucketName || before.FunctionName !== now.FunctionName)) {
      await clear(before, place);
    }
    await apply(event, place);
  },
  Delete: (event, place) => clear(event.ResourceProperties, place),
};
