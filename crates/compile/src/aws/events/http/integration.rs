//! How a method reaches its function or address, and what becomes of the request and the response on the way.

use super::event::Method;
use super::methods::claims;
use crate::aws::context::Context;
use crate::aws::naming;
use crate::aws::values::{at, display, get, object, truthy};
use serde_json::{Map, Value, json};

/// Where a template takes the claims of a user pool.
const CLAIMS_MARK: &str = "extraCognitoPoolClaims";

/// `Integration` of a method.
pub fn integration(context: &Context<'_>, method: &Method<'_>) -> Value {
    let kind = method.integration.as_str();
    let request = method.request.as_ref();
    let asynchronous = method.event.truthy("async").is_some();
    let mut made = json!({ "IntegrationHttpMethod": "POST", "Type": kind });
    match kind {
        "AWS" | "AWS_PROXY" => made["Uri"] = invocation_address(context, method.event.function),
        "HTTP" | "HTTP_PROXY" => {
            // A proxy integration has lost `request.method` before, as in the original.
            let verb = request
                .and_then(|request| get(request, "method"))
                .map_or_else(|| method.method.clone(), display);
            made["Uri"] = json!(request.and_then(|request| request.get("uri")));
            made["IntegrationHttpMethod"] = json!(verb.to_uppercase());
            if let Some(connection) = &method.connection_type {
                made["ConnectionType"] = json!(connection);
                made["ConnectionId"] = json!(method.event.get("connectionId"));
            }
        }
        _ => {}
    }
    if matches!(kind, "AWS" | "HTTP" | "MOCK") {
        let setting = |key: &str| request.and_then(|request| get(request, key));
        made["PassthroughBehavior"] = json!(setting("passThrough"));
        made["ContentHandling"] = json!(setting("contentHandling"));
        made["RequestTemplates"] = json!(request_templates(method));
        made["IntegrationResponses"] = json!(responses(method));
    }
    let has_parameters = method.parameters().is_some_and(|parameters| !parameters.is_empty());
    if (matches!(kind, "AWS" | "HTTP" | "HTTP_PROXY") && has_parameters) || asynchronous {
        made["RequestParameters"] = Value::Object(request_parameters(method, asynchronous));
    }
    made
}

fn invocation_address(context: &Context<'_>, function: &str) -> Value {
    let mut parts = vec![
        json!("arn:"),
        json!({ "Ref": "AWS::Partition" }),
        json!(":apigateway:"),
        json!({ "Ref": "AWS::Region" }),
        json!(":lambda:path/2015-03-31/functions/"),
        json!({ "Fn::GetAtt": [naming::function(function), "Arn"] }),
    ];
    if let Some(alias) = context.functions.get(function).and_then(|function| function.alias.as_ref()) {
        parts.extend([json!(":"), json!(alias.name)]);
    }
    parts.push(json!("/invocations"));
    json!({ "Fn::Join": ["", parts] })
}

/// The default templates of a Lambda integration, and the user's in their place.
fn request_templates(method: &Method<'_>) -> Option<Map<String, Value>> {
    let mut templates = Map::new();
    if method.integration == "AWS" {
        templates.insert("application/json".to_owned(), json!(include_str!("default_json.vtl")));
        templates
            .insert("application/x-www-form-urlencoded".to_owned(), json!(include_str!("default_form.vtl")));
    }
    let own = method.request.as_ref().and_then(|request| object(request, "template"));
    for (content_type, template) in own.into_iter().flatten() {
        if template.is_null() {
            templates.shift_remove(content_type);
        } else {
            templates.insert(content_type.clone(), template.clone());
        }
    }
    let claims = claims(method);
    for template in templates.values_mut() {
        if let Some(text) = template.as_str() {
            *template = json!(text.replacen(CLAIMS_MARK, &claims, 1));
        }
    }
    (!templates.is_empty()).then_some(templates)
}

fn request_parameters(method: &Method<'_>, asynchronous: bool) -> Map<String, Value> {
    let mut made = Map::new();
    for (name, value) in method.parameters().into_iter().flatten() {
        let mapped = value.get("mappedValue").filter(|mapped| truthy(Some(mapped))).cloned();
        let target = format!("integration.{}", name.strip_prefix("method.").unwrap_or(name));
        made.insert(target, mapped.unwrap_or_else(|| json!(name)));
    }
    if asynchronous {
        made.insert("integration.request.header.X-Amz-Invocation-Type".to_owned(), json!("'Event'"));
    }
    made
}

/// The headers that every response bears.
fn common_headers(method: &Method<'_>) -> Map<String, Value> {
    let mut headers = Map::new();
    if let Some(cors) = &method.cors {
        headers
            .insert("Access-Control-Allow-Origin".to_owned(), json!(format!("'{}'", cors.response_origin())));
        if cors.allow_credentials {
            headers.insert("Access-Control-Allow-Credentials".to_owned(), json!("true"));
        }
    }
    let own = method.response.as_ref().and_then(|response| object(response, "headers"));
    headers.extend(own.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    headers
}

fn with_headers(common: &Map<String, Value>, code: &Value) -> Map<String, Value> {
    let own = code.as_object().and_then(|code| object(code, "headers"));
    let all = common.iter().chain(own.into_iter().flatten());
    all.map(|(name, value)| (format!("method.response.header.{name}"), value.clone())).collect()
}

fn responses(method: &Method<'_>) -> Vec<Value> {
    let Some(response) = &method.response else { return Vec::new() };
    let common = common_headers(method);
    let answer = |(status, code): (&String, &Value)| {
        let mut templates = Map::new();
        if let Some(template) = get(response, "template") {
            templates.insert("application/json".to_owned(), template.clone());
        }
        match code.get("template") {
            Some(Value::Object(own)) => templates.extend(own.clone()),
            Some(Value::String(own)) if !own.is_empty() => {
                templates.insert("application/json".to_owned(), json!(own));
            }
            _ => {}
        }
        let pattern = code.get("pattern").filter(|pattern| truthy(Some(pattern))).cloned();
        let handling = if status.starts_with('2') { at(response, &["contentHandling"]) } else { None };
        json!({
            "StatusCode": status,
            "SelectionPattern": pattern.unwrap_or_else(|| json!("")),
            "ResponseParameters": with_headers(&common, code),
            "ResponseTemplates": templates,
            "ContentHandling": handling,
        })
    };
    method.status_codes().into_iter().map(answer).collect()
}

/// `MethodResponses`: which headers each status may bear.
pub fn method_responses(method: &Method<'_>) -> Value {
    if !matches!(method.integration.as_str(), "AWS" | "HTTP" | "MOCK") || method.response.is_none() {
        return json!([]);
    }
    let common = common_headers(method);
    let answer = |(status, code): (&String, &Value)| {
        let names = with_headers(&common, code).into_iter().map(|(name, _)| (name, json!(true)));
        json!({ "ResponseParameters": names.collect::<Map<_, _>>(), "ResponseModels": {}, "StatusCode": status })
    };
    method.status_codes().into_iter().map(answer).collect()
}
