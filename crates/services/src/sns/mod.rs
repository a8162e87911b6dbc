//! Simple Notification Service: standard and FIFO topics, subscriptions with filters, delivery with retries.
//!
//! Delivers to Lambda, SQS, HTTP(S); an SMS is only noted down, e-mail subscriptions stay pending, and push notifications are
//! not built. Not here: who may publish (policies are kept and returned, not judged).
//! Keeps true: once a publish is answered, each delivery it caused is a row in the store until it has succeeded or been
//! given up.

mod attributes;
mod cloudformation;
mod delivery;
mod errors;
mod filter;
mod message;
mod notification;
mod permissions;
mod publish;
mod retry;
mod sms;
mod subscription;
mod subscriptions;
mod tags;
#[cfg(test)]
mod tests;
mod topic;
mod topics;

use crate::outward::Outward;
use aloft_engine::timers::Timer;
use aloft_engine::{Context, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait};

/// How many HTTP endpoints are waited for at once, so that slow ones leave room for other timers.
const MOST_REQUESTS: usize = 16;

/// The service.
pub struct Sns {
    /// Reaches subscribers over HTTP.
    outward: Outward,
    requests: tokio::sync::Semaphore,
    /// Held while the deliveries of a FIFO topic are made, so that they stay in order.
    in_order: tokio::sync::Mutex<()>,
}

impl Default for Sns {
    fn default() -> Self {
        let requests = tokio::sync::Semaphore::new(MOST_REQUESTS);
        Self { outward: Outward::default(), requests, in_order: tokio::sync::Mutex::default() }
    }
}

aloft_engine::operations! { Sns;
    AddPermission => permissions::add,
    CheckIfPhoneNumberIsOptedOut => sms::is_opted_out,
    ConfirmSubscription => subscriptions::confirm,
    CreateTopic => topics::create,
    DeleteTopic => topics::delete,
    GetSMSAttributes => sms::get_attributes,
    GetSubscriptionAttributes => subscriptions::get_attributes,
    GetTopicAttributes => topics::get_attributes,
    ListSubscriptions => subscriptions::list,
    ListSubscriptionsByTopic => subscriptions::list_by_topic,
    ListTagsForResource => tags::list,
    ListTopics => topics::list,
    Publish => publish::publish,
    PublishBatch => publish::publish_batch,
    RemovePermission => permissions::remove,
    SetSMSAttributes => sms::set_attributes,
    SetSubscriptionAttributes => subscriptions::set_attributes,
    SetTopicAttributes => topics::set_attributes,
    Subscribe => subscriptions::subscribe,
    TagResource => tags::tag,
    Unsubscribe => subscriptions::unsubscribe,
    UntagResource => tags::untag,
}

#[async_trait]
impl Service for Sns {
    fn name(&self) -> &'static str {
        "sns"
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
        Ok(delivery::work(self, context, timer).await?)
    }
}
