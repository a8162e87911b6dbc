//! `AWS::ECR::Repository`

use crate::{properties, tags};
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait,
    differs,
};
use serde_json::{Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] =
    &[ResourceType { name: "AWS::ECR::Repository", handler: &RepositoryHandler }];

struct RepositoryHandler;

/// The same value with members that begin in lower case, as ECR has them, and truths that are none in templates.
fn lowered(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let lower = |name: &str| name[..1].to_lowercase() + &name[1..];
            members
                .iter()
                .filter(|(name, _)| !name.is_empty() && name.is_char_boundary(1))
                .map(|(name, value)| (lower(name), lowered(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(lowered).collect(),
        Value::String(text) if text == "true" || text == "false" => (text == "true").into(),
        other => other.clone(),
    }
}

/// What can be changed later.
async fn set(context: &Context, name: &str, properties: &Value) -> Result<(), ServiceError> {
    let named = |more: Value| {
        let mut input = json!({ "repositoryName": name });
        if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
            input.extend(more);
        }
        input
    };
    let lifecycle =
        properties.get("LifecyclePolicy").and_then(|it| properties::text(it, "LifecyclePolicyText"));
    for (text, member, put, delete) in [
        (lifecycle, "lifecyclePolicyText", "PutLifecyclePolicy", "DeleteLifecyclePolicy"),
        (
            properties::text(properties, "RepositoryPolicyText"),
            "policyText",
            "SetRepositoryPolicy",
            "DeleteRepositoryPolicy",
        ),
    ] {
        match text {
            Some(text) => drop(context.call("ecr", put, named(json!({ member: text }))).await?),
            None => match context.call("ecr", delete, named(json!({}))).await {
                Err(error) if !error.code.ends_with("PolicyNotFoundException") => return Err(error),
                _ => {}
            },
        }
    }
    Ok(())
}

fn described(repository: &Value) -> Resource {
    let text = |member: &str| repository[member].as_str().unwrap_or_default();
    Resource {
        physical_id: text("repositoryName").to_owned(),
        attributes: properties::attributes([
            ("Arn", text("repositoryArn")),
            ("RepositoryUri", text("repositoryUri")),
        ]),
    }
}

async fn found(context: &Context, name: &str) -> Result<Resource, ServiceError> {
    let input = json!({ "repositoryNames": [name] });
    let answer = context.call("ecr", "DescribeRepositories", input).await?;
    Ok(described(&answer["repositories"][0]))
}

#[async_trait]
impl ResourceHandler for RepositoryHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        let name = properties::text(properties, "RepositoryName")
            .unwrap_or_else(|| resource.generated_name(256).to_lowercase());
        let mut input =
            json!({ "repositoryName": name, "tags": tags::list(&properties::tags(resource, properties)) });
        for (property, member) in [
            ("EncryptionConfiguration", "encryptionConfiguration"),
            ("ImageScanningConfiguration", "imageScanningConfiguration"),
            ("ImageTagMutability", "imageTagMutability"),
            ("ImageTagMutabilityExclusionFilters", "imageTagMutabilityExclusionFilters"),
        ] {
            if let Some(value) = properties.get(property) {
                input[member] = lowered(value);
            }
        }
        let created = match context.call("ecr", "CreateRepository", input).await {
            Err(error) if error.code == "RepositoryAlreadyExistsException" && resource.resuming => {
                found(context, &name).await?
            }
            answer => described(&answer?["repository"]),
        };
        set(context, &name, properties).await?;
        Ok(created)
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["EncryptionConfiguration", "RepositoryName"]) {
            return Ok(Update::Replace);
        }
        let context = &resource.context;
        let form = properties::text(new, "ImageTagMutability").unwrap_or_else(|| "MUTABLE".to_owned());
        let mut input = json!({ "repositoryName": physical_id, "imageTagMutability": form });
        if let Some(exclusions) = new.get("ImageTagMutabilityExclusionFilters") {
            input["imageTagMutabilityExclusionFilters"] = lowered(exclusions);
        }
        context.call("ecr", "PutImageTagMutability", input).await?;
        let scanning = lowered(new.get("ImageScanningConfiguration").unwrap_or(&json!({})));
        let input = json!({ "repositoryName": physical_id, "imageScanningConfiguration": scanning });
        context.call("ecr", "PutImageScanningConfiguration", input).await?;
        set(context, physical_id, new).await?;
        let arn = context.arn("ecr", format!("repository/{physical_id}")).to_string();
        let (before, after) = (properties::tags(resource, old), properties::tags(resource, new));
        let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        if !gone.is_empty() {
            let input = json!({ "resourceArn": arn, "tagKeys": gone });
            context.call("ecr", "UntagResource", input).await?;
        }
        if before != after {
            let input = json!({ "resourceArn": arn, "tags": tags::list(&after) });
            context.call("ecr", "TagResource", input).await?;
        }
        Ok(Update::InPlace(found(context, physical_id).await?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "repositoryName": physical_id, "force": true });
        match resource.context.call("ecr", "DeleteRepository", input).await {
            Err(error) if error.code != "RepositoryNotFoundException" => Err(error),
            _ => Ok(()),
        }
    }
}
