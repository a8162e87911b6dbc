//! What all steps of compiling read and write: the service, its functions and events, the template as it grows.
//!
//! Keeps true: one pass over the service finds all events, and a resource is reached by its id, so that compiling is linear in
//! the number of functions and events.

use super::naming;
use super::values::{at, get, object, present, text, truthy};
use crate::CompileOptions;
use aloft_config::Service;
use aloft_diag::Diagnostic;
use aloft_package::Artifacts;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// The template and everything that goes into it.
pub struct Context<'a> {
    pub service: &'a Service,
    pub artifacts: &'a Artifacts,
    pub options: &'a CompileOptions,
    /// `provider`.
    pub provider: &'a Map<String, Value>,
    pub resources: Map<String, Value>,
    pub outputs: Map<String, Value>,
    pub functions: IndexMap<&'a str, Function<'a>>,
    /// All events by their type, in the order of the file.
    pub events: HashMap<&'a str, Vec<Event<'a>>>,
    pub artifact_directory: String,
    pub deployment_bucket: Option<Value>,
    pub needs_custom_resources: bool,
    pub unchanged_layers: Vec<String>,
    pub warnings: Vec<Diagnostic>,
    /// Destinations that the default role may reach already.
    pub granted: HashSet<String>,
    statements: SeenStatements,
}

/// A function of the service.
pub struct Function<'a> {
    pub key: &'a str,
    pub config: &'a Map<String, Value>,
    /// Its name in AWS.
    pub name: String,
    /// The alias that is invoked instead of the function.
    pub alias: Option<Alias>,
    /// The logical id of its version.
    pub version: Option<String>,
}

/// An alias of a function.
#[derive(Clone)]
pub struct Alias {
    pub name: &'static str,
    pub id: String,
}

/// An event of a function.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// The function's key.
    pub function: &'a str,
    /// What stands under the type's name.
    pub value: &'a Value,
    /// Its place among all events of the function, from 0.
    pub index: usize,
    /// Its type.
    pub kind: &'a str,
}

impl<'a> Event<'a> {
    /// The setting of an event in its long form.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.value.as_object().and_then(|map| present(map, key))
    }

    /// The same when it is true in JavaScript's eyes.
    pub fn truthy(&self, key: &str) -> Option<&'a Value> {
        self.get(key).filter(|value| truthy(Some(value)))
    }

    /// Where it stands.
    pub fn path(&self) -> String {
        format!("functions.{}.events.{}.{}", self.function, self.index, self.kind)
    }
}

#[derive(Default)]
struct SeenStatements {
    keys: HashSet<String>,
    checked: usize,
}

impl<'a> Context<'a> {
    pub fn new(
        service: &'a Service,
        artifacts: &'a Artifacts,
        options: &'a CompileOptions,
    ) -> Result<Self, Diagnostic> {
        let provider = service.provider();
        let mut functions = IndexMap::new();
        let mut events: HashMap<&str, Vec<Event<'_>>> = HashMap::new();
        for (key, config) in service.functions() {
            let Some(config) = config.as_object() else { continue };
            let name = get(config, "name")
                .map(super::values::display)
                .unwrap_or_else(|| format!("{}-{}-{key}", service.name, service.stage));
            functions.insert(key.as_str(), Function { key, config, name, alias: None, version: None });
            let list = config.get("events").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            for (index, event) in list.iter().enumerate() {
                for (kind, value) in event.as_object().into_iter().flatten() {
                    if truthy(Some(value)) {
                        events.entry(kind).or_default().push(Event { function: key, value, index, kind });
                    }
                }
            }
        }
        let prefix =
            present(provider, "deploymentPrefix").map_or("serverless".to_owned(), super::values::display);
        let now = options.now;
        let artifact_directory =
            format!("{prefix}/{}/{}/{}-{}", service.name, service.stage, now.millis(), now.iso8601());
        Ok(Self {
            service,
            artifacts,
            options,
            provider,
            resources: Map::new(),
            outputs: Map::new(),
            functions,
            events,
            artifact_directory,
            deployment_bucket: deployment_bucket(provider),
            needs_custom_resources: false,
            unchanged_layers: Vec::new(),
            warnings: Vec::new(),
            granted: HashSet::new(),
            statements: SeenStatements::default(),
        })
    }

    /// The events of a type.
    pub fn events_of(&self, kind: &str) -> Vec<Event<'a>> {
        self.events.get(kind).cloned().unwrap_or_default()
    }

    /// Adds or replaces a resource. Members of the resource itself that are null are left out.
    pub fn put(&mut self, id: impl Into<String>, mut resource: Value) {
        prune(&mut resource);
        self.resources.insert(id.into(), compact(resource));
    }

    /// Adds a resource, or merges it into the one of that id as lodash does.
    pub fn merge(&mut self, id: impl Into<String>, mut resource: Value) {
        prune(&mut resource);
        let id = id.into();
        match self.resources.get_mut(&id) {
            Some(existing) => {
                if let Some(properties) = resource.get_mut("Properties") {
                    super::merge::strip(properties);
                }
                super::merge::merge(existing, resource);
            }
            None => {
                self.resources.insert(id, compact(resource));
            }
        }
    }

    /// Adds an output, or merges it into the one of that id.
    pub fn output(&mut self, id: impl Into<String>, output: Value) {
        match self.outputs.entry(id.into()) {
            serde_json::map::Entry::Occupied(mut existing) => super::merge::merge(existing.get_mut(), output),
            serde_json::map::Entry::Vacant(place) => {
                place.insert(output);
            }
        }
    }

    /// The function of that key.
    ///
    /// # Errors
    /// `FUNCTION_MISSING_IN_SERVICE`, placed at the path of configuration that names it.
    pub fn function(&self, key: &str, path: &str) -> Result<&Function<'a>, Diagnostic> {
        self.functions.get(key).ok_or_else(|| {
            let known: Vec<_> = self.functions.keys().copied().collect();
            self.error(
                "FUNCTION_MISSING_IN_SERVICE",
                format!("Function \"{key}\" doesn't exist in this Service"),
                path,
            )
            .help(format!("name one of the functions of this service: {}", known.join(", ")))
        })
    }

    /// The ARN of a function, through its alias when it has one.
    pub fn target(&self, key: &str) -> Value {
        let arn = json!({ "Fn::GetAtt": [naming::function(key), "Arn"] });
        match self.functions.get(key).and_then(|function| function.alias.as_ref()) {
            Some(alias) => json!({ "Fn::Join": [":", [arn, alias.name]] }),
            None => arn,
        }
    }

    /// The logical id of a function's alias.
    pub fn alias_id(&self, key: &str) -> Option<String> {
        self.functions.get(key).and_then(|function| function.alias.as_ref()).map(|alias| alias.id.clone())
    }

    /// The statements of the default role's policy, when there is such a role.
    pub fn role_statements(&mut self) -> Option<&mut Vec<Value>> {
        self.resources
            .get_mut(naming::ROLE)?
            .pointer_mut("/Properties/Policies/0/PolicyDocument/Statement")?
            .as_array_mut()
    }

    /// Adds a statement to the default role.
    pub fn allow(&mut self, statement: Value) {
        if let Some(statements) = self.role_statements() {
            statements.push(statement);
        }
    }

    /// Adds a statement unless it is there, and drops all but the first of equal ones, as the original does then.
    pub fn allow_once(&mut self, statement: Value) {
        let mut seen = std::mem::take(&mut self.statements);
        if let Some(statements) = self.role_statements() {
            let fresh = statements.split_off(seen.checked.min(statements.len()));
            for candidate in fresh.into_iter().chain([statement]) {
                if seen.keys.insert(super::values::stringify_sorted(&candidate)) {
                    statements.push(candidate);
                }
            }
            seen.checked = statements.len();
        }
        self.statements = seen;
    }

    /// The role that a function runs under when it is not the default one.
    pub fn custom_role(&self, function: &'a Map<String, Value>) -> Option<&'a Value> {
        get(function, "role").or_else(|| self.provider_role())
    }

    /// `provider.iam.role` as a reference, or `provider.role`.
    pub fn provider_role(&self) -> Option<&'a Value> {
        let role = at(self.provider, &["iam", "role"]);
        role.filter(|role| is_existing_role(role)).or_else(|| get(self.provider, "role"))
    }

    /// The logical id of the role that a function runs under, when it is a resource of the stack.
    pub fn role_resource(&self, function: &str) -> Option<String> {
        match self.custom_role(self.functions.get(function)?.config) {
            None => Some(naming::ROLE.to_owned()),
            Some(Value::String(name)) => (!name.contains(':')).then(|| name.clone()),
            Some(role) => match role.get("Fn::GetAtt").and_then(Value::as_array).map(Vec::as_slice) {
                Some([Value::String(name), Value::String(attribute)]) if attribute == "Arn" => {
                    Some(name.clone())
                }
                _ if ["Fn::ImportValue", "Ref", "Fn::Sub"].iter().any(|key| truthy(role.get(*key))) => None,
                _ => Some(naming::ROLE.to_owned()),
            },
        }
    }

    /// Whether another deployment role than the caller's is configured.
    pub fn deployment_role(&self) -> Option<&'a Value> {
        at(self.provider, &["iam", "deploymentRole"]).or_else(|| present(self.provider, "cfnRole"))
    }

    /// `provider.apiGateway`.
    pub fn api_gateway(&self) -> Option<&'a Map<String, Value>> {
        object(self.provider, "apiGateway")
    }

    /// A log group with the provider's retention and data protection.
    pub fn log_group(&self, name: impl Into<String>) -> Value {
        let mut properties = Map::new();
        properties.insert("LogGroupName".to_owned(), Value::String(name.into()));
        if let Some(days) = get(self.provider, "logRetentionInDays") {
            properties.insert("RetentionInDays".to_owned(), days.clone());
        }
        if let Some(policy) = get(self.provider, "logDataProtectionPolicy") {
            properties.insert("DataProtectionPolicy".to_owned(), policy.clone());
        }
        resource("AWS::Logs::LogGroup", Value::Object(properties), None)
    }

    /// An error at a path of the configuration.
    pub fn error(&self, code: &str, message: impl Into<String>, path: &str) -> Diagnostic {
        Diagnostic::error(code, message).at_opt(self.service.span(path), "")
    }

    /// The stack's name.
    pub fn stack_name(&self) -> String {
        text(self.provider, "stackName")
            .filter(|name| !name.is_empty())
            .map_or_else(|| format!("{}-{}", self.service.name, self.service.stage), str::to_owned)
    }
}

/// A resource, and what it depends on. Takes the properties, which `json!` would copy.
pub fn resource(kind: &str, properties: Value, depends_on: Option<String>) -> Value {
    let mut made = Map::with_capacity(3);
    made.insert("Type".to_owned(), Value::from(kind));
    made.insert("Properties".to_owned(), properties);
    made.extend(depends_on.map(|id| ("DependsOn".to_owned(), Value::String(id))));
    Value::Object(made)
}

/// A name, an ARN or a reference rather than settings of the default role.
pub fn is_existing_role(role: &Value) -> bool {
    match role {
        Value::String(_) => true,
        Value::Object(map) => map.keys().any(|key| key.contains("::")),
        _ => false,
    }
}

fn deployment_bucket(provider: &Map<String, Value>) -> Option<Value> {
    match provider.get("deploymentBucket") {
        Some(Value::Object(settings)) => get(settings, "name").cloned(),
        other => other.filter(|value| truthy(Some(value))).cloned(),
    }
}

/// Leaves out the members that are null.
fn prune(resource: &mut Value) {
    if let Some(map) = resource.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
}

/// The same value in maps that are as large as they need to be. A map that grew member by member has room for more, and a template
/// consists of tens of thousands of maps of one or two.
pub fn compact(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut made = Map::with_capacity(members.len());
            made.extend(members.into_iter().map(|(key, value)| (key, compact(value))));
            Value::Object(made)
        }
        Value::Array(mut items) => {
            items.shrink_to_fit();
            Value::Array(items.into_iter().map(compact).collect())
        }
        other => other,
    }
}
