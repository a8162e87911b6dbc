//! A field of a `cron` expression: lists, ranges, steps and names over a span of numbers.
//!
//! The letters of the two day fields are in `days.rs`.

use super::{FIRST_YEAR, LAST_YEAR, ScheduleError};
use std::collections::BTreeSet;

/// What a field may hold.
pub(super) struct Limits {
    pub first: i16,
    pub last: i16,
    /// Names for the numbers from `first` on.
    pub names: &'static [&'static str],
}

impl Limits {
    pub(super) const MINUTES: Self = Self { first: 0, last: 59, names: &[] };
    pub(super) const HOURS: Self = Self { first: 0, last: 23, names: &[] };
    pub(super) const DAYS_OF_MONTH: Self = Self { first: 1, last: 31, names: &[] };
    pub(super) const MONTHS: Self = Self {
        first: 1,
        last: 12,
        names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    };
    /// Sunday is 1.
    pub(super) const DAYS_OF_WEEK: Self =
        Self { first: 1, last: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };
    pub(super) const YEARS: Self = Self { first: FIRST_YEAR, last: LAST_YEAR, names: &[] };

    /// A number or a name within the limits.
    pub(super) fn number(&self, text: &str) -> Result<i16, ScheduleError> {
        if let Some(at) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(self.first + at as i16);
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ScheduleError);
        }
        let number = text.parse().map_err(|_| ScheduleError)?;
        if (self.first..=self.last).contains(&number) { Ok(number) } else { Err(ScheduleError) }
    }

    /// A part of a list: `*`, `3`, `3-7`, and each of these with `/step`. A range may run over the end.
    pub(super) fn part(&self, text: &str) -> Result<Vec<i16>, ScheduleError> {
        let (span, step) = match text.split_once('/') {
            Some((span, step)) => (span, Some(self.step(step)?)),
            None => (text, None),
        };
        let all: Vec<i16> = match span.split_once('-') {
            Some((from, to)) => {
                let (from, to) = (self.number(from)?, self.number(to)?);
                if from <= to {
                    (from..=to).collect()
                } else {
                    (from..=self.last).chain(self.first..=to).collect()
                }
            }
            None if span == "*" => (self.first..=self.last).collect(),
            None => {
                let from = self.number(span)?;
                // With a step a single number is where to begin.
                (from..=if step.is_some() { self.last } else { from }).collect()
            }
        };
        Ok(all.into_iter().step_by(step.unwrap_or(1)).collect())
    }

    fn step(&self, text: &str) -> Result<usize, ScheduleError> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ScheduleError);
        }
        match text.parse() {
            Ok(step) if step > 0 && step <= self.last as usize => Ok(step),
            _ => Err(ScheduleError),
        }
    }
}

/// The numbers that a field lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field(BTreeSet<i16>);

impl Field {
    pub(super) fn parse(text: &str, limits: &Limits) -> Result<Self, ScheduleError> {
        let mut all = BTreeSet::new();
        for part in text.split(',') {
            all.extend(limits.part(part)?);
        }
        Ok(Self(all))
    }

    pub(super) fn has(&self, number: i16) -> bool {
        self.0.contains(&number)
    }
}
