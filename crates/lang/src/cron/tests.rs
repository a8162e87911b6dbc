//! Tables of expressions, and the search held against a walk from minute to minute.

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_iso8601(text).unwrap_or_else(|| panic!("{text}"))
}

/// The next three times after a start.
fn check(expression: &str, zone: Option<&str>, after: &str, expected: &[&str]) {
    let schedule = Schedule::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    let mut found = Vec::new();
    let mut time = at(after);
    while found.len() < expected.len().max(1) {
        let Some(next) = schedule.next_after(time, zone) else { break };
        assert!(next > time, "{expression}");
        found.push(next.iso8601_seconds());
        time = next;
    }
    assert_eq!(found, expected, "{expression} after {after}");
}

#[test]
fn next_times() {
    check("rate(1 minute)", None, "2026-11-23T10:00:30Z", &["2026-11-23T10:01:30Z", "2026-11-23T10:02:30Z"]);
    check("rate(12 hours)", None, "2026-11-23T10:00:00Z", &["2026-11-23T22:00:00Z"]);
    check("at(2026-11-23T10:00:00)", None, "2026-11-23T09:59:59Z", &["2026-11-23T10:00:00Z"]);
    check("at(2026-11-23T10:00:00)", None, "2026-11-23T10:00:00Z", &[]);
    check("at(2026-11-23T10:00:00)", Some("Asia/Tokyo"), "2026-11-22T00:00:00Z", &["2026-11-23T01:00:00Z"]);
    check(
        "cron(0/15 * * * ? *)",
        None,
        "2026-11-23T10:45:00Z",
        &["2026-11-23T11:00:00Z", "2026-11-23T11:15:00Z", "2026-11-23T11:30:00Z"],
    );
    check(
        "cron(0 12 * * ? *)",
        None,
        "2026-11-23T11:59:59Z",
        &["2026-11-23T12:00:00Z", "2026-11-24T12:00:00Z"],
    );
    check(
        "cron(15 10 ? * 6L 2022-2026)",
        None,
        "2026-11-23T00:00:00Z",
        &["2026-11-27T10:15:00Z", "2026-12-25T10:15:00Z"],
    );
    check("cron(15 10 ? * 6L 2022-2026)", None, "2026-12-25T10:15:00Z", &[]);
    check(
        "cron(0 18 ? * MON-FRI *)",
        None,
        "2026-11-20T18:00:00Z",
        &["2026-11-23T18:00:00Z", "2026-11-24T18:00:00Z"],
    );
    check(
        "cron(0 8 1 * ? *)",
        None,
        "2026-11-23T00:00:00Z",
        &["2026-12-01T08:00:00Z", "2027-01-01T08:00:00Z"],
    );
    check(
        "cron(0 0 L * ? *)",
        None,
        "2028-02-01T00:00:00Z",
        &["2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"],
    );
    check(
        "cron(0 0 LW * ? *)",
        None,
        "2026-01-01T00:00:00Z",
        &["2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z"],
    );
    // 1 August 2026 is a Saturday, 15 November a Sunday, 31 May a Sunday.
    check("cron(0 0 1W 8 ? *)", None, "2026-07-30T00:00:00Z", &["2026-08-03T00:00:00Z"]);
    check("cron(0 0 15W NOV ? *)", None, "2026-11-01T00:00:00Z", &["2026-11-16T00:00:00Z"]);
    check("cron(0 0 31W 5 ? *)", None, "2026-05-01T00:00:00Z", &["2026-05-29T00:00:00Z"]);
    check(
        "cron(0 9 ? * 2#1 *)",
        None,
        "2026-11-23T00:00:00Z",
        &["2026-12-07T09:00:00Z", "2027-01-04T09:00:00Z"],
    );
    check("cron(0 9 ? * FRI#5 *)", None, "2026-11-23T00:00:00Z", &["2027-01-29T09:00:00Z"]);
    check("cron(0 0 ? * L *)", None, "2026-11-23T00:00:00Z", &["2026-11-28T00:00:00Z"]);
    check(
        "cron(0 22-1 ? * SAT-SUN *)",
        None,
        "2026-11-28T01:00:00Z",
        &["2026-11-28T22:00:00Z", "2026-11-28T23:00:00Z", "2026-11-29T00:00:00Z"],
    );
    check(
        "cron(5,35 14 * * ? 2030/10)",
        None,
        "2026-11-23T00:00:00Z",
        &["2030-01-01T14:05:00Z", "2030-01-01T14:35:00Z"],
    );
    check(
        "cron(0 0 29 2 ? *)",
        None,
        "2026-11-23T00:00:00Z",
        &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"],
    );
    check("cron(0 0 31 2 ? *)", None, "2026-11-23T00:00:00Z", &[]);
    check("cron(0 0 1 1 ? 2020)", None, "2026-11-23T00:00:00Z", &[]);
}

#[test]
fn daylight_saving() {
    let berlin = Some("Europe/Berlin");
    // 29 March 2026: 02:00 becomes 03:00. 25 October 2026: 03:00 becomes 02:00.
    check(
        "cron(30 2 * * ? *)",
        berlin,
        "2026-03-28T00:00:00Z",
        &["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"],
    );
    check(
        "cron(30 2 * * ? *)",
        berlin,
        "2026-10-24T12:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    );
    check(
        "cron(0 12 * * ? *)",
        berlin,
        "2026-10-24T09:00:00Z",
        &["2026-10-24T10:00:00Z", "2026-10-25T11:00:00Z"],
    );
    assert!(is_time_zone("America/New_York") && !is_time_zone("Mars/Olympus"));
    let schedule = Schedule::parse("rate(1 minute)").unwrap();
    assert_eq!(schedule.next_after(at("2026-11-23T00:00:00Z"), Some("Mars/Olympus")), None);
}

#[test]
fn refused() {
    for text in [
        "",
        "rate",
        "rate()",
        "rate(5)",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(5 weeks)",
        "rate(-5 minutes)",
        "rate(5 minutes",
        "rate(99999999999 days)",
        "cron(* * * * *)",
        "cron(* * * * * *)",
        "cron(* * ? * ? *)",
        "cron(60 * * * ? *)",
        "cron(* 24 * * ? *)",
        "cron(* * 0 * ? *)",
        "cron(* * 32 * ? *)",
        "cron(* * * 13 ? *)",
        "cron(* * ? * 8 *)",
        "cron(* * ? * 0 *)",
        "cron(* * * * ? 1969)",
        "cron(* * * * ? 2200)",
        "cron(*/0 * * * ? *)",
        "cron(*/99 * * * ? *)",
        "cron(a * * * ? *)",
        "cron(1- * * * ? *)",
        "cron(1, * * * ? *)",
        "cron(* * W * ? *)",
        "cron(* * ? * 2#6 *)",
        "cron(* * ? * MON#0 *)",
        "at(2026-13-01T00:00:00)",
        "at(2026-11-23)",
        "at(2026-11-23T10:00:00Z)",
        "every(5 minutes)",
        "cron(é * * * ? *)",
    ] {
        let error = Schedule::parse(text).expect_err(text);
        assert_eq!(error.to_string(), "Parameter ScheduleExpression is not valid.");
    }
    assert_eq!(Schedule::parse("rate(2 days)").unwrap().period(), Some(Duration::from_secs(172_800)));
    assert_eq!(Schedule::parse("cron(* * * * ? *)").unwrap().period(), None);
}

/// The search must find what a walk through every minute finds.
#[test]
fn agrees_with_a_walk() {
    // A fixed sequence stands in for chance, so that a failure can be repeated.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut pick = |all: &[&'static str]| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all[(state % all.len() as u64) as usize]
    };
    let zones = [None, Some("America/New_York"), Some("Asia/Kolkata")];
    for round in 0..60 {
        let minute = pick(&["*", "0", "7/20", "59", "3,33", "50-10/5"]);
        let hour = pick(&["*", "1", "2", "23", "0/7", "9-17"]);
        let (day, weekday) = if round % 2 == 0 {
            (pick(&["*", "1", "15W", "L", "28-2", "LW", "1W"]), "?")
        } else {
            ("?", pick(&["*", "1", "MON-FRI", "6L", "3#2", "L", "SUN,WED"]))
        };
        let month = pick(&["*", "3,11", "FEB-APR", "1/2"]);
        let text = format!("{minute} {hour} {day} {month} {weekday} 2026");
        let cron = Cron::parse(&text).unwrap_or_else(|_| panic!("{text}"));
        let zone_name = zones[round % zones.len()];
        let zone = time_zone(zone_name).unwrap();
        let after = Timestamp(1_767_225_600_000 + (round as i64) * 6 * 86_400_000 + 12_345);
        let found = Schedule::Cron(cron.clone()).next_after(after, zone_name);
        // Three days of minutes: enough for most, and the others must lie beyond them.
        let first = (after.millis() / 60_000 + 1) * 60_000;
        let minutes = (0..3 * 1440).map(|minute| Timestamp(first + minute * 60_000));
        let walked = minutes.into_iter().find(|time| {
            let local =
                jiff::Timestamp::from_millisecond(time.millis()).unwrap().to_zoned(zone.clone()).datetime();
            cron.fires_at(local) && instant(&zone, local) == Some(*time)
        });
        match walked {
            Some(walked) => assert_eq!(found, Some(walked), "{text} in {zone_name:?} after {after}"),
            None => assert!(
                found.is_none_or(|found| found.since(after).as_secs() >= 3 * 86_400 - 60),
                "{text} {zone_name:?} {after}"
            ),
        }
    }
}
