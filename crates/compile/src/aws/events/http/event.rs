//! The events as methods of the API: checked, and with their defaults.

use super::authorizers::Authorizer;
use super::cors::Cors;
use crate::aws::context::{Context, Event};
use crate::aws::values::{at, display, get, object, truthy};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// A method of the API.
pub struct Method<'a> {
    pub event: Event<'a>,
    /// Without the slashes around it.
    pub path: String,
    /// In small letters.
    pub method: String,
    /// `AWS`, `AWS_PROXY`, `HTTP`, `HTTP_PROXY` or `MOCK`.
    pub integration: String,
    pub connection_type: Option<String>,
    pub authorizer: Option<Authorizer>,
    pub cors: Option<Cors>,
    pub request: Option<Map<String, Value>>,
    pub response: Option<Map<String, Value>>,
}

impl Method<'_> {
    /// The parameters of the request, as API Gateway names them.
    pub fn parameters(&self) -> Option<&Map<String, Value>> {
        self.request.as_ref().and_then(|request| object(request, "parameters"))
    }

    /// The response's status codes, small numbers first.
    pub fn status_codes(&self) -> Vec<(&String, &Value)> {
        let codes = self.response.as_ref().and_then(|response| object(response, "statusCodes"));
        let mut codes: Vec<_> = codes.into_iter().flatten().collect();
        codes.sort_by_key(|(code, _)| code.parse::<u32>().unwrap_or(u32::MAX));
        codes
    }
}

/// Reads all events.
///
/// # Errors
/// `API_GATEWAY_INVALID_STAGE_NAME` and what misses or contradicts in an event.
pub fn read<'a>(context: &mut Context<'a>) -> Result<Vec<Method<'a>>, Diagnostic> {
    let events = context.events_of("http");
    let methods = events.into_iter().map(|event| method(context, event)).collect::<Result<Vec<_>, _>>()?;
    let stage = &context.service.stage;
    let valid = !stage.is_empty()
        && stage.chars().all(|character| character.is_ascii_alphanumeric() || "-_".contains(character));
    if !methods.is_empty() && !valid {
        let message = format!(
            "Invalid stage name {stage}: it should contains only [-_a-zA-Z0-9] for AWS provider if http event are present \
             according to API Gateway limitation."
        );
        return Err(context
            .error("API_GATEWAY_INVALID_STAGE_NAME", message, "provider.stage")
            .help("name the stage with letters, digits, `-` and `_` only"));
    }
    Ok(methods)
}

fn method<'a>(context: &mut Context<'a>, event: Event<'a>) -> Result<Method<'a>, Diagnostic> {
    let empty = Map::new();
    let settings = event.value.as_object().unwrap_or(&empty);
    let (method, path) = match event.value.as_object() {
        Some(settings) => {
            let text = |key: &str| settings.get(key).map_or("undefined".to_owned(), display);
            (text("method"), text("path"))
        }
        // The schema's short form for every method, which the original dies of: the root with any.
        None if event.value == "*" => ("any".to_owned(), String::new()),
        None => {
            let text = display(event.value);
            let mut words = text.split(' ');
            let mut word = || words.next().unwrap_or_default().to_owned();
            (word(), word())
        }
    };
    let path = path.strip_prefix('/').unwrap_or(&path);
    let path = path.strip_suffix('/').unwrap_or(path).to_owned();
    let method = method.to_lowercase();
    let integration = integration(settings);
    let authorizer = get(settings, "authorizer")
        .map(|value| Authorizer::read(context, event, value, &integration))
        .transpose()?;
    let cors = get(settings, "cors").map(|cors| Cors::read(cors, &method));
    let connection_type = connection_type(context, event, settings, &integration)?;
    let mut made = Method {
        event,
        path,
        method,
        integration,
        connection_type,
        authorizer,
        cors,
        request: None,
        response: None,
    };
    let (request, response) = (
        get(settings, "request").and_then(Value::as_object),
        get(settings, "response").and_then(Value::as_object),
    );
    match made.integration.as_str() {
        kind @ ("AWS" | "HTTP") => {
            let mut request = normalized_request(request.cloned().unwrap_or_default());
            if get(&request, "passThrough").is_none() {
                let default = if kind == "AWS" { json!("NEVER") } else { Value::Null };
                request.insert("passThrough".to_owned(), default);
            }
            made.request = Some(request);
            made.response = Some(normalized_response(response, kind == "AWS"));
        }
        "AWS_PROXY" | "HTTP_PROXY" => {
            made.request = proxy_request(context, event, request, &made.integration);
            if response.is_some() {
                warn(
                    context,
                    event,
                    "response",
                    format!(
                        "You're using the {} in combination with response configuration in your function \"{}\". Serverless will \
                     remove this configuration automatically before deployment.",
                        made.integration, event.function
                    ),
                );
            }
        }
        _ => {
            made.request = request.cloned();
            made.response = response.cloned();
        }
    }
    Ok(made)
}

fn integration(settings: &Map<String, Value>) -> String {
    match get(settings, "integration") {
        Some(integration) => match display(integration).to_uppercase().replacen('-', "_", 1).as_str() {
            "LAMBDA" => "AWS".to_owned(),
            "LAMBDA_PROXY" => "AWS_PROXY".to_owned(),
            other => other.to_owned(),
        },
        None if get(settings, "async").is_some() => "AWS".to_owned(),
        None => "AWS_PROXY".to_owned(),
    }
}

fn connection_type(
    context: &Context<'_>,
    event: Event<'_>,
    settings: &Map<String, Value>,
    integration: &str,
) -> Result<Option<String>, Diagnostic> {
    if !matches!(integration, "HTTP" | "HTTP_PROXY") {
        return Ok(None);
    }
    if !truthy(at(settings, &["request", "uri"])) {
        let message = format!("You need to set the request uri when using the {integration} integration.");
        return Err(context
            .error("API_GATEWAY_MISSING_REQUEST_URI", message, &event.path())
            .help("add `request: { uri: https://... }`"));
    }
    let kind = get(settings, "connectionType").map(|kind| display(kind).to_uppercase().replacen('-', "_", 1));
    if kind.as_deref() == Some("VPC_LINK") && get(settings, "connectionId").is_none() {
        return Err(context
            .error(
                "API_GATEWAY_MISSING_CONNECTION_ID",
                "You need to set connectionId when using VPC_LINK connectionType.",
                &format!("{}.connectionType", event.path()),
            )
            .help("add `connectionId:` of the VPC link"));
    }
    Ok(kind)
}

/// With the parameters named as API Gateway does: `method.request.querystring.page`.
fn normalized_request(mut request: Map<String, Value>) -> Map<String, Value> {
    if let Some(parameters) = object(&request, "parameters") {
        let mut made = Map::new();
        for (location, singular) in
            [("querystrings", "querystring"), ("paths", "path"), ("headers", "header")]
        {
            for (name, value) in object(parameters, location).into_iter().flatten() {
                made.insert(format!("method.request.{singular}.{name}"), value.clone());
            }
        }
        request.insert("parameters".to_owned(), Value::Object(made));
    }
    request
}

fn normalized_response(response: Option<&Map<String, Value>>, has_defaults: bool) -> Map<String, Value> {
    let mut response = response.cloned().unwrap_or_default();
    if response.is_empty() && !has_defaults {
        return response;
    }
    match response.get_mut("statusCodes").and_then(Value::as_object_mut) {
        Some(codes) => {
            let has_default =
                codes.values().any(|code| code.get("pattern").and_then(Value::as_str) == Some(""));
            if !has_default {
                codes.insert("200".to_owned(), json!({ "pattern": "" }));
            }
        }
        None => {
            response.insert("statusCodes".to_owned(), default_status_codes());
        }
    }
    response
}

fn default_status_codes() -> Value {
    let plain = |code: u16| json!({ "pattern": format!("[\\s\\S]*\\[{code}\\][\\s\\S]*") });
    json!({
        "200": { "pattern": "" },
        "400": plain(400),
        "401": plain(401),
        "403": plain(403),
        "404": plain(404),
        "422": plain(422),
        "500": { "pattern": "[\\s\\S]*(Process\\s?exited\\s?before\\s?completing\\s?request|\\[500\\])[\\s\\S]*" },
        "502": plain(502),
        "504": { "pattern": "([\\s\\S]*\\[504\\][\\s\\S]*)|(.*Task timed out after \\d+\\.\\d+ seconds$)" },
    })
}

/// What of the request's settings has an effect in a proxy integration.
fn proxy_request(
    context: &mut Context<'_>,
    event: Event<'_>,
    request: Option<&Map<String, Value>>,
    integration: &str,
) -> Option<Map<String, Value>> {
    let mut request = request?.clone();
    let allowed: &[&str] = if integration == "AWS_PROXY" {
        &["parameters", "schema", "schemas"]
    } else {
        &["parameters", "uri", "schema", "schemas"]
    };
    let before = request.len();
    request.retain(|key, _| allowed.contains(&key.as_str()));
    if request.len() < before {
        let names: Vec<String> = allowed.iter().map(|key| format!("request.{key}")).collect();
        warn(
            context,
            event,
            "request",
            format!(
                "You're using the {integration} in combination with a request configuration in your function \"{}\". Only the {} \
             configs are available in conjunction with {integration}. Serverless will remove this configuration automatically \
             before deployment.",
                event.function,
                names.join(", ")
            ),
        );
    }
    (!request.is_empty()).then(|| normalized_request(request))
}

fn warn(context: &mut Context<'_>, event: Event<'_>, setting: &str, message: String) {
    let path = format!("{}.{setting}", event.path());
    let warning = Diagnostic::warning("API_GATEWAY_PROXY_CONFIGURATION_IGNORED", message)
        .at_opt(context.service.span(&path), "has no effect here")
        .help("remove it, or use `integration: lambda`");
    context.warnings.push(warning);
}
