//! `$context` of templates, and `requestContext` of events.
//!
//! Sources: "Variables for data transformations" and "Input format of a Lambda function for proxy integration".

use super::live::{Method, Resource, Stage};
use crate::gateway::signature::Signer;
use crate::gateway::{Place, Request, proxy};
use serde_json::{Map, Value, json};

/// Where a request has come to.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub place: &'a Place,
    pub stage: &'a Stage,
    pub resource: &'a Resource,
    pub method: &'a Method,
}

/// What is known of the caller.
#[derive(Default)]
pub(super) struct Caller {
    /// What the authorizer said.
    pub authorizer: Option<Map<String, Value>>,
    /// Who signed.
    pub signer: Option<Signer>,
    /// The API key's value and id.
    pub key: Option<(String, String)>,
    /// The key that the authorizer says the caller has.
    pub usage_key: Option<String>,
}

/// `arn:aws:execute-api:us-east-1:000000000000:abc/dev/GET/pets`
pub(super) fn method_arn(place: &Place, stage: &str, request: &Request) -> String {
    let (region, account, api) = (&place.region, &place.account, &place.api);
    let partition = region.partition();
    format!("arn:{partition}:execute-api:{region}:{account}:{api}/{stage}/{}{}", request.method, request.path)
}

/// The same with the resource's path in place of the request's: what many requests have in common.
pub(super) fn template_arn(at: At, request: &Request) -> String {
    let (region, account, api) = (&at.place.region, &at.place.account, &at.place.api);
    let (partition, stage) = (region.partition(), &at.stage.name);
    format!(
        "arn:{partition}:execute-api:{region}:{account}:{api}/{stage}/{}{}",
        request.method, at.resource.path
    )
}

/// The context of a request, as functions see it.
pub(super) fn request_context(at: At, request: &Request, caller: &Caller) -> Value {
    let mut identity = proxy::identity(request);
    let mut put = |name: &str, value: &str| drop(identity.insert(name.to_owned(), value.into()));
    if let Some(signer) = &caller.signer {
        let user = signer.arn.rsplit('/').next().unwrap_or_default();
        put("accessKey", &signer.access_key);
        put("accountId", &signer.account);
        put("caller", user);
        put("user", user);
        put("userArn", &signer.arn);
    }
    if let Some((value, id)) = &caller.key {
        put("apiKey", value);
        put("apiKeyId", id);
    }
    let mut context = json!({
        "resourceId": at.resource.id,
        "resourcePath": at.resource.path,
        "httpMethod": request.method.as_str(),
        "extendedRequestId": request.short_id,
        "requestTime": request.formatted_time(),
        "path": request.asked_path,
        "accountId": at.place.account.as_str(),
        "protocol": "HTTP/1.1",
        "stage": at.stage.name,
        "domainPrefix": at.place.api,
        "requestTimeEpoch": request.time.millis(),
        "requestId": request.id,
        "identity": identity,
        "domainName": request.domain,
        "deploymentId": at.stage.deployment,
        "apiId": at.place.api,
    });
    if let Some(operation) = &at.method.operation {
        context["operationName"] = operation.as_str().into();
    }
    if let Some(authorizer) = &caller.authorizer {
        context["authorizer"] = authorizer.clone().into();
    }
    context
}

/// The same for templates, where what is not known is empty and not `null`.
pub(super) fn template_context(mut context: Value) -> Value {
    if let Some(Value::Object(identity)) = context.get_mut("identity") {
        identity.values_mut().filter(|value| value.is_null()).for_each(|value| *value = "".into());
    }
    context
}
