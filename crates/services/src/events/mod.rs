//! EventBridge: event buses, rules with patterns and schedules, targets with retries.
//!
//! Delivers to Lambda, SQS, SNS, event buses, CloudWatch Logs and Kinesis. Not here: archives and replays, API destinations,
//! global endpoints, partner sources; and who may put events on a bus (policies are kept, not judged).
//! Keeps true: an event that was taken is a row for each target until it was delivered or given up; a schedule fires once
//! for each of its times, and after a pause once for the latest that was missed.

mod bus;
mod buses;
mod cloudformation;
mod delivery;
mod errors;
mod permissions;
mod put;
mod rule;
mod rules;
mod schedule;
mod tags;
mod targets;
#[cfg(test)]
mod tests;
mod transform;

use aloft_engine::timers::Timer;
use aloft_engine::{Context, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait};

/// The service.
pub struct Events;

aloft_engine::operations! { Events;
    CreateEventBus => buses::create,
    DeleteEventBus => buses::delete,
    DeleteRule => rules::delete,
    DescribeEventBus => buses::describe,
    DescribeRule => rules::describe,
    DisableRule => rules::disable,
    EnableRule => rules::enable,
    ListEventBuses => buses::list,
    ListRuleNamesByTarget => targets::list_rule_names,
    ListRules => rules::list,
    ListTagsForResource => tags::list,
    ListTargetsByRule => targets::list,
    PutEvents => put::put_events,
    PutPermission => permissions::put,
    PutRule => rules::put,
    PutTargets => targets::put,
    RemovePermission => permissions::remove,
    RemoveTargets => targets::remove,
    TagResource => tags::tag,
    TestEventPattern => put::test_pattern,
    UntagResource => tags::untag,
    UpdateEventBus => buses::update,
}

#[async_trait]
impl Service for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    async fn call(
        &self,
        context: &Context,
        operation: &str,
        input: Input,
    ) -> Option<Result<Reply, ServiceError>> {
        Operation::dispatch(OPERATIONS, self, context, operation, input).await
    }

    fn operation_names(&self) -> Vec<&'static str> {
        OPERATIONS.iter().map(|operation| operation.name).collect()
    }

    fn resources(&self) -> &'static [ResourceType] {
        cloudformation::RESOURCES
    }

    async fn timer(&self, context: &Context, timer: &Timer) -> Result<(), ServiceError> {
        let done = match timer.name.split('/').next() {
            Some("schedule") => schedule::tick(context, timer).await,
            _ => delivery::work(context, timer).await,
        };
        done.map_err(ServiceError::from)
    }
}
