//! Kinesis Data Streams: streams of shards, records in order, consumers that read for themselves.
//!
//! Not here: limits of throughput, encryption (its settings are kept), resource policies, channels and queues. Streams are
//! active at once. Keeps true: a record that was acknowledged is in its shard, behind all that were acknowledged before
//! it, until its retention is over.

mod cloudformation;
mod consumers;
mod put;
mod read;
mod records;
mod shards;
mod stream;
mod streams;
mod subscription;
mod tags;
#[cfg(test)]
mod tests;

pub(crate) use records::RECORDS;

use aloft_engine::timers::Timer;
use aloft_engine::{Context, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait};

/// The service.
pub struct Kinesis;

aloft_engine::operations! { Kinesis;
    AddTagsToStream => tags::add,
    CreateStream => streams::create,
    DecreaseStreamRetentionPeriod => streams::decrease_retention,
    DeleteStream => streams::delete,
    DeregisterStreamConsumer => consumers::deregister,
    DescribeLimits => streams::limits,
    DescribeStream => streams::describe,
    DescribeStreamConsumer => consumers::describe,
    DescribeStreamSummary => streams::summary,
    DisableEnhancedMonitoring => streams::disable_monitoring,
    EnableEnhancedMonitoring => streams::enable_monitoring,
    GetRecords => read::get_records,
    GetShardIterator => read::get_iterator,
    IncreaseStreamRetentionPeriod => streams::increase_retention,
    ListShards => streams::list_shards,
    ListStreamConsumers => consumers::list,
    ListStreams => streams::list,
    ListTagsForResource => tags::list_of_resource,
    ListTagsForStream => tags::list,
    MergeShards => shards::merge,
    PutRecord => put::record,
    PutRecords => put::records,
    RegisterStreamConsumer => consumers::register,
    RemoveTagsFromStream => tags::remove,
    SplitShard => shards::split,
    StartStreamEncryption => streams::encrypt,
    StopStreamEncryption => streams::decrypt,
    SubscribeToShard => subscription::subscribe,
    TagResource => tags::tag,
    UntagResource => tags::untag,
    UpdateShardCount => shards::update_count,
    UpdateStreamMode => streams::update_mode,
}

#[async_trait]
impl Service for Kinesis {
    fn name(&self) -> &'static str {
        "kinesis"
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
        Ok(records::trim(context, timer).await?)
    }
}
