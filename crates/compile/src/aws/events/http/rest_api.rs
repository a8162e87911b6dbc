//! The API itself.

use crate::aws::context::Context;
use crate::aws::naming::REST_API;
use crate::aws::values::{display, get, present, text};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Adds it, unless one that exists is used.
///
/// # Errors
/// `API_GATEWAY_INVALID_VPC_ENDPOINT_IDS_CONFIG`.
pub fn add(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let empty = Map::new();
    let settings = context.api_gateway().unwrap_or(&empty);
    if get(settings, "restApiId").is_some() {
        return Ok(());
    }
    let endpoint = endpoint(context)?;
    let policy = match settings.get("resourcePolicy") {
        Some(Value::Array(statements)) if !statements.is_empty() => {
            json!({ "Version": "2012-10-17", "Statement": statements })
        }
        Some(Value::Object(map)) if !map.is_empty() => json!({ "Version": "2012-10-17", "Statement": map }),
        // An empty policy takes away one that was there before.
        _ => json!(""),
    };
    let properties = json!({
        "Name": name(context, settings),
        "BinaryMediaTypes": get(settings, "binaryMediaTypes"),
        "DisableExecuteApiEndpoint": present(settings, "disableDefaultEndpoint"),
        "EndpointConfiguration": endpoint,
        "Policy": policy,
        "ApiKeySourceType": text(settings, "apiKeySourceType").map(str::to_uppercase),
        "MinimumCompressionSize": present(settings, "minimumCompressionSize"),
        "Description": get(settings, "description"),
    });
    context.merge(REST_API, json!({ "Type": "AWS::ApiGateway::RestApi", "Properties": properties }));
    Ok(())
}

fn name(context: &Context<'_>, settings: &Map<String, Value>) -> String {
    let (service, stage) = (&context.service.name, &context.service.stage);
    match get(context.provider, "apiName") {
        Some(name) => display(name),
        None if get(settings, "shouldStartNameWithService").is_some() => format!("{service}-{stage}"),
        None => format!("{stage}-{service}"),
    }
}

fn endpoint(context: &Context<'_>) -> Result<Value, Diagnostic> {
    let Some(kind) = get(context.provider, "endpointType").map(|kind| display(kind).to_uppercase()) else {
        return Ok(json!({ "Types": ["EDGE"] }));
    };
    let vpc_endpoints = get(context.provider, "vpcEndpointIds");
    if vpc_endpoints.is_some() && kind != "PRIVATE" {
        return Err(context
            .error(
                "API_GATEWAY_INVALID_VPC_ENDPOINT_IDS_CONFIG",
                "VPC endpoint IDs are only available for private APIs",
                "provider.vpcEndpointIds",
            )
            .help("set `endpointType: PRIVATE`, or remove `vpcEndpointIds`"));
    }
    Ok(json!({ "Types": [kind], "VpcEndpointIds": vpc_endpoints }))
}
