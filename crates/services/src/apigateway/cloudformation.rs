//! The types of REST APIs.

use crate::gateway::resources::{TOKEN, describe, lower_first, read, unless_gone};
use crate::properties;
use aloft_engine::{
    Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait, differs,
};
use serde_json::{Map, Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::ApiGateway::Account", handler: &Account },
    ResourceType {
        name: "AWS::ApiGateway::ApiKey",
        handler: &Part {
            kind: "ApiKey",
            member: "apiKey",
            fixed: &["Value", "GenerateDistinctId"],
            attributes: &[("APIKeyId", "id")],
            ..PART
        },
    },
    ResourceType {
        name: "AWS::ApiGateway::Authorizer",
        handler: &Part {
            kind: "Authorizer",
            member: "authorizerId",
            fixed: &["RestApiId"],
            attributes: &[("AuthorizerId", "id")],
            ..PART
        },
    },
    ResourceType { name: "AWS::ApiGateway::Deployment", handler: &Deployment },
    ResourceType { name: "AWS::ApiGateway::GatewayResponse", handler: &GatewayResponse },
    ResourceType { name: "AWS::ApiGateway::Method", handler: &Method },
    ResourceType {
        name: "AWS::ApiGateway::Model",
        handler: &Part {
            kind: "Model",
            member: "modelName",
            id: "name",
            fixed: &["RestApiId", "Name", "ContentType"],
            ..PART
        },
    },
    ResourceType {
        name: "AWS::ApiGateway::RequestValidator",
        handler: &Part {
            kind: "RequestValidator",
            member: "requestValidatorId",
            fixed: &["RestApiId", "Name"],
            attributes: &[("RequestValidatorId", "id")],
            ..PART
        },
    },
    ResourceType {
        name: "AWS::ApiGateway::Resource",
        handler: &Part {
            kind: "Resource",
            member: "resourceId",
            fixed: &["RestApiId", "ParentId", "PathPart"],
            attributes: &[("ResourceId", "id")],
            ..PART
        },
    },
    ResourceType {
        name: "AWS::ApiGateway::RestApi",
        handler: &Part {
            kind: "RestApi",
            member: "restApiId",
            tagged: true,
            attributes: &[("RestApiId", "id"), ("RootResourceId", "rootResourceId")],
            ..PART
        },
    },
    ResourceType {
        name: "AWS::ApiGateway::Stage",
        handler: &Part {
            kind: "Stage",
            member: "stageName",
            id: "stageName",
            fixed: &["RestApiId", "StageName"],
            tagged: true,
            ..PART
        },
    },
    ResourceType {
        name: "AWS::ApiGateway::UsagePlan",
        handler: &Part {
            kind: "UsagePlan",
            member: "usagePlanId",
            tagged: true,
            attributes: &[("Id", "id")],
            ..PART
        },
    },
    ResourceType { name: "AWS::ApiGateway::UsagePlanKey", handler: &UsagePlanKey },
];

const SERVICE: &str = "apigateway";

/// Properties with other names in the API.
fn rename(name: &str) -> String {
    match name {
        "ApiKeySourceType" => "apiKeySource".to_owned(),
        "UsagePlanName" => "name".to_owned(),
        other => lower_first(other),
    }
}

/// A resource whose properties are the members of `Create...`.
struct Part {
    /// `Authorizer` of `CreateAuthorizer`
    kind: &'static str,
    /// The member of updates and deletions that says which one.
    member: &'static str,
    /// The member of answers that is the physical id.
    id: &'static str,
    /// The properties that cannot change.
    fixed: &'static [&'static str],
    /// Attributes, and the members that they are.
    attributes: &'static [(&'static str, &'static str)],
    /// Whether it has tags.
    tagged: bool,
}

const PART: Part = Part { kind: "", member: "", id: "id", fixed: &[], attributes: &[], tagged: false };

impl Part {
    fn input(&self, resource: &ResourceContext, properties: &Value) -> Map<String, Value> {
        let mut input = read(properties, rename);
        if self.tagged {
            input.insert("tags".to_owned(), json!(properties::tags(resource, properties)));
        } else {
            input.shift_remove("tags");
        }
        // Documents are JSON texts in the API.
        for name in ["policy", "schema"] {
            if let Some(document) = properties.get(if name == "policy" { "Policy" } else { "Schema" })
                && !document.is_string()
                && !document.is_null()
            {
                input.insert(name.to_owned(), document.to_string().into());
            }
        }
        match self.kind {
            "Model" | "RequestValidator" => {
                let generated = || Value::from(format!("{}{}", resource.logical_id, resource.token));
                input.entry("name").or_insert_with(generated);
            }
            "RestApi" | "Authorizer" | "UsagePlan" => {
                input.entry("name").or_insert_with(|| resource.generated_name(128).into());
            }
            "Stage" => {
                let settings = method_settings(&input);
                input
                    .shift_remove("accessLogSetting")
                    .map(|log| input.insert("accessLogSettings".to_owned(), log));
                input.insert("methodSettings".to_owned(), settings);
                input
                    .shift_remove("canarySetting")
                    .map(|canary| input.insert("canarySettings".to_owned(), canary));
            }
            _ => {}
        }
        input
    }

    fn describe(&self, answer: &Value) -> Resource {
        let mut resource = describe(answer, self.id, &[]);
        resource.attributes = self
            .attributes
            .iter()
            .map(|(name, member)| ((*name).to_owned(), answer[*member].clone()))
            .collect();
        resource
    }
}

/// The list of settings as the map by path and method that the API has.
fn method_settings(input: &Map<String, Value>) -> Value {
    let items = input.get("methodSettings").and_then(Value::as_array);
    let mut settings = Map::new();
    for item in items.into_iter().flatten().filter_map(Value::as_object) {
        let mut item = item.clone();
        let path = item.shift_remove("resourcePath");
        let method = item.shift_remove("httpMethod");
        let text = |value: Option<Value>| {
            value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or("*".to_owned())
        };
        // `/*` is how templates write all resources.
        let path = text(path).replace("~1", "/");
        let path = path.trim_start_matches('/');
        settings.insert(format!("{path}/{}", text(method)), item.into());
    }
    settings.into()
}

#[async_trait]
impl ResourceHandler for Part {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let mut input = self.input(resource, properties);
        input.insert(TOKEN.to_owned(), resource.token.as_str().into());
        let answer = resource.context.call(SERVICE, &format!("Create{}", self.kind), input.into()).await?;
        Ok(self.describe(&answer))
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, self.fixed) {
            return Ok(Update::Replace);
        }
        let mut members = self.input(resource, new);
        for name in self.input(resource, old).keys() {
            // What the template no longer says is taken away.
            members.entry(name.clone()).or_insert(Value::Null);
        }
        let api = members.shift_remove("restApiId");
        members.retain(|name, _| !matches!(name.as_str(), "value" | "generateDistinctId"));
        let mut input = json!({ super::patch::MEMBERS: members });
        if let Some(api) = api {
            input["restApiId"] = api;
        }
        input[self.member] = physical_id.into();
        let answer = resource.context.call(SERVICE, &format!("Update{}", self.kind), input).await?;
        Ok(Update::InPlace(self.describe(&answer)))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let mut input = json!({});
        if let Some(api) = properties.get("RestApiId") {
            input["restApiId"] = api.clone();
        }
        input[self.member] = physical_id.into();
        unless_gone(resource.context.call(SERVICE, &format!("Delete{}", self.kind), input).await)
    }
}

/// A method with its integration and all responses, made at once.
struct Method;

impl Method {
    async fn put(&self, resource: &ResourceContext, properties: &Value) -> Result<(), ServiceError> {
        let mut input = read(properties, rename);
        input.insert(TOKEN.to_owned(), resource.token.as_str().into());
        input.entry("authorizationType").or_insert("NONE".into());
        if let Some(Value::Object(parameters)) = input.get_mut("requestParameters") {
            for value in parameters.values_mut() {
                *value = (*value == true || *value == "true").into();
            }
        }
        if let Some(Value::Object(mut integration)) = input.shift_remove("integration") {
            if let Some(method) = integration.shift_remove("integrationHttpMethod") {
                integration.insert("httpMethod".to_owned(), method);
            }
            by_status(&mut integration, "integrationResponses");
            input.insert("methodIntegration".to_owned(), integration.into());
        }
        by_status(&mut input, "methodResponses");
        resource.context.call(SERVICE, "PutMethod", input.into()).await.map(drop)
    }
}

/// A list of responses as the map by status that the API has.
fn by_status(members: &mut Map<String, Value>, name: &str) {
    let Some(Value::Array(responses)) = members.shift_remove(name) else { return };
    let by_status: Map<String, Value> = responses
        .into_iter()
        .filter_map(|response| Some((properties::text(&response, "statusCode")?, response)))
        .collect();
    members.insert(name.to_owned(), by_status.into());
}

#[async_trait]
impl ResourceHandler for Method {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        self.put(resource, properties).await?;
        Ok(Resource { physical_id: resource.generated_name(64), attributes: Map::new() })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["RestApiId", "ResourceId", "HttpMethod"]) {
            return Ok(Update::Replace);
        }
        self.put(resource, new).await?;
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes: Map::new() }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        _: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({
            "restApiId": properties["RestApiId"], "resourceId": properties["ResourceId"], "httpMethod": properties["HttpMethod"],
        });
        unless_gone(resource.context.call(SERVICE, "DeleteMethod", input).await)
    }
}

struct Deployment;

#[async_trait]
impl ResourceHandler for Deployment {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let mut input = read(properties, rename);
        input.insert(TOKEN.to_owned(), resource.token.as_str().into());
        // The stage that comes along.
        if let Some(Value::Object(stage)) = input.shift_remove("stageDescription") {
            for (name, member) in [
                ("description", "stageDescription"),
                ("variables", "variables"),
                ("tracingEnabled", "tracingEnabled"),
                ("cacheClusterEnabled", "cacheClusterEnabled"),
                ("cacheClusterSize", "cacheClusterSize"),
            ] {
                if let Some(value) = stage.get(name) {
                    input.insert(member.to_owned(), value.clone());
                }
            }
        }
        input
            .shift_remove("deploymentCanarySettings")
            .map(|canary| input.insert("canarySettings".to_owned(), canary));
        let answer = resource.context.call(SERVICE, "CreateDeployment", input.into()).await?;
        let mut made = describe(&answer, "id", &[]);
        made.attributes = properties::attributes([("DeploymentId", &made.physical_id)]);
        Ok(made)
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["RestApiId", "DeploymentCanarySettings"]) {
            return Ok(Update::Replace);
        }
        let members = json!({ "description": new.get("Description") });
        let input = json!({ "restApiId": new["RestApiId"], "deploymentId": physical_id, super::patch::MEMBERS: members });
        resource.context.call(SERVICE, "UpdateDeployment", input).await?;
        let attributes = properties::attributes([("DeploymentId", physical_id)]);
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let context = &resource.context;
        let api = &properties["RestApiId"];
        // The stage that came along goes along, unless it has another deployment by now.
        if let Some(stage) = properties.get("StageName") {
            let named = json!({ "restApiId": api, "stageName": stage });
            let found = context.call(SERVICE, "GetStage", named.clone()).await;
            if found.is_ok_and(|found| found["deploymentId"] == physical_id) {
                unless_gone(context.call(SERVICE, "DeleteStage", named).await)?;
            }
        }
        let input = json!({ "restApiId": api, "deploymentId": physical_id });
        unless_gone(context.call(SERVICE, "DeleteDeployment", input).await)
    }
}

struct GatewayResponse;

#[async_trait]
impl ResourceHandler for GatewayResponse {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        resource.context.call(SERVICE, "PutGatewayResponse", read(properties, rename).into()).await?;
        let physical_id = resource.generated_name(64);
        let attributes = properties::attributes([("Id", &physical_id)]);
        Ok(Resource { physical_id, attributes })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["RestApiId", "ResponseType"]) {
            return Ok(Update::Replace);
        }
        resource.context.call(SERVICE, "PutGatewayResponse", read(new, rename).into()).await?;
        let attributes = properties::attributes([("Id", physical_id)]);
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        _: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let input =
            json!({ "restApiId": properties["RestApiId"], "responseType": properties["ResponseType"] });
        unless_gone(resource.context.call(SERVICE, "DeleteGatewayResponse", input).await)
    }
}

struct Account;

impl Account {
    async fn set(&self, resource: &ResourceContext, properties: &Value) -> Result<(), ServiceError> {
        let members = json!({ "cloudwatchRoleArn": properties.get("CloudWatchRoleArn") });
        let input = json!({ super::patch::MEMBERS: members });
        resource.context.call(SERVICE, "UpdateAccount", input).await.map(drop)
    }
}

#[async_trait]
impl ResourceHandler for Account {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        self.set(resource, properties).await?;
        let physical_id = resource.generated_name(64);
        let attributes = properties::attributes([("Id", &physical_id)]);
        Ok(Resource { physical_id, attributes })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        self.set(resource, new).await?;
        let attributes = properties::attributes([("Id", physical_id)]);
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes }))
    }

    /// The account stays as it is, as on AWS: other stacks may rely on it.
    async fn delete(&self, _: &ResourceContext, _: &str, _: &Value) -> Result<(), ServiceError> {
        Ok(())
    }
}

struct UsagePlanKey;

#[async_trait]
impl ResourceHandler for UsagePlanKey {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let mut input = read(properties, rename);
        if resource.resuming {
            input.insert(TOKEN.to_owned(), resource.token.as_str().into());
        }
        let answer = resource.context.call(SERVICE, "CreateUsagePlanKey", input.into()).await?;
        let mut made = describe(&answer, "id", &[]);
        let plan = properties::text(properties, "UsagePlanId").unwrap_or_default();
        made.physical_id = format!("{}:{plan}", made.physical_id);
        made.attributes = properties::attributes([("Id", &made.physical_id)]);
        Ok(made)
    }

    async fn update(
        &self,
        _: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["KeyId", "KeyType", "UsagePlanId"]) {
            return Ok(Update::Replace);
        }
        let attributes = properties::attributes([("Id", physical_id)]);
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        _: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "usagePlanId": properties["UsagePlanId"], "keyId": properties["KeyId"] });
        unless_gone(resource.context.call(SERVICE, "DeleteUsagePlanKey", input).await)
    }
}
