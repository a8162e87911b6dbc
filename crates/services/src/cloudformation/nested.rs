//! A stack as a resource of another stack.
//!
//! Keeps true: the inner stack is worked on like any other, and taken up by itself after a crash; the outer one only waits.

use super::records::{self, OnFailure, STACKS, Stack};
use super::stacks::{self, Wanted};
use super::template::{invalid, text_of};
use super::{CloudFormation, plan};
use crate::properties;
use aloft_engine::{Context, Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait};
use serde_json::{Value, json};

/// The most characters of a stack's name.
const MAX_NAME: usize = 128;

/// `AWS::CloudFormation::Stack`
pub struct NestedStack;

#[async_trait]
impl ResourceHandler for NestedStack {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        let name = resource.generated_name(MAX_NAME);
        let id = match records::find(context, &name)? {
            Some(begun) => begun.id,
            None => {
                let parent = records::existing(context, &resource.stack_id)?;
                let wanted = wanted(resource, properties, &name, &parent)?;
                let version = wanted.version(context, None).await?;
                let mut stack = wanted.new_stack(context, version)?;
                stack.parent = Some(parent.id);
                if parent.on_failure == OnFailure::DoNothing {
                    stack.on_failure = OnFailure::DoNothing;
                }
                stacks::check(context, &stack, &stack.version)?;
                let id = stack.id.clone();
                stacks::begin(context, stack).await?;
                id
            }
        };
        let stack = settled(context, &id).await?;
        if stack.status == "CREATE_COMPLETE" {
            return Ok(described(&stack));
        }
        Err(failed(context, &stack, "created"))
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        let context = &resource.context;
        let stack = settled(context, physical_id).await?;
        let parent = records::existing(context, &resource.stack_id)?;
        let version =
            wanted(resource, new, &stack.name, &parent)?.version(context, Some(&stack.version)).await?;
        let old = plan::Plan::of(context, &stack.name, &stack.id, &stack.version)?;
        let plan = stacks::check(context, &stack, &version)?;
        if plan::is_same(&stack, &old, &plan, &version)? {
            return Ok(Update::InPlace(described(&stack)));
        }
        stacks::check_ready(&stack)?;
        stacks::check_kinds(&old, &plan)?;
        stacks::begin_update(context, stack, version, None).await?;
        let stack = settled(context, physical_id).await?;
        if stack.status == "UPDATE_COMPLETE" {
            return Ok(Update::InPlace(described(&stack)));
        }
        Err(failed(context, &stack, "updated"))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let context = &resource.context;
        if records::find(context, physical_id)?.is_none() {
            return Ok(());
        }
        let stack = settled(context, physical_id).await?;
        if stack.deleted.is_some() {
            return Ok(());
        }
        let delete = serde_json::from_value(json!({ "StackName": physical_id }));
        let delete = delete.map_err(|error| invalid(error.to_string()))?;
        stacks::delete(&CloudFormation, context, delete).await?;
        let stack = settled(context, physical_id).await?;
        if stack.deleted.is_some() { Ok(()) } else { Err(failed(context, &stack, "deleted")) }
    }

    async fn left_behind(&self, resource: &ResourceContext) -> Result<Option<Resource>, ServiceError> {
        let stack = records::find(&resource.context, &resource.generated_name(MAX_NAME))?;
        Ok(stack.map(|stack| described(&stack)))
    }
}

/// The properties as a call that makes or updates a stack. What may be done, and as whom, the outer stack was told.
fn wanted(
    resource: &ResourceContext,
    properties: &Value,
    name: &str,
    parent: &Stack,
) -> Result<Wanted, ServiceError> {
    let parameters = properties.get("Parameters").and_then(Value::as_object);
    let list = |value: &Value| match value {
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        scalar => text_of(scalar),
    };
    let parameters: Vec<Value> = parameters
        .into_iter()
        .flatten()
        .map(|(key, value)| json!({ "ParameterKey": key, "ParameterValue": list(value) }))
        .collect();
    let call = json!({
        "StackName": name,
        "TemplateURL": properties::text(properties, "TemplateURL"),
        "Parameters": parameters,
        "Capabilities": parent.version.capabilities,
        "Tags": crate::tags::list(&properties::tags(resource, properties)),
        "RoleARN": parent.version.role_arn,
        "NotificationARNs": properties.get("NotificationARNs"),
    });
    serde_json::from_value(call).map_err(|error| invalid(error.to_string()))
}

/// Waits until nothing is being done to a stack.
async fn settled(context: &Context, id: &str) -> Result<Stack, ServiceError> {
    let mut changes = context.store().watch(STACKS);
    loop {
        changes.borrow_and_update();
        let stack = records::existing(context, id)?;
        if !stack.is_busy() {
            return Ok(stack);
        }
        if changes.changed().await.is_err() {
            return Err(ServiceError::new("InternalFailure", 500, "the local cloud is stopping"));
        }
    }
}

fn described(stack: &Stack) -> Resource {
    let output = |output: &records::Output| (format!("Outputs.{}", output.key), output.value.as_str().into());
    Resource { physical_id: stack.id.clone(), attributes: stack.outputs.iter().map(output).collect() }
}

/// Why an inner stack did not come to be what it should.
fn failed(context: &Context, stack: &Stack, what: &str) -> ServiceError {
    let is_why = |event: &records::Event| {
        event.physical_id == stack.id
            && event.reason.as_ref().is_some_and(|reason| reason != "User Initiated")
    };
    let events = records::events(context, &stack.id, 0, usize::MAX).unwrap_or_default();
    let why = events.into_iter().find(is_why).and_then(|event| event.reason).unwrap_or_default();
    let why = why.trim_end_matches("Rollback requested by user.").trim();
    ServiceError::new("", 400, format!("Embedded stack {} was not successfully {what}: {why}", stack.id))
}
