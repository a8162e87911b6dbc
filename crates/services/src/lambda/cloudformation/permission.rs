//! `AWS::Lambda::Permission`

use super::{only, required, typed, unless_gone};
use crate::properties;
use aloft_engine::{Resource, ResourceContext, ResourceHandler, ServiceError, async_trait};
use serde_json::{Value, json};

pub(super) struct PermissionHandler;

#[async_trait]
impl ResourceHandler for PermissionHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let id = resource.generated_name(100);
        let names = [
            "Action",
            "EventSourceToken",
            "FunctionName",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "Principal",
            "PrincipalOrgID",
            "SourceAccount",
            "SourceArn",
        ];
        let mut input = Value::Object(only(properties, &names));
        typed(&mut input, &["InvokedViaFunctionUrl"]);
        if let Some(account) = properties::text(properties, "SourceAccount") {
            input["SourceAccount"] = account.into();
        }
        input["StatementId"] = id.clone().into();
        match resource.context.call("lambda", "AddPermission", input).await {
            Err(error) if error.code == "ResourceConflictException" && resource.resuming => {}
            other => drop(other?),
        }
        Ok(Resource { attributes: properties::attributes([("Id", &id)]), physical_id: id })
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({
            "FunctionName": required(properties, "FunctionName")?,
            "StatementId": physical_id,
        });
        unless_gone(resource.context.call("lambda", "RemovePermission", input).await)
    }
}
