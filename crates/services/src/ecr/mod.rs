//! Amazon ECR, as far as deployment tools ask it: which repositories there are. There are none, and none can be made.
//!
//! Deployment tools look for a service's images before they remove it. Keeps true: an answer here is what ECR says to an
//! account without repositories.

use aloft_engine::{Context, Input, Operation, Reply, Service, ServiceError, async_trait, operations};
use serde::Deserialize;
use serde_json::{Value, json};

/// The service.
pub struct Ecr;

operations! { Ecr;
    DescribeRepositories => describe,
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
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Describe {
    registry_id: Option<String>,
    #[serde(default)]
    repository_names: Vec<String>,
}

async fn describe(_: &Ecr, context: &Context, input: Describe) -> Result<Value, ServiceError> {
    let Some(name) = input.repository_names.first() else {
        return Ok(json!({ "repositories": [] }));
    };
    let registry = input.registry_id.unwrap_or_else(|| context.account.to_string());
    let message =
        format!("The repository with name '{name}' does not exist in the registry with id '{registry}'");
    Err(ServiceError::new("RepositoryNotFoundException", 400, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Cloud;
    use std::sync::Arc;

    #[tokio::test]
    async fn there_are_no_repositories() {
        let cloud = Cloud::start(vec![Arc::new(Ecr)]).await;
        cloud.check("ecr", "DescribeRepositories", json!({}), json!({ "repositories": [] })).await;
        let expected = "RepositoryNotFoundException: The repository with name 'a' does not exist in the registry with id '000000000000'";
        cloud
            .check("ecr", "DescribeRepositories", json!({ "repositoryNames": ["a"] }), json!(expected))
            .await;
        let missing = "NotImplemented: the local cloud has not built ecr:CreateRepository";
        cloud.check("ecr", "CreateRepository", json!({ "repositoryName": "a" }), json!(missing)).await;
    }
}
