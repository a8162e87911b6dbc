//! The faces of a collection: listed and deleted.

use super::Rekognition;
use super::collections::Page;
use super::rows::{COLLECTIONS, FACES, Indexed, VECTORS, collection, collection_key, user};
use crate::storage::{Fault, Rows, decode};
use aloft_engine::{Context, ServiceError};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    collection_id: String,
    next_token: Option<String>,
    max_results: Option<usize>,
    user_id: Option<String>,
    face_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    collection_id: String,
    face_ids: Vec<String>,
}

pub(super) async fn list(_: &Rekognition, context: &Context, input: List) -> Result<Value, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    let row = collection_key(context, &input.collection_id);
    let found = collection(&snapshot, &row, &input.collection_id)?;
    let mut answer = json!({ "Faces": [], "FaceModelVersion": found.version });
    let mut faces: Vec<Value> = Vec::new();
    // Few faces are a user's: they are one page.
    let named = match (input.user_id, input.face_ids) {
        (None, ids) => ids,
        (Some(id), among) => {
            let of_user = user(&snapshot, &row, &id)?.faces.into_iter();
            Some(of_user.filter(|id| among.as_ref().is_none_or(|among| among.contains(id))).collect())
        }
    };
    if let Some(ids) = named {
        for id in ids {
            let face: Option<Indexed> =
                snapshot.row(FACES, row.clone().text(&id).as_ref()).map_err(Fault::from)?;
            faces.extend(face.map(|face| face.shown()));
        }
    } else {
        let page = Page::read(&snapshot, FACES, &row, input.max_results, input.next_token.as_deref())?;
        for (_, value) in &page.rows {
            faces.push(decode::<Indexed>(FACES, value).map_err(Fault::from)?.shown());
        }
        page.token_into(&mut answer);
    }
    answer["Faces"] = faces.into();
    Ok(answer)
}

pub(super) async fn delete(_: &Rekognition, context: &Context, input: Delete) -> Result<Value, ServiceError> {
    let row = collection_key(context, &input.collection_id);
    let (deleted, missing) = context
        .store()
        .write(move |transaction| {
            let mut found = collection(transaction, &row, &input.collection_id)?;
            let (mut deleted, mut missing) = (Vec::new(), Vec::new());
            for id in input.face_ids {
                let face = row.clone().text(&id);
                let Some(indexed) = transaction.row::<Indexed>(FACES, face.as_ref())? else {
                    missing.push(json!({ "FaceId": id, "Reasons": ["FACE_NOT_FOUND"] }));
                    continue;
                };
                if let Some(user) = indexed.user_id {
                    let reasons = ["ASSOCIATED_TO_AN_EXISTING_USER"];
                    missing.push(json!({ "FaceId": id, "UserId": user, "Reasons": reasons }));
                    continue;
                }
                transaction.delete(FACES, &face);
                transaction.delete(VECTORS, &face);
                deleted.push(id);
            }
            found.faces = found.faces.saturating_sub(deleted.len() as u64);
            transaction.put_json(COLLECTIONS, &row, &found)?;
            Ok::<_, Fault>((deleted, missing))
        })
        .await?;
    Ok(json!({ "DeletedFaces": deleted, "UnsuccessfulFaceDeletions": missing }))
}
