'use strict';

// A rule of an event bus, its target and, where the bus is named and not there yet, the bus.

const crypto = require('node:crypto');
const {
  EventBridgeClient,
  CreateEventBusCommand,
  DeleteEventBusCommand,
  DeleteRuleCommand,
  PutRuleCommand,
  PutTargetsCommand,
  RemoveTargetsCommand,
} = require('@aws-sdk/client-eventbridge');
const { unless } = require('../shared/resource');
const { allow, forbid } = require('../shared/permission');

const events = new EventBridgeClient({});

/** Whether a bus is one that the stack may make: named, and neither another's nor the account's own. */
const isOurs = (bus) => Boolean(bus) && bus !== 'default' && !bus.startsWith('arn:') && !bus.startsWith('aws.');
const busName = (bus) => (bus && bus.startsWith('arn:') ? bus.slice(bus.indexOf('/') + 1) : bus);

/** `<rule>-target`, within the 64 characters that an id may have. */
function targetId(rule) {
  const id = `${rule}-target`;
  if (id.length <= 64) return id;
  return `${id.slice(0, 25)}${crypto.createHash('md5').update(id).digest('hex')}-target`;
}

const text = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

async function apply({ ResourceProperties }, { partition, region, account, functionArn }) {
  const { FunctionName, EventBridgeConfig: config } = ResourceProperties;
  const { RuleName: rule, EventBus: bus } = config;
  if (isOurs(bus)) {
    await unless(['ResourceAlreadyExistsException'], () =>
      events.send(new CreateEventBusCommand({ Name: bus }))
    );
  }
  await events.send(
    new PutRuleCommand({
      Name: rule,
      EventBusName: busName(bus),
      EventPattern: config.Pattern && text(config.Pattern),
      ScheduleExpression: config.Schedule,
      State: config.State,
    })
  );
  const path = bus && busName(bus) !== 'default' ? `${busName(bus)}/${rule}` : rule;
  const arn = `arn:${partition}:events:${region}:${account}:rule/${path}`;
  await allow(FunctionName, rule.toLowerCase(), 'events.amazonaws.com', arn);
  const target = { Id: targetId(rule), Arn: functionArn(FunctionName) };
  if (config.Input !== undefined) target.Input = text(config.Input);
  if (config.InputPath !== undefined) target.InputPath = config.InputPath;
  if (config.InputTransformer !== undefined) target.InputTransformer = config.InputTransformer;
  const put = await events.send(
    new PutTargetsCommand({ Rule: rule, EventBusName: busName(bus), Targets: [target] })
  );
  const [failed] = put.FailedEntries || [];
  if (failed) throw new Error(`the target of ${rule} was refused: ${failed.ErrorMessage}`);
}

async function clear({ FunctionName, EventBridgeConfig: { RuleName: rule, EventBus: bus } }) {
  const EventBusName = busName(bus);
  const gone = ['ResourceNotFoundException'];
  await unless(gone, () =>
    events.send(new RemoveTargetsCommand({ Rule: rule, EventBusName, Ids: [targetId(rule)] }))
  );
  await unless(gone, () => events.send(new DeleteRuleCommand({ Name: rule, EventBusName })));
  await forbid(FunctionName, rule.toLowerCase());
  if (!isOurs(bus)) return;
  try {
    await events.send(new DeleteEventBusCommand({ Name: bus }));
  } catch (error) {
    // Others have rules there: it stays.
    console.log(`the event bus ${bus} stays: ${error.message}`);
  }
}

module.exports = {
  Create: apply,
  async Update(event, place) {
    const { ResourceProperties: now, OldResourceProperties: before } = event;
    const named = ({ FunctionName, EventBridgeConfig: { RuleName, EventBus } }) =>
      JSON.stringify([FunctionName, RuleName, EventBus]);
    if (before && named(before) !== named(now)) await clear(before);
    await apply(event, place);
  },
  Delete: (event) => clear(event.ResourceProperties),
};
