//! A moment, to the millisecond, and the three spellings AWS uses for one.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds with the milliseconds as a fraction: how AWS JSON protocols write a timestamp.
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// From seconds with a fraction; anything below a millisecond is rounded.
    pub fn from_seconds_f64(seconds: f64) -> Self {
        Self((seconds * 1000.0).round() as i64)
    }

    /// The moment `duration` later, saturating at the ends of the range.
    #[allow(clippy::should_implement_trait)]
    pub fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2026-11-23T04:05:06.789Z`
    pub fn iso8601(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S%.3fZ")
    }

    /// `2026-11-23T04:05:06Z`
    pub fn iso8601_seconds(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%SZ")
    }

    /// `20261123T040506Z`, as Signature Version 4 writes it.
    pub fn basic(self) -> String {
        self.format("%Y%m%dT%H%M%SZ")
    }

    /// `Mon, 23 Nov 2026 04:05:06 GMT`, as HTTP headers write it.
    pub fn http_date(self) -> String {
        self.format("%a, %d %b %Y %H:%M:%S GMT")
    }

    /// By `strftime` directives, in UTC.
    pub fn format(self, directives: &str) -> String {
        self.zoned().map(|zoned| zoned.strftime(directives).to_string()).unwrap_or_else(|| self.0.to_string())
    }

    /// Reads `2026-11-23T04:05:06[.789]Z` or the same with an offset.
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self(at.as_millisecond()))
    }

    /// Reads `Mon, 23 Nov 2026 04:05:06 GMT`.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        jiff::fmt::rfc2822::parse(text).ok().map(|zoned| Self(zoned.timestamp().as_millisecond()))
    }

    fn zoned(self) -> Option<jiff::Zoned> {
        Some(jiff::Timestamp::from_millisecond(self.0).ok()?.to_zoned(jiff::tz::TimeZone::UTC))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso8601())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let at = Timestamp(1_795_406_706_789);
        assert_eq!(at.iso8601(), "2026-11-23T04:05:06.789Z");
        assert_eq!(at.basic(), "20261123T040506Z");
        assert_eq!(at.http_date(), "Mon, 23 Nov 2026 04:05:06 GMT");
        assert_eq!(Timestamp::parse_iso8601("2026-11-23T04:05:06.789Z"), Some(at));
        assert_eq!(
            Timestamp::parse_http_date("Mon, 23 Nov 2026 04:05:06 GMT"),
            Some(Timestamp(1_795_406_706_000))
        );
        assert_eq!(Timestamp::from_seconds_f64(at.as_seconds_f64()), at);
    }
}
