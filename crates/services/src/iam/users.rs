//! Users.

use super::entity::{self, Entity, User};
use super::{Iam, access_keys, delete_conflict, managed, paging, text};
use crate::storage::Fault;
use aloft_engine::{Context, Principal, ServiceError};
use aloft_store::Transaction;
use serde_json::{Value, json};

pub(super) async fn create(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    if let Some(boundary) = params["PermissionsBoundary"].as_str() {
        managed::check_there(context, boundary)?;
    }
    let user = Entity::new::<User>(context, &params)?;
    let (created, for_transaction) = (user.clone(), context.clone());
    let create =
        move |transaction: &mut Transaction<'_>| created.insert::<User>(transaction, &for_transaction);
    context.store().write(create).await?;
    Ok(json!({ "User": user.shown::<User>() }))
}

/// The name that the input gives, or the caller's own; nothing for the root.
pub(super) fn named_or_caller(context: &Context, params: &Value) -> Result<Option<String>, ServiceError> {
    if let Some(name) = params["UserName"].as_str() {
        return Ok(Some(name.to_owned()));
    }
    match &context.principal {
        Principal::Arn(arn) if arn.contains(":user/") => Ok(arn.rsplit('/').next().map(str::to_owned)),
        Principal::Root => Ok(None),
        _ => {
            let message = "Must specify userName when calling with non-User credentials";
            Err(ServiceError::new("ValidationError", 400, message))
        }
    }
}

pub(super) async fn get(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let Some(name) = named_or_caller(context, &params)? else {
        let arn = format!("arn:{}:iam::{}:root", context.region.partition(), context.account);
        return Ok(
            json!({ "User": { "Path": "/", "UserName": "root", "UserId": context.account, "Arn": arn, "CreateDate": 0 } }),
        );
    };
    Ok(json!({ "User": entity::find::<User>(context, &name)?.shown::<User>() }))
}

pub(super) async fn list(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    paging::page("Users", entity::list::<User>(context, &params)?, &params)
}

pub(super) async fn delete(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let for_transaction = context.clone();
    let delete = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let user = Entity::load::<User>(transaction, &for_transaction, text(&params, "UserName"))?;
        if !access_keys::of(transaction, &for_transaction, &user.name)?.is_empty() {
            return Err(delete_conflict("Cannot delete entity, must delete access keys first.").into());
        }
        user.check_deletable()?;
        user.remove::<User>(transaction, &for_transaction);
        Ok(())
    };
    Ok(context.store().write(delete).await?)
}

/// Renames or moves a user. Access keys go with them.
pub(super) async fn update(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let for_transaction = context.clone();
    let update = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let context = &for_transaction;
        let old = Entity::load::<User>(transaction, context, text(&params, "UserName"))?;
        let name = params["NewUserName"].as_str().unwrap_or(&old.name).to_owned();
        let path = params["NewPath"].as_str().unwrap_or(&old.path).to_owned();
        let new = Entity { arn: entity::arn(context, "user", &path, &name), name, path, ..old.clone() };
        if new.name == old.name {
            new.save::<User>(transaction, context)?;
        } else {
            new.insert::<User>(transaction, context)?;
            old.remove::<User>(transaction, context);
        }
        access_keys::move_to(transaction, context, &old.name, &new)
    };
    Ok(context.store().write(update).await?)
}
