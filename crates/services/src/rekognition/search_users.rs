//! Which users of a collection are alike: a user is as like as the likest of their faces.

use super::detail::{Bar, shown};
use super::pictures::Source;
use super::rows::{USERS, User, VECTORS, collection_key, user};
use super::search::{DEFAULT_THRESHOLD, check_version};
use super::{Rekognition, errors};
use crate::storage::{Fault, decode};
use aloft_engine::{Context, ServiceError};
use aloft_faces::{Embedding, Engine};
use aloft_store::{Key, Snapshot, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ById {
    collection_id: String,
    user_id: Option<String>,
    face_id: Option<String>,
    user_match_threshold: Option<f32>,
    max_users: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByImage {
    collection_id: String,
    image: Source,
    user_match_threshold: Option<f32>,
    max_users: Option<usize>,
    quality_filter: Option<String>,
}

/// What to look for in a collection.
struct Wanted {
    collection: Key,
    threshold: f32,
    most: usize,
    /// A user that is not to be found again.
    but: Option<String>,
}

impl Wanted {
    fn new(collection: Key, threshold: Option<f32>, most: Option<usize>, but: Option<String>) -> Self {
        let threshold = threshold.unwrap_or(DEFAULT_THRESHOLD);
        Self { collection, threshold, most: most.unwrap_or(usize::MAX), but }
    }
}

pub(super) async fn by_id(
    service: &Rekognition,
    context: &Context,
    input: ById,
) -> Result<Value, ServiceError> {
    let row = collection_key(context, &input.collection_id);
    let snapshot = context.store().read().map_err(Fault::from)?;
    let version = check_version(service, &snapshot, &row, &input.collection_id)?;
    let (vectors, searched) = match (&input.user_id, &input.face_id) {
        (Some(id), None) => {
            let searched = ("SearchedUser", json!({ "UserId": id }));
            (vectors(&snapshot, &row, &user(&snapshot, &row, id)?).map_err(Fault::from)?, searched)
        }
        (None, Some(id)) => {
            let vector = snapshot.get(VECTORS, row.clone().text(id)).map_err(Fault::from)?;
            let vector = Embedding::from_bytes(&vector.ok_or_else(errors::unknown_face)?);
            (vec![vector], ("SearchedFace", json!({ "FaceId": id })))
        }
        _ => return Err(errors::invalid_parameters()),
    };
    let wanted = Wanted::new(row, input.user_match_threshold, input.max_users, input.user_id);
    let found = service.work(move |engine| Ok(search(engine, &snapshot, &vectors, &wanted)?)).await?;
    let mut answer = json!({ "UserMatches": found, "FaceModelVersion": version });
    answer[searched.0] = searched.1;
    Ok(answer)
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
    let wanted = Wanted::new(row, input.user_match_threshold, input.max_users, None);
    let look = service.look(context, &input.image, move |engine, seen| {
        let (mut searched, mut left_out) = (None, Vec::new());
        for face in &seen.faces {
            let mut reasons = bar.map(|bar| bar.reasons(&seen.image, face)).unwrap_or_default();
            if reasons.is_empty() && searched.is_none() {
                searched = Some(face);
                continue;
            }
            if reasons.is_empty() {
                reasons.push("FACE_NOT_LARGEST");
            }
            left_out.push(json!({ "FaceDetails": shown(face), "Reasons": reasons }));
        }
        let face = searched.ok_or_else(errors::no_face)?;
        let vector = engine.embed(&seen.image, face).map_err(errors::engine)?;
        Ok((shown(face), left_out, search(engine, &snapshot, &[vector], &wanted)?))
    });
    let (face, left_out, found) = look.await?;
    Ok(json!({
        "UserMatches": found,
        "FaceModelVersion": version,
        "SearchedFace": { "FaceDetail": face },
        "UnsearchedFaces": left_out,
    }))
}

/// The vectors of a user's faces.
fn vectors(snapshot: &Snapshot, collection: &Key, user: &User) -> Result<Vec<Embedding>, StoreError> {
    let bytes =
        user.faces.iter().filter_map(|id| snapshot.get(VECTORS, collection.clone().text(id)).transpose());
    bytes.map(|bytes| Ok(Embedding::from_bytes(&bytes?))).collect()
}

/// The matches as the API shows them, the most alike first.
fn search(
    engine: &dyn Engine,
    snapshot: &Snapshot,
    sought: &[Embedding],
    wanted: &Wanted,
) -> Result<Vec<Value>, Fault> {
    let mut alike = Vec::new();
    for (_, value) in snapshot.scan(USERS, &wanted.collection, usize::MAX)? {
        let user: User = decode(USERS, &value)?;
        if wanted.but.as_ref() == Some(&user.id) {
            continue;
        }
        let faces = vectors(snapshot, &wanted.collection, &user)?;
        let pairs = faces.iter().flat_map(|face| sought.iter().map(|one| engine.similarity(one, face)));
        if let Some(most) = pairs.max_by(f32::total_cmp).filter(|most| *most >= wanted.threshold) {
            alike.push((most, user));
        }
    }
    alike.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.id.cmp(&other.1.id)));
    alike.truncate(wanted.most);
    Ok(alike
        .iter()
        .map(|(similarity, user)| json!({ "Similarity": similarity, "User": user.shown() }))
        .collect())
}
