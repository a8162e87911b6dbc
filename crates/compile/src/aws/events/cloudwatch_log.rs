//! `cloudwatchLog`: a subscription filter on a log group.

use super::super::context::{Context, Event};
use super::super::naming;
use super::super::values::display;
use super::mapping;
use aloft_diag::Diagnostic;
use serde_json::json;
use std::collections::HashMap;

/// What AWS allows for one log group.
const FILTERS_PER_GROUP: usize = 2;

/// Adds filters and permissions.
///
/// # Errors
/// `CLOUDWATCHLOG_LOG_GROUP_EVENT_PER_FUNCTION_LIMIT_EXCEEDED`.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let mut filters: HashMap<String, usize> = HashMap::new();
    for (function, events) in mapping::by_function(context.events_of("cloudwatchLog")) {
        let mut common: Option<String> = None;
        for (index, event) in events.into_iter().enumerate() {
            let group = one_line(&event.get("logGroup").map_or_else(|| display(event.value), display));
            let count = filters.entry(group.clone()).or_default();
            *count += 1;
            if *count > FILTERS_PER_GROUP {
                return Err(too_many(context, event, &group));
            }
            let shared = match &common {
                None => group.clone(),
                Some(before) => {
                    let prefix = common_prefix(before, &group);
                    if prefix.ends_with('*') { prefix } else { format!("{prefix}*") }
                }
            };
            add(context, function, event, &group, &shared, index + 1);
            common = Some(match common {
                None => group,
                Some(before) => common_prefix(&before, &group),
            });
        }
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    text.replace("\r\n", "").replace('\n', "")
}

fn common_prefix(left: &str, right: &str) -> String {
    left.chars()
        .zip(right.chars())
        .take_while(|(left, right)| left == right)
        .map(|(character, _)| character)
        .collect()
}

fn too_many(context: &Context<'_>, event: Event<'_>, group: &str) -> Diagnostic {
    let message = format!(
        "Only {FILTERS_PER_GROUP} subscription filters can be configured per log group. You're attempting to configure more \
         subscription filters than allowed for \"{group}\"."
    );
    context
        .error("CLOUDWATCHLOG_LOG_GROUP_EVENT_PER_FUNCTION_LIMIT_EXCEEDED", message, &event.path())
        .help("let one function read the group and pass on what others need")
}

fn add(
    context: &mut Context<'_>,
    function: &str,
    event: Event<'_>,
    group: &str,
    shared: &str,
    number: usize,
) {
    let (target, alias) = (context.target(function), context.alias_id(function));
    let permission = naming::permission(function, "LogsSubscriptionFilterCloudWatchLog");
    let depends_on: Vec<String> = [Some(permission.clone()), alias.clone()].into_iter().flatten().collect();
    let id = format!("{}LogsSubscriptionFilterCloudWatchLog{number}", naming::normalized(function));
    context.merge(
        id,
        json!({
            "Type": "AWS::Logs::SubscriptionFilter",
            "DependsOn": depends_on,
            "Properties": { "LogGroupName": group, "FilterPattern": filter(event), "DestinationArn": target },
        }),
    );
    context.merge(permission, json!({
        "Type": "AWS::Lambda::Permission",
        "DependsOn": alias.map(|alias| vec![alias]),
        "Properties": {
            "FunctionName": target,
            "Action": "lambda:InvokeFunction",
            "Principal": { "Fn::Join": ["", ["logs.", { "Ref": "AWS::Region" }, ".amazonaws.com"]] },
            "SourceArn": {
                "Fn::Join": ["", [
                    "arn:", { "Ref": "AWS::Partition" }, ":logs:", { "Ref": "AWS::Region" }, ":", { "Ref": "AWS::AccountId" },
                    ":log-group:", shared, ":*",
                ]],
            },
        },
    }));
}

/// The pattern on one line; quotes that are escaped from the first on are taken for escaped once too often.
fn filter(event: Event<'_>) -> String {
    let text = one_line(&event.truthy("filter").map(display).unwrap_or_default());
    let escaped_first = text.find('\\').zip(text.find('"')).is_some_and(|(slash, quote)| quote > slash);
    if !escaped_first {
        return text;
    }
    let mut made = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        if character == '\\' && matches!(next, Some('"' | '\\' | '\'')) {
            made.extend(characters.next());
        } else {
            made.push(character);
        }
    }
    made
}
