//! Roles.

use super::entity::{self, Entity, Role, Trust, change, find};
use super::{Iam, document, managed, paging, text};
use crate::storage::Fault;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::{Value, json};

/// How long a role can be assumed for when nobody says otherwise, in seconds.
const SESSION: u64 = 3600;

pub(super) async fn create(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let trust = text(&params, "AssumeRolePolicyDocument").to_owned();
    document::check_trust(&trust)?;
    if let Some(boundary) = params["PermissionsBoundary"].as_str() {
        managed::check_there(context, boundary)?;
    }
    let mut role = Entity::new::<Role>(context, &params)?;
    role.trust = Some(Trust {
        document: trust,
        description: params["Description"].as_str().map(str::to_owned),
        max_session: params["MaxSessionDuration"].as_u64().unwrap_or(SESSION),
    });
    let (created, for_transaction) = (role.clone(), context.clone());
    let create =
        move |transaction: &mut Transaction<'_>| created.insert::<Role>(transaction, &for_transaction);
    context.store().write(create).await?;
    Ok(json!({ "Role": role.shown::<Role>() }))
}

pub(super) async fn get(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    Ok(json!({ "Role": find::<Role>(context, text(&params, "RoleName"))?.shown::<Role>() }))
}

pub(super) async fn list(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    paging::page("Roles", entity::list::<Role>(context, &params)?, &params)
}

pub(super) async fn delete(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let for_transaction = context.clone();
    let delete = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let role = Entity::load::<Role>(transaction, &for_transaction, text(&params, "RoleName"))?;
        role.check_deletable()?;
        role.remove::<Role>(transaction, &for_transaction);
        Ok(())
    };
    Ok(context.store().write(delete).await?)
}

/// Changes what only roles have; gives the role as it is then.
async fn change_trust(
    context: &Context,
    params: &Value,
    change_it: impl FnOnce(&mut Trust) + Send + 'static,
) -> Result<Value, ServiceError> {
    let apply = |role: &mut Entity| {
        if let Some(trust) = &mut role.trust {
            change_it(trust);
        }
        Ok(role.shown::<Role>())
    };
    change::<Role, _>(context, params, apply).await
}

pub(super) async fn update(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let (description, session) = (params["Description"].clone(), params["MaxSessionDuration"].as_u64());
    change_trust(context, &params, move |trust| {
        if let Some(description) = description.as_str() {
            trust.description = Some(description.to_owned());
        }
        trust.max_session = session.unwrap_or(trust.max_session);
    })
    .await?;
    Ok(json!({}))
}

pub(super) async fn update_description(
    _: &Iam,
    context: &Context,
    params: Value,
) -> Result<Value, ServiceError> {
    let description = text(&params, "Description").to_owned();
    let role = change_trust(context, &params, move |trust| trust.description = Some(description)).await?;
    Ok(json!({ "Role": role }))
}

pub(super) async fn update_trust(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let document = text(&params, "PolicyDocument").to_owned();
    document::check_trust(&document)?;
    change_trust(context, &params, move |trust| trust.document = document).await.map(drop)
}
