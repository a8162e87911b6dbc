//! The table: a row for what was measured, a column for each engine, and how many times ours is better.

use std::fmt;

/// The columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Aloft,
    Bare,
    Offline,
    Framework,
    Workerd,
}

const SIDES: [(Side, &str); 5] = [
    (Side::Aloft, "aloft"),
    (Side::Bare, "bare process"),
    (Side::Offline, "sls-offline"),
    (Side::Framework, "functions-fw"),
    (Side::Workerd, "workerd"),
];

/// Rows, in the order in which they were first named.
#[derive(Default)]
pub struct Table {
    rows: Vec<(String, Vec<(Side, f64)>)>,
    targets: Vec<(String, f64, f64, bool)>,
}

impl Table {
    /// A number of a row, which is made when it is new.
    pub fn put(&mut self, row: &str, side: Side, number: f64) {
        match self.rows.iter_mut().find(|(name, _)| name == row) {
            Some((_, numbers)) => numbers.push((side, number)),
            None => self.rows.push((row.to_owned(), vec![(side, number)])),
        }
    }

    /// Several numbers of a row.
    pub fn row(&mut self, row: &str, numbers: &[(Side, f64)]) {
        numbers.iter().for_each(|(side, number)| self.put(row, *side, *number));
    }

    /// A figure of ours with the most that it should be.
    pub fn target(&mut self, name: &str, ours: f64, most: f64) {
        self.targets.push((name.to_owned(), ours, most, true));
    }

    /// The same with the least.
    pub fn target_least(&mut self, name: &str, ours: f64, least: f64) {
        self.targets.push((name.to_owned(), ours, least, false));
    }
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.is_nan() => "-".to_owned(),
        Some(value) if value < 100.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.0}"),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default() + 2;
        write!(f, "{:<width$}", "medians; in brackets: how many times worse than aloft")?;
        writeln!(f)?;
        write!(f, "{:<width$}", "")?;
        for (_, name) in SIDES {
            write!(f, "{name:>20}")?;
        }
        writeln!(f)?;
        for (name, numbers) in &self.rows {
            let of = |side: Side| numbers.iter().find(|(it, _)| *it == side).map(|(_, number)| *number);
            let ours = of(Side::Aloft);
            write!(f, "{name:<width$}")?;
            for (side, _) in SIDES {
                let cell = match (side, of(side), ours) {
                    (Side::Aloft, value, _) => number(value),
                    (_, Some(theirs), Some(ours)) => {
                        let ratio = if name.contains("per second") { ours / theirs } else { theirs / ours };
                        format!("{} ({ratio:.2}x)", number(Some(theirs)))
                    }
                    (_, value, _) => number(value),
                };
                write!(f, "{cell:>20}")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\nfigures to reach on a quiet machine")?;
        for (name, ours, bound, is_most) in &self.targets {
            let (sign, reached) = if *is_most { ("<=", ours <= bound) } else { (">=", ours >= bound) };
            let reached = if reached { "reached" } else { "missed" };
            writeln!(f, "{name:<64}{:>10}   {sign} {bound} ({reached})", number(Some(*ours)))?;
        }
        Ok(())
    }
}
