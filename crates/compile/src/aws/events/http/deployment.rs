//! The deployment, which is new each time, and the address of the API.

use super::api;
use crate::aws::context::Context;
use crate::aws::values::get;
use serde_json::json;

/// Adds them and says the deployment's logical id.
pub fn add(context: &mut Context<'_>, method_ids: Vec<String>) -> String {
    let id = format!("ApiGatewayDeployment{}", context.service.instance_id);
    let settings = context.api_gateway();
    let stage = settings
        .and_then(|settings| get(settings, "stage"))
        .cloned()
        .unwrap_or_else(|| json!(context.service.stage));
    let description = settings.and_then(|settings| get(settings, "description"));
    let resource = json!({
        "Type": "AWS::ApiGateway::Deployment",
        "Properties": { "RestApiId": api(context), "StageName": stage, "Description": description },
        "DependsOn": method_ids,
    });
    context.merge(id.clone(), resource);
    let address = json!([
        "https://", api(context), ".execute-api.", { "Ref": "AWS::Region" }, ".", { "Ref": "AWS::URLSuffix" },
        format!("/{}", context.service.stage),
    ]);
    let output =
        json!({ "Description": "URL of the service endpoint", "Value": { "Fn::Join": ["", address] } });
    context.output("ServiceEndpoint", output);
    id
}
