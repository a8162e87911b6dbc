//! Who stands in line for an environment, for how long, and when others are started beside: see [`crate::lines`].

use super::{EnvironmentState, Pool};
use crate::function::FunctionSpec;
use crate::lines::{FOR_EACH, LOOK_AGAIN, MOST_PATIENCE, NOTHING, PATIENCE, Processors, SHORT, SHORTEST};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

impl Pool {
    /// Whether an invocation waits for an environment of this revision, where there are some and another is no better, and
    /// when it looks again at the latest: because the function takes next to nothing, because another would have to share
    /// the processors with what runs or starts, or because it finds no room as all is `full`. `waited` counts from the
    /// first time.
    pub(crate) fn waits(
        &self,
        key: &str,
        spec: &FunctionSpec,
        waited: Duration,
        processors: &Processors,
        full: bool,
    ) -> Option<Duration> {
        let (mut starting, mut start_here, mut all_here) = (0, 0, 0);
        for member in self.members.values() {
            let starts = usize::from(member.state == EnvironmentState::Starting);
            starting += starts;
            if *member.key == *key && !member.retired && member.spec.revision == spec.revision {
                start_here += starts;
                all_here += 1;
            }
        }
        if all_here == 0 {
            return None;
        }
        let (enough_start, busy) = (starting >= processors.count(), processors.are_busy());
        let next_to_nothing = match self.uses.takes(key) {
            Some(takes) if takes <= NOTHING => Some(SHORT),
            takes => takes.filter(|takes| *takes <= SHORT).map(|takes| takes.max(SHORTEST)),
        };
        let look_again = match next_to_nothing {
            // It is not busy one moment and idle the next; and who is next in line is called.
            _ if waited < PATIENCE && busy => PATIENCE / 4,
            Some(limit) if waited < limit => limit - waited,
            // What is free in no time is not worth more until it shows what those are good for that start.
            Some(_) if waited < PATIENCE && start_here > 0 && start_here >= all_here / 3 => LOOK_AGAIN,
            Some(_) if waited < PATIENCE && processors.are_crowded() => LOOK_AGAIN,
            _ if waited < PATIENCE && enough_start => LOOK_AGAIN,
            _ if waited < MOST_PATIENCE && enough_start && busy => LOOK_AGAIN,
            // Whoever leaves tells; to look costs more than to wait when all is full.
            _ if waited < MOST_PATIENCE && full => PATIENCE,
            _ => return None,
        };
        Some(look_again)
    }

    /// Stands in line for an environment of this version, to be left with [`Pool::leave`]. What comes back tells of each
    /// turn, and whether it is time for [`Pool::pressed`].
    pub(crate) fn join(&mut self, key: &Arc<str>) -> (Arc<Notify>, bool) {
        self.lines.join(key)
    }

    /// The environments to start because many stand in line for others though processors rest.
    pub(crate) fn pressed(&mut self, processors: &Processors) -> Vec<Arc<FunctionSpec>> {
        let mut wanted = Vec::new();
        for key in self.lines.look() {
            let members = || self.members.values().filter(|it| it.key == key && !it.retired);
            let count = members().count();
            let more = (FOR_EACH * processors.count()).saturating_sub(count).min(count);
            if let Some(member) = members().next().filter(|_| !processors.are_busy()) {
                wanted.extend(std::iter::repeat_n(member.spec.clone(), more));
            }
        }
        wanted
    }

    /// Leaves the line. Whoever is next shall look whether there is something for them.
    pub(crate) fn leave(&mut self, key: &str) {
        self.lines.leave(key);
        if self.idle.get(key).is_some_and(|idle| !idle.is_empty()) {
            self.lines.call(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, Budget, Purpose, Timestamp, version_key};
    use super::*;

    /// Whether an invocation stands in line after it waited so long: beside one environment that starts.
    #[test]
    fn who_stands_in_line() {
        let (busy, free) = (Processors::fixed(2, true), Processors::fixed(2, false));
        let single = Processors::fixed(1, true);
        let spec = Arc::new(crate::tests::function("nodejs20.x", "index.handler", "/code"));
        let other = FunctionSpec { revision: "2".to_owned(), ..(*spec).clone() };
        let budget = Budget { environments: 10, memory_mb: 1000 };
        let mut pool = Pool::new(Bounds::FREE);
        let joins = |pool: &mut Pool, spec: &FunctionSpec, waited: Duration, processors: &Processors| {
            pool.waits(&version_key(spec), spec, waited, processors, false).is_some()
        };
        let (zero, longer) = (Duration::ZERO, PATIENCE);
        assert!(!joins(&mut pool, &spec, zero, &busy), "there is none to wait for");
        let reserved =
            pool.reserve(&spec, Purpose::Invocation, String::new(), Timestamp(0), budget, &mut Vec::new());
        reserved.expect("room");
        assert!(joins(&mut pool, &spec, zero, &busy));
        assert!(!joins(&mut pool, &spec, zero, &free), "another could be of use");
        assert!(!joins(&mut pool, &other, zero, &busy), "it is of another revision");
        assert!(!joins(&mut pool, &spec, longer, &busy), "it waited long enough");
        assert!(joins(&mut pool, &spec, longer, &single), "another could not begin now");
        assert!(!joins(&mut pool, &spec, MOST_PATIENCE, &single));
        assert!(
            pool.waits(&version_key(&spec), &spec, longer, &free, true).is_some(),
            "another finds no room"
        );
        // What takes next to nothing is waited for in any case, for as long as it takes.
        pool.uses.took(&version_key(&spec), SHORT);
        assert!(joins(&mut pool, &spec, zero, &free));
        // And longer where others start for it, until they are there.
        assert!(joins(&mut pool, &spec, SHORT, &free));
        assert!(!joins(&mut pool, &spec, longer, &free));
        pool.started(1);
        assert!(!joins(&mut pool, &spec, SHORT, &free));
        // But what takes even less is not worth another so soon.
        for (takes, waits) in [(SHORTEST, false), (NOTHING, true)] {
            pool.uses.took(&version_key(&spec), takes);
            assert_eq!(joins(&mut pool, &spec, SHORTEST, &free), waits, "{takes:?}");
        }
        assert!(!joins(&mut pool, &spec, SHORT, &free));
        pool.uses.took(&version_key(&spec), SHORT * 100);
        assert!(!joins(&mut pool, &spec, zero, &free));
    }

    #[test]
    fn more_are_started_where_many_stand_in_line_and_processors_rest() {
        let (busy, free) = (Processors::fixed(2, true), Processors::fixed(2, false));
        let spec = Arc::new(crate::tests::function("nodejs20.x", "index.handler", "/code"));
        let key = version_key(&spec);
        let budget = Budget { environments: 10, memory_mb: 10_000 };
        let mut pool = Pool::new(Bounds::FREE);
        let mut check = |environments: usize, joined: usize, processors: &Processors, expected: usize| {
            while pool.members.len() < environments {
                let stream = String::new();
                let nothing = &mut Vec::new();
                pool.reserve(&spec, Purpose::Expected, stream, Timestamp(0), budget, nothing).expect("room");
            }
            for _ in 0..joined {
                pool.join(&key);
                pool.leave(&key);
            }
            assert_eq!(pool.pressed(processors).len(), expected, "{joined} beside {environments}");
        };
        check(1, 99, &free, 0);
        check(1, 99, &free, 0);
        check(1, 100, &busy, 0);
        check(1, 100, &free, 1);
        check(1, 0, &free, 0);
        check(3, 500, &free, 3);
        check(7, 500, &free, 1);
        check(8, 500, &free, 0);
    }
}
