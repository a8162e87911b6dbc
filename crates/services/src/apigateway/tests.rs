//! REST APIs as their clients and their functions see them.

mod custom;
mod guarded;
mod operations;
mod proxy;
mod stacks;

use super::ApiGateway;
use crate::gateway::testing::{Gateway, arn};
use serde_json::{Value, json};
use std::sync::Arc;

async fn gateway() -> Gateway {
    Gateway::start("apigateway", vec![Arc::new(ApiGateway::default())]).await
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

/// `arn:aws:apigateway:...` of a function's invocation.
fn uri(function: &str) -> String {
    format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations", arn(function))
}

/// An API under construction.
struct Api<'a> {
    gateway: &'a Gateway,
    id: String,
    root: String,
}

impl<'a> Api<'a> {
    async fn new(gateway: &'a Gateway, settings: Value) -> Self {
        let mut input = json!({ "name": "shop" });
        input.as_object_mut().expect("a map").extend(settings.as_object().expect("a map").clone());
        let made = gateway.make("CreateRestApi", input).await;
        let root = made["rootResourceId"].as_str().expect("an id").to_owned();
        Self { gateway, id: id(&made), root }
    }

    async fn resource(&self, parent: &str, part: &str) -> String {
        let input = json!({ "restApiId": self.id, "parentId": parent, "pathPart": part });
        id(&self.gateway.make("CreateResource", input).await)
    }

    /// Does an operation on a method with further members.
    async fn on(&self, operation: &str, resource: &str, verb: &str, more: Value) -> Value {
        let mut input = json!({ "restApiId": self.id, "resourceId": resource, "httpMethod": verb });
        input.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        self.gateway.make(operation, input).await
    }

    /// A method with a proxied function.
    async fn proxy(&self, resource: &str, verb: &str, function: &str, more: Value) {
        let mut method = json!({ "authorizationType": "NONE" });
        method.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        self.on("PutMethod", resource, verb, method).await;
        let limit = if function == "slow" { 50 } else { 29_000 };
        let integration = json!({ "type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": uri(function), "timeoutInMillis": limit });
        self.on("PutIntegration", resource, verb, integration).await;
    }

    /// A method with an integration, and its responses: members of `PutIntegrationResponse`.
    async fn custom(&self, resource: &str, verb: &str, integration: Value, responses: &[Value]) {
        self.on("PutMethod", resource, verb, json!({ "authorizationType": "NONE" })).await;
        self.on("PutIntegration", resource, verb, integration).await;
        for response in responses {
            self.on("PutMethodResponse", resource, verb, json!({ "statusCode": response["statusCode"] }))
                .await;
            self.on("PutIntegrationResponse", resource, verb, response.clone()).await;
        }
    }

    async fn deploy(&self, more: Value) {
        let mut input = json!({ "restApiId": self.id, "stageName": "dev" });
        input.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        self.gateway.make("CreateDeployment", input).await;
    }

    /// The first line of a request to the stage.
    fn to(&self, verb: &str, path: &str) -> String {
        format!("{verb} /_aws/execute-api/{}/dev{path}", self.id)
    }
}
