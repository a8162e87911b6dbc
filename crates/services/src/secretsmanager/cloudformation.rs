//! `AWS::SecretsManager::Secret` and `AWS::SecretsManager::ResourcePolicy`

use super::password::{self, Wanted};
use crate::{properties, tags};
use aloft_engine::{
    Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait, differs,
};
use serde_json::{Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::SecretsManager::ResourcePolicy", handler: &PolicyHandler },
    ResourceType { name: "AWS::SecretsManager::Secret", handler: &SecretHandler },
];

struct SecretHandler;

/// What a new version holds, when the properties say so.
fn content(resource: &ResourceContext, properties: &Value) -> Result<Option<String>, ServiceError> {
    let Some(wanted) = properties.get("GenerateSecretString") else {
        return Ok(properties::text(properties, "SecretString"));
    };
    let invalid = |what: &str| ServiceError::validation(format!("GenerateSecretString: {what}"));
    let mut plain = wanted.clone();
    // Templates may write numbers and truths as text.
    for value in plain.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
        if let Some(scalar) = value
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .filter(|it: &Value| it.is_boolean())
        {
            *value = scalar;
        }
    }
    if let Some(length) = plain["PasswordLength"].as_str().and_then(|text| text.parse::<u32>().ok()) {
        plain["PasswordLength"] = length.into();
    }
    let password = password::make(
        &resource.context,
        &serde_json::from_value::<Wanted>(plain).map_err(|error| invalid(&error.to_string()))?,
    )?;
    let Some(key) = properties::text(wanted, "GenerateStringKey") else { return Ok(Some(password)) };
    let template = properties::text(wanted, "SecretStringTemplate").unwrap_or_else(|| "{}".to_owned());
    let mut members: Value =
        serde_json::from_str(&template).map_err(|_| invalid("SecretStringTemplate is no JSON object"))?;
    let object = members.as_object_mut().ok_or_else(|| invalid("SecretStringTemplate is no JSON object"))?;
    object.insert(key, password.into());
    Ok(Some(members.to_string()))
}

fn described(arn: &Value) -> Resource {
    let arn = arn.as_str().unwrap_or_default();
    Resource { physical_id: arn.to_owned(), attributes: properties::attributes([("Id", arn)]) }
}

#[async_trait]
impl ResourceHandler for SecretHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let name = properties::text(properties, "Name").unwrap_or_else(|| resource.generated_name(200));
        let mut input = json!({ "Name": name, "Tags": tags::list(&properties::tags(resource, properties)) });
        for member in ["Description", "KmsKeyId"] {
            if let Some(value) = properties::text(properties, member) {
                input[member] = value.into();
            }
        }
        if let Some(content) = content(resource, properties)? {
            input["SecretString"] = content.into();
        }
        match resource.context.call("secretsmanager", "CreateSecret", input).await {
            Err(error) if error.code == "ResourceExistsException" && resource.resuming => {
                let found =
                    resource.context.call("secretsmanager", "DescribeSecret", json!({ "SecretId": name }));
                Ok(described(&found.await?["ARN"]))
            }
            answer => Ok(described(&answer?["ARN"])),
        }
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["Name"]) {
            return Ok(Update::Replace);
        }
        let context = &resource.context;
        let mut input = json!({ "SecretId": physical_id });
        for member in ["Description", "KmsKeyId"] {
            if let Some(value) = properties::text(new, member) {
                input[member] = value.into();
            }
        }
        if differs(old, new, &["GenerateSecretString", "SecretString"])
            && let Some(content) = content(resource, new)?
        {
            input["SecretString"] = content.into();
        }
        context.call("secretsmanager", "UpdateSecret", input).await?;
        let (before, after) = (properties::tags(resource, old), properties::tags(resource, new));
        let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        if !gone.is_empty() {
            let input = json!({ "SecretId": physical_id, "TagKeys": gone });
            context.call("secretsmanager", "UntagResource", input).await?;
        }
        if before != after {
            let input = json!({ "SecretId": physical_id, "Tags": tags::list(&after) });
            context.call("secretsmanager", "TagResource", input).await?;
        }
        Ok(Update::InPlace(described(&physical_id.into())))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "SecretId": physical_id, "ForceDeleteWithoutRecovery": true });
        resource.context.call("secretsmanager", "DeleteSecret", input).await.map(drop)
    }
}

struct PolicyHandler;

async fn put_policy(resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
    let policy = properties::text(properties, "ResourcePolicy").unwrap_or_default();
    let input = json!({ "SecretId": properties["SecretId"], "ResourcePolicy": policy });
    let answer = resource.context.call("secretsmanager", "PutResourcePolicy", input).await?;
    Ok(described(&answer["ARN"]))
}

#[async_trait]
impl ResourceHandler for PolicyHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        put_policy(resource, properties).await
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        _: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["SecretId"]) {
            return Ok(Update::Replace);
        }
        Ok(Update::InPlace(put_policy(resource, new).await?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "SecretId": physical_id });
        match resource.context.call("secretsmanager", "DeleteResourcePolicy", input).await {
            Err(error) if error.code != "ResourceNotFoundException" => Err(error),
            _ => Ok(()),
        }
    }
}
