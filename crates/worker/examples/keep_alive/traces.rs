//! Made-up invocations of functions over a week, the same for the same seed.
//!
//! A mixture has the rates that *Serverless in the Wild* tells of Azure's functions: 45 % are called at most once an hour on
//! average, 81 % at most once a minute. What it tells of their kinds is simplified to three: timers, requests that know
//! nothing of each other, and bursts.

use aloft_base::Ids;
use std::f64::consts::TAU;

/// How long a trace is, in minutes.
pub const WEEK: f64 = 7.0 * 24.0 * 60.0;

/// When a function is called, in minutes, ascending.
pub type Trace = Vec<f64>;

/// Random numbers of one seed.
pub struct Chance(Ids);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(Ids::seeded(seed))
    }

    /// From 0, which it may be, to 1, which it is not.
    fn unit(&self) -> f64 {
        self.0.below(1 << 52) as f64 / (1u64 << 52) as f64
    }

    fn between(&self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.unit()
    }

    /// A waiting time with this mean, as of events that know nothing of each other.
    fn wait(&self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}

/// A timer every so many minutes, which is late by up to some seconds.
pub fn periodic(chance: &Chance, every: f64) -> Trace {
    let first = chance.between(0.0, every);
    let times = (0..).map(|number| first + f64::from(number) * every).take_while(|time| *time < WEEK);
    times.map(|time| time + chance.between(0.0, 0.1)).collect()
}

/// Requests that know nothing of each other, so many minutes apart on average.
pub fn poisson(chance: &Chance, mean: f64) -> Trace {
    following(|_| chance.wait(mean))
}

/// Bursts so many minutes apart, each of about `size` requests that come some seconds after one another.
pub fn bursty(chance: &Chance, mean: f64, size: f64) -> Trace {
    following(|_| if chance.unit() < 1.0 / size { chance.wait(mean) } else { chance.wait(0.1) })
}

/// Many requests at noon, few at midnight.
pub fn diurnal(chance: &Chance, mean: f64) -> Trace {
    // Too many, of which some are left out.
    let all = following(|_| chance.wait(mean / 2.0));
    let kept = all.into_iter().filter(|time| {
        let busy = 0.5 - 0.5 * (time / (24.0 * 60.0) * TAU).cos();
        chance.unit() < busy
    });
    kept.collect()
}

/// Functions of all kinds.
pub fn mixture(chance: &Chance, functions: usize) -> Vec<Trace> {
    let one = |_| {
        // Minutes between invocations, by the quantiles of the paper; below that, evenly by magnitude.
        let place = chance.unit();
        let mean = match place {
            it if it < 0.19 => 10f64.powf(chance.between(-1.0, 0.0)),
            it if it < 0.55 => 60f64.powf(chance.unit()),
            _ => 60.0 * 50f64.powf(chance.unit()),
        };
        match chance.unit() {
            it if it < 0.35 => periodic(chance, mean.max(1.0).round()),
            it if it < 0.55 => poisson(chance, mean),
            it if it < 0.70 => diurnal(chance, mean),
            _ => {
                let size = chance.between(3.0, 20.0);
                bursty(chance, mean * size, size)
            }
        }
    };
    (0..functions).map(one).collect()
}

fn following(mut next: impl FnMut(f64) -> f64) -> Trace {
    let mut times = Vec::new();
    let mut time = next(0.0);
    while time < WEEK {
        times.push(time);
        time += next(time);
    }
    times
}
