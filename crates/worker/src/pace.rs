//! How fast a streamed answer goes on: a first part as fast as it comes, the rest with a bandwidth.
//!
//! Plain arithmetic on times that are brought to it; who waits is `streaming`. Keeps true: what was not used of the bandwidth
//! while the function wrote nothing is not made up for, but for a moment.

use crate::limits::EnvironmentLimits;
use std::time::{Duration, Instant};

/// How much of the past may still be made up for, since nobody is woken exactly when asked for.
const LATE: Duration = Duration::from_millis(50);
/// How much time's bytes go on together at most.
const AT_ONCE: Duration = Duration::from_millis(50);

/// The pace of one answer.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes that are still free.
    free: usize,
    /// Bytes in a second after that; nothing for any number.
    bandwidth: Option<u64>,
    /// When the last bytes had gone on.
    until: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(limits: &EnvironmentLimits) -> Self {
        Self { free: limits.streamed_burst, bandwidth: limits.streamed_bandwidth, until: None }
    }

    /// How many of so many bytes, which are some, go on next; and when, unless at once.
    pub(crate) fn next(&mut self, bytes: usize, now: Instant) -> (usize, Option<Instant>) {
        let Some(bandwidth) = self.bandwidth else { return (bytes, None) };
        if self.free > 0 {
            let part = bytes.min(self.free);
            self.free -= part;
            return (part, None);
        }
        let at_once = (bandwidth as f64 * AT_ONCE.as_secs_f64()) as usize;
        let part = bytes.min(at_once.max(1));
        let from = self.until.map_or(now, |until| until.max(now.checked_sub(LATE).unwrap_or(now)));
        let until = from + Duration::from_secs_f64(part as f64 / bandwidth.max(1) as f64);
        self.until = Some(until);
        (part, Some(until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes bytes on that are there all the time, in pieces; how many milliseconds that takes.
    fn millis(pace: &mut Pace, bytes: usize, now: &mut Instant) -> u128 {
        let begun = *now;
        let mut left = bytes;
        while left > 0 {
            let (part, until) = pace.next(left.min(65_536), *now);
            // Woken late each time.
            *now = until.map_or(*now, |until| until.max(*now) + Duration::from_millis(1));
            left -= part;
        }
        now.duration_since(begun).as_millis()
    }

    #[test]
    fn the_first_part_is_free_and_the_rest_has_a_bandwidth() {
        const MB: usize = 1024 * 1024;
        let lambdas = EnvironmentLimits::default();
        let mut now = Instant::now();
        let pace = &mut Pace::new(&lambdas);
        assert_eq!(millis(pace, 6 * MB, &mut now), 0);
        // Being late does not add up.
        assert!((5000..=5002).contains(&millis(pace, 10 * MB, &mut now)));
        // Nor does it help to have waited, but for a moment.
        now += Duration::from_secs(60);
        assert!((950..=1000).contains(&millis(pace, 2 * MB, &mut now)));

        let unlimited = EnvironmentLimits { streamed_bandwidth: None, ..lambdas };
        assert_eq!(millis(&mut Pace::new(&unlimited), 100 * MB, &mut now), 0);

        // Slow ones go on in small parts, rather than seldom.
        let slow = EnvironmentLimits { streamed_burst: 0, streamed_bandwidth: Some(1000), ..lambdas };
        let pace = &mut Pace::new(&slow);
        assert_eq!(pace.next(65_536, now), (50, Some(now + Duration::from_millis(50))));
        let slowest = EnvironmentLimits { streamed_bandwidth: Some(1), ..slow };
        assert_eq!(Pace::new(&slowest).next(9, now), (1, Some(now + Duration::from_secs(1))));
    }
}
