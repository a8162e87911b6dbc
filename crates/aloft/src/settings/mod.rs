//! `aloft.toml`: how the local cloud is run, where that is not said on the command line.
//!
//! It lies beside `serverless.yml`, or else in the cloud's home. Every key is one line of a list in `keys.rs`. Keeps true:
//! nothing in the file is passed over: what is unknown or of another kind is an error with its place.

mod keys;
#[cfg(test)]
mod tests;

use crate::cli::Isolation;
use crate::cloud;
use crate::failure::Mistakes;
use aloft_config::nearest;
use aloft_diag::{Diagnostic, SourceId, SourceMap, Span};
use aloft_engine::{Destination, FunctionLimits, Options};
use keys::{Key, SECTIONS, Section};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// The file's name.
const NAME: &str = "aloft.toml";

/// How the cloud is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that says so, if there is one.
    pub path: Option<PathBuf>,
    /// How long after its function's last request a warm environment is kept at most; nothing for what its requests suggest.
    pub idle_timeout: Option<Duration>,
    /// The most memory of environments together, in MB; nothing for half of the machine's.
    pub memory_budget_mb: Option<u64>,
    /// The most environments at once.
    pub environments: usize,
    /// How functions are kept apart.
    pub isolation: Isolation,
    /// What they may reach besides the cloud and public addresses.
    pub allow: Vec<Destination>,
    /// What they may use.
    pub limits: FunctionLimits,
}

impl Default for Settings {
    fn default() -> Self {
        let options = Options::default();
        Self {
            path: None,
            idle_timeout: options.environment_idle,
            memory_budget_mb: options.memory_budget_mb,
            environments: options.max_environments,
            isolation: Isolation::default(),
            allow: options.allowed,
            limits: options.limits,
        }
    }
}

/// The file that counts for who works in a directory: its own, else that of the cloud's home.
pub fn find(directory: &Path) -> Option<PathBuf> {
    [directory.join(NAME), cloud::home().join(NAME)].into_iter().find(|path| path.is_file())
}

/// Reads a file, or gives what counts without one.
pub fn load(path: Option<&Path>) -> anyhow::Result<Settings> {
    let Some(path) = path else { return Ok(Settings::default()) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot read {}: {error}", path.display());
        Mistakes::plain("INVALID_SETTINGS", message, "name another file with --settings, or leave it out")
    })?;
    let mut sources = SourceMap::default();
    let source = sources.add(path, text.clone());
    let settings = read(&text, source);
    let settings = settings.map_err(|diagnostics| Mistakes { diagnostics, sources })?;
    Ok(Settings { path: Some(std::path::absolute(path)?), ..settings })
}

/// What a text says, or all that is wrong with it.
fn read(text: &str, source: SourceId) -> Result<Settings, Vec<Diagnostic>> {
    let mut reader = Reader { source, settings: Settings::default(), mistakes: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let diagnostic =
            Diagnostic::error("INVALID_SETTINGS", format!("this is no TOML: {}", error.message()));
        reader.mistakes.push(diagnostic.at_opt(error.span().map(|it| reader.span(it)), ""));
    }
    if reader.mistakes.is_empty() {
        reader.sections(table.get_ref());
    }
    if reader.mistakes.is_empty() { Ok(reader.settings) } else { Err(reader.mistakes) }
}

struct Reader {
    source: SourceId,
    settings: Settings,
    mistakes: Vec<Diagnostic>,
}

impl Reader {
    fn span(&self, range: Range<usize>) -> Span {
        Span { source: self.source, start: range.start, end: range.end }
    }

    fn mistake(&mut self, range: Range<usize>, message: String, help: impl Into<String>) {
        let diagnostic = Diagnostic::error("INVALID_SETTINGS", message);
        self.mistakes.push(diagnostic.at(self.span(range), "").help(help));
    }

    fn sections(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let Some(section) = SECTIONS.iter().find(|it| it.name == name.get_ref().as_ref()) else {
                let elsewhere = SECTIONS.iter().find(|it| it.key(name.get_ref()).is_some());
                let names = SECTIONS.iter().map(|it| it.name);
                let help = match elsewhere {
                    Some(section) => format!("write it below `[{}]`", section.name),
                    None => likely(name.get_ref(), names, "sections"),
                };
                self.mistake(name.span(), format!("`{}` is no section of {NAME}", name.get_ref()), help);
                continue;
            };
            match value.get_ref() {
                DeValue::Table(table) => self.section(section, table),
                _ => self.mistake(
                    value.span(),
                    format!("`{}` is a section", section.name),
                    format!("write `[{}]` in a line of its own, and its settings below", section.name),
                ),
            }
        }
    }

    fn section(&mut self, section: &Section, table: &DeTable<'_>) {
        for (name, value) in table {
            let Some(key) = section.key(name.get_ref()) else {
                let message = format!("`{}` is no setting of `[{}]`", name.get_ref(), section.name);
                let elsewhere = SECTIONS.iter().find(|it| it.key(name.get_ref()).is_some());
                let help = match elsewhere {
                    Some(section) => format!("write it below `[{}]`", section.name),
                    None => likely(name.get_ref(), section.keys.iter().map(|it| it.name), "settings"),
                };
                self.mistake(name.span(), message, help);
                continue;
            };
            if let Err(reason) = (key.set)(&mut self.settings, value.get_ref()) {
                self.mistake(value.span(), format!("`{}` {reason}", key.name), example(key));
            }
        }
    }
}

fn example(key: &Key) -> String {
    format!("for example: {} = {}", key.name, key.example)
}

/// What somebody who wrote `word` probably meant, or all there is.
fn likely<'n>(word: &str, names: impl Iterator<Item = &'n str> + Clone, what: &str) -> String {
    match nearest(word, names.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("{what} are: {}", names.collect::<Vec<_>>().join(", ")),
    }
}
