//! EventBridge Scheduler: schedules in groups, each with one target and its retries.
//!
//! Delivers to Lambda, SQS, SNS, event buses and Kinesis. Not here: universal targets (`aws-sdk:`), and the templated targets of
//! services that are not built; they are refused. Whether the execution role may do it is not judged.
//! Keeps true: a schedule fires once for each of its times, and after a pause once for the latest that was missed; what
//! has fired is a row until its target has taken it or it was given up.

mod check;
mod cloudformation;
mod delivery;
mod errors;
mod groups;
mod schedule;
mod schedules;
mod tags;
#[cfg(test)]
mod tests;
mod tick;

use aloft_engine::timers::Timer;
use aloft_engine::{Context, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait};

/// The service.
pub struct Scheduler;

aloft_engine::operations! { Scheduler;
    CreateSchedule => schedules::create,
    CreateScheduleGroup => groups::create,
    DeleteSchedule => schedules::delete,
    DeleteScheduleGroup => groups::delete,
    GetSchedule => schedules::get,
    GetScheduleGroup => groups::get,
    ListScheduleGroups => groups::list,
    ListSchedules => schedules::list,
    ListTagsForResource => tags::list,
    TagResource => tags::tag,
    UntagResource => tags::untag,
    UpdateSchedule => schedules::update,
}

#[async_trait]
impl Service for Scheduler {
    fn name(&self) -> &'static str {
        "scheduler"
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
            Some("schedule") => tick::fire(context, timer).await,
            _ => delivery::work(context, timer).await,
        };
        done.map_err(ServiceError::from)
    }
}
