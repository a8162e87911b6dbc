//! CloudFormation resources of gateways: properties become the input of the operation of the same name.
//!
//! A creation passes `resource.token` along, of which the new id is made: so one that is retried finds what it made before.

use crate::properties;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait, differs,
};
use serde_json::{Map, Value};

/// The member of a creation's input that its id is made of. No request from outside can carry it.
pub(crate) const TOKEN: &str = "$token";

/// The id for a new resource: of the creation's token, or random.
pub(crate) fn new_id(context: &Context, input: &mut Map<String, Value>, length: usize) -> String {
    match input.remove(TOKEN) {
        Some(Value::String(token)) => token.to_lowercase().chars().take(length).collect(),
        _ => context.ids().lower(length),
    }
}

/// A resource whose properties are the members of `Create...` and `Update...`.
pub(crate) struct Handler {
    /// The service's name.
    pub service: &'static str,
    /// `Route` of `CreateRoute`
    pub kind: &'static str,
    /// The member that is the physical id.
    pub id: &'static str,
    /// The members that say where it is; those of a deletion.
    pub parents: &'static [&'static str],
    /// The properties that cannot change.
    pub fixed: &'static [&'static str],
    /// The properties that a creation takes and an update does not.
    pub only_create: &'static [&'static str],
    /// The attributes beside the id: names of members.
    pub attributes: &'static [&'static str],
}

/// Properties that are truths and numbers, by their names in either service.
const TRUTHS: &[&str] = &[
    "AllowCredentials",
    "ApiKeyRequired",
    "AutoDeploy",
    "CacheClusterEnabled",
    "CacheDataEncrypted",
    "CachingEnabled",
    "DataTraceEnabled",
    "DetailedMetricsEnabled",
    "DisableExecuteApiEndpoint",
    "DisableSchemaValidation",
    "EnableSimpleResponses",
    "Enabled",
    "GenerateDistinctId",
    "InsecureSkipVerification",
    "MetricsEnabled",
    "TracingEnabled",
    "ValidateRequestBody",
    "ValidateRequestParameters",
];
const NUMBERS: &[&str] = &[
    "AuthorizerResultTtlInSeconds",
    "BurstLimit",
    "CacheTtlInSeconds",
    "Limit",
    "MaxAge",
    "MinimumCompressionSize",
    "Offset",
    "RateLimit",
    "ThrottlingBurstLimit",
    "ThrottlingRateLimit",
    "TimeoutInMillis",
];
/// Properties with the user's own names in them.
const MAPS: &[&str] = &[
    "RequestModels",
    "RequestParameters",
    "RequestTemplates",
    "ResponseModels",
    "ResponseParameters",
    "ResponseTemplates",
    "StageVariables",
    "Tags",
    "Variables",
];

/// Properties with values of the right kind and names by `rename`.
pub(crate) fn read(properties: &Value, rename: fn(&str) -> String) -> Map<String, Value> {
    let members = properties.as_object().into_iter().flatten();
    members
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (rename(name), member(name, value, rename)))
        .collect()
}

fn member(name: &str, value: &Value, rename: fn(&str) -> String) -> Value {
    match value {
        Value::String(text) if TRUTHS.contains(&name) => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => value.clone(),
        },
        Value::String(text) if NUMBERS.contains(&name) => match text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => text.parse::<f64>().map_or_else(|_| value.clone(), Into::into),
        },
        Value::Object(map) if MAPS.contains(&name) => {
            let scalar = |value: &Value| match value {
                Value::Number(_) => value.to_string().into(),
                _ => value.clone(),
            };
            map.iter().map(|(key, value)| (key.clone(), scalar(value))).collect::<Map<_, _>>().into()
        }
        Value::Object(_) => read(value, rename).into(),
        Value::Array(items) => items.iter().map(|item| member("", item, rename)).collect(),
        Value::Number(_) if !NUMBERS.contains(&name) && !name.is_empty() => value.to_string().into(),
        _ => value.clone(),
    }
}

/// Names as they are.
pub(crate) fn unchanged(name: &str) -> String {
    name.to_owned()
}

/// `restApiId` of `RestApiId`
pub(crate) fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

/// A resource with attributes of an operation's answer.
pub(crate) fn describe(answer: &Value, id: &str, attributes: &[&str]) -> Resource {
    let attribute = |name: &&str| Some(((*name).to_owned(), answer.get(*name)?.clone()));
    Resource {
        physical_id: properties::text(answer, id).unwrap_or_default(),
        attributes: attributes.iter().chain([&id]).filter_map(attribute).collect(),
    }
}

/// That something is gone already is no error of a deletion.
pub(crate) fn unless_gone(result: Result<Value, ServiceError>) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.status != 404 => Err(error),
        _ => Ok(()),
    }
}

impl Handler {
    /// The stack's tags with the resource's own over them, for what has tags.
    fn add_tags(&self, resource: &ResourceContext, input: &mut Map<String, Value>) {
        if matches!(self.kind, "Api" | "Stage") {
            let mut tags = resource.tags.clone();
            tags.extend(input.get("Tags").and_then(Value::as_object).cloned().unwrap_or_default());
            input.insert("Tags".to_owned(), tags.into());
        }
    }
}

#[async_trait]
impl ResourceHandler for Handler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let mut input = read(properties, unchanged);
        input.insert(TOKEN.to_owned(), resource.token.as_str().into());
        self.add_tags(resource, &mut input);
        let operation = format!("Create{}", self.kind);
        let answer = resource.context.call(self.service, &operation, input.into()).await?;
        Ok(describe(&answer, self.id, self.attributes))
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, self.parents) || differs(old, new, self.fixed) {
            return Ok(Update::Replace);
        }
        let mut input = read(new, unchanged);
        input.retain(|name, _| !self.only_create.contains(&name.as_str()));
        // What the template no longer says is taken away: an empty value says so to the operation.
        for name in read(old, unchanged).keys() {
            if !self.only_create.contains(&name.as_str()) {
                input.entry(name.clone()).or_insert(Value::Null);
            }
        }
        self.add_tags(resource, &mut input);
        input.insert(self.id.to_owned(), physical_id.into());
        let operation = format!("Update{}", self.kind);
        let answer = resource.context.call(self.service, &operation, input.into()).await?;
        Ok(Update::InPlace(describe(&answer, self.id, self.attributes)))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let mut input: Map<String, Value> = self
            .parents
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), properties.get(*name)?.clone())))
            .collect();
        input.insert(self.id.to_owned(), physical_id.into());
        let operation = format!("Delete{}", self.kind);
        unless_gone(resource.context.call(self.service, &operation, input.into()).await)
    }
}
