//! The words of the ledger: an invocation that began, and the row that it becomes.

use aloft_base::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most bytes that are kept of texts which callers choose.
const TEXT: usize = 320;

/// What runs: a version of a function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Function {
    /// Whose function it is.
    pub account: AccountId,
    /// Where the function is.
    pub region: Region,
    /// The function's name.
    #[serde(rename = "function")]
    pub name: Arc<str>,
    /// The version that ran.
    pub version: String,
    /// The memory that the function has, in MB.
    pub memory_mb: u32,
    /// `x86_64` or `arm64`.
    pub architecture: String,
}

/// An invocation that began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    /// When it began.
    pub at: Timestamp,
    /// The request's identifier.
    pub request_id: String,
    /// What runs.
    #[serde(flatten)]
    pub function: Arc<Function>,
    /// The alias or version that was asked for; nothing for the function itself.
    pub qualifier: Option<String>,
    /// What caused it: the ARN of an event source (an API's route, a bucket, a topic, a queue, a rule), else who asked.
    pub cause: Arc<str>,
    /// The trace that it belongs to.
    pub trace_id: String,
    /// How old the newest record of a stream's batch was, in milliseconds.
    pub iterator_age_ms: Option<u64>,
    /// How many invocations of the function ran at that moment, with this one. Filled in by [`super::Metering::begin`].
    pub concurrent: u32,
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The function answered.
    Ok,
    /// The function failed: by its own error, or because its runtime ended.
    Error,
    /// The function ran out of time.
    Timeout,
    /// There was no room for it, and it did not run.
    Throttle,
    /// It began, and the cloud ended before it did. What it took is not known and not billed.
    Interrupted,
}

/// What an invocation took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// How it ended.
    pub verdict: Verdict,
    /// Its log stream; empty when it did not get one.
    pub log_stream: String,
    /// How long the handler took, in milliseconds.
    pub duration_ms: f64,
    /// How long the initialisation took, when it began with one, in milliseconds.
    pub init_ms: Option<f64>,
    /// What is billed, in milliseconds.
    pub billed_ms: u64,
    /// The most memory that its environment used, in MB.
    pub used_mb: u32,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its place in the ledger: later ones ended later.
    pub number: u64,
    /// When it ended.
    pub ended: Timestamp,
    /// What began.
    pub invocation: Invocation,
    /// What it came to.
    pub ending: Ending,
}

impl Verdict {
    /// Whether CloudWatch counts it under `Errors`.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Error | Self::Timeout | Self::Interrupted)
    }
}

impl Ending {
    /// One that took nothing.
    pub(super) fn without_work(verdict: Verdict) -> Self {
        Self { verdict, log_stream: String::new(), duration_ms: 0.0, init_ms: None, billed_ms: 0, used_mb: 0 }
    }
}

impl Invocation {
    /// With texts cut so that a row always fits its slot.
    pub(super) fn bounded(mut self) -> Self {
        if self.cause.len() > TEXT {
            self.cause = self.cause[..self.cause.floor_char_boundary(TEXT)].into();
        }
        if self.trace_id.len() > TEXT {
            self.trace_id.truncate(self.trace_id.floor_char_boundary(TEXT));
        }
        self
    }
}
