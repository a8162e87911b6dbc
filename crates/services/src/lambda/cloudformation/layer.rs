//! `AWS::Lambda::LayerVersion` and `AWS::Lambda::LayerVersionPermission`

use super::{only, required, unless_gone};
use crate::properties;
use aloft_engine::{Resource, ResourceContext, ResourceHandler, ServiceError, async_trait};
use serde_json::{Value, json};

/// The layer and the number of a layer version's ARN.
fn parts(arn: &str) -> Result<(&str, u64), ServiceError> {
    let refused = || ServiceError::validation(format!("{arn} is not the ARN of a layer version."));
    let (layer, number) = arn.rsplit_once(':').ok_or_else(refused)?;
    Ok((layer, number.parse().map_err(|_| refused())?))
}

pub(super) struct LayerHandler;

#[async_trait]
impl ResourceHandler for LayerHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let names =
            ["CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description", "LicenseInfo"];
        let mut input = only(properties, &names);
        let name = properties::text(properties, "LayerName").unwrap_or_else(|| resource.generated_name(140));
        input.insert("LayerName".to_owned(), name.into());
        let answer = resource.context.call("lambda", "PublishLayerVersion", input.into()).await?;
        let arn = answer["LayerVersionArn"].as_str().unwrap_or_default();
        let attributes = properties::attributes([("LayerVersionArn", arn)]);
        Ok(Resource { physical_id: arn.to_owned(), attributes })
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let (layer, number) = parts(physical_id)?;
        let input = json!({ "LayerName": layer, "VersionNumber": number });
        unless_gone(resource.context.call("lambda", "DeleteLayerVersion", input).await)
    }
}

pub(super) struct PermissionHandler;

#[async_trait]
impl ResourceHandler for PermissionHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let arn = required(properties, "LayerVersionArn")?;
        let (layer, number) = parts(&arn)?;
        let id = resource.generated_name(100);
        let mut input = only(properties, &["Action", "OrganizationId", "Principal"]);
        input.insert("LayerName".to_owned(), layer.into());
        input.insert("VersionNumber".to_owned(), number.into());
        input.insert("StatementId".to_owned(), id.clone().into());
        match resource.context.call("lambda", "AddLayerVersionPermission", input.into()).await {
            Err(error) if error.code == "ResourceConflictException" && resource.resuming => {}
            other => drop(other?),
        }
        let physical_id = format!("{arn}#{id}");
        Ok(Resource { attributes: properties::attributes([("Id", &physical_id)]), physical_id })
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let (arn, id) = physical_id.split_once('#').unwrap_or((physical_id, ""));
        let (layer, number) = parts(arn)?;
        let input = json!({ "LayerName": layer, "VersionNumber": number, "StatementId": id });
        unless_gone(resource.context.call("lambda", "RemoveLayerVersionPermission", input).await)
    }
}
