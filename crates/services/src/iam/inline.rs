//! Policies that live inside a role or a user.

use super::entity::{Entity, Kind, change, find};
use super::{Iam, document, no_such_entity, paging, text};
use aloft_engine::{Context, ServiceError};
use serde_json::{Value, json};

/// The most characters of all inline policies of a role, without white space.
const ROLE_LIMIT: usize = 10_240;
/// The same of a user.
const USER_LIMIT: usize = 2_048;

fn not_found<K: Kind>(name: &str) -> ServiceError {
    no_such_entity(format!("The {} policy with name {name} cannot be found.", K::WORD))
}

pub(super) async fn put<K: Kind>(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let (name, document) =
        (text(&params, "PolicyName").to_owned(), text(&params, "PolicyDocument").to_owned());
    document::check_permissions(&document)?;
    let put = move |entity: &mut Entity| {
        entity.inline.insert(name, document);
        let limit = if entity.trust.is_some() { ROLE_LIMIT } else { USER_LIMIT };
        let size: usize = entity
            .inline
            .values()
            .map(|document| document.chars().filter(|c| !c.is_whitespace()).count())
            .sum();
        if size > limit {
            let message =
                format!("Maximum policy size of {limit} bytes exceeded for {} {}", K::WORD, entity.name);
            return Err(ServiceError::new("LimitExceeded", 409, message));
        }
        Ok(())
    };
    change::<K, _>(context, &params, put).await
}

pub(super) async fn get<K: Kind>(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let (entity, name) = (find::<K>(context, K::name_in(&params))?, text(&params, "PolicyName"));
    let document = entity.inline.get(name).ok_or_else(|| not_found::<K>(name))?;
    let mut answer = json!({ "PolicyName": name, "PolicyDocument": document::encoded(document) });
    answer[format!("{}Name", K::CAPITAL)] = json!(entity.name);
    Ok(answer)
}

pub(super) async fn delete<K: Kind>(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let name = text(&params, "PolicyName").to_owned();
    let delete =
        move |entity: &mut Entity| entity.inline.remove(&name).map(drop).ok_or_else(|| not_found::<K>(&name));
    change::<K, _>(context, &params, delete).await
}

pub(super) async fn list<K: Kind>(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let entity = find::<K>(context, K::name_in(&params))?;
    let names = entity.inline.keys().map(|name| (name.clone(), json!(name))).collect();
    paging::page("PolicyNames", names, &params)
}
