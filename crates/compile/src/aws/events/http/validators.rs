//! Request validation: required parameters and models of the body.

use super::api;
use super::event::Method;
use super::methods::required;
use super::resources::Resources;
use crate::aws::context::Context;
use crate::aws::naming;
use crate::aws::values::{at, display, get, object, present, truthy};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Adds the validator and the models, and names them in the methods.
pub fn add(
    context: &mut Context<'_>,
    methods: &[Method<'_>],
    resources: &Resources,
) -> Result<(), Diagnostic> {
    let validator = format!("ApiGateway{}RequestValidator", naming::plain(&context.service.name));
    for method in methods {
        let name = resources.name(&method.path);
        let requires = method
            .parameters()
            .is_some_and(|parameters| parameters.values().any(|value| truthy(Some(&required(value)))));
        let schemas = method.request.as_ref().and_then(|request| object(request, "schemas"));
        let mut models = Map::new();
        for (content_type, schema) in schemas.into_iter().flatten() {
            let model = model(context, method, &name, content_type, schema);
            models.insert(content_type.clone(), json!({ "Ref": model }));
        }
        if !requires && schemas.is_none_or(Map::is_empty) {
            continue;
        }
        add_validator(context, &validator);
        let id = naming::rest_method(&name, &method.method);
        if let Some(properties) =
            context.resources.get_mut(&id).and_then(|resource| resource.get_mut("Properties"))
        {
            properties["RequestValidatorId"] = json!({ "Ref": validator });
            if !models.is_empty() {
                properties["RequestModels"] = Value::Object(models);
            }
        }
    }
    Ok(())
}

fn add_validator(context: &mut Context<'_>, id: &str) {
    let service = context.service;
    let name =
        format!("{}-{} | Validate request body and querystring parameters", service.name, service.stage);
    let resource = json!({
        "Type": "AWS::ApiGateway::RequestValidator",
        "Properties": {
            "RestApiId": api(context),
            "ValidateRequestBody": true,
            "ValidateRequestParameters": true,
            "Name": name,
        },
    });
    context.put(id, resource);
}

/// Adds a model and says its logical id.
fn model(
    context: &mut Context<'_>,
    method: &Method<'_>,
    name: &str,
    content_type: &str,
    schema: &Value,
) -> String {
    let shared = (!schema.is_object())
        .then(|| {
            context.api_gateway().and_then(|settings| at(settings, &["request", "schemas", &display(schema)]))
        })
        .flatten();
    if let Some(shared) = shared.filter(|shared| truthy(Some(shared))) {
        let id = naming::provider_model(&display(schema));
        let resource = model_resource(json!({ "Ref": naming::REST_API }), "application/json", shared);
        context.put(id.clone(), resource);
        return id;
    }
    let id = naming::endpoint_model(name, &method.method, content_type);
    let resource = model_resource(api(context), content_type, schema);
    context.put(id.clone(), resource);
    id
}

/// The schema itself, or settings with the schema among them.
fn model_resource(api: Value, content_type: &str, config: &Value) -> Value {
    let settings = config.as_object().filter(|settings| get(settings, "schema").is_some());
    let schema = settings.and_then(|settings| settings.get("schema")).unwrap_or(config);
    let setting = |key: &str| settings.and_then(|settings| present(settings, key));
    json!({
        "Type": "AWS::ApiGateway::Model",
        "Properties": {
            "RestApiId": api,
            "ContentType": content_type,
            "Schema": schema,
            "Name": setting("name"),
            "Description": setting("description"),
        },
    })
}
