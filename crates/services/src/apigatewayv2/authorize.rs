//! Whether a caller may use a route.

use super::live::{Authorization, Authorizer, Route, Stage};
use super::{ApiGatewayV2, event, serve};
use crate::gateway::authorization::{self, Cache};
use crate::gateway::jwt::{Refusal, Rules};
use crate::gateway::signature::{self, Signer};
use crate::gateway::{Place, Request, function, response};
use aloft_engine::{Context, HttpRequest, HttpResponse};
use aloft_lang::policy::Decision;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long an authorizer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Who signed a request to a route that must be signed.
pub(super) fn signer(
    context: &Context,
    route: &Route,
    request: &HttpRequest,
) -> Result<Option<Signer>, HttpResponse> {
    match route.authorization {
        Authorization::Iam => signature::check(context, request)
            .map(Some)
            .map_err(|_| serve::message(StatusCode::FORBIDDEN, "Forbidden")),
        _ => Ok(None),
    }
}

/// What the event says of the caller, by payload format, or the refusal.
pub(super) async fn check(
    service: &ApiGatewayV2,
    context: &Context,
    at: (&Place, &Stage, &Route),
    request: &Request,
    signer: Option<Signer>,
) -> Result<Option<Value>, HttpResponse> {
    let (_, _, route) = at;
    let second_format = route.integration.as_ref().is_some_and(|integration| integration.second_format);
    match &route.authorization {
        Authorization::None => Ok(None),
        Authorization::Iam => Ok(signer.map(|signer| iam(&signer, second_format))),
        Authorization::Broken => Err(serve::internal_error()),
        Authorization::Token(authorizer, scopes) => {
            // What is rare has memory of its own: every request that waits holds room for this future.
            Box::pin(token(service, context, at, request, (authorizer, scopes)))
                .await
                .map(|caller| Some(if second_format { json!({ "jwt": caller }) } else { caller }))
        }
        Authorization::Function(authorizer) => {
            let answer = Box::pin(ask(service, context, at, request, authorizer)).await?;
            if answer.decide(&route_arn(at, request)) != Decision::Allow {
                return Err(serve::message(StatusCode::FORBIDDEN, "Forbidden"));
            }
            Ok(Some(if second_format {
                json!({ "lambda": if answer.context.is_empty() { Value::Null } else { answer.context.clone().into() } })
            } else {
                let mut flat: Map<String, Value> = answer.context.clone();
                if let Some(principal) = &answer.principal {
                    flat.insert("principalId".to_owned(), principal.as_str().into());
                }
                flat.into()
            }))
        }
    }
}

/// The claims of the caller's token, and its scopes where the route asks for some.
async fn token(
    service: &ApiGatewayV2,
    context: &Context,
    (place, stage, route): (&Place, &Stage, &Route),
    request: &Request,
    (authorizer, scopes): (&Authorizer, &[String]),
) -> Result<Value, HttpResponse> {
    let refuse = |status, text: &str, challenge: &str| {
        let mut answer = serve::message(status, text);
        response::set(&mut answer, "www-authenticate", challenge);
        answer
    };
    let source = authorizer.identity.first().map_or("", String::as_str);
    let Some(given) = identity(source, request, place, stage, route) else {
        return Err(refuse(StatusCode::UNAUTHORIZED, "Unauthorized", "Bearer"));
    };
    let Some((issuer, audience)) = &authorizer.issuer else { return Err(serve::internal_error()) };
    let wanted = scopes.join(" ");
    match service.issuers.check(&Rules { issuer, audience, scopes }, &given, context.now()).await {
        Ok(good) => {
            let scopes = if scopes.is_empty() { Value::Null } else { good.scopes.into() };
            Ok(json!({ "claims": good.claims, "scopes": scopes }))
        }
        Err(Refusal::Invalid(reason)) => {
            let challenge =
                format!("Bearer scope=\"{wanted}\" error=\"invalid_token\" error_description=\"{reason}\"");
            Err(refuse(StatusCode::UNAUTHORIZED, "Unauthorized", &challenge))
        }
        Err(Refusal::Scope) => {
            let challenge = format!("Bearer scope=\"{wanted}\" error=\"insufficient_scope\"");
            Err(refuse(StatusCode::FORBIDDEN, "Forbidden", &challenge))
        }
    }
}

fn iam(signer: &Signer, second_format: bool) -> Value {
    let user = signer.arn.rsplit('/').next().unwrap_or_default();
    let identity = json!({
        "accessKey": signer.access_key,
        "accountId": signer.account,
        "callerId": user,
        "cognitoIdentity": null,
        "principalOrgId": null,
        "userArn": signer.arn,
        "userId": user,
    });
    if second_format { json!({ "iam": identity }) } else { identity }
}

fn route_arn((place, stage, _): (&Place, &Stage, &Route), request: &Request) -> String {
    let (region, account, api) = (&place.region, &place.account, &place.api);
    format!(
        "arn:{}:execute-api:{region}:{account}:{api}/{}/{}{}",
        region.partition(),
        stage.name,
        request.method,
        request.path
    )
}

async fn ask(
    service: &ApiGatewayV2,
    context: &Context,
    at: (&Place, &Stage, &Route),
    request: &Request,
    authorizer: &Authorizer,
) -> Result<Arc<authorization::Authorization>, HttpResponse> {
    let (place, stage, route) = at;
    let found: Option<Vec<String>> =
        authorizer.identity.iter().map(|source| identity(source, request, place, stage, route)).collect();
    let Some(identity) = found else {
        return Err(serve::message(StatusCode::UNAUTHORIZED, "Unauthorized"));
    };
    let key = Cache::key(&place.api, &stage.name, &authorizer.id, &identity);
    let now = context.now();
    if let Some(answer) = service.authorizations.get(&key, now) {
        return Ok(answer);
    }
    let arn = function::arn(&authorizer.uri, &stage.variables).ok_or_else(serve::internal_error)?;
    let mut event = Map::new();
    if authorizer.second_format {
        event.insert("version".to_owned(), "2.0".into());
        event.insert("type".to_owned(), "REQUEST".into());
        event.insert("routeArn".to_owned(), route_arn(at, request).into());
        event.insert("identitySource".to_owned(), identity.clone().into());
        event.extend(event::second_for_authorizer(request, place, stage, &route.key));
    } else {
        let identity = identity.join(",");
        event.insert("version".to_owned(), "1.0".into());
        event.insert("type".to_owned(), "REQUEST".into());
        event.insert("methodArn".to_owned(), route_arn(at, request).into());
        event.insert("identitySource".to_owned(), identity.as_str().into());
        event.insert("authorizationToken".to_owned(), identity.into());
        event.extend(event::first_for_authorizer(request, place, stage, &route.key));
    }
    let payload = Value::Object(event).to_string().into();
    let answer = match function::invoke(context, &arn, payload, LIMIT).await {
        Ok(answer) if !answer.failed => answer.payload,
        _ => return Err(serve::internal_error()),
    };
    let read = if authorizer.simple_responses {
        authorization::Authorization::simple(&answer)
    } else {
        authorization::Authorization::policy(&answer)
    };
    let answer = Arc::new(read.ok_or_else(serve::internal_error)?);
    service.authorizations.put(key, now, authorizer.hold, &answer);
    Ok(answer)
}

/// The value of `$request.header.Authorization` and the like; nothing when it is missing or empty.
fn identity(source: &str, request: &Request, place: &Place, stage: &Stage, route: &Route) -> Option<String> {
    let expression = source.strip_prefix('$').unwrap_or(source);
    let value = if let Some(name) = expression.strip_prefix("request.header.") {
        request.header(name).map(str::to_owned)
    } else if let Some(name) = expression.strip_prefix("request.querystring.") {
        request.query(name).map(str::to_owned)
    } else if let Some(name) = expression.strip_prefix("stageVariables.") {
        stage.variables.get(name).and_then(Value::as_str).map(str::to_owned)
    } else {
        match expression.strip_prefix("context.")? {
            "accountId" => Some(place.account.to_string()),
            "apiId" => Some(place.api.clone()),
            "domainName" => Some(request.domain.clone()),
            "httpMethod" => Some(request.method.to_string()),
            "identity.sourceIp" => Some(request.source_ip.clone()),
            "identity.userAgent" => request.header("user-agent").map(str::to_owned),
            "path" => Some(event::raw_path(request, stage)),
            "routeKey" => Some(route.key.clone()),
            "stage" => Some(stage.name.clone()),
            _ => None,
        }
    };
    value.filter(|value| !value.is_empty())
}
