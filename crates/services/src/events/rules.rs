//! The operations on rules.

use super::bus::Address;
use super::rule::{RULES, Rule};
use super::{Events, schedule};
use crate::storage::Outcome;
use crate::tags;
use aloft_engine::{Context, ServiceError};
use aloft_lang::cron::Schedule;
use aloft_lang::pattern::Pattern;
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    name: String,
    schedule_expression: Option<String>,
    event_pattern: Option<String>,
    state: Option<String>,
    description: Option<String>,
    role_arn: Option<String>,
    #[serde(default)]
    tags: Vec<tags::Tag>,
    event_bus_name: Option<String>,
}

/// `PutRule`: one that is there already is replaced, but for its targets and tags.
pub(super) async fn put(_: &Events, context: &Context, input: Put) -> Outcome<Value> {
    let (bus, now) = (Address::of(context, input.event_bus_name.as_deref())?, context.now());
    let present = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (pattern, expression) = (present(input.event_pattern), present(input.schedule_expression));
    check(&bus, pattern.as_deref(), expression.as_deref())?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        bus.load(transaction)?;
        let before: Option<Rule> = transaction.get_json(RULES, Rule::key_of(&bus, &input.name))?;
        let (tags, next, ran) = match before {
            Some(before) => (before.tags, before.next, before.schedule),
            None => (tags::map(input.tags), None, None),
        };
        let mut rule = Rule {
            bus,
            name: input.name,
            pattern,
            state: input.state.unwrap_or_else(|| "ENABLED".to_owned()),
            description: input.description,
            role: input.role_arn,
            tags,
            // The same schedule goes on; a new one begins now.
            next: next.filter(|_| ran == expression),
            schedule: expression,
        };
        schedule::arm(transaction, &mut rule, now)?;
        rule.save(transaction)?;
        Ok(json!({ "RuleArn": rule.arn() }))
    };
    context.store().write(write).await
}

fn check(bus: &Address, pattern: Option<&str>, expression: Option<&str>) -> Result<(), ServiceError> {
    if pattern.is_none() && expression.is_none() {
        let message = "Parameter(s) EventPattern or ScheduleExpression must be specified.";
        return Err(ServiceError::validation(message));
    }
    if let Some(pattern) = pattern {
        check_pattern(pattern)?;
    }
    if let Some(expression) = expression {
        if !bus.is_default() {
            return Err(ServiceError::validation(
                "ScheduleExpression is supported only on the default event bus.",
            ));
        }
        if !Schedule::parse(expression).is_ok_and(|schedule| !schedule.is_one_time()) {
            return Err(ServiceError::validation("Parameter ScheduleExpression is not valid."));
        }
    }
    Ok(())
}

/// Reads a pattern, or says what is wrong with it.
pub(super) fn check_pattern(text: &str) -> Result<Pattern, ServiceError> {
    Pattern::parse_text(text)
        .map_err(|error| ServiceError::new("InvalidEventPatternException", 400, error.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    name: String,
    event_bus_name: Option<String>,
}

/// `DeleteRule`: one that is gone is no error.
pub(super) async fn delete(_: &Events, context: &Context, input: Named) -> Outcome<()> {
    let bus = Address::of(context, input.event_bus_name.as_deref())?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        bus.load(transaction)?;
        let Some(rule) = transaction.get_json::<Rule>(RULES, Rule::key_of(&bus, &input.name))? else {
            return Ok(());
        };
        if !rule.targets(transaction)?.is_empty() {
            return Err(ServiceError::validation("Rule can't be deleted since it has targets.").into());
        }
        schedule::disarm(transaction, &rule)?;
        transaction.delete(RULES, rule.key());
        Ok(())
    };
    context.store().write(write).await
}

/// `EnableRule`
pub(super) async fn enable(_: &Events, context: &Context, input: Named) -> Outcome<()> {
    set_state(context, input, "ENABLED").await
}

/// `DisableRule`
pub(super) async fn disable(_: &Events, context: &Context, input: Named) -> Outcome<()> {
    set_state(context, input, "DISABLED").await
}

async fn set_state(context: &Context, input: Named, state: &'static str) -> Outcome<()> {
    let (bus, now) = (Address::of(context, input.event_bus_name.as_deref())?, context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        bus.load(transaction)?;
        let mut rule = Rule::load(transaction, &bus, &input.name)?;
        rule.state = state.to_owned();
        schedule::arm(transaction, &mut rule, now)?;
        Ok(rule.save(transaction)?)
    };
    context.store().write(write).await
}

fn tell(rule: &Rule) -> Value {
    json!({
        "Name": rule.name,
        "Arn": rule.arn(),
        "EventPattern": rule.pattern,
        "ScheduleExpression": rule.schedule,
        "State": rule.state,
        "Description": rule.description,
        "RoleArn": rule.role,
        "EventBusName": rule.bus.name,
    })
}

/// `DescribeRule`
pub(super) async fn describe(_: &Events, context: &Context, input: Named) -> Outcome<Value> {
    let (bus, snapshot) = (Address::of(context, input.event_bus_name.as_deref())?, context.store().read()?);
    bus.find(&snapshot)?;
    let rule = Rule::find(&snapshot, &bus, &input.name)?;
    let mut told = tell(&rule);
    told["CreatedBy"] = rule.bus.account.as_str().into();
    Ok(told)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

/// `ListRules`
pub(super) async fn list(_: &Events, context: &Context, input: List) -> Outcome<Value> {
    let (bus, snapshot) = (Address::of(context, input.event_bus_name.as_deref())?, context.store().read()?);
    bus.find(&snapshot)?;
    let prefix = input.name_prefix.unwrap_or_default();
    let rows = snapshot.scan_json::<Rule>(RULES, bus.key(), usize::MAX)?;
    let rules = rows.iter().map(|(_, rule)| rule).filter(|rule| rule.name.starts_with(&prefix));
    let (page, next) =
        crate::page::of(rules.map(tell).collect(), input.limit.unwrap_or(100), input.next_token.as_deref());
    Ok(json!({ "Rules": page, "NextToken": next }))
}
