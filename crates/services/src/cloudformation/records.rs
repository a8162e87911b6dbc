//! What is remembered of stacks: the stack, its resources, its events, what it exports.

use aloft_base::{AccountId, Region, Timestamp};
use aloft_engine::{Context, ServiceError, storage_failed};
use aloft_store::{Key, Snapshot, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Stacks by id (their ARN), the deleted ones too.
pub const STACKS: &str = "cloudformation.stacks";
/// The id of the stack that has a name now.
const NAMES: &str = "cloudformation.names";
/// Resources by stack and logical id.
const RESOURCES: &str = "cloudformation.resources";
/// Events by stack, in the order that they happened.
pub const EVENTS: &str = "cloudformation.events";
/// Exports by account, region and name.
const EXPORTS: &str = "cloudformation.exports";
/// The most stacks, resources or exports that a list is read from.
const MANY: usize = 100_000;

/// A template with the values it was given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The template's text.
    pub template: String,
    /// The parameters that were given.
    pub parameters: BTreeMap<String, String>,
    /// What those parameters hold that name one in Parameter Store.
    #[serde(default)]
    pub resolved: BTreeMap<String, String>,
    /// The stack's tags.
    pub tags: Map<String, Value>,
    /// `Capabilities`.
    pub capabilities: Vec<String>,
    /// `RoleARN`.
    pub role_arn: Option<String>,
    /// `NotificationARNs`.
    pub notification_arns: Vec<String>,
}

/// What is being done to a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Making everything of a new stack.
    Create,
    /// Taking back what a failed creation made.
    CreateRollback,
    /// Going from one version to the next.
    Update,
    /// Deleting what the new version no longer has.
    UpdateCleanup,
    /// Going back to the version before.
    UpdateRollback,
    /// Deleting what only the failed version had.
    RollbackCleanup,
    /// Deleting everything.
    Delete,
}

/// What to do when a creation fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// Delete what was made and keep the stack in `ROLLBACK_COMPLETE`.
    #[default]
    Rollback,
    /// Leave everything as it is.
    DoNothing,
    /// Delete what was made and the stack.
    Delete,
}

/// A stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stack {
    /// The ARN.
    pub id: String,
    /// The name.
    pub name: String,
    /// Its account.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// `CREATE_COMPLETE`, ...
    pub status: String,
    /// Why, when it failed.
    pub reason: Option<String>,
    /// What it is, or is becoming.
    pub version: Version,
    /// What it was before the update that is under way.
    pub before: Option<Version>,
    /// What is being done to it.
    pub phase: Option<Phase>,
    /// What to do when it cannot be created.
    pub on_failure: OnFailure,
    /// Its outputs: value, description, export name.
    pub outputs: Vec<Output>,
    /// Whether it refuses to be deleted.
    pub protected: bool,
    /// The stack policy, stored only.
    pub policy: Option<String>,
    /// The token of the request that began what is under way.
    pub client_token: Option<String>,
    /// The stack that this one is a resource of.
    #[serde(default)]
    pub parent: Option<String>,
    /// The change set that was last executed.
    pub change_set_id: Option<String>,
    /// Resources that a delete shall leave.
    #[serde(default)]
    pub retain: BTreeSet<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last updated.
    pub updated: Option<Timestamp>,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
}

/// An output of a stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its name in the template.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Its description.
    pub description: Option<String>,
    /// The name that it is exported under.
    pub export: Option<String>,
}

/// A resource as it is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// What `Ref` gives.
    pub physical_id: String,
    /// The properties that it was made with, resolved.
    pub properties: Value,
    /// What `Fn::GetAtt` gives.
    pub attributes: Map<String, Value>,
}

/// A resource of a stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// `CREATE_COMPLETE`, ...
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// What is there; nothing while it is being made.
    pub made: Option<Made>,
    /// The properties that it is being made with or changed to: what a retry after a crash must know.
    pub wanted: Option<Value>,
    /// What was there when the update that is under way began to change it.
    pub before: Option<Made>,
    /// What is to be deleted when the update has ended well (or, in a rollback, badly): replaced resources.
    pub replaced: Vec<Made>,
    /// Names what is being made; stays the same in a retry.
    pub token: String,
    /// The resources that this one needed: they are deleted after it.
    pub depends_on: BTreeSet<String>,
    /// `DeletionPolicy`.
    pub deletion_policy: String,
    /// `UpdateReplacePolicy`.
    pub update_replace_policy: String,
    /// When its status changed.
    pub changed: Timestamp,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Unique.
    pub id: String,
    /// The stack's or the resource's logical id.
    pub logical_id: String,
    /// The physical id, empty when there is none yet.
    pub physical_id: String,
    /// The type; `AWS::CloudFormation::Stack` for the stack itself.
    pub kind: String,
    /// The new status.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// The resource's properties as JSON.
    pub properties: Option<String>,
    /// The token of the request.
    pub client_token: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Stack {
    /// Whether something is being done to it.
    pub fn is_busy(&self) -> bool {
        self.phase.is_some()
    }

    /// Writes the stack.
    pub fn put(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        let name = key([self.account.as_str(), self.region.as_str(), &self.name]);
        if self.deleted.is_some() {
            if transaction.get_json::<String>(NAMES, &name)?.as_ref() == Some(&self.id) {
                transaction.delete(NAMES, &name);
            }
        } else {
            transaction.put_json(NAMES, &name, &self.id)?;
        }
        transaction.put_json(STACKS, self.row(), self)
    }

    /// The key of its row.
    pub fn row(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.id])
    }

    /// Writes an event of the stack itself.
    pub fn record_event(
        &self,
        transaction: &mut Transaction<'_>,
        id: String,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let event = Event {
            id,
            logical_id: self.name.clone(),
            physical_id: self.id.clone(),
            kind: "AWS::CloudFormation::Stack".to_owned(),
            status: self.status.clone(),
            reason: self.reason.clone(),
            properties: None,
            client_token: self.client_token.clone(),
            at,
        };
        put_event(transaction, &self.id, &event)
    }
}

impl Record {
    /// Writes the resource.
    pub fn put(&self, transaction: &mut Transaction<'_>, stack_id: &str) -> Result<(), StoreError> {
        transaction.put_json(RESOURCES, key([stack_id, &self.logical_id]), self)
    }

    /// Removes the resource, with what its function was last asked.
    pub fn delete(&self, transaction: &mut Transaction<'_>, stack_id: &str) -> Result<(), StoreError> {
        transaction.delete(RESOURCES, key([stack_id, &self.logical_id]));
        super::requests::forget(transaction, stack_id, &self.logical_id)
    }

    /// The event of its present status.
    pub fn event(&self, id: String, client_token: Option<String>) -> Event {
        let properties = self.made.as_ref().map(|made| &made.properties).or(self.wanted.as_ref());
        Event {
            id: format!("{}-{}-{id}", self.logical_id, self.status),
            logical_id: self.logical_id.clone(),
            physical_id: self.made.as_ref().map(|made| made.physical_id.clone()).unwrap_or_default(),
            kind: self.kind.clone(),
            status: self.status.clone(),
            reason: self.reason.clone(),
            properties: properties.map(Value::to_string),
            client_token,
            at: self.changed,
        }
    }
}

/// Writes an event behind those that are there.
pub fn put_event(transaction: &mut Transaction<'_>, stack_id: &str, event: &Event) -> Result<(), StoreError> {
    let stack = key([stack_id]);
    let counter = format!("{stack_id}#count");
    let count: u64 = transaction.get_json(EVENTS, key([&counter]))?.unwrap_or(0);
    transaction.put_json(EVENTS, key([&counter]), &(count + 1))?;
    transaction.put_json(EVENTS, stack.number(count), event)
}

/// Replaces what a stack exports.
pub fn put_exports(transaction: &mut Transaction<'_>, stack: &Stack) -> Result<(), StoreError> {
    let place = key([stack.account.as_str(), stack.region.as_str()]);
    for (name, (owner, _)) in transaction.scan_json::<(String, String)>(EXPORTS, &place, MANY)? {
        if owner == stack.id {
            transaction.delete(EXPORTS, name);
        }
    }
    if stack.deleted.is_none() {
        for output in &stack.outputs {
            if let Some(name) = &output.export {
                let name = key([stack.account.as_str(), stack.region.as_str(), name]);
                transaction.put_json(EXPORTS, name, &(&stack.id, &output.value))?;
            }
        }
    }
    Ok(())
}

fn read(context: &Context) -> Result<Snapshot, ServiceError> {
    context.store().read().map_err(|error| storage_failed(&error))
}

fn place(context: &Context) -> Key {
    key([context.account.as_str(), context.region.as_str()])
}

/// The stack of a name or an id; deleted ones are found by id only.
pub fn find(context: &Context, name_or_id: &str) -> Result<Option<Stack>, ServiceError> {
    let snapshot = read(context)?;
    let find = || {
        let id = if name_or_id.starts_with("arn:") {
            Some(name_or_id.to_owned())
        } else {
            snapshot.get_json::<String>(NAMES, place(context).text(name_or_id))?
        };
        match id {
            Some(id) => snapshot.get_json(STACKS, place(context).text(&id)),
            None => Ok(None),
        }
    };
    find().map_err(|error| storage_failed(&error))
}

/// The stack, or the error that CloudFormation gives.
pub fn existing(context: &Context, name_or_id: &str) -> Result<Stack, ServiceError> {
    find(context, name_or_id)?
        .ok_or_else(|| super::template::invalid(format!("Stack with id {name_or_id} does not exist")))
}

/// All stacks of the account and region.
pub fn all(context: &Context) -> Result<Vec<Stack>, ServiceError> {
    let rows =
        read(context)?.scan_json(STACKS, place(context), MANY).map_err(|error| storage_failed(&error))?;
    Ok(rows.into_iter().map(|(_, stack)| stack).collect())
}

/// The stacks of every account and region that something is being done to.
pub fn unfinished(engine: &aloft_engine::Engine) -> Result<Vec<Stack>, ServiceError> {
    let rows = engine.store().read().and_then(|snapshot| snapshot.scan_json(STACKS, [], MANY));
    let rows: Vec<(Vec<u8>, Stack)> = rows.map_err(|error| storage_failed(&error))?;
    Ok(rows.into_iter().map(|(_, stack)| stack).filter(Stack::is_busy).collect())
}

/// The resources of a stack by logical id.
pub fn resources(context: &Context, stack_id: &str) -> Result<BTreeMap<String, Record>, ServiceError> {
    let rows =
        read(context)?.scan_json(RESOURCES, key([stack_id]), MANY).map_err(|error| storage_failed(&error))?;
    Ok(rows.into_iter().map(|(_, record): (_, Record)| (record.logical_id.clone(), record)).collect())
}

/// One resource of a stack.
pub fn resource(context: &Context, stack_id: &str, logical_id: &str) -> Result<Option<Record>, ServiceError> {
    read(context)?.get_json(RESOURCES, key([stack_id, logical_id])).map_err(|error| storage_failed(&error))
}

/// The events of a stack, the latest first: `count` of them after the first `skip`.
pub fn events(
    context: &Context,
    stack_id: &str,
    skip: usize,
    count: usize,
) -> Result<Vec<Event>, ServiceError> {
    let rows =
        read(context)?.scan_json(EVENTS, key([stack_id]), MANY).map_err(|error| storage_failed(&error))?;
    Ok(rows.into_iter().rev().skip(skip).take(count).map(|(_, event)| event).collect())
}

/// All exports: name, stack, value.
pub fn exports(context: &Context) -> Result<Vec<(String, String, String)>, ServiceError> {
    let rows = read(context)?
        .scan_json::<(String, String)>(EXPORTS, place(context), MANY)
        .map_err(|error| storage_failed(&error))?;
    let name = |key: &[u8]| Key::texts(key).pop().unwrap_or_default();
    Ok(rows.into_iter().map(|(key, (stack, value))| (name(&key), stack, value)).collect())
}
