//! Cross-origin requests: a method `OPTIONS` for each path that wants it.

use super::api;
use super::event::Method;
use super::resources::Resources;
use crate::aws::context::Context;
use crate::aws::naming;
use crate::aws::values::{display, get, present};
use aloft_diag::Diagnostic;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

const HEADERS: [&str; 7] = [
    "Content-Type",
    "X-Amz-Date",
    "Authorization",
    "X-Api-Key",
    "X-Amz-Security-Token",
    "X-Amz-User-Agent",
    "X-Amzn-Trace-Id",
];

/// What one event says, or all events of a path together.
#[derive(Clone, Default)]
pub struct Cors {
    origin: Option<String>,
    origins: Vec<String>,
    headers: Vec<String>,
    methods: Vec<String>,
    pub allow_credentials: bool,
    max_age: Option<Value>,
    cache_control: Option<Value>,
}

impl Cors {
    /// Reads `cors` of an event.
    pub fn read(cors: &Value, method: &str) -> Self {
        let empty = Map::new();
        let settings = cors.as_object().unwrap_or(&empty);
        let texts = |key: &str| match settings.get(key) {
            Some(Value::Array(items)) => Some(items.iter().map(display).collect::<Vec<_>>()),
            Some(Value::Null) | None => None,
            Some(one) => Some(vec![display(one)]),
        };
        let origins = get(settings, "origins").and_then(|_| texts("origins"));
        let default_origin = if origins.is_some() { None } else { Some("*".to_owned()) };
        let mut methods = texts("methods").unwrap_or_else(|| vec!["OPTIONS".to_owned()]);
        for needed in ["OPTIONS".to_owned(), method.to_uppercase()] {
            if !methods.contains(&needed) {
                methods.push(needed);
            }
        }
        Self {
            origin: present(settings, "origin").map(display).or(default_origin),
            origins: origins.unwrap_or_default(),
            headers: get(settings, "headers")
                .and_then(|_| texts("headers"))
                .unwrap_or_else(|| HEADERS.iter().map(|header| (*header).to_owned()).collect()),
            methods,
            allow_credentials: get(settings, "allowCredentials").is_some(),
            max_age: get(settings, "maxAge").cloned(),
            cache_control: get(settings, "cacheControl").cloned(),
        }
    }

    /// The origin that a response of the method itself names.
    pub fn response_origin(&self) -> String {
        if self.origins.is_empty() {
            self.origin.clone().unwrap_or("undefined".to_owned())
        } else {
            self.origins.join(",")
        }
    }

    fn join(&mut self, later: &Self) {
        self.headers = union(&later.headers, &self.headers);
        self.methods = union(&later.methods, &self.methods);
        self.origins = union(&later.origins, &self.origins);
        self.origin.clone_from(&later.origin);
        self.allow_credentials |= later.allow_credentials;
        self.max_age = later.max_age.clone().or(self.max_age.take());
        self.cache_control = later.cache_control.clone().or(self.cache_control.take());
    }
}

fn union(first: &[String], second: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for item in first.iter().chain(second) {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    all
}

/// Adds the methods and says their logical ids.
pub fn add(
    context: &mut Context<'_>,
    methods: &[Method<'_>],
    resources: &Resources,
) -> Result<Vec<String>, Diagnostic> {
    let mut by_path: IndexMap<&str, Cors> = IndexMap::new();
    for method in methods {
        if let Some(cors) = &method.cors {
            by_path.entry(&method.path).or_default().join(cors);
        }
    }
    let mut ids = Vec::new();
    for (path, cors) in by_path {
        let id = naming::rest_method(&resources.name(path), "options");
        let resource = preflight(&cors, &resources.id(context, path)?, &api(context));
        context.merge(id.clone(), resource);
        ids.push(id);
    }
    Ok(ids)
}

fn preflight(cors: &Cors, resource: &Value, api: &Value) -> Value {
    let mut origin = cors.origin.clone();
    let mut origins = cors.origins.clone();
    if let Some(list) = origin.as_ref().filter(|origin| origin.contains(',')) {
        origins = list.split(',').map(|item| item.trim().to_owned()).collect();
    }
    if let Some(first) = origins.first() {
        origin = Some(first.clone());
    }
    let origin = origin.unwrap_or("undefined".to_owned());
    let mut allowed_methods = cors.methods.join(",");
    if cors.methods.iter().any(|method| method == "ANY") {
        allowed_methods = allowed_methods.replacen("ANY", "DELETE,GET,HEAD,PATCH,POST,PUT", 1);
    }
    let mut headers = vec![
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Headers", cors.headers.join(",")),
        ("Access-Control-Allow-Methods", allowed_methods),
    ];
    if cors.allow_credentials {
        headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
    }
    if let Some(age) = &cors.max_age {
        headers.push(("Access-Control-Max-Age", display(age)));
    }
    if let Some(control) = &cors.cache_control {
        headers.push(("Cache-Control", display(control)));
    }
    let named = |value: &dyn Fn(&str) -> Value| -> Map<String, Value> {
        headers.iter().map(|(name, text)| (format!("method.response.header.{name}"), value(text))).collect()
    };
    let template = if origins.is_empty() { String::new() } else { template(&origins) };
    json!({
        "Type": "AWS::ApiGateway::Method",
        "Properties": {
            "AuthorizationType": "NONE",
            "HttpMethod": "OPTIONS",
            "MethodResponses": [
                { "StatusCode": "200", "ResponseParameters": named(&|_| json!(true)), "ResponseModels": {} },
            ],
            "RequestParameters": {},
            "Integration": {
                "Type": "MOCK",
                "RequestTemplates": { "application/json": "{statusCode:200}" },
                "ContentHandling": "CONVERT_TO_TEXT",
                "IntegrationResponses": [{
                    "StatusCode": "200",
                    "ResponseParameters": named(&|text| json!(format!("'{text}'"))),
                    "ResponseTemplates": { "application/json": template },
                }],
            },
            "ResourceId": resource,
            "RestApiId": api,
        },
    })
}

/// Answers the origin that asked when it is one of several.
fn template(origins: &[String]) -> String {
    let tests: Vec<String> = origins
        .iter()
        .map(|origin| format!("$origin.matches(\"{}\")", origin.replace('.', "[.]").replacen('*', ".+", 1)))
        .collect();
    format!(
        "#set($origin = $input.params(\"Origin\"))\n#if($origin == \"\") #set($origin = $input.params(\"origin\")) #end\n#if({}) \
         #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin) #end",
        tests.join(" || ")
    )
}
