//! The two day fields, of which exactly one is `?`, with their letters `L`, `W` and `#`.

use super::ScheduleError;
use super::field::Limits;
use jiff::civil::{Date, Weekday};

/// The days on which a `cron` expression fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// One of these days of the month.
    OfMonth(Vec<i16>),
    /// `L`
    Last,
    /// `LW`: the last of Monday to Friday.
    LastWorkday,
    /// `15W`: the Monday to Friday nearest to a day, within its month.
    NearestWorkday(i16),
    /// One of these days of the week, from Sunday as 1.
    OfWeek(Vec<i16>),
    /// `6L`: the last of a day of the week.
    LastOfWeek(i16),
    /// `6#3`: the third of a day of the week.
    NthOfWeek(i16, i16),
}

impl Days {
    pub(super) fn parse(of_month: &str, of_week: &str) -> Result<Self, ScheduleError> {
        let rules: Result<Vec<Rule>, _> = match (of_month, of_week) {
            ("?", "?") => return Err(ScheduleError),
            (days, "?") => days.split(',').map(of_month_rule).collect(),
            ("?", days) => days.split(',').map(of_week_rule).collect(),
            _ => return Err(ScheduleError),
        };
        rules.map(Self)
    }

    pub(super) fn has(&self, date: Date) -> bool {
        self.0.iter().any(|rule| rule.has(date))
    }
}

fn of_month_rule(text: &str) -> Result<Rule, ScheduleError> {
    let limits = &Limits::DAYS_OF_MONTH;
    match text {
        "L" => Ok(Rule::Last),
        "LW" => Ok(Rule::LastWorkday),
        _ => match text.strip_suffix('W') {
            Some(day) => limits.number(day).map(Rule::NearestWorkday),
            None => limits.part(text).map(Rule::OfMonth),
        },
    }
}

fn of_week_rule(text: &str) -> Result<Rule, ScheduleError> {
    let limits = &Limits::DAYS_OF_WEEK;
    if text == "L" {
        // The last day of the week is Saturday.
        return Ok(Rule::OfWeek(vec![limits.last]));
    }
    if let Some((day, nth)) = text.split_once('#') {
        let nth = match nth {
            "1" => 1,
            "2" => 2,
            "3" => 3,
            "4" => 4,
            "5" => 5,
            _ => return Err(ScheduleError),
        };
        return Ok(Rule::NthOfWeek(limits.number(day)?, nth));
    }
    match text.strip_suffix('L') {
        Some(day) => limits.number(day).map(Rule::LastOfWeek),
        None => limits.part(text).map(Rule::OfWeek),
    }
}

fn is_workday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

impl Rule {
    fn has(&self, date: Date) -> bool {
        let day = i16::from(date.day());
        let length = i16::from(date.days_in_month());
        let of_week = i16::from(date.weekday().to_sunday_one_offset());
        match self {
            Self::OfMonth(days) => days.contains(&day),
            Self::Last => day == length,
            Self::LastWorkday => is_workday(date) && workdays_after(date, length) == 0,
            Self::NearestWorkday(wanted) => nearest_workday(date, *wanted, length) == Some(day),
            Self::OfWeek(days) => days.contains(&of_week),
            Self::LastOfWeek(wanted) => of_week == *wanted && day + 7 > length,
            Self::NthOfWeek(wanted, nth) => of_week == *wanted && (day - 1) / 7 + 1 == *nth,
        }
    }
}

/// The day of this date's month with the number `day`.
fn of_same_month(date: Date, day: i16) -> Option<Date> {
    Date::new(date.year(), date.month(), i8::try_from(day).ok()?).ok()
}

fn workdays_after(date: Date, length: i16) -> usize {
    let later = (i16::from(date.day()) + 1)..=length;
    later.filter_map(|day| of_same_month(date, day)).filter(|later| is_workday(*later)).count()
}

fn nearest_workday(date: Date, wanted: i16, length: i16) -> Option<i16> {
    Some(match of_same_month(date, wanted)?.weekday() {
        Weekday::Saturday if wanted == 1 => 3,
        Weekday::Saturday => wanted - 1,
        Weekday::Sunday if wanted == length => wanted - 2,
        Weekday::Sunday => wanted + 1,
        _ => wanted,
    })
}
