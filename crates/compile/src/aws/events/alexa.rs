//! `alexaSkill` and `alexaSmartHome`: permissions for Alexa to call a function.

use super::super::context::{Context, Event};
use super::super::naming;
use super::super::values::display;
use super::mapping;
use aloft_diag::Diagnostic;
use serde_json::{Value, json};

/// Adds the permissions of skills.
///
/// # Errors
/// None of its own.
pub fn compile_skill(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    compile(context, "alexaSkill", "AlexaSkill", "alexa-appkit.amazon.com");
    Ok(())
}

/// Adds the permissions of smart homes.
///
/// # Errors
/// None of its own.
pub fn compile_smart_home(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    compile(context, "alexaSmartHome", "AlexaSmartHome", "alexa-connectedhome.amazon.com");
    Ok(())
}

fn compile(context: &mut Context<'_>, kind: &str, name: &str, principal: &str) {
    for (function, events) in mapping::by_function(context.events_of(kind)) {
        for (number, event) in events.into_iter().enumerate() {
            let id = naming::permission(function, &format!("{name}{}", number + 1));
            let resource = permission(context, event, principal);
            context.merge(id, resource);
        }
    }
}

fn permission(context: &Context<'_>, event: Event<'_>, principal: &str) -> Value {
    let token =
        if event.value.is_object() { event.truthy("appId").map(display) } else { Some(display(event.value)) };
    let enabled = event.get("enabled") != Some(&Value::Bool(false));
    json!({
        "Type": "AWS::Lambda::Permission",
        "DependsOn": context.alias_id(event.function),
        "Properties": {
            "FunctionName": context.target(event.function),
            "Action": if enabled { "lambda:InvokeFunction" } else { "lambda:DisableInvokeFunction" },
            "Principal": principal,
            "EventSourceToken": token.map(|token| token.replace("\\n", "").replace("\\r", "")),
        },
    })
}
