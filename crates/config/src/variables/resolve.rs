//! The resolution itself: each property's variables, what they refer to first, and what they resolve to again.
//!
//! Keeps true: a property is attempted once a run, references that go in circles are told, and depth is bounded.

use super::parse::{self, Source as Alternative, State, Text, Variable};
use super::trace::{Outcome, Trace};
use super::tree::{self, Properties, Property};
use super::{Context, Failure, Found, Phase, Request, SOURCES, SourceError, text};
use indexmap::{IndexMap, IndexSet};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// How often a value may resolve to one that holds variables again.
const MAX_NESTING: usize = 10;
/// Properties that wait for each other on the stack.
const MAX_WAITING: usize = 100;
/// Bytes of all resolved values together: references can double a value again and again.
const MAX_SIZE: usize = 32 * 1024 * 1024;
/// Texts that are resolved for variables within variables: each may name several, which may name several again.
const MAX_NESTED_TEXTS: usize = 200_000;

/// A configuration on its way to being free of variables.
pub(crate) struct Resolver<'a> {
    /// The configuration; resolved values are written into it.
    pub config: Value,
    /// What variables may look at.
    pub context: Context<'a>,
    /// Which sources can be asked.
    pub phase: Phase,
    /// Whether a missing environment variable is missing for good.
    pub environment_is_final: bool,
    /// Environment variables that were asked for in vain.
    pub missing_environment: HashSet<String>,
    /// Takes down what is done, when somebody wants to know.
    pub trace: Option<Rc<RefCell<Trace>>>,
    /// Files that were read, by path.
    pub(super) files: HashMap<std::path::PathBuf, Result<Option<Value>, String>>,
    properties: Properties,
    size: usize,
    nested_texts: usize,
    run: Run,
}

/// What is known within one run only.
#[derive(Default)]
struct Run {
    attempted: HashSet<String>,
    dependencies: HashMap<String, IndexSet<String>>,
    nesting: HashMap<String, usize>,
    waiting: usize,
}

/// Whether a text has become a plain value.
enum Progress {
    Done,
    NotYet,
}

impl<'a> Resolver<'a> {
    /// Finds the variables of a configuration.
    pub fn new(config: Value, context: Context<'a>) -> Self {
        let mut properties = Properties::default();
        tree::collect(&config, "", &mut properties);
        Self {
            config,
            context,
            phase: Phase::Core,
            environment_is_final: false,
            missing_environment: HashSet::new(),
            trace: None,
            files: HashMap::new(),
            properties,
            size: 0,
            nested_texts: 0,
            run: Run::default(),
        }
    }

    /// Whether no variable is left.
    pub fn is_done(&self) -> bool {
        self.properties.is_empty()
    }

    /// Whether a property, what it lies in and what lies in it are free of variables.
    pub fn is_resolved(&self, keys: &[&str]) -> bool {
        let path = keys.join("\0");
        !self.properties.paths().any(|property| tree::touches(&path, property))
    }

    /// What went wrong so far, each once.
    pub fn failures(&self) -> Vec<Rc<Failure>> {
        let mut failures: Vec<Rc<Failure>> = Vec::new();
        for failure in self.properties.iter().filter_map(|(_, property)| property.failure.as_ref()) {
            if !failures.iter().any(|known| Rc::ptr_eq(known, failure)) {
                failures.push(failure.clone());
            }
        }
        failures
    }

    /// The sources that nobody knows, with the properties that ask for them.
    pub fn unknown_sources(&self) -> IndexMap<String, Vec<String>> {
        fn walk(variables: &[Variable], path: &str, unknown: &mut IndexMap<String, Vec<String>>) {
            for variable in variables {
                let State::Open(alternatives) = &variable.state else { continue };
                for alternative in alternatives {
                    let Alternative::Call { name, params, address } = alternative else { continue };
                    for text in params.iter().flatten().chain(address) {
                        walk(&text.variables, path, unknown);
                    }
                    if !SOURCES.iter().any(|source| source.name == name) {
                        unknown.entry(name.clone()).or_default().push(text::dotted(path));
                    }
                }
            }
        }
        let mut unknown = IndexMap::new();
        for (path, property) in self.properties.iter() {
            walk(&property.text.variables, path, &mut unknown);
        }
        unknown
    }

    /// Resolves what can be resolved, of these properties only when any are named.
    pub fn resolve(&mut self, only: Option<&[&[&str]]>) {
        self.run = Run::default();
        self.properties.compact();
        let wanted = |path: &str| {
            only.is_none_or(|only| only.iter().any(|keys| tree::touches(path, &keys.join("\0"))))
        };
        let paths: Vec<String> = self.properties.paths().filter(|path| wanted(path)).cloned().collect();
        for path in paths {
            self.property(&path);
        }
    }

    fn property(&mut self, path: &str) {
        if !self.run.attempted.insert(path.to_owned()) {
            return;
        }
        self.run.waiting += 1;
        if self.run.waiting > MAX_WAITING {
            self.fail(path, Failure::at(path, "Excessive property variables nest depth"));
        }
        while let Some(property) = self.properties.get(path) {
            if property.failure.is_some() || property.text.variables.is_empty() {
                break;
            }
            let mut text = property.text.clone();
            self.record(Trace::open);
            let progress = self.text(path, &mut text);
            if self.trace.is_some() {
                let raw = self.properties.get(path).map(|property| property.text.value.clone());
                self.record(|trace| trace.close_property(path, &raw.unwrap_or_default()));
            }
            match progress {
                Err(failure) => self.fail(path, failure),
                Ok(Progress::Done) => self.settle(path, text),
                Ok(Progress::NotYet) => {
                    if let Some(property) = self.properties.get_mut(path) {
                        property.text = text;
                    }
                    break;
                }
            }
        }
        self.run.waiting -= 1;
    }

    fn record(&self, what: impl FnOnce(&mut Trace)) {
        if let Some(trace) = &self.trace {
            what(&mut trace.borrow_mut());
        }
    }

    fn fail(&mut self, path: &str, failure: Rc<Failure>) {
        if let Some(property) = self.properties.get_mut(path) {
            property.text.variables.clear();
            property.failure = Some(failure);
        }
    }

    /// Writes a resolved value; variables that it holds in turn become properties.
    fn settle(&mut self, path: &str, text: Text) {
        self.size += text::size(&text.value);
        if self.size > MAX_SIZE {
            return self.fail(path, Failure::at(path, "The values that variables resolve to are too large"));
        }
        let mut found = Properties::default();
        if text.value.is_string() {
            match variables_of(&text) {
                Ok(variables) if variables.is_empty() => {}
                Ok(variables) => {
                    let text = Text { value: text.value.clone(), variables, pieces: None };
                    found.insert(path.to_owned(), Property { text, failure: None });
                }
                Err(message) => return self.fail(path, Failure::at(path, &message)),
            }
        } else {
            tree::collect(&text.value, path, &mut found);
        }
        if !found.is_empty() {
            let nesting = self.run.nesting.get(path).copied().unwrap_or(0) + 1;
            if nesting > MAX_NESTING {
                return self.fail(path, Failure::at(path, "Excessive property variables nest depth"));
            }
            self.run.nesting.extend(found.paths().map(|path| (path.clone(), nesting)));
        }
        if let Some(value) = tree::at_mut(&mut self.config, path) {
            *value = text.value;
        }
        if !found.contains(path) {
            self.properties.remove(path);
        }
        let below: Vec<String> = found.paths().filter(|found| *found != path).cloned().collect();
        for (path, property) in found {
            self.properties.insert(path, property);
        }
        for path in below {
            self.property(&path);
        }
    }

    /// Resolves all variables of a text and puts it together.
    fn text(&mut self, path: &str, text: &mut Text) -> Result<Progress, Rc<Failure>> {
        let mut progress = Progress::Done;
        for variable in &mut text.variables {
            let State::Open(alternatives) = &mut variable.state else { continue };
            let range = variable.start..variable.end;
            self.record(|trace| trace.asked(&text.value, range));
            match self.variable(path, alternatives)? {
                Some(value) => variable.state = State::Known(value),
                None => progress = Progress::NotYet,
            }
        }
        if let Progress::NotYet = progress {
            return Ok(progress);
        }
        let variables = std::mem::take(&mut text.variables);
        let known = |variable: Variable| match variable.state {
            State::Known(value) => value,
            State::Open(_) => Value::Null,
        };
        if let [Variable { is_whole: true, .. }] = variables[..] {
            text.value = variables.into_iter().map(known).next().unwrap_or_default();
            return Ok(progress);
        }
        let raw = text.value.as_str().unwrap_or_default();
        let (mut pieces, mut last, mut size) = (Vec::new(), 0, 0);
        for variable in variables {
            let (start, end) = (variable.start, variable.end);
            let Some(value) = text::coerce(&known(variable)) else {
                let what = "String value consist of variable which resolve with non-string value";
                return Err(Failure::at(path, what));
            };
            size += value.len();
            if size > MAX_SIZE {
                return Err(Failure::at(path, "The values that variables resolve to are too large"));
            }
            pieces.push(raw.get(last..start).unwrap_or_default().to_owned());
            pieces.push(value);
            last = end;
        }
        pieces.push(raw.get(last..).unwrap_or_default().to_owned());
        text.value = Value::String(pieces.concat());
        text.pieces = Some(pieces);
        Ok(progress)
    }

    /// The value of a variable, from the first alternative that has one; none when it is too early to say.
    fn variable(
        &mut self,
        path: &str,
        alternatives: &mut Vec<Alternative>,
    ) -> Result<Option<Value>, Rc<Failure>> {
        let mut remaining = alternatives.clone();
        while !remaining.is_empty() {
            let (name, found) = match &remaining[0] {
                Alternative::Literal(value) => {
                    self.record(|trace| trace.literal(value));
                    return Ok(Some(value.clone()));
                }
                Alternative::Call { name, params, address } => {
                    let known =
                        SOURCES.iter().find(|source| source.name == name && source.since <= self.phase);
                    self.record(Trace::open);
                    let Some(source) = known else {
                        self.record(|trace| trace.close_source(name, Outcome::NotYet));
                        return Ok(None);
                    };
                    let found = self.call(path, source, params.clone(), address.clone());
                    self.record(|trace| trace.close_source(name, Outcome::of(&found)));
                    (name.clone(), found)
                }
            };
            let found = match found {
                Ok(found) => found,
                Err(SourceError::Dependency(failure)) => return Err(failure),
                Err(SourceError::Text(what)) => return Err(Failure::at(path, &what)),
                Err(SourceError::NotYet) => {
                    *alternatives = remaining;
                    return Ok(None);
                }
            };
            if !found.value.is_null() {
                return Ok(Some(found.value));
            }
            if found.is_pending {
                *alternatives = remaining;
                return Ok(None);
            }
            remaining.remove(0);
            if remaining.is_empty() {
                let what = found.missing.unwrap_or_else(|| format!("Value not found at \"{name}\" source"));
                return Err(Failure::at(path, &what));
            }
        }
        Ok(Some(Value::Null))
    }

    /// Asks a source, once its params and its address are free of variables.
    fn call(
        &mut self,
        path: &str,
        source: &super::Source,
        params: Option<Vec<Text>>,
        address: Option<Text>,
    ) -> Result<Found, SourceError> {
        let params = params
            .map(|params| params.into_iter().map(|param| self.argument(path, param)).collect())
            .transpose()?;
        let address = address.map(|address| self.argument(path, address)).transpose()?;
        self.record(|trace| trace.arguments(params.as_deref(), address.as_ref()));
        let answer = (source.resolve)(&mut Request { resolver: self, path, params, address });
        match answer {
            // A mistake elsewhere is told there; anything else is told here.
            Err(SourceError::Dependency(failure))
                if !failure.message.starts_with("Cannot resolve variable at ") =>
            {
                Err(SourceError::Text(failure.message.clone()))
            }
            answer => answer,
        }
    }

    fn argument(&mut self, path: &str, mut text: Text) -> Result<Value, SourceError> {
        if !text.variables.is_empty() {
            self.through(path, &mut text, MAX_NESTING)?;
        }
        Ok(text.value)
    }

    /// Resolves a text that stands in no property, and what it resolves to, to the end.
    fn through(&mut self, path: &str, text: &mut Text, depth: usize) -> Result<(), SourceError> {
        let failed = |what: &str| SourceError::Dependency(Failure::at(path, what));
        self.nested_texts += 1;
        if self.nested_texts > MAX_NESTED_TEXTS {
            return Err(failed("Excessive number of variables within variables"));
        }
        if !text.variables.is_empty() {
            match self.text(path, text).map_err(SourceError::Dependency)? {
                Progress::Done => {}
                Progress::NotYet => return Err(SourceError::NotYet),
            }
        }
        self.size += text::size(&text.value);
        if self.size > MAX_SIZE {
            return Err(failed("The values that variables resolve to are too large"));
        }
        if depth == 0 {
            return Err(failed("Excessive variables nest depth"));
        }
        if text.value.is_string() {
            text.variables = variables_of(text).map_err(|message| failed(&message))?;
            text.pieces = None;
            if !text.variables.is_empty() {
                self.through(path, text, depth - 1)?;
            }
            return Ok(());
        }
        let mut found = Properties::default();
        tree::collect(&text.value, "", &mut found);
        for (below, mut property) in found {
            if let Some(failure) = property.failure {
                return Err(SourceError::Dependency(failure));
            }
            self.through(path, &mut property.text, depth - 1)?;
            if let Some(value) = tree::at_mut(&mut text.value, &below) {
                *value = property.text.value;
            }
        }
        Ok(())
    }

    /// A string that a source came upon, its variables resolved.
    pub(super) fn string(&mut self, path: &str, raw: &str) -> Result<Value, SourceError> {
        let mut text = Text { value: Value::String(raw.to_owned()), ..Text::default() };
        self.through(path, &mut text, MAX_NESTING)?;
        Ok(text.value)
    }

    /// A property that another one depends on, resolved; null when there is none.
    pub(super) fn dependency(&mut self, dependent: &str, keys: &[&str]) -> Result<Value, SourceError> {
        for end in 1..=keys.len() {
            let path = keys[..end].join("\0");
            self.require(dependent, &path)?;
        }
        let value = text::member(&self.config, keys).unwrap_or_default();
        if !value.is_object() && !value.is_array() {
            return Ok(value);
        }
        let prefix = if keys.is_empty() { String::new() } else { keys.join("\0") + "\0" };
        let below: Vec<String> =
            self.properties.paths().filter(|path| path.starts_with(&prefix)).cloned().collect();
        for path in below {
            self.require(dependent, &path)?;
        }
        Ok(text::member(&self.config, keys).unwrap_or_default())
    }

    /// Resolves the variables of a property, if it has any.
    fn require(&mut self, dependent: &str, path: &str) -> Result<(), SourceError> {
        if !self.properties.contains(path) {
            return Ok(());
        }
        self.check_circle(dependent, path, &mut HashSet::new()).map_err(SourceError::Text)?;
        self.run.dependencies.entry(dependent.to_owned()).or_default().insert(path.to_owned());
        self.property(path);
        match self.properties.get(path) {
            None => Ok(()),
            Some(Property { failure: Some(failure), .. }) => Err(SourceError::Dependency(failure.clone())),
            Some(_) => Err(SourceError::NotYet),
        }
    }

    fn check_circle<'s>(
        &'s self,
        dependent: &str,
        path: &'s str,
        seen: &mut HashSet<&'s str>,
    ) -> Result<(), String> {
        if dependent == path {
            return Err(format!("Circular reference. \"{}\" refers to itself", text::dotted(path)));
        }
        let Some(next) = self.run.dependencies.get(path).filter(|_| seen.insert(path)) else { return Ok(()) };
        if next.contains(dependent) {
            let (dependent, path) = (text::dotted(dependent), text::dotted(path));
            return Err(format!("Circular reference among \"{dependent}\" and \"{path}\" properties"));
        }
        next.iter().try_for_each(|next| self.check_circle(dependent, next, seen))
    }
}

/// The variables of a resolved string, each of its pieces looked at alone.
fn variables_of(text: &Text) -> Result<Vec<Variable>, String> {
    let value = text.value.as_str().unwrap_or_default();
    let wrong = |message: String| {
        format!("Approached variable syntax error in resolved value \"{value}\": {message}")
    };
    let Some(pieces) = &text.pieces else { return parse::parse(value).map_err(wrong) };
    let (mut variables, mut base) = (Vec::new(), 0);
    for piece in pieces {
        let found = parse::parse(piece).map_err(wrong)?;
        variables.extend(found.into_iter().map(|variable| Variable {
            start: variable.start + base,
            end: variable.end + base,
            is_whole: variable.is_whole && piece.len() == value.len(),
            ..variable
        }));
        base += piece.len();
    }
    Ok(variables)
}
