//! When a delivery that failed is tried again.
//!
//! Sources: "Message delivery retries" and "Creating an HTTP/S delivery policy" in the SNS Developer Guide. In simple form:
//! the phases are kept, but every back-off grows linearly from its least to its most.

use serde_json::Value;
use std::time::Duration;

/// A retry policy: phases of so many tries.
#[derive(Debug, PartialEq)]
pub(super) struct Policy {
    immediate: u64,
    at_least: u64,
    growing: u64,
    at_most: u64,
    least: Duration,
    most: Duration,
}

/// To AWS's own services: 100,015 tries over 23 days.
const MANAGED: Policy = Policy {
    immediate: 3,
    at_least: 2,
    growing: 10,
    at_most: 100_000,
    least: Duration::from_secs(1),
    most: Duration::from_secs(20),
};

impl Policy {
    /// For a protocol, with the delivery policies of the subscription and of the topic, the first of which counts.
    pub fn of(protocol: &str, subscription: Option<&String>, topic: Option<&String>) -> Self {
        if !protocol.starts_with("http") {
            return MANAGED;
        }
        let read = |text: Option<&String>| serde_json::from_str::<Value>(text?).ok();
        let (own, shared) = (read(subscription).unwrap_or_default(), read(topic).unwrap_or_default());
        let policy = [&own["healthyRetryPolicy"], &shared["http"]["defaultHealthyRetryPolicy"]]
            .into_iter()
            .find(|policy| policy.is_object())
            .cloned()
            .unwrap_or_default();
        let number = |name: &str, default: u64| policy[name].as_u64().unwrap_or(default);
        let (immediate, at_least) = (number("numNoDelayRetries", 0), number("numMinDelayRetries", 0));
        let (tries, at_most) = (number("numRetries", 3).min(100), number("numMaxDelayRetries", 0));
        Self {
            immediate,
            at_least,
            growing: tries.saturating_sub(immediate + at_least + at_most),
            at_most,
            least: Duration::from_secs(number("minDelayTarget", 20).min(3600)),
            most: Duration::from_secs(number("maxDelayTarget", 20).min(3600)),
        }
    }

    /// How long to wait after this many failures; nothing when it has been tried enough.
    pub fn delay(&self, failures: u64) -> Option<Duration> {
        let try_number = failures.checked_sub(1)?;
        let mut from = self.immediate;
        if try_number < from {
            return Some(Duration::ZERO);
        }
        if try_number < from + self.at_least {
            return Some(self.least);
        }
        from += self.at_least;
        if try_number < from + self.growing {
            let (step, steps) = ((try_number - from) as u32, (self.growing - 1).max(1) as u32);
            return Some(self.least + self.most.saturating_sub(self.least) * step / steps);
        }
        from += self.growing;
        (try_number < from + self.at_most).then_some(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases() {
        let seconds = |policy: &Policy, failures: u64| policy.delay(failures).map(|delay| delay.as_secs());
        let tries: Vec<_> =
            [1, 3, 4, 5, 6, 15, 16, 100_015, 100_016].map(|failures| seconds(&MANAGED, failures)).into();
        let expected = [Some(0), Some(0), Some(1), Some(1), Some(1), Some(20), Some(20), Some(20), None];
        assert_eq!(tries, expected);
        let http = Policy::of("http", None, None);
        assert_eq!([1, 3, 4].map(|failures| seconds(&http, failures)), [Some(20), Some(20), None]);
        let own = r#"{"healthyRetryPolicy":{"numRetries":4,"numNoDelayRetries":1,"minDelayTarget":1,"maxDelayTarget":5}}"#;
        let own = Policy::of("https", Some(&own.to_owned()), None);
        assert_eq!(
            [1, 2, 3, 4, 5].map(|failures| seconds(&own, failures)),
            [Some(0), Some(1), Some(3), Some(5), None]
        );
    }
}
