//! Systems Manager's Parameter Store: parameters with versions and labels, in hierarchies.
//!
//! The rest of Systems Manager is not built. Nothing is encrypted: without decryption, a `SecureString` is told as a text that says
//! nothing of its value. Policies (expiration, notification) are refused. Keeps true: a version, once put, never changes
//! its value, and of each parameter the last hundred are kept.

mod cloudformation;
mod find;
mod labels;
mod names;
mod parameters;
mod put;
mod rows;
mod tags;
#[cfg(test)]
mod tests;

use aloft_engine::{Context, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait};

/// The service.
pub struct Ssm;

aloft_engine::operations! { Ssm;
    AddTagsToResource => tags::add,
    DeleteParameter => parameters::delete,
    DeleteParameters => parameters::delete_all,
    DescribeParameters => find::describe,
    GetParameter => parameters::get,
    GetParameterHistory => parameters::history,
    GetParameters => parameters::get_all,
    GetParametersByPath => find::by_path,
    LabelParameterVersion => labels::add,
    ListTagsForResource => tags::list,
    PutParameter => put::put,
    RemoveTagsFromResource => tags::remove,
    UnlabelParameterVersion => labels::remove,
}

#[async_trait]
impl Service for Ssm {
    fn name(&self) -> &'static str {
        "ssm"
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
}
