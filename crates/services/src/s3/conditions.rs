//! Conditional requests and ranges, as S3 reads HTTP's headers for them.

use super::error;
use super::object::Version;
use aloft_base::Timestamp;
use aloft_engine::ServiceError;

/// The conditions of a read.
#[derive(Default)]
pub(super) struct Conditions<'a> {
    pub if_match: Option<&'a str>,
    pub if_none_match: Option<&'a str>,
    /// Seconds since the epoch.
    pub if_modified_since: Option<f64>,
    /// Seconds since the epoch.
    pub if_unmodified_since: Option<f64>,
}

/// What conditions say.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Go,
    NotModified,
    /// The condition that does not hold, by its header.
    Failed(&'static str),
}

impl Conditions<'_> {
    /// An ETag that matches makes the date beside it irrelevant.
    pub fn judge(&self, version: &Version) -> Verdict {
        let modified = version.modified.seconds();
        let after = |seconds: f64| modified > Timestamp::from_seconds_f64(seconds).seconds();
        match (self.if_match, self.if_unmodified_since) {
            (Some(wanted), _) if !matches(wanted, &version.etag) => return Verdict::Failed("If-Match"),
            (None, Some(since)) if after(since) => return Verdict::Failed("If-Unmodified-Since"),
            _ => {}
        }
        match (self.if_none_match, self.if_modified_since) {
            (Some(unwanted), _) if matches(unwanted, &version.etag) => Verdict::NotModified,
            (None, Some(since)) if !after(since) => Verdict::NotModified,
            _ => Verdict::Go,
        }
    }
}

/// Whether one of a list of ETags is this one. Clients leave out the quotes.
fn matches(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(|entry| entry.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|entry| entry == "*" || entry == etag)
}

/// The conditions of a write, against the version that is there.
pub(super) fn check_write(
    key: &str,
    current: Option<&Version>,
    if_match: Option<&str>,
    if_none_match: Option<&str>,
) -> Result<(), ServiceError> {
    let current = current.filter(|version| !version.delete_marker);
    match (if_match, current) {
        (Some(_), None) => return Err(error::no_such_key(key)),
        (Some(wanted), Some(version)) if !matches(wanted, &version.etag) => {
            return Err(error::precondition_failed("If-Match"));
        }
        _ => {}
    }
    match (if_none_match, current) {
        (Some("*"), Some(_)) => Err(error::precondition_failed("If-None-Match")),
        (None | Some("*"), _) => Ok(()),
        (Some(_), _) => Err(error::not_built("If-None-Match with anything but *")),
    }
}

/// The bytes that a `Range` header asks for, first and length; nothing for the whole, as for ranges that make no sense.
pub(super) fn range(header: &str, size: u64) -> Result<Option<(u64, u64)>, ServiceError> {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (from, to) = match (number(first), number(last)) {
        (Some(from), Some(to)) if from > to => return Ok(None),
        (Some(from), Some(to)) => (from, to.min(size.saturating_sub(1))),
        (Some(from), None) if last.trim().is_empty() => (from, size.saturating_sub(1)),
        (None, Some(count)) if first.trim().is_empty() => {
            if count == 0 {
                return Err(error::invalid_range(header, size));
            }
            (size.saturating_sub(count), size.saturating_sub(1))
        }
        _ => return Ok(None),
    };
    if from >= size {
        return Err(error::invalid_range(header, size));
    }
    Ok(Some((from, to - from + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, size, expected) in [
            ("bytes=0-4", 10, Ok(Some((0, 5)))),
            ("bytes=5-", 10, Ok(Some((5, 5)))),
            ("bytes=-3", 10, Ok(Some((7, 3)))),
            ("bytes=-30", 10, Ok(Some((0, 10)))),
            ("bytes=8-100", 10, Ok(Some((8, 2)))),
            ("bytes=10-", 10, Err("InvalidRange")),
            ("bytes=-0", 10, Err("InvalidRange")),
            ("bytes=0-", 0, Err("InvalidRange")),
            ("bytes=4-2", 10, Ok(None)),
            ("bytes=0-1,3-4", 10, Ok(None)),
            ("lines=1-2", 10, Ok(None)),
        ] {
            let found = range(header, size).map_err(|error| error.code);
            assert_eq!(found, expected.map_err(str::to_owned), "{header} of {size}");
        }
    }
}
