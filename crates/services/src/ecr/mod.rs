//! Amazon ECR, as far as deployment tools ask it: repositories with their settings, policies and tags.
//!
//! There is no registry behind them: no image can be pushed or pulled, and those operations answer that they are not built.
//! Keeps true: an answer here is what ECR says of repositories without images.

mod cloudformation;
mod repositories;
mod settings;
#[cfg(test)]
mod tests;

use aloft_engine::{
    Context, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait, operations,
};

/// The service.
pub struct Ecr;

operations! { Ecr;
    CreateRepository => repositories::create,
    DeleteLifecyclePolicy => settings::delete_lifecycle,
    DeleteRepository => repositories::delete,
    DeleteRepositoryPolicy => settings::delete_policy,
    DescribeImages => repositories::images,
    DescribeRepositories => repositories::describe,
    GetLifecyclePolicy => settings::lifecycle,
    GetRepositoryPolicy => settings::policy,
    ListImages => repositories::images,
    ListTagsForResource => settings::tags,
    PutImageScanningConfiguration => settings::put_scanning,
    PutImageTagMutability => settings::put_mutability,
    PutLifecyclePolicy => settings::put_lifecycle,
    SetRepositoryPolicy => settings::put_policy,
    TagResource => settings::tag,
    UntagResource => settings::untag,
}

#[async_trait]
impl Service for Ecr {
    fn name(&self) -> &'static str {
        "ecr"
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
