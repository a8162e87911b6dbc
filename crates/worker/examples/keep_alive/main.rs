//! Plays a week of made-up invocations against policies of keeping environments, and prints what each costs.
//!
//! `cargo xtask simulate [seed]`. Beside the cloud's own policy: environments that are kept for a fixed time. A function has
//! one environment here, and its work takes no time. Keeps true: the same seed gives the same table.

mod traces;

use aloft_worker::keep_alive::{Bounds, Pattern, Windows};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::Duration;
use traces::{Chance, Trace, WEEK};

const SEED: u64 = 1;
/// How many functions a kind has, and the mixture.
const OF_A_KIND: usize = 20;
const MIXED: usize = 400;

/// What decides how long an environment is kept.
#[derive(Clone, Copy)]
enum Policy {
    /// So many minutes after each invocation.
    Fixed(u64),
    /// By the function's pattern.
    Pattern(Bounds),
}

/// The cloud's own, where nobody asked for another.
const OURS: Policy = Policy::Pattern(Bounds::FREE);
const POLICIES: [Policy; 4] = [Policy::Fixed(10), Policy::Fixed(5), Policy::Fixed(1), OURS];

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(minutes) => write!(f, "fixed {minutes} min"),
            Self::Pattern(bounds) => write!(f, "pattern, else {} min", bounds.standard.as_secs() / 60),
        }
    }
}

/// What came of functions under a policy.
#[derive(Debug, Clone, Default)]
struct Cost {
    invocations: u64,
    cold: u64,
    /// Processes that were started, ahead or not.
    started: u64,
    /// Minutes for which environments were there and had nothing to do.
    minutes: f64,
    /// Of each function that was called: the part of its invocations that were cold.
    rates: Vec<f64>,
}

impl Cost {
    fn cold_rate(&self) -> f64 {
        self.cold as f64 / self.invocations.max(1) as f64
    }

    /// The function that three of four do better than.
    fn third_quartile(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() * 3 / 4).copied().unwrap_or_default()
    }
}

fn minutes(minutes: f64) -> Duration {
    Duration::from_secs_f64(minutes * 60.0)
}

/// What functions that are called so cost under a policy.
fn play(traces: &[Trace], policy: Policy) -> Cost {
    let mut cost = Cost::default();
    for trace in traces {
        let mut pattern = Pattern::default();
        let (mut cold, mut last) = (0, None);
        for time in trace.iter().copied() {
            let warm = last.is_some_and(|last| {
                let idle = time - last;
                let found = wait(&mut cost, policy, &mut pattern, idle);
                pattern.observe(minutes(idle));
                found
            });
            cold += u64::from(!warm);
            last = Some(time);
        }
        if let Some(last) = last {
            wait(&mut cost, policy, &mut pattern, WEEK - last);
        }
        cost.invocations += trace.len() as u64;
        cost.cold += cold;
        cost.started += cold;
        if !trace.is_empty() {
            cost.rates.push(cold as f64 / trace.len() as f64);
        }
    }
    cost
}

/// Whether an environment is there after so many minutes without work.
fn wait(cost: &mut Cost, policy: Policy, pattern: &mut Pattern, idle: f64) -> bool {
    let Windows { pre_warm, keep_alive } = match policy {
        Policy::Fixed(kept) => Windows::fixed(minutes(kept as f64)),
        Policy::Pattern(bounds) => bounds.windows(pattern),
    };
    let (from, until) = (pre_warm.as_secs_f64() / 60.0, (pre_warm + keep_alive).as_secs_f64() / 60.0);
    cost.started += u64::from(from > 0.0 && idle >= from);
    cost.minutes += (idle.min(until) - from).max(0.0);
    idle >= from && idle <= until
}

/// Functions that are called alike.
fn kinds(seed: u64) -> Vec<(&'static str, Vec<Trace>)> {
    let chance = &Chance::new(seed);
    let some = |make: &dyn Fn() -> Trace| (0..OF_A_KIND).map(|_| make()).collect();
    vec![
        ("every minute", some(&|| traces::periodic(chance, 1.0))),
        ("every 5 minutes", some(&|| traces::periodic(chance, 5.0))),
        ("every 15 minutes", some(&|| traces::periodic(chance, 15.0))),
        ("every hour", some(&|| traces::periodic(chance, 60.0))),
        ("every 3 hours", some(&|| traces::periodic(chance, 180.0))),
        ("at random, each 3 minutes", some(&|| traces::poisson(chance, 3.0))),
        ("at random, each 30 minutes", some(&|| traces::poisson(chance, 30.0))),
        ("rare, each 8 hours", some(&|| traces::poisson(chance, 480.0))),
        ("bursts of 10, each hour", some(&|| traces::bursty(chance, 60.0, 10.0))),
        ("by day, each 10 minutes", some(&|| traces::diurnal(chance, 10.0))),
        ("mixture", traces::mixture(chance, MIXED)),
    ]
}

fn table(seed: u64) -> Result<String, fmt::Error> {
    let mut text = format!(
        "{:<28}{:<22}{:>12}{:>10}{:>16}{:>14}{:>18}\n",
        "a week of functions",
        "policy",
        "invocations",
        "cold (%)",
        "3rd quart. (%)",
        "starts/day",
        "idle (min/h)"
    );
    for (kind, traces) in kinds(seed) {
        let mut name = kind;
        for policy in POLICIES {
            let cost = play(&traces, policy);
            let functions = traces.len() as f64;
            writeln!(
                text,
                "{name:<28}{:<22}{:>12}{:>10.2}{:>16.2}{:>14.1}{:>18.2}",
                policy.to_string(),
                cost.invocations,
                cost.cold_rate() * 100.0,
                cost.third_quartile() * 100.0,
                cost.started as f64 / functions / 7.0,
                cost.minutes / functions / WEEK * 60.0,
            )?;
            name = "";
        }
    }
    Ok(text)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(SEED), |it| it.parse())?;
    std::io::stdout().lock().write_all(table(seed)?.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the mixture the pattern starts fewer functions cold than ten minutes for all, and keeps less memory for it.
    #[test]
    fn the_pattern_is_better_than_ten_minutes_for_all() {
        for seed in 1..=2 {
            let mixture = traces::mixture(&Chance::new(seed), MIXED / 2);
            let (fixed, ours) = (play(&mixture, Policy::Fixed(10)), play(&mixture, OURS));
            let told = format!("{seed}: {:?} {:?}", (fixed.cold, fixed.minutes), (ours.cold, ours.minutes));
            assert!(ours.cold < fixed.cold && ours.minutes < fixed.minutes, "{told}");
            assert!(ours.third_quartile() <= fixed.third_quartile(), "{told}");
        }
    }

    /// What comes at regular times is nearly never cold, at a part of the memory.
    #[test]
    fn timers_find_an_environment() {
        let chance = Chance::new(1);
        for every in [15.0, 60.0, 180.0] {
            let timers = [traces::periodic(&chance, every)];
            let (fixed, ours) = (play(&timers, Policy::Fixed(10)), play(&timers, OURS));
            assert!(fixed.cold == fixed.invocations && ours.cold <= 5, "{every}: {ours:?}");
        }
    }
}
