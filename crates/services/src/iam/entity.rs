//! What roles and users have in common: a name and a path, policies, tags, a boundary.

use super::{Iam, already_exists, no_such_entity, text};
use crate::storage::{Fault, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Roles or users, as a type, so that operations that both have are written once.
pub(super) trait Kind: 'static {
    const KEYSPACE: Keyspace;
    /// `role`, in messages and ARNs.
    const WORD: &'static str;
    /// `Role`, in the names of members.
    const CAPITAL: &'static str;
    /// What its unique ids begin with.
    const ID_PREFIX: &'static str;

    /// The name that the input gives.
    fn name_in(params: &Value) -> &str {
        text(params, &format!("{}Name", Self::CAPITAL))
    }
}

/// Roles.
pub(super) struct Role;
/// Users.
pub(super) struct User;

impl Kind for Role {
    const KEYSPACE: Keyspace = "iam.roles";
    const WORD: &'static str = "role";
    const CAPITAL: &'static str = "Role";
    const ID_PREFIX: &'static str = "AROA";
}

impl Kind for User {
    const KEYSPACE: Keyspace = "iam.users";
    const WORD: &'static str = "user";
    const CAPITAL: &'static str = "User";
    const ID_PREFIX: &'static str = "AIDA";
}

/// A role or a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entity {
    pub name: String,
    pub path: String,
    pub id: String,
    pub arn: String,
    pub created: Timestamp,
    /// Documents by name.
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    pub attached: Vec<String>,
    pub tags: BTreeMap<String, String>,
    /// The ARN of the policy that bounds what the others can allow.
    pub boundary: Option<String>,
    /// Only roles have one: who may assume it.
    pub trust: Option<Trust>,
}

/// What only roles have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trust {
    pub document: String,
    pub description: Option<String>,
    /// In seconds.
    pub max_session: u64,
}

/// The most policies that may be attached to one.
pub(super) const ATTACHED_LIMIT: usize = 10;
/// The most tags.
const TAG_LIMIT: usize = 50;

fn entity_key(context: &Context, name: &str) -> Key {
    key([context.account.as_str(), name])
}

/// An ARN of IAM: it has no region.
pub(super) fn arn(context: &Context, kind: &str, path: &str, name: &str) -> String {
    format!("arn:{}:iam::{}:{kind}{path}{name}", context.region.partition(), context.account)
}

/// A unique id.
pub(super) fn unique_id(context: &Context, prefix: &str) -> String {
    format!("{prefix}{}", context.ids().upper(17))
}

impl Entity {
    /// A new one, from what the input says.
    pub fn new<K: Kind>(context: &Context, params: &Value) -> Result<Self, ServiceError> {
        let name = K::name_in(params);
        let path = params["Path"].as_str().unwrap_or("/");
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            id: unique_id(context, K::ID_PREFIX),
            arn: arn(context, K::WORD, path, name),
            created: context.now(),
            inline: BTreeMap::new(),
            attached: Vec::new(),
            tags: with_tags(BTreeMap::new(), &params["Tags"])?,
            boundary: params["PermissionsBoundary"].as_str().map(str::to_owned),
            trust: None,
        })
    }

    pub fn load<K: Kind>(rows: &impl Rows, context: &Context, name: &str) -> Result<Self, Fault> {
        let found = rows.row(K::KEYSPACE, entity_key(context, name).as_ref())?;
        Ok(found
            .ok_or_else(|| no_such_entity(format!("The {} with name {name} cannot be found.", K::WORD)))?)
    }

    pub fn save<K: Kind>(&self, transaction: &mut Transaction<'_>, context: &Context) -> Result<(), Fault> {
        Ok(transaction.put_json(K::KEYSPACE, entity_key(context, &self.name), self)?)
    }

    /// Saves it if the name is free.
    pub fn insert<K: Kind>(&self, transaction: &mut Transaction<'_>, context: &Context) -> Result<(), Fault> {
        if transaction.get(K::KEYSPACE, entity_key(context, &self.name))?.is_some() {
            return Err(
                already_exists(format!("{} with name {} already exists.", K::CAPITAL, self.name)).into()
            );
        }
        self.save::<K>(transaction, context)
    }

    pub fn remove<K: Kind>(&self, transaction: &mut Transaction<'_>, context: &Context) {
        transaction.delete(K::KEYSPACE, entity_key(context, &self.name));
    }

    /// What a deletion has to wait for.
    pub fn check_deletable(&self) -> Result<(), ServiceError> {
        match (self.attached.is_empty(), self.inline.is_empty()) {
            (false, _) => {
                Err(super::delete_conflict("Cannot delete entity, must detach all policies first."))
            }
            (_, false) => Err(super::delete_conflict("Cannot delete entity, must delete policies first.")),
            _ => Ok(()),
        }
    }

    /// As `GetRole` and `GetUser` show it.
    pub fn shown<K: Kind>(&self) -> Value {
        let mut shown = self.listed::<K>();
        if !self.tags.is_empty() {
            shown["Tags"] = tag_list(&self.tags);
        }
        if let Some(boundary) = &self.boundary {
            shown["PermissionsBoundary"] =
                json!({ "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary });
        }
        if self.trust.is_some() {
            shown["RoleLastUsed"] = json!({});
        }
        shown
    }

    /// As lists show it, without what they leave out.
    pub fn listed<K: Kind>(&self) -> Value {
        let mut shown = json!({ "Path": self.path, "Arn": self.arn, "CreateDate": self.created.seconds() });
        shown[format!("{}Name", K::CAPITAL)] = json!(self.name);
        shown[format!("{}Id", K::CAPITAL)] = json!(self.id);
        if let Some(trust) = &self.trust {
            shown["AssumeRolePolicyDocument"] = json!(super::document::encoded(&trust.document));
            shown["Description"] = json!(trust.description);
            shown["MaxSessionDuration"] = json!(trust.max_session);
        }
        shown
    }
}

/// The one of that name.
pub(super) fn find<K: Kind>(context: &Context, name: &str) -> Result<Entity, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    Ok(Entity::load::<K>(&snapshot, context, name)?)
}

/// All of the account, by name.
pub(super) fn all<K: Kind>(rows: &impl Rows, context: &Context) -> Result<Vec<Entity>, Fault> {
    let found = rows.rows(K::KEYSPACE, key([context.account.as_str()]).as_ref(), usize::MAX)?;
    found.iter().map(|(_, row)| Ok(decode(K::KEYSPACE, row)?)).collect()
}

/// Those under the input's `PathPrefix`, as lists show them.
pub(super) fn list<K: Kind>(context: &Context, params: &Value) -> Result<Vec<(String, Value)>, ServiceError> {
    let prefix = params["PathPrefix"].as_str().unwrap_or("/");
    let snapshot = context.store().read().map_err(Fault::from)?;
    let found = all::<K>(&snapshot, context)?.into_iter().filter(|entity| entity.path.starts_with(prefix));
    Ok(found.map(|entity| (entity.name.clone(), entity.listed::<K>())).collect())
}

/// Changes the one that the input names.
pub(super) async fn change<K: Kind, T: Send + 'static>(
    context: &Context,
    params: &Value,
    change: impl FnOnce(&mut Entity) -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    let (context, name) = (context.clone(), K::name_in(params).to_owned());
    let store = context.store().clone();
    let change = move |transaction: &mut Transaction<'_>| -> Result<T, Fault> {
        let mut entity = Entity::load::<K>(transaction, &context, &name)?;
        let answer = change(&mut entity)?;
        entity.save::<K>(transaction, &context)?;
        Ok(answer)
    };
    Ok(store.write(change).await?)
}

/// Tags as answers carry them.
pub(super) fn tag_list(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(name, value)| json!({ "Key": name, "Value": value })).collect()
}

/// The tags with those of the input added.
pub(super) fn with_tags(
    mut tags: BTreeMap<String, String>,
    added: &Value,
) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut new = Map::new();
    for tag in added.as_array().into_iter().flatten() {
        if new.insert(text(tag, "Key").to_owned(), tag["Value"].clone()).is_some() {
            let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(ServiceError::new("InvalidInput", 400, message));
        }
        tags.insert(text(tag, "Key").to_owned(), text(tag, "Value").to_owned());
    }
    if tags.len() > TAG_LIMIT {
        let message = format!("The number of tags has reached the maximum limit of {TAG_LIMIT}.");
        return Err(ServiceError::new("LimitExceeded", 409, message));
    }
    Ok(tags)
}

pub(super) async fn tag<K: Kind>(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let added = params["Tags"].clone();
    let tag = move |entity: &mut Entity| {
        entity.tags = with_tags(entity.tags.clone(), &added)?;
        Ok(())
    };
    change::<K, _>(context, &params, tag).await
}

pub(super) async fn untag<K: Kind>(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let removed = params["TagKeys"].clone();
    let untag = move |entity: &mut Entity| {
        let removed = removed.as_array().into_iter().flatten().filter_map(Value::as_str);
        removed.for_each(|name| drop(entity.tags.remove(name)));
        Ok(())
    };
    change::<K, _>(context, &params, untag).await
}

pub(super) async fn list_tags<K: Kind>(
    _: &Iam,
    context: &Context,
    params: Value,
) -> Result<Value, ServiceError> {
    let entity = find::<K>(context, K::name_in(&params))?;
    let tags = entity
        .tags
        .iter()
        .map(|(name, value)| (name.clone(), json!({ "Key": name, "Value": value })))
        .collect();
    super::paging::page("Tags", tags, &params)
}

pub(super) async fn put_boundary<K: Kind>(
    _: &Iam,
    context: &Context,
    params: Value,
) -> Result<(), ServiceError> {
    let boundary = text(&params, "PermissionsBoundary").to_owned();
    super::managed::check_there(context, &boundary)?;
    let put = move |entity: &mut Entity| {
        entity.boundary = Some(boundary);
        Ok(())
    };
    change::<K, _>(context, &params, put).await
}

pub(super) async fn delete_boundary<K: Kind>(
    _: &Iam,
    context: &Context,
    params: Value,
) -> Result<(), ServiceError> {
    let delete = |entity: &mut Entity| {
        entity.boundary = None;
        Ok(())
    };
    change::<K, _>(context, &params, delete).await
}
