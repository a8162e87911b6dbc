//! Which faces of a collection are alike: all vectors are compared, one after another.

use super::collections::LONGEST_PAGE;
use super::detail::{Bar, place};
use super::pictures::Source;
use super::rows::{FACES, Indexed, VECTORS, collection, collection_key};
use super::{Rekognition, errors};
use crate::storage::{Fault, Rows};
use aloft_engine::{Context, ServiceError};
use aloft_faces::{Embedding, Engine};
use aloft_store::{Key, Snapshot};
use serde::Deserialize;
use serde_json::{Value, json};

/// The similarity that makes a match when the caller says nothing.
pub(super) const DEFAULT_THRESHOLD: f32 = 80.0;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByFace {
    collection_id: String,
    face_id: String,
    max_faces: Option<usize>,
    face_match_threshold: Option<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByImage {
    collection_id: String,
    image: Source,
    max_faces: Option<usize>,
    face_match_threshold: Option<f32>,
    quality_filter: Option<String>,
}

/// What to look for in a collection.
struct Wanted {
    collection: Key,
    /// At least so alike.
    threshold: f32,
    /// At most so many.
    most: usize,
    /// A face that is not to be found again.
    but: Option<Key>,
}

pub(super) async fn by_face(
    service: &Rekognition,
    context: &Context,
    input: ByFace,
) -> Result<Value, ServiceError> {
    let row = collection_key(context, &input.collection_id);
    let snapshot = context.store().read().map_err(Fault::from)?;
    let version = check_version(service, &snapshot, &row, &input.collection_id)?;
    let own = row.clone().text(&input.face_id);
    let vector = snapshot.get(VECTORS, &own).map_err(Fault::from)?.ok_or_else(errors::unknown_face)?;
    let wanted = Wanted {
        collection: row,
        threshold: input.face_match_threshold.unwrap_or(DEFAULT_THRESHOLD),
        most: input.max_faces.unwrap_or(LONGEST_PAGE),
        but: Some(own),
    };
    let found = service
        .work(move |engine| Ok(search(engine, &snapshot, &Embedding::from_bytes(&vector), &wanted)?))
        .await?;
    Ok(json!({ "SearchedFaceId": input.face_id, "FaceMatches": found, "FaceModelVersion": version }))
}

pub(super) async fn by_image(
    service: &Rekognition,
    context: &Context,
    input: ByImage,
) -> Result<Value, ServiceError> {
    let row = collection_key(context, &input.collection_id);
    let snapshot = context.store().read().map_err(Fault::from)?;
    let version = check_version(service, &snapshot, &row, &input.collection_id)?;
    let bar = Bar::of(input.quality_filter.as_deref());
    let wanted = Wanted {
        collection: row,
        threshold: input.face_match_threshold.unwrap_or(DEFAULT_THRESHOLD),
        most: input.max_faces.unwrap_or(LONGEST_PAGE),
        but: None,
    };
    let look = service.look(context, &input.image, move |engine, seen| {
        let is_good = |face: &&_| bar.is_none_or(|bar| bar.reasons(&seen.image, face).is_empty());
        let face = seen.faces.iter().find(is_good).ok_or_else(errors::no_face)?;
        let vector = engine.embed(&seen.image, face).map_err(errors::engine)?;
        let found = search(engine, &snapshot, &vector, &wanted)?;
        Ok((*face, found))
    });
    let (face, found) = look.await?;
    Ok(json!({
        "SearchedFaceBoundingBox": place(face.bounding_box),
        "SearchedFaceConfidence": face.confidence,
        "FaceMatches": found,
        "FaceModelVersion": version,
    }))
}

/// The version of a collection's vectors, if it is that of the engine that runs.
pub(super) fn check_version(
    service: &Rekognition,
    snapshot: &Snapshot,
    row: &Key,
    id: &str,
) -> Result<String, ServiceError> {
    let version = collection(snapshot, row, id)?.version;
    if version == service.engine.version() { Ok(version) } else { Err(errors::other_model(&version)) }
}

/// The matches as the API shows them, the most alike first.
fn search(
    engine: &dyn Engine,
    snapshot: &Snapshot,
    vector: &Embedding,
    wanted: &Wanted,
) -> Result<Vec<Value>, Fault> {
    let mut alike = Vec::new();
    for (row, bytes) in snapshot.scan(VECTORS, &wanted.collection, usize::MAX)? {
        let similarity = engine.similarity(vector, &Embedding::from_bytes(&bytes));
        let is_itself = wanted.but.as_ref().is_some_and(|but| but.as_ref() == row);
        if similarity >= wanted.threshold && !is_itself {
            alike.push((similarity, row));
        }
    }
    alike.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    alike.truncate(wanted.most);
    let mut matches = Vec::new();
    for (similarity, row) in alike {
        if let Some(face) = snapshot.row::<Indexed>(FACES, &row)? {
            matches.push(json!({ "Similarity": similarity, "Face": face.shown() }));
        }
    }
    Ok(matches)
}
