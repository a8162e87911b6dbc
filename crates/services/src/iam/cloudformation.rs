//! CloudFormation's types: roles, users, access keys, managed policies, and policies put into several roles and users.

use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait,
    differs,
};
use serde_json::{Map, Value, json};

/// The types that IAM makes.
pub(super) static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::IAM::AccessKey", handler: &AccessKeyHandler },
    ResourceType { name: "AWS::IAM::ManagedPolicy", handler: &ManagedPolicyHandler },
    ResourceType { name: "AWS::IAM::Policy", handler: &PolicyHandler },
    ResourceType { name: "AWS::IAM::Role", handler: &HolderHandler { kind: "Role" } },
    ResourceType { name: "AWS::IAM::User", handler: &HolderHandler { kind: "User" } },
];

async fn call(context: &Context, operation: &str, params: Value) -> Result<Value, ServiceError> {
    context.call("iam", operation, params).await
}

/// What is gone already need not be removed.
fn gone_is_fine(result: Result<Value, ServiceError>) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.code == "NoSuchEntity" => Ok(()),
        other => other.map(drop),
    }
}

/// What an earlier try made need not be made again.
fn there_is_fine(
    resource: &ResourceContext,
    result: Result<Value, ServiceError>,
) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.code == "EntityAlreadyExists" && resource.resuming => Ok(()),
        other => other.map(drop),
    }
}

/// A document as IAM's operations take it.
fn document(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A number, or its digits.
fn number(value: &Value) -> Value {
    value
        .as_str()
        .and_then(|text| text.parse::<u64>().ok())
        .map_or_else(|| value.clone(), |number| json!(number))
}

/// The stack's tags under the resource's own, as IAM takes them.
fn tags(resource: &ResourceContext, properties: &Value) -> Value {
    let mut tags: Map<String, Value> = resource.tags.clone();
    for tag in properties["Tags"].as_array().into_iter().flatten() {
        tags.insert(tag["Key"].as_str().unwrap_or_default().to_owned(), tag["Value"].clone());
    }
    tags.into_iter().map(|(name, value)| json!({ "Key": name, "Value": value })).collect()
}

/// `params` with those of the properties that are there, under the same names.
fn with(mut params: Value, properties: &Value, names: &[&str]) -> Value {
    for name in names {
        if let Some(value) = properties.get(*name).filter(|value| !value.is_null()) {
            params[*name] = value.clone();
        }
    }
    params
}

/// Roles and users: both have policies inside, policies attached, tags and a boundary.
struct HolderHandler {
    /// `Role` or `User`.
    kind: &'static str,
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
struct PolicyHandler;

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
struct ManagedPolicyHandler;

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
        let arn = super::entity::arn(context, "policy", properties["Path"].as_str().unwrap_or("/"), &name);
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

/// `AWS::IAM::AccessKey`
struct AccessKeyHandler;

impl AccessKeyHandler {
    async fn set_status(context: &Context, id: &str, properties: &Value) -> Result<(), ServiceError> {
        let status = properties["Status"].as_str().unwrap_or("Active");
        let params = json!({ "UserName": properties["UserName"], "AccessKeyId": id, "Status": status });
        call(context, "UpdateAccessKey", params).await.map(drop)
    }
}

#[async_trait]
impl ResourceHandler for AccessKeyHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let created =
            call(&resource.context, "CreateAccessKey", json!({ "UserName": properties["UserName"] })).await?;
        let created = &created["AccessKey"];
        let id = created["AccessKeyId"].as_str().unwrap_or_default().to_owned();
        if properties["Status"] == "Inactive" {
            Self::set_status(&resource.context, &id, properties).await?;
        }
        let attributes = Map::from_iter([("SecretAccessKey".to_owned(), created["SecretAccessKey"].clone())]);
        Ok(Resource { physical_id: id, attributes })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["UserName", "Serial"]) {
            return Ok(Update::Replace);
        }
        Self::set_status(&resource.context, physical_id, new).await?;
        let known = resource.context.engine.access_key(physical_id).map_err(crate::storage::Fault::from)?;
        let attributes =
            known.map(|known| ("SecretAccessKey".to_owned(), json!(known.secret))).into_iter().collect();
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let params = json!({ "UserName": properties["UserName"], "AccessKeyId": physical_id });
        gone_is_fine(call(&resource.context, "DeleteAccessKey", params).await)
    }
}
