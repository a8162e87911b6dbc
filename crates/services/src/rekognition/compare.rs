//! `CompareFaces`: the largest face of one picture against all faces of another. Nothing is kept.

use super::detail::{Bar, place, shown};
use super::pictures::{Seen, Source};
use super::search::DEFAULT_THRESHOLD;
use super::{Rekognition, errors};
use aloft_engine::{Context, ServiceError};
use aloft_faces::Face;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Compare {
    source_image: Source,
    target_image: Source,
    similarity_threshold: Option<f32>,
    quality_filter: Option<String>,
}

pub(super) async fn compare(
    service: &Rekognition,
    context: &Context,
    input: Compare,
) -> Result<Value, ServiceError> {
    let bar = Bar::of(input.quality_filter.as_deref());
    let good = move |seen: &Seen| -> Result<Vec<Face>, ServiceError> {
        let is_good = |face: &&Face| bar.is_none_or(|bar| bar.reasons(&seen.image, face).is_empty());
        let faces: Vec<Face> = seen.faces.iter().filter(is_good).copied().collect();
        if faces.is_empty() { Err(errors::invalid_parameters()) } else { Ok(faces) }
    };
    let source = service.look(context, &input.source_image, move |engine, seen| {
        let face = good(&seen)?[0];
        Ok((face, engine.embed(&seen.image, &face).map_err(errors::engine)?))
    });
    let (face, vector) = source.await?;
    let target = service.look(context, &input.target_image, move |engine, seen| {
        let similarity = |face: Face| {
            let other = engine.embed(&seen.image, &face).map_err(errors::engine)?;
            Ok((engine.similarity(&vector, &other), face))
        };
        good(&seen)?.into_iter().map(similarity).collect()
    });
    let mut compared: Vec<(f32, Face)> = target.await?;
    compared.sort_by(|one, other| other.0.total_cmp(&one.0));
    let threshold = input.similarity_threshold.unwrap_or(DEFAULT_THRESHOLD);
    let (same, others): (Vec<_>, Vec<_>) =
        compared.into_iter().partition(|(similarity, _)| *similarity >= threshold);
    let matches: Vec<Value> = same
        .iter()
        .map(|(similarity, face)| json!({ "Similarity": similarity, "Face": shown(face) }))
        .collect();
    Ok(json!({
        "SourceImageFace": { "BoundingBox": place(face.bounding_box), "Confidence": face.confidence },
        "FaceMatches": matches,
        "UnmatchedFaces": others.iter().map(|(_, face)| shown(face)).collect::<Vec<_>>(),
    }))
}
