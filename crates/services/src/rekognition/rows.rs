//! What is kept: a collection's row, and for each face a row and its vector.

use super::errors;
use crate::storage::Fault;
use aloft_engine::Context;
use aloft_faces::{BoundingBox, Face};
use aloft_store::{Key, Keyspace, key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Collections by account, region and id.
pub(super) const COLLECTIONS: Keyspace = "rekognition.collections";
/// Faces by account, region, collection and face id.
pub(super) const FACES: Keyspace = "rekognition.faces";
/// Their vectors, bytes by the same keys: a search reads these and no more.
pub(super) const VECTORS: Keyspace = "rekognition.vectors";
/// Users by account, region, collection and user id.
pub(super) const USERS: Keyspace = "rekognition.users";

/// A collection.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Collection {
    /// The version of the engine whose vectors are in it.
    pub version: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// How many faces are in it.
    pub faces: u64,
    /// How many users.
    #[serde(default)]
    pub users: u64,
    /// What the maker wrote on it.
    pub tags: Map<String, Value>,
}

/// A face in a collection.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Indexed {
    pub face_id: String,
    pub image_id: String,
    pub external_image_id: Option<String>,
    pub confidence: f32,
    /// Left, top, width, height.
    pub place: [f32; 4],
    /// The version of the engine.
    pub version: String,
    /// Whose face it is, when that was said.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Several faces of a collection that are one person's.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct User {
    pub id: String,
    /// Names the request that made it.
    pub token: Option<String>,
    /// The ids of its faces.
    pub faces: Vec<String>,
}

impl User {
    /// As the API shows it.
    pub fn shown(&self) -> Value {
        json!({ "UserId": self.id, "UserStatus": self.status() })
    }

    /// Whether it can be found: by its faces.
    pub fn status(&self) -> &'static str {
        if self.faces.is_empty() { "CREATED" } else { "ACTIVE" }
    }
}

impl Indexed {
    /// As the API shows it.
    pub fn shown(&self) -> Value {
        let [left, top, width, height] = self.place;
        let mut shown = json!({
            "FaceId": self.face_id,
            "BoundingBox": { "Width": width, "Height": height, "Left": left, "Top": top },
            "ImageId": self.image_id,
            "Confidence": self.confidence,
            "IndexFacesModelVersion": self.version,
        });
        if let Some(id) = &self.external_image_id {
            shown["ExternalImageId"] = id.as_str().into();
        }
        if let Some(id) = &self.user_id {
            shown["UserId"] = id.as_str().into();
        }
        shown
    }

    /// A new one.
    pub fn new(
        face: &Face,
        face_id: String,
        image_id: String,
        external: Option<String>,
        version: &str,
    ) -> Self {
        let BoundingBox { left, top, width, height } = face.bounding_box;
        Self {
            face_id,
            image_id,
            external_image_id: external,
            confidence: face.confidence,
            place: [left, top, width, height],
            version: version.to_owned(),
            user_id: None,
        }
    }
}

/// The key of a collection, which is also the beginning of its faces' keys.
pub(super) fn collection_key(context: &Context, id: &str) -> Key {
    key([context.account.as_str(), context.region.as_str(), id])
}

/// The collection, or that there is none.
pub(super) fn collection(rows: &impl crate::storage::Rows, key: &Key, id: &str) -> Result<Collection, Fault> {
    rows.row(COLLECTIONS, key.as_ref())?.ok_or_else(|| errors::unknown_collection(id).into())
}

/// The user of a collection, or that there is none.
pub(super) fn user(rows: &impl crate::storage::Rows, collection: &Key, id: &str) -> Result<User, Fault> {
    rows.row(USERS, collection.clone().text(id).as_ref())?.ok_or_else(|| errors::unknown_user(id).into())
}
