//! Invocations that stand in line for an environment, where one will be free sooner than a new one could be ready.
//!
//! On a machine whose processors all work, another process makes nothing faster: fifty requests for a quick function are
//! answered sooner by the few environments that there are than by fifty that all start at once. So an invocation that finds
//! none idle waits in turn while the machine is at its limit, for at most [`PATIENCE`], and then gets its own; where it could
//! not begin, because enough start already or no more find room, it waits on, until [`MOST_PATIENCE`].
//! Elsewhere it waits for a function that takes milliseconds, as long as that takes, or while others of it start, and for no
//! other. Where many stand in line and processors rest nonetheless, more environments are started beside them, up to
//! [`FOR_EACH`].

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
/// Of a function that takes no longer an environment does so many before another could start that all of [`SHORT`] is
/// waited for it: else fifty requests at once would start some each time they begin, and those share the processors ever after.
pub(crate) const NOTHING: Duration = Duration::from_micros(500);
/// So many environments of a function for each processor are of use.
pub(crate) const FOR_EACH: usize = 4;
/// So many in line since the last look at it are many.
const MANY: usize = 100;
/// How long it waits until it looks again whether the machine is still at its limit.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long a look at the processors holds: the system counts their rest in hundredths of a second.
const LOOK: Duration = Duration::from_millis(100);
/// A look after so long knows nothing of those before.
const FORGET: Duration = Duration::from_millis(500);
/// The share of the time that busy processors have nothing to do at most.
const IDLE: f64 = 0.2;

/// Those who wait, by version.
#[derive(Default)]
pub(crate) struct Lines(HashMap<Arc<str>, Line>);

#[derive(Default)]
struct Line {
    turn: Arc<Notify>,
    length: usize,
    /// How many have stood in it since it was looked at.
    joined: usize,
}

impl Lines {
    /// Stands in line; [`Lines::leave`] ends that. What comes back tells of each turn, first come, first served; and whether
    /// with this one there are many.
    pub(crate) fn join(&mut self, version: &Arc<str>) -> (Arc<Notify>, bool) {
        let line = self.0.entry(version.clone()).or_default();
        line.length += 1;
        line.joined += 1;
        (line.turn.clone(), line.joined == MANY)
    }

    pub(crate) fn leave(&mut self, version: &str) {
        if let Some(line) = self.0.get_mut(version) {
            line.length -= 1;
        }
    }

    /// Where many have stood in line since the last look.
    pub(crate) fn look(&mut self) -> Vec<Arc<str>> {
        self.0.retain(|_, line| line.length > 0 || line.joined > 0);
        let looked = self.0.iter_mut().map(|(version, line)| (version, std::mem::take(&mut line.joined)));
        looked.filter(|(_, joined)| *joined >= MANY).map(|(version, _)| version.clone()).collect()
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
    /// Where it says what runs.
    load: &'static str,
    looked: Mutex<Option<Looked>>,
}

#[derive(Clone, Copy)]
struct Looked {
    at: Instant,
    /// How long processors have had nothing to do until then, in seconds.
    idle: Option<f64>,
    /// Whether they had something to do since the look before; nothing when that is too long ago.
    worked: Option<bool>,
    /// Whether they had that, or before: who rests for a moment is busy nonetheless.
    busy: Option<bool>,
}

impl Processors {
    pub(crate) fn new() -> Self {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { count, load: "/proc/loadavg", looked: Mutex::default() }
    }

    /// So many, that are busy for good or never.
    #[cfg(test)]
    pub(crate) fn fixed(count: usize, busy: bool) -> Self {
        let at = Instant::now() + Duration::from_secs(3600);
        let looked = Looked { at, idle: None, worked: None, busy: Some(busy) };
        Self { count, load: "", looked: Mutex::new(Some(looked)) }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether all of them have something to do: as a rule in the last [`LOOK`], at this moment where nobody has looked
    /// before. Where that cannot be told, they have not.
    pub(crate) fn are_busy(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed = looked.map(|it| now.saturating_duration_since(it.at));
        if passed.is_none_or(|passed| passed >= LOOK) {
            let idle = read("/proc/uptime").and_then(|text| idle(&text));
            let before = looked.filter(|_| passed.is_some_and(|passed| passed < FORGET));
            let worked = before.and_then(|it| {
                let rested = idle? - it.idle?;
                Some(rested < IDLE * passed?.as_secs_f64() * self.count as f64)
            });
            let busy = worked.map(|worked| worked || before.and_then(|it| it.worked).unwrap_or_default());
            *looked = Some(Looked { at: now, idle, worked, busy });
        }
        looked.and_then(|it| it.busy).unwrap_or_else(|| self.are_crowded())
    }

    /// Whether more wants to run at this moment than there are. Where that cannot be told, it does not.
    pub(crate) fn are_crowded(&self) -> bool {
        let running = read(self.load).and_then(|text| running(&text));
        running.is_some_and(|it| it > self.count)
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// How many threads run or are ready to, the one that asks among them.
///
/// Source: proc_loadavg(5).
fn running(text: &str) -> Option<usize> {
    text.split(' ').nth(3)?.split_once('/')?.0.parse().ok()
}

/// How long all processors together have had nothing to do, in seconds.
///
/// Source: proc_uptime(5).
fn idle(text: &str) -> Option<f64> {
    text.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs() {
        assert_eq!(running("0.20 0.18 0.12 3/80 11206\n"), Some(3));
        assert_eq!(running("0.20 0.18"), None);
        assert_eq!(idle("350735.47 234388.90\n"), Some(234388.9));
        assert_eq!(idle("350735.47"), None);
    }

    #[test]
    fn lines_end_with_their_last() {
        let (mut lines, a) = (Lines::default(), Arc::from("a"));
        lines.join(&a);
        lines.join(&a);
        lines.leave("a");
        assert_eq!((lines.length("a"), lines.length("b")), (1, 0));
        lines.leave("a");
        assert!(lines.look().is_empty() && lines.look().is_empty() && lines.0.is_empty());
        for number in 1..=MANY {
            assert_eq!(lines.join(&a).1, number == MANY);
            lines.leave("a");
        }
        assert_eq!(lines.look(), [a]);
        assert!(lines.look().is_empty());
    }
}
