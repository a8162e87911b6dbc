//! What becomes public: whatever strangers can reach with the new template and could not with the old one.

use super::identity::Resource;
use super::{Hazard, HazardKind};
use serde_json::{Map, Value};

/// What the change lets strangers do.
pub fn added(before: &Value, old: Option<&Resource<'_>>, after: &Value, new: &Resource<'_>) -> Vec<Hazard> {
    let known = old.map(|old| exposures(before, old, false)).unwrap_or_default();
    exposures(after, new, old.is_none())
        .into_iter()
        .filter(|text| !known.contains(text))
        .map(|text| Hazard { kind: HazardKind::Public, text })
        .collect()
}

/// Each way in which a resource is open to all, in a sentence. A new bucket is closed unless it says otherwise; of an old one
/// nobody knows.
fn exposures(template: &Value, resource: &Resource<'_>, is_new: bool) -> Vec<String> {
    let empty = Value::Null;
    let properties = resource.value.get("Properties").unwrap_or(&empty);
    let text = |name: &str| properties.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut found = Vec::new();
    match resource.kind {
        "AWS::Lambda::Url" if text("AuthType") == "NONE" => {
            found.push("anyone can call the function through its URL (AuthType NONE)".to_owned());
        }
        "AWS::ApiGateway::Method" => {
            let is_open = matches!(text("AuthorizationType"), "" | "NONE")
                && !is_true(properties.get("ApiKeyRequired"));
            if is_open && text("HttpMethod") != "OPTIONS" {
                let path = rest_path(template, properties.get("ResourceId"));
                found.push(format!("{} {path} answers anyone: it has no authorizer", text("HttpMethod")));
            }
        }
        "AWS::ApiGatewayV2::Route" => {
            let is_open = matches!(text("AuthorizationType"), "" | "NONE")
                && !is_true(properties.get("ApiKeyRequired"));
            if is_open && is_entrance(template, properties) {
                found.push(format!("{} answers anyone: it has no authorizer", text("RouteKey")));
            }
        }
        "AWS::Lambda::Permission" => {
            let is_bound = ["SourceArn", "SourceAccount", "PrincipalOrgID", "FunctionUrlAuthType"]
                .iter()
                .any(|name| properties.get(*name).is_some_and(|value| !value.is_null()));
            if text("Principal") == "*" && !is_bound {
                found.push("any AWS account may invoke the function".to_owned());
            }
        }
        "AWS::S3::Bucket" => bucket(properties, is_new, &mut found),
        "AWS::RDS::DBInstance" | "AWS::RDS::DBCluster" if is_true(properties.get("PubliclyAccessible")) => {
            found.push("the database has a public address".to_owned());
        }
        "AWS::Cognito::IdentityPool" if is_true(properties.get("AllowUnauthenticatedIdentities")) => {
            found.push("anyone gets credentials without logging in".to_owned());
        }
        "AWS::EC2::SecurityGroup" => {
            let rules = properties.get("SecurityGroupIngress").and_then(Value::as_array);
            found.extend(rules.into_iter().flatten().filter_map(ingress));
        }
        "AWS::EC2::SecurityGroupIngress" => found.extend(ingress(properties)),
        _ => {}
    }
    // A resource policy of an API that names everyone says no more than having none.
    if resource.kind != "AWS::ApiGateway::RestApi" {
        statements(properties, &mut found);
    }
    found
}

fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn bucket(properties: &Value, is_new: bool, found: &mut Vec<String>) {
    let acl = properties.get("AccessControl").and_then(Value::as_str).unwrap_or_default();
    match acl {
        "PublicRead" => found.push("anyone can read the bucket (AccessControl)".to_owned()),
        "PublicReadWrite" => found.push("anyone can read and write the bucket (AccessControl)".to_owned()),
        "AuthenticatedRead" => found.push("any AWS account can read the bucket (AccessControl)".to_owned()),
        _ => {}
    }
    let block = properties.get("PublicAccessBlockConfiguration");
    for flag in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
        let value = block.and_then(|block| block.get(flag));
        let is_open = match value {
            None => !is_new,
            value => !is_true(value),
        };
        if is_open {
            found.push(format!("public access to the bucket is not blocked any more ({flag})"));
        }
    }
}

/// A rule that lets the whole internet in.
fn ingress(rule: &Value) -> Option<String> {
    let range = ["CidrIp", "CidrIpv6"].iter().find_map(|name| rule.get(*name)?.as_str())?;
    if !matches!(range, "0.0.0.0/0" | "::/0") {
        return None;
    }
    let port = |name: &str| rule.get(name).map(|value| value.to_string().replace('"', ""));
    let ports = match (port("FromPort"), port("ToPort")) {
        (Some(from), Some(to)) if from == to => format!("port {from}"),
        (Some(from), Some(to)) => format!("ports {from} to {to}"),
        _ => "all ports".to_owned(),
    };
    Some(format!("the whole internet ({range}) reaches {ports}"))
}

/// Statements of policies, wherever they stand, that allow something to everyone.
fn statements(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| statements(item, found)),
        Value::Object(map) => {
            if map.get("Effect").and_then(Value::as_str) == Some("Allow")
                && is_everyone(map.get("Principal"))
                && !is_bound(map)
            {
                let text = format!("everyone (Principal \"*\") may {}", actions(map));
                if !found.contains(&text) {
                    found.push(text);
                }
            }
            map.values().for_each(|value| statements(value, found));
        }
        _ => {}
    }
}

fn is_everyone(principal: Option<&Value>) -> bool {
    match principal {
        Some(Value::String(text)) => text == "*",
        Some(Value::Array(items)) => items.iter().any(|item| is_everyone(Some(item))),
        Some(Value::Object(map)) => is_everyone(map.get("AWS")),
        _ => false,
    }
}

/// Whether conditions narrow down who everyone is.
fn is_bound(statement: &Map<String, Value>) -> bool {
    let conditions = statement.get("Condition").and_then(Value::as_object);
    let keys = conditions.into_iter().flat_map(Map::values).filter_map(Value::as_object).flat_map(Map::keys);
    let bounds = ["source", "principal", "calledvia", "viaawsservice", "calleraccount"];
    keys.map(|key| key.to_ascii_lowercase()).any(|key| bounds.iter().any(|bound| key.contains(bound)))
}

fn actions(statement: &Map<String, Value>) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match statement.get("Action") {
        Some(Value::Array(items)) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Some(action) => text(action),
        None => "everything but some actions".to_owned(),
    }
}

/// The path of a method, through the parents of its resource.
fn rest_path(template: &Value, id: Option<&Value>) -> String {
    let mut parts = Vec::new();
    let mut next = id;
    // A circle of parents would be wrong, and shall not keep us here.
    for _ in 0..100 {
        let Some(name) = next.and_then(|id| id.get("Ref")?.as_str()) else { break };
        let Some(properties) = template.get("Resources").and_then(|all| all.get(name)?.get("Properties"))
        else {
            break;
        };
        parts.push(properties.get("PathPart").and_then(Value::as_str).unwrap_or_default().to_owned());
        next = properties.get("ParentId");
    }
    parts.reverse();
    format!("/{}", parts.join("/"))
}

/// Whether strangers arrive at this route first: of a WebSocket API only `$connect` can turn them away.
fn is_entrance(template: &Value, properties: &Value) -> bool {
    let key = properties.get("RouteKey").and_then(Value::as_str).unwrap_or_default();
    if key.starts_with("OPTIONS ") {
        return false;
    }
    let api = properties.get("ApiId").and_then(|api| api.get("Ref")?.as_str());
    let api = api.and_then(|id| template.get("Resources")?.get(id));
    let is_websocket = match api.and_then(|api| api.get("Properties")?.get("ProtocolType")?.as_str()) {
        Some(protocol) => protocol == "WEBSOCKET",
        None => key != "$default" && !key.contains(' '),
    };
    !is_websocket || key == "$connect"
}
