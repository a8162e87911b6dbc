//! CloudWatch Logs: groups, streams, events, finding events by pattern, and subscribers that get them.
//!
//! Not here: metric filters, Insights, exports; those answer that they are not built. Encryption keys and
//! classes are kept and returned. Keeps true: the events of a stream lie in the order of their time, so reading is a range
//! scan; an event past its group's retention is never shown, and is dropped by a timer.

mod append;
mod cloudformation;
mod events;
mod filter;
mod forward;
mod groups;
mod pattern;
mod retention;
mod rows;
mod streams;
mod subscriptions;
#[cfg(test)]
mod tests;

pub(crate) use append::{Line, append};

use aloft_engine::timers::Timer;
use aloft_engine::{Context, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait};

/// The service.
pub struct Logs;

aloft_engine::operations! { Logs;
    CreateLogGroup => groups::create,
    CreateLogStream => streams::create,
    DeleteLogGroup => groups::delete,
    DeleteLogStream => streams::delete,
    DeleteRetentionPolicy => retention::delete,
    DeleteSubscriptionFilter => subscriptions::delete,
    DescribeLogGroups => groups::describe,
    DescribeLogStreams => streams::describe,
    DescribeSubscriptionFilters => subscriptions::describe,
    FilterLogEvents => filter::filter,
    GetLogEvents => events::get,
    ListTagsForResource => groups::list_tags,
    ListTagsLogGroup => groups::list_tags_of_name,
    PutLogEvents => events::put,
    PutRetentionPolicy => retention::put,
    PutSubscriptionFilter => subscriptions::put,
    TagLogGroup => groups::tag_name,
    TagResource => groups::tag,
    UntagLogGroup => groups::untag_name,
    UntagResource => groups::untag,
}

#[async_trait]
impl Service for Logs {
    fn name(&self) -> &'static str {
        "logs"
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
        match timer.name.split('/').next() {
            Some("forward") => forward::send(context, timer).await?,
            _ => retention::expire(context, timer).await?,
        }
        Ok(())
    }
}
