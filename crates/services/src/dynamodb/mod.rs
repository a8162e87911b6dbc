//! DynamoDB: tables of items, found by key and queried in order, changed under conditions.
//!
//! Expressions are `aloft_lang`'s; here are tables, rows, and the operations. PartiQL, backups and global tables are not
//! built. Keeps true: an item, its index rows, its expiry and its stream record change together.

mod batch;
mod capacity;
pub mod cloudformation;
mod description;
mod error;
mod item;
mod legacy;
mod pages;
mod range;
mod read;
mod request;
mod rows;
mod schema;
mod settings;
pub(crate) mod stream;
mod table;
mod tables;
mod tags;
mod transact;
mod update_table;
mod work;
mod write;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use error::invalid;

use aloft_engine::timers::Timer;
use aloft_engine::{Context, Input, Operation, Reply, ResourceType, Service, ServiceError, operations};
use async_trait::async_trait;
use std::time::Duration;

/// The model's name.
pub(crate) const NAME: &str = "dynamodb";

/// When work that a timer did not finish goes on. Not at once: the timer that is firing must differ from the next.
const SOON: Duration = Duration::from_millis(1);

/// The service.
pub struct DynamoDb;

operations! { DynamoDb;
    BatchGetItem => batch::get,
    BatchWriteItem => batch::write,
    CreateTable => tables::create,
    DeleteItem => write::delete,
    DeleteTable => tables::delete,
    DescribeContinuousBackups => settings::describe_backups,
    DescribeEndpoints => settings::describe_endpoints,
    DescribeLimits => settings::describe_limits,
    DescribeTable => tables::describe_one,
    DescribeTimeToLive => settings::describe_time_to_live,
    GetItem => read::get,
    ListTables => tables::list,
    ListTagsOfResource => tags::list,
    PutItem => write::put,
    Query => pages::query,
    Scan => pages::scan,
    TagResource => tags::tag,
    TransactGetItems => transact::get,
    TransactWriteItems => transact::write,
    UntagResource => tags::untag,
    UpdateContinuousBackups => settings::update_backups,
    UpdateItem => write::update,
    UpdateTable => update_table::update,
    UpdateTimeToLive => settings::update_time_to_live,
}

#[async_trait]
impl Service for DynamoDb {
    fn name(&self) -> &'static str {
        NAME
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
        match timer.name.split('/').next().unwrap_or_default() {
            "expire" => work::expire(context, timer).await?,
            "fill" => work::resume_fill(context, timer).await?,
            "sweep" => work::sweep(context, timer).await?,
            "token" => transact::forget_token(context, timer).await?,
            "trim" => stream::trim(context, timer).await?,
            other => tracing::warn!(timer = other, "a timer of an unknown kind"),
        }
        Ok(())
    }
}
