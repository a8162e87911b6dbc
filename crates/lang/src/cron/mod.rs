//! AWS schedule expressions: `rate(5 minutes)`, `cron(0 12 * * ? *)` and `at(2026-11-23T10:00:00)`.
//!
//! Knows when a schedule fires next; who waits for it is another's concern. Times are to the minute for `cron`, to the
//! second for `at`.
//! Keeps true: [`Schedule::next_after`] is strictly after its argument, and ends for every expression.
//! Sources: "Creating an Amazon EventBridge rule that runs on a schedule" and "Schedule types in EventBridge
//! Scheduler" in the user guides, the latter also for daylight saving time.

mod days;
mod field;
#[cfg(test)]
mod tests;

use aloft_base::Timestamp;
use days::Days;
use field::{Field, Limits};
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::time::Duration;

/// The years that a `cron` expression may name.
const FIRST_YEAR: i16 = 1970;
const LAST_YEAR: i16 = 2199;

/// The text is no schedule expression; the message is EventBridge's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Parameter ScheduleExpression is not valid.")]
pub struct ScheduleError;

/// A parsed schedule expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Again and again after a span of time.
    Rate(Duration),
    /// At the times that the fields describe.
    Cron(Cron),
    /// Once, at this local time.
    At(DateTime),
}

/// The six fields of a `cron` expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Field,
    hours: Field,
    days: Days,
    months: Field,
    years: Field,
}

/// Is this the name of a time zone in the IANA database, such as `Europe/Berlin`?
pub fn is_time_zone(name: &str) -> bool {
    time_zone(Some(name)).is_some()
}

fn time_zone(name: Option<&str>) -> Option<TimeZone> {
    match name {
        None => Some(TimeZone::UTC),
        Some(name) => TimeZone::get(name).ok(),
    }
}

impl Schedule {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is none: a wrong field, a unit that does not fit the number (`rate(1 minutes)`), or both or neither of day of
    /// month and day of week are `?`.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let (kind, rest) = text.trim().split_once('(').ok_or(ScheduleError)?;
        let inner = rest.strip_suffix(')').ok_or(ScheduleError)?;
        match kind {
            "rate" => rate(inner).map(Self::Rate),
            "cron" => Cron::parse(inner).map(Self::Cron),
            "at" => {
                let shaped =
                    inner.len() == "yyyy-mm-ddThh:mm:ss".len() && inner.as_bytes().get(10) == Some(&b'T');
                let time = if shaped { inner.parse().ok() } else { None };
                time.map(Self::At).ok_or(ScheduleError)
            }
            _ => Err(ScheduleError),
        }
    }

    /// The first time after `after`, in the time zone (UTC without one); none when there is no more, or when the time
    /// zone is unknown. A `rate` counts from `after`.
    ///
    /// A local time that the change to summer time leaves out does not fire; one that comes twice in autumn fires at
    /// the first.
    pub fn next_after(&self, after: Timestamp, time_zone: Option<&str>) -> Option<Timestamp> {
        let zone = self::time_zone(time_zone)?;
        match self {
            Self::Rate(period) => Some(after.add(*period)),
            Self::At(time) => instant(&zone, *time).filter(|at| *at > after),
            Self::Cron(cron) => cron.next_after(after, &zone),
        }
    }

    /// The span of a `rate`.
    pub fn period(&self) -> Option<Duration> {
        match self {
            Self::Rate(period) => Some(*period),
            _ => None,
        }
    }

    /// Is it an `at`? EventBridge rules refuse those; EventBridge Scheduler takes them.
    pub fn is_one_time(&self) -> bool {
        matches!(self, Self::At(_))
    }
}

/// `5 minutes`; one takes the singular, more take the plural.
fn rate(text: &str) -> Result<Duration, ScheduleError> {
    let (number, unit) = text.trim().split_once(' ').ok_or(ScheduleError)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ScheduleError);
    }
    let number: u32 = number.parse().map_err(|_| ScheduleError)?;
    let unit = unit.trim();
    let singular = match (number, unit.strip_suffix('s')) {
        (0, _) => return Err(ScheduleError),
        (1, None) => unit,
        (2.., Some(singular)) => singular,
        _ => return Err(ScheduleError),
    };
    let seconds = match singular {
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return Err(ScheduleError),
    };
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// When a local time is; none when the clocks skip it, the first when they show it twice.
fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return None;
    }
    ambiguous.earlier().ok().map(|at| Timestamp(at.as_millisecond()))
}

impl Cron {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, day_of_month, months, day_of_week, years] = fields.as_slice() else {
            return Err(ScheduleError);
        };
        Ok(Self {
            minutes: Field::parse(minutes, &Limits::MINUTES)?,
            hours: Field::parse(hours, &Limits::HOURS)?,
            days: Days::parse(day_of_month, day_of_week)?,
            months: Field::parse(months, &Limits::MONTHS)?,
            years: Field::parse(years, &Limits::YEARS)?,
        })
    }

    fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = jiff::Timestamp::from_millisecond(after.millis()).ok()?.to_zoned(zone.clone()).datetime();
        let mut date = start.date().max(Date::new(FIRST_YEAR, 1, 1).ok()?);
        // At most one turn for each day of the years that an expression may name.
        while date.year() <= LAST_YEAR {
            if !self.years.has(date.year()) {
                date = Date::new(date.year() + 1, 1, 1).ok()?;
                continue;
            }
            if !self.months.has(i16::from(date.month())) {
                date = date.last_of_month().tomorrow().ok()?;
                continue;
            }
            if self.days.has(date)
                && let Some(found) = self.first_on(date, start, after, zone)
            {
                return Some(found);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The first time on a day that is after `after`; `start` is `after` in local time.
    fn first_on(&self, date: Date, start: DateTime, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        for hour in (0..24).filter(|hour| self.hours.has(i16::from(*hour))) {
            for minute in (0..60).filter(|minute| self.minutes.has(i16::from(*minute))) {
                let local = date.at(hour, minute, 0, 0);
                // Cheaper than asking the time zone; the latter decides.
                if local < start {
                    continue;
                }
                if let Some(found) = instant(zone, local).filter(|at| *at > after) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// Does it fire at this local minute?
    #[cfg(test)]
    fn fires_at(&self, local: DateTime) -> bool {
        self.years.has(local.year())
            && self.months.has(i16::from(local.month()))
            && self.days.has(local.date())
            && self.hours.has(i16::from(local.hour()))
            && self.minutes.has(i16::from(local.minute()))
    }
}
