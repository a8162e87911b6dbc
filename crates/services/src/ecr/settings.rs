//! What is kept with a repository: its lifecycle policy, its permissions, its tags, how tags of images change.
//!
//! Policies are kept and told, and change nothing: there are no images.

use super::Ecr;
use super::repositories::{Repository, Scanning, change, load, own_registry};
use crate::storage::Outcome;
use crate::tags::{self, Tag};
use aloft_engine::{Context, ServiceError};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    registry_id: Option<String>,
    repository_name: String,
    lifecycle_policy_text: Option<String>,
    policy_text: Option<String>,
    image_tag_mutability: Option<String>,
    image_tag_mutability_exclusion_filters: Option<Value>,
    image_scanning_configuration: Option<Scanning>,
}

/// An answer with the repository's name, and what else there is to say.
fn answer(context: &Context, name: &str, more: Value) -> Value {
    let mut told = json!({ "registryId": context.account.as_str(), "repositoryName": name });
    if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
        told.extend(more);
    }
    told
}

fn parsed(policy: Option<String>) -> Result<String, ServiceError> {
    let policy = policy.unwrap_or_default();
    match serde_json::from_str::<Value>(&policy) {
        Ok(Value::Object(_)) => Ok(policy),
        _ => {
            let message = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'";
            Err(ServiceError::new("InvalidParameterException", 400, message))
        }
    }
}

fn missing(context: &Context, kind: &str, code: &'static str, name: &str) -> ServiceError {
    let account = &context.account;
    let message = format!(
        "{kind} policy does not exist for the repository with name '{name}' in the registry with id '{account}'"
    );
    ServiceError::new(code, 400, message)
}

fn no_lifecycle(context: &Context, name: &str) -> ServiceError {
    missing(context, "Lifecycle", "LifecyclePolicyNotFoundException", name)
}

fn no_policy(context: &Context, name: &str) -> ServiceError {
    missing(context, "Repository", "RepositoryPolicyNotFoundException", name)
}

/// `PutLifecyclePolicy`
pub(super) async fn put_lifecycle(_: &Ecr, context: &Context, input: Input) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let text = parsed(input.lifecycle_policy_text)?;
    let told = answer(context, &input.repository_name, json!({ "lifecyclePolicyText": text }));
    let put = move |repository: &mut Repository| {
        repository.lifecycle = Some(text);
        Ok(told)
    };
    change(context, input.repository_name, put).await
}

/// `GetLifecyclePolicy`
pub(super) async fn lifecycle(_: &Ecr, context: &Context, input: Input) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let repository = load(&context.store().read()?, context, &input.repository_name)?;
    let text = repository.lifecycle.ok_or_else(|| no_lifecycle(context, &repository.name))?;
    Ok(answer(context, &repository.name, json!({ "lifecyclePolicyText": text })))
}

/// `DeleteLifecyclePolicy`
pub(super) async fn delete_lifecycle(_: &Ecr, context: &Context, input: Input) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let absent = no_lifecycle(context, &input.repository_name);
    let take = |repository: &mut Repository| Ok(repository.lifecycle.take().ok_or(absent)?);
    let text = change(context, input.repository_name.clone(), take).await?;
    Ok(answer(context, &input.repository_name, json!({ "lifecyclePolicyText": text })))
}

/// `SetRepositoryPolicy`
pub(super) async fn put_policy(_: &Ecr, context: &Context, input: Input) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let text = parsed(input.policy_text)?;
    let told = answer(context, &input.repository_name, json!({ "policyText": text }));
    let put = move |repository: &mut Repository| {
        repository.policy = Some(text);
        Ok(told)
    };
    change(context, input.repository_name, put).await
}

/// `GetRepositoryPolicy`
pub(super) async fn policy(_: &Ecr, context: &Context, input: Input) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let repository = load(&context.store().read()?, context, &input.repository_name)?;
    let text = repository.policy.ok_or_else(|| no_policy(context, &repository.name))?;
    Ok(answer(context, &repository.name, json!({ "policyText": text })))
}

/// `DeleteRepositoryPolicy`
pub(super) async fn delete_policy(_: &Ecr, context: &Context, input: Input) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let absent = no_policy(context, &input.repository_name);
    let take = |repository: &mut Repository| Ok(repository.policy.take().ok_or(absent)?);
    let text = change(context, input.repository_name.clone(), take).await?;
    Ok(answer(context, &input.repository_name, json!({ "policyText": text })))
}

/// `PutImageTagMutability`
pub(super) async fn put_mutability(_: &Ecr, context: &Context, input: Input) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let form = input.image_tag_mutability.unwrap_or_default();
    let told = answer(context, &input.repository_name, json!({ "imageTagMutability": form }));
    let exclusions = input.image_tag_mutability_exclusion_filters;
    let put = move |repository: &mut Repository| {
        (repository.mutability, repository.exclusions) = (form, exclusions);
        Ok(told)
    };
    change(context, input.repository_name, put).await
}

/// `PutImageScanningConfiguration`
pub(super) async fn put_scanning(_: &Ecr, context: &Context, input: Input) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let scan = input.image_scanning_configuration.unwrap_or_default().scan_on_push;
    let configuration = json!({ "imageScanningConfiguration": { "scanOnPush": scan } });
    let told = answer(context, &input.repository_name, configuration);
    let put = move |repository: &mut Repository| {
        repository.scan_on_push = scan;
        Ok(told)
    };
    change(context, input.repository_name, put).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tagged {
    resource_arn: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

impl Tagged {
    fn name(&self) -> Result<String, ServiceError> {
        let invalid = || {
            let message =
                "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'".to_owned();
            ServiceError::new("InvalidParameterException", 400, message)
        };
        self.resource_arn.split_once(":repository/").map(|it| it.1.to_owned()).ok_or_else(invalid)
    }
}

/// `TagResource`
pub(super) async fn tag(_: &Ecr, context: &Context, input: Tagged) -> Outcome<()> {
    let (name, new) = (input.name()?, tags::map(input.tags));
    let put = move |repository: &mut Repository| {
        repository.tags.extend(new);
        Ok(())
    };
    change(context, name, put).await
}

/// `UntagResource`
pub(super) async fn untag(_: &Ecr, context: &Context, input: Tagged) -> Outcome<()> {
    let (name, gone) = (input.name()?, input.tag_keys);
    let put = move |repository: &mut Repository| {
        repository.tags.retain(|key, _| !gone.contains(key));
        Ok(())
    };
    change(context, name, put).await
}

/// `ListTagsForResource`
pub(super) async fn tags(_: &Ecr, context: &Context, input: Tagged) -> Outcome<Value> {
    let repository = load(&context.store().read()?, context, &input.name()?)?;
    Ok(json!({ "tags": tags::list(&repository.tags) }))
}
