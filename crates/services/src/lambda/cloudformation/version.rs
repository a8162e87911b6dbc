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
        let input = only(properties, &["CodeSha256", "Description", "FunctionName"]);
        let answer = resource.context.call("lambda", "PublishVersion", input.into()).await?;
        let arn = answer["FunctionArn"].as_str().unwrap_or_default();
        let version = answer["Version"].as_str().unwrap_or_default();
        provision(&resource.context, arn, properties).await?;
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

/// Provisions for a version or an alias what its properties say.
async fn provision(context: &Context, arn: &str, properties: &Value) -> Result<(), ServiceError> {
    let (function, qualifier) = arn.rsplit_once(':').unwrap_or((arn, ""));
    let mut input = json!({ "FunctionName": function, "Qualifier": qualifier });
    let name = "ProvisionedConcurrentExecutions";
    let wanted = properties.get("ProvisionedConcurrencyConfig").and_then(|it| properties::text(it, name));
    let operation = match wanted {
        Some(text) => {
            let number: u32 = text
                .parse()
                .map_err(|_| ServiceError::validation(format!("{name} is not a number: {text}")))?;
            input[name] = number.into();
            "PutProvisionedConcurrencyConfig"
        }
        None => "DeleteProvisionedConcurrencyConfig",
    };
    context.call("lambda", operation, input).await.map(drop)
}

pub(super) struct AliasHandler;

/// What the API takes; templates name the weights in a list.
fn alias(properties: &Value) -> Result<Map<String, Value>, ServiceError> {
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
    let answer = context.call("lambda", "UpdateAlias", input.into()).await?;
    provision(context, answer["AliasArn"].as_str().unwrap_or_default(), properties).await?;
    Ok(described(&answer))
}

#[async_trait]
impl ResourceHandler for AliasHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        match resource.context.call("lambda", "CreateAlias", alias(properties)?.into()).await {
            Err(error) if error.code == "ResourceConflictException" && resource.resuming => {
                update_alias(&resource.context, properties).await
            }
            other => {
                let answer = other?;
                let arn = answer["AliasArn"].as_str().unwrap_or_default();
                provision(&resource.context, arn, properties).await?;
                Ok(described(&answer))
            }
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
