//! Lambda: functions with their versions and aliases, invocations, event source mappings, layers, function URLs.
//!
//! Not here: container images, code signing, durable functions; what asks for one of them is refused. Kept and returned,
//! but without effect: VPC settings, tracing, architectures, SnapStart, and the JSON log format (lines come as text). Who may invoke (resource policies) is kept, and judged elsewhere.
//! Keeps true: an asynchronous event that was accepted is a row until it has been dealt with, whatever crashes; the
//! synchronous path waits for no write.

mod aliases;
mod cloudformation;
mod code;
mod concurrency;
mod configuration;
mod credentials;
mod destinations;
mod dispatch;
mod errors;
mod event_invoke;
mod events;
mod functions;
mod gates;
mod invoke;
mod layers;
mod limits;
mod mapping;
mod mappings;
mod measuring;
mod name;
mod policy;
mod poller;
mod provisioned;
mod queue_batch;
mod queue_poller;
mod queue_scale;
mod recursion;
mod rows;
mod running;
mod settings;
mod sink;
mod stream_batch;
mod stream_lane;
mod stream_poller;
mod stream_rows;
mod stream_source;
mod streaming;
mod tags;
mod targets;
#[cfg(test)]
mod tests;
mod url_http;
mod url_stream;
mod urls;
mod versions;
mod waiting;
mod zip;

use aloft_engine::timers::Timer;
use aloft_engine::{
    Context, Engine, Head, HttpRequest, HttpResponse, Input, Operation, Reply, ResourceType, Service,
    ServiceError, async_trait,
};
use running::Running;
use std::sync::{Arc, OnceLock};

/// The service.
#[derive(Default)]
pub struct Lambda {
    running: OnceLock<Arc<Running>>,
}

aloft_engine::operations! { Lambda;
    AddLayerVersionPermission => layers::add_permission,
    AddPermission => policy::add,
    CreateAlias => aliases::create,
    CreateEventSourceMapping => mappings::create,
    CreateFunction => functions::create,
    CreateFunctionUrlConfig => urls::create,
    DeleteAlias => aliases::delete,
    DeleteEventSourceMapping => mappings::delete,
    DeleteFunction => functions::delete,
    DeleteFunctionConcurrency => concurrency::delete,
    DeleteFunctionEventInvokeConfig => event_invoke::delete,
    DeleteFunctionUrlConfig => urls::delete,
    DeleteLayerVersion => layers::delete,
    DeleteProvisionedConcurrencyConfig => provisioned::delete,
    GetAccountSettings => functions::account_settings,
    GetAlias => aliases::get,
    GetEventSourceMapping => mappings::get,
    GetFunction => functions::get,
    GetFunctionCodeSigningConfig => functions::get_code_signing,
    GetFunctionConcurrency => concurrency::get,
    GetFunctionConfiguration => functions::get_configuration,
    GetFunctionEventInvokeConfig => event_invoke::get,
    GetFunctionRecursionConfig => recursion::get,
    GetFunctionUrlConfig => urls::get,
    GetLayerVersion => layers::get,
    GetLayerVersionByArn => layers::get_by_arn,
    GetLayerVersionPolicy => layers::get_policy,
    GetPolicy => policy::get,
    GetProvisionedConcurrencyConfig => provisioned::get,
    GetRuntimeManagementConfig => functions::get_runtime_management,
    Invoke => invoke::invoke,
    InvokeAsync => invoke::invoke_async,
    InvokeWithResponseStream => streaming::invoke_with_stream,
    ListAliases => aliases::list,
    ListEventSourceMappings => mappings::list,
    ListFunctionEventInvokeConfigs => event_invoke::list,
    ListFunctionUrlConfigs => urls::list,
    ListFunctions => functions::list,
    ListLayerVersions => layers::list_versions,
    ListLayers => layers::list,
    ListProvisionedConcurrencyConfigs => provisioned::list,
    ListTags => tags::list,
    ListVersionsByFunction => versions::list,
    PublishLayerVersion => layers::publish,
    PublishVersion => versions::publish,
    PutFunctionConcurrency => concurrency::put,
    PutFunctionEventInvokeConfig => event_invoke::put,
    PutFunctionRecursionConfig => recursion::put,
    PutProvisionedConcurrencyConfig => provisioned::put,
    RemoveLayerVersionPermission => layers::remove_permission,
    RemovePermission => policy::remove,
    TagResource => tags::tag,
    UntagResource => tags::untag,
    UpdateAlias => aliases::update,
    UpdateEventSourceMapping => mappings::update,
    UpdateFunctionCode => configuration::update_code,
    UpdateFunctionConfiguration => configuration::update,
    UpdateFunctionEventInvokeConfig => event_invoke::update,
    UpdateFunctionUrlConfig => urls::update,
}

impl Lambda {
    /// What runs functions; there from the cloud's start on.
    fn running(&self) -> Result<&Arc<Running>, ServiceError> {
        self.running
            .get()
            .ok_or_else(|| ServiceError::new("ServiceException", 500, "Lambda has not been started"))
    }
}

#[async_trait]
impl Service for Lambda {
    fn name(&self) -> &'static str {
        "lambda"
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

    fn resources(&self) -> &'static [ResourceType] {
        cloudformation::RESOURCES
    }

    fn accepts(&self, head: &Head) -> bool {
        url_http::accepts(head) || measuring::accepts(head)
    }

    async fn http(&self, context: &Context, request: HttpRequest) -> HttpResponse {
        if measuring::accepts(&request.head) {
            return measuring::answer(self, context, &request);
        }
        url_http::answer(self, context, request).await
    }

    async fn timer(&self, context: &Context, timer: &Timer) -> Result<(), ServiceError> {
        running::timer(self.running()?, context, timer).await
    }

    async fn start(&self, engine: &Engine) -> Result<(), ServiceError> {
        self.running.get_or_init(|| Running::start(engine));
        Ok(())
    }

    async fn take_up(&self, engine: &Engine) -> Result<(), ServiceError> {
        match self.running.get() {
            Some(running) => running.take_up(engine).await,
            None => Ok(()),
        }
    }

    async fn stop(&self) {
        if let Some(running) = self.running.get() {
            running.stop().await;
        }
    }

    fn running(&self) -> Option<serde_json::Value> {
        self.running.get().map(|it| it.status())
    }

    async fn reset(&self, _: &Engine) {
        if let Some(running) = self.running.get() {
            running.forget();
        }
    }
}
