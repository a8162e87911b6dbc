//! The table that the benchmark prints.

use std::fmt;

/// The middle of some numbers; NaN of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Rows: what was measured, ours, theirs, the figure to reach.
#[derive(Default)]
pub struct Figures(Vec<Row>);

struct Row {
    name: String,
    ours: f64,
    theirs: f64,
    /// How many times better ours is.
    ratio: f64,
    most: Option<f64>,
    least_ratio: Option<f64>,
}

impl Figures {
    /// A row where less is better, with the most that it should be.
    pub fn less(&mut self, name: &str, ours: f64, theirs: f64, most: Option<f64>) {
        self.0.push(Row {
            name: name.to_owned(),
            ours,
            theirs,
            ratio: theirs / ours,
            most,
            least_ratio: None,
        });
    }

    /// A row where less is better, with how many times less it should be.
    pub fn times_less(&mut self, name: &str, ours: f64, theirs: f64, least: f64) {
        let (name, ratio) = (name.to_owned(), theirs / ours);
        self.0.push(Row { name, ours, theirs, ratio, most: None, least_ratio: Some(least) });
    }

    /// A row where more is better.
    pub fn more(&mut self, name: &str, ours: f64, theirs: f64) {
        self.0.push(Row {
            name: name.to_owned(),
            ours,
            theirs,
            ratio: ours / theirs,
            most: None,
            least_ratio: None,
        });
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<42}{:>10}{:>12}{:>9}   figure to reach", "medians", "aloft", "original", "better")?;
        for row in &self.0 {
            let number = |value: f64| match value {
                value if value.is_nan() => "-".to_owned(),
                value if value < 100.0 => format!("{value:.2}"),
                value => format!("{value:.0}"),
            };
            let ratio = if row.ratio.is_nan() { "-".to_owned() } else { format!("{:.1}x", row.ratio) };
            write!(f, "{:<42}{:>10}{:>12}{ratio:>9}", row.name, number(row.ours), number(row.theirs))?;
            if let Some(most) = row.most {
                let reached = if row.ours < most { "reached" } else { "missed" };
                write!(f, "   < {most} ({reached})")?;
            }
            if let Some(least) = row.least_ratio {
                let reached = if row.ratio >= least { "reached" } else { "missed" };
                write!(f, "   >= {least}x ({reached})")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
