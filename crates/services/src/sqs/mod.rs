//! Simple Queue Service: standard and FIFO queues, dead-letter queues, long polling.
//!
//! Not here: who may use a queue (policies are kept and returned, not judged) and encryption (its settings are kept). A
//! queue's name is free again at once after its deletion, and purges may follow each other, where AWS asks for a minute.
//! Keeps true: a message is either in its queue or deleted, whatever crashes; receiving costs the same in a long queue.

mod attributes;
mod batch;
mod change;
mod cloudformation;
mod content;
mod errors;
mod messages;
mod moves;
mod permissions;
mod queue;
mod queues;
mod receive;
mod redrive;
mod send;
#[cfg(test)]
mod tests;

use aloft_engine::timers::Timer;
use aloft_engine::{
    Context, Engine, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait,
};
use std::sync::Arc;
use tokio::sync::Notify;

/// The service.
#[derive(Default)]
pub struct Sqs {
    /// Tells those who wait for messages that the clock has jumped.
    jumped: Arc<Notify>,
}

aloft_engine::operations! { Sqs;
    AddPermission => permissions::add,
    CancelMessageMoveTask => moves::cancel,
    ChangeMessageVisibility => change::visibility,
    ChangeMessageVisibilityBatch => change::visibility_batch,
    CreateQueue => queues::create,
    DeleteMessage => change::delete,
    DeleteMessageBatch => change::delete_batch,
    DeleteQueue => queues::delete,
    GetQueueAttributes => queues::get_attributes,
    GetQueueUrl => queues::get_url,
    ListDeadLetterSourceQueues => redrive::list_sources,
    ListMessageMoveTasks => moves::list,
    ListQueueTags => queues::list_tags,
    ListQueues => queues::list,
    PurgeQueue => queues::purge,
    ReceiveMessage => receive::receive,
    RemovePermission => permissions::remove,
    SendMessage => send::send,
    SendMessageBatch => send::send_batch,
    SetQueueAttributes => queues::set_attributes,
    StartMessageMoveTask => moves::start,
    TagQueue => queues::tag,
    UntagQueue => queues::untag,
}

#[async_trait]
impl Service for Sqs {
    fn name(&self) -> &'static str {
        "sqs"
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
        Ok(moves::work(context, timer).await?)
    }

    async fn start(&self, engine: &Engine) -> Result<(), ServiceError> {
        let jumped = self.jumped.clone();
        engine.clock().on_advance(move || jumped.notify_waiters());
        Ok(())
    }
}
