//! Authorizers of the REST API.

use super::api;
use super::event::Method;
use crate::aws::context::{Context, Event};
use crate::aws::naming;
use crate::aws::values::{display, get, present};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Who decides whether a method may be called.
pub struct Authorizer {
    pub kind: Option<String>,
    pub name: String,
    /// Of the function or user pool; none when the authorizer exists already.
    pub arn: Option<Value>,
    /// Of an authorizer that exists already.
    pub id: Option<Value>,
    /// The alias of its function.
    alias: Option<String>,
    pub managed_externally: bool,
    result_ttl: Option<i64>,
    identity_source: Option<Value>,
    validation: Option<Value>,
    pub claims: Vec<Value>,
    pub scopes: Option<Value>,
}

impl Authorizer {
    /// Reads `authorizer` of an event.
    ///
    /// # Errors
    /// When neither a function nor an ARN is named, or its name is missing.
    pub fn read(
        context: &Context<'_>,
        event: Event<'_>,
        value: &Value,
        integration: &str,
    ) -> Result<Self, Diagnostic> {
        let mut made = Self {
            kind: None,
            name: String::new(),
            arn: None,
            id: None,
            alias: None,
            managed_externally: false,
            result_ttl: None,
            identity_source: None,
            validation: None,
            claims: Vec::new(),
            scopes: None,
        };
        let path = format!("{}.authorizer", event.path());
        let function = match value {
            Value::Object(settings) => made.read_settings(context, settings, &path)?,
            other => made.read_text(&display(other)),
        };
        if let Some(function) = function {
            context.function(&function, &path)?;
            made.arn = Some(context.target(&function));
            made.alias = context.alias_id(&function);
            made.name = function;
        }
        let uncached_request = made.is_kind("REQUEST") && made.result_ttl == Some(0);
        if made.identity_source.is_none() && !uncached_request {
            made.identity_source = Some(json!("method.request.header.Authorization"));
        }
        let user_pool = made.arn.as_ref().and_then(Value::as_str).is_some_and(is_user_pool);
        if integration == "AWS_PROXY" && user_pool && !made.claims.is_empty() {
            return Err(context
                .error(
                    "API_GATEWAY_INVALID_COGNITO_CLAIMS",
                    "Cognito claims can only be filtered when using the lambda integration type",
                    &format!("{path}.claims"),
                )
                .help(
                    "add `integration: lambda`, or remove `claims`; a proxy integration passes all of them",
                ));
        }
        Ok(made)
    }

    /// Says the function's key when it is one.
    fn read_text(&mut self, text: &str) -> Option<String> {
        if text.eq_ignore_ascii_case("AWS_IAM") {
            self.kind = Some("AWS_IAM".to_owned());
            None
        } else if text.contains(':') {
            self.arn = Some(json!(text));
            self.name = name_in_arn(text);
            None
        } else {
            Some(text.to_owned())
        }
    }

    fn read_settings(
        &mut self,
        context: &Context<'_>,
        settings: &Map<String, Value>,
        path: &str,
    ) -> Result<Option<String>, Diagnostic> {
        let kind = get(settings, "type").map(display);
        let is = |wanted: &str| kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted));
        let mut function = None;
        if let Some(id) = get(settings, "authorizerId").filter(|_| kind.is_some()) {
            self.id = Some(id.clone());
        } else if is("AWS_IAM") {
            self.kind = Some("AWS_IAM".to_owned());
        } else if let Some(arn) = get(settings, "arn") {
            self.name = match (settings.get("name").and_then(Value::as_str), arn.as_str()) {
                (Some(name), _) => name.to_owned(),
                (None, Some(arn)) => name_in_arn(arn),
                (None, None) => {
                    return Err(context
                        .error(
                            "API_GATEWAY_MISSING_AUTHORIZER_NAME",
                            "Please provide an authorizer name for authorizers of type COGNITO_USER_POOLS",
                            path,
                        )
                        .help("add `name:`"));
                }
            };
            self.arn = Some(arn.clone());
        } else if let Some(name) = get(settings, "name") {
            function = Some(display(name));
        } else {
            return Err(context
                .error(
                    "API_GATEWAY_MISSING_AUTHORIZER_NAME_OR_ARN",
                    "Please provide either an authorizer name or ARN",
                    path,
                )
                .help("add `name:` of a function of this service, or `arn:`"));
        }
        self.kind = self.kind.take().or(kind);
        let ttl =
            present(settings, "resultTtlInSeconds").map(display).and_then(|text| text.parse::<f64>().ok());
        self.result_ttl = Some(ttl.map_or(300, |ttl| ttl as i64));
        self.claims = get(settings, "claims").and_then(Value::as_array).cloned().unwrap_or_default();
        self.scopes = get(settings, "scopes").cloned();
        self.identity_source = get(settings, "identitySource").cloned();
        self.validation = present(settings, "identityValidationExpression").cloned();
        self.managed_externally = get(settings, "managedExternally").is_some();
        Ok(function)
    }

    fn is_kind(&self, wanted: &str) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted))
    }

    /// Whether a user pool decides.
    pub fn is_user_pool(&self) -> bool {
        self.is_kind("COGNITO_USER_POOLS")
            || self.arn.as_ref().and_then(Value::as_str).is_some_and(is_user_pool)
    }

    /// What a method says about it.
    pub fn of_method(&self) -> Value {
        let scopes =
            || self.scopes.as_ref().filter(|scopes| scopes.as_array().is_some_and(|list| !list.is_empty()));
        if self.kind.as_deref() == Some("AWS_IAM") {
            return json!({ "Properties": { "AuthorizationType": "AWS_IAM" } });
        }
        if let Some(id) = &self.id {
            let custom = self.is_kind("TOKEN") || self.is_kind("REQUEST");
            let kind = if custom { Some("CUSTOM") } else { self.kind.as_deref() };
            let scopes = if self.is_kind("COGNITO_USER_POOLS") { scopes() } else { None };
            return json!({
                "Properties": { "AuthorizationType": kind, "AuthorizerId": id, "AuthorizationScopes": scopes },
            });
        }
        let id = naming::rest_authorizer(&self.name);
        let (kind, scopes) =
            if self.is_user_pool() { ("COGNITO_USER_POOLS", scopes()) } else { ("CUSTOM", None) };
        json!({
            "Properties": { "AuthorizationType": kind, "AuthorizerId": { "Ref": id }, "AuthorizationScopes": scopes },
            "DependsOn": [id],
        })
    }

    /// What its permission names: the alias's version when there is one.
    pub fn permission_target(&self) -> Option<Value> {
        match &self.alias {
            Some(alias) => Some(json!({ "Ref": alias })),
            None => self.arn.clone(),
        }
    }
}

fn is_user_pool(arn: &str) -> bool {
    arn.strip_prefix("arn:").is_some_and(|rest| {
        let partition: String = rest
            .chars()
            .take_while(|character| character.is_ascii_alphabetic() || *character == '-')
            .collect();
        rest[partition.len()..].starts_with(":cognito-idp")
    })
}

/// The last word of the function's name, which is the function's key by default.
fn name_in_arn(arn: &str) -> String {
    let name = arn.rsplit(':').next().unwrap_or(arn);
    name.rsplit('-').next().unwrap_or(name).to_owned()
}

/// Adds the authorizers of all methods.
pub fn add(context: &mut Context<'_>, methods: &[Method<'_>]) {
    for authorizer in methods.iter().filter_map(|method| method.authorizer.as_ref()) {
        let Some(arn) = &authorizer.arn else { continue };
        let mut properties = json!({
            "AuthorizerResultTtlInSeconds": authorizer.result_ttl,
            "IdentitySource": authorizer.identity_source,
            "Name": authorizer.name,
            "RestApiId": api(context),
            "IdentityValidationExpression": authorizer.validation.as_ref().filter(|value| value.is_string()),
        });
        if authorizer.is_user_pool() {
            properties["Type"] = json!("COGNITO_USER_POOLS");
            properties["ProviderARNs"] = json!([arn]);
        } else {
            properties["AuthorizerUri"] = json!({
                "Fn::Join": ["", [
                    "arn:", { "Ref": "AWS::Partition" }, ":apigateway:", { "Ref": "AWS::Region" },
                    ":lambda:path/2015-03-31/functions/", arn, "/invocations",
                ]],
            });
            properties["Type"] =
                json!(authorizer.kind.as_ref().map_or("TOKEN".to_owned(), |kind| kind.to_uppercase()));
        }
        context.merge(
            naming::rest_authorizer(&authorizer.name),
            json!({
                "Type": "AWS::ApiGateway::Authorizer",
                "DependsOn": authorizer.alias,
                "Properties": properties,
            }),
        );
    }
}
