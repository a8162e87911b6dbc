//! Users' access keys, which the engine learns of when they become active and forgets when they no longer are.

use super::entity::{Entity, User};
use super::{Iam, no_such_entity, paging, text, users};
use crate::storage::{Fault, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::{Context, Principal, ServiceError, identity};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Keys by account, user and id. The root's have an empty user.
const ACCESS_KEYS: Keyspace = "iam.access-keys";
/// The most keys of a user.
const LIMIT: usize = 2;

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct AccessKey {
    id: String,
    secret: String,
    active: bool,
    created: Timestamp,
}

impl AccessKey {
    fn status(&self) -> &'static str {
        if self.active { "Active" } else { "Inactive" }
    }

    fn save(
        &self,
        transaction: &mut Transaction<'_>,
        context: &Context,
        user: &str,
        principal: Principal,
    ) -> Result<(), StoreError> {
        transaction.put_json(ACCESS_KEYS, key([context.account.as_str(), user, &self.id]), self)?;
        self.tell(transaction, context, principal, self.active)
    }

    /// Tells the engine. A key that no longer works stays known as one that has expired: one that the engine did not know
    /// would be anybody's, that is the root's, in a cloud that asks for no credentials.
    fn tell(
        &self,
        transaction: &mut Transaction<'_>,
        context: &Context,
        principal: Principal,
        works: bool,
    ) -> Result<(), StoreError> {
        let known = identity::AccessKey {
            id: self.id.clone(),
            secret: self.secret.clone(),
            session_token: None,
            account: context.account.clone(),
            principal,
            expires: (!works).then_some(Timestamp(0)),
        };
        identity::put(transaction, &known)
    }
}

/// The keys of a user.
pub(super) fn of(rows: &impl Rows, context: &Context, user: &str) -> Result<Vec<AccessKey>, StoreError> {
    let found = rows.rows(ACCESS_KEYS, key([context.account.as_str(), user]).as_ref(), usize::MAX)?;
    found.iter().map(|(_, row)| decode(ACCESS_KEYS, row)).collect()
}

/// The user of that name, who must be there, as a principal; the root without a name.
fn principal_of(rows: &impl Rows, context: &Context, user: &str) -> Result<Principal, Fault> {
    if user.is_empty() {
        return Ok(Principal::Root);
    }
    Ok(Principal::Arn(Entity::load::<User>(rows, context, user)?.arn))
}

/// A secret of forty characters, as AWS's are.
pub(crate) fn new_secret(context: &Context) -> String {
    let mut bytes = [0; 30];
    context.ids().fill(&mut bytes);
    BASE64.encode(bytes)
}

pub(super) async fn create(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let user = users::named_or_caller(context, &params)?.unwrap_or_default();
    let created = AccessKey {
        id: format!("AKIA{}", context.ids().upper(16)),
        secret: new_secret(context),
        active: true,
        created: context.now(),
    };
    let shown = json!({ "UserName": user, "AccessKeyId": created.id, "Status": created.status(), "SecretAccessKey": created.secret,
        "CreateDate": created.created.seconds() });
    let for_transaction = context.clone();
    let create = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let principal = principal_of(transaction, &for_transaction, &user)?;
        if of(transaction, &for_transaction, &user)?.len() >= LIMIT {
            let message = format!("Cannot exceed quota for AccessKeysPerUser: {LIMIT}");
            return Err(ServiceError::new("LimitExceeded", 409, message).into());
        }
        Ok(created.save(transaction, &for_transaction, &user, principal)?)
    };
    context.store().write(create).await?;
    Ok(json!({ "AccessKey": shown }))
}

pub(super) async fn list(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let user = users::named_or_caller(context, &params)?.unwrap_or_default();
    let snapshot = context.store().read().map_err(Fault::from)?;
    principal_of(&snapshot, context, &user)?;
    let keys = of(&snapshot, context, &user).map_err(Fault::from)?;
    let shown = |known: &AccessKey| json!({ "UserName": user, "AccessKeyId": known.id, "Status": known.status(), "CreateDate": known.created.seconds() });
    paging::page(
        "AccessKeyMetadata",
        keys.iter().map(|known| (known.id.clone(), shown(known))).collect(),
        &params,
    )
}

fn not_found(id: &str) -> ServiceError {
    no_such_entity(format!("The Access Key with id {id} cannot be found."))
}

pub(super) async fn update(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let user = users::named_or_caller(context, &params)?.unwrap_or_default();
    let for_transaction = context.clone();
    let update = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let id = text(&params, "AccessKeyId");
        let principal = principal_of(transaction, &for_transaction, &user)?;
        let keys = of(transaction, &for_transaction, &user)?;
        let mut found = keys.into_iter().find(|known| known.id == id).ok_or_else(|| not_found(id))?;
        found.active = params["Status"] == "Active";
        Ok(found.save(transaction, &for_transaction, &user, principal)?)
    };
    Ok(context.store().write(update).await?)
}

pub(super) async fn delete(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let user = users::named_or_caller(context, &params)?.unwrap_or_default();
    let for_transaction = context.clone();
    let delete = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let id = text(&params, "AccessKeyId");
        let principal = principal_of(transaction, &for_transaction, &user)?;
        let keys = of(transaction, &for_transaction, &user)?;
        let found = keys.into_iter().find(|known| known.id == id).ok_or_else(|| not_found(id))?;
        transaction.delete(ACCESS_KEYS, key([for_transaction.account.as_str(), &user, id]));
        Ok(found.tell(transaction, &for_transaction, principal, false)?)
    };
    Ok(context.store().write(delete).await?)
}

/// Nothing counts the uses of keys, which AWS shows as never.
pub(super) async fn last_used(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let id = text(&params, "AccessKeyId");
    let snapshot = context.store().read().map_err(Fault::from)?;
    let keys = snapshot
        .rows(ACCESS_KEYS, key([context.account.as_str()]).as_ref(), usize::MAX)
        .map_err(Fault::from)?;
    let names = keys.into_iter().map(|(row_key, _)| Key::texts(&row_key));
    let user = names
        .filter(|names| names.last().is_some_and(|last| last == id))
        .find_map(|names| names.get(1).cloned());
    let user = user.ok_or_else(|| not_found(id))?;
    Ok(json!({ "UserName": user, "AccessKeyLastUsed": { "ServiceName": "N/A", "Region": "N/A" } }))
}

/// Gives a renamed user's keys to their new name.
pub(super) fn move_to(
    transaction: &mut Transaction<'_>,
    context: &Context,
    old: &str,
    new: &Entity,
) -> Result<(), Fault> {
    for known in of(transaction, context, old)? {
        transaction.delete(ACCESS_KEYS, key([context.account.as_str(), old, &known.id]));
        known.save(transaction, context, &new.name, Principal::Arn(new.arn.clone()))?;
    }
    Ok(())
}
