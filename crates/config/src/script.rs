//! Configurations written in JavaScript or TypeScript: Node runs them and tells what they export.

use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// Loads the file named by the first argument and prints what it exports on file descriptor 3's stand-in: the last line.
const LOADER: &str = r"
const path = process.argv[1];
const { pathToFileURL } = require('url');
(async () => {
  if (path.endsWith('.ts')) {
    const { createRequire } = require('module');
    const local = createRequire(path);
    let registered = false;
    for (const name of ['tsx/cjs', 'ts-node/register/transpile-only']) {
      try { local(name); registered = true; break; } catch (error) { if (error.code !== 'MODULE_NOT_FOUND') throw error; }
    }
    if (!registered && !process.features.typescript) throw new Error('neither tsx nor ts-node is installed in the service');
  }
  const loaded = path.endsWith('.mjs') ? await import(pathToFileURL(path)) : require(path);
  const value = await (path.endsWith('.mjs') || (path.endsWith('.ts') && loaded.default) ? loaded.default : loaded);
  process.stdout.write('\n' + JSON.stringify(value === undefined ? null : value) + '\n');
})().catch((error) => { console.error(error && error.stack ? error.stack : String(error)); process.exitCode = 1; });
";

/// What a configuration file exports, a promise awaited.
///
/// # Errors
/// What the script says about itself, or that there is no Node.
pub(crate) fn configuration(path: &Path, environment: &HashMap<String, String>) -> Result<Value, String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    let directory = path.parent().unwrap_or(&path);
    let output = Command::new("node")
        .arg("-e")
        .arg(LOADER)
        .arg(&path)
        .envs(environment)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("Node.js is needed to read it and cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("Initialization error: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.trim_end().rsplit('\n').next().unwrap_or_default();
    serde_json::from_str(last)
        .map_err(|error| format!("Plain JSON structure expected, when parsing observed error: {error}"))
}
