//! The events as routes of the API.

use crate::aws::context::{Context, Event};
use crate::aws::values::{display, get};
use aloft_diag::Diagnostic;
use serde_json::{Value, json};

/// A route of the API.
pub struct Route<'a> {
    pub function: &'a str,
    pub key: String,
    pub response_selection: Option<&'a Value>,
    pub authorizer: Option<Authorizer>,
}

/// Who decides whether a connection is accepted.
pub struct Authorizer {
    pub name: String,
    /// Of this service; else it is named by its ARN.
    pub function: Option<String>,
    pub arn: Value,
    pub address: Value,
    pub identity_source: Value,
}

/// Where API Gateway calls a function.
pub fn invocation_address(function: Value) -> Value {
    json!({
        "Fn::Join": ["", [
            "arn:", { "Ref": "AWS::Partition" }, ":apigateway:", { "Ref": "AWS::Region" }, ":lambda:path/2015-03-31/functions/",
            function, "/invocations",
        ]],
    })
}

/// Reads all events.
pub fn read<'a>(context: &Context<'a>) -> Result<Vec<Route<'a>>, Diagnostic> {
    context.events_of("websocket").into_iter().map(|event| route(context, event)).collect()
}

fn route<'a>(context: &Context<'a>, event: Event<'a>) -> Result<Route<'a>, Diagnostic> {
    let key = if event.value.is_object() { event.get("route") } else { Some(event.value) };
    Ok(Route {
        function: event.function,
        key: key.map(display).unwrap_or_default(),
        response_selection: event.truthy("routeResponseSelectionExpression"),
        authorizer: event.truthy("authorizer").map(|value| authorizer(context, event, value)).transpose()?,
    })
}

fn authorizer(context: &Context<'_>, event: Event<'_>, value: &Value) -> Result<Authorizer, Diagnostic> {
    let path = format!("{}.authorizer", event.path());
    let default_source = json!(["route.request.header.Auth"]);
    let by_function = |key: String, identity_source: Value| {
        context.function(&key, &path)?;
        let target = context.target(&key);
        Ok(Authorizer {
            name: key.clone(),
            function: Some(key),
            arn: target.clone(),
            address: invocation_address(target),
            identity_source,
        })
    };
    let by_arn = |name: String, arn: &Value, identity_source: Value| Authorizer {
        name,
        function: None,
        arn: arn.clone(),
        address: invocation_address(arn.clone()),
        identity_source,
    };
    let Some(settings) = value.as_object() else {
        let text = display(value);
        return if text.contains(':') {
            Ok(by_arn(last_part(&text), value, default_source))
        } else {
            by_function(text, default_source)
        };
    };
    let source = get(settings, "identitySource").cloned().unwrap_or(default_source);
    let name = get(settings, "name").map(display);
    match (get(settings, "arn"), name) {
        (Some(arn @ Value::String(text)), _) => Ok(by_arn(last_part(text), arn, source)),
        (Some(arn), Some(name)) => Ok(by_arn(name, arn, source)),
        (Some(_), None) => Err(context
            .error(
                "WEBSOCKETS_MISSING_AUTHORIZER_NAME",
                "Websocket Authorizer: Non-string \"arn\" needs to be accompanied with \"name\"",
                &path,
            )
            .help("add `name:`")),
        (None, name) => by_function(name.unwrap_or_default(), source),
    }
}

fn last_part(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or(arn).to_owned()
}
