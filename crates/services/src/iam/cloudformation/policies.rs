//! `AWS::IAM::Policy` and `AWS::IAM::ManagedPolicy`.

use super::{call, document, gone_is_fine, texts, there_is_fine, with};
use crate::iam::entity;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait, differs,
};
use serde_json::{Value, json};

/// The roles and users that a policy's properties name, each with its kind.
fn holders(properties: &Value) -> Vec<(&'static str, String)> {
    let of = |kind, list| texts(&properties[list]).into_iter().map(move |name| (kind, name));
    of("Role", "Roles").chain(of("User", "Users")).collect()
}

fn check_holders(properties: &Value) -> Result<(), ServiceError> {
    if properties["Groups"].as_array().is_some_and(|groups| !groups.is_empty()) {
        return Err(ServiceError::new("NotImplemented", 501, "the local cloud has not built groups"));
    }
    Ok(())
}

/// `AWS::IAM::Policy`: the same policy inside several roles and users.
pub(super) struct PolicyHandler;

impl PolicyHandler {
    async fn put(context: &Context, properties: &Value) -> Result<(), ServiceError> {
        check_holders(properties)?;
        for (kind, name) in holders(properties) {
            let params = json!({ (format!("{kind}Name")): name, "PolicyName": properties["PolicyName"],
                "PolicyDocument": document(&properties["PolicyDocument"]) });
            call(context, &format!("Put{kind}Policy"), params).await?;
        }
        Ok(())
    }

    /// Removes it from the holders that `but` does not name.
    async fn remove(context: &Context, properties: &Value, but: &Value) -> Result<(), ServiceError> {
        let kept = holders(but);
        let same_name = properties["PolicyName"] == but["PolicyName"];
        for (kind, name) in holders(properties) {
            if !(same_name && kept.contains(&(kind, name.clone()))) {
                let params = json!({ (format!("{kind}Name")): name, "PolicyName": properties["PolicyName"] });
                gone_is_fine(call(context, &format!("Delete{kind}Policy"), params).await)?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl ResourceHandler for PolicyHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        if holders(properties).is_empty() {
            let message = "At least one of [Groups,Roles,Users] must be non-empty.";
            return Err(ServiceError::new("ValidationError", 400, message));
        }
        Self::put(&resource.context, properties).await?;
        Ok(Resource { physical_id: resource.generated_name(128), ..Resource::default() })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        Self::put(&resource.context, new).await?;
        Self::remove(&resource.context, old, new).await?;
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), ..Resource::default() }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        _: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        Self::remove(&resource.context, properties, &json!({})).await
    }
}

/// `AWS::IAM::ManagedPolicy`
pub(super) struct ManagedPolicyHandler;

impl ManagedPolicyHandler {
    /// Attaches the policy to whom the new properties name and detaches it from whom only the old ones do.
    async fn apply(context: &Context, arn: &str, old: &Value, new: &Value) -> Result<(), ServiceError> {
        check_holders(new)?;
        let (before, after) = (holders(old), holders(new));
        let params =
            |(kind, name): &(&str, String)| json!({ (format!("{kind}Name")): name, "PolicyArn": arn });
        for holder in before.iter().filter(|holder| !after.contains(holder)) {
            gone_is_fine(call(context, &format!("Detach{}Policy", holder.0), params(holder)).await)?;
        }
        for holder in after.iter().filter(|holder| !before.contains(holder)) {
            call(context, &format!("Attach{}Policy", holder.0), params(holder)).await?;
        }
        Ok(())
    }

    async fn described(context: &Context, arn: &str) -> Result<Resource, ServiceError> {
        let shown = call(context, "GetPolicy", json!({ "PolicyArn": arn })).await?;
        let names = [
            ("PolicyArn", "Arn"),
            ("PolicyId", "PolicyId"),
            ("DefaultVersionId", "DefaultVersionId"),
            ("AttachmentCount", "AttachmentCount"),
            ("PermissionsBoundaryUsageCount", "PermissionsBoundaryUsageCount"),
            ("IsAttachable", "IsAttachable"),
        ];
        let attributes = names
            .into_iter()
            .map(|(name, member)| (name.to_owned(), shown["Policy"][member].clone()))
            .collect();
        Ok(Resource { physical_id: arn.to_owned(), attributes })
    }
}

#[async_trait]
impl ResourceHandler for ManagedPolicyHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        let given = properties["ManagedPolicyName"].as_str().map(str::to_owned);
        let name = given.unwrap_or_else(|| resource.generated_name(128));
        let params = json!({ "PolicyName": name, "PolicyDocument": document(&properties["PolicyDocument"]) });
        let params = with(params, properties, &["Path", "Description"]);
        there_is_fine(resource, call(context, "CreatePolicy", params).await)?;
        let arn = entity::arn(context, "policy", properties["Path"].as_str().unwrap_or("/"), &name);
        if let Err(error) = Self::apply(context, &arn, &json!({}), properties).await {
            drop(self.delete(resource, &arn, properties).await);
            return Err(error);
        }
        Self::described(context, &arn).await
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["ManagedPolicyName", "Path", "Description"]) {
            return Ok(Update::Replace);
        }
        let context = &resource.context;
        if differs(old, new, &["PolicyDocument"]) {
            delete_other_versions(context, physical_id).await?;
            let params = json!({ "PolicyArn": physical_id, "PolicyDocument": document(&new["PolicyDocument"]), "SetAsDefault": true });
            call(context, "CreatePolicyVersion", params).await?;
        }
        Self::apply(context, physical_id, old, new).await?;
        Ok(Update::InPlace(Self::described(context, physical_id).await?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let context = &resource.context;
        gone_is_fine(Self::apply(context, physical_id, properties, &json!({})).await.map(|()| Value::Null))?;
        gone_is_fine(delete_other_versions(context, physical_id).await.map(|()| Value::Null))?;
        gone_is_fine(call(context, "DeletePolicy", json!({ "PolicyArn": physical_id })).await)
    }
}

async fn delete_other_versions(context: &Context, arn: &str) -> Result<(), ServiceError> {
    let versions = call(context, "ListPolicyVersions", json!({ "PolicyArn": arn })).await?;
    for version in versions["Versions"].as_array().into_iter().flatten() {
        if version["IsDefaultVersion"] != true {
            call(
                context,
                "DeletePolicyVersion",
                json!({ "PolicyArn": arn, "VersionId": version["VersionId"] }),
            )
            .await?;
        }
    }
    Ok(())
}
