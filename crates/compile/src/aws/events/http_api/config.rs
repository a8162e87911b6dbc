//! What the service says about its HTTP API, checked and with its defaults.

use crate::aws::context::{Context, Event};
use crate::aws::naming::HTTP_API;
use crate::aws::values::{at, display, get, object, present, truthy};
use aloft_diag::Diagnostic;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "OPTIONS", "HEAD", "DELETE"];

const HEADERS: [&str; 7] = [
    "Content-Type",
    "X-Amz-Date",
    "Authorization",
    "X-Api-Key",
    "X-Amz-Security-Token",
    "X-Amz-User-Agent",
    "X-Amzn-Trace-Id",
];

pub struct Config<'a> {
    /// Of an API that exists.
    pub id: Option<Value>,
    pub cors: Option<Cors>,
    pub authorizers: IndexMap<String, Authorizer>,
    pub log_format: Option<Value>,
    /// By method and path, or `*`.
    pub routes: IndexMap<String, Route<'a>>,
}

impl Config<'_> {
    /// A reference to the API.
    pub fn api(&self) -> Value {
        self.id.clone().unwrap_or_else(|| json!({ "Ref": HTTP_API }))
    }
}

pub struct Cors {
    pub origins: Vec<Value>,
    pub headers: Vec<Value>,
    pub methods: Vec<Value>,
    /// The methods are those of the routes.
    fills_methods: bool,
    pub allow_credentials: bool,
    pub exposed: Option<Vec<Value>>,
    pub max_age: Option<Value>,
}

pub struct Authorizer {
    pub name: String,
    pub kind: String,
    pub identity_source: Option<Value>,
    pub issuer: Option<Value>,
    pub audience: Vec<Value>,
    pub function: Option<String>,
    pub function_arn: Option<Value>,
    pub managed_externally: bool,
    pub result_ttl: Option<Value>,
    pub enable_simple_responses: Option<Value>,
    pub payload_version: Value,
}

pub struct Route<'a> {
    pub function: &'a str,
    pub authorizer: Option<RouteAuthorizer>,
    pub scopes: Option<Vec<Value>>,
}

pub struct RouteAuthorizer {
    pub id: Option<Value>,
    pub name: Option<String>,
    pub kind: Option<String>,
}

/// Reads and checks the configuration.
///
/// # Errors
/// The original's for settings that contradict each other, missing or duplicate routes and unknown authorizers.
pub fn resolve<'a>(context: &mut Context<'a>) -> Result<Config<'a>, Diagnostic> {
    let empty = Map::new();
    let settings = object(context.provider, "httpApi").unwrap_or(&empty);
    let id = get(settings, "id").cloned();
    let external = |what: &str, code: &str, path: &str| {
        let message = format!("Cannot setup {what} for externally configured HTTP API");
        context
            .error(code, message, path)
            .help("configure it where the API is made, or remove `provider.httpApi.id`")
    };
    let cors = get(settings, "cors");
    if id.is_some() && cors.is_some() {
        return Err(external("CORS rules", "EXTERNAL_HTTP_API_CORS_CONFIG", "provider.httpApi.cors"));
    }
    let authorizers = get(settings, "authorizers");
    if id.is_some() && authorizers.is_some() {
        return Err(external(
            "authorizers",
            "EXTERNAL_HTTP_API_AUTHORIZERS_CONFIG",
            "provider.httpApi.authorizers",
        ));
    }
    let logs = at(context.provider, &["logs", "httpApi"]).filter(|logs| truthy(Some(logs)));
    if id.is_some() && logs.is_some() {
        return Err(external("access logs", "EXTERNAL_HTTP_API_LOGS_CONFIG", "provider.logs.httpApi"));
    }
    let mut config = Config {
        id,
        cors: cors.map(cors_of),
        authorizers: IndexMap::new(),
        log_format: logs.map(log_format),
        routes: IndexMap::new(),
    };
    for (name, authorizer) in authorizers.and_then(Value::as_object).into_iter().flatten() {
        let made = authorizer_of(context, name, authorizer.as_object().unwrap_or(&empty))?;
        config.authorizers.insert(name.clone(), made);
    }
    let mut functions = HashSet::new();
    for event in context.events_of("httpApi") {
        add_route(context, &mut config, event)?;
        if functions.insert(event.function) {
            warn_of_timeout(context, event.function);
        }
    }
    Ok(config)
}

fn log_format(logs: &Value) -> Value {
    logs.get("format").filter(|format| truthy(Some(format))).cloned().unwrap_or_else(|| {
        let fields = [
            ("requestId", "requestId"),
            ("ip", "identity.sourceIp"),
            ("requestTime", "requestTime"),
            ("httpMethod", "httpMethod"),
            ("routeKey", "routeKey"),
            ("status", "status"),
            ("protocol", "protocol"),
            ("responseLength", "responseLength"),
        ];
        let format: Map<String, Value> = fields
            .iter()
            .map(|(name, variable)| ((*name).to_owned(), json!(format!("$context.{variable}"))))
            .collect();
        json!(Value::Object(format).to_string())
    })
}

fn unique(value: &Value) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    for item in items {
        if !found.contains(item) {
            found.push(item.clone());
        }
    }
    found
}

fn cors_of(cors: &Value) -> Cors {
    let empty = Map::new();
    let settings = cors.as_object().unwrap_or(&empty);
    let set = |key: &str| get(settings, key).map(unique);
    let methods = set("allowedMethods");
    Cors {
        origins: set("allowedOrigins").unwrap_or_else(|| vec![json!("*")]),
        headers: set("allowedHeaders")
            .unwrap_or_else(|| HEADERS.iter().map(|header| json!(header)).collect()),
        fills_methods: methods.is_none(),
        methods: methods.unwrap_or_else(|| vec![json!("OPTIONS")]),
        allow_credentials: get(settings, "allowCredentials").is_some(),
        exposed: set("exposedResponseHeaders"),
        max_age: present(settings, "maxAge").cloned(),
    }
}

fn authorizer_of(
    context: &Context<'_>,
    key: &str,
    settings: &Map<String, Value>,
) -> Result<Authorizer, Diagnostic> {
    let path = format!("provider.httpApi.authorizers.{key}");
    let (arn, function) = (get(settings, "functionArn"), get(settings, "functionName").map(display));
    let kind = get(settings, "type").map(display).unwrap_or_default();
    if kind == "request" {
        let error = |code: &str, message: String, help: &str| {
            Err(context.error(code, message, &path).help(help.to_owned()))
        };
        match (arn, &function) {
            (None, None) => {
                return error(
                    "HTTP_API_CUSTOM_AUTHORIZER_NEITHER_FUNCTION_ARN_NOR_FUNCTION_NAME_DEFINED",
                    format!(
                        "Either \"functionArn\" or \"functionName\" property needs to be set on authorizer \"{key}\""
                    ),
                    "add `functionName:` with a function of this service",
                );
            }
            (Some(_), Some(_)) => {
                return error(
                    "HTTP_API_CUSTOM_AUTHORIZER_BOTH_FUNCTION_ARN_AND_FUNCTION_NAME_DEFINED",
                    format!(
                        "Either \"functionArn\" or \"functionName\" (not both) property needs to be set on authorizer \"{key}\""
                    ),
                    "remove one of them",
                );
            }
            (None, Some(function)) if !context.functions.contains_key(function.as_str()) => {
                return error(
                    "HTTP_API_CUSTOM_AUTHORIZER_FUNCTION_NOT_FOUND_IN_SERVICE",
                    format!(
                        "Function \"{function}\" for HTTP API authorizer \"{key}\" not found in service."
                    ),
                    "name a function of this service, or use `functionArn:`",
                );
            }
            _ => {}
        }
        if get(settings, "resultTtlInSeconds").is_some() && get(settings, "identitySource").is_none() {
            return error(
                "HTTP_API_CUSTOM_AUTHORIZER_IDENTITY_SOURCE_MISSING_WHEN_CACHING_ENABLED",
                format!(
                    "Property \"identitySource\" has to be set on authorizer \"{key}\" when \"resultTtlInSeconds\" is set to non-zero value."
                ),
                "add `identitySource: $request.header.Authorization` or another source",
            );
        }
    }
    Ok(Authorizer {
        name: get(settings, "name").map_or_else(|| key.to_owned(), display),
        kind,
        identity_source: get(settings, "identitySource").cloned(),
        issuer: present(settings, "issuerUrl").cloned(),
        audience: settings.get("audience").map(unique).unwrap_or_default(),
        function,
        function_arn: arn.cloned(),
        managed_externally: get(settings, "managedExternally").is_some(),
        result_ttl: present(settings, "resultTtlInSeconds").cloned(),
        enable_simple_responses: present(settings, "enableSimpleResponses").cloned(),
        payload_version: get(settings, "payloadVersion").cloned().unwrap_or_else(|| json!("2.0")),
    })
}

fn add_route<'a>(context: &Context<'a>, config: &mut Config<'a>, event: Event<'a>) -> Result<(), Diagnostic> {
    let (method, path) = method_and_path(event.value);
    let function = event.function;
    let error = |code: &str, message: String, help: &str| {
        Err(context.error(code, message, &event.path()).help(help.to_owned()))
    };
    let (key, method) = if path == "*" {
        if method.as_ref().is_some_and(|method| method != "*") {
            return error(
                "INVALID_HTTP_API_PATH",
                format!(
                    "Invalid \"path\" property in function {function} for httpApi event in serverless.yml"
                ),
                "the path `*` goes with the method `*`; write a path that begins with a slash",
            );
        }
        ("*".to_owned(), "ANY".to_owned())
    } else {
        // The original's pattern for the short form; the long form takes whatever stands there.
        if event.value.is_string() && !path.starts_with('/') {
            return error(
                "INVALID_HTTP_API_PATH",
                format!(
                    "Invalid \"path\" property in function {function} for httpApi event in serverless.yml"
                ),
                "write a method and a path that begins with a slash, such as `GET /items`",
            );
        }
        let Some(method) = method else {
            return error(
                "MISSING_HTTP_API_METHOD",
                format!(
                    "Missing \"method\" property in function {function} for httpApi event in serverless.yml"
                ),
                "add `method: GET` or another method, or `*` for all",
            );
        };
        let method = if method == "*" { "ANY".to_owned() } else { method.to_uppercase() };
        if method != "ANY" && !METHODS.contains(&method.as_str()) {
            return error(
                "INVALID_HTTP_API_METHOD",
                format!(
                    "Invalid \"method\" property in function {function} for httpApi event in serverless.yml"
                ),
                "use GET, POST, PUT, PATCH, OPTIONS, HEAD, DELETE or `*`",
            );
        }
        let key = format!("{method} {path}");
        if config.routes.contains_key(&key) {
            return error(
                "DUPLICATE_HTTP_API_ROUTE",
                format!(
                    "Duplicate route '{key}' configuration in function {function} for httpApi event in serverless.yml"
                ),
                "a route leads to one function; remove one of the events",
            );
        }
        (key, method)
    };
    let (authorizer, scopes) = route_authorizer(context, config, event)?;
    config.routes.insert(key, Route { function, authorizer, scopes });
    if let Some(cors) = config.cors.as_mut().filter(|cors| cors.fills_methods) {
        let methods: &[&str] = if method == "ANY" { &METHODS } else { &[method.as_str()] };
        for method in methods {
            if !cors.methods.contains(&json!(method)) {
                cors.methods.push(json!(method));
            }
        }
    }
    Ok(())
}

/// The method and the path of an event, however it is written.
pub fn method_and_path(event: &Value) -> (Option<String>, String) {
    match event.as_object() {
        Some(settings) => (
            get(settings, "method").map(display),
            settings.get("path").map_or("undefined".to_owned(), display),
        ),
        None => {
            let text = display(event);
            match text.split_once(' ') {
                Some((method, path)) => (Some(method.to_owned()), path.to_owned()),
                None => (None, text),
            }
        }
    }
}

type Authorization = (Option<RouteAuthorizer>, Option<Vec<Value>>);

fn route_authorizer(
    context: &Context<'_>,
    config: &Config<'_>,
    event: Event<'_>,
) -> Result<Authorization, Diagnostic> {
    let Some(authorizer) = event.truthy("authorizer") else { return Ok((None, None)) };
    let empty = Map::new();
    let settings = authorizer.as_object().unwrap_or(&empty);
    let (id, kind) = (get(settings, "id"), get(settings, "type").map(display));
    let name =
        if authorizer.is_object() { get(settings, "name").map(display) } else { Some(display(authorizer)) };
    let scopes = get(settings, "scopes").map(unique);
    let path = format!("{}.authorizer", event.path());
    let error = |code: &str, message: String, help: &str| {
        Err(context.error(code, message, &path).help(help.to_owned()))
    };
    let iam = kind.as_deref() == Some("aws_iam");
    if !iam && id.is_none() && name.is_none() {
        let kind = kind.as_deref().unwrap_or("jwt");
        return error(
            "HTTP_API_AUTHORIZER_MISSING_ID_OR_NAME",
            format!(
                "When configuring an authorizer with type: \"{kind}\", property \"id\" or \"name\" has to be specified."
            ),
            "add `name:` of an authorizer in `provider.httpApi.authorizers`",
        );
    }
    if iam && (name.is_some() || id.is_some() || scopes.is_some()) {
        return error(
            "HTTP_API_AUTHORIZER_AWS_IAM_UNEXPECTED_PROPERTIES",
            "When configuring authorizer with type: \"aws_iam\", all other properties are not supported."
                .to_owned(),
            "leave only `type: aws_iam`",
        );
    }
    if let Some(id) = id {
        if config.id.is_none() {
            return error(
                "EXTERNAL_HTTP_API_AUTHORIZER_WITHOUT_EXTERNAL_HTTP_API",
                format!(
                    "Event references external authorizer '{}', but httpApi is part of the current stack.",
                    display(id)
                ),
                "name an authorizer of `provider.httpApi.authorizers` by `name:`",
            );
        }
        return Ok((Some(RouteAuthorizer { id: Some(id.clone()), name: None, kind }), scopes));
    }
    if iam {
        return Ok((Some(RouteAuthorizer { id: None, name: None, kind }), None));
    }
    let name = name.unwrap_or_default();
    match config.authorizers.get(&name) {
        Some(known) => {
            let made =
                RouteAuthorizer { id: None, name: Some(known.name.clone()), kind: Some(known.kind.clone()) };
            Ok((Some(made), scopes))
        }
        None => error(
            "UNRECOGNIZED_HTTP_API_AUTHORIZER",
            format!("Event references not configured authorizer '{name}'"),
            "add it to `provider.httpApi.authorizers`, or name one that is there",
        ),
    }
}

/// An HTTP API waits for 30 seconds at most.
fn warn_of_timeout(context: &mut Context<'_>, function: &str) {
    let config = context.functions[function].config;
    let seconds =
        |map: &Map<String, Value>| get(map, "timeout").and_then(|value| display(value).parse::<f64>().ok());
    let timeout = seconds(config).or_else(|| seconds(context.provider)).unwrap_or(6.0);
    let text = if timeout > 30.0 {
        "is greater than maximum allowed timeout for HTTP API endpoint (30s)."
    } else if timeout == 30.0 {
        "may not provide enough room to process an HTTP API request (of which timeout is limited to 30s)."
    } else {
        return;
    };
    let message = format!(
        "Function ({function}) timeout setting ({timeout}) {text} This may introduce a situation where endpoint times out for a \
         successful lambda invocation."
    );
    let warning = Diagnostic::warning("HTTP_API_TIMEOUT", message)
        .at_opt(context.service.span(&format!("functions.{function}.timeout")), "")
        .help("set `timeout: 29` or less");
    context.warnings.push(warning);
}
