//! Where a value of the configuration comes from: its place, each source that its variables asked, and what they gave.
//!
//! Loads the service as every command does and reads what the resolver took down. A service that cannot be loaded is
//! explained as far as it got.

mod defaults;
mod files;

use crate::load::{LoadError, LoadRequest, Recording, record};
use crate::variables::text::size;
use crate::variables::trace::{Asked, Outcome, Tried};
use aloft_diag::{Diagnostic, SourceMap, Span};
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;

/// How deep a chain of references is followed.
const MAX_DEPTH: usize = 24;
/// How many members of a map or a list are explained with it.
const MAX_MEMBERS: usize = 50;
/// Bytes of an explanation, about: a value that is used in two places is explained at both, and so is what it rests on.
const MAX_SIZE: usize = 4 * 1024 * 1024;
/// Bytes of a step without its value.
const STEP_SIZE: usize = 512;

/// Where a value comes from.
#[derive(Debug)]
pub struct Explanation {
    /// The dotted path.
    pub path: String,
    /// The value; none when there is none, or when it cannot be resolved.
    pub value: Option<Value>,
    /// How it came to be.
    pub origin: Step,
    /// Why the service cannot be loaded.
    pub mistakes: Vec<Diagnostic>,
    /// The texts that the mistakes point into.
    pub sources: SourceMap,
}

/// A step on the way to a value; what it rests on stands below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// A property, a variable as it is written, or a source with its address.
    pub what: String,
    /// Where it is written.
    pub place: Option<Place>,
    /// What it gave.
    pub gives: Gives,
    /// What else is to be said.
    pub notes: Vec<String>,
    /// What it rests on, in the order in which it was asked.
    pub below: Vec<Step>,
}

/// What a step gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Gives {
    /// A value.
    Value(Value),
    /// Nothing: the next one was asked, if there is one.
    #[default]
    Nothing,
    /// A mistake.
    Failed(String),
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The file, as the user knows it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The line's text, without the spaces around it.
    pub text: String,
}

impl Place {
    /// Of a span.
    pub fn of(sources: &SourceMap, span: Span) -> Self {
        let (line, column) = sources.line_column(span.source, span.start);
        let text = sources.text(span.source).lines().nth(line - 1).unwrap_or_default().trim().to_owned();
        Self { file: sources.path(span.source).display().to_string(), line, column, text }
    }

    /// `{file, line, column, text}`
    pub fn json(&self) -> Value {
        json!({ "file": self.file, "line": self.line, "column": self.column, "text": self.text })
    }
}

impl Explanation {
    /// `{path, value, origin: {what, place, gives: {...}, notes, below}, mistakes}`
    pub fn json(&self) -> Value {
        let mistakes = self.mistakes.iter().map(|one| aloft_diag::to_json(one, &self.sources));
        json!({
            "path": self.path,
            "value": self.value,
            "origin": self.origin.json(),
            "mistakes": mistakes.collect::<Vec<_>>(),
        })
    }
}

impl Step {
    fn json(&self) -> Value {
        let mut value = json!({ "what": self.what });
        if let Some(place) = &self.place {
            value["place"] = place.json();
        }
        match &self.gives {
            Gives::Value(given) => value["value"] = given.clone(),
            Gives::Nothing => {}
            Gives::Failed(text) => value["failed"] = json!(text),
        }
        if !self.notes.is_empty() {
            value["notes"] = json!(self.notes);
        }
        if !self.below.is_empty() {
            value["below"] = self.below.iter().map(Self::json).collect();
        }
        value
    }
}

/// Explains the value at a dotted path.
///
/// # Errors
/// When the configuration cannot be read, or is loaded and has nothing at the path: `INVALID_PATH_ARGUMENT`.
pub fn explain(request: LoadRequest<'_>, path: &str) -> Result<Explanation, LoadError> {
    let (options, environment, directory) =
        (request.options.clone(), request.environment.clone(), request.directory.clone());
    let recording = record(request)?;
    let explainer = Explainer { recording, options, environment, directory, size: Cell::new(0) };
    let keys: Vec<&str> = path.split('.').filter(|key| !key.is_empty()).collect();
    let origin = explainer.property(&keys, MAX_DEPTH);
    let value = explainer.value(&keys).cloned();
    let is_loaded = explainer.recording.loaded.is_ok();
    if is_loaded
        && value.is_none()
        && origin.place.is_none()
        && origin.below.is_empty()
        && origin.notes.is_empty()
    {
        let diagnostic = explainer.missing(path, &keys);
        let summary = diagnostic.message.clone();
        return Err(LoadError {
            diagnostics: vec![diagnostic],
            sources: explainer.recording.sources,
            summary,
        });
    }
    let mistakes = explainer.recording.loaded.err().map(|error| error.diagnostics).unwrap_or_default();
    Ok(Explanation { path: path.to_owned(), value, origin, mistakes, sources: explainer.recording.sources })
}

struct Explainer {
    recording: Recording,
    options: Map<String, Value>,
    environment: HashMap<String, String>,
    directory: PathBuf,
    /// Bytes of what has been explained so far, about.
    size: Cell<usize>,
}

impl Explainer {
    /// Whether what this step rests on can be explained too.
    fn goes_on(&self, step: &Step, depth: usize) -> bool {
        let value = if let Gives::Value(value) = &step.gives { size(value) } else { 0 };
        self.size.set(self.size.get() + STEP_SIZE + value);
        depth > 0 && self.size.get() < MAX_SIZE
    }

    /// The value in the end.
    fn value(&self, keys: &[&str]) -> Option<&Value> {
        let service = &self.recording.loaded.as_ref().ok()?.service;
        service.at(keys).filter(|value| !value.is_null())
    }

    fn missing(&self, path: &str, keys: &[&str]) -> Diagnostic {
        let known = (0..keys.len()).rev().find_map(|end| {
            let map = match end {
                0 => &self.recording.loaded.as_ref().ok()?.service.config,
                _ => self.value(&keys[..end])?.as_object()?,
            };
            Some((end, map))
        });
        let diagnostic =
            Diagnostic::error("INVALID_PATH_ARGUMENT", format!("the configuration has nothing at `{path}`"));
        let Some((end, map)) = known else { return diagnostic };
        let names = || map.keys().map(String::as_str);
        let above = keys[..end].join(".");
        match crate::nearest::nearest(keys[end], names()) {
            Some(name) => diagnostic
                .help(format!("did you mean `{}`?", [&above, name].join(".").trim_start_matches('.'))),
            None => {
                let names: Vec<&str> = names().take(20).collect();
                let above = if above.is_empty() { "the configuration" } else { &above };
                diagnostic.help(format!("{above} has: {}", names.join(", ")))
            }
        }
    }

    /// A property: what its text is, what its variables gave, or why it has a value although nobody wrote it.
    fn property(&self, keys: &[&str], depth: usize) -> Step {
        let mut step = Step { what: keys.join("."), ..Step::default() };
        if let Some(value) = self.value(keys) {
            step.gives = Gives::Value(value.clone());
        }
        if !self.goes_on(&step, depth) {
            step.notes.push("and so on".to_owned());
            return step;
        }
        let written = self.written_keys(keys);
        let path = written.join("\0");
        let dotted = written.join(".");
        step.place =
            self.recording.spans.0.get(dotted.as_str()).map(|span| Place::of(&self.recording.sources, *span));
        let recorded = &self.recording.trace.properties;
        if let Some(rounds) = recorded.get(&path) {
            for round in rounds {
                step.below.extend(round.variables.iter().map(|asked| self.variable(asked, depth - 1)));
            }
            self.within_file(&written, written.len(), &mut step);
        } else if let Some(end) =
            (1..written.len()).rev().find(|end| recorded.contains_key(&written[..*end].join("\0")))
        {
            let above = &written[..end];
            let names: Vec<&str> = above.iter().map(String::as_str).collect();
            step.notes.push(format!("a part of what `{}` resolves to", names.join(".")));
            self.within_file(&written, end, &mut step);
            step.below.push(Step { gives: Gives::Nothing, ..self.property(&names, depth - 1) });
        } else if let Some(raw) = at(&self.recording.raw, &written) {
            let is_other =
                self.value(keys).is_some_and(|value| value != raw && !value.is_object() && !value.is_array());
            if is_other && !raw.is_object() && !raw.is_array() {
                step.notes.push(format!("written as {raw}"));
            }
            if step.gives == Gives::Nothing && !raw.is_null() && self.recording.loaded.is_err() {
                step.gives = Gives::Value(raw.clone());
            }
        } else {
            self.unwritten(keys, &mut step, depth - 1);
        }
        self.command_line(keys, &mut step);
        self.members(keys, &mut step, depth);
        step
    }

    /// The members of a map or a list that have a story of their own.
    fn members(&self, keys: &[&str], step: &mut Step, depth: usize) {
        if !step.below.is_empty() || depth < MAX_DEPTH {
            return;
        }
        let names: Vec<String> =
            match self.value(keys).or_else(|| at(&self.recording.raw, &self.written_keys(keys))) {
                Some(Value::Object(map)) => map.keys().cloned().collect(),
                Some(Value::Array(items)) => (0..items.len()).map(|index| index.to_string()).collect(),
                _ => return,
            };
        for name in names.iter().take(MAX_MEMBERS) {
            let keys: Vec<&str> = keys.iter().copied().chain([name.as_str()]).collect();
            step.below.push(self.property(&keys, depth - 1));
        }
        if names.len() > MAX_MEMBERS {
            step.notes.push(format!("and {} more", names.len() - MAX_MEMBERS));
        }
    }

    /// The keys as the file has them, where `functions` and `resources` may be lists of maps.
    fn written_keys(&self, keys: &[&str]) -> Vec<String> {
        let mut written: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let [section @ ("functions" | "resources"), name, ..] = keys else { return written };
        let Some(Value::Array(items)) = self.recording.raw.get(*section) else { return written };
        let holds = |index: usize, item: &Value| {
            item.get(*name).is_some()
                || self
                    .resolved(&format!("{section}\0{index}"))
                    .is_some_and(|value| value.get(*name).is_some())
        };
        if let Some(index) = items.iter().enumerate().position(|(index, item)| holds(index, item)) {
            written.insert(1, index.to_string());
        }
        written
    }

    /// What the only variable of a property gave.
    fn resolved(&self, path: &str) -> Option<&Value> {
        let round = self.recording.trace.properties.get(path)?.last()?;
        match &round.variables.first()?.tried.last()?.outcome {
            Outcome::Value(value) => Some(value),
            _ => None,
        }
    }

    fn variable(&self, asked: &Asked, depth: usize) -> Step {
        let mut step = Step { what: asked.text.clone(), ..Step::default() };
        step.below = asked.tried.iter().map(|tried| self.source(tried, depth)).collect();
        if let Some(last) = step.below.last() {
            step.gives = last.gives.clone();
        }
        if asked.tried.len() > 1
            && asked.tried.last().is_some_and(|last| matches!(last.outcome, Outcome::Value(_)))
        {
            step.notes.push("a fallback was taken".to_owned());
        }
        step
    }

    fn source(&self, tried: &Tried, depth: usize) -> Step {
        let Some(name) = &tried.source else {
            let Outcome::Value(value) = &tried.outcome else { return Step::default() };
            return Step {
                what: "written here".to_owned(),
                gives: Gives::Value(value.clone()),
                ..Step::default()
            };
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let params: Vec<String> = tried.params.iter().map(text).collect();
        let address = tried.address.as_ref().filter(|address| !address.is_null()).map(text);
        let mut what = name.clone();
        if !params.is_empty() {
            what = format!("{what}({})", params.join(", "));
        }
        if let Some(address) = &address {
            what = format!("{what}:{address}");
        }
        let mut step = Step { what, ..Step::default() };
        match &tried.outcome {
            Outcome::Value(value) => step.gives = Gives::Value(value.clone()),
            Outcome::Missing => {}
            Outcome::Failed(text) => step.gives = Gives::Failed(text.clone()),
            Outcome::NotYet => step.notes.push("was never answered".to_owned()),
        }
        if !self.goes_on(&step, depth) {
            return step;
        }
        step.below = tried.inner.iter().map(|asked| self.variable(asked, depth - 1)).collect();
        self.detail(name, &params, address.as_deref(), &mut step, depth);
        step
    }

    /// What a source rests on in turn.
    fn detail(&self, source: &str, params: &[String], address: Option<&str>, step: &mut Step, depth: usize) {
        let found = matches!(step.gives, Gives::Value(_));
        let below = |keys: &[&str]| Step { gives: Gives::Nothing, ..self.property(keys, depth - 1) };
        match (source, address) {
            ("self", Some(address)) => {
                let keys: Vec<&str> = address.split('.').collect();
                step.below.push(below(&keys));
            }
            ("env", Some(name)) if found => {
                let is_given = self.environment.contains_key(name);
                let from = if is_given { "from the environment" } else { "from a .env file" };
                step.notes.push(from.to_owned());
            }
            ("opt", Some(_)) if found => step.notes.push("from the command line".to_owned()),
            ("sls", Some("stage")) if self.option("stage").is_some() => {
                step.notes.push("from --stage".to_owned());
            }
            ("sls", Some("stage")) => step.below.push(below(&["provider", "stage"])),
            ("aws", Some("region")) if self.option("region").is_some() => {
                step.notes.push("from --region".to_owned());
            }
            ("aws", Some("region")) => step.below.push(below(&["provider", "region"])),
            ("param", Some(key)) if found => match self.param_keys(key) {
                None => step.notes.push("from --param".to_owned()),
                Some(keys) => step.below.push(below(&keys.iter().map(String::as_str).collect::<Vec<_>>())),
            },
            ("file", address) => {
                if let Some(path) = params.first() {
                    step.place = files::place(&self.directory, path, address.unwrap_or_default());
                }
            }
            ("cf" | "s3" | "ssm" | "aws", _) if found => step.notes.push("from the cloud".to_owned()),
            _ => {}
        }
    }

    /// Where a parameter is configured; none when it was given on the command line.
    fn param_keys(&self, key: &str) -> Option<Vec<String>> {
        let given = self.options.get("param").and_then(Value::as_array);
        let is_given = |item: &Value| {
            item.as_str().and_then(|item| item.split_once('=')).is_some_and(|(name, _)| name == key)
        };
        if given.is_some_and(|items| items.iter().any(is_given)) {
            return None;
        }
        let written = self.recording.raw.pointer("/provider/stage").and_then(Value::as_str);
        let loaded = self.recording.loaded.as_ref().ok().map(|loaded| loaded.service.stage.as_str());
        let stage = loaded.or(self.option("stage")).or(written).unwrap_or("dev");
        let candidates = [
            vec!["params", stage, key],
            vec!["stages", stage, "params", key],
            vec!["params", "default", key],
            vec!["stages", "default", "params", key],
        ];
        let keys = candidates.into_iter().find(|keys| {
            let is_written =
                at(&self.recording.raw, &keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>());
            is_written.is_some() || self.value(keys).is_some()
        });
        Some(keys?.into_iter().map(str::to_owned).collect())
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).and_then(Value::as_str).filter(|value| !value.is_empty())
    }

    /// Stage and region can be given on the command line too, which goes before the file.
    fn command_line(&self, keys: &[&str], step: &mut Step) {
        let ["provider", name @ ("stage" | "region")] = keys else { return };
        if let Some(given) = self.option(name) {
            step.notes.push(format!("--{name} {given} goes before it"));
        }
    }

    /// The line in the file that a property above was read from.
    fn within_file(&self, written: &[String], end: usize, step: &mut Step) {
        let Some(round) =
            self.recording.trace.properties.get(&written[..end].join("\0")).and_then(|rounds| rounds.last())
        else {
            return;
        };
        let [asked] = &round.variables[..] else { return };
        let Some(tried) = asked.tried.last().filter(|tried| tried.source.as_deref() == Some("file")) else {
            return;
        };
        let Some(path) = tried.params.first().and_then(Value::as_str) else { return };
        let rest = &written[end..];
        if rest.is_empty() {
            return;
        }
        let address = tried.address.as_ref().and_then(Value::as_str).into_iter();
        let keys: Vec<&str> = address.chain(rest.iter().map(String::as_str)).collect();
        step.place = files::place(&self.directory, path, &keys.join("."));
    }
}

/// The value at a path of keys and indices.
fn at<'v>(value: &'v Value, keys: &[String]) -> Option<&'v Value> {
    keys.iter().try_fold(value, |value, key| match value {
        Value::Object(map) => map.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
