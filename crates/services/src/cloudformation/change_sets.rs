//! Change sets: a version of a stack that is looked at before it is executed.

use super::CloudFormation;
use super::plan::{self, Change, Plan};
use super::records::{self, Stack, Version};
use super::stacks::{self, Wanted};
use super::template::invalid;
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError, storage_failed};
use aloft_store::{StoreError, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const CHANGE_SETS: &str = "cloudformation.change-sets";
const NO_CHANGES: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";

/// A change set.
#[derive(Clone, Serialize, Deserialize)]
struct ChangeSet {
    id: String,
    name: String,
    stack_id: String,
    stack_name: String,
    description: Option<String>,
    is_create: bool,
    status: String,
    reason: Option<String>,
    execution_status: String,
    version: Version,
    changes: Vec<Value>,
    created: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Create {
    #[serde(flatten)]
    wanted: Wanted,
    change_set_name: String,
    change_set_type: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Named {
    change_set_name: String,
    stack_name: Option<String>,
    client_request_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OfStack {
    stack_name: String,
}

pub async fn create(_: &CloudFormation, context: &Context, input: Create) -> Result<Value, ServiceError> {
    let Create { wanted, change_set_name: name, change_set_type, description } = input;
    let found = records::find(context, &wanted.stack_name)?.filter(|stack| stack.deleted.is_none());
    let is_create = change_set_type.as_deref() == Some("CREATE");
    let version = wanted.version(context, found.as_ref().map(|stack| &stack.version)).await?;
    let stack = match found {
        Some(stack) if is_create && stack.status != "REVIEW_IN_PROGRESS" => {
            let message = format!(
                "Stack [{}] already exists and cannot be created again with the changeSet [{name}].",
                stack.name
            );
            return Err(ServiceError::new("AlreadyExistsException", 400, message));
        }
        Some(stack) => stack,
        None if is_create => in_review(&wanted, context, version.clone())?,
        None => return Err(invalid(format!("Stack [{}] does not exist", wanted.stack_name))),
    };
    if !is_create {
        stacks::check_ready(&stack)?;
    }
    let new = stacks::check(context, &stack, &version)?;
    let old = if is_create { None } else { Some(Plan::of(context, &stack.name, &stack.id, &stack.version)?) };
    if let Some(old) = &old {
        stacks::check_kinds(old, &new)?;
    }
    let is_same = match &old {
        Some(old) => plan::is_same(&stack, old, &new, &version)?,
        None => false,
    };
    let physical = records::resources(context, &stack.id)?;
    let changes = plan::changes(old.as_ref(), &new)?;
    let changes = changes.iter().map(|change| described(change, physical.get(&change.logical_id))).collect();
    let change_set = ChangeSet {
        id: context.arn("cloudformation", format!("changeSet/{name}/{}", context.ids().uuid())).to_string(),
        name,
        stack_id: stack.id.clone(),
        stack_name: stack.name.clone(),
        description,
        is_create,
        status: if is_same { "FAILED" } else { "CREATE_COMPLETE" }.to_owned(),
        reason: is_same.then(|| NO_CHANGES.to_owned()),
        execution_status: if is_same { "UNAVAILABLE" } else { "AVAILABLE" }.to_owned(),
        version,
        changes,
        created: context.now(),
    };
    let answer = json!({ "Id": change_set.id, "StackId": stack.id });
    let (event, now) = (context.ids().uuid(), context.now());
    let write = context.store().write(move |transaction| {
        let place = key([&change_set.stack_id, &change_set.name]);
        if transaction.get(CHANGE_SETS, &place)?.is_some() {
            let message = format!("ChangeSet {} already exists", change_set.name);
            return Ok(Err(ServiceError::new("AlreadyExistsException", 400, message)));
        }
        if change_set.is_create {
            stack.put(transaction)?;
            stack.record_event(transaction, event, now)?;
        }
        transaction.put_json(CHANGE_SETS, place, &change_set)?;
        Ok::<_, StoreError>(Ok(()))
    });
    write.await.map_err(|error| storage_failed(&error))??;
    Ok(answer)
}

/// The stack that stands for a change set which shall create one.
fn in_review(wanted: &Wanted, context: &Context, version: Version) -> Result<Stack, ServiceError> {
    let stack = wanted.new_stack(context, version)?;
    Ok(Stack { status: "REVIEW_IN_PROGRESS".to_owned(), phase: None, ..stack })
}

pub async fn describe(_: &CloudFormation, context: &Context, input: Named) -> Result<Value, ServiceError> {
    let set = find(context, &input)?;
    let parameters = set.version.parameters.iter();
    Ok(json!({
        "ChangeSetName": set.name,
        "ChangeSetId": set.id,
        "StackId": set.stack_id,
        "StackName": set.stack_name,
        "Description": set.description,
        "Parameters": parameters.map(|(key, value)| json!({ "ParameterKey": key, "ParameterValue": value })).collect::<Vec<_>>(),
        "CreationTime": set.created.as_seconds_f64(),
        "ExecutionStatus": set.execution_status,
        "Status": set.status,
        "StatusReason": set.reason,
        "Capabilities": set.version.capabilities,
        "NotificationARNs": set.version.notification_arns,
        "Tags": super::queries::tags(&set.version.tags),
        "Changes": set.changes,
        "IncludeNestedStacks": false,
    }))
}

pub async fn list(_: &CloudFormation, context: &Context, input: OfStack) -> Result<Value, ServiceError> {
    let stack = records::existing(context, &input.stack_name)?;
    let rows =
        context.store().read().and_then(|snapshot| snapshot.scan_json(CHANGE_SETS, key([&stack.id]), 1000));
    let rows: Vec<(Vec<u8>, ChangeSet)> = rows.map_err(|error| storage_failed(&error))?;
    let summary = |set: ChangeSet| {
        json!({
            "StackId": set.stack_id,
            "StackName": set.stack_name,
            "ChangeSetId": set.id,
            "ChangeSetName": set.name,
            "ExecutionStatus": set.execution_status,
            "Status": set.status,
            "StatusReason": set.reason,
            "CreationTime": set.created.as_seconds_f64(),
            "Description": set.description,
        })
    };
    Ok(json!({ "Summaries": rows.into_iter().map(|(_, set)| summary(set)).collect::<Vec<_>>() }))
}

pub async fn execute(_: &CloudFormation, context: &Context, input: Named) -> Result<(), ServiceError> {
    let set = find(context, &input)?;
    if set.execution_status != "AVAILABLE" {
        let message =
            format!("ChangeSet [{}] cannot be executed in its current status of [{}]", set.id, set.status);
        return Err(ServiceError::new("InvalidChangeSetStatus", 400, message));
    }
    let mut stack = records::existing(context, &set.stack_id)?;
    // All change sets of the stack were made for the version that is left behind now.
    let stack_id = stack.id.clone();
    let cleared =
        context.store().write(move |transaction| transaction.delete_prefix(CHANGE_SETS, key([&stack_id])));
    stack.change_set_id = Some(set.id);
    if set.is_create {
        stack.status = "CREATE_IN_PROGRESS".to_owned();
        stack.phase = Some(records::Phase::Create);
        stack.client_token = input.client_request_token;
        stack.version = set.version;
        stacks::begin(context, stack).await?;
    } else {
        stacks::check_ready(&stack)?;
        stacks::begin_update(context, stack, set.version, input.client_request_token).await?;
    }
    cleared.await.map_err(|error: StoreError| storage_failed(&error))?;
    Ok(())
}

pub async fn delete(_: &CloudFormation, context: &Context, input: Named) -> Result<(), ServiceError> {
    let Ok(set) = find(context, &input) else { return Ok(()) };
    let delete = context.store().write(move |transaction| {
        transaction.delete(CHANGE_SETS, key([&set.stack_id, &set.name]));
        Ok::<_, StoreError>(())
    });
    delete.await.map_err(|error| storage_failed(&error))
}

fn find(context: &Context, input: &Named) -> Result<ChangeSet, ServiceError> {
    let missing = || {
        ServiceError::new(
            "ChangeSetNotFound",
            404,
            format!("ChangeSet [{}] does not exist", input.change_set_name),
        )
    };
    let snapshot = context.store().read().map_err(|error| storage_failed(&error))?;
    let found = match &input.stack_name {
        Some(stack) if !input.change_set_name.starts_with("arn:") => {
            let stack = records::existing(context, stack)?;
            snapshot
                .get_json(CHANGE_SETS, key([&stack.id, &input.change_set_name]))
                .map_err(|error| storage_failed(&error))?
        }
        _ => {
            let rows: Vec<(Vec<u8>, ChangeSet)> =
                snapshot.scan_json(CHANGE_SETS, [], usize::MAX).map_err(|error| storage_failed(&error))?;
            rows.into_iter().map(|(_, set)| set).find(|set| set.id == input.change_set_name)
        }
    };
    found.ok_or_else(missing)
}

fn described(change: &Change, record: Option<&records::Record>) -> Value {
    let physical_id = record.and_then(|record| record.made.as_ref()).map(|made| made.physical_id.as_str());
    let details = change.properties.iter().map(|name| {
        json!({
            "Target": { "Attribute": "Properties", "Name": name, "RequiresRecreation": "Conditionally" },
            "Evaluation": "Static",
            "ChangeSource": "DirectModification",
        })
    });
    let is_change = change.action == "Modify";
    json!({
        "Type": "Resource",
        "ResourceChange": {
            "Action": change.action,
            "LogicalResourceId": change.logical_id,
            "PhysicalResourceId": physical_id,
            "ResourceType": change.kind,
            "Replacement": is_change.then_some("Conditional"),
            "Scope": if is_change { vec!["Properties"] } else { Vec::new() },
            "Details": details.collect::<Vec<_>>(),
        },
    })
}
