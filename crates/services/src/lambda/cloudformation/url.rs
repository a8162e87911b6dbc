//! `AWS::Lambda::Url`

use super::{only, typed, unless_gone};
use crate::properties;
use aloft_engine::{Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait, differs};
use serde_json::{Map, Value};

pub(super) struct UrlHandler;

fn input(properties: &Value) -> Value {
    let mut input: Map<String, Value> = only(properties, &["AuthType", "Cors", "InvokeMode", "Qualifier"]);
    input.insert("FunctionName".to_owned(), properties["TargetFunctionArn"].clone());
    let mut input = Value::Object(input);
    typed(&mut input, &["AllowCredentials", "MaxAge"]);
    input
}

fn described(answer: &Value) -> Resource {
    let arn = answer["FunctionArn"].as_str().unwrap_or_default();
    let url = answer["FunctionUrl"].as_str().unwrap_or_default();
    let attributes = properties::attributes([("FunctionArn", arn), ("FunctionUrl", url)]);
    Resource { physical_id: arn.to_owned(), attributes }
}

#[async_trait]
impl ResourceHandler for UrlHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        match context.call("lambda", "CreateFunctionUrlConfig", input(properties)).await {
            Err(error) if error.code == "ResourceConflictException" && resource.resuming => {
                Ok(described(&context.call("lambda", "UpdateFunctionUrlConfig", input(properties)).await?))
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
        if differs(old, new, &["Qualifier", "TargetFunctionArn"]) {
            return Ok(Update::Replace);
        }
        let answer = resource.context.call("lambda", "UpdateFunctionUrlConfig", input(new)).await?;
        Ok(Update::InPlace(described(&answer)))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        _: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let mut input = only(properties, &["Qualifier"]);
        input.insert("FunctionName".to_owned(), properties["TargetFunctionArn"].clone());
        unless_gone(resource.context.call("lambda", "DeleteFunctionUrlConfig", input.into()).await)
    }
}
