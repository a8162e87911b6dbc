//! Stacks with APIs in them, as the framework writes them.

use super::super::ApiGateway;
use crate::apigatewayv2::ApiGatewayV2;
use crate::cloudformation::CloudFormation;
use crate::gateway::testing::{Does, Gateway, arn};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

async fn gateway() -> Gateway {
    let services: Vec<Arc<dyn aloft_engine::Service>> =
        vec![Arc::new(ApiGateway::default()), Arc::new(ApiGatewayV2::default()), Arc::new(CloudFormation)];
    Gateway::start("apigateway", services).await
}

/// Does something with a stack, waits until it rests, and gives it.
async fn settle(gateway: &Gateway, operation: &str, name: &str, resources: &Value) -> Value {
    let template = json!({ "Resources": resources }).to_string();
    let mut input = json!({ "StackName": name });
    if operation != "DeleteStack" {
        input["TemplateBody"] = template.into();
    }
    let mut changes = gateway.cloud.engine.store().watch("cloudformation.stacks");
    let id = match operation {
        "DeleteStack" => {
            let stack = gateway.cloud.call("cloudformation", "DescribeStacks", input.clone()).await;
            gateway.cloud.call("cloudformation", operation, input).await;
            stack["Stacks"][0]["StackId"].clone()
        }
        _ => {
            let answer = gateway.cloud.call("cloudformation", operation, input).await;
            assert!(answer["StackId"].is_string(), "{operation} {name}: {answer}");
            answer["StackId"].clone()
        }
    };
    loop {
        changes.borrow_and_update();
        let stack = gateway.cloud.call("cloudformation", "DescribeStacks", json!({ "StackName": id })).await;
        let stack = &stack["Stacks"][0];
        if stack["StackStatus"].as_str().is_some_and(|status| !status.ends_with("IN_PROGRESS")) {
            return stack.clone();
        }
        let waited = tokio::time::timeout(std::time::Duration::from_secs(20), changes.changed()).await;
        waited.expect("the stack goes on").expect("the store is open");
    }
}

/// The physical id of a resource.
async fn physical_id(gateway: &Gateway, stack: &str, logical: &str) -> String {
    let input = json!({ "StackName": stack, "LogicalResourceId": logical });
    let answer = gateway.cloud.call("cloudformation", "DescribeStackResource", input).await;
    let id = answer["StackResourceDetail"]["PhysicalResourceId"].as_str();
    id.unwrap_or_else(|| panic!("{logical}: {answer}")).to_owned()
}

fn uri(function: &str) -> Value {
    format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations", arn(function))
        .into()
}

fn template(function: &str, deployment: &str) -> Value {
    let api = json!({ "Ref": "Api" });
    json!({
        "Api": { "Type": "AWS::ApiGateway::RestApi", "Properties": { "Name": "dev-shop", "EndpointConfiguration": { "Types": ["EDGE"] }, "Policy": "" } },
        "Hello": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": { "ParentId": { "Fn::GetAtt": ["Api", "RootResourceId"] }, "PathPart": "hello", "RestApiId": api },
        },
        "Get": {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "HttpMethod": "GET", "RequestParameters": {}, "ResourceId": { "Ref": "Hello" }, "RestApiId": api,
                "ApiKeyRequired": "true", "AuthorizationType": "NONE", "MethodResponses": [],
                "Integration": { "IntegrationHttpMethod": "POST", "Type": "AWS_PROXY", "Uri": uri(function) },
            },
        },
        deployment: {
            "Type": "AWS::ApiGateway::Deployment", "DependsOn": ["Get"],
            "Properties": { "RestApiId": api, "StageName": "dev" },
        },
        "Key": {
            "Type": "AWS::ApiGateway::ApiKey", "DependsOn": deployment,
            "Properties": { "Enabled": true, "Name": "k", "Value": "0123456789012345678901234567", "StageKeys": [{ "RestApiId": api, "StageName": "dev" }] },
        },
        "Plan": {
            "Type": "AWS::ApiGateway::UsagePlan", "DependsOn": deployment,
            "Properties": { "ApiStages": [{ "ApiId": api, "Stage": "dev" }], "UsagePlanName": "p", "Quota": { "Limit": "5000", "Period": "MONTH" } },
        },
        "PlanKey": {
            "Type": "AWS::ApiGateway::UsagePlanKey",
            "Properties": { "KeyId": { "Ref": "Key" }, "KeyType": "API_KEY", "UsagePlanId": { "Ref": "Plan" } },
        },
    })
}

#[tokio::test]
async fn a_stack_is_made_changed_and_deleted() {
    let gateway = gateway().await;
    gateway.function("one", Does::Give(json!({ "body": "one" })));
    gateway.function("two", Does::Give(json!({ "body": "two" })));
    let stack = settle(&gateway, "CreateStack", "shop", &template("one", "Deployment1")).await;
    assert_eq!(stack["StackStatus"], "CREATE_COMPLETE", "{stack}");
    let api = physical_id(&gateway, "shop", "Api").await;
    let request = format!("GET /_aws/execute-api/{api}/dev/hello\nX-Api-Key: 0123456789012345678901234567");
    gateway.check(&request, 200, json!({}), "one").await;
    // Another method and another deployment: the stage moves on, the old deployment goes.
    let stack = settle(&gateway, "UpdateStack", "shop", &template("two", "Deployment2")).await;
    assert_eq!(stack["StackStatus"], "UPDATE_COMPLETE", "{stack}");
    gateway.check(&request, 200, json!({}), "two").await;
    let deployments = gateway.make("GetDeployments", json!({ "restApiId": api })).await;
    assert_eq!(deployments["items"].as_array().map(Vec::len), Some(1));
    let stack = settle(&gateway, "DeleteStack", "shop", &Value::Null).await;
    assert_eq!(stack["StackStatus"], "DELETE_COMPLETE", "{stack}");
    gateway.check_operation("GetRestApis", json!({}), json!({ "items": [] })).await;
    gateway.check_operation("GetApiKeys", json!({}), json!({ "items": [] })).await;
    gateway.check_operation("GetUsagePlans", json!({}), json!({ "items": [] })).await;
    gateway.stop().await;
}

/// What the framework wrote, beside the workspace.
fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("ALOFT_SHARED").map_or_else(beside, PathBuf::from);
    Some(shared.join("corpus")).filter(|corpus| corpus.is_dir())
}

/// The resources of gateways in a template; what refers to others refers to a function instead.
fn gateways_of(template: &Value) -> Option<Map<String, Value>> {
    let all = template["Resources"].as_object()?;
    let is_gateway =
        |resource: &Value| resource["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::ApiGateway"));
    let mut kept: Map<String, Value> = all
        .iter()
        .filter(|(_, resource)| is_gateway(resource))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let names: HashSet<String> = kept.keys().cloned().collect();
    for resource in kept.values_mut() {
        let depends =
            resource["DependsOn"].as_array().cloned().unwrap_or_else(|| vec![resource["DependsOn"].clone()]);
        let depends: Vec<Value> =
            depends.into_iter().filter(|on| on.as_str().is_some_and(|on| names.contains(on))).collect();
        resource["DependsOn"] = depends.into();
        refer(resource, &names);
    }
    (!kept.is_empty()).then_some(kept)
}

fn refer(value: &mut Value, names: &HashSet<String>) {
    let other = match &*value {
        Value::Object(map) if map.len() == 1 => {
            let named = map.get("Ref").or_else(|| map.get("Fn::GetAtt")?.get(0)).and_then(Value::as_str);
            named.is_some_and(|name| !name.starts_with("AWS::") && !names.contains(name))
        }
        _ => false,
    };
    if other {
        *value = arn("any").into();
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| refer(value, names)),
        Value::Array(items) => items.iter_mut().for_each(|value| refer(value, names)),
        _ => {}
    }
}

/// The methods of a template that run a function by templates: logical ids of the API and the resource, and the verb.
fn custom_methods(resources: &Map<String, Value>) -> Vec<(String, String)> {
    let methods = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::ApiGateway::Method");
    methods
        .filter(|(_, method)| {
            let properties = &method["Properties"];
            properties["Integration"]["Type"] == "AWS"
                && properties["AuthorizationType"] == "NONE"
                && properties["ApiKeyRequired"] != true
                && properties["RestApiId"]["Ref"].is_string()
        })
        .filter_map(|(_, method)| {
            let properties = &method["Properties"];
            Some((
                properties["RestApiId"]["Ref"].as_str()?.to_owned(),
                properties["HttpMethod"].as_str()?.to_owned(),
            ))
        })
        .collect()
}

/// Why a stack of the corpus may fail: what is not built, and what AWS refuses as well.
const KNOWN: &[&str] = &[
    "has not built",
    "Invalid authorizer ID",
    "Wildcard(*) allow origin is not supported when allow-credentials is true",
];

#[tokio::test]
async fn what_the_framework_writes_can_be_made() {
    let Some(corpus) = corpus() else {
        eprintln!("the corpus is not there");
        return;
    };
    let gateway = gateway().await;
    gateway.function("any", Does::Give(json!({ "ok": true })));
    let (mut seen, mut unknown) = (HashSet::new(), Vec::new());
    let (mut made, mut rendered, mut refused) = (0, 0, 0);
    let mut cases: Vec<PathBuf> = ["unit", "probe", "docs"]
        .iter()
        .flat_map(|group| std::fs::read_dir(corpus.join(group)).into_iter().flatten().flatten())
        .map(|entry| entry.path().join("expected-template.json"))
        .collect();
    cases.sort();
    for path in cases {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let template: Value = serde_json::from_str(&text).expect("JSON");
        let Some(resources) = gateways_of(&template) else { continue };
        let mut written = Value::Object(resources.clone()).to_string();
        if written.contains("WEBSOCKET")
            || written.contains("Fn::ImportValue")
            || !seen.insert(written.clone())
        {
            continue;
        }
        written.clear();
        let name = format!("case-{made}");
        let stack = settle(&gateway, "CreateStack", &name, &resources.clone().into()).await;
        made += 1;
        if stack["StackStatus"] != "CREATE_COMPLETE" {
            let events = gateway
                .cloud
                .call("cloudformation", "DescribeStackEvents", json!({ "StackName": name }))
                .await;
            let reasons: Vec<&str> = events["StackEvents"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|event| event["ResourceStatusReason"].as_str())
                .collect();
            let known = |reason: &&str| {
                KNOWN.iter().any(|known| reason.contains(known)) && !reason.contains("cancelled")
            };
            if !reasons.iter().any(known) {
                unknown.push(format!("{}: {reasons:#?}", path.display()));
            }
            refused += 1;
        } else {
            for (api, verb) in custom_methods(&resources) {
                let api = physical_id(&gateway, &name, &api).await;
                rendered += render(&gateway, &api, &verb).await;
            }
            let stack = settle(&gateway, "DeleteStack", &name, &Value::Null).await;
            assert_eq!(stack["StackStatus"], "DELETE_COMPLETE", "{}", path.display());
        }
    }
    assert!(
        made > 80 && rendered > 10 && refused < made / 3,
        "made {made}, rendered {rendered}, refused {refused}"
    );
    gateway.stop().await;
}

/// Calls the methods of that verb of an API by template, and looks at what the function sees.
async fn render(gateway: &Gateway, api: &str, verb: &str) -> usize {
    let settings = gateway.make("GetRestApi", json!({ "restApiId": api })).await;
    if settings["disableExecuteApiEndpoint"] == true {
        return 0;
    }
    let input = json!({ "restApiId": api, "embed": ["methods"] });
    let resources = gateway.make("GetResources", input).await;
    let stages = gateway.make("GetStages", json!({ "restApiId": api })).await;
    let stage = stages["item"][0]["stageName"].as_str().expect("a stage").to_owned();
    let mut rendered = 0;
    for resource in resources["items"].as_array().expect("a list") {
        let method = &resource["resourceMethods"][verb];
        let templates = &method["methodIntegration"]["requestTemplates"];
        let is_default =
            |kind: &str| templates[kind].as_str().is_some_and(|text| text.contains("enhancedAuthContext"));
        let is_free = method["requestValidatorId"].is_null() && method["authorizationType"] == "NONE";
        if method["methodIntegration"]["type"] != "AWS" || !is_free || method["apiKeyRequired"] == true {
            continue;
        }
        let path =
            resource["path"].as_str().expect("a path").replace("{proxy+}", "a/b").replace(['{', '}'], "");
        for (kind, body, expected) in [
            ("application/json", "{\"it's\": [1, \"x\"]}", json!({ "it's": [1, "x"] })),
            (
                "application/x-www-form-urlencoded",
                "From=%2B1555&Body=it%27s+%22ok%22&none",
                json!({ "From": "+1555", "Body": "it's \"ok\"", "none": "" }),
            ),
        ] {
            if !is_default(kind) {
                continue;
            }
            let verb = if verb == "ANY" { "PUT" } else { verb };
            let request = format!(
                "{verb} /_aws/execute-api/{api}/{stage}{path}?q=it%27s\nContent-Type: {kind}\nX-Quote: \"it's\"\n\n{body}"
            );
            let answer = gateway.send(&request).await;
            assert!(answer["headers"]["x-amzn-errortype"].is_null(), "{request}\n{answer:#}");
            gateway.check_event(json!({
                "body": expected, "method": verb, "stage": stage, "query": { "q": "it's" },
                "headers": { "Content-Type": kind, "X-Quote": "\"it's\"" },
                "identity": { "sourceIp": "127.0.0.1", "user": "" },
                "requestPath": resource["path"], "enhancedAuthContext": {}, "principalId": "",
            }));
            rendered += 1;
        }
    }
    rendered
}
