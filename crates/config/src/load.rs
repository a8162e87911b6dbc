//! From a directory to a [`Service`], in the phases and with the errors of the original.

use crate::locate::{self, Raw};
use crate::normalize::{self, is_falsy};
use crate::places::Places;
use crate::variables::trace::Trace;
use crate::variables::{CloudVariables, Context, Failure, Phase, Resolver};
use crate::{Service, Spans, deprecations, dotenv, options, schema, version};
use aloft_base::Clock;
use aloft_diag::{Diagnostic, SourceMap};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

/// What is to be loaded, and for whom.
pub struct LoadRequest<'a> {
    /// The service directory.
    pub directory: PathBuf,
    /// `--config`: a file in that directory.
    pub config: Option<PathBuf>,
    /// The options given on the command line, by their long names; `param` is a list.
    pub options: Map<String, Value>,
    /// Environment variables.
    pub environment: HashMap<String, String>,
    /// Whom to ask for what only a cloud knows.
    pub cloud: Option<&'a dyn CloudVariables>,
    /// The command, such as `deploy function`: it decides which options can be asked for.
    pub command: &'a str,
    /// Gives the instance id.
    pub clock: Clock,
}

impl<'a> LoadRequest<'a> {
    /// A request without options, environment and cloud.
    pub fn new(directory: impl Into<PathBuf>, command: &'a str) -> Self {
        Self {
            directory: directory.into(),
            config: None,
            options: Map::new(),
            environment: HashMap::new(),
            cloud: None,
            command,
            clock: Clock::system(),
        }
    }
}

/// A service, and what its user should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The service.
    pub service: Service,
    /// What is not as it should be, and does no harm yet.
    pub warnings: Vec<Diagnostic>,
    /// What will be taken away one day; the original tells how many there are, or all with `deprecationNotificationMode: warn`.
    pub deprecations: Vec<Diagnostic>,
    /// The environment with what `.env` files add to it.
    pub environment: HashMap<String, String>,
}

/// Why there is no service.
#[derive(Debug)]
pub struct LoadError {
    /// Each mistake with its place.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that places point into.
    pub sources: SourceMap,
    /// All mistakes in the original's one sentence, for whoever looks for it.
    pub summary: String,
}

impl LoadError {
    /// The code of the first mistake.
    pub fn code(&self) -> &str {
        self.diagnostics.first().map_or("", |diagnostic| &diagnostic.code)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)
    }
}

impl std::error::Error for LoadError {}

/// Mistakes before the texts are at hand.
pub(crate) struct Mistakes {
    diagnostics: Vec<Diagnostic>,
    summary: String,
}

impl From<Diagnostic> for Mistakes {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { summary: diagnostic.message.clone(), diagnostics: vec![diagnostic] }
    }
}

/// Loads the service of a directory.
///
/// # Errors
/// Every mistake that can be found before anything is packaged, with the original's codes and sentences.
pub fn load(request: LoadRequest<'_>) -> Result<Loaded, LoadError> {
    let mut sources = SourceMap::default();
    let raw = locate::read(&request, &mut sources).map_err(Mistakes::from);
    let loaded = raw.and_then(|raw| Loader::new(request, raw).load());
    finished(loaded, sources)
}

/// `self:` sees the file as it is written, without the stage and the region that are there by default. Other variables do see them.
fn name_the_default(diagnostic: &mut Diagnostic, sources: &SourceMap) {
    let Some(span) = diagnostic.labels.first().map(|label| label.span) else { return };
    let text = sources.text(span.source).get(span.start..span.end).unwrap_or_default();
    for (property, variable) in [("provider.stage", "${sls:stage}"), ("provider.region", "${aws:region}")] {
        if diagnostic.message.ends_with("Value not found at \"self\" source")
            && text.contains(&format!("self:{property}"))
        {
            let help = format!("`{property}` is not written in this file; `{variable}` gives it in any case");
            diagnostic.help = Some(help);
        }
    }
}

fn finished(loaded: Result<Loaded, Mistakes>, sources: SourceMap) -> Result<Loaded, LoadError> {
    match loaded {
        Ok(mut loaded) => {
            loaded.service.sources = sources;
            Ok(loaded)
        }
        Err(Mistakes { mut diagnostics, summary }) => {
            diagnostics.iter_mut().for_each(|diagnostic| name_the_default(diagnostic, &sources));
            Err(LoadError { diagnostics, sources, summary })
        }
    }
}

/// How a configuration came to be what it is.
pub(crate) struct Recording {
    /// The file as it was read.
    pub raw: Value,
    /// Where its values stand.
    pub spans: Spans,
    /// The texts that places point into.
    pub sources: SourceMap,
    /// What variables asked for, and what they were given.
    pub trace: Trace,
    /// What came of it.
    pub loaded: Result<Loaded, LoadError>,
}

/// Loads the service of a directory, and takes down how.
///
/// # Errors
/// When the configuration cannot be read; a mistake that comes later is a part of the recording.
pub(crate) fn record(request: LoadRequest<'_>) -> Result<Recording, LoadError> {
    let mut sources = SourceMap::default();
    let raw = match locate::read(&request, &mut sources) {
        Ok(raw) => raw,
        Err(error) => {
            let summary = error.message.clone();
            return Err(LoadError { diagnostics: vec![error], sources, summary });
        }
    };
    let (config, spans) = (raw.config.clone(), raw.places.values.clone());
    let trace = Rc::new(RefCell::new(Trace::default()));
    let mut loader = Loader::new(request, raw);
    loader.resolver.trace = Some(trace.clone());
    let loaded = finished(loader.load(), sources.clone());
    Ok(Recording { raw: config, spans, sources, trace: trace.take(), loaded })
}

struct Loader<'a> {
    file_name: String,
    places: Places,
    given: Map<String, Value>,
    resolver: Resolver<'a>,
    warnings: Vec<Diagnostic>,
}

impl<'a> Loader<'a> {
    fn new(request: LoadRequest<'a>, raw: Raw) -> Self {
        let context = Context {
            directory: request.directory,
            options: options::known(request.command, &request.options),
            environment: request.environment,
            instance_id: request.clock.now().millis().to_string(),
            cloud: request.cloud,
        };
        let resolver = Resolver::new(raw.config, context);
        Self {
            file_name: raw.file_name,
            places: raw.places,
            given: request.options,
            resolver,
            warnings: Vec::new(),
        }
    }

    fn load(mut self) -> Result<Loaded, Mistakes> {
        self.resolve_core()?;
        self.check_service()?;
        let is_aws = self.provider_name()? == "aws";
        self.start_provider(is_aws);
        self.resolve_rest(is_aws)?;
        self.finish(is_aws)
    }

    /// Variables that need no more than the files, the environment and the options.
    fn resolve_core(&mut self) -> Result<(), Mistakes> {
        self.report()?;
        self.ensure(&["disabledDeprecations"])?;
        self.ensure(&["deprecationNotificationMode"])?;
        let name: &[&str] = &["provider", "name"];
        if self.resolver.is_resolved(name) {
            self.provider_name()?;
        }
        let early: &[&[&str]] = &[&["provider", "stage"], &["useDotenv"]];
        if !self.resolver.is_done() {
            self.resolver.resolve(Some(&[name, early[0], early[1]]));
            self.report()?;
            if self.resolver.is_resolved(name) {
                self.provider_name()?;
            }
            self.resolver.environment_is_final = true;
            self.resolver.missing_environment.clear();
            self.resolver.resolve(Some(early));
            self.report()?;
            self.ensure(early[0])?;
            self.ensure(early[1])?;
        }
        self.read_dotenv()?;
        self.resolver.environment_is_final = true;
        if !self.resolver.is_done() {
            self.resolver.resolve(Some(&[name]));
            self.report()?;
            self.ensure(name)?;
            self.provider_name()?;
            self.resolver.resolve(None);
            self.report()?;
        }
        if !self.resolver.is_done() {
            for path in [
                &["plugins"][..],
                &["package", "path"],
                &["frameworkVersion"],
                &["app"],
                &["org"],
                &["dashboard"],
                &["service"],
            ] {
                self.ensure(path)?;
            }
        }
        Ok(())
    }

    fn read_dotenv(&mut self) -> Result<(), Mistakes> {
        if self.resolver.config.get("useDotenv").is_none_or(is_falsy) {
            return Ok(());
        }
        let context = &mut self.resolver.context;
        let configured = self.resolver.config.pointer("/provider/stage").and_then(Value::as_str);
        let stage = context.option("stage").or(configured).unwrap_or("dev").to_owned();
        let loaded = dotenv::load(&context.directory, &stage, &mut context.environment);
        loaded.map_err(|message| Diagnostic::error("DOTENV_LOAD_ERROR", message))?;
        let missing = self.resolver.missing_environment.iter();
        if let Some(name) = missing.into_iter().find(|name| context.environment.contains_key(*name)) {
            let message = format!(
                "Cannot reliably resolve \"env\" variables due to resolution conflict.\nEnvironment variable \"{name}\" which \
                 influences resolution of \".env\" file were found to be defined in resolved \".env\" file."
            );
            return Err(Diagnostic::error("DOTENV_ENV_VAR_RESOLUTION_CONFLICT", message).into());
        }
        Ok(())
    }

    /// What the original checks as soon as it knows the service.
    fn check_service(&mut self) -> Result<(), Mistakes> {
        self.provider_name()?;
        let config = &self.resolver.config;
        let service = config.get("service").unwrap_or(&Value::Null);
        if service.is_object() || service.is_array() {
            let message = "Object notation for \"service\" property is not supported. Set \"service\" property directly with service name.";
            let diagnostic = Diagnostic::error("SERVICE_OBJECT_NOTATION", message)
                .at_opt(self.places.value("service"), "");
            let name = service.get("name").and_then(Value::as_str).unwrap_or("my-service");
            return Err(diagnostic.help(format!("write `service: {name}`")).into());
        }
        self.check_version()?;
        if is_falsy(self.resolver.config.get("service").unwrap_or(&Value::Null)) {
            let message = format!("\"service\" property is missing in {}", self.file_name);
            return Err(Diagnostic::error("SERVICE_NAME_MISSING", message)
                .help("write `service: my-service` at the top")
                .into());
        }
        Ok(())
    }

    fn check_version(&mut self) -> Result<(), Mistakes> {
        let wanted = match self.resolver.config.get("frameworkVersion") {
            Some(value) if !is_falsy(value) => value.clone(),
            _ => return Ok(()),
        };
        let place = self.places.value("frameworkVersion");
        match wanted.as_str().and_then(version::is_satisfied) {
            Some(true) => Ok(()),
            Some(false) => {
                let wanted = wanted.as_str().unwrap_or_default();
                let message = format!(
                    "The Serverless version (3.40.0) does not satisfy the \"frameworkVersion\" ({wanted}) in {}",
                    self.file_name
                );
                Err(Diagnostic::error("FRAMEWORK_VERSION_MISMATCH", message)
                    .at_opt(place, "")
                    .help("write `frameworkVersion: '3'`")
                    .into())
            }
            None => {
                let message =
                    "Configured \"frameworkVersion\" does not represent a valid semver version range";
                if self.resolver.config.get("configValidationMode").and_then(Value::as_str) == Some("error") {
                    return Err(Diagnostic::error("INVALID_FRAMEWORK_VERSION", format!("{message}."))
                        .at_opt(place, "")
                        .into());
                }
                let message = format!("{message}, version validation is skipped");
                self.warnings
                    .push(Diagnostic::warning("INVALID_FRAMEWORK_VERSION", message).at_opt(place, ""));
                Ok(())
            }
        }
    }

    /// `provider.name`, or `provider` itself when it is text.
    fn provider_name(&self) -> Result<String, Mistakes> {
        let provider = self.resolver.config.get("provider").unwrap_or(&Value::Null);
        let name = if provider.is_object() { provider.get("name") } else { Some(provider) };
        match name {
            Some(Value::String(name)) => Ok(name.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            _ => {
                let message = "Invalid service configuration: \"provider.name\" property is missing";
                let diagnostic = Diagnostic::error("INVALID_CONFIGURATION_PROVIDER_NAME_MISSING", message);
                let diagnostic = diagnostic.at_opt(self.places.value("provider"), "");
                Err(diagnostic.help("write `provider:` and below it `  name: aws`").into())
            }
        }
    }

    /// The defaults that later variables already see.
    fn start_provider(&mut self, is_aws: bool) {
        let region_is_known = self.resolver.is_resolved(&["provider", "region"]);
        let given = self.resolver.context.option("region").map(str::to_owned);
        let Some(config) = self.resolver.config.as_object_mut() else { return };
        if let Some(provider) = config.get_mut("provider").filter(|provider| !provider.is_object()) {
            *provider = json!({"name": provider.take()});
        }
        let Some(Value::Object(provider)) = config.get_mut("provider") else { return };
        if provider.get("stage").is_none_or(Value::is_null) {
            provider.insert("stage".to_owned(), Value::from("dev"));
        }
        if is_aws && region_is_known {
            let configured = provider.get("region").filter(|region| !is_falsy(region)).cloned();
            let region = given.map(Value::String).or(configured).unwrap_or_else(|| Value::from("us-east-1"));
            provider.insert("region".to_owned(), region);
        }
    }

    fn resolve_rest(&mut self, is_aws: bool) -> Result<(), Mistakes> {
        if self.resolver.is_done() {
            return Ok(());
        }
        self.resolver.phase = Phase::Service;
        self.resolver.resolve(None);
        self.report()?;
        if is_aws && !self.resolver.is_done() {
            let bucket = ["provider", "deploymentBucket", "serverSideEncryption"];
            for path in
                [&["provider", "credentials"][..], &bucket, &["provider", "profile"], &["provider", "region"]]
            {
                self.ensure(path)?;
            }
            let provider = self.resolver.config.get("provider").and_then(Value::as_object);
            if let (Some(cloud), Some(provider)) = (self.resolver.context.cloud, provider) {
                cloud.prepare(provider);
            }
            self.resolver.phase = Phase::Cloud;
            self.resolver.resolve(None);
            self.report()?;
        }
        if self.resolver.is_done() {
            return Ok(());
        }
        let unknown = self.resolver.unknown_sources();
        let names: Vec<&str> = unknown.keys().map(String::as_str).collect();
        let message = format!("Unrecognized configuration variable sources: \"{}\"", names.join("\", \""));
        let mut diagnostic = Diagnostic::error("UNRECOGNIZED_VARIABLE_SOURCES", message);
        for (name, path) in
            unknown.iter().flat_map(|(name, paths)| paths.iter().map(move |path| (name, path)))
        {
            diagnostic = diagnostic.at_opt(self.places.value(path), format!("no source is called `{name}`"));
        }
        let near = |name: &&str| crate::nearest::nearest(name, crate::variables::source_names());
        if let Some(meant) = names.iter().find_map(near) {
            diagnostic = diagnostic.help(format!("did you mean `{meant}`?"));
        }
        Err(diagnostic.into())
    }

    /// Lists merged, functions named, the schema applied, what is left filled in.
    fn finish(mut self, is_aws: bool) -> Result<Loaded, Mistakes> {
        let Value::Object(mut config) = std::mem::take(&mut self.resolver.config) else {
            return Err(Diagnostic::error("INVALID_CONFIGURATION_EXPORT", "Plain object expected").into());
        };
        normalize::merge_lists(&mut config, &mut self.places)?;
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(value) if !value.is_null() => value.to_string(),
            _ => String::new(),
        };
        let configured = |config: &Map<String, Value>, name: &str| {
            text(config.get("provider").and_then(|provider| provider.get(name)))
        };
        let or = |option: &str, configured: String, default: &str| {
            let given = self.resolver.context.option(option).map(str::to_owned);
            given.or(Some(configured).filter(|text| !text.is_empty())).unwrap_or_else(|| default.to_owned())
        };
        let stage = or("stage", configured(&config, "stage"), "dev");
        let region = or("region", configured(&config, "region"), "us-east-1");
        let name = text(config.get("service"));
        normalize::name_functions(&mut config, &name, &stage, &self.places)?;
        let provider = configured(&config, "name");
        let mut config = Value::Object(config);
        let issues = schema::validate(&mut config, &provider);
        let Value::Object(mut config) = config else {
            return Err(Diagnostic::error("INVALID_CONFIGURATION_EXPORT", "Plain object expected").into());
        };
        let mode = text(config.get("configValidationMode"));
        let has_issues = mode != "off" && !issues.is_empty();
        self.tell(issues, &mode)?;
        let deprecations = deprecations::check(&config, has_issues, &self.resolver.context.environment)?;
        if is_aws {
            normalize::fill_in(&mut config, &name, &stage);
        }
        let service = Service {
            region,
            name: text(config.get("service")),
            directory: self.resolver.context.directory.clone(),
            file_name: self.file_name,
            stage,
            instance_id: self.resolver.context.instance_id,
            options: self.given,
            config,
            spans: self.places.values,
            sources: SourceMap::default(),
        };
        Ok(Loaded {
            service,
            warnings: self.warnings,
            deprecations,
            environment: self.resolver.context.environment,
        })
    }

    /// The schema's issues as errors or as warnings.
    fn tell(&mut self, issues: Vec<schema::Issue>, mode: &str) -> Result<(), Mistakes> {
        const CODE: &str = "INVALID_NON_SCHEMA_COMPLIANT_CONFIGURATION";
        let mut errors = Vec::new();
        for issue in issues {
            let place = match &issue.key {
                Some(key) => self.places.key(&issue.path, key),
                None => self.places.value(&issue.path),
            };
            let is_error = mode == "error" && !issue.is_lenient;
            let new = if is_error { Diagnostic::error } else { Diagnostic::warning };
            let message = if is_error {
                format!("Configuration error {}", issue.message)
            } else {
                issue.message.clone()
            };
            let mut diagnostic = new(CODE.to_owned(), message).at_opt(place, "");
            diagnostic.help = issue.help;
            match (is_error, mode) {
                (true, _) => errors.push((issue.message, diagnostic)),
                (false, "off") => {}
                (false, _) => self.warnings.push(diagnostic),
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        let (messages, diagnostics): (Vec<String>, Vec<Diagnostic>) = errors.into_iter().unzip();
        let summary = match &messages[..] {
            [only] => format!("Configuration error {only}"),
            messages => format!("Configuration error: \n     {}", messages.join("\n     ")),
        };
        let more =
            "\n\nLearn more about configuration validation here: http://slss.io/configuration-validation";
        Err(Mistakes { diagnostics, summary: summary + more })
    }

    /// All variables that cannot be resolved.
    fn report(&self) -> Result<(), Mistakes> {
        let failures = self.resolver.failures();
        if failures.is_empty() {
            return Ok(());
        }
        let diagnostic = |failure: &Rc<Failure>| {
            let diagnostic = Diagnostic::error("VARIABLES_RESOLUTION_ERROR", failure.message.as_str());
            let diagnostic = diagnostic.at_opt(self.places.value(&failure.path), "");
            if failure.message.contains(": Value not found at ") {
                return diagnostic.help("a value to fall back on stands after a comma: `${..., 'value'}`");
            }
            diagnostic
        };
        let list: Vec<String> = failures.iter().map(|failure| format!("\n  - {}", failure.message)).collect();
        Err(Mistakes {
            diagnostics: failures.iter().map(diagnostic).collect(),
            summary: format!(
                "Cannot resolve {}: Variables resolution errored with:{}",
                self.file_name,
                list.join(",")
            ),
        })
    }

    /// A property that is needed now must not wait for what is known later.
    fn ensure(&self, path: &[&str]) -> Result<(), Mistakes> {
        if self.resolver.is_resolved(path) {
            return Ok(());
        }
        let dotted = path.join(".");
        let message = format!(
            "Cannot resolve {}: \"{dotted}\" property is not accessible (configured behind variables which cannot be resolved \
             at this stage)",
            self.file_name
        );
        Err(Diagnostic::error("INACCESSIBLE_CONFIGURATION_PROPERTY", message)
            .at_opt(self.places.value(&dotted), "")
            .into())
    }
}
