//! `AWS::Lambda::Version` and `AWS::Lambda::Alias`

use super::{only, required, typed, unless_gone};
use crate::properties;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait, differs,
};
use serde_json::{Map, Value, json};

pub(super) struct VersionHandler;

#[async_trait]
impl ResourceHandler for VersionHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        if properties.get("ProvisionedConcurrencyConfig").is_some() {
            return Err(ServiceError::validation("The local cloud has not built provisioned concurrency."));
        }
        let input = only(properties, &["CodeSha256", "Description", "FunctionName"]);
        let answer = resource.context.call("lambda", "PublishVersion", input.into()).await?;
        let arn = answer["FunctionArn"].as_str().unwrap_or_default();
        let version = answer["Version"].as_str().unwrap_or_default();
        let attributes = properties::attributes([("FunctionArn", arn), ("Version", version)]);
        Ok(Resource { physical_id: arn.to_owned(), attributes })
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "FunctionName": physical_id });
        unless_gone(resource.context.call("lambda", "DeleteFunction", input).await)
    }
}

pub(super) struct AliasHandler;

/// What the API takes; templates name the weights in a list.
fn alias(properties: &Value) -> Result<Map<String, Value>, ServiceError> {
    if properties.get("ProvisionedConcurrencyConfig").is_some() {
        return Err(ServiceError::validation("The local cloud has not built provisioned concurrency."));
    }
    let mut input = only(properties, &["Description", "FunctionName", "FunctionVersion", "Name"]);
    let mut weights = Map::new();
    let mut listed = properties["RoutingConfig"].get("AdditionalVersionWeights").cloned().unwrap_or_default();
    typed(&mut listed, &["FunctionWeight"]);
    for weight in listed.as_array().into_iter().flatten() {
        weights.insert(required(weight, "FunctionVersion")?, weight["FunctionWeight"].clone());
    }
    input.insert("RoutingConfig".to_owned(), json!({ "AdditionalVersionWeights": weights }));
    if let Some(version) = properties::text(properties, "FunctionVersion") {
        input.insert("FunctionVersion".to_owned(), version.into());
    }
    Ok(input)
}

fn described(answer: &Value) -> Resource {
    let arn = answer["AliasArn"].as_str().unwrap_or_default();
    Resource { physical_id: arn.to_owned(), attributes: properties::attributes([("AliasArn", arn)]) }
}

async fn update_alias(context: &Context, properties: &Value) -> Result<Resource, ServiceError> {
    let mut input = alias(properties)?;
    input.entry("Description").or_insert_with(|| "".into());
    Ok(described(&context.call("lambda", "UpdateAlias", input.into()).await?))
}

#[async_trait]
impl ResourceHandler for AliasHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        match resource.context.call("lambda", "CreateAlias", alias(properties)?.into()).await {
            Err(error) if error.code == "ResourceConflictException" && resource.resuming => {
                update_alias(&resource.context, properties).await
            }
            other => Ok(described(&other?)),
        }
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        _: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["FunctionName", "Name"]) {
            return Ok(Update::Replace);
        }
        Ok(Update::InPlace(update_alias(&resource.context, new).await?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        _: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let input = only(properties, &["FunctionName", "Name"]);
        unless_gone(resource.context.call("lambda", "DeleteAlias", input.into()).await)
    }
}
