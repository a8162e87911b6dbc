//! JavaScript and TypeScript files of a service: Node runs them, and they may ask for properties and variables meanwhile.
//!
//! One process a file, which ends with its answer. Nothing here knows what questions mean.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The other end of the conversation.
const LOADER: &str = include_str!("script.js");

/// A file to run.
pub(crate) struct Script<'s> {
    /// The file.
    pub path: &'s Path,
    /// What to take of its exports, by dotted keys.
    pub address: Option<&'s str>,
    /// What functions get as `options`.
    pub options: Value,
    /// Whether it is the service's configuration, whose exported functions are not called.
    pub is_configuration: bool,
    /// Its environment.
    pub environment: &'s HashMap<String, String>,
    /// Its working directory.
    pub directory: &'s Path,
}

/// Why there is no answer.
pub(crate) enum ScriptError<E> {
    /// A question could not be answered.
    Question(E),
    /// The script failed, or Node did; a sentence.
    Failed(String),
}

impl Script<'_> {
    /// What the file exports, promises awaited and functions called; none when that is `undefined`.
    /// Questions are `{property: [keys]}`, `{variable: text}` and `{string: text}`.
    pub(crate) fn run<E>(
        &self,
        mut answer: impl FnMut(&Value) -> Result<Value, E>,
    ) -> Result<Option<Value>, ScriptError<E>> {
        let failed = |error: std::io::Error| {
            ScriptError::Failed(format!("Node.js is needed to run it, and cannot be used: {error}"))
        };
        let path = std::path::absolute(self.path).map_err(failed)?;
        let child = Command::new("node")
            .args(["-e", LOADER])
            .env_clear()
            .envs(self.environment)
            .env("PATH", self.environment.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str))
            .current_dir(self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = Ended(child.map_err(failed)?);
        let (Some(mut input), Some(output)) = (child.0.stdin.take(), child.0.stdout.take()) else {
            return Err(ScriptError::Failed("Node.js has no standard streams".to_owned()));
        };
        let request = json!({
            "path": path, "address": self.address, "options": self.options, "isConfiguration": self.is_configuration,
        });
        writeln!(input, "{request}").map_err(failed)?;
        for line in BufReader::new(output).lines() {
            let line = line.map_err(failed)?;
            let message: Value =
                serde_json::from_str(&line).map_err(|error| ScriptError::Failed(error.to_string()))?;
            if let Some(error) = message.get("error").and_then(Value::as_str) {
                return Err(ScriptError::Failed(error.to_owned()));
            }
            if ["property", "variable", "string"].iter().any(|kind| message.get(kind).is_some()) {
                let value = answer(&message).map_err(ScriptError::Question)?;
                writeln!(input, "{}", json!({"value": value})).map_err(failed)?;
            } else {
                return Ok(message.get("result").cloned());
            }
        }
        Err(ScriptError::Failed("it ended before it had exported anything".to_owned()))
    }
}

/// A process that does not outlive us.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself, which is no error.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
