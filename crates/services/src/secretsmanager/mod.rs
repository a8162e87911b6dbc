//! Secrets Manager: secrets with versions and staging labels, deleted after a time in which they can be restored.
//!
//! Rotation, replication and sharing across accounts are not built. Nothing is encrypted beyond what the machine's disk is.
//! Keeps true: at most one version of a secret is `AWSCURRENT`; what is marked for deletion is read by nobody.

mod cloudformation;
mod deletion;
mod find;
mod password;
mod policies;
mod rows;
mod secrets;
mod stages;
#[cfg(test)]
mod tests;
mod values;

use aloft_engine::timers::Timer;
use aloft_engine::{Context, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait};

/// The service.
pub struct SecretsManager;

aloft_engine::operations! { SecretsManager;
    BatchGetSecretValue => values::get_all,
    CreateSecret => secrets::create,
    DeleteResourcePolicy => policies::delete,
    DeleteSecret => deletion::delete,
    DescribeSecret => secrets::describe,
    GetRandomPassword => password::get,
    GetResourcePolicy => policies::get,
    GetSecretValue => values::get,
    ListSecretVersionIds => stages::list,
    ListSecrets => find::list,
    PutResourcePolicy => policies::put,
    PutSecretValue => values::put,
    RestoreSecret => deletion::restore,
    TagResource => secrets::tag,
    UntagResource => secrets::untag,
    UpdateSecret => secrets::update,
    UpdateSecretVersionStage => stages::update,
}

#[async_trait]
impl Service for SecretsManager {
    fn name(&self) -> &'static str {
        "secretsmanager"
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
        Ok(deletion::expire(context, timer).await?)
    }
}
