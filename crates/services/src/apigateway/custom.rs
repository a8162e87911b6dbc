//! Custom integrations: the request is turned into what the integration expects, and its answer into what the client does.
//!
//! Sources: "Set up data mappings in API Gateway", "Set up request and response content type conversions".

use super::ApiGateway;
use super::backend::{self, Answered, Call};
use super::event::At;
use super::faults::{self, Refusal};
use super::live::{Conversion, Integration, IntegrationResponse, Kind, Passthrough};
use super::mapping::{self, Scope};
use super::proxied::map_parameters;
use crate::gateway::request::Pairs;
use crate::gateway::{Request, response};
use aloft_engine::{Context, HttpResponse};
use aloft_lang::vtl;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Map, Value};

/// Answers a request.
pub(super) async fn answer(
    service: &ApiGateway,
    context: &Context,
    at: At<'_>,
    integration: &Integration,
    request: &Request,
    scope: &Scope<'_>,
) -> Result<HttpResponse, Refusal> {
    let mut call = Call::default();
    map_parameters(integration, scope, &mut call);
    let overridden = fill_body(at, integration, request, scope, &mut call)?;
    let answered = backend::call(service, context, integration, at.stage, call).await?;
    let chosen = choose(integration, &answered).ok_or_else(|| {
        tracing::warn!(path = at.resource.path, "no integration response fits the integration's answer");
        faults::CONFIGURATION.refuse()
    })?;
    let scope = Scope { answer: Some(&answered), ..*scope };
    turn(at, request, &scope, chosen, &answered, overridden)
}

/// What a request template may say of the response already.
struct Overridden {
    status: Option<u16>,
    headers: Map<String, Value>,
}

fn render(template: &str, scope: &Scope, body: &[u8]) -> Result<vtl::Rendered, Refusal> {
    let body = String::from_utf8_lossy(body).into_owned();
    vtl::render(template, &mapping::template_context(scope, body)).map_err(|error| {
        tracing::warn!(%error, "a mapping template failed");
        faults::CONFIGURATION.refuse()
    })
}

/// Makes the integration's body: by the template for its media type, or as it is where that is allowed.
fn fill_body(
    at: At,
    integration: &Integration,
    request: &Request,
    scope: &Scope,
    call: &mut Call,
) -> Result<Overridden, Refusal> {
    let mut overridden = Overridden { status: None, headers: Map::new() };
    let is_binary = at.stage.content.is_binary(request.header("content-type"));
    let body = match integration.conversion {
        Conversion::ToText if is_binary => Bytes::from(BASE64.encode(&request.body)),
        Conversion::ToBinary if !is_binary => {
            BASE64.decode(&request.body).map(Bytes::from).map_err(|_| faults::CONFIGURATION.refuse())?
        }
        _ => request.body.clone(),
    };
    let Some(template) = mapping::choose_by_body(&integration.templates, request) else {
        let passes = match integration.passthrough {
            Passthrough::WhenNoMatch => true,
            Passthrough::WhenNoTemplates => integration.templates.is_empty(),
            Passthrough::Never => false,
        };
        if !passes {
            return Err(faults::UNSUPPORTED_MEDIA_TYPE.refuse());
        }
        if let Some(header) = request.header("content-type")
            && matches!(integration.kind, Kind::Http | Kind::Aws)
            && !call.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            call.headers.push(("content-type".to_owned(), header.to_owned()));
        }
        call.body = body;
        return Ok(overridden);
    };
    let rendered = render(template, scope, &body)?;
    call.body = rendered.text.into();
    for (pairs, values) in [
        (&mut call.path, rendered.overrides.request_path),
        (&mut call.query, rendered.overrides.request_querystring),
        (&mut call.headers, rendered.overrides.request_header),
    ] {
        for (name, value) in values {
            pairs.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
            pairs.extend(mapping::text_of(&value).map(|value| (name, value)));
        }
    }
    overridden.status = rendered.overrides.response_status;
    overridden.headers = rendered.overrides.response_header;
    Ok(overridden)
}

/// The integration response whose pattern matches, or the one without a pattern.
fn choose<'a>(integration: &'a Integration, answered: &Answered) -> Option<&'a IntegrationResponse> {
    let matches = |response: &&IntegrationResponse| match (&response.pattern, &answered.matched) {
        (Some(pattern), Some(text)) => pattern.is_match(text),
        _ => false,
    };
    let by_pattern = integration.responses.iter().find(matches);
    by_pattern.or_else(|| integration.responses.iter().find(|response| response.pattern.is_none()))
}

/// Turns an integration's answer into the client's.
fn turn(
    at: At,
    request: &Request,
    scope: &Scope,
    chosen: &IntegrationResponse,
    answered: &Answered,
    overridden: Overridden,
) -> Result<HttpResponse, Refusal> {
    let mut headers: Pairs = Vec::new();
    let mut status = overridden.status.unwrap_or(chosen.status);
    let mut changed = overridden.headers;
    let template = mapping::choose_by_accept(&chosen.templates, request);
    let mut body = answered.body.clone();
    let mut media_type = "application/json".to_owned();
    match template {
        Some((name, template)) => {
            name.clone_into(&mut media_type);
            if !template.is_empty() {
                let rendered = render(template, scope, &answered.body)?;
                status = rendered.overrides.response_status.unwrap_or(status);
                changed.extend(rendered.overrides.response_header);
                body = rendered.text.into();
            }
        }
        None => {
            if let Some(own) = crate::gateway::request::find(&answered.headers, "content-type") {
                own.clone_into(&mut media_type);
            }
        }
    }
    headers.push(("content-type".to_owned(), media_type));
    let mut put = |name: &str, value: Value| {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        let values = if let Value::Array(values) = value { values } else { vec![value] };
        headers.extend(values.iter().filter_map(mapping::text_of).map(|value| (name.to_owned(), value)));
    };
    for (target, expression) in &chosen.parameters {
        let Some(name) = target.strip_prefix("method.response.header.") else { continue };
        if let Some(value) = mapping::evaluate(expression, scope) {
            put(name, value);
        }
    }
    for (name, value) in changed {
        put(&name, value);
    }
    let body = match chosen.conversion {
        Conversion::ToBinary => {
            BASE64.decode(&body).map(Bytes::from).map_err(|_| faults::CONFIGURATION.refuse())?
        }
        Conversion::ToText
            if at
                .stage
                .content
                .is_binary(crate::gateway::request::find(&answered.headers, "content-type")) =>
        {
            BASE64.encode(&body).into()
        }
        _ => body,
    };
    response::build(status, &headers, body).ok_or_else(|| faults::CONFIGURATION.refuse())
}
