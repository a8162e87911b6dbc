//! What the resolver did, for whoever wants to know where a value comes from.
//!
//! Recorded only when asked for, and never read by the resolver: resolution is the same with and without it.

use super::{Found, SourceError};
use indexmap::IndexMap;
use serde_json::Value;
use std::ops::Range;

/// What variables asked for, and what they were given.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// By property, its keys joined by NUL: the texts that it had one after the other, with their variables.
    pub properties: IndexMap<String, Vec<Round>>,
    frames: Vec<Frame>,
}

/// A text and its variables.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// The text.
    pub raw: Value,
    /// Its variables, in order.
    pub variables: Vec<Asked>,
}

/// A variable.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    start: usize,
    /// As it is written.
    pub text: String,
    /// The sources that were asked, in order.
    pub tried: Vec<Tried>,
}

/// One source of a variable.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// Its name; none for a literal value.
    pub source: Option<String>,
    /// What stands in parentheses, variables resolved.
    pub params: Vec<Value>,
    /// What stands after the colon, variables resolved.
    pub address: Option<Value>,
    /// The variables in both.
    pub inner: Vec<Asked>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a source answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// A value.
    Value(Value),
    /// Nothing, so that the next one is asked.
    Missing,
    /// That it cannot tell, and why.
    Failed(String),
    /// That it is too early to tell.
    NotYet,
}

impl Outcome {
    pub(super) fn of(answer: &Result<Found, SourceError>) -> Self {
        match answer {
            Ok(found) if !found.value.is_null() => Self::Value(found.value.clone()),
            Ok(found) if found.is_pending => Self::NotYet,
            Ok(_) => Self::Missing,
            Err(SourceError::NotYet) => Self::NotYet,
            Err(SourceError::Dependency(failure)) => Self::Failed(failure.message.clone()),
            Err(SourceError::Text(text)) => Self::Failed(text.clone()),
        }
    }
}

/// What is being worked on: a property, or a source of a variable.
#[derive(Debug, Default)]
struct Frame {
    asked: Vec<Asked>,
    params: Vec<Value>,
    address: Option<Value>,
}

impl Trace {
    /// A property or a source begins.
    pub(super) fn open(&mut self) {
        self.frames.push(Frame::default());
    }

    /// A variable of the text begins.
    pub(super) fn asked(&mut self, text: &Value, range: Range<usize>) {
        let start = range.start;
        let text = text.as_str().and_then(|text| text.get(range)).unwrap_or_default().to_owned();
        if let Some(frame) = self.frames.last_mut() {
            frame.asked.push(Asked { start, text, tried: Vec::new() });
        }
    }

    /// The variable has come to a literal value.
    pub(super) fn literal(&mut self, value: &Value) {
        let outcome = Outcome::Value(value.clone());
        self.tried(Tried { source: None, params: Vec::new(), address: None, inner: Vec::new(), outcome });
    }

    /// The source is asked with these.
    pub(super) fn arguments(&mut self, params: Option<&[Value]>, address: Option<&Value>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.params = params.unwrap_or_default().to_vec();
            frame.address = address.cloned();
        }
    }

    /// The source has answered.
    pub(super) fn close_source(&mut self, name: &str, outcome: Outcome) {
        let Frame { asked, params, address } = self.frames.pop().unwrap_or_default();
        self.tried(Tried { source: Some(name.to_owned()), params, address, inner: asked, outcome });
    }

    fn tried(&mut self, tried: Tried) {
        if let Some(asked) = self.frames.last_mut().and_then(|frame| frame.asked.last_mut()) {
            asked.tried.push(tried);
        }
    }

    /// The variables of the property's text have been asked for, as far as they can.
    pub(super) fn close_property(&mut self, path: &str, raw: &Value) {
        let asked = self.frames.pop().unwrap_or_default().asked;
        let rounds = self.properties.entry(path.to_owned()).or_default();
        let Some(round) = rounds.last_mut().filter(|round| round.raw == *raw) else {
            rounds.push(Round { raw: raw.clone(), variables: asked });
            return;
        };
        // A later phase asks again for what was too early before.
        for asked in asked {
            match round.variables.iter_mut().find(|known| known.start == asked.start) {
                Some(known) => {
                    let is_again = |old: &Tried| {
                        old.outcome == Outcome::NotYet
                            || asked
                                .tried
                                .iter()
                                .any(|new| new.source == old.source && new.address == old.address)
                    };
                    known.tried.retain(|old| !is_again(old));
                    known.tried.extend(asked.tried);
                }
                None => round.variables.push(asked),
            }
        }
        round.variables.sort_by_key(|asked| asked.start);
    }
}
