//! `http`: a REST API with a resource per path segment and a method per event.

mod authorizers;
mod cors;
mod deployment;
mod event;
mod integration;
mod keys;
mod methods;
mod resources;
mod rest_api;
mod stage;
mod validators;

use super::super::context::Context;
use super::super::naming::REST_API;
use super::super::values::get;
use aloft_diag::Diagnostic;
use resources::Resources;
use serde_json::{Value, json};

/// Adds the API and everything below it.
///
/// # Errors
/// The original's for settings that contradict each other or miss something.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    check_external_api(context)?;
    let methods = event::read(context)?;
    if methods.is_empty() {
        return Ok(());
    }
    rest_api::add(context)?;
    let resources = Resources::add(context, &methods)?;
    let mut method_ids = cors::add(context, &methods, &resources)?;
    method_ids.extend(methods::add(context, &methods, &resources)?);
    validators::add(context, &methods, &resources)?;
    authorizers::add(context, &methods);
    let deployment = deployment::add(context, method_ids);
    keys::add(context, &deployment)?;
    methods::permit(context, &methods);
    stage::add(context);
    Ok(())
}

/// A reference to the API, or the id of one that exists.
fn api(context: &Context<'_>) -> Value {
    context
        .api_gateway()
        .and_then(|settings| get(settings, "restApiId"))
        .cloned()
        .unwrap_or_else(|| json!({ "Ref": REST_API }))
}

fn check_external_api(context: &Context<'_>) -> Result<(), Diagnostic> {
    let Some(settings) = context.api_gateway().filter(|settings| get(settings, "restApiId").is_some()) else {
        return Ok(());
    };
    if get(settings, "restApiRootResourceId").is_none() {
        return Err(context
            .error(
                "API_GATEWAY_MISSING_REST_API_ROOT_RESOURCE_ID",
                "Missing required \"provider.apiGateway.restApiRootResourceId\" property (needed if \
                 \"provider.apiGateway.restApiId\" is provided)",
                "provider.apiGateway.restApiId",
            )
            .help("add `restApiRootResourceId:` of that API"));
    }
    for (section, what, code) in [
        ("tracing", "apiGateway", "API_GATEWAY_EXTERNAL_API_TRACING"),
        ("logs", "restApi", "API_GATEWAY_EXTERNAL_API_LOGS"),
    ] {
        if super::super::values::at(context.provider, &[section, what]).is_some() {
            let message = format!(
                "When external API Gateway resource is imported via \"provider.apiGateway.restApiId\", property \
                 \"provider.{section}.{what}\" is ineffective."
            );
            return Err(context
                .error(code, message, &format!("provider.{section}.{what}"))
                .help("remove it, and set it where the API is made"));
        }
    }
    Ok(())
}
