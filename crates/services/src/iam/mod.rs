//! AWS IAM: roles, users with access keys, and policies.
//!
//! No groups, instance profiles or login profiles. What policies allow is decided elsewhere; here they are kept and checked
//! for form. Keeps true: an access key that IAM shows as active is one that the engine knows, and no other.

mod access_keys;
mod aws_managed;
mod cloudformation;
mod document;
mod entity;
mod inline;
mod managed;
mod paging;
mod roles;
mod users;

use aloft_engine::{
    Context, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait, operations,
};
use entity::{Role, User};
use serde_json::{Value, json};

/// The service.
pub struct Iam;

operations! { Iam;
    AttachRolePolicy => managed::attach::<Role>,
    AttachUserPolicy => managed::attach::<User>,
    CreateAccessKey => access_keys::create,
    CreatePolicy => managed::create,
    CreatePolicyVersion => managed::create_version,
    CreateRole => roles::create,
    CreateUser => users::create,
    DeleteAccessKey => access_keys::delete,
    DeletePolicy => managed::delete,
    DeletePolicyVersion => managed::delete_version,
    DeleteRole => roles::delete,
    DeleteRolePermissionsBoundary => entity::delete_boundary::<Role>,
    DeleteRolePolicy => inline::delete::<Role>,
    DeleteUser => users::delete,
    DeleteUserPermissionsBoundary => entity::delete_boundary::<User>,
    DeleteUserPolicy => inline::delete::<User>,
    DetachRolePolicy => managed::detach::<Role>,
    DetachUserPolicy => managed::detach::<User>,
    GetAccessKeyLastUsed => access_keys::last_used,
    GetPolicy => managed::get,
    GetPolicyVersion => managed::get_version,
    GetRole => roles::get,
    GetRolePolicy => inline::get::<Role>,
    GetUser => users::get,
    GetUserPolicy => inline::get::<User>,
    ListAccessKeys => access_keys::list,
    ListAccountAliases => no_aliases,
    ListAttachedRolePolicies => managed::list_attached::<Role>,
    ListAttachedUserPolicies => managed::list_attached::<User>,
    ListEntitiesForPolicy => managed::list_entities,
    ListGroupsForUser => no_groups,
    ListInstanceProfilesForRole => no_instance_profiles,
    ListPolicies => managed::list,
    ListPolicyTags => managed::list_tags,
    ListPolicyVersions => managed::list_versions,
    ListRolePolicies => inline::list::<Role>,
    ListRoles => roles::list,
    ListRoleTags => entity::list_tags::<Role>,
    ListUserPolicies => inline::list::<User>,
    ListUsers => users::list,
    ListUserTags => entity::list_tags::<User>,
    PutRolePermissionsBoundary => entity::put_boundary::<Role>,
    PutRolePolicy => inline::put::<Role>,
    PutUserPermissionsBoundary => entity::put_boundary::<User>,
    PutUserPolicy => inline::put::<User>,
    SetDefaultPolicyVersion => managed::set_default_version,
    TagPolicy => managed::tag,
    TagRole => entity::tag::<Role>,
    TagUser => entity::tag::<User>,
    UntagPolicy => managed::untag,
    UntagRole => entity::untag::<Role>,
    UntagUser => entity::untag::<User>,
    UpdateAccessKey => access_keys::update,
    UpdateAssumeRolePolicy => roles::update_trust,
    UpdateRole => roles::update,
    UpdateRoleDescription => roles::update_description,
    UpdateUser => users::update,
}

#[async_trait]
impl Service for Iam {
    fn name(&self) -> &'static str {
        "iam"
    }

    async fn call(
        &self,
        context: &Context,
        operation: &str,
        input: Input,
    ) -> Option<Result<Reply, ServiceError>> {
        Operation::dispatch(OPERATIONS, self, context, operation, input).await
    }

    fn operation_names(&self) -> Vec<&'static str> {
        OPERATIONS.iter().map(|operation| operation.name).collect()
    }

    fn resources(&self) -> &'static [ResourceType] {
        cloudformation::RESOURCES
    }
}

/// A member that the model requires, or an empty text.
fn text<'a>(params: &'a Value, name: &str) -> &'a str {
    params[name].as_str().unwrap_or_default()
}

fn no_such_entity(message: impl Into<String>) -> ServiceError {
    ServiceError::new("NoSuchEntity", 404, message)
}

fn already_exists(message: impl Into<String>) -> ServiceError {
    ServiceError::new("EntityAlreadyExists", 409, message)
}

fn delete_conflict(message: impl Into<String>) -> ServiceError {
    ServiceError::new("DeleteConflict", 409, message)
}

/// What there is none of here is none of: tools that tidy up ask for it before they delete.
async fn no_aliases(_: &Iam, _: &Context, _: Value) -> Result<Value, ServiceError> {
    Ok(json!({ "AccountAliases": [], "IsTruncated": false }))
}

async fn no_groups(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    entity::find::<User>(context, text(&params, "UserName"))?;
    Ok(json!({ "Groups": [], "IsTruncated": false }))
}

async fn no_instance_profiles(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    entity::find::<Role>(context, text(&params, "RoleName"))?;
    Ok(json!({ "InstanceProfiles": [], "IsTruncated": false }))
}

#[cfg(test)]
mod tests;
