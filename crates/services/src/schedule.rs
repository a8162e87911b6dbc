//! Schedules that were not watched for a while: what rules and EventBridge Scheduler do after a pause.

use aloft_base::Timestamp;
use aloft_lang::cron::Schedule;

/// The latest of the schedule's times from `due`, which is one of them, that is not after `now`.
pub(crate) fn latest(
    schedule: &Schedule,
    time_zone: Option<&str>,
    due: Timestamp,
    now: Timestamp,
) -> Timestamp {
    if let Some(period) = schedule.period() {
        let missed = now.since(due).as_millis() / period.as_millis().max(1);
        return due.add(period * u32::try_from(missed).unwrap_or(u32::MAX));
    }
    // From the near past to the far: so a schedule of every minute is not gone through minute by minute since last year.
    for hours in [1, 24, 24 * 31, 24 * 366] {
        let from = Timestamp(now.millis() - 3_600_000 * hours).max(due);
        let mut found = None;
        let mut at = Timestamp(from.millis() - 1);
        while let Some(next) = schedule.next_after(at, time_zone).filter(|next| *next <= now) {
            (found, at) = (Some(next), next);
        }
        if let Some(found) = found {
            return found;
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_latest_of_many_missed_times_is_found() {
        let time = |text: &str| Timestamp::parse_iso8601(text).expect("a time");
        for (expression, due, now, expected) in [
            ("rate(5 minutes)", "2026-01-01T00:00:10Z", "2026-01-01T00:00:11Z", "2026-01-01T00:00:10Z"),
            ("rate(5 minutes)", "2026-01-01T00:00:10Z", "2026-03-01T00:14:00Z", "2026-03-01T00:10:10Z"),
            ("cron(* * * * ? *)", "2024-01-01T00:00:00Z", "2026-01-01T00:00:30Z", "2026-01-01T00:00:00Z"),
            ("cron(0 12 1 * ? *)", "2025-06-01T12:00:00Z", "2026-01-20T00:00:00Z", "2026-01-01T12:00:00Z"),
            ("cron(0 12 1 1 ? *)", "2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z"),
        ] {
            let schedule = Schedule::parse(expression).expect("a schedule");
            assert_eq!(latest(&schedule, None, time(due), time(now)), time(expected), "{expression}");
        }
        let noon = Schedule::parse("cron(0 12 * * ? *)").expect("a schedule");
        let found =
            latest(&noon, Some("Europe/Berlin"), time("2026-01-01T11:00:00Z"), time("2026-07-01T10:30:00Z"));
        assert_eq!(found, time("2026-07-01T10:00:00Z"));
        let fast = Schedule::Rate(Duration::from_secs(60));
        assert_eq!(latest(&fast, None, Timestamp(0), Timestamp(i64::MAX / 2)).millis() % 60_000, 0);
    }
}
