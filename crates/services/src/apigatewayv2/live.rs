//! An API made ready for requests: its stages, each with a table of routes in order of precedence.

use super::{DOCUMENTS, integrations, routes, stages};
use crate::gateway::documents::{list, map, text, truth};
use crate::gateway::{Document, Pattern, Place};
use aloft_store::{Snapshot, StoreError};
use http::Method;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// An API.
pub(super) struct Api {
    pub place: Place,
    /// Whether it answers at its own address at all.
    pub enabled: bool,
    pub cors: Option<Document>,
    pub stages: HashMap<String, Stage>,
}

/// A stage.
pub(super) struct Stage {
    pub name: String,
    pub variables: Map<String, Value>,
    pub routes: Arc<Table>,
}

/// Routes, the most specific first.
pub(super) struct Table {
    routes: Vec<(Pattern, Route)>,
    default: Option<Route>,
}

/// A route.
pub(super) struct Route {
    /// `GET /pets/{id}`
    pub key: String,
    /// Nothing for any method.
    method: Option<Method>,
    pub authorization: Authorization,
    /// Nothing when the route leads nowhere.
    pub integration: Option<Integration>,
}

/// Who may call a route.
pub(super) enum Authorization {
    /// Everybody.
    None,
    /// Whoever has signed.
    Iam,
    /// Whoever the function lets in.
    Function(Arc<Authorizer>),
    /// Whoever has a token of an issuer, with one of these scopes when there are any.
    Token(Arc<Authorizer>, Vec<String>),
    /// Nobody: its authorizer is gone.
    Broken,
}

/// A function that decides, or an issuer of tokens.
pub(super) struct Authorizer {
    pub id: String,
    pub uri: String,
    /// Whose tokens, and for whom they must be; nothing when a function decides.
    pub issuer: Option<(String, Vec<String>)>,
    pub identity: Vec<String>,
    /// Payload format 2.0, and not 1.0.
    pub second_format: bool,
    pub simple_responses: bool,
    pub hold: Duration,
}

/// What answers.
pub(super) struct Integration {
    pub is_function: bool,
    pub uri: String,
    /// Nothing for the method of the request.
    pub method: Option<Method>,
    /// Payload format 2.0, and not 1.0.
    pub second_format: bool,
    pub limit: Duration,
}

impl Api {
    /// Reads an API.
    pub fn prepare(snapshot: &Snapshot, place: &Place) -> Result<Self, StoreError> {
        let api = DOCUMENTS.get(snapshot, place, "Api", "")?.unwrap_or_default();
        let mut now: Option<Arc<Table>> = None;
        let mut ready = HashMap::new();
        for stage in DOCUMENTS.list(snapshot, place, stages::KIND.name)? {
            let table = match (&now, truth(&stage, "AutoDeploy")) {
                (Some(table), true) => table.clone(),
                (None, true) => {
                    let mut copy = Document::new();
                    for kind in stages::COPIED {
                        let documents = DOCUMENTS.list(snapshot, place, kind.name)?;
                        copy.insert(kind.name.to_owned(), documents.into_iter().map(Value::Object).collect());
                    }
                    now.insert(Arc::new(Table::of(&copy))).clone()
                }
                (_, false) => {
                    let deployment = text(&stage, "DeploymentId");
                    let copy = DOCUMENTS.get(snapshot, place, stages::SNAPSHOT, deployment)?;
                    Arc::new(Table::of(&copy.unwrap_or_default()))
                }
            };
            let name = text(&stage, "StageName").to_owned();
            let variables = map(&stage, "StageVariables");
            ready.insert(name.clone(), Stage { name, variables, routes: table });
        }
        Ok(Self {
            place: place.clone(),
            enabled: !truth(&api, "DisableExecuteApiEndpoint"),
            cors: api.get("CorsConfiguration").and_then(Value::as_object).cloned(),
            stages: ready,
        })
    }

    /// The stage that a path belongs to, and the path below it: the first segment is a stage when there is one of that
    /// name.
    pub fn stage<'a>(&self, path: &'a str) -> Option<(&Stage, &'a str)> {
        let (first, rest) = crate::gateway::address::split_stage(path);
        let named = self.stages.get(first).filter(|stage| stage.name != "$default");
        named.map(|stage| (stage, rest)).or_else(|| Some((self.stages.get("$default")?, path)))
    }
}

fn documents<'a>(copy: &'a Document, kind: &str) -> impl Iterator<Item = &'a Document> {
    copy.get(kind).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

impl Table {
    fn of(copy: &Document) -> Self {
        let authorizers: HashMap<&str, Arc<Authorizer>> = documents(copy, super::authorizers::KIND.name)
            .map(|document| (text(document, "AuthorizerId"), Arc::new(Authorizer::of(document))))
            .collect();
        let integrations: HashMap<&str, &Document> = documents(copy, integrations::KIND.name)
            .map(|document| (text(document, "IntegrationId"), document))
            .collect();
        let mut table = Self { routes: Vec::new(), default: None };
        for document in documents(copy, routes::KIND.name) {
            let key = text(document, "RouteKey").to_owned();
            let target = text(document, "Target").strip_prefix("integrations/").unwrap_or_default();
            let authorization = match text(document, "AuthorizationType") {
                "NONE" | "" => Authorization::None,
                "AWS_IAM" => Authorization::Iam,
                _ => match authorizers.get(text(document, "AuthorizerId")) {
                    Some(authorizer) if authorizer.issuer.is_some() => {
                        Authorization::Token(authorizer.clone(), list(document, "AuthorizationScopes"))
                    }
                    Some(authorizer) => Authorization::Function(authorizer.clone()),
                    None => Authorization::Broken,
                },
            };
            let integration = integrations.get(target).map(|document| Integration::of(document));
            let (method, path) = key.split_once(' ').unwrap_or_default();
            let method = Method::from_bytes(method.as_bytes()).ok().filter(|method| method.as_str() != "ANY");
            let pattern = Pattern::new(path);
            let is_default = key == "$default";
            let route = Route { key, method, authorization, integration };
            if is_default {
                table.default = Some(route);
            } else {
                table.routes.push((pattern, route));
            }
        }
        // A full match comes before a greedy one, a method before any.
        table.routes.sort_by(|(a, one), (b, other)| {
            (a.is_greedy(), a, one.method.is_none()).cmp(&(b.is_greedy(), b, other.method.is_none()))
        });
        table
    }

    /// The route for a method and the decoded segments of a path, with the values of its variables.
    pub fn find(&self, method: &Method, path: &[String]) -> Option<(&Route, Map<String, Value>)> {
        let found = self.routes.iter().find_map(|(pattern, route)| {
            let fits = route.method.as_ref().is_none_or(|expected| expected == method);
            if fits { Some((route, pattern.matches(path)?)) } else { None }
        });
        found.or_else(|| Some((self.default.as_ref()?, Map::new())))
    }
}

impl Authorizer {
    fn of(document: &Document) -> Self {
        let second_format = text(document, "AuthorizerPayloadFormatVersion") == "2.0";
        let hold = document.get("AuthorizerResultTtlInSeconds").and_then(Value::as_u64).unwrap_or_default();
        Self {
            id: text(document, "AuthorizerId").to_owned(),
            uri: text(document, "AuthorizerUri").to_owned(),
            issuer: document
                .get("JwtConfiguration")
                .and_then(Value::as_object)
                .filter(|_| text(document, "AuthorizerType") == "JWT")
                .map(|settings| (text(settings, "Issuer").to_owned(), list(settings, "Audience"))),
            identity: list(document, "IdentitySource"),
            second_format,
            simple_responses: second_format && truth(document, "EnableSimpleResponses"),
            hold: Duration::from_secs(hold),
        }
    }
}

impl Integration {
    fn of(document: &Document) -> Self {
        let method = text(document, "IntegrationMethod");
        let limit = document.get("TimeoutInMillis").and_then(Value::as_u64).unwrap_or(30_000);
        Self {
            is_function: text(document, "IntegrationType") == "AWS_PROXY",
            uri: text(document, "IntegrationUri").to_owned(),
            method: Method::from_bytes(method.as_bytes()).ok().filter(|method| method.as_str() != "ANY"),
            second_format: text(document, "PayloadFormatVersion") == "2.0",
            limit: Duration::from_millis(limit),
        }
    }
}
