//! `aloft doctor`: what the last command used that will be taken away one day.
//!
//! The commands leave it in `~/.serverless`, where the original does.

use crate::session::Session;
use crate::terminal::Terminal;
use aloft_diag::Diagnostic;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

/// Where the deprecations of the last command are.
fn file(environment: &HashMap<String, String>) -> Option<PathBuf> {
    let home = environment.get("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".serverless/last-command-health-status"))
}

pub fn run(terminal: &Terminal) {
    let environment: HashMap<String, String> = std::env::vars().collect();
    match file(&environment).and_then(|file| fs::read_to_string(file).ok()) {
        Some(text) => terminal.print(&text),
        None => terminal.say("No deprecations were reported in the last command"),
    }
}

/// What the command that runs uses.
pub struct Deprecations {
    found: Vec<Diagnostic>,
    tells_all: bool,
    file: Option<PathBuf>,
}

impl Deprecations {
    /// Those of the session's service.
    pub fn of(session: &mut Session) -> Self {
        let set = session.environment.get("SLS_DEPRECATION_NOTIFICATION_MODE").map(String::as_str);
        let configured = session.service.config.get("deprecationNotificationMode").and_then(Value::as_str);
        Self {
            tells_all: set.filter(|mode| *mode == "warn").or(configured) == Some("warn"),
            file: file(&session.environment),
            found: std::mem::take(&mut session.deprecations),
        }
    }

    /// Tells how many there are, or each of them where the service wants that, and leaves them for `doctor`.
    pub fn tell(self, terminal: &Terminal) {
        let count = self.found.len();
        if self.tells_all || count == 0 {
            for one in &self.found {
                terminal.say(&format!("Warning: {}\n  More Info: {}", one.message, link(&one.code)));
            }
            // There may be some from before.
            drop(self.file.map(fs::remove_file));
            return;
        }
        let plural = if count == 1 { "" } else { "s" };
        let found = format!("{count} deprecation{plural} found: run 'aloft doctor' for more details");
        terminal.say(&format!("\n{}", terminal.dim(&found)));
        let mut text = format!("{count} deprecation{plural} triggered in the last command:\n");
        for one in &self.found {
            text += &format!("\n{}\nMore info: {}", one.message, link(&one.code));
        }
        let write = |file: PathBuf| -> std::io::Result<()> {
            file.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&file, text)
        };
        // Who has no home that can be written is told above.
        drop(self.file.map(write));
    }
}

fn link(code: &str) -> String {
    format!("https://www.serverless.com/framework/docs/deprecations/#{code}")
}
