//! API Gateway: REST APIs, their resources and their front door.
//!
//! Not here: custom domain names, VPC links, OpenAPI import and export, canaries, and authorizers by user pools; they are
//! refused when they are asked for. Caches, access logs, metrics, throttling and quotas are kept and change nothing.
//! Keeps true: a request runs on the deployment of its stage, never on what has been changed since.

mod account;
mod apis;
mod authorize;
mod authorizers;
mod aws;
mod backend;
mod cloudformation;
mod custom;
mod deployments;
mod errors;
mod event;
mod faults;
mod gateway_responses;
mod integrations;
mod keys;
mod live;
mod mapping;
mod methods;
mod models;
mod parts;
mod patch;
mod plans;
mod proxied;
mod resources;
mod schema;
mod serve;
mod stages;
mod tags;
#[cfg(test)]
mod tests;
mod validate;
mod validators;

use crate::gateway::authorization::Cache;
use crate::gateway::{Directory, Documents, address};
use crate::outward::Outward;
use aloft_engine::{
    Context, Engine, Head, HttpRequest, HttpResponse, Input, Operation, Reply, ResourceType, Service,
    ServiceError, async_trait,
};

static DOCUMENTS: Documents =
    Documents { documents: "apigateway.documents", revisions: "apigateway.revisions" };

/// The service.
pub struct ApiGateway {
    apis: Directory<live::Api>,
    authorizations: Cache,
    outward: Outward,
}

impl Default for ApiGateway {
    fn default() -> Self {
        let apis = Directory::new(&DOCUMENTS);
        Self { apis, authorizations: Cache::default(), outward: Outward::default() }
    }
}

aloft_engine::operations! { ApiGateway;
    CreateApiKey => keys::create,
    CreateAuthorizer => authorizers::create,
    CreateDeployment => deployments::create,
    CreateModel => models::create,
    CreateRequestValidator => validators::create,
    CreateResource => resources::create,
    CreateRestApi => apis::create,
    CreateStage => stages::create,
    CreateUsagePlan => plans::create,
    CreateUsagePlanKey => plans::add_key,
    DeleteApiKey => keys::delete,
    DeleteAuthorizer => authorizers::delete,
    DeleteDeployment => deployments::delete,
    DeleteGatewayResponse => gateway_responses::delete,
    DeleteIntegration => integrations::delete,
    DeleteIntegrationResponse => integrations::delete_response,
    DeleteMethod => methods::delete,
    DeleteMethodResponse => methods::delete_response,
    DeleteModel => models::delete,
    DeleteRequestValidator => validators::delete,
    DeleteResource => resources::delete,
    DeleteRestApi => apis::delete,
    DeleteStage => stages::delete,
    DeleteUsagePlan => plans::delete,
    DeleteUsagePlanKey => plans::remove_key,
    FlushStageAuthorizersCache => stages::flush_authorizers,
    FlushStageCache => stages::flush,
    GetAccount => account::get,
    GetApiKey => keys::get,
    GetApiKeys => keys::list,
    GetAuthorizer => authorizers::get,
    GetAuthorizers => authorizers::list,
    GetDeployment => deployments::get,
    GetDeployments => deployments::list,
    GetGatewayResponse => gateway_responses::get,
    GetGatewayResponses => gateway_responses::list,
    GetIntegration => integrations::get,
    GetIntegrationResponse => integrations::get_response,
    GetMethod => methods::get,
    GetMethodResponse => methods::get_response,
    GetModel => models::get,
    GetModels => models::list,
    GetRequestValidator => validators::get,
    GetRequestValidators => validators::list,
    GetResource => resources::get,
    GetResources => resources::list,
    GetRestApi => apis::get,
    GetRestApis => apis::list,
    GetStage => stages::get,
    GetStages => stages::list,
    GetTags => tags::get,
    GetUsagePlan => plans::get,
    GetUsagePlanKey => plans::get_key,
    GetUsagePlanKeys => plans::list_keys,
    GetUsagePlans => plans::list,
    PutGatewayResponse => gateway_responses::put,
    PutIntegration => integrations::put,
    PutIntegrationResponse => integrations::put_response,
    PutMethod => methods::put,
    PutMethodResponse => methods::put_response,
    TagResource => tags::tag,
    UntagResource => tags::untag,
    UpdateAccount => account::update,
    UpdateApiKey => keys::update,
    UpdateAuthorizer => authorizers::update,
    UpdateDeployment => deployments::update,
    UpdateGatewayResponse => gateway_responses::update,
    UpdateIntegration => integrations::update,
    UpdateIntegrationResponse => integrations::update_response,
    UpdateMethod => methods::update,
    UpdateMethodResponse => methods::update_response,
    UpdateModel => models::update,
    UpdateRequestValidator => validators::update,
    UpdateResource => resources::update,
    UpdateRestApi => apis::update,
    UpdateStage => stages::update,
    UpdateUsagePlan => plans::update,
}

#[async_trait]
impl Service for ApiGateway {
    fn name(&self) -> &'static str {
        "apigateway"
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
        address::of(head).is_some_and(|address| self.apis.contains(address.api))
    }

    async fn http(&self, context: &Context, request: HttpRequest) -> HttpResponse {
        serve::answer(self, context, request).await
    }

    async fn start(&self, engine: &Engine) -> Result<(), ServiceError> {
        self.apis.load(engine)
    }

    async fn reset(&self, engine: &Engine) {
        self.authorizations.clear();
        if let Err(error) = self.apis.load(engine) {
            tracing::error!(%error, "the list of REST APIs could not be read");
        }
    }
}
