//! What has to be there for a service to be compiled at all.
//!
//! A configuration that does not follow the schema is only warned about. The original then trips over what is missing and dies of a
//! `TypeError`; here the same mistakes are refused by name. What the original compiles in spite of a warning is let through.

use super::context::{Context, Event};
use super::values::truthy;
use aloft_diag::Diagnostic;
use serde_json::Value;

/// The settings that each event type cannot be without, in its long form. Of names with a bar between them one is enough.
const ESSENTIALS: &[(&str, &[&str])] = &[
    ("activemq", &["queue"]),
    ("alexaSmartHome", &["appId"]),
    ("cloudFront", &["origin"]),
    ("cloudwatchEvent", &["event"]),
    ("cloudwatchLog", &["logGroup"]),
    ("cognitoUserPool", &["pool", "trigger"]),
    ("http", &["path", "method"]),
    ("iot", &["sql"]),
    ("kafka", &["topic", "accessConfigurations"]),
    ("msk", &["arn", "topic"]),
    ("rabbitmq", &["queue"]),
    ("s3", &["bucket"]),
    ("schedule", &["rate"]),
    ("sns", &["topicName|arn"]),
    ("sqs", &["arn"]),
    ("stream", &["arn"]),
    ("websocket", &["route"]),
];

/// Looks at all events.
///
/// # Errors
/// `EVENT_PROPERTY_MISSING`, one for each event that lacks something.
pub fn check_events(context: &Context<'_>) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    for (kind, needs) in ESSENTIALS {
        for event in context.events_of(kind) {
            errors.extend(missing(context, &event, needs));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn missing(context: &Context<'_>, event: &Event<'_>, needs: &[&str]) -> Option<Diagnostic> {
    let settings = event.value.as_object()?;
    // Those of existing resources are given to a custom resource as they are.
    if truthy(settings.get("existing")) {
        return None;
    }
    // An empty path is the API's root.
    let is_there = |name: &str| settings.get(name).is_some_and(|value| !value.is_null());
    let need = needs.iter().find(|need| !need.split('|').any(is_there))?;
    let name = need.split('|').next().unwrap_or(need);
    let message =
        format!("Missing \"{name}\" property in {} event of function \"{}\"", event.kind, event.function);
    Some(
        context
            .error("EVENT_PROPERTY_MISSING", message, &event.path())
            .help(format!("write `{name}:` under `{}:`", event.kind)),
    )
}

/// Looks at the kinds of the values that everything is read from.
///
/// # Errors
/// `INVALID_CONFIGURATION_TYPE`, one for each value of another kind; `LAYER_PATH_MISSING`.
pub fn check_kinds(context: &Context<'_>) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut expect = |path: String, value: Option<&Value>, kind: &str| {
        let is_right = match value {
            None | Some(Value::Null) => true,
            Some(Value::Array(_)) => kind.contains("list"),
            Some(Value::Object(_)) => kind.contains("map"),
            Some(value) => !truthy(Some(value)),
        };
        if !is_right {
            let message = format!("\"{path}\" has to be a {kind}");
            errors.push(
                context.error("INVALID_CONFIGURATION_TYPE", message, &path).help(format!("write a {kind}")),
            );
        }
    };
    for function in context.functions.values() {
        let (key, config) = (function.key, function.config);
        expect(format!("functions.{key}.events"), config.get("events"), "list");
        expect(format!("functions.{key}.layers"), config.get("layers"), "list");
    }
    expect("layers".to_owned(), context.service.config.get("layers"), "map");
    let statements = super::values::at(context.provider, &["iam", "role", "statements"]);
    expect("provider.iam.role.statements".to_owned(), statements, "list");
    expect("resources".to_owned(), context.service.config.get("resources"), "map or a list");
    for (name, layer) in context.service.section("layers") {
        let artifact = layer.get("package").and_then(|package| package.get("artifact"));
        if !truthy(layer.get("path")) && !truthy(artifact) {
            let message = format!("Missing \"path\" property in layer \"{name}\"");
            let error = context.error("LAYER_PATH_MISSING", message, &format!("layers.{name}"));
            errors.push(
                error.help("write `path:` with the layer's directory, or `package: { artifact: a.zip }`"),
            );
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
