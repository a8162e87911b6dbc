//! When functions were used, and what that says of their environments: which to keep, which to start ahead.
//!
//! Plain state within the pool, in memory only: after a restart it is learned again. Keeps true: at most [`MOST`] versions of
//! functions are remembered; what was retired is not started ahead until it has been invoked again.

use crate::function::FunctionSpec;
use crate::keep_alive::{Bounds, Pattern, Windows};
use aloft_base::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How many versions of functions are remembered: half a kilobyte each.
const MOST: usize = 2000;
/// How long an environment stays though nothing is expected soon.
const GRACE: Duration = Duration::from_secs(10);
/// When environments are worth most: if they are needed within that time.
const SOON: Duration = Duration::from_secs(300);

/// What is remembered of a version.
#[derive(Default)]
struct Use {
    pattern: Pattern,
    /// How many of its environments work.
    working: usize,
    /// When the last of them ended its work.
    ended: Option<Timestamp>,
    /// How long invocations in warm environments take at best, of late.
    took: Option<Duration>,
    /// What is started ahead of its next invocation; nothing after it was retired or started.
    ahead: Option<Arc<FunctionSpec>>,
}

/// What becomes of a version's idle environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keeps {
    /// The one that was used last stays, however long it has been idle.
    pub(crate) one: bool,
    /// How long the others stay.
    pub(crate) others: Duration,
}

/// All that are remembered, by version.
pub(crate) struct Uses {
    by_version: HashMap<String, Use>,
    bounds: Bounds,
}

impl Use {
    /// The time without work, and what holds for it; nothing while it works or when it never did.
    fn idle(&mut self, now: Timestamp, bounds: &Bounds) -> Option<(Duration, Windows)> {
        let ended = self.ended.filter(|_| self.working == 0)?;
        Some((now.since(ended), bounds.windows(&mut self.pattern)))
    }
}

impl Uses {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { by_version: HashMap::new(), bounds }
    }

    /// An invocation takes or starts an environment.
    pub(crate) fn begins(&mut self, version: &str, now: Timestamp) {
        if !self.by_version.contains_key(version) {
            self.make_room();
            self.by_version.insert(version.to_owned(), Use::default());
        }
        if let Some(it) = self.by_version.get_mut(version) {
            if let Some(ended) = it.ended.filter(|_| it.working == 0) {
                it.pattern.observe(now.since(ended));
            }
            it.working += 1;
        }
    }

    /// An environment has ended its work.
    pub(crate) fn ends(&mut self, version: &str, spec: &Arc<FunctionSpec>, retired: bool, now: Timestamp) {
        if let Some(it) = self.by_version.get_mut(version) {
            it.working = it.working.saturating_sub(1);
            it.ended = Some(now);
            it.ahead = (!retired).then(|| spec.clone());
        }
    }

    /// An invocation in a warm environment took so long. (A quick function on a crowded machine is still a quick one.)
    pub(crate) fn took(&mut self, version: &str, took: Duration) {
        if let Some(it) = self.by_version.get_mut(version) {
            let best = it.took.unwrap_or(took);
            it.took = Some(took.min(best + took.saturating_sub(best) / 8));
        }
    }

    /// How long invocations in warm environments take at best, if that is known.
    pub(crate) fn takes(&self, version: &str) -> Option<Duration> {
        self.by_version.get(version)?.took
    }

    /// Starts none of these ahead.
    pub(crate) fn retire(&mut self, is_one: impl Fn(&FunctionSpec) -> bool) {
        for it in self.by_version.values_mut() {
            it.ahead.take_if(|spec| is_one(spec));
        }
    }

    /// Forgets those that do not work.
    pub(crate) fn forget(&mut self) {
        self.by_version.retain(|_, it| it.working > 0);
    }

    /// What becomes of a version's idle environments.
    pub(crate) fn keeps(&mut self, version: &str, now: Timestamp) -> Keeps {
        let standard = self.bounds.standard;
        let idle = self.by_version.get_mut(version).and_then(|it| it.idle(now, &self.bounds));
        match idle {
            None => Keeps { one: false, others: standard },
            Some((idle, windows)) if idle >= windows.end() => Keeps { one: false, others: Duration::ZERO },
            Some((idle, windows)) if windows.pre_warm > Duration::ZERO => {
                Keeps { one: idle >= windows.pre_warm, others: GRACE }
            }
            Some((_, windows)) => Keeps { one: true, others: standard.min(windows.keep_alive) },
        }
    }

    /// What is to be started now because its next invocation is near. Each once.
    pub(crate) fn ahead(&mut self, now: Timestamp) -> Vec<(String, Arc<FunctionSpec>)> {
        let mut near = Vec::new();
        for (version, it) in self.by_version.iter_mut().filter(|(_, it)| it.ahead.is_some()) {
            let Some((idle, windows)) = it.idle(now, &self.bounds) else { continue };
            if windows.pre_warm > Duration::ZERO && idle >= windows.pre_warm {
                let spec = it.ahead.take();
                near.extend(spec.filter(|_| idle < windows.end()).map(|spec| (version.clone(), spec)));
            }
        }
        near
    }

    /// In how long [`Uses::ahead`] has the next.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<Duration> {
        let bounds = &self.bounds;
        let waiting = self.by_version.values_mut().filter(|it| it.ahead.is_some());
        let due = waiting.filter_map(|it| it.idle(now, bounds));
        let due = due.filter(|(_, windows)| windows.pre_warm > Duration::ZERO);
        due.map(|(idle, windows)| windows.pre_warm.saturating_sub(idle)).min()
    }

    /// How likely a version is invoked soon.
    pub(crate) fn likelihood(&self, version: &str, idle: Duration) -> f64 {
        match self.by_version.get(version) {
            Some(it) => it.pattern.likelihood(idle, SOON),
            None => Pattern::default().likelihood(idle, SOON),
        }
    }

    /// Forgets the one that was used least recently.
    fn make_room(&mut self) {
        if self.by_version.len() >= MOST {
            let idle = self.by_version.iter().filter(|(_, it)| it.working == 0);
            if let Some(oldest) = idle.min_by_key(|(_, it)| it.ended).map(|(version, _)| version.clone()) {
                self.by_version.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Uses of a function that was invoked so many times, so many minutes apart, and the time of the last.
    fn used(uses: &mut Uses, name: &str, times: u32, minutes: u32) -> Timestamp {
        let spec = Arc::new(crate::tests::function("nodejs20.x", "index.handler", "/code"));
        let mut now = Timestamp(0);
        for _ in 0..times {
            now = now.add(MINUTE * minutes);
            uses.begins(name, now);
            uses.ends(name, &spec, false, now);
        }
        now
    }

    fn free() -> Uses {
        Uses::new(Bounds::FREE)
    }

    #[test]
    fn what_is_expected_late_is_stopped_and_started_ahead_once() {
        let mut uses = free();
        let last = used(&mut uses, "hourly", 5, 60);
        let at = |minutes: u32| last.add(MINUTE * minutes);
        assert_eq!(uses.keeps("hourly", at(0)), Keeps { one: false, others: GRACE });
        assert_eq!((uses.next(at(0)), uses.ahead(at(53)).len()), (Some(MINUTE * 54), 0));
        assert_eq!((uses.ahead(at(55)).len(), uses.ahead(at(56)).len(), uses.next(at(56))), (1, 0, None));
        assert!(uses.keeps("hourly", at(66)).one);
        assert_eq!(uses.keeps("hourly", at(68)), Keeps { one: false, others: Duration::ZERO });
        // Who looks too late starts none, and a function that was retired none either.
        let last = used(&mut uses, "late", 5, 60);
        assert!(uses.ahead(last.add(MINUTE * 90)).is_empty());
        let last = used(&mut uses, "retired", 5, 60);
        uses.retire(|_| true);
        assert!(uses.ahead(last.add(MINUTE * 55)).is_empty());
    }

    #[test]
    fn a_bound_is_never_passed() {
        let mut uses = Uses::new(Bounds::new(Some(MINUTE * 20)));
        let last = used(&mut uses, "hourly", 5, 60);
        assert!(uses.ahead(last.add(MINUTE * 55)).is_empty() && uses.next(last).is_none());
        let last = used(&mut uses, "quarterly", 5, 15);
        assert_eq!(uses.ahead(last.add(MINUTE * 14)).len(), 1);
        assert!(!uses.keeps("quarterly", last.add(MINUTE * 20)).one);
        // Without a pattern it is kept so long and no longer.
        let last = used(&mut uses, "new", 1, 1);
        assert!(
            uses.keeps("new", last.add(MINUTE * 19)).one && !uses.keeps("new", last.add(MINUTE * 20)).one
        );
    }

    #[test]
    fn those_beside_the_last_are_kept_for_less() {
        let mut uses = free();
        // A gap of half an hour among short ones.
        let last = used(&mut uses, "busy", 9, 10);
        assert_eq!(uses.keeps("busy", last.add(MINUTE)).others, GRACE);
        let last = used(&mut uses, "busier", 9, 4);
        assert_eq!(uses.keeps("busier", last.add(MINUTE)), Keeps { one: true, others: MINUTE * 5 });
        uses.begins("busier", last.add(MINUTE));
        assert_eq!(uses.keeps("busier", last.add(MINUTE)), Keeps { one: false, others: MINUTE * 5 });
    }

    #[test]
    fn the_least_recently_used_is_forgotten() {
        let mut uses = free();
        for number in 0..=MOST {
            used(&mut uses, &number.to_string(), 1, u32::try_from(MOST + 1 - number).expect("small"));
        }
        assert_eq!(uses.by_version.len(), MOST);
        assert!(!uses.by_version.contains_key(&(MOST - 1).to_string()) && uses.by_version.contains_key("0"));
    }
}
