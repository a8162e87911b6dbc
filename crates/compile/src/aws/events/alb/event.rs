//! The events, checked.

use crate::aws::context::{Context, Event};
use crate::aws::values::{at, display, object, truthy};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A rule of a listener.
pub struct Rule<'a> {
    pub event: Event<'a>,
    pub function: &'a str,
    /// The load balancer's id, or the logical id of the listener.
    pub load_balancer: String,
    listener: String,
    pub priority: Option<Value>,
    pub conditions: &'a Map<String, Value>,
    pub multi_value: bool,
    pub authorizers: Vec<String>,
}

/// Reads all events.
pub fn read<'a>(context: &Context<'a>) -> Result<Vec<Rule<'a>>, Diagnostic> {
    let events = context.events_of("alb").into_iter().filter(|event| event.value.is_object());
    let rules = events.map(|event| rule(context, event)).collect::<Result<Vec<_>, _>>()?;
    check_priorities(context, &rules)?;
    Ok(rules)
}

fn rule<'a>(context: &Context<'a>, event: Event<'a>) -> Result<Rule<'a>, Diagnostic> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let function = event.function;
    let listener = event.get("listenerArn").and_then(listener);
    let Some((load_balancer, listener)) = listener else {
        let message = format!("Invalid ALB listenerArn in function \"{function}\".");
        return Err(context
            .error("ALB_INVALID_LISTENER_ARN", message, &format!("{}.listenerArn", event.path()))
            .help(
                "write the ARN of a listener of an Application Load Balancer, or `!Ref` one of the stack",
            ));
    };
    let conditions =
        event.value.as_object().and_then(|settings| object(settings, "conditions")).unwrap_or(&EMPTY);
    if conditions.is_empty() {
        let message = format!(
            "Cannot setup \"alb\" event in \"{function}\" function: At least one condition must be defined"
        );
        return Err(context
            .error("ALB_NO_CONDITIONS", message, &event.path())
            .help("add `conditions: { path: /... }` or another condition"));
    }
    if event.truthy("targetGroupName").is_some()
        && truthy(at(context.provider, &["alb", "targetGroupPrefix"]))
    {
        return Err(context
            .error(
                "ALB_TARGET_GROUP_NAME_EXCLUSIVE",
                "ALB \"targetGroupName\" setting is exclusive with \"provider.alb.targetGroupPrefix\": Please specify only one.",
                &format!("{}.targetGroupName", event.path()),
            )
            .help("remove one of them"));
    }
    Ok(Rule {
        event,
        function,
        load_balancer,
        listener,
        priority: event.get("priority").cloned(),
        conditions,
        multi_value: event.truthy("multiValueHeaders").is_some(),
        authorizers: authorizers(context, event)?,
    })
}

/// The ids of the load balancer and of the listener.
fn listener(arn: &Value) -> Option<(String, String)> {
    if let Some(reference) = arn.get("Ref") {
        return Some((display(reference), display(reference)));
    }
    let text = arn.as_str()?;
    let (service, path) = text.split_once(":listener/app/")?;
    let parts: Vec<&str> = path.split('/').collect();
    let word = |part: &&str| {
        !part.is_empty()
            && part.chars().all(|character| character.is_alphanumeric() || "-_".contains(character))
    };
    let good = service.starts_with("arn:aws")
        && service.contains(":elasticloadbalancing:")
        && parts.iter().all(word);
    match parts.as_slice() {
        [_, load_balancer, listener] if good => Some(((*load_balancer).to_owned(), (*listener).to_owned())),
        _ => None,
    }
}

fn authorizers(context: &Context<'_>, event: Event<'_>) -> Result<Vec<String>, Diagnostic> {
    let names: Vec<String> = match event.truthy("authorizer") {
        None => Vec::new(),
        Some(Value::Array(names)) => names.iter().map(display).collect(),
        Some(name) => vec![display(name)],
    };
    for name in &names {
        if at(context.provider, &["alb", "authorizers", name]).is_none() {
            let function = event.function;
            let message = format!(
                "No match for \"{name}\" in function \"{function}\" found in registered ALB authorizers"
            );
            return Err(context
                .error("ALB_MISSING_AUTHORIZER", message, &format!("{}.authorizer", event.path()))
                .help("add it to `provider.alb.authorizers`, or name one that is there"));
        }
    }
    Ok(names)
}

impl Rule<'_> {
    /// The priority as it stands in ids; the original writes one that is missing like this.
    pub fn priority_text(&self) -> String {
        self.priority.as_ref().map_or_else(|| "undefined".to_owned(), display)
    }
}

fn check_priorities(context: &Context<'_>, rules: &[Rule<'_>]) -> Result<(), Diagnostic> {
    let in_use = |rule: &Rule<'_>, more: &str| {
        let message = format!(
            "ALB event in function \"{}\" cannot use priority \"{}\" because it is already in use.{more}",
            rule.function,
            rule.priority_text()
        );
        Err(context
            .error("ALB_PRIORITY_ALREADY_IN_USE", message, &format!("{}.priority", rule.event.path()))
            .help("give each rule its own `priority`"))
    };
    let mut listeners: HashMap<(String, &str), &str> = HashMap::new();
    for rule in rules {
        let first = listeners.entry((rule.priority_text(), rule.function)).or_insert(&rule.listener);
        if *first != rule.listener {
            return in_use(
                rule,
                "\n  Events in the same function cannot use the same priority even if they have a different listenerArn.\n  This is a \
                 Serverless limitation that will be fixed in the next major release.",
            );
        }
    }
    let mut functions: HashMap<(String, &str), &str> = HashMap::new();
    for rule in rules {
        let first = functions.entry((rule.priority_text(), &rule.listener)).or_insert(rule.function);
        if *first != rule.function {
            return in_use(rule, "");
        }
    }
    Ok(())
}
