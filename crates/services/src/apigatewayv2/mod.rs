//! API Gateway v2: HTTP APIs, their resources and their front door.
//!
//! Not here: WebSocket APIs, private integrations and integrations with other services, which are refused when they are
//! asked for; custom domain names. Access logs, metrics and throttling settings are kept and change nothing.
//! Keeps true: a stage that deploys by itself answers by the newest configuration, any other by its deployment.

mod apis;
mod authorize;
mod authorizers;
mod cloudformation;
mod cors;
mod event;
mod integrate;
mod integrations;
mod kinds;
mod live;
mod routes;
mod serve;
mod stages;
mod tags;
#[cfg(test)]
mod tests;

use crate::gateway::authorization::Cache;
use crate::gateway::jwt::Issuers;
use crate::gateway::{Directory, Documents, address};
use crate::outward::Outward;
use aloft_engine::{
    Context, Engine, Head, HttpRequest, HttpResponse, Input, Operation, Reply, ResourceType, Service,
    ServiceError, async_trait,
};

static DOCUMENTS: Documents =
    Documents { documents: "apigatewayv2.documents", revisions: "apigatewayv2.revisions" };

/// The service.
pub struct ApiGatewayV2 {
    apis: Directory<live::Api>,
    authorizations: Cache,
    issuers: Issuers,
    outward: Outward,
}

impl Default for ApiGatewayV2 {
    fn default() -> Self {
        let apis = Directory::new(&DOCUMENTS);
        Self {
            apis,
            authorizations: Cache::default(),
            issuers: Issuers::default(),
            outward: Outward::default(),
        }
    }
}

aloft_engine::operations! { ApiGatewayV2;
    CreateApi => apis::create,
    CreateAuthorizer => authorizers::create,
    CreateDeployment => stages::create_deployment,
    CreateIntegration => integrations::create,
    CreateRoute => routes::create,
    CreateStage => stages::create,
    DeleteAccessLogSettings => stages::delete_access_log_settings,
    DeleteApi => apis::delete,
    DeleteAuthorizer => authorizers::delete,
    DeleteCorsConfiguration => apis::delete_cors,
    DeleteDeployment => stages::delete_deployment,
    DeleteIntegration => integrations::delete,
    DeleteRoute => routes::delete,
    DeleteRouteSettings => stages::delete_route_settings,
    DeleteStage => stages::delete,
    GetApi => apis::get,
    GetApis => apis::list,
    GetAuthorizer => authorizers::get,
    GetAuthorizers => authorizers::list,
    GetDeployment => stages::get_deployment,
    GetDeployments => stages::list_deployments,
    GetIntegration => integrations::get,
    GetIntegrations => integrations::list,
    GetRoute => routes::get,
    GetRoutes => routes::list,
    GetStage => stages::get,
    GetStages => stages::list,
    GetTags => tags::get,
    ResetAuthorizersCache => authorizers::reset_cache,
    TagResource => tags::tag,
    UntagResource => tags::untag,
    UpdateApi => apis::update,
    UpdateAuthorizer => authorizers::update,
    UpdateDeployment => stages::update_deployment,
    UpdateIntegration => integrations::update,
    UpdateRoute => routes::update,
    UpdateStage => stages::update,
}

#[async_trait]
impl Service for ApiGatewayV2 {
    fn name(&self) -> &'static str {
        "apigatewayv2"
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
        // Also what is addressed to an API that nobody has, so that the answer is a gateway's.
        address::of(head).is_some()
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
            tracing::error!(%error, "the list of HTTP APIs could not be read");
        }
    }
}
