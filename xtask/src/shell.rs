//! Running other programs: Cargo, npm, pip. They get the caller's environment without what would change their result.

use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables that belong to somebody's account or session, by their beginnings.
const NOT_PASSED: &[&str] =
    &["ALOFT_", "AWS_", "NODE_OPTIONS", "NODE_PATH", "PYTHON", "SERVERLESS_", "SLS_", "VIRTUAL_ENV"];

/// What stays of them: where certificates, the reference material and the tests' cache are.
const PASSED: &[&str] = &["ALOFT_SHARED", "ALOFT_TEST_CACHE", "AWS_CA_BUNDLE"];

/// A command at the workspace's root.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if NOT_PASSED.iter().any(|start| text.starts_with(start)) && !PASSED.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}

/// Cargo, as it runs this program.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Set for this program by its own `cargo run`; the command is about other packages.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// Runs a command whose output the user sees.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", show(command)))?;
    ensure!(status.success(), "{} failed ({status})", show(command));
    Ok(())
}

/// Runs a command and gives its standard output.
pub fn read(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {}", show(command)))?;
    ensure!(output.status.success(), "{} failed ({})", show(command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn show(command: &Command) -> String {
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    format!("`{program} {}`", words.join(" "))
}

/// The workspace's root.
pub fn root() -> PathBuf {
    aloft_testkit::workspace()
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |named| root().join(named))
}

/// Builds the program with a profile (`release`, or `dist` as users install it) and gives its place; `$ALOFT_BINARY` names
/// one that is built already.
pub fn binary(profile: &str) -> Result<PathBuf> {
    if let Some(named) = env::var_os("ALOFT_BINARY") {
        return Ok(PathBuf::from(named));
    }
    run(&mut cargo(&["build", "--profile", profile, "--package", "aloft"]))?;
    Ok(target().join(profile).join("aloft"))
}
