//! `IndexFaces`: the faces of a picture become faces of a collection.

use super::detail::{Bar, check_attributes, shown};
use super::pictures::Source;
use super::rows::{COLLECTIONS, FACES, Indexed, VECTORS, collection, collection_key};
use super::{Rekognition, errors};
use crate::storage::Fault;
use aloft_engine::{Context, ServiceError};
use aloft_faces::{Embedding, Face};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Index {
    collection_id: String,
    image: Source,
    external_image_id: Option<String>,
    #[serde(default)]
    detection_attributes: Vec<String>,
    max_faces: Option<usize>,
    quality_filter: Option<String>,
}

/// What a picture's faces became.
#[derive(Default)]
struct Sorted {
    good: Vec<(Face, Embedding)>,
    left_out: Vec<(Face, Vec<&'static str>)>,
}

pub(super) async fn index(
    service: &Rekognition,
    context: &Context,
    input: Index,
) -> Result<Value, ServiceError> {
    check_attributes(&input.detection_attributes)?;
    let id = input.collection_id;
    let row = collection_key(context, &id);
    let version = service.engine.version();
    {
        let snapshot = context.store().read().map_err(Fault::from)?;
        let found = collection(&snapshot, &row, &id)?;
        if found.version != version {
            return Err(errors::other_model(&found.version));
        }
    }
    let bar = Bar::of(input.quality_filter.as_deref().or(Some("AUTO")));
    let most = input.max_faces.unwrap_or(usize::MAX);
    let sorted = service.look(context, &input.image, move |engine, seen| {
        let mut sorted = Sorted::default();
        for face in seen.faces {
            let mut reasons = bar.map(|bar| bar.reasons(&seen.image, &face)).unwrap_or_default();
            if reasons.is_empty() && sorted.good.len() >= most {
                reasons.push("EXCEEDS_MAX_FACES");
            }
            if reasons.is_empty() {
                let vector = engine.embed(&seen.image, &face).map_err(errors::engine)?;
                sorted.good.push((face, vector));
            } else {
                sorted.left_out.push((face, reasons));
            }
        }
        Ok(sorted)
    });
    let sorted = sorted.await?;
    let image_id = context.ids().uuid();
    let external = input.external_image_id;
    let made: Vec<(Indexed, Embedding)> = sorted
        .good
        .iter()
        .map(|(face, vector)| {
            let face_id = context.ids().uuid();
            (Indexed::new(face, face_id, image_id.clone(), external.clone(), version), vector.clone())
        })
        .collect();
    let records: Vec<Value> = made
        .iter()
        .zip(&sorted.good)
        .map(|((indexed, _), (face, _))| json!({ "Face": indexed.shown(), "FaceDetail": shown(face) }))
        .collect();
    context
        .store()
        .write(move |transaction| {
            // It may have been deleted while the picture was looked at.
            let mut found = collection(transaction, &row, &id)?;
            found.faces += made.len() as u64;
            transaction.put_json(COLLECTIONS, &row, &found)?;
            for (indexed, vector) in &made {
                let row = row.clone().text(&indexed.face_id);
                transaction.put_json(FACES, &row, indexed)?;
                transaction.put(VECTORS, &row, vector.to_bytes());
            }
            Ok::<_, Fault>(())
        })
        .await?;
    let left_out: Vec<Value> = sorted
        .left_out
        .iter()
        .map(|(face, reasons)| json!({ "Reasons": reasons, "FaceDetail": shown(face) }))
        .collect();
    Ok(json!({ "FaceRecords": records, "FaceModelVersion": version, "UnindexedFaces": left_out }))
}
