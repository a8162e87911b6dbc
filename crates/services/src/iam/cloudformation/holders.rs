//! `AWS::IAM::Role` and `AWS::IAM::User`.

use super::{call, document, gone_is_fine, number, tags, texts, there_is_fine, with};
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait, differs,
};
use serde_json::{Map, Value, json};

/// Roles and users: both have policies inside, policies attached, tags and a boundary.
pub(super) struct HolderHandler {
    /// `Role` or `User`.
    pub kind: &'static str,
}

impl HolderHandler {
    fn name_member(&self) -> String {
        format!("{}Name", self.kind)
    }

    fn named(&self, name: &str) -> Value {
        json!({ (self.name_member()): name })
    }

    fn is_role(&self) -> bool {
        self.kind == "Role"
    }

    /// Brings what is inside and attached from the old properties to the new ones.
    async fn apply_policies(
        &self,
        context: &Context,
        name: &str,
        old: &Value,
        new: &Value,
    ) -> Result<(), ServiceError> {
        let kind = self.kind;
        let named = |extra: Value| {
            let mut params = self.named(name);
            extra
                .as_object()
                .into_iter()
                .flatten()
                .for_each(|(member, value)| params[member.as_str()] = value.clone());
            params
        };
        let policies = |properties: &Value| -> Map<String, Value> {
            let list = properties["Policies"].as_array().into_iter().flatten();
            list.map(|policy| {
                (
                    policy["PolicyName"].as_str().unwrap_or_default().to_owned(),
                    policy["PolicyDocument"].clone(),
                )
            })
            .collect()
        };
        let (before, after) = (policies(old), policies(new));
        for (policy, wanted) in &after {
            if before.get(policy) != Some(wanted) {
                let params = named(json!({ "PolicyName": policy, "PolicyDocument": document(wanted) }));
                call(context, &format!("Put{kind}Policy"), params).await?;
            }
        }
        for policy in before.keys().filter(|policy| !after.contains_key(*policy)) {
            gone_is_fine(
                call(context, &format!("Delete{kind}Policy"), named(json!({ "PolicyName": policy }))).await,
            )?;
        }
        let (before, after) = (texts(&old["ManagedPolicyArns"]), texts(&new["ManagedPolicyArns"]));
        for arn in before.iter().filter(|arn| !after.contains(arn)) {
            gone_is_fine(
                call(context, &format!("Detach{kind}Policy"), named(json!({ "PolicyArn": arn }))).await,
            )?;
        }
        for arn in after.iter().filter(|arn| !before.contains(arn)) {
            call(context, &format!("Attach{kind}Policy"), named(json!({ "PolicyArn": arn }))).await?;
        }
        Ok(())
    }

    /// Brings tags and boundary from the old properties to the new ones.
    async fn apply_facts(
        &self,
        resource: &ResourceContext,
        name: &str,
        old: &Value,
        new: &Value,
    ) -> Result<(), ServiceError> {
        let (context, kind) = (&resource.context, self.kind);
        let (before, after) = (tags(resource, old), tags(resource, new));
        let names = |tags: &Value| -> Vec<Value> {
            tags.as_array().into_iter().flatten().map(|tag| tag["Key"].clone()).collect()
        };
        let kept = names(&after);
        let removed: Vec<Value> = names(&before).into_iter().filter(|name| !kept.contains(name)).collect();
        if !removed.is_empty() {
            let mut params = self.named(name);
            params["TagKeys"] = json!(removed);
            call(context, &format!("Untag{kind}"), params).await?;
        }
        if !kept.is_empty() {
            let mut params = self.named(name);
            params["Tags"] = after;
            call(context, &format!("Tag{kind}"), params).await?;
        }
        if differs(old, new, &["PermissionsBoundary"]) {
            let operation = if new["PermissionsBoundary"].is_string() { "Put" } else { "Delete" };
            let params = with(self.named(name), new, &["PermissionsBoundary"]);
            call(context, &format!("{operation}{kind}PermissionsBoundary"), params).await?;
        }
        Ok(())
    }

    async fn described(&self, context: &Context, name: &str) -> Result<Resource, ServiceError> {
        let shown = call(context, &format!("Get{}", self.kind), self.named(name)).await?;
        let shown = &shown[self.kind];
        let mut attributes = Map::from_iter([("Arn".to_owned(), shown["Arn"].clone())]);
        if self.is_role() {
            attributes.insert("RoleId".to_owned(), shown["RoleId"].clone());
        }
        Ok(Resource { physical_id: name.to_owned(), attributes })
    }
}

#[async_trait]
impl ResourceHandler for HolderHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        for unbuilt in ["Groups", "LoginProfile"] {
            if !properties[unbuilt].is_null() {
                let message = format!(
                    "the local cloud has not built the property {unbuilt} of AWS::IAM::{}",
                    self.kind
                );
                return Err(ServiceError::new("NotImplemented", 501, message));
            }
        }
        let given = properties[self.name_member()].as_str().map(str::to_owned);
        let name = given.unwrap_or_else(|| resource.generated_name(64));
        let mut params = with(self.named(&name), properties, &["Path", "Description", "PermissionsBoundary"]);
        params["Tags"] = tags(resource, properties);
        if self.is_role() {
            params["AssumeRolePolicyDocument"] = json!(document(&properties["AssumeRolePolicyDocument"]));
            if !properties["MaxSessionDuration"].is_null() {
                params["MaxSessionDuration"] = number(&properties["MaxSessionDuration"]);
            }
        }
        there_is_fine(resource, call(context, &format!("Create{}", self.kind), params).await)?;
        if let Err(error) = self.apply_policies(context, &name, &json!({}), properties).await {
            // A role that was made only halfway would stand in the way of the next try.
            drop(self.delete(resource, &name, properties).await);
            return Err(error);
        }
        self.described(context, &name).await
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        let context = &resource.context;
        if differs(old, new, &[&self.name_member(), "Path"]) {
            return Ok(Update::Replace);
        }
        if self.is_role() {
            if differs(old, new, &["AssumeRolePolicyDocument"]) {
                let mut params = self.named(physical_id);
                params["PolicyDocument"] = json!(document(&new["AssumeRolePolicyDocument"]));
                call(context, "UpdateAssumeRolePolicy", params).await?;
            }
            if differs(old, new, &["Description", "MaxSessionDuration"]) {
                let mut params = self.named(physical_id);
                params["Description"] = json!(new["Description"].as_str().unwrap_or_default());
                let session = &new["MaxSessionDuration"];
                params["MaxSessionDuration"] = if session.is_null() { json!(3600) } else { number(session) };
                call(context, "UpdateRole", params).await?;
            }
        }
        self.apply_facts(resource, physical_id, old, new).await?;
        self.apply_policies(context, physical_id, old, new).await?;
        Ok(Update::InPlace(self.described(context, physical_id).await?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let context = &resource.context;
        gone_is_fine(
            self.apply_policies(context, physical_id, properties, &json!({})).await.map(|()| Value::Null),
        )?;
        gone_is_fine(call(context, &format!("Delete{}", self.kind), self.named(physical_id)).await)
    }
}
