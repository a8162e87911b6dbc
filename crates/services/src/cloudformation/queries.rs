//! Questions about stacks and templates; nothing here changes anything.

use super::CloudFormation;
use super::records::{self, Record, Stack};
use super::stacks::Wanted;
use super::template::{Template, invalid, text_of};
use aloft_engine::{Context, ServiceError};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How many entries a page has.
const PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OfStack {
    stack_name: Option<String>,
    logical_resource_id: Option<String>,
    physical_resource_id: Option<String>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListStacks {
    stack_status_filter: Option<Vec<String>>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Imports {
    export_name: String,
}

pub async fn stacks(_: &CloudFormation, context: &Context, input: OfStack) -> Result<Value, ServiceError> {
    let stacks = match &input.stack_name {
        Some(name) => vec![records::existing(context, name)?],
        None => records::all(context)?.into_iter().filter(|stack| stack.deleted.is_none()).collect(),
    };
    let (page, next) = page(stacks, input.next_token.as_deref());
    Ok(json!({ "Stacks": page.iter().map(described).collect::<Vec<_>>(), "NextToken": next }))
}

pub async fn stack_list(
    _: &CloudFormation,
    context: &Context,
    input: ListStacks,
) -> Result<Value, ServiceError> {
    let wanted = |stack: &Stack| {
        input
            .stack_status_filter
            .as_ref()
            .is_none_or(|filter| filter.is_empty() || filter.contains(&stack.status))
    };
    let mut stacks: Vec<Stack> = records::all(context)?.into_iter().filter(wanted).collect();
    stacks.sort_by_key(|stack| std::cmp::Reverse(stack.created));
    let (page, next) = page(stacks, input.next_token.as_deref());
    let summary = |stack: &Stack| {
        json!({
            "StackId": stack.id,
            "StackName": stack.name,
            "CreationTime": stack.created.as_seconds_f64(),
            "LastUpdatedTime": stack.updated.map(|at| at.as_seconds_f64()),
            "DeletionTime": stack.deleted.map(|at| at.as_seconds_f64()),
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason,
            "DriftInformation": { "StackDriftStatus": "NOT_CHECKED" },
        })
    };
    Ok(json!({ "StackSummaries": page.iter().map(summary).collect::<Vec<_>>(), "NextToken": next }))
}

fn described(stack: &Stack) -> Value {
    let version = &stack.version;
    let parameters = Template::parse(&version.template)
        .and_then(|template| template.parameters(&version.parameters, &BTreeMap::new()))
        .unwrap_or_default();
    let parameters = parameters.iter().map(|(key, value)| {
        json!({ "ParameterKey": key, "ParameterValue": text_of(value), "ResolvedValue": version.resolved.get(key) })
    });
    let outputs = stack.outputs.iter().map(|output| {
        json!({
            "OutputKey": output.key,
            "OutputValue": output.value,
            "Description": output.description,
            "ExportName": output.export,
        })
    });
    json!({
        "StackId": stack.id,
        "StackName": stack.name,
        "ChangeSetId": stack.change_set_id,
        "ParentId": stack.parent,
        "Description": Template::parse(&stack.version.template).ok().and_then(|template| template.document.get("Description").cloned()),
        "Parameters": parameters.collect::<Vec<_>>(),
        "CreationTime": stack.created.as_seconds_f64(),
        "LastUpdatedTime": stack.updated.map(|at| at.as_seconds_f64()),
        "DeletionTime": stack.deleted.map(|at| at.as_seconds_f64()),
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "DisableRollback": stack.on_failure == records::OnFailure::DoNothing,
        "NotificationARNs": stack.version.notification_arns,
        "Capabilities": stack.version.capabilities,
        "Outputs": outputs.collect::<Vec<_>>(),
        "RoleARN": stack.version.role_arn,
        "Tags": tags(&stack.version.tags),
        "EnableTerminationProtection": stack.protected,
        "DriftInformation": { "StackDriftStatus": "NOT_CHECKED" },
    })
}

/// Tags as a list.
pub fn tags(tags: &Map<String, Value>) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

pub async fn events(_: &CloudFormation, context: &Context, input: OfStack) -> Result<Value, ServiceError> {
    let stack = records::existing(context, &named(&input)?)?;
    let skip: usize = input.next_token.as_deref().and_then(|token| token.parse().ok()).unwrap_or(0);
    let events = records::events(context, &stack.id, skip, PAGE)?;
    let next = (events.len() == PAGE).then(|| (skip + PAGE).to_string());
    let described = |event: &records::Event| {
        json!({
            "StackId": stack.id,
            "StackName": stack.name,
            "EventId": event.id,
            "LogicalResourceId": event.logical_id,
            "PhysicalResourceId": event.physical_id,
            "ResourceType": event.kind,
            "Timestamp": event.at.as_seconds_f64(),
            "ResourceStatus": event.status,
            "ResourceStatusReason": event.reason,
            "ResourceProperties": event.properties,
            "ClientRequestToken": event.client_token,
        })
    };
    Ok(json!({ "StackEvents": events.iter().map(described).collect::<Vec<_>>(), "NextToken": next }))
}

pub async fn resource(_: &CloudFormation, context: &Context, input: OfStack) -> Result<Value, ServiceError> {
    let stack = records::existing(context, &named(&input)?)?;
    let id = input.logical_resource_id.unwrap_or_default();
    let record = records::resources(context, &stack.id)?.remove(&id);
    let record =
        record.ok_or_else(|| invalid(format!("Resource {id} does not exist for stack {}", stack.name)))?;
    let mut detail = resource_summary(&record, "LastUpdatedTimestamp");
    detail["StackId"] = json!(stack.id);
    detail["StackName"] = json!(stack.name);
    detail["Metadata"] = json!("{}");
    Ok(json!({ "StackResourceDetail": detail }))
}

pub async fn resources(_: &CloudFormation, context: &Context, input: OfStack) -> Result<Value, ServiceError> {
    let stack = match (&input.stack_name, &input.physical_resource_id) {
        (Some(name), _) => records::existing(context, name)?,
        (None, Some(physical)) => owner_of(context, physical)?,
        (None, None) => return Err(invalid("Either StackName or PhysicalResourceId must be specified")),
    };
    let wanted =
        |record: &&Record| input.logical_resource_id.as_ref().is_none_or(|id| *id == record.logical_id);
    let list = records::resources(context, &stack.id)?;
    let described = list.values().filter(wanted).map(|record| {
        let mut summary = resource_summary(record, "Timestamp");
        summary["StackId"] = json!(stack.id);
        summary["StackName"] = json!(stack.name);
        summary
    });
    Ok(json!({ "StackResources": described.collect::<Vec<_>>() }))
}

pub async fn resource_list(
    _: &CloudFormation,
    context: &Context,
    input: OfStack,
) -> Result<Value, ServiceError> {
    let stack = records::existing(context, &named(&input)?)?;
    let list: Vec<Record> = records::resources(context, &stack.id)?.into_values().collect();
    let (page, next) = page(list, input.next_token.as_deref());
    let summaries: Vec<Value> =
        page.iter().map(|record| resource_summary(record, "LastUpdatedTimestamp")).collect();
    Ok(json!({ "StackResourceSummaries": summaries, "NextToken": next }))
}

fn owner_of(context: &Context, physical_id: &str) -> Result<Stack, ServiceError> {
    for stack in records::all(context)?.into_iter().filter(|stack| stack.deleted.is_none()) {
        let is_its =
            |record: &Record| record.made.as_ref().is_some_and(|made| made.physical_id == physical_id);
        if records::resources(context, &stack.id)?.values().any(is_its) {
            return Ok(stack);
        }
    }
    Err(invalid(format!("Stack for {physical_id} does not exist")))
}

fn resource_summary(record: &Record, time: &str) -> Value {
    json!({
        "LogicalResourceId": record.logical_id,
        "PhysicalResourceId": record.made.as_ref().map(|made| made.physical_id.as_str()),
        "ResourceType": record.kind,
        time: record.changed.as_seconds_f64(),
        "ResourceStatus": record.status,
        "ResourceStatusReason": record.reason,
        "DriftInformation": { "StackResourceDriftStatus": "NOT_CHECKED" },
    })
}

pub async fn template(_: &CloudFormation, context: &Context, input: OfStack) -> Result<Value, ServiceError> {
    let stack = records::existing(context, &named(&input)?)?;
    Ok(json!({ "TemplateBody": stack.version.template, "StagesAvailable": ["Original", "Processed"] }))
}

pub async fn validate(_: &CloudFormation, context: &Context, wanted: Wanted) -> Result<Value, ServiceError> {
    let template = Template::parse(&wanted.version(context, None).await?.template)?;
    let parameters: Vec<Value> = template
        .section("Parameters")
        .iter()
        .map(|(name, declaration)| {
            json!({
                "ParameterKey": name,
                "DefaultValue": declaration.get("Default").map(text_of),
                "NoEcho": declaration.get("NoEcho").is_some_and(|value| text_of(value) == "true"),
                "Description": declaration.get("Description"),
            })
        })
        .collect();
    let needs = needed_capabilities(&template);
    Ok(json!({
        "Parameters": parameters,
        "Description": template.document.get("Description"),
        "Capabilities": needs,
        "CapabilitiesReason": (!needs.is_empty()).then_some("The following resource(s) require capabilities: [AWS::IAM::Role]"),
    }))
}

pub async fn summary(
    _: &CloudFormation,
    context: &Context,
    mut wanted: Wanted,
) -> Result<Value, ServiceError> {
    let template = if wanted.stack_name.is_empty() {
        Template::parse(&wanted.version(context, None).await?.template)?
    } else {
        Template::parse(
            &records::existing(context, &std::mem::take(&mut wanted.stack_name))?.version.template,
        )?
    };
    let parameters: Vec<Value> = template
        .section("Parameters")
        .iter()
        .map(|(name, declaration)| {
            json!({
                "ParameterKey": name,
                "DefaultValue": declaration.get("Default").map(text_of),
                "ParameterType": declaration.get("Type"),
                "NoEcho": declaration.get("NoEcho").is_some_and(|value| text_of(value) == "true"),
                "Description": declaration.get("Description"),
            })
        })
        .collect();
    let mut kinds: Vec<&str> =
        template.resources().values().filter_map(|resource| resource["Type"].as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Ok(json!({
        "Parameters": parameters,
        "Description": template.document.get("Description"),
        "Capabilities": needed_capabilities(&template),
        "ResourceTypes": kinds,
        "Version": template.document.get("AWSTemplateFormatVersion"),
    }))
}

fn needed_capabilities(template: &Template) -> Vec<&'static str> {
    let mut iam = template
        .resources()
        .values()
        .filter(|resource| resource["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::IAM::")))
        .peekable();
    if iam.peek().is_none() {
        return Vec::new();
    }
    let is_named = |resource: &Value| {
        ["RoleName", "UserName", "ManagedPolicyName"]
            .iter()
            .any(|name| resource["Properties"].get(*name).is_some())
    };
    if iam.any(is_named) { vec!["CAPABILITY_NAMED_IAM"] } else { vec!["CAPABILITY_IAM"] }
}

pub async fn exports(_: &CloudFormation, context: &Context, input: OfStack) -> Result<Value, ServiceError> {
    let (page, next) = page(records::exports(context)?, input.next_token.as_deref());
    let list = page
        .iter()
        .map(|(name, stack, value)| json!({ "ExportingStackId": stack, "Name": name, "Value": value }));
    Ok(json!({ "Exports": list.collect::<Vec<_>>(), "NextToken": next }))
}

pub async fn imports(_: &CloudFormation, context: &Context, input: Imports) -> Result<Value, ServiceError> {
    let imports = importers(context, &input.export_name)?;
    if imports.is_empty() {
        return Err(invalid(format!("Export '{}' is not imported by any stack.", input.export_name)));
    }
    Ok(json!({ "Imports": imports }))
}

/// The stacks that use an export.
pub fn importers(context: &Context, export: &str) -> Result<Vec<String>, ServiceError> {
    let mut names = Vec::new();
    for stack in records::all(context)?.into_iter().filter(|stack| stack.deleted.is_none()) {
        let Ok(template) = Template::parse(&stack.version.template) else { continue };
        // A name in the text is enough to look closer; names that are put together are resolved by the plan.
        if imported(&Value::Object(template.document.clone()), &mut |name| name == export) {
            names.push(stack.name);
        }
    }
    Ok(names)
}

fn imported(value: &Value, is_it: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, inner)| match (key.as_str(), inner) {
            ("Fn::ImportValue", Value::String(name)) => is_it(name),
            _ => imported(inner, is_it),
        }),
        Value::Array(list) => list.iter().any(|inner| imported(inner, is_it)),
        _ => false,
    }
}

fn named(input: &OfStack) -> Result<String, ServiceError> {
    input.stack_name.clone().ok_or_else(|| invalid("StackName must be specified"))
}

/// A page of a list, and where the next begins.
fn page<T>(list: Vec<T>, token: Option<&str>) -> (Vec<T>, Option<String>) {
    let skip: usize = token.and_then(|token| token.parse().ok()).unwrap_or(0);
    let next = (list.len() > skip + PAGE).then(|| (skip + PAGE).to_string());
    (list.into_iter().skip(skip).take(PAGE).collect(), next)
}
