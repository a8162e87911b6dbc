//! Stacks made, updated and deleted.

use super::dynamic;
use super::plan::{self, Plan};
use super::records::{self, OnFailure, Phase, Stack, Version};
use super::template::invalid;
use super::{CloudFormation, step, work_on};
use aloft_engine::{Context, ServiceError, storage_failed};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What the calls that take a template share.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Wanted {
    pub stack_name: String,
    pub template_body: Option<String>,
    #[serde(rename = "TemplateURL")]
    pub template_url: Option<String>,
    pub use_previous_template: bool,
    pub parameters: Option<Vec<Parameter>>,
    pub capabilities: Option<Vec<String>>,
    pub tags: Option<Vec<Tag>>,
    #[serde(rename = "RoleARN")]
    pub role_arn: Option<String>,
    #[serde(rename = "NotificationARNs")]
    pub notification_arns: Option<Vec<String>>,
    pub on_failure: Option<String>,
    pub disable_rollback: bool,
    pub enable_termination_protection: bool,
    pub stack_policy_body: Option<String>,
    pub client_request_token: Option<String>,
}

/// A parameter as callers give it.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameter {
    parameter_key: String,
    parameter_value: Option<String>,
    #[serde(default)]
    use_previous_value: bool,
}

/// A tag.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Delete {
    stack_name: String,
    #[serde(default)]
    retain_resources: Vec<String>,
    client_request_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Protect {
    stack_name: String,
    enable_termination_protection: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    stack_name: String,
    stack_policy_body: Option<String>,
}

impl Wanted {
    /// The version that is asked for; what is not given is taken from the `old` one where CloudFormation does.
    pub async fn version(&self, context: &Context, old: Option<&Version>) -> Result<Version, ServiceError> {
        let template = match (&self.template_body, &self.template_url, old) {
            (Some(body), None, _) => body.clone(),
            (None, Some(url), _) => from_s3(context, url).await?,
            (None, None, Some(old)) if self.use_previous_template => old.template.clone(),
            _ => return Err(invalid("Either Template URL or Template Body must be specified.")),
        };
        let mut parameters = BTreeMap::new();
        for parameter in self.parameters.iter().flatten() {
            let kept = || old.and_then(|old| old.parameters.get(&parameter.parameter_key).cloned());
            let value = if parameter.use_previous_value { kept() } else { parameter.parameter_value.clone() };
            if let Some(value) = value {
                parameters.insert(parameter.parameter_key.clone(), value);
            }
        }
        let tags = match (&self.tags, old) {
            (Some(tags), _) => {
                tags.iter().map(|tag| (tag.key.clone(), Value::from(tag.value.as_str()))).collect()
            }
            (None, Some(old)) => old.tags.clone(),
            (None, None) => Map::new(),
        };
        Ok(Version {
            resolved: dynamic::parameters(context, &template, &parameters).await?,
            template,
            parameters,
            tags,
            capabilities: self.capabilities.clone().unwrap_or_default(),
            role_arn: self.role_arn.clone().or_else(|| old.and_then(|old| old.role_arn.clone())),
            notification_arns: self
                .notification_arns
                .clone()
                .or_else(|| old.map(|old| old.notification_arns.clone()))
                .unwrap_or_default(),
        })
    }

    /// A stack that is about to be made.
    pub fn new_stack(&self, context: &Context, version: Version) -> Result<Stack, ServiceError> {
        check_name(&self.stack_name)?;
        let id = context
            .arn("cloudformation", format!("stack/{}/{}", self.stack_name, context.ids().uuid()))
            .to_string();
        let on_failure = match self.on_failure.as_deref() {
            Some("DO_NOTHING") => OnFailure::DoNothing,
            Some("DELETE") => OnFailure::Delete,
            _ if self.disable_rollback => OnFailure::DoNothing,
            _ => OnFailure::Rollback,
        };
        Ok(Stack {
            id,
            name: self.stack_name.clone(),
            account: context.account.clone(),
            region: context.region.clone(),
            status: "CREATE_IN_PROGRESS".to_owned(),
            reason: Some("User Initiated".to_owned()),
            version,
            before: None,
            phase: Some(Phase::Create),
            on_failure,
            outputs: Vec::new(),
            protected: self.enable_termination_protection,
            policy: self.stack_policy_body.clone(),
            client_token: self.client_request_token.clone(),
            parent: None,
            change_set_id: None,
            retain: Default::default(),
            created: context.now(),
            updated: None,
            deleted: None,
        })
    }
}

/// Everything that can be known to be wrong before anything is made.
pub fn check(context: &Context, stack: &Stack, version: &Version) -> Result<Plan, ServiceError> {
    let plan = Plan::of(context, &stack.name, &stack.id, version)?;
    let mut unknown: Vec<&str> = plan
        .declared
        .values()
        .map(|one| one.kind.as_str())
        .filter(|kind| step::handler(&context.engine, kind).is_none())
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    if !unknown.is_empty() {
        return Err(invalid(format!(
            "Template format error: Unrecognized resource types: [{}]",
            unknown.join(", ")
        )));
    }
    plan.check_capabilities(&version.capabilities)?;
    Ok(plan)
}

pub async fn create(_: &CloudFormation, context: &Context, wanted: Wanted) -> Result<Value, ServiceError> {
    let version = wanted.version(context, None).await?;
    let stack = wanted.new_stack(context, version)?;
    if records::find(context, &stack.name)?.is_some() {
        let message = format!("Stack [{}] already exists", stack.name);
        return Err(ServiceError::new("AlreadyExistsException", 400, message));
    }
    check(context, &stack, &stack.version)?;
    begin(context, stack).await
}

pub async fn update(_: &CloudFormation, context: &Context, wanted: Wanted) -> Result<Value, ServiceError> {
    let stack = records::existing(context, &wanted.stack_name)?;
    let version = wanted.version(context, Some(&stack.version)).await?;
    check_ready(&stack)?;
    let (old, new) =
        (Plan::of(context, &stack.name, &stack.id, &stack.version)?, check(context, &stack, &version)?);
    if plan::is_same(&stack, &old, &new, &version)? {
        return Err(invalid("No updates are to be performed."));
    }
    check_kinds(&old, &new)?;
    begin_update(context, stack, version, wanted.client_request_token).await
}

/// Starts an update of a stack that is ready for one.
pub async fn begin_update(
    context: &Context,
    mut stack: Stack,
    version: Version,
    token: Option<String>,
) -> Result<Value, ServiceError> {
    stack.before = Some(std::mem::replace(&mut stack.version, version));
    stack.phase = Some(Phase::Update);
    stack.status = "UPDATE_IN_PROGRESS".to_owned();
    stack.reason = Some("User Initiated".to_owned());
    stack.client_token = token;
    stack.updated = Some(context.now());
    begin(context, stack).await
}

pub async fn delete(_: &CloudFormation, context: &Context, input: Delete) -> Result<(), ServiceError> {
    let Some(mut stack) = records::find(context, &input.stack_name)?.filter(|stack| stack.deleted.is_none())
    else {
        return Ok(());
    };
    if stack.protected {
        return Err(invalid(format!(
            "Stack [{}] cannot be deleted while TerminationProtection is enabled",
            stack.name
        )));
    }
    if stack.phase == Some(Phase::Delete) {
        return Ok(());
    }
    if stack.is_busy() {
        return Err(invalid(format!(
            "Stack [{}] cannot be deleted while in status {}",
            stack.name, stack.status
        )));
    }
    if let Some((export, _, _)) = records::exports(context)?.into_iter().find(|(export, owner, _)| {
        *owner == stack.id && !super::queries::importers(context, export).unwrap_or_default().is_empty()
    }) {
        let users = super::queries::importers(context, &export)?.join(", ");
        return Err(invalid(format!("Export {export} cannot be deleted as it is in use by {users}")));
    }
    stack.phase = Some(Phase::Delete);
    stack.status = "DELETE_IN_PROGRESS".to_owned();
    stack.reason = Some("User Initiated".to_owned());
    stack.retain = input.retain_resources.into_iter().collect();
    stack.client_token = input.client_request_token;
    begin(context, stack).await.map(drop)
}

pub async fn protect(_: &CloudFormation, context: &Context, input: Protect) -> Result<Value, ServiceError> {
    let mut stack = records::existing(context, &input.stack_name)?;
    stack.protected = input.enable_termination_protection;
    let id = stack.id.clone();
    save(context, stack).await?;
    Ok(json!({ "StackId": id }))
}

pub async fn set_policy(_: &CloudFormation, context: &Context, input: Policy) -> Result<(), ServiceError> {
    let mut stack = records::existing(context, &input.stack_name)?;
    stack.policy = input.stack_policy_body;
    save(context, stack).await
}

pub async fn get_policy(_: &CloudFormation, context: &Context, input: Policy) -> Result<Value, ServiceError> {
    let stack = records::existing(context, &input.stack_name)?;
    Ok(json!({ "StackPolicyBody": stack.policy }))
}

/// Writes the stack with what is to be done to it, and has it done.
pub async fn begin(context: &Context, stack: Stack) -> Result<Value, ServiceError> {
    let (id, event, now) = (stack.id.clone(), context.ids().uuid(), context.now());
    let written = stack.clone();
    let write = context.store().write(move |transaction| {
        written.put(transaction)?;
        written.record_event(transaction, event, now)
    });
    write.await.map_err(|error| storage_failed(&error))?;
    work_on(&context.engine, id.clone());
    Ok(json!({ "StackId": id }))
}

async fn save(context: &Context, stack: Stack) -> Result<(), ServiceError> {
    context
        .store()
        .write(move |transaction| stack.put(transaction))
        .await
        .map_err(|error| storage_failed(&error))
}

/// Whether a stack can be updated from the state that it is in.
pub fn check_ready(stack: &Stack) -> Result<(), ServiceError> {
    let ready = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"];
    if stack.is_busy() || !ready.contains(&stack.status.as_str()) {
        return Err(invalid(format!(
            "Stack:{} is in {} state and can not be updated.",
            stack.id, stack.status
        )));
    }
    Ok(())
}

/// A resource keeps its type.
pub fn check_kinds(old: &Plan, new: &Plan) -> Result<(), ServiceError> {
    let is_other = |(id, declared): &(&String, &super::template::Declared)| {
        old.declared.get(*id).is_some_and(|before| before.kind != declared.kind)
    };
    let others: Vec<&str> = new.declared.iter().filter(is_other).map(|(id, _)| id.as_str()).collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(invalid(format!(
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: [{}]",
        others.join(", ")
    )))
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    let fits = name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '-');
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
    )))
}

/// The text of a template in S3, from any of the addresses that an object has.
pub async fn from_s3(context: &Context, url: &str) -> Result<String, ServiceError> {
    let unusable = || invalid(format!("S3 error: the template URL {url} does not name an object"));
    let (_, rest) = url.split_once("://").ok_or_else(unusable)?;
    let (host, path) = rest.split_once('/').ok_or_else(unusable)?;
    let path = path.split('?').next().unwrap_or(path);
    let path = percent_encoding::percent_decode_str(path).decode_utf8().map_err(|_| unusable())?.into_owned();
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let virtual_bucket =
        host.split_once(".s3.").or_else(|| host.split_once(".s3-")).map(|(bucket, _)| bucket.to_owned());
    let (bucket, key) = match virtual_bucket {
        Some(bucket) => (bucket, path),
        None => path
            .split_once('/')
            .map(|(bucket, key)| (bucket.to_owned(), key.to_owned()))
            .ok_or_else(unusable)?,
    };
    let got = context.call_with_body("s3", "GetObject", json!({ "Bucket": bucket, "Key": key }), None).await;
    let reply = got.map_err(|error| invalid(format!("S3 error: {}", error.message)))?;
    let bytes = reply
        .body
        .unwrap_or_default()
        .collect()
        .await
        .map_err(|error| invalid(format!("S3 error: {error}")))?;
    String::from_utf8(bytes.to_vec()).map_err(|_| unusable())
}
