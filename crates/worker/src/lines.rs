//! Invocations that stand in line for an environment, where one will be free sooner than a new one could be ready.
//!
//! On a machine whose processors all work, another process makes nothing faster: fifty requests for a quick function are
//! answered sooner by the few environments that there are than by fifty that all start at once. So an invocation that finds
//! none idle waits in turn while the machine is at its limit, for at most [`PATIENCE`], and then gets its own; where it could
//! not begin, because enough start already or no more find room, it waits on, until [`MOST_PATIENCE`].
//! Elsewhere it waits for a function that takes milliseconds, as long as that takes, and for no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long an invocation waits at most because the machine is at its limit: about what it takes until several new
/// environments are ready.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);
/// How long it waits at most where it could not begin: enough start already, or no more find room.
pub(crate) const MOST_PATIENCE: Duration = Duration::from_secs(3);
/// A function that takes no longer takes next to nothing: an environment of it is free again in no time.
pub(crate) const SHORT: Duration = Duration::from_millis(10);
/// So long an invocation waits for it at least.
pub(crate) const SHORTEST: Duration = Duration::from_millis(2);
/// How long it waits until it looks again whether the machine is still at its limit.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long a look at the processors holds.
const LOOK: Duration = Duration::from_millis(1);
/// A look after so long knows nothing of those before.
const FORGET: Duration = Duration::from_millis(100);
/// What a look counts for beside those before.
const WEIGHT: f64 = 0.2;

/// Those who wait, by version.
#[derive(Default)]
pub(crate) struct Lines(HashMap<String, Line>);

#[derive(Default)]
struct Line {
    turn: Arc<Notify>,
    length: usize,
}

impl Lines {
    /// Stands in line; [`Lines::leave`] ends that. What comes back tells of each turn, first come, first served.
    pub(crate) fn join(&mut self, version: &str) -> Arc<Notify> {
        let line = self.0.entry(version.to_owned()).or_default();
        line.length += 1;
        line.turn.clone()
    }

    pub(crate) fn leave(&mut self, version: &str) {
        if let Some(line) = self.0.get_mut(version) {
            line.length -= 1;
            if line.length == 0 {
                self.0.remove(version);
            }
        }
    }

    /// How many stand in line.
    pub(crate) fn length(&self, version: &str) -> usize {
        self.0.get(version).map_or(0, |line| line.length)
    }

    /// It is the first one's turn to look: an environment is free, or gone.
    pub(crate) fn call(&self, version: &str) {
        if let Some(line) = self.0.get(version) {
            line.turn.notify_one();
        }
    }

    /// Everybody shall look: there will be no more environments.
    pub(crate) fn call_all(&self) {
        for line in self.0.values() {
            line.turn.notify_waiters();
        }
    }
}

/// The machine's processors: whether more wants to run than there are.
pub(crate) struct Processors {
    count: usize,
    looked: Mutex<Option<Looked>>,
}

#[derive(Clone, Copy)]
struct Looked {
    at: Instant,
    /// The share of looks at which more wanted to run than there were processors, the last ones counting most.
    busy: f64,
}

impl Processors {
    pub(crate) fn new() -> Self {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { count, looked: Mutex::default() }
    }

    /// So many, that are busy for good or never.
    #[cfg(test)]
    pub(crate) fn fixed(count: usize, busy: bool) -> Self {
        let at = Instant::now() + Duration::from_secs(3600);
        Self { count, looked: Mutex::new(Some(Looked { at, busy: if busy { 1.0 } else { 0.0 } })) }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether all of them have something to do as a rule, and something waits. Where that cannot be told, they have not.
    pub(crate) fn are_busy(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looked.filter(|it| it.at.elapsed() < FORGET);
        let busy = match before {
            Some(it) if it.at.elapsed() < LOOK => it.busy,
            _ => {
                let running = std::fs::read_to_string("/proc/loadavg").ok().and_then(|text| running(&text));
                let now = if running.is_some_and(|running| running > self.count) { 1.0 } else { 0.0 };
                let busy = before.map_or(now, |it| it.busy + WEIGHT * (now - it.busy));
                *looked = Some(Looked { at: Instant::now(), busy });
                busy
            }
        };
        busy > 0.5
    }
}

/// How many threads run or are ready to, the one that asks among them.
///
/// Source: proc_loadavg(5).
fn running(text: &str) -> Option<usize> {
    text.split(' ').nth(3)?.split_once('/')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs() {
        assert_eq!(running("0.20 0.18 0.12 3/80 11206\n"), Some(3));
        assert_eq!(running("0.20 0.18"), None);
    }

    #[test]
    fn lines_end_with_their_last() {
        let mut lines = Lines::default();
        lines.join("a");
        lines.join("a");
        lines.leave("a");
        assert_eq!((lines.length("a"), lines.length("b")), (1, 0));
        lines.leave("a");
        assert!(lines.0.is_empty());
    }
}
