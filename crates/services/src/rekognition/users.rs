//! Users: several faces of a collection as one person. Made, listed, deleted; faces put to them and taken away.

use super::collections::Page;
use super::rows::{COLLECTIONS, FACES, Indexed, USERS, User, VECTORS, collection, collection_key, user};
use super::{Rekognition, errors};
use crate::storage::{Fault, Rows, decode};
use aloft_engine::{Context, ServiceError};
use aloft_faces::{Embedding, Engine};
use aloft_store::{Key, StoreError, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The most faces of a user.
const MOST_FACES: usize = 100;
/// The longest page of users.
const LONGEST_PAGE: usize = 500;
/// How alike a face has to be to those that a user has, when the caller says nothing.
const DEFAULT_THRESHOLD: f32 = 75.0;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    collection_id: String,
    user_id: String,
    client_request_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    collection_id: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Associate {
    collection_id: String,
    user_id: String,
    face_ids: Vec<String>,
    user_match_threshold: Option<f32>,
}

pub(super) async fn create(_: &Rekognition, context: &Context, input: Named) -> Result<Value, ServiceError> {
    let row = collection_key(context, &input.collection_id);
    let write = context.store().write(move |transaction| {
        let mut within = collection(transaction, &row, &input.collection_id)?;
        let own = row.clone().text(&input.user_id);
        if let Some(there) = transaction.row::<User>(USERS, own.as_ref())? {
            // The same request again is the same user.
            let is_same = there.token.is_some() && there.token == input.client_request_token;
            return if is_same { Ok(()) } else { Err(Fault::from(errors::user_exists(&input.user_id))) };
        }
        within.users += 1;
        transaction.put_json(COLLECTIONS, &row, &within)?;
        let new = User { id: input.user_id, token: input.client_request_token, faces: Vec::new() };
        Ok(transaction.put_json(USERS, &own, &new)?)
    });
    write.await?;
    Ok(json!({}))
}

pub(super) async fn delete(_: &Rekognition, context: &Context, input: Named) -> Result<Value, ServiceError> {
    let row = collection_key(context, &input.collection_id);
    let write = context.store().write(move |transaction| {
        let mut within = collection(transaction, &row, &input.collection_id)?;
        let gone = user(transaction, &row, &input.user_id)?;
        for id in &gone.faces {
            belongs_to(transaction, &row, id, None)?;
        }
        transaction.delete(USERS, row.clone().text(&gone.id));
        within.users = within.users.saturating_sub(1);
        Ok::<_, Fault>(transaction.put_json(COLLECTIONS, &row, &within)?)
    });
    write.await?;
    Ok(json!({}))
}

pub(super) async fn list(_: &Rekognition, context: &Context, input: List) -> Result<Value, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    let row = collection_key(context, &input.collection_id);
    collection(&snapshot, &row, &input.collection_id)?;
    let limit = input.max_results.unwrap_or(LONGEST_PAGE);
    let page = Page::read(&snapshot, USERS, &row, Some(limit), input.next_token.as_deref())?;
    let users: Result<Vec<Value>, StoreError> =
        page.rows.iter().map(|(_, value)| Ok(decode::<User>(USERS, value)?.shown())).collect();
    let mut answer = json!({ "Users": users.map_err(Fault::from)? });
    page.token_into(&mut answer);
    Ok(answer)
}

pub(super) async fn associate(
    service: &Rekognition,
    context: &Context,
    input: Associate,
) -> Result<Value, ServiceError> {
    let row = collection_key(context, &input.collection_id);
    let engine = service.engine.clone();
    let write = context.store().write(move |transaction| {
        let within = collection(transaction, &row, &input.collection_id)?;
        if within.version != engine.version() {
            return Err(Fault::from(errors::other_model(&within.version)));
        }
        let mut owner = user(transaction, &row, &input.user_id)?;
        let threshold = input.user_match_threshold.unwrap_or(DEFAULT_THRESHOLD);
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for id in input.face_ids {
            let alike = likeness(transaction, &engine, &row, &owner, &id)?;
            let refusal = match transaction.row::<Indexed>(FACES, row.clone().text(&id).as_ref())? {
                None => Some(json!({ "FaceId": id, "Reasons": ["FACE_NOT_FOUND"] })),
                Some(Indexed { user_id: Some(other), .. }) if other != owner.id => Some(
                    json!({ "FaceId": id, "UserId": other, "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"] }),
                ),
                Some(_) => alike.filter(|alike| *alike < threshold).map(
                    |alike| json!({ "FaceId": id, "Confidence": alike, "Reasons": ["LOW_MATCH_CONFIDENCE"] }),
                ),
            };
            if let Some(refusal) = refusal {
                refused.push(refusal);
                continue;
            }
            if !owner.faces.contains(&id) {
                belongs_to(transaction, &row, &id, Some(&owner.id))?;
                owner.faces.push(id.clone());
            }
            done.push(json!({ "FaceId": id }));
        }
        if owner.faces.len() > MOST_FACES {
            return Err(Fault::from(errors::too_many_faces(MOST_FACES)));
        }
        transaction.put_json(USERS, row.clone().text(&owner.id), &owner)?;
        Ok((done, refused, owner.status()))
    });
    let (done, refused, status) = write.await?;
    Ok(json!({ "AssociatedFaces": done, "UnsuccessfulFaceAssociations": refused, "UserStatus": status }))
}

pub(super) async fn disassociate(
    _: &Rekognition,
    context: &Context,
    input: Associate,
) -> Result<Value, ServiceError> {
    let row = collection_key(context, &input.collection_id);
    let write = context.store().write(move |transaction| {
        collection(transaction, &row, &input.collection_id)?;
        let mut owner = user(transaction, &row, &input.user_id)?;
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for id in input.face_ids {
            match transaction.row::<Indexed>(FACES, row.clone().text(&id).as_ref())?.map(|face| face.user_id)
            {
                Some(Some(other)) if other == owner.id => {
                    belongs_to(transaction, &row, &id, None)?;
                    owner.faces.retain(|face| *face != id);
                    done.push(json!({ "FaceId": id }));
                }
                Some(Some(other)) => refused.push(
                    json!({ "FaceId": id, "UserId": other, "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"] }),
                ),
                Some(None) | None => refused.push(json!({ "FaceId": id, "Reasons": ["FACE_NOT_FOUND"] })),
            }
        }
        transaction.put_json(USERS, row.clone().text(&owner.id), &owner)?;
        Ok::<_, Fault>((done, refused, owner.status()))
    });
    let (done, refused, status) = write.await?;
    Ok(
        json!({ "DisassociatedFaces": done, "UnsuccessfulFaceDisassociations": refused, "UserStatus": status }),
    )
}

/// Writes on a face whose it is.
fn belongs_to(
    transaction: &mut Transaction<'_>,
    collection: &Key,
    face: &str,
    owner: Option<&str>,
) -> Result<(), StoreError> {
    let row = collection.clone().text(face);
    let Some(mut indexed) = transaction.row::<Indexed>(FACES, row.as_ref())? else { return Ok(()) };
    indexed.user_id = owner.map(str::to_owned);
    transaction.put_json(FACES, &row, &indexed)
}

/// How alike a face is to the likest other one of a user; nothing when the user has no face yet.
fn likeness(
    rows: &Transaction<'_>,
    engine: &Arc<dyn Engine>,
    collection: &Key,
    owner: &User,
    face: &str,
) -> Result<Option<f32>, StoreError> {
    let vector = |id: &str| rows.get(VECTORS, collection.clone().text(id));
    let Some(own) = vector(face)?.map(|bytes| Embedding::from_bytes(&bytes)) else { return Ok(None) };
    let mut most = None;
    for id in owner.faces.iter().filter(|id| *id != face) {
        if let Some(bytes) = vector(id)? {
            let alike = engine.similarity(&own, &Embedding::from_bytes(&bytes));
            most = Some(most.map_or(alike, |most: f32| most.max(alike)));
        }
    }
    Ok(most)
}
