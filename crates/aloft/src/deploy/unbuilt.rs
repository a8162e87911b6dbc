//! What a service needs and the local cloud has not built, told before anything is uploaded.
//!
//! The local cloud refuses such a template as a whole, by the names of types alone; here is known which lines ask for them.
//! A resource with a `Condition` is left to the cloud, which alone knows whether it is wanted.

use super::Deployment;
use aloft_compile::CompileOptions;
use aloft_compile::aws::origin::origin;
use aloft_diag::Diagnostic;
use serde_json::Value;

const HELP: &str = "leave it out of the stage that you deploy locally: give it a `Condition` that is false there, or put it into a file of \
                    the other stages, such as `resources: ${file(resources.${sls:stage}.yml)}`; a deploy to AWS is not concerned";

/// Refuses a template that the local cloud cannot make.
pub async fn refuse(deployment: &mut Deployment) -> anyhow::Result<()> {
    if !deployment.session.common.local {
        return Ok(());
    }
    let resources = deployment.template()?.get("Resources").and_then(Value::as_object);
    let unbuilt: Vec<(String, String)> = resources
        .into_iter()
        .flatten()
        .filter(|(_, resource)| resource.get("Condition").is_none())
        .filter_map(|(id, resource)| Some((id.clone(), missing(resource)?)))
        .collect();
    let count = unbuilt.len();
    let diagnostics: Vec<Diagnostic> = unbuilt
        .into_iter()
        .enumerate()
        .map(|(index, (id, what))| {
            let message = format!("the local cloud has not built {what}, which `{id}` is");
            let path = place(deployment, &id);
            let span = path.as_deref().and_then(|path| deployment.session.service.span(path));
            let found = Diagnostic::error("RESOURCE_NOT_BUILT", message).at_opt(span, "");
            // Said once, below the last.
            if index + 1 == count { found.help(HELP) } else { found }
        })
        .collect();
    if diagnostics.is_empty() { Ok(()) } else { Err(deployment.mistakes(diagnostics)) }
}

/// What is not built of a resource, if anything.
fn missing(resource: &Value) -> Option<String> {
    let kind = resource.get("Type").and_then(Value::as_str)?;
    let property = |name: &str| resource.pointer(&format!("/Properties/{name}")).and_then(Value::as_str);
    match kind {
        "AWS::ApiGateway::Authorizer" if property("Type") == Some("COGNITO_USER_POOLS") => {
            Some("authorizers by Cognito user pools".to_owned())
        }
        "AWS::ApiGatewayV2::Api" if property("ProtocolType") == Some("WEBSOCKET") => {
            Some("WebSocket APIs".to_owned())
        }
        _ => (!aloft_services::makes(kind)).then(|| kind.to_owned()),
    }
}

/// The path of the part of the configuration that makes a resource, if one does.
fn place(deployment: &Deployment, id: &str) -> Option<String> {
    let service = &deployment.session.service;
    let written = format!("resources.Resources.{id}");
    if service.spans.0.contains_key(written.as_str()) {
        return Some(written);
    }
    let options = CompileOptions { now: deployment.session.clock.now(), ..CompileOptions::default() };
    let found = origin(service, deployment.artifacts(), &options, id)?;
    found.made_by.into_iter().chain(found.made_by_any).next()
}
