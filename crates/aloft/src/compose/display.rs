//! How far the services are: a line for each. On a terminal the lines live; elsewhere one is written for each change.

use crate::terminal::Terminal;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// What became of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It went well; what was done.
    Done(&'static str),
    /// It did not.
    Failed,
    /// It was not tried, since one that it needs failed.
    Skipped,
}

/// The lines.
pub struct Display {
    terminal: &'static Terminal,
    live: Option<MultiProgress>,
    lines: BTreeMap<String, Line>,
    width: usize,
}

struct Line {
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Display {
    /// Lines for these services.
    pub fn new(terminal: &'static Terminal, names: &[&str]) -> Self {
        terminal.clear();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        let live = stderr().is_terminal().then(MultiProgress::new);
        Self { terminal, live, lines: BTreeMap::new(), width }
    }

    /// A service is begun.
    pub fn begin(&mut self, service: &str, action: &str) {
        let bar = self.live.as_ref().map(|live| {
            let style = ProgressStyle::with_template("    {spinner}  {msg} › {elapsed:.dim}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = live.add(ProgressBar::new_spinner().with_style(style));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar.set_message(format!("{} › {action}", self.padded(service)));
            bar
        });
        if bar.is_none() {
            self.say(&format!("    …  {} › {action}", self.padded(service)));
        }
        self.lines.insert(service.to_owned(), Line { bar, started: Instant::now() });
    }

    /// A service has come to an end.
    pub fn end(&mut self, service: &str, end: &End) {
        let line = self.lines.remove(service);
        let seconds = line.as_ref().map_or(0.0, |line| line.started.elapsed().as_secs_f64());
        if let Some(bar) = line.and_then(|line| line.bar) {
            bar.finish_and_clear();
        }
        let service = self.padded(service);
        let took = self.terminal.dim(&format!("› {}", duration(seconds)));
        let text = match end {
            End::Done(what) => format!("    {}  {service} › {what} {took}", self.terminal.green("✔")),
            End::Failed => {
                format!("    {}  {service} › {} {took}", self.terminal.red("✖"), self.terminal.red("error"))
            }
            End::Skipped => format!("    {}  {service} › skipped", self.terminal.dim("›")),
        };
        self.say(&text);
    }

    /// A line above the others.
    pub fn say(&self, text: &str) {
        match &self.live {
            Some(live) => live.suspend(|| self.terminal.say(text)),
            None => self.terminal.say(text),
        }
    }

    /// A result above the lines.
    pub fn print(&self, text: &str) {
        match &self.live {
            Some(live) => live.suspend(|| self.terminal.print(text)),
            None => self.terminal.print(text),
        }
    }

    fn padded(&self, service: &str) -> String {
        format!("{service:<width$}", width = self.width)
    }
}

fn duration(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1}s") } else { format!("{seconds:.0}s") }
}
