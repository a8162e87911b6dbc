//! `cargo xtask setup`: installs what tests, demo and benchmark need besides Rust, all of it below `tests/.cache`.
//!
//! Every folder there is made from a lock file and is marked with that file's hash when it is complete, so a second run
//! does nothing and one that was cut off is done again. No script of a package runs but those that build the official runtime
//! client for Node.js. Only Chromium and Ruby are installed for the machine, by Debian's `apt-get`, where they are absent.

use crate::shell;
use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Installs everything that the tests need.
pub fn run() -> Result<()> {
    need("node", &["--version"], "v20", "Node.js 20 or later")?;
    need("python3", &["--version"], "Python 3.9", "Python 3.9 or later")?;
    runtimes()?;
    python("venv", "tests/clients/requirements.txt", virtual_environment)?;
    python("sleuth", "tests/clients/sleuth-requirements.txt", vendor)?;
    npm("original", "original")?;
    npm("fork", "fork")?;
    conformance()?;
    // The tests of Ruby run where it is.
    if shell::command("ruby").arg("--version").output().is_err()
        && let Err(error) = debian("ruby")
    {
        println!("functions in Ruby are not tried: {error:#}");
    }
    browser()
}

/// Builds the official runtime clients, which the tests of the Runtime API use. The folder has the form of a layer.
fn conformance() -> Result<()> {
    python("conformance/python", "tests/conformance/requirements.txt", vendor)?;
    npm("conformance", "conformance/nodejs")?;
    let cache = aloft_testkit::cache().join("conformance");
    let client = cache.join("nodejs/node_modules/aws-lambda-ric");
    if !client.join("rapid-client.node").exists() {
        println!("building aws-lambda-ric");
        let places = [cache.join("python/bin"), cache.join("nodejs/node_modules/.bin")];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(places.into_iter().chain(std::env::split_paths(&path)))?;
        for script in ["scripts/preinstall.sh", "scripts/postinstall.sh"] {
            let mut command = at(&client, "sh");
            command.arg(script).env("PATH", &path).env("PYTHONPATH", cache.join("python"));
            let built = command.stdin(Stdio::null()).output()?;
            if !built.status.success() {
                // It needs a compiler for C++; the test with it says that it is absent.
                println!("cannot build aws-lambda-ric:\n{}", String::from_utf8_lossy(&built.stderr));
                break;
            }
        }
    }
    let source = shell::root().join("tests/conformance/rust");
    let inputs = ["Cargo.lock", "Cargo.toml", "src/main.rs"].map(|it| source.join(it));
    install("conformance/rust", &inputs, |folder| {
        let mut cargo = shell::cargo(&["build", "--locked", "--quiet"]);
        shell::run(cargo.current_dir(&source).env("CARGO_TARGET_DIR", folder.join("target")))?;
        fs::rename(folder.join("target/debug/bootstrap"), folder.join("bootstrap"))?;
        Ok(fs::remove_dir_all(folder.join("target"))?)
    })
}

/// Installs what Lambda's runtimes bring along, which is all that the demo needs.
pub fn runtimes() -> Result<()> {
    npm_of("crates/aloft/src/sdks", "runtimes/nodejs")?;
    python("runtimes/python", "crates/aloft/src/sdks/requirements.txt", vendor)
}

/// Puts packages into a folder, as functions carry them.
fn vendor(folder: &Path, requirements: &Path) -> Result<()> {
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", "."];
    shell::run(at(folder, "python3").args(pip).arg("--requirement").arg(requirements))
}

/// Playwright's library, and the machine's Chromium below it.
fn browser() -> Result<()> {
    npm("browser", "browser")?;
    if aloft_testkit::chromium().is_some() {
        return Ok(());
    }
    debian("chromium")
        .context("the browser tests need Chromium; on Debian and Ubuntu: apt-get install chromium")
}

/// Installs one of Debian's packages; a new machine may not have its lists yet.
fn debian(package: &str) -> Result<()> {
    println!("installing {package}");
    let install = || {
        let arguments = ["install", "--yes", "--quiet", "--no-install-recommends", package];
        shell::run(shell::command("apt-get").args(arguments))
    };
    install().or_else(|_| {
        shell::run(shell::command("apt-get").args(["update", "--quiet"]))?;
        install()
    })
}

/// Installs the packages of `tests/<lock>/package-lock.json` in `<cache>/<name>`.
pub fn npm(lock: &str, name: &str) -> Result<()> {
    npm_of(&format!("tests/{lock}"), name)
}

/// Installs the packages of a folder's `package-lock.json` in `<cache>/<name>`.
fn npm_of(folder: &str, name: &str) -> Result<()> {
    let source = shell::root().join(folder);
    install(name, &[source.join("package-lock.json")], |folder| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), folder.join(file))?;
        }
        let npm = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        shell::run(at(folder, "npm").args(npm))
    })
}

fn python(name: &str, requirements: &str, make: impl Fn(&Path, &Path) -> Result<()>) -> Result<()> {
    let requirements = shell::root().join(requirements);
    install(name, std::slice::from_ref(&requirements), |folder| make(folder, &requirements))
}

fn virtual_environment(folder: &Path, requirements: &Path) -> Result<()> {
    let made = shell::run(at(folder, "python3").args(["-m", "venv", "."]));
    made.context("Python's venv module is needed; on Debian and Ubuntu: apt-get install python3-venv")?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    shell::run(at(folder, folder.join("bin/python")).args(pip).arg("--requirement").arg(requirements))
}

/// Fills `<cache>/<name>` unless it is complete and made from these files.
fn install(name: &str, inputs: &[PathBuf], fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder: PathBuf = aloft_testkit::cache().join(name);
    let mut content = Vec::new();
    for file in inputs {
        content.extend(fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let stamp = folder.join(".complete");
    if fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == hash) {
        return Ok(());
    }
    println!("installing {name}");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fill(&folder).with_context(|| format!("cannot install {name}"))?;
    Ok(fs::write(stamp, hash)?)
}

fn at(folder: &Path, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = shell::command(program);
    command.current_dir(folder).env("PIP_ROOT_USER_ACTION", "ignore");
    command
}

/// Stops with a clear sentence when a program is missing or older than `least`, which is what its version begins with.
fn need(program: &str, question: &[&str], least: &str, name: &str) -> Result<()> {
    let answer = shell::command(program).args(question).stderr(Stdio::null()).output();
    let Ok(answer) = answer else { bail!("{name} is needed: `{program}` is not on the search path") };
    let said = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    ensure!(numbers(&said) >= numbers(least), "{name} is needed, and `{program}` is {said}");
    Ok(())
}

/// The numbers in a text, for comparing versions.
fn numbers(text: &str) -> Vec<u32> {
    text.split(|it: char| !it.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}
