//! Java: `java8.al2`, `java11`, `java17`, `java21` on that JDK where it is installed, otherwise on another one.
//!
//! The bootstrap is in the `.java` files here. They are compiled once on the machine where functions run, by its own JDK,
//! so that nothing compiled is shipped and every version runs what was made for it.

use super::{Found, Installed, Runtime, Start, locate};
use crate::function::{FunctionSpec, InvokeError};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Where Linux distributions and macOS put JDKs.
const USUAL_PLACES: [&str; 3] = ["/usr/lib/jvm", "/usr/java", "/Library/Java/JavaVirtualMachines"];

const SOURCES: [(&str, &str); 6] = [
    ("Binding.java", include_str!("Binding.java")),
    ("Bootstrap.java", include_str!("Bootstrap.java")),
    ("Handler.java", include_str!("Handler.java")),
    ("Json.java", include_str!("Json.java")),
    ("LambdaContext.java", include_str!("LambdaContext.java")),
    ("RuntimeApi.java", include_str!("RuntimeApi.java")),
];

pub(super) struct Java;

impl Runtime for Java {
    fn name(&self) -> &'static str {
        "java"
    }

    fn serves(&self, identifier: &str) -> bool {
        identifier.strip_prefix("java").is_some_and(|it| it.starts_with(|digit: char| digit.is_ascii_digit()))
    }

    fn install(&self, directory: &Path) -> io::Result<()> {
        SOURCES.iter().try_for_each(|(name, text)| fs::write(directory.join(name), text))
    }

    fn start(
        &self,
        spec: &FunctionSpec,
        directory: &Path,
        installed: &Installed,
    ) -> Result<Start, InvokeError> {
        let wanted = locate::wanted_version(&spec.runtime);
        let advice = format!(
            "install the package `openjdk-{wanted}-jdk-headless` or `default-jdk-headless` (Debian, Ubuntu), \
             `java-{wanted}-openjdk-devel` (Fedora), or `openjdk` (Homebrew)"
        );
        let found = installed.find_by(&spec.runtime, "OpenJDK", &advice, || find(wanted))?;
        let classes = compiled(&found, directory)?;
        let mut arguments = vec![
            format!("-Xmx{}m", (u64::from(spec.memory_mb) * 85 / 100).max(32)).into(),
            "-XX:+UseSerialGC".into(),
            // What starts fast counts here, not what is fastest after an hour.
            "-XX:TieredStopAtLevel=1".into(),
            "-XX:-UsePerfData".into(),
            "-Xshare:auto".into(),
            "-Dfile.encoding=UTF-8".into(),
            "-cp".into(),
            classes.into_os_string(),
            "aloft.Bootstrap".into(),
        ];
        arguments.extend(spec.layer_directories.iter().rev().map(|it| it.clone().into_os_string()));
        Ok(Start {
            program: found.program,
            arguments,
            variables: BTreeMap::new(),
            runtime_directory: directory.to_owned(),
            execution_environment: Some(format!("AWS_Lambda_{}", spec.runtime)),
            channel: false,
            version: format!("java:{}", found.version),
            invalid: None,
            wrapper: None,
            extensions: Vec::new(),
        })
    }
}

/// The JDK of this version, else the next newer one, else the newest.
fn find(wanted: &str) -> Option<Found> {
    let homes = USUAL_PLACES.iter().filter_map(|it| fs::read_dir(it).ok()).flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path =
        std::env::split_paths(&path).map(|it| it.join("java")).filter_map(|it| it.canonicalize().ok());
    let named = std::env::var_os("JAVA_HOME").map(PathBuf::from);
    let candidates = homes
        .flat_map(|entry| [entry.path(), entry.path().join("Contents/Home")])
        .chain(named)
        .chain(on_path.filter_map(|it| Some(it.parent()?.parent()?.to_owned())));
    let wanted = major(wanted);
    let distance = |it: &Found| (major(&it.version) < wanted, major(&it.version).abs_diff(wanted));
    candidates.filter_map(|home| jdk(&home)).min_by_key(distance)
}

fn major(version: &str) -> u32 {
    version.split(['.', '_', '+', '-']).next().and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// A JDK, when its home is one: a runtime without a compiler does not do.
fn jdk(home: &Path) -> Option<Found> {
    let program = home.join("bin/java").canonicalize().ok()?;
    if !locate::is_executable(&program) || !locate::is_executable(&home.join("bin/javac")) {
        return None;
    }
    let release = fs::read_to_string(home.join("release")).ok()?;
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?.trim_matches('"');
    // Java 8 calls itself 1.8.
    Some(Found { program, version: version.strip_prefix("1.").unwrap_or(version).to_owned() })
}

/// The bootstrap's classes for this JDK, which it compiles at their first use.
fn compiled(found: &Found, directory: &Path) -> Result<PathBuf, InvokeError> {
    static COMPILING: Mutex<()> = Mutex::new(());
    let _alone = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    let classes = directory.join(format!("classes-{}", found.version));
    if classes.exists() {
        return Ok(classes);
    }
    let unfinished = directory.join("classes");
    let mut command = Command::new(found.program.with_file_name("javac"));
    command.args(["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "-XDignore.symbol.file", "-nowarn"]);
    // Texts are put together without a bootstrap of their own, which would take 10 ms of the first event.
    command.arg("-XDstringConcat=inline").args(["-encoding", "UTF-8", "-d"]).arg(&unfinished);
    command.args(SOURCES.map(|(name, _)| directory.join(name)));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    fs::create_dir_all(&unfinished)?;
    let compiled = command.output()?;
    if !compiled.status.success() {
        let said = String::from_utf8_lossy(&compiled.stderr).into_owned();
        return Err(io::Error::other(format!("javac cannot compile the bootstrap: {said}")).into());
    }
    crate::environment::readable(&unfinished)?;
    crate::environment::readable(&unfinished.join("aloft"))?;
    fs::rename(&unfinished, &classes)?;
    Ok(classes)
}
