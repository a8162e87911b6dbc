//! What CloudFormation asks of a service: to make, change and delete a resource of one of its types.
//!
//! A handler turns properties into calls of its own service's operations. Keeps true: a handler can be called again
//! after a crash, with [`ResourceContext::resuming`] set, and then finds what it made before.

use crate::{Context, ServiceError};
use async_trait::async_trait;
use serde_json::{Map, Value};

/// A CloudFormation type and who handles it.
pub struct ResourceType {
    /// `AWS::SQS::Queue`
    pub name: &'static str,
    /// Who makes it.
    pub handler: &'static dyn ResourceHandler,
}

/// The resource that is being worked on.
pub struct ResourceContext {
    /// Whose call it is.
    pub context: Context,
    /// The stack's name.
    pub stack_name: String,
    /// The stack's ARN.
    pub stack_id: String,
    /// The resource's name in the template.
    pub logical_id: String,
    /// The tags of the stack, to be put on the resource.
    pub tags: Map<String, Value>,
    /// Twelve characters of `[A-Z0-9]` that stay the same while this creation is retried.
    pub token: String,
    /// Whether an earlier try may have done some of it already.
    pub resuming: bool,
}

/// A resource that is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// What `Ref` gives.
    pub physical_id: String,
    /// What `Fn::GetAtt` gives; nested attributes by dotted names.
    pub attributes: Map<String, Value>,
}

/// What became of an update.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// It was changed where it is.
    InPlace(Resource),
    /// It cannot be changed: make another, then delete this one. Nothing was done yet.
    Replace,
    /// Another was made already, beside this one: delete this one.
    Replaced(Resource),
}

/// Makes, changes and deletes the resources of one type. Properties come with all intrinsic functions resolved.
#[async_trait]
pub trait ResourceHandler: Sync {
    /// Makes the resource.
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError>;

    /// Changes the resource from the `old` properties to the `new` ones. Unless a type says otherwise, it cannot be changed.
    async fn update(
        &self,
        _resource: &ResourceContext,
        _physical_id: &str,
        _old: &Value,
        _new: &Value,
    ) -> Result<Update, ServiceError> {
        Ok(Update::Replace)
    }

    /// Deletes the resource; one that is gone already is no error.
    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError>;

    /// What a creation that failed left all the same, and which a rollback must delete.
    async fn left_behind(&self, _resource: &ResourceContext) -> Result<Option<Resource>, ServiceError> {
        Ok(None)
    }
}

impl ResourceContext {
    /// A name for a resource that the template does not name: `stack-LogicalId-TOKEN`, cut in the middle to `limit` characters.
    pub fn generated_name(&self, limit: usize) -> String {
        let room = limit.saturating_sub(self.token.len() + 2);
        let stack: String =
            self.stack_name.chars().take(room.saturating_sub(self.logical_id.len().min(room / 2))).collect();
        let logical: String = self.logical_id.chars().take(room - stack.chars().count()).collect();
        format!("{stack}-{logical}-{}", self.token)
    }
}

/// Whether any of the named properties differs: those that CloudFormation documents with "Update requires: Replacement".
pub fn differs(old: &Value, new: &Value, properties: &[&str]) -> bool {
    properties.iter().any(|name| old.get(name) != new.get(name))
}
