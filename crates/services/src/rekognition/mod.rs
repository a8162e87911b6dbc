//! Rekognition: collections of faces, and finding people in pictures.
//!
//! Not here: how faces are found and compared (the `faces` crate, by an engine that is chosen at start), labels, text,
//! video, and facial attributes beyond the default ones. Keeps true: a face's row and its vector come and go together, and never without their collection.

mod collections;
mod compare;
mod detail;
mod errors;
mod faces;
mod index;
mod networks;
mod pictures;
mod rows;
mod search;
mod search_users;
mod tags;
#[cfg(test)]
mod tests;
mod users;

pub use networks::NetworksError;

use aloft_engine::{Context, Input, Operation, Reply, Service, ServiceError, async_trait, operations};
use aloft_faces::{Classic, Engine};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// So many pictures are looked at, or collections searched, at once; others wait.
const AT_ONCE: usize = 2;

/// The service.
pub struct Rekognition {
    engine: Arc<dyn Engine>,
    turns: Arc<Semaphore>,
}

impl Default for Rekognition {
    fn default() -> Self {
        Self { engine: Arc::new(Classic::default()), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

operations! { Rekognition;
    AssociateFaces => users::associate,
    CompareFaces => compare::compare,
    CreateCollection => collections::create,
    CreateUser => users::create,
    DeleteCollection => collections::delete,
    DeleteFaces => faces::delete,
    DeleteUser => users::delete,
    DescribeCollection => collections::describe,
    DetectFaces => detail::detect,
    DisassociateFaces => users::disassociate,
    IndexFaces => index::index,
    ListCollections => collections::list,
    ListFaces => faces::list,
    ListTagsForResource => tags::list,
    ListUsers => users::list,
    SearchFaces => search::by_face,
    SearchFacesByImage => search::by_image,
    SearchUsers => search_users::by_id,
    SearchUsersByImage => search_users::by_image,
    TagResource => tags::tag,
    UntagResource => tags::untag,
}

impl Rekognition {
    /// The kind of embeddings that its collections hold, `FaceModelVersion` in the API.
    pub fn face_model(&self) -> &str {
        self.engine.version()
    }

    /// Does what needs the processor for long, off the threads that answer requests.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Engine) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| errors::internal())?;
        let engine = self.engine.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&*engine);
            drop(turn);
            result
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "looking at a picture failed");
            errors::internal()
        })?
    }
}

#[async_trait]
impl Service for Rekognition {
    fn name(&self) -> &'static str {
        "rekognition"
    }

    async fn call(
        &self,
        context: &Context,
        operation: &str,
        input: Input,
    ) -> Option<Result<Reply, ServiceError>> {
        Operation::dispatch(OPERATIONS, self, context, operation, input).await
    }

    fn operation_names(&self) -> Vec<&'static str> {
        OPERATIONS.iter().map(|operation| operation.name).collect()
    }
}
