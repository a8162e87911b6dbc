//! Listener rules: whom to ask, on what conditions, and where to forward.

use super::event::Rule;
use super::target_group_id;
use crate::aws::context::Context;
use crate::aws::naming;
use crate::aws::values::{at, get};
use serde_json::{Map, Value, json};

/// Adds the rule of an event.
pub fn add(context: &mut Context<'_>, rule: &Rule<'_>) {
    let id = format!("{}AlbListenerRule{}", naming::normalized(rule.function), rule.priority_text());
    let resource = json!({
        "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
        "Properties": {
            "Actions": actions(context, rule),
            "Conditions": conditions(rule.conditions),
            "ListenerArn": rule.event.get("listenerArn"),
            "Priority": rule.priority,
        },
    });
    context.put(id, resource);
}

fn actions(context: &Context<'_>, rule: &Rule<'_>) -> Vec<Value> {
    let mut actions = Vec::new();
    for name in &rule.authorizers {
        let empty = Map::new();
        let settings =
            at(context.provider, &["alb", "authorizers", name]).and_then(Value::as_object).unwrap_or(&empty);
        actions.push(authentication(settings, actions.len() + 1));
    }
    let order = (!actions.is_empty()).then_some(actions.len() + 1);
    let mut forward = json!({ "Type": "forward", "TargetGroupArn": { "Ref": target_group_id(rule) } });
    if let Some(order) = order {
        forward["Order"] = json!(order);
    }
    actions.push(forward);
    actions
}

fn authentication(settings: &Map<String, Value>, order: usize) -> Value {
    let value = |key: &str| settings.get(key).cloned().unwrap_or_default();
    let refused = get(settings, "onUnauthenticatedRequest").cloned().unwrap_or_else(|| json!("deny"));
    let mut config = json!({
        "OnUnauthenticatedRequest": refused,
        "AuthenticationRequestExtraParams": value("requestExtraParams"),
        "Scope": value("scope"),
        "SessionCookieName": value("sessionCookieName"),
        "SessionTimeout": value("sessionTimeout"),
    });
    if settings.get("type").and_then(Value::as_str) == Some("cognito") {
        config["UserPoolArn"] = value("userPoolArn");
        config["UserPoolClientId"] = value("userPoolClientId");
        config["UserPoolDomain"] = value("userPoolDomain");
        return json!({ "Type": "authenticate-cognito", "Order": order, "AuthenticateCognitoConfig": config });
    }
    for (setting, property) in [
        ("authorizationEndpoint", "AuthorizationEndpoint"),
        ("clientId", "ClientId"),
        ("issuer", "Issuer"),
        ("tokenEndpoint", "TokenEndpoint"),
        ("userInfoEndpoint", "UserInfoEndpoint"),
    ] {
        config[property] = value(setting);
    }
    match get(settings, "clientSecret") {
        Some(secret) => config["ClientSecret"] = secret.clone(),
        None => config["UseExistingClientSecret"] = json!(true),
    }
    json!({ "Type": "authenticate-oidc", "Order": order, "AuthenticateOidcConfig": config })
}

fn conditions(settings: &Map<String, Value>) -> Vec<Value> {
    let list = |key: &str| {
        get(settings, key).map(|value| if value.is_array() { value.clone() } else { json!([value]) })
    };
    let mut made = Vec::new();
    made.extend(list("path").map(|values| json!({ "Field": "path-pattern", "Values": values })));
    made.extend(
        list("host")
            .map(|values| json!({ "Field": "host-header", "HostHeaderConfig": { "Values": values } })),
    );
    made.extend(list("method").map(
        |values| json!({ "Field": "http-request-method", "HttpRequestMethodConfig": { "Values": values } }),
    ));
    for header in list("header").as_ref().and_then(Value::as_array).into_iter().flatten() {
        made.push(json!({
            "Field": "http-header",
            "HttpHeaderConfig": { "HttpHeaderName": header.get("name"), "Values": header.get("values") },
        }));
    }
    if let Some(query) = get(settings, "query").and_then(Value::as_object) {
        let values: Vec<Value> =
            query.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        made.push(json!({ "Field": "query-string", "QueryStringConfig": { "Values": values } }));
    }
    made.extend(
        list("ip").map(|values| json!({ "Field": "source-ip", "SourceIpConfig": { "Values": values } })),
    );
    made
}
