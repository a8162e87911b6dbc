//! Invocations that stand in line for an environment, where one will be free sooner than a new one could be ready.
//!
//! On a machine whose processors all work, another process makes nothing faster: fifty requests for a quick function are
//! answered sooner by the few environments that there are than by fifty that all start at once. So an invocation that finds
//! none idle waits in turn while the machine is at its limit, for at most [`PATIENCE`], and then gets its own; only where so
//! many start already that it could not begin, it waits on, until [`MOST_PATIENCE`].
//! Elsewhere it waits for a function that takes milliseconds, as long as that takes, and for no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long an invocation waits at most: about what it takes until several new environments are ready.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);
/// How long it waits at most where others are starting.
pub(crate) const MOST_PATIENCE: Duration = Duration::from_secs(3);
/// A function that takes no longer takes next to nothing: an environment of it is free again in no time.
pub(crate) const SHORT: Duration = Duration::from_millis(10);
/// So long an invocation waits for it at least.
pub(crate) const SHORTEST: Duration = Duration::from_millis(2);
/// How long a look at the processors holds, and what it covers at least.
pub(crate) const LOOK: Duration = Duration::from_millis(20);
/// What share of the processors' time must be left for a new environment to be of use.
const LEFT: f64 = 0.1;

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

/// The machine's processors: whether all of them work.
pub(crate) struct Processors {
    count: usize,
    last: Mutex<Option<Look>>,
}

#[derive(Clone, Copy)]
struct Look {
    at: Instant,
    idle: u64,
    total: u64,
    busy: bool,
}

impl Processors {
    pub(crate) fn new() -> Self {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { count, last: Mutex::default() }
    }

    /// So many, that are busy for good or never.
    #[cfg(test)]
    pub(crate) fn fixed(count: usize, busy: bool) -> Self {
        let at = Instant::now() + Duration::from_secs(3600);
        Self { count, last: Mutex::new(Some(Look { at, idle: 0, total: 0, busy })) }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether they had next to no time left since the last look. Where that cannot be told, they had.
    pub(crate) fn are_busy(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(look) = last.filter(|look| look.at.elapsed() < LOOK) {
            return look.busy;
        }
        let Some((idle, total)) =
            std::fs::read_to_string("/proc/stat").ok().and_then(|text| idle_and_total(&text))
        else {
            return false;
        };
        let busy = last.is_some_and(|before| {
            let passed = total.saturating_sub(before.total);
            passed > 0 && (idle.saturating_sub(before.idle) as f64) < LEFT * passed as f64
        });
        *last = Some(Look { at: Instant::now(), idle, total, busy });
        busy
    }
}

/// Of all processors together, in the kernel's ticks.
///
/// Source: proc_stat(5).
fn idle_and_total(text: &str) -> Option<(u64, u64)> {
    let numbers = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    // The time of guests is within that of users.
    let numbers: Vec<u64> = numbers.take(8).map_while(|it| it.parse().ok()).collect();
    let waiting_for_disks = numbers.get(4)?;
    Some((numbers.get(3)? + waiting_for_disks, numbers.iter().sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_the_processors() {
        let text = "cpu  10 20 30 400 50 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(idle_and_total(text), Some((450, 531)));
        assert_eq!(idle_and_total("intr 1"), None);
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
