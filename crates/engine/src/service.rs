//! What a service is to the engine.

use crate::timers::Timer;
use crate::{Context, Engine, Head, HttpRequest, HttpResponse, Input, Reply, ResourceType, ServiceError};
use aloft_wire::Request;
use async_trait::async_trait;
use http::HeaderMap;

/// One service of the local cloud. All its state is in the store; what it keeps in memory is a cache.
#[async_trait]
pub trait Service: Send + Sync {
    /// The model's name: `sqs`, `apigatewayv2`, ...
    fn name(&self) -> &'static str;

    /// Does an operation; nothing when it is not built, which answers 501.
    async fn call(
        &self,
        context: &Context,
        operation: &str,
        input: Input,
    ) -> Option<Result<Reply, ServiceError>>;

    /// The names of the operations that are built.
    fn operation_names(&self) -> Vec<&'static str>;

    /// The CloudFormation types that this service makes.
    fn resources(&self) -> &'static [ResourceType] {
        &[]
    }

    /// What a web page elsewhere may see of the answer: headers for a request to the API with an `Origin`. Those for
    /// `OPTIONS` are all of the answer; an error is, too. None means that this service does not answer web pages.
    fn cross_origin(&self, _engine: &Engine, _request: &Request) -> Result<HeaderMap, ServiceError> {
        Ok(HeaderMap::new())
    }

    /// Whether a request is for this service's own front door (an API's address, a function URL) and no operation of its API.
    fn accepts(&self, _head: &Head) -> bool {
        false
    }

    /// Answers a request that [`Service::accepts`] took.
    async fn http(&self, _context: &Context, _request: HttpRequest) -> HttpResponse {
        HttpResponse::default()
    }

    /// Does what a timer of this service is due for. An error has it tried again later, so it must bear repetition.
    async fn timer(&self, _context: &Context, _timer: &Timer) -> Result<(), ServiceError> {
        Ok(())
    }

    /// Reads caches, and starts what runs in the background. Others may not have started yet.
    async fn start(&self, _engine: &Engine) -> Result<(), ServiceError> {
        Ok(())
    }

    /// Takes up work that was under way when the cloud stopped. All services have started.
    async fn take_up(&self, _engine: &Engine) -> Result<(), ServiceError> {
        Ok(())
    }

    /// Ends what runs in the background.
    async fn stop(&self) {}

    /// What runs of it at this moment, for the cloud's own status: names and numbers.
    fn running(&self) -> Option<serde_json::Value> {
        None
    }

    /// Forgets caches: the store has just been emptied.
    async fn reset(&self, _engine: &Engine) {}
}

/// The error that a caller sees when the store failed: their call was fine, and was not done.
pub fn storage_failed(error: &aloft_store::StoreError) -> ServiceError {
    tracing::error!(%error, "the store failed");
    ServiceError::new(
        "InternalFailure",
        500,
        "the local cloud could not read or write its state; see its log",
    )
}
