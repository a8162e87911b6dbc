//! The compose file: found, read and checked, with the place of everything that can be wrong.

use super::graph::Graph;
use super::variables::{self, Reference, Variable};
use crate::failure::Mistakes;
use aloft_diag::{Diagnostic, SourceMap, Span};
use aloft_yaml::{Entry, Kind, Node};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// In the order in which they are looked for.
const NAMES: &[&str] = &["serverless-compose.yml", "serverless-compose.yaml", "serverless-compose.json"];
/// The original's, which are programs.
const SCRIPTS: &[&str] = &["serverless-compose.js", "serverless-compose.ts"];
/// What serverless.yml has and a compose file has not.
const OF_A_SERVICE: &[&str] = &[
    "configValidationMode",
    "console",
    "custom",
    "disabledDeprecations",
    "frameworkVersion",
    "functions",
    "org",
    "outputs",
    "package",
    "params",
    "plugins",
    "provider",
    "resources",
    "service",
    "useDotenv",
    "variablesResolutionMode",
];
const KEYS: &[&str] = &["config", "dependsOn", "params", "path", "region"];

/// The services of a compose file, and what they need of each other.
#[derive(Debug)]
pub struct Services {
    /// In the file's order.
    pub all: Vec<Service>,
    /// Who depends on whom.
    pub graph: Graph,
    /// For errors that show later.
    pub sources: SourceMap,
}

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name in the compose file.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// The name of its configuration, when it is not serverless.yml.
    pub config: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Its parameters, with references to outputs still in them.
    pub params: Vec<Param>,
}

/// A parameter of a service.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where the value stands.
    pub span: Span,
}

/// The compose file of a directory.
pub fn find(directory: &Path) -> Option<PathBuf> {
    NAMES.iter().chain(SCRIPTS).map(|name| directory.join(name)).find(|path| path.is_file())
}

/// Reads and checks a compose file.
///
/// # Errors
/// All mistakes in the file, with their places.
pub fn load(
    directory: &Path,
    path: &Path,
    stage: &str,
    environment: &HashMap<String, String>,
) -> anyhow::Result<Services> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if SCRIPTS.contains(&name.as_str()) {
        let message = format!("{name}: a compose file that is a program is not built");
        return Err(Mistakes::plain("NOT_BUILT", message, "write it as serverless-compose.yml"));
    }
    let text = fs::read_to_string(path).map_err(|error| {
        let message = format!("Cannot parse \"{name}\": {error}");
        Mistakes::plain("CONFIGURATION_FILE_NOT_ACCESSIBLE", message, "check that you may read it")
    })?;
    let mut sources = SourceMap::default();
    let source = sources.add(&name, text.as_str());
    let node = aloft_yaml::parse(source, &text).map_err(|error| {
        let error = Diagnostic { message: format!("Cannot parse \"{name}\": {}", error.message), ..error };
        Mistakes::one(error, &sources)
    })?;
    let mut reader = Reader { directory, name: &name, stage, environment, mistakes: Vec::new() };
    let (all, needs) = reader.document(&node);
    let mistakes = reader.mistakes;
    if !mistakes.is_empty() {
        return Err(Mistakes { diagnostics: mistakes, sources }.into());
    }
    match Graph::new(&all.iter().map(|service| service.name.as_str()).collect::<Vec<_>>(), needs) {
        Ok(graph) => Ok(Services { all, graph, sources }),
        Err(diagnostics) => Err(Mistakes { diagnostics, sources }.into()),
    }
}

/// That one service needs another, and where it says so.
#[derive(Clone, Debug)]
pub struct Need {
    /// Who needs.
    pub from: String,
    /// Who is needed.
    pub to: String,
    /// Where it says so.
    pub span: Span,
    /// Said by `dependsOn`, not by a reference to an output.
    pub explicit: bool,
}

struct Reader<'a> {
    directory: &'a Path,
    name: &'a str,
    stage: &'a str,
    environment: &'a HashMap<String, String>,
    mistakes: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn mistake(&mut self, code: &str, message: impl Into<String>, span: Span, help: &str) {
        self.mistakes.push(Diagnostic::error(code, message).at(span, "").help(help));
    }

    fn document(&mut self, node: &Node) -> (Vec<Service>, Vec<Need>) {
        let (mut all, mut needs) = (Vec::new(), Vec::new());
        let Kind::Mapping(entries) = &node.kind else {
            let message = format!("\"{}\" does not contain valid Compose configuration", self.name);
            self.mistake("INVALID_NON_OBJECT_CONFIGURATION", message, node.span, "begin with `services:`");
            return (all, needs);
        };
        for entry in entries.iter().filter(|entry| entry.key != "services") {
            let (code, name) = ("INVALID_CONFIGURATION", self.name);
            let (message, help) = if entry.key == "state" {
                let message =
                    "`state`: keeping the outputs elsewhere than beside the compose file is not built";
                (message.to_owned(), "leave it out, and see `aloft refresh-outputs`")
            } else if OF_A_SERVICE.contains(&entry.key.as_str()) {
                (
                    format!("Invalid property \"{}\" in \"{name}\"", entry.key),
                    "it belongs in the serverless.yml of a service",
                )
            } else {
                (
                    format!("Unrecognized property \"{}\" in \"{name}\"", entry.key),
                    "a compose file has `services`",
                )
            };
            self.mistake(code, message, entry.key_span, help);
        }
        let services = entries.iter().find(|entry| entry.key == "services").map(|entry| &entry.value);
        match services.map(|node| &node.kind) {
            Some(Kind::Mapping(services)) if !services.is_empty() => {
                for entry in services {
                    all.extend(self.service(entry, &mut needs));
                }
            }
            _ => {
                let message =
                    format!("Invalid configuration: \"{}\" must contain \"services\" property", self.name);
                let span = services.map_or(node.span, |services| services.span);
                self.mistake(
                    "INVALID_NON_OBJECT_SERVICES_CONFIGURATION",
                    message,
                    span,
                    "name a service and its path",
                );
            }
        }
        self.check_paths(&all, services);
        (all, needs)
    }

    fn service(&mut self, entry: &Entry, needs: &mut Vec<Need>) -> Option<Service> {
        let name = &entry.key;
        let Kind::Mapping(members) = &entry.value.kind else {
            let message =
                format!("Invalid configuration: definition of \"{name}\" service must be an object");
            self.mistake(
                "INVALID_NON_OBJECT_SERVICE_CONFIGURATION",
                message,
                entry.key_span,
                "give it a `path`",
            );
            return None;
        };
        let mut service = Service {
            name: name.clone(),
            path: PathBuf::new(),
            config: None,
            region: None,
            params: Vec::new(),
        };
        let mut path = None;
        for member in members {
            match member.key.as_str() {
                "path" => path = self.plain(member).map(|text| (text, member.value.span)),
                "config" => service.config = self.plain(member),
                "region" => service.region = self.plain(member),
                "params" => service.params = self.params(name, &member.value, needs),
                "dependsOn" => self.depends_on(name, &member.value, needs),
                other => {
                    let message = format!(
                        "Invalid configuration for component \"{name}\": unrecognized property \"{other}\""
                    );
                    let help = format!("a service has {}", KEYS.join(", "));
                    self.mistake("INVALID_COMPONENT_CONFIGURATION", message, member.key_span, &help);
                }
            }
        }
        let Some((path, span)) = path else {
            if !members.iter().any(|member| member.key == "path") {
                let message = format!("Invalid configuration for component \"{name}\": it has no \"path\"");
                self.mistake(
                    "INVALID_COMPONENT_CONFIGURATION",
                    message,
                    entry.key_span,
                    "name the service's directory",
                );
            }
            return None;
        };
        service.path = normal(&self.directory.join(path));
        if service.path == normal(self.directory) {
            let message = format!(
                "Service \"{name}\" cannot have a \"path\" that points to the root directory of the Compose project"
            );
            self.mistake(
                "INVALID_PATH_IN_SERVICE_CONFIGURATION",
                message,
                span,
                "move the service into a directory of its own",
            );
        } else if !service.path.is_dir() {
            let message = format!("the directory of the service \"{name}\" does not exist");
            self.mistake(
                "INVALID_PATH_IN_SERVICE_CONFIGURATION",
                message,
                span,
                "paths are relative to the compose file",
            );
        }
        Some(service)
    }

    /// A text without references to outputs.
    fn plain(&mut self, member: &Entry) -> Option<String> {
        let text = self.text(&member.value, &member.key)?;
        if let Some(Variable { reference: Reference::Output { .. }, written, .. }) =
            variables::find(&text).first()
        {
            let message = format!("\"{}\" cannot refer to an output: {written}", member.key);
            self.mistake(
                "INVALID_COMPONENT_CONFIGURATION",
                message,
                member.value.span,
                "outputs are for `params`",
            );
            return None;
        }
        Some(text)
    }

    /// A scalar as text, with the stage and the environment put in.
    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = match &node.kind {
            Kind::Scalar(Value::String(text)) => text.clone(),
            Kind::Scalar(Value::Null) | Kind::Sequence(_) | Kind::Mapping(_) => {
                let message = format!("\"{what}\" must be a text");
                self.mistake("INVALID_COMPONENT_CONFIGURATION", message, node.span, "write one value");
                return None;
            }
            Kind::Scalar(scalar) => scalar.to_string(),
        };
        let put_in = variables::put_in(&text, self.stage, self.environment);
        put_in.map_err(|error| self.mistakes.push(error.at(node.span, ""))).ok()
    }

    fn params(&mut self, service: &str, node: &Node, needs: &mut Vec<Need>) -> Vec<Param> {
        let Kind::Mapping(entries) = &node.kind else {
            self.mistake(
                "INVALID_COMPONENT_CONFIGURATION",
                "\"params\" must be a map",
                node.span,
                "write `name: value`",
            );
            return Vec::new();
        };
        let mut params = Vec::new();
        for entry in entries {
            let value = match &entry.value.kind {
                // A parameter on the command line is text; what is more is written as JSON.
                Kind::Sequence(_) | Kind::Mapping(_) => {
                    let text = Node {
                        span: entry.value.span,
                        kind: Kind::Scalar(entry.value.to_value().to_string().into()),
                    };
                    self.text(&text, &entry.key)
                }
                Kind::Scalar(_) => self.text(&entry.value, &entry.key),
            };
            let Some(value) = value else { continue };
            for variable in variables::find(&value) {
                if let Reference::Output { service: to, .. } = variable.reference {
                    needs.push(Need {
                        from: service.to_owned(),
                        to,
                        span: entry.value.span,
                        explicit: false,
                    });
                }
            }
            params.push(Param { name: entry.key.clone(), value, span: entry.value.span });
        }
        params
    }

    fn depends_on(&mut self, service: &str, node: &Node, needs: &mut Vec<Need>) {
        let items = match &node.kind {
            Kind::Sequence(items) => items.iter().collect(),
            _ => vec![node],
        };
        for item in items {
            if let Some(to) = self.text(item, "dependsOn") {
                needs.push(Need { from: service.to_owned(), to, span: item.span, explicit: true });
            }
        }
    }

    /// A package lies in the service's directory, so two services cannot share one.
    fn check_paths(&mut self, all: &[Service], services: Option<&Node>) {
        let mut by_path: BTreeMap<&Path, &str> = BTreeMap::new();
        for service in all {
            let Some(other) = by_path.insert(&service.path, &service.name) else { continue };
            let message =
                format!("Service \"{}\" has the same \"path\" as the service \"{other}\"", service.name);
            let span = match services.map(|services| &services.kind) {
                Some(Kind::Mapping(entries)) => {
                    entries.iter().find(|entry| entry.key == service.name).map(|entry| entry.key_span)
                }
                _ => None,
            };
            let help = "their packages would overwrite each other: give each a directory of its own";
            self.mistakes.push(
                Diagnostic::error("DUPLICATED_COMPONENT_DEFINITION", message).at_opt(span, "").help(help),
            );
        }
    }
}

/// A path without `.` and `..`, as far as its text goes.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}
