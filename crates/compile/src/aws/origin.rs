//! Which parts of the configuration make a resource of the template, and which shape it.
//!
//! Found out by trying: the service is compiled again without a part, and the resource is gone, differs or does not. So the
//! answer holds whatever the compiler does, and no step of compiling has to say what it made. Keeps true: a part is only
//! looked into when the whole of it matters, and the number of attempts is bounded.

mod parts;

use super::plan::diff::{Difference, differences, dotted};
use super::plan::identity::{stable, stable_text};
use crate::CompileOptions;
use aloft_config::Service;
use aloft_package::Artifacts;
use parts::{alike, anonymous, is_unit, members, mentions, neighbours, remove};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// How often the service is compiled at most.
const MAX_ATTEMPTS: usize = 3000;
/// Members that are tried one by one; more of them are tried in halves first.
const FEW: usize = 6;

/// Where a resource comes from. Paths are dotted paths of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// The logical id, as the template has it.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// Parts without which it would not be there.
    pub made_by: Vec<String>,
    /// Parts of which each one alone would make it.
    pub made_by_any: Vec<String>,
    /// Parts that decide its properties, and which.
    pub shaped_by: Vec<(String, Vec<String>)>,
    /// Whether everything was tried, and could be.
    pub is_complete: bool,
}

/// Finds where the resource comes from; none when the template has no such resource or cannot be compiled.
pub fn origin(
    service: &Service,
    artifacts: &Artifacts,
    options: &CompileOptions,
    logical_id: &str,
) -> Option<Origin> {
    let template = super::compile(service, artifacts, options).ok()?.update_template;
    let resources = template.get("Resources")?.as_object()?;
    let is_it = |id: &&String| *id == logical_id || stable_text(id) == stable_text(logical_id);
    let id = resources.keys().find(is_it)?.clone();
    let resource = stable(&resources[&id]);
    let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let look = anonymous(&resource);
    let mut search = Search {
        scratch: service.clone(),
        whole: service.config.clone(),
        artifacts,
        options,
        stable_id: stable_text(&id).into_owned(),
        alike: alike(resources, &look),
        rank: resources
            .iter()
            .take_while(|(other, _)| **other != id)
            .filter(|(_, other)| anonymous(&stable(other)) == look)
            .count(),
        neighbours: neighbours(resources, &id),
        resource,
        gone: Vec::new(),
        shaped: Vec::new(),
        attempts: 0,
        is_unsure: false,
    };
    search.names();
    let sections: Vec<Vec<String>> = search.whole.keys().map(|key| vec![key.clone()]).collect();
    for path in sections {
        search.probe(&path);
    }
    let (made_by, made_by_any) = search.makers();
    let is_found = !made_by.is_empty() || !made_by_any.is_empty();
    Some(Origin {
        logical_id: id,
        kind,
        made_by,
        made_by_any,
        shaped_by: std::mem::take(&mut search.shaped),
        is_complete: search.attempts <= MAX_ATTEMPTS && (is_found || !search.is_unsure),
    })
}

/// What became of the resource.
#[derive(PartialEq)]
enum Fate {
    Same,
    Gone,
    Differs(Vec<String>),
    /// The service does not compile like that.
    Unknown,
}

struct Search<'a> {
    /// The service that is changed and compiled.
    scratch: Service,
    whole: Map<String, Value>,
    artifacts: &'a Artifacts,
    options: &'a CompileOptions,
    stable_id: String,
    resource: Value,
    /// How many resources look like it, whatever they are called.
    alike: usize,
    /// How many of these come before it.
    rank: usize,
    /// Resources that differ from it in the number at the end of their ids, numbers left out.
    neighbours: Vec<Value>,
    /// Paths without which it is gone.
    gone: Vec<Vec<String>>,
    shaped: Vec<(String, Vec<String>)>,
    attempts: usize,
    /// Something could not be tried.
    is_unsure: bool,
}

impl Search<'_> {
    /// The names that are no part of the configuration's tree alone.
    fn names(&mut self) {
        let name = std::mem::take(&mut self.scratch.name);
        self.scratch.name = format!("{name}x");
        let fate = self.attempt(self.whole.clone());
        self.scratch.name = name;
        self.shape("service", fate);
        let stage = std::mem::take(&mut self.scratch.stage);
        self.scratch.stage = format!("{stage}x");
        let mut config = self.whole.clone();
        if let Some(provider) = config.get_mut("provider").and_then(Value::as_object_mut) {
            provider.insert("stage".to_owned(), json!(self.scratch.stage));
        }
        let fate = self.attempt(config);
        self.scratch.stage = stage;
        self.shape("provider.stage", fate);
    }

    fn shape(&mut self, path: &str, fate: Fate) {
        if let Fate::Differs(properties) = fate {
            self.shaped.push((path.to_owned(), properties));
        }
    }

    /// Looks what depends on a part, and on which parts of it.
    fn probe(&mut self, path: &[String]) {
        let mut fate = self.without(&[path.to_vec()]);
        if fate == Fate::Same {
            return;
        }
        if fate == Fate::Unknown && is_unit(path) {
            match path {
                [section, name] if section == "functions" && self.is_made_by_alone(name) => fate = Fate::Gone,
                _ if self.without_users(path) == Fate::Gone => fate = Fate::Gone,
                _ => self.is_unsure = true,
            }
        }
        let (gone, shaped) = (self.gone.len(), self.shaped.len());
        let members = members(&self.whole, path);
        if members.is_empty() {
            return self.leaf(path, fate);
        }
        self.members(&members);
        match fate {
            Fate::Gone if !self.gone[gone..].iter().any(|found| is_unit(found)) => {
                self.gone.push(path.to_vec())
            }
            Fate::Differs(properties) if self.shaped.len() == shaped && self.gone.len() == gone => {
                self.shaped.push((path.join("."), properties));
            }
            _ => {}
        }
    }

    /// A function that others refer to cannot be left out alone: it is tried alone, and left out with the others.
    fn is_made_by_alone(&mut self, name: &str) -> bool {
        let Some(functions) = self.whole.get("functions").and_then(Value::as_object).cloned() else {
            return false;
        };
        let mut alone = self.whole.clone();
        alone.insert("functions".to_owned(), json!({ name: functions.get(name) }));
        let mut others = self.whole.clone();
        let refers = |function: &Value| mentions(function, name) || mentions(function, "authorizer");
        let rest = functions.into_iter().filter(|(key, function)| key != name && !refers(function));
        others.insert("functions".to_owned(), Value::Object(rest.collect()));
        remove(&mut others, &["provider", "httpApi", "authorizers"].map(str::to_owned));
        matches!(self.attempt(alone), Fate::Same | Fate::Differs(_)) && self.attempt(others) == Fate::Gone
    }

    /// What functions use, such as an authorizer, is left out with them.
    fn without_users(&mut self, path: &[String]) -> Fate {
        let mut config = self.whole.clone();
        remove(&mut config, path);
        if let Some(functions) = config.get_mut("functions").and_then(Value::as_object_mut) {
            functions.retain(|_, function| !mentions(function, "authorizer"));
        }
        match path {
            [section, ..] if section == "provider" && path.len() > 1 => self.attempt(config),
            _ => Fate::Unknown,
        }
    }

    /// Many members are tried together first.
    fn members(&mut self, paths: &[Vec<String>]) {
        if paths.len() <= FEW {
            paths.iter().for_each(|path| self.probe(path));
            return;
        }
        let (left, right) = paths.split_at(paths.len() / 2);
        for half in [left, right] {
            if self.without(half) != Fate::Same {
                self.members(half);
            }
        }
    }

    /// A value that cannot be left out may still be another one.
    fn leaf(&mut self, path: &[String], fate: Fate) {
        let fate = match fate {
            Fate::Unknown => self.otherwise(path),
            fate => fate,
        };
        match fate {
            Fate::Gone => self.gone.push(path.to_vec()),
            Fate::Differs(properties) => self.shaped.push((path.join("."), properties)),
            Fate::Same | Fate::Unknown => {}
        }
    }

    fn without(&mut self, paths: &[Vec<String>]) -> Fate {
        let mut config = self.whole.clone();
        for path in paths {
            remove(&mut config, path);
        }
        self.attempt(config)
    }

    fn otherwise(&mut self, path: &[String]) -> Fate {
        let mut config = Value::Object(self.whole.clone());
        let pointer: String =
            path.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
        let Some(value) = config.pointer_mut(&pointer) else { return Fate::Unknown };
        *value = match &*value {
            Value::String(text) => json!(format!("{text}x")),
            Value::Bool(value) => json!(!value),
            Value::Number(number) => json!(number.as_i64().unwrap_or_default() + 1),
            _ => return Fate::Unknown,
        };
        match config {
            Value::Object(config) => self.attempt(config),
            _ => Fate::Unknown,
        }
    }

    fn attempt(&mut self, config: Map<String, Value>) -> Fate {
        self.attempts += 1;
        if self.attempts > MAX_ATTEMPTS {
            return Fate::Same;
        }
        self.scratch.config = config;
        let Some(resources) = self.compiled() else {
            // An extension of what is gone is a mistake: without it, little more than presence can be told.
            let section = self.scratch.config.get_mut("resources").and_then(Value::as_object_mut);
            if section.and_then(|section| section.shift_remove("extensions")).is_none() {
                return Fate::Unknown;
            }
            let Some(resources) = self.compiled() else { return Fate::Unknown };
            return match self.find(&resources) {
                None => Fate::Gone,
                Some(found) if differences(&self.resource, &stable(found)).is_empty() => Fate::Same,
                Some(_) => Fate::Unknown,
            };
        };
        let resources = &resources;
        let found = self.find(resources);
        let differences: Vec<Difference> = match found {
            Some(found) => differences(&self.resource, &stable(found)),
            // Another of the same kind has gone, and this one has moved up to its number.
            None if alike(resources, &anonymous(&self.resource)) >= self.alike => return Fate::Same,
            None => return Fate::Gone,
        };
        if differences.is_empty() {
            return Fate::Same;
        }
        // It has gone, and its neighbour has moved up to its number.
        if found.is_some_and(|found| self.neighbours.contains(&anonymous(&stable(found)))) {
            return Fate::Gone;
        }
        let names: BTreeSet<String> = differences
            .iter()
            .map(|difference| {
                let path =
                    difference.path.strip_prefix(&["Properties".to_owned()][..]).unwrap_or(&difference.path);
                dotted(path)
            })
            .collect();
        Fate::Differs(names.into_iter().collect())
    }

    fn compiled(&self) -> Option<Map<String, Value>> {
        let mut compiled = super::compile(&self.scratch, self.artifacts, self.options).ok()?;
        match compiled.update_template.get_mut("Resources").map(Value::take) {
            Some(Value::Object(resources)) => Some(resources),
            _ => Some(Map::new()),
        }
    }

    fn find<'r>(&self, resources: &'r Map<String, Value>) -> Option<&'r Value> {
        let is_it = |(id, _): &(&String, &Value)| stable_text(id) == self.stable_id;
        resources.get(&self.stable_id).or_else(|| resources.iter().find(is_it).map(|(_, found)| found))
    }

    /// The smallest parts that make it; where it is made by several of them together, those of which each would do.
    fn makers(&mut self) -> (Vec<String>, Vec<String>) {
        let units: Vec<Vec<String>> = self.gone.iter().filter(|path| is_unit(path)).cloned().collect();
        let is_inner = |path: &&Vec<String>| {
            !units.iter().any(|other| other.len() > path.len() && other.starts_with(path))
        };
        let inner: Vec<Vec<String>> = units.iter().filter(is_inner).cloned().collect();
        let has_parts = |path: &[String]| {
            matches!(path, [section] | [section, _] if section == "functions")
                || matches!(path, [section, _, events] if section == "functions" && events == "events")
        };
        let (parts, made_by): (Vec<_>, Vec<_>) = inner.into_iter().partition(|path| has_parts(path));
        let mut any: Vec<Vec<String>> = Vec::new();
        let mut single: Vec<Vec<String>> = Vec::new();
        for path in parts {
            let found = self.events_together(&path);
            match (found.is_empty(), path.len()) {
                (false, _) => any.extend(found),
                (true, 1) => any.extend(members(&self.whole, &path)),
                (true, _) => single.push(path),
            }
        }
        // What one event makes, its function does not make beside it.
        let text = |paths: Vec<Vec<String>>| paths.iter().map(|path| path.join(".")).collect::<Vec<_>>();
        single.extend(made_by);
        // Resources that are alike but for their numbers: the first part makes the first.
        if self.alike > 1 && single.len() == self.alike {
            single = single.into_iter().nth(self.rank).into_iter().collect();
        }
        match (&any[..], single.is_empty()) {
            ([only], true) => (vec![only.join(".")], Vec::new()),
            _ => (text(single), text(any)),
        }
    }

    /// The events of one type below a path, if the resource is there for any of them.
    fn events_together(&mut self, path: &[String]) -> Vec<Vec<String>> {
        let mut by_kind: indexmap::IndexMap<String, Vec<Vec<String>>> = indexmap::IndexMap::new();
        let functions = self.whole.get("functions").and_then(Value::as_object);
        for (name, function) in functions.into_iter().flatten() {
            if path.get(1).is_some_and(|only| only != name) {
                continue;
            }
            let events = function.get("events").and_then(Value::as_array);
            for (index, event) in events.into_iter().flatten().enumerate() {
                let kind =
                    event.as_object().and_then(|event| event.keys().next()).cloned().unwrap_or_default();
                let path = ["functions", name, "events", &index.to_string()].map(str::to_owned).to_vec();
                by_kind.entry(kind).or_default().push(path);
            }
        }
        let mut found = Vec::new();
        for paths in by_kind.into_values() {
            if self.without(&paths) == Fate::Gone {
                found.extend(paths);
            }
        }
        found
    }
}
