//! Whether a caller may use a method: the API's policy, signatures, authorizers, API keys.

use super::event::{At, Caller, method_arn, request_context};
use super::faults::{self, Refusal};
use super::live::Authorizer;
use super::{ApiGateway, keys, mapping, plans};
use crate::gateway::authorization::{Authorization, Cache};
use crate::gateway::signature::{self, Refusal as Unsigned, Signer};
use crate::gateway::{Place, Request, function, proxy};
use crate::storage::Outcome;
use aloft_engine::{Context, HttpRequest};
use aloft_lang::policy::{self, Decision, Principal};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long an authorizer may take.
const LIMIT: Duration = Duration::from_secs(29);

/// Who signed a request to a method that must be signed.
pub(super) fn signer(context: &Context, at: At, request: &HttpRequest) -> Result<Option<Signer>, Refusal> {
    if at.method.authorization != "AWS_IAM" {
        return Ok(None);
    }
    match signature::check(context, request) {
        Ok(signer) => Ok(Some(signer)),
        Err(Unsigned::Unsigned) => Err(faults::MISSING_TOKEN.refuse()),
        Err(Unsigned::Invalid(error)) if error.code == "ExpiredTokenException" => {
            Err(faults::EXPIRED_TOKEN.refuse())
        }
        Err(Unsigned::Invalid(error)) => Err(faults::INVALID_SIGNATURE.because(error.message)),
    }
}

/// Lets a caller in, and tells who it is.
pub(super) async fn check(
    service: &ApiGateway,
    context: &Context,
    at: At<'_>,
    request: &Request,
    signer: Option<Signer>,
) -> Result<Caller, Refusal> {
    let arn = method_arn(at.place, &at.stage.name, request);
    let mut caller = Caller { signer, ..Caller::default() };
    check_policy(at, request, &caller, &arn)?;
    if at.method.authorization == "CUSTOM" {
        let authorizer = at.stage.content.authorizer(&at.method.authorizer);
        let authorizer = authorizer.ok_or_else(|| faults::AUTHORIZER_CONFIGURATION.refuse())?;
        let answer = Box::pin(ask(service, context, at, request, authorizer, &arn)).await?;
        match answer.decide(&arn) {
            Decision::Allow => {}
            Decision::ExplicitDeny => {
                return Err(faults::ACCESS_DENIED
                    .because("User is not authorized to access this resource with an explicit deny"));
            }
            Decision::ImplicitDeny => {
                return Err(faults::ACCESS_DENIED.because("User is not authorized to access this resource"));
            }
        }
        let mut said = answer.context.clone();
        if let Some(principal) = &answer.principal {
            said.insert("principalId".to_owned(), principal.as_str().into());
        }
        caller.usage_key.clone_from(&answer.usage_key);
        caller.authorizer = Some(said);
    }
    if at.method.key_required {
        let value = if at.stage.content.key_from_authorizer {
            caller.usage_key.clone()
        } else {
            request.header("x-api-key").map(str::to_owned)
        };
        let id = value.as_ref().map(|value| key(context, at.place, &at.stage.name, value)).transpose();
        let id = id.map_err(|fault| {
            tracing::error!(error = %aloft_engine::ServiceError::from(fault), "an API key could not be looked up");
            faults::CONFIGURATION.refuse()
        })?;
        match (value, id.flatten()) {
            (Some(value), Some(id)) => caller.key = Some((value, id)),
            _ => return Err(faults::INVALID_API_KEY.refuse()),
        }
    }
    Ok(caller)
}

/// The id of the key of that value, if it opens the stage.
fn key(context: &Context, place: &Place, stage: &str, value: &str) -> Outcome<Option<String>> {
    let snapshot = context.store().read()?;
    let account = Place { api: String::new(), ..place.clone() };
    let Some(key) = keys::by_value(&snapshot, &account, value)? else { return Ok(None) };
    let id = crate::gateway::documents::text(&key, "id");
    let opens = keys::opens(&key, &place.api, stage)
        || plans::opening(&snapshot, &account, id, &place.api, stage)?.is_some();
    Ok(opens.then(|| id.to_owned()))
}

fn check_policy(at: At, request: &Request, caller: &Caller, arn: &str) -> Result<(), Refusal> {
    let Some(policy) = &at.stage.content.policy else { return Ok(()) };
    let principal = match &caller.signer {
        Some(signer) => Principal::account_member(&signer.account, [signer.arn.clone()]),
        None => Principal::anonymous(),
    };
    let context = json!({
        "aws:SourceIp": request.source_ip,
        "aws:UserAgent": request.header("user-agent").unwrap_or_default(),
    });
    let none = Map::new();
    let asked = policy::Request {
        principal: &principal,
        action: "execute-api:Invoke",
        resource: arn,
        context: context.as_object().unwrap_or(&none),
    };
    let who = caller.signer.as_ref().map_or("anonymous", |signer| signer.arn.as_str());
    match policy::evaluate([policy], &asked) {
        Decision::Allow => Ok(()),
        // Who has signed with a key of the account needs no permission of the API's, as long as it does not forbid it.
        Decision::ImplicitDeny if caller.signer.is_some() => Ok(()),
        decision => {
            let explicit = if decision == Decision::ExplicitDeny { " with an explicit deny" } else { "" };
            Err(faults::ACCESS_DENIED.because(format!(
                "User: {who} is not authorized to perform: execute-api:Invoke on resource: {arn}{explicit}"
            )))
        }
    }
}

async fn ask(
    service: &ApiGateway,
    context: &Context,
    at: At<'_>,
    request: &Request,
    authorizer: &Authorizer,
    arn: &str,
) -> Result<Arc<Authorization>, Refusal> {
    let gateway_context = request_context(at, request, &Caller::default());
    let scope = mapping::Scope {
        request,
        context: &gateway_context,
        stage_variables: &at.stage.variables,
        answer: None,
    };
    let value = |source: &String| {
        let found = mapping::evaluate(source, &scope).as_ref().and_then(mapping::text_of);
        found.filter(|value| !value.is_empty())
    };
    let identity: Option<Vec<String>> = authorizer.identity.iter().map(value).collect();
    let identity = identity.ok_or_else(|| faults::UNAUTHORIZED.refuse())?;
    let token = identity.first().cloned().unwrap_or_default();
    if authorizer.token && authorizer.validation.as_ref().is_some_and(|pattern| !pattern.is_match(&token)) {
        return Err(faults::UNAUTHORIZED.refuse());
    }
    let key = Cache::key(&at.place.api, &at.stage.name, &authorizer.id, &identity);
    let now = context.now();
    // Without an identity every caller would be the same.
    let hold = if identity.is_empty() { Duration::ZERO } else { authorizer.hold };
    if !hold.is_zero()
        && let Some(answer) = service.authorizations.get(&key, now)
    {
        return Ok(answer);
    }
    let broken = || faults::AUTHORIZER_CONFIGURATION.refuse();
    let function = function::arn(&authorizer.uri, &at.stage.variables).ok_or_else(broken)?;
    let event = if authorizer.token {
        json!({ "type": "TOKEN", "methodArn": arn, "authorizationToken": token })
    } else {
        let mut event = Map::new();
        event.insert("type".to_owned(), "REQUEST".into());
        event.insert("methodArn".to_owned(), arn.into());
        let (resource, variables) = (&at.resource.path, &at.stage.variables);
        event.extend(proxy::members_of(&proxy::Event::new(request, resource, variables, gateway_context)));
        for name in ["body", "isBase64Encoded"] {
            event.shift_remove(name);
        }
        for name in
            ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables"]
        {
            let value = event.entry(name).or_insert(Value::Null);
            if value.is_null() {
                *value = json!({});
            }
        }
        event.into()
    };
    let answer = match function::invoke(context, &function, event.to_string().into(), LIMIT).await {
        Ok(answer) if !answer.failed => answer.payload,
        Ok(answer) => {
            let error: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
            return Err(match error.get("errorMessage").and_then(Value::as_str) {
                Some("Unauthorized") => faults::UNAUTHORIZED.refuse(),
                _ => broken(),
            });
        }
        Err(function::Trouble::TimedOut) => return Err(faults::AUTHORIZER_FAILURE.refuse()),
        Err(function::Trouble::NotCalled(error)) => {
            tracing::warn!(%error, function, "an authorizer could not be called");
            return Err(broken());
        }
    };
    let answer = Authorization::policy(&answer).and_then(Authorization::with_text_context);
    let answer = Arc::new(answer.ok_or_else(broken)?);
    service.authorizations.put(key, now, hold, &answer);
    Ok(answer)
}
