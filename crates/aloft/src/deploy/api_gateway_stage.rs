//! What a REST API's stage is told after a deploy: tracing, metrics, logs and tags, which its deployment in the template has no
//! place for.
//!
//! Not for an API that another stack owns. Keeps true: what is not configured is left as it is, and logs that are off leave no
//! group behind.

use super::Deployment;
use crate::failure::Mistakes;
use crate::session::Session;
use aloft_client::Client;
use anyhow::Context;
use serde_json::{Map, Value, json};

/// Parts of a line of the access log, unless the service says otherwise: the original's.
const FORMAT: [(&str, &str); 10] = [
    ("requestId", "requestId"),
    ("ip", "identity.sourceIp"),
    ("caller", "identity.caller"),
    ("user", "identity.user"),
    ("requestTime", "requestTime"),
    ("httpMethod", "httpMethod"),
    ("resourcePath", "resourcePath"),
    ("status", "status"),
    ("protocol", "protocol"),
    ("responseLength", "responseLength"),
];

/// What the service says about its stage.
struct Wanted {
    tracing: Option<Value>,
    metrics: Option<Value>,
    logs: Option<Value>,
    tags: Option<Map<String, Value>>,
}

impl Wanted {
    fn new(session: &Session) -> Self {
        let provider = session.service.provider();
        let within = |section: &str, key: &str| {
            provider
                .get(section)
                .and_then(|section| section.get(key))
                .filter(|value| !value.is_null())
                .cloned()
        };
        let mut tags = None;
        for section in ["stackTags", "tags"] {
            for (key, value) in provider.get(section).and_then(Value::as_object).into_iter().flatten() {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                tags.get_or_insert_with(Map::new).insert(key.clone(), json!(text));
            }
        }
        Self {
            tracing: within("tracing", "apiGateway"),
            metrics: within("apiGateway", "metrics"),
            logs: within("logs", "restApi"),
            tags,
        }
    }

    fn is_nothing(&self) -> bool {
        self.tracing.is_none() && self.metrics.is_none() && self.logs.is_none() && self.tags.is_none()
    }
}

/// Brings the stage to what the service says about it.
pub async fn update(deployment: &mut Deployment) -> anyhow::Result<()> {
    let wanted = Wanted::new(&deployment.session);
    let external = deployment.session.service.at(&["provider", "apiGateway", "restApiId"]).is_some();
    if deployment.unchanged || external || wanted.is_nothing() {
        return Ok(());
    }
    let Some(name) = api_name(deployment)? else { return Ok(()) };
    deployment.session.terminal.progress("Updating the API's stage");
    let client = deployment.session.client()?;
    let Some(api) = find(&client, &name).await? else {
        if wanted.tracing.is_none() && wanted.logs.is_none() {
            return Ok(());
        }
        let message = "Rest API id could not be resolved.\nThis might be caused by a custom API Gateway configuration.\n\n\
            In given setup stage specific options such as `tracing`, `logs` and `tags` are not supported.";
        let help = "say `tracing`, `logs` and `tags` where the API is made";
        return Err(Mistakes::plain("API_GATEWAY_REST_API_ID_NOT_RESOLVED", message, help));
    };
    let stage = stage_name(&deployment.session);
    let key = json!({ "restApiId": api, "stageName": stage });
    let current = match client.call("apigateway", "GetStage", key.clone()).await {
        Ok(current) => current,
        Err(error) if error.code() == "NotFoundException" => make(&client, &api, &stage).await?,
        Err(error) => return Err(error.into()),
    };
    let place = Place { session: &deployment.session, client: &client, api: &api, stage: &stage };
    place.apply(&wanted, key, &current).await
}

/// The name of the one API that the template makes and deploys. With HTTP events and none, another stack may have it.
fn api_name(deployment: &Deployment) -> anyhow::Result<Option<String>> {
    let session = &deployment.session;
    let resources = deployment.template()?["Resources"].as_object().context("a template has resources")?;
    let of_type = |kind: &'static str| resources.iter().filter(move |(_, resource)| resource["Type"] == kind);
    let apis: Vec<_> = of_type("AWS::ApiGateway::RestApi").collect();
    if let [(id, api)] = apis[..]
        && of_type("AWS::ApiGateway::Deployment")
            .any(|(_, one)| one["Properties"]["RestApiId"]["Ref"] == **id)
    {
        return Ok(api["Properties"]["Name"].as_str().map(str::to_owned));
    }
    let is_http = |event: &Value| event.get("http").is_some();
    let mut events =
        session.service.functions().values().filter_map(|function| function["events"].as_array());
    let uses_http = events.any(|events| events.iter().any(is_http));
    Ok(uses_http.then(|| format!("{}-{}", session.service.stage, session.service.name)))
}

async fn find(client: &Client, name: &str) -> anyhow::Result<Option<String>> {
    let mut position = Value::Null;
    loop {
        let page =
            client.call("apigateway", "GetRestApis", json!({ "position": position, "limit": 500 })).await?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        if let Some(api) = items.iter().find(|api| api["name"] == name) {
            return Ok(api["id"].as_str().map(str::to_owned));
        }
        position = page["position"].clone();
        if position.is_null() {
            return Ok(None);
        }
    }
}

/// Makes the stage, on the API's last deployment.
async fn make(client: &Client, api: &str, stage: &str) -> anyhow::Result<Value> {
    let all = client.call("apigateway", "GetDeployments", json!({ "restApiId": api, "limit": 500 })).await?;
    let deployment = all["items"][0]["id"].as_str().context("the API was never deployed")?;
    let params = json!({ "restApiId": api, "stageName": stage, "deploymentId": deployment });
    Ok(client.call("apigateway", "CreateStage", params).await?)
}

/// `provider.apiGateway.stage`, else the stage.
fn stage_name(session: &Session) -> String {
    let named = session.service.at(&["provider", "apiGateway", "stage"]).and_then(Value::as_str);
    named.unwrap_or(&session.service.stage).to_owned()
}

struct Place<'p> {
    session: &'p Session,
    client: &'p Client,
    api: &'p str,
    stage: &'p str,
}

impl Place<'_> {
    async fn apply(&self, wanted: &Wanted, key: Value, current: &Value) -> anyhow::Result<()> {
        let mut operations = Vec::new();
        let mut replace = |path: &str, value: &str| {
            operations.push(json!({ "op": "replace", "path": path, "value": value }));
        };
        if let Some(tracing) = &wanted.tracing {
            replace("/tracingEnabled", word(tracing));
        }
        if let Some(metrics) = &wanted.metrics {
            replace("/*/*/metrics/enabled", word(metrics));
        }
        if let Some(logs) = &wanted.logs {
            operations.extend(self.logs(logs).await?);
        }
        if !operations.is_empty() {
            let mut params = key;
            params["patchOperations"] = operations.into();
            self.client
                .call("apigateway", "UpdateStage", params)
                .await
                .context("cannot update the API's stage")?;
        }
        if let Some(tags) = &wanted.tags {
            self.tag(tags, current["tags"].as_object().unwrap_or(&Map::new())).await?;
        }
        if !wanted.logs.as_ref().is_some_and(|logs| is_on(logs) && setting(logs, "accessLogging")) {
            // A group that is left would stand in the way when logs are wanted again.
            let name = json!({ "logGroupName": self.log_group() });
            drop(self.client.call("logs", "DeleteLogGroup", name).await);
        }
        Ok(())
    }

    /// The operations that turn logs on or off.
    async fn logs(&self, logs: &Value) -> anyhow::Result<Vec<Value>> {
        let replace = |path: &str, value: &str| json!({ "op": "replace", "path": path, "value": value });
        if !is_on(logs) {
            return Ok(vec![
                replace("/*/*/logging/dataTrace", "false"),
                replace("/*/*/logging/loglevel", "OFF"),
            ]);
        }
        let mut operations = Vec::new();
        if setting(logs, "accessLogging") {
            let region = self.client.region();
            let caller = self.client.call("sts", "GetCallerIdentity", json!({})).await?;
            let account = caller["Account"].as_str().unwrap_or_default();
            let group = self.log_group();
            let arn = format!("arn:{}:logs:{region}:{account}:log-group:{group}", region.partition());
            let format = logs.get("format").and_then(Value::as_str).map_or_else(usual_format, str::to_owned);
            operations.push(replace("/accessLogSettings/destinationArn", &arn));
            operations.push(replace("/accessLogSettings/format", &format));
        } else {
            operations.push(json!({ "op": "remove", "path": "/accessLogSettings" }));
        }
        let level = match logs.get("level").and_then(Value::as_str) {
            _ if !setting(logs, "executionLogging") => "OFF",
            level => level.unwrap_or("INFO"),
        };
        let full = if setting(logs, "fullExecutionData") { "true" } else { "false" };
        operations.push(replace("/*/*/logging/dataTrace", full));
        operations.push(replace("/*/*/logging/loglevel", level));
        Ok(operations)
    }

    async fn tag(&self, wanted: &Map<String, Value>, current: &Map<String, Value>) -> anyhow::Result<()> {
        let region = self.client.region();
        let arn = format!(
            "arn:{}:apigateway:{region}::/restapis/{}/stages/{}",
            region.partition(),
            self.api,
            self.stage
        );
        if wanted != current {
            let params = json!({ "resourceArn": arn, "tags": wanted });
            self.client.call("apigateway", "TagResource", params).await?;
        }
        let gone = |key: &&String| !key.starts_with("aws:") && !wanted.contains_key(*key);
        let gone: Vec<&String> = current.keys().filter(gone).collect();
        if !gone.is_empty() {
            let params = json!({ "resourceArn": arn, "tagKeys": gone });
            self.client.call("apigateway", "UntagResource", params).await?;
        }
        Ok(())
    }

    fn log_group(&self) -> String {
        format!("/aws/api-gateway/{}-{}", self.session.service.name, self.stage)
    }
}

fn usual_format() -> String {
    FORMAT.map(|(name, value)| format!("{name}: $context.{value}")).join(", ")
}

/// A setting that is on unless it is turned off.
fn setting(logs: &Value, key: &str) -> bool {
    logs.get(key).filter(|value| !value.is_null()).is_none_or(is_on)
}

fn is_on(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

fn word(value: &Value) -> &'static str {
    if is_on(value) { "true" } else { "false" }
}
