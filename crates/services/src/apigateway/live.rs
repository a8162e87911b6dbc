//! An API made ready for requests: its stages, each with what its deployment was.

use super::mapping::whole_text;
use super::{DOCUMENTS, deployments};
use crate::gateway::documents::{list, map, text, texts, truth};
use crate::gateway::proxy::read_status;
use crate::gateway::request::{Pairs, media_type};
use crate::gateway::{Document, Pattern, Place};
use aloft_lang::policy::Policy;
use aloft_store::{Snapshot, StoreError};
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// An API.
pub(super) struct Api {
    pub place: Place,
    /// Whether it answers at its own address at all.
    pub enabled: bool,
    pub stages: HashMap<String, Stage>,
}

/// A stage.
pub(super) struct Stage {
    pub name: String,
    pub variables: Map<String, Value>,
    pub deployment: String,
    pub content: Arc<Content>,
}

/// What was deployed.
#[derive(Default)]
pub(super) struct Content {
    /// The most specific first.
    resources: Vec<(Pattern, Resource)>,
    authorizers: HashMap<String, Authorizer>,
    pub responses: HashMap<String, GatewayResponse>,
    /// Media types of bodies that are no text.
    binary: Vec<String>,
    /// Whether an authorizer says which API key the caller has.
    pub key_from_authorizer: bool,
    /// Who may call the API at all.
    pub policy: Option<Policy>,
}

/// A resource.
pub(super) struct Resource {
    pub id: String,
    pub path: String,
    methods: HashMap<String, Method>,
}

/// A method.
pub(super) struct Method {
    pub authorization: String,
    pub authorizer: String,
    pub key_required: bool,
    pub operation: Option<String>,
    /// The parameters, and whether they must be there.
    pub parameters: Vec<(String, bool)>,
    pub validates_parameters: bool,
    pub validates_body: bool,
    /// The schemas of bodies, by media type.
    pub schemas: Vec<(String, Value)>,
    pub integration: Option<Integration>,
}

/// A function that decides.
pub(super) struct Authorizer {
    pub id: String,
    /// Told a token only, and not the whole request.
    pub token: bool,
    pub uri: String,
    pub identity: Vec<String>,
    pub validation: Option<Regex>,
    pub hold: Duration,
}

/// How a refusal is worded.
pub(super) struct GatewayResponse {
    pub status: Option<u16>,
    pub parameters: Pairs,
    pub templates: Pairs,
}

/// What answers.
pub(super) struct Integration {
    pub kind: Kind,
    pub uri: String,
    pub method: String,
    pub parameters: Pairs,
    pub templates: Pairs,
    pub passthrough: Passthrough,
    pub conversion: Conversion,
    pub limit: Duration,
    pub responses: Vec<IntegrationResponse>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Aws,
    AwsProxy,
    Http,
    HttpProxy,
    Mock,
}

/// What becomes of a body that no template is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Passthrough {
    WhenNoMatch,
    WhenNoTemplates,
    Never,
}

/// What becomes of a body's bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Conversion {
    None,
    ToText,
    ToBinary,
}

/// What an integration's answer is turned into.
pub(super) struct IntegrationResponse {
    pub status: u16,
    /// Nothing for the one that is taken when no other is.
    pub pattern: Option<Regex>,
    pub parameters: Pairs,
    pub templates: Pairs,
    pub conversion: Conversion,
}

impl Api {
    /// Reads an API with the deployments of its stages.
    pub fn prepare(snapshot: &Snapshot, place: &Place) -> Result<Self, StoreError> {
        let api = DOCUMENTS.get(snapshot, place, "api", "")?.unwrap_or_default();
        let mut contents: HashMap<String, Arc<Content>> = HashMap::new();
        let mut stages = HashMap::new();
        for stage in DOCUMENTS.list(snapshot, place, "stage")? {
            let deployment = text(&stage, "deploymentId").to_owned();
            let content = match contents.get(&deployment) {
                Some(content) => content.clone(),
                None => {
                    let copy = DOCUMENTS.get(snapshot, place, deployments::SNAPSHOT, &deployment)?;
                    Arc::new(Content::of(&copy.unwrap_or_default()))
                }
            };
            contents.insert(deployment.clone(), content.clone());
            let name = text(&stage, "stageName").to_owned();
            let variables = map(&stage, "variables");
            stages.insert(name.clone(), Stage { name, variables, deployment, content });
        }
        Ok(Self { place: place.clone(), enabled: !truth(&api, "disableExecuteApiEndpoint"), stages })
    }
}

fn documents<'a>(copy: &'a Document, kind: &str) -> impl Iterator<Item = &'a Document> {
    copy.get(kind).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

impl Content {
    fn of(copy: &Document) -> Self {
        let api = map(copy, "api");
        let validators: HashMap<&str, &Document> =
            documents(copy, "validator").map(|document| (text(document, "id"), document)).collect();
        let models: HashMap<&str, &str> = documents(copy, "model")
            .map(|document| (text(document, "name"), text(document, "schema")))
            .collect();
        let mut resources: Vec<(Pattern, Resource)> = documents(copy, "resource")
            .map(|document| {
                let methods = map(document, "resourceMethods");
                let methods = methods.iter().filter_map(|(verb, method)| {
                    Some((verb.clone(), Method::of(method.as_object()?, &validators, &models)))
                });
                let path = text(document, "path").to_owned();
                let id = text(document, "id").to_owned();
                (Pattern::new(&path), Resource { id, path, methods: methods.collect() })
            })
            .collect();
        resources.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self {
            resources,
            authorizers: documents(copy, "authorizer")
                .map(|document| (text(document, "id").to_owned(), Authorizer::of(document)))
                .collect(),
            responses: documents(copy, "response")
                .map(|document| (text(document, "responseType").to_owned(), GatewayResponse::of(document)))
                .collect(),
            binary: list(&api, "binaryMediaTypes").iter().map(|name| name.to_ascii_lowercase()).collect(),
            key_from_authorizer: text(&api, "apiKeySource") == "AUTHORIZER",
            policy: Policy::parse_text(text(&api, "policy")).ok(),
        }
    }

    /// The resource for the decoded segments of a path, with the values of its variables. A slash at the end does not
    /// count, unless a greedy variable takes it.
    pub fn find(&self, path: &[String]) -> Option<(&Resource, Map<String, Value>)> {
        let search = |path: &[String], greedy: bool| {
            let allowed = self.resources.iter().filter(|(pattern, _)| greedy || !pattern.is_greedy());
            allowed.into_iter().find_map(|(pattern, resource)| Some((resource, pattern.matches(path)?)))
        };
        match path.split_last() {
            Some((last, rest)) if last.is_empty() => search(rest, false).or_else(|| search(path, true)),
            _ => search(path, true),
        }
    }

    pub fn authorizer(&self, id: &str) -> Option<&Authorizer> {
        self.authorizers.get(id)
    }

    /// Whether bodies of that media type are bytes and no text.
    pub fn is_binary(&self, header: Option<&str>) -> bool {
        let media_type = header.map(media_type).unwrap_or_default();
        self.binary.iter().any(|binary| {
            binary == "*/*"
                || *binary == media_type
                || binary.strip_suffix("/*").is_some_and(|kind| {
                    media_type.split_once('/').is_some_and(|(media_kind, _)| media_kind == kind)
                })
        })
    }

    /// Whether a client that accepts that wants bytes: the first of its types decides.
    pub fn wants_binary(&self, accept: Option<&str>) -> bool {
        self.binary.iter().any(|binary| binary == "*/*")
            || self.is_binary(accept.and_then(|accept| accept.split(',').next()))
    }
}

impl Resource {
    /// The method for a verb, or the one for any.
    pub fn method(&self, verb: &str) -> Option<&Method> {
        self.methods.get(verb).or_else(|| self.methods.get("ANY"))
    }
}

impl Method {
    fn of(document: &Document, validators: &HashMap<&str, &Document>, models: &HashMap<&str, &str>) -> Self {
        let validator = validators.get(text(document, "requestValidatorId"));
        let schema = |model: &str| serde_json::from_str(models.get(model)?).ok();
        Self {
            authorization: text(document, "authorizationType").to_owned(),
            authorizer: text(document, "authorizerId").to_owned(),
            key_required: truth(document, "apiKeyRequired"),
            operation: document.get("operationName").and_then(Value::as_str).map(str::to_owned),
            parameters: texts(document, "requestParameters")
                .into_iter()
                .map(|(name, required)| (name, required == "true"))
                .collect(),
            validates_parameters: validator.is_some_and(|one| truth(one, "validateRequestParameters")),
            validates_body: validator.is_some_and(|one| truth(one, "validateRequestBody")),
            schemas: texts(document, "requestModels")
                .into_iter()
                .filter_map(|(media_type, model)| Some((media_type.to_ascii_lowercase(), schema(&model)?)))
                .collect(),
            integration: document.get("methodIntegration").and_then(Value::as_object).map(Integration::of),
        }
    }
}

impl Authorizer {
    fn of(document: &Document) -> Self {
        let hold = document.get("authorizerResultTtlInSeconds").and_then(Value::as_u64).unwrap_or(300);
        let validation = text(document, "identityValidationExpression");
        let identity = text(document, "identitySource").split(',').map(str::trim);
        Self {
            id: text(document, "id").to_owned(),
            token: text(document, "type") == "TOKEN",
            uri: text(document, "authorizerUri").to_owned(),
            identity: identity.filter(|source| !source.is_empty()).map(str::to_owned).collect(),
            validation: if validation.is_empty() { None } else { whole_text(validation) },
            hold: Duration::from_secs(hold),
        }
    }
}

impl GatewayResponse {
    fn of(document: &Document) -> Self {
        Self {
            status: document.get("statusCode").and_then(read_status),
            parameters: texts(document, "responseParameters"),
            templates: texts(document, "responseTemplates"),
        }
    }
}

fn conversion(document: &Document) -> Conversion {
    match text(document, "contentHandling") {
        "CONVERT_TO_TEXT" => Conversion::ToText,
        "CONVERT_TO_BINARY" => Conversion::ToBinary,
        _ => Conversion::None,
    }
}

impl Integration {
    fn of(document: &Document) -> Self {
        let responses = map(document, "integrationResponses");
        let limit = document.get("timeoutInMillis").and_then(Value::as_u64).unwrap_or(29_000);
        Self {
            kind: match text(document, "type") {
                "AWS" => Kind::Aws,
                "AWS_PROXY" => Kind::AwsProxy,
                "HTTP" => Kind::Http,
                "HTTP_PROXY" => Kind::HttpProxy,
                _ => Kind::Mock,
            },
            uri: text(document, "uri").to_owned(),
            method: text(document, "httpMethod").to_owned(),
            parameters: texts(document, "requestParameters"),
            templates: texts(document, "requestTemplates"),
            passthrough: match text(document, "passthroughBehavior") {
                "NEVER" => Passthrough::Never,
                "WHEN_NO_TEMPLATES" => Passthrough::WhenNoTemplates,
                _ => Passthrough::WhenNoMatch,
            },
            conversion: conversion(document),
            limit: Duration::from_millis(limit),
            responses: responses
                .iter()
                .filter_map(|(_, response)| IntegrationResponse::of(response.as_object()?))
                .collect(),
        }
    }
}

impl IntegrationResponse {
    fn of(document: &Document) -> Option<Self> {
        let pattern = text(document, "selectionPattern");
        Some(Self {
            status: read_status(document.get("statusCode")?)?,
            pattern: if pattern.is_empty() { None } else { whole_text(pattern) },
            parameters: texts(document, "responseParameters"),
            templates: texts(document, "responseTemplates"),
            conversion: conversion(document),
        })
    }
}
