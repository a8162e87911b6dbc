//! How long an environment is kept without work, and when one is started ahead of the next invocation.
//!
//! The policy of *Serverless in the Wild* (Shahrad and others, USENIX ATC 2020): for each function a histogram of the times
//! between the end of its work and the next invocation. Nothing here runs or measures anything: who asks brings the times.
//! Keeps true: without a clear pattern the standard holds; nothing is kept longer than [`Pattern::LONGEST`].

use std::time::Duration;

/// Minutes that the histogram covers, one bin each: four hours.
const RANGE: usize = 240;
const BIN: Duration = Duration::from_secs(60);
/// What part of the idle times ends before an environment is started, and before it is given up, in percent.
const HEAD: u64 = 5;
const TAIL: u64 = 99;
/// How far the windows reach beyond what was seen, in percent.
const MARGIN: u32 = 10;
/// Fewer idle times than that say nothing.
const LEAST_SEEN: u64 = 3;
/// How much the bins must differ for their shape to say something: their coefficient of variation.
const LEAST_VARIATION: f64 = 2.0;
/// A process is not stopped to be started again so soon.
const LEAST_PRE_WARM: Duration = Duration::from_secs(300);
/// How many minutes an environment may wait more for each cold start less. The paper has no such bound: where requests come
/// at random and seldom it waits for hours.
const WORTH: f64 = 20.0;
/// From so many idle times on the old ones count half, so that a new habit shows.
const MOST_SEEN: u64 = 1000;

/// How long environments are kept where no pattern is known.
const STANDARD: Duration = Duration::from_secs(300);

/// What to do with an environment when its function's last invocation has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// How long nothing is expected: none is kept, and one is started when it is over. Zero: it stays.
    pub pre_warm: Duration,
    /// How long one is kept from then on.
    pub keep_alive: Duration,
}

impl Windows {
    /// Kept for a while, whatever the function does.
    pub fn fixed(keep_alive: Duration) -> Self {
        Self { pre_warm: Duration::ZERO, keep_alive }
    }

    /// How long after the last work nothing is left.
    pub fn end(&self) -> Duration {
        self.pre_warm + self.keep_alive
    }

    /// With an end that is not later than `bound`.
    #[must_use]
    pub fn within(self, bound: Duration) -> Self {
        if self.pre_warm >= bound {
            // It would be gone again before it is needed.
            return Self::fixed(Duration::ZERO);
        }
        Self { keep_alive: self.keep_alive.min(bound.saturating_sub(self.pre_warm)), ..self }
    }
}

/// Within what the policy decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How long an environment is kept where no pattern is known.
    pub standard: Duration,
    /// When nothing is left after the last work, whatever is learned.
    pub longest: Duration,
}

impl Bounds {
    /// Five minutes, and no bound but that of what is learned.
    pub const FREE: Self = Self { standard: STANDARD, longest: Pattern::LONGEST };

    /// What somebody asked for, which is both, if anybody did.
    pub fn new(asked: Option<Duration>) -> Self {
        asked.map_or(Self::FREE, |asked| Self { standard: asked, longest: asked })
    }

    /// What a pattern says, within the bounds.
    pub fn windows(&self, pattern: &mut Pattern) -> Windows {
        pattern.windows(self.standard).within(self.longest)
    }
}

/// When a function was called so far.
#[derive(Debug, Clone, Default)]
pub struct Pattern {
    /// Counts of idle times by their minutes. Empty before the first.
    bins: Vec<u16>,
    /// How many they count together.
    inside: u64,
    /// How many idle times were longer.
    outside: u64,
    /// How many came since it was last learned from them.
    fresh: u64,
    learned: Option<Windows>,
}

impl Pattern {
    /// No window that is learned ends later than that after a function's last work.
    pub const LONGEST: Duration =
        Duration::from_secs(BIN.as_secs() * RANGE as u64 * (100 + MARGIN as u64) / 100);

    /// A time without work has ended with an invocation.
    pub fn observe(&mut self, idle: Duration) {
        self.bins.resize(RANGE, 0);
        self.fresh += 1;
        match self.bins.get_mut(minute(idle)) {
            Some(bin) => {
                *bin += 1;
                self.inside += 1;
            }
            None => self.outside += 1,
        }
        if self.inside + self.outside >= MOST_SEEN {
            self.bins.iter_mut().for_each(|bin| *bin /= 2);
            self.inside = self.bins.iter().map(|bin| u64::from(*bin)).sum();
            self.outside /= 2;
        }
    }

    /// What is learned from it; where that is nothing, an environment is kept for `standard`. It is not learned anew from
    /// each of many idle times.
    pub fn windows(&mut self, standard: Duration) -> Windows {
        if self.fresh * 16 > self.inside + self.outside {
            self.learned = self.learn(standard);
            self.fresh = 0;
        }
        self.learned.unwrap_or(Windows::fixed(standard))
    }

    /// How likely an invocation comes within `soon` when there has been none for `idle`. What was seen counts against one
    /// guess: that it is the less likely the longer there was none.
    pub fn likelihood(&self, idle: Duration, soon: Duration) -> f64 {
        let from = minute(idle).min(RANGE);
        let until = minute(idle + soon).max(from + 1);
        let count = |bins: &[u16]| bins.iter().map(|bin| f64::from(*bin)).sum::<f64>();
        let still_possible = self.bins.get(from..).map_or(0.0, count) + self.outside as f64;
        let soon_enough = self.bins.get(from..until.min(self.bins.len())).map_or(0.0, count);
        let guess = 1.0 / (1.0 + idle.as_secs_f64() / BIN.as_secs_f64());
        (soon_enough + guess) / (still_possible + 1.0)
    }

    fn learn(&self, standard: Duration) -> Option<Windows> {
        let seen = self.inside;
        if seen + self.outside < LEAST_SEEN || self.outside > seen || self.variation() < LEAST_VARIATION {
            return None;
        }
        let head = self.below(seen * HEAD / 100);
        let tail = self.below((seen * TAIL / 100).min(seen - 1)) + 1;
        let pre_warm = BIN * u32::try_from(head).ok()? * (100 - MARGIN) / 100;
        let end = BIN * u32::try_from(tail).ok()? * (100 + MARGIN) / 100;
        let windows = if pre_warm < LEAST_PRE_WARM {
            Windows::fixed(end)
        } else {
            Windows { pre_warm, keep_alive: end - pre_warm }
        };
        let (waited, cold) = self.cost(&windows);
        let (usually_waited, usually_cold) = self.cost(&Windows::fixed(standard));
        (waited - usually_waited <= WORTH * (usually_cold - cold)).then_some(windows)
    }

    /// What windows would have cost so far: minutes for which an environment waited, and cold starts.
    fn cost(&self, windows: &Windows) -> (f64, f64) {
        let minutes = |time: Duration| time.as_secs_f64() / BIN.as_secs_f64();
        let (from, until) = (minutes(windows.pre_warm), minutes(windows.end()));
        let seen =
            self.bins.iter().enumerate().map(|(minute, count)| (minute as f64 + 0.5, f64::from(*count)));
        let all = seen.chain([(f64::INFINITY, self.outside as f64)]);
        all.fold((0.0, 0.0), |(waited, cold), (idle, count)| {
            let misses = if idle < from || idle > until { count } else { 0.0 };
            (waited + count * (idle.min(until) - from).max(0.0), cold + misses)
        })
    }

    /// The bin of the idle time that has so many shorter ones.
    fn below(&self, count: u64) -> usize {
        let mut left = count;
        let at = self.bins.iter().position(|bin| match left.checked_sub(u64::from(*bin)) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        at.unwrap_or(RANGE - 1)
    }

    /// The coefficient of variation of the bins.
    fn variation(&self) -> f64 {
        let mean = self.inside as f64 / RANGE as f64;
        let squares: f64 = self.bins.iter().map(|bin| (f64::from(*bin) - mean).powi(2)).sum();
        (squares / RANGE as f64).sqrt() / mean.max(f64::MIN_POSITIVE)
    }
}

/// Which minute of a time without work has begun.
fn minute(idle: Duration) -> usize {
    usize::try_from(idle.as_secs() / BIN.as_secs()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// What is learned from idle times in minutes.
    fn learned(idle: impl IntoIterator<Item = u32>) -> Windows {
        let mut pattern = Pattern::default();
        idle.into_iter().for_each(|minutes| pattern.observe(MINUTE * minutes));
        pattern.windows(STANDARD)
    }

    fn windows(pre_warm: u32, end: u32) -> Windows {
        let (pre_warm, end) = (MINUTE * pre_warm / 10, MINUTE * end / 10);
        Windows { pre_warm, keep_alive: end - pre_warm }
    }

    /// Windows in tenths of minutes: when one is started, and when it is given up.
    #[test]
    fn windows_follow_the_idle_times() {
        let standard = Windows::fixed(STANDARD);
        for (name, idle, expected) in [
            ("nothing known", vec![], standard),
            ("too little", vec![60; 2], standard),
            ("an hour", vec![60; 3], windows(540, 671)),
            ("a quarter", [14, 15].repeat(20), windows(126, 176)),
            ("at once", vec![0; 100], windows(0, 11)),
            ("often, and once late", [vec![0; 30], vec![8]].concat(), windows(0, 99)),
            // One in a hundred does not count, one in twenty neither at the other end.
            ("an hour but for one", [vec![60; 200], vec![100], vec![2; 5]].concat(), windows(540, 671)),
            ("longer than four hours", [vec![300; 11], vec![60; 10]].concat(), standard),
            ("all over", (0..240).collect(), standard),
            ("seldom and at random", (0..30).map(|it| it * 8).collect(), standard),
            ("the longest", vec![239; 10], windows(2151, 2640)),
        ] {
            assert_eq!(learned(idle), expected, "{name}");
        }
        assert_eq!(learned(vec![239; 10]).end(), Pattern::LONGEST);
    }

    #[test]
    fn old_habits_are_forgotten() {
        let hourly = std::iter::repeat_n(60, 2000);
        assert_eq!(learned(hourly.clone().chain(std::iter::repeat_n(20, 8000))), windows(180, 231));
        assert_eq!(learned(hourly), windows(540, 671));
    }

    #[test]
    fn windows_end_at_their_bound() {
        let hour = windows(540, 671);
        assert_eq!(hour.within(MINUTE * 60), windows(540, 600));
        assert_eq!(hour.within(MINUTE * 54), Windows::fixed(Duration::ZERO));
        assert_eq!(Windows::fixed(MINUTE * 9).within(MINUTE), Windows::fixed(MINUTE));
    }

    #[test]
    fn likelihood_tells_what_to_give_up_first() {
        let pattern = |idle: &[u32]| {
            let mut pattern = Pattern::default();
            idle.iter().for_each(|minutes| pattern.observe(MINUTE * *minutes));
            pattern
        };
        let (hourly, often, new) = (pattern(&[60; 9]), pattern(&[1; 9]), pattern(&[]));
        let soon = |pattern: &Pattern, minutes: u32| pattern.likelihood(MINUTE * minutes, STANDARD);
        assert!(soon(&often, 0) > soon(&hourly, 0) && soon(&hourly, 58) > soon(&new, 58));
        assert!(soon(&new, 1) > soon(&new, 9) && soon(&new, 9) > soon(&hourly, 9));
        assert!(soon(&hourly, 58) > soon(&often, 58) && soon(&hourly, 5000) > 0.0);
    }
}
