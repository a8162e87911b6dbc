//! Pictures as they come: bytes in the request, or an object in S3.

use super::{Rekognition, errors};
use aloft_engine::{Body, Context, ServiceError};
use aloft_faces::{Face, Image};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

/// The most bytes of a picture in a request.
const LARGEST_IN_REQUEST: usize = 5 * 1024 * 1024;
/// The most bytes of a picture in S3.
const LARGEST_OBJECT: usize = 15 * 1024 * 1024;
/// So many faces of a picture are looked at, the largest.
const MOST_FACES: usize = 100;

/// Where a picture is.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Source {
    bytes: Option<String>,
    s3_object: Option<S3Object>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct S3Object {
    bucket: Option<String>,
    name: Option<String>,
    version: Option<String>,
}

/// A picture and the faces in it, the largest first.
pub(super) struct Seen {
    pub image: Image,
    pub faces: Vec<Face>,
}

impl Source {
    /// The file's bytes.
    async fn fetch(&self, context: &Context) -> Result<Bytes, ServiceError> {
        match (&self.bytes, &self.s3_object) {
            (Some(text), None) => {
                let bytes = BASE64.decode(text).map_err(|_| errors::invalid_parameters())?;
                if bytes.len() > LARGEST_IN_REQUEST {
                    return Err(errors::too_large(LARGEST_IN_REQUEST));
                }
                Ok(bytes.into())
            }
            (None, Some(object)) => object.fetch(context).await,
            _ => Err(errors::invalid_parameters()),
        }
    }
}

impl S3Object {
    /// With the caller's own rights, as AWS does.
    async fn fetch(&self, context: &Context) -> Result<Bytes, ServiceError> {
        let (Some(bucket), Some(name)) = (&self.bucket, &self.name) else {
            return Err(errors::invalid_parameters());
        };
        let mut params = json!({ "Bucket": bucket, "Key": name });
        if let Some(version) = &self.version {
            params["VersionId"] = version.as_str().into();
        }
        let reply = context.call_with_body("s3", "GetObject", params, None).await;
        let body = reply.map_err(|_| errors::no_object())?.body.unwrap_or_default();
        let length = match &body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Stream(_, length) => *length,
            // An object always has one.
            Body::Open(_) => u64::MAX,
        };
        if length > LARGEST_OBJECT as u64 {
            return Err(errors::too_large(LARGEST_OBJECT));
        }
        body.collect().await.map_err(|_| errors::no_object())
    }
}

impl Rekognition {
    /// Fetches a picture, finds its faces, and does what is to be done with them.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        context: &Context,
        source: &Source,
        then: impl FnOnce(&dyn aloft_faces::Engine, Seen) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let file = source.fetch(context).await?;
        self.work(move |engine| {
            let image = engine.read(&file).map_err(|error| errors::picture(&error))?;
            let mut faces = engine.detect(&image).map_err(errors::engine)?;
            faces.truncate(MOST_FACES);
            then(engine, Seen { image, faces })
        })
        .await
    }
}
