//! What the user sees: results on standard output, everything else on standard error, colours only where they are wanted.

use crate::cli::Common;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::RefCell;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::{Duration, Instant};

/// The terminal of a run.
pub struct Terminal {
    /// `--verbose`
    pub verbose: bool,
    /// Whether standard output may have colours.
    pub colours_out: bool,
    /// Whether standard error may have colours.
    colours_err: bool,
    started: Instant,
    spinner: RefCell<Option<ProgressBar>>,
}

impl Terminal {
    /// A terminal, and the log's subscriber on standard error.
    pub fn new(common: &Common) -> Self {
        let wanted = |is_terminal: bool| match (std::env::var_os("NO_COLOR"), std::env::var_os("FORCE_COLOR"))
        {
            (Some(no), _) if !no.is_empty() => false,
            (_, Some(force)) if !force.is_empty() && force != "0" => true,
            _ => is_terminal,
        };
        let (colours_out, colours_err) = (wanted(stdout().is_terminal()), wanted(stderr().is_terminal()));
        let level = match common.debug.as_deref() {
            Some("*") => "debug".to_owned(),
            Some(part) => format!("warn,{part}=debug"),
            None => std::env::var("ALOFT_LOG").unwrap_or_else(|_| "warn".to_owned()),
        };
        let filter = tracing_subscriber::EnvFilter::try_new(level).unwrap_or_else(|_| "warn".into());
        drop(
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(stderr)
                .with_ansi(colours_err)
                .try_init(),
        );
        Self {
            verbose: common.verbose,
            colours_out,
            colours_err,
            started: Instant::now(),
            spinner: RefCell::default(),
        }
    }

    /// A result: on standard output, for people and pipes.
    pub fn print(&self, text: &str) {
        self.clear();
        let mut out = stdout().lock();
        // A closed pipe is the reader's way to say that it has seen enough.
        drop(writeln!(out, "{text}"));
        drop(out.flush());
    }

    /// News: on standard error.
    pub fn say(&self, text: &str) {
        let write = || drop(writeln!(stderr().lock(), "{text}"));
        match &*self.spinner.borrow() {
            Some(spinner) => spinner.suspend(write),
            None => write(),
        }
    }

    /// What only `--verbose` shows.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.say(&self.dim(text));
        }
    }

    /// `✔ text (3s)`
    pub fn success(&self, text: &str) {
        self.clear();
        self.say(&format!(
            "\n{} {text} {}",
            self.paint("32", "✔"),
            self.dim(&format!("({})", self.elapsed()))
        ));
    }

    /// `› text`: nothing had to be done.
    pub fn skipped(&self, text: &str) {
        self.clear();
        self.say(&format!("\n{} {text} {}", self.dim("›"), self.dim(&format!("({})", self.elapsed()))));
    }

    /// What is being done now: a spinner on a terminal, a line with `--verbose`, else nothing.
    pub fn progress(&self, text: &str) {
        if !stderr().is_terminal() {
            self.detail(text);
            return;
        }
        let mut spinner = self.spinner.borrow_mut();
        let spinner = spinner.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        spinner.set_message(text.to_owned());
    }

    /// Ends the progress line.
    pub fn clear(&self) {
        if let Some(spinner) = self.spinner.borrow_mut().take() {
            spinner.finish_and_clear();
        }
    }

    /// Grey, where colours are.
    pub fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Green, where colours are.
    pub fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Red, where colours are.
    pub fn red(&self, text: &str) -> String {
        self.paint("31", text)
    }

    /// Text for standard output in a colour, given as the code of the terminal, where colours are.
    pub fn painted(&self, code: &str, text: &str) -> String {
        if self.colours_out { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours_err { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn elapsed(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        if seconds < 1.0 {
            format!("{}ms", (seconds * 1000.0).round())
        } else {
            format!("{}s", seconds.round())
        }
    }
}
