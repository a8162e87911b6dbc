//! Python: `python3.<minor>` on that version where it is installed, otherwise on the Python 3 that is.

mod imports;

use super::locate::{Search, wanted_version};
use super::{Installed, Runtime, Start, Waiting, search_path};
use crate::environment::readable;
use crate::function::{FunctionSpec, InvokeError};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Fails in Python 2.
const QUESTION: &str = "import sys; sys.version_info < (3, 8) and sys.exit(1); print(sys.executable); print('%d.%d.%d' % sys.version_info[:3])";

/// Imported rather than run, so that its compiled form beside it is used.
const IMPORT: &str = "import sys; sys.path[0] = sys.argv.pop(); import _aloft_bootstrap as it; it.main()";

/// How many clients are prepared at most. Each takes a tenth of a second and about ten megabytes.
const MOST_PREPARED: usize = 4;

pub(super) struct Python;

impl Runtime for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn serves(&self, identifier: &str) -> bool {
        identifier.starts_with("python3.")
    }

    fn install(&self, directory: &Path) -> io::Result<()> {
        fs::write(directory.join("_aloft_sdk.py"), include_str!("sdk.py"))?;
        fs::write(directory.join("_aloft_waiting.py"), include_str!("waiting.py"))?;
        fs::write(directory.join("_aloft_zygote.py"), include_str!("zygote.py"))?;
        fs::write(directory.join("_aloft_bootstrap.py"), include_str!("bootstrap.py"))
    }

    fn waiting(&self, spec: &FunctionSpec, start: &Start) -> Option<Waiting> {
        // Not what a wrapper starts.
        let [unbuffered, command, import, directory] = start.arguments.as_slice() else { return None };
        let ours = import.to_str() == Some(IMPORT);
        let import = IMPORT.replace("_aloft_bootstrap", "_aloft_waiting");
        let arguments = vec![unbuffered.clone(), command.clone(), import.into(), directory.clone()];
        ours.then(|| Waiting { arguments, sdk: known_of_sdk(spec) })
    }

    fn forks(&self) -> bool {
        true
    }

    fn start(
        &self,
        spec: &FunctionSpec,
        directory: &Path,
        installed: &Installed,
    ) -> Result<Start, InvokeError> {
        let wanted = wanted_version(&spec.runtime);
        let search = Search {
            language: "Python",
            names: &[format!("python{wanted}"), "python3".to_owned(), "python".to_owned()],
            question: &["-c", QUESTION],
            advice: "install the package `python3` (Debian, Ubuntu, Fedora), `python` (Homebrew), or from https://python.org",
        };
        let found = installed.find(&spec.runtime, &search)?;
        let minor: Vec<&str> = found.version.splitn(3, '.').take(2).collect();
        let minor = minor.join(".");
        compile(&found.program, directory, &minor);
        let layers = spec.layer_directories.iter().rev();
        let modules: Vec<PathBuf> = layers
            .flat_map(|layer| {
                [layer.join("python"), layer.join(format!("python/lib/python{minor}/site-packages"))]
            })
            .chain([directory.to_owned()])
            .collect();
        Ok(Start {
            program: found.program,
            arguments: vec!["-u".into(), "-c".into(), IMPORT.into(), directory.into()],
            variables: BTreeMap::from([("PYTHONPATH".to_owned(), search_path(modules))]),
            runtime_directory: directory.to_owned(),
            execution_environment: Some(format!("AWS_Lambda_{}", spec.runtime)),
            channel: true,
            version: format!("python:{}", found.version),
            invalid: None,
            wrapper: None,
            extensions: Vec::new(),
        })
    }
}

/// What was found out, by code, handler and revision: a function is read once, not at each of its cold starts.
type Known = BTreeMap<(PathBuf, String, String), Option<String>>;
static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
/// How many of them are remembered.
const MOST_KNOWN: usize = 1024;

fn known_of_sdk(spec: &FunctionSpec) -> Option<String> {
    let key = (spec.code_directory.clone(), spec.handler.clone(), spec.revision.clone());
    if let Some(wanted) = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return wanted.clone();
    }
    let wanted = wanted_of_sdk(spec);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST_KNOWN {
        known.clear();
    }
    known.insert(key, wanted.clone());
    wanted
}

/// What the handler and what it imports of the function's own seem to make with the SDK, where they name that:
/// `client:s3,resource:dynamodb`. It is no more than a guess at what will be imported and made.
fn wanted_of_sdk(spec: &FunctionSpec) -> Option<String> {
    let module = spec.handler.rsplit_once('.').map_or("", |it| it.0);
    let texts = imports::texts(&spec.code_directory, module);
    let mut naming = texts.iter().filter_map(|text| mentioned(text)).peekable();
    naming.peek()?;
    // The nearest count most; and the same ones are written in the same way.
    let mut all = Vec::new();
    for one in naming.flatten() {
        if all.len() < MOST_PREPARED && !all.contains(&one) {
            all.push(one);
        }
    }
    all.sort();
    Some(all.join(","))
}

/// What a text makes with the SDK; nothing where it does not name that.
fn mentioned(text: &str) -> Option<BTreeSet<String>> {
    if !text.contains("boto3") {
        return None;
    }
    let made = |kind: &'static str| {
        text.split(kind).skip(1).filter_map(move |rest| {
            let rest = rest.strip_prefix('(')?.trim_start();
            let rest = rest.strip_prefix("service_name").map_or(rest, |it| it.trim_start_matches([' ', '=']));
            let quote = rest.chars().next().filter(|it| matches!(it, '\'' | '"'))?;
            let (name, _) = rest[1..].split_once(quote)?;
            let is_name = name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
            (is_name && !name.is_empty()).then(|| format!("{kind}:{name}"))
        })
    };
    Some(made("client").chain(made("resource")).collect())
}

/// Leaves the compiled form of the bootstrap beside it, once for each version. Environments cannot: what they share is
/// read-only to them. When it fails they compile for themselves.
fn compile(program: &Path, directory: &Path, minor: &str) {
    let name = format!("__pycache__/_aloft_bootstrap.cpython-{}.pyc", minor.replace('.', ""));
    if directory.join(name).exists() {
        return;
    }
    let mut command = Command::new(program);
    command
        .args(["-I", "-m", "py_compile"])
        .args(["sdk", "waiting", "zygote", "bootstrap"].map(|it| directory.join(format!("_aloft_{it}.py"))));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = command.status();
    let _ = readable(&directory.join("__pycache__"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Scratch, function};

    #[test]
    fn what_is_wanted_of_the_sdk() {
        let scratch = Scratch::new();
        let spec = function("python3.11", "app.handler", scratch.path());
        let check = |text: &str, expected: Option<&str>| {
            fs::write(scratch.path().join("app.py"), text).expect("a file");
            assert_eq!(wanted_of_sdk(&spec).as_deref(), expected, "{text}");
        };
        check("client('s3')", None);
        check("import boto3", Some(""));
        check(
            "import boto3\ns3 = boto3.client('s3')\nt = boto3.resource( \"dynamodb\")",
            Some("client:s3,resource:dynamodb"),
        );
        check(
            "boto3.client(service_name = 'sqs'), boto3.client(name), session.client('sqs', x)",
            Some("client:sqs"),
        );
        check("boto3.client('../x'), boto3.client('', boto3.client(", Some(""));
        let near = "import boto3\nboto3.client('sqs'), boto3.client('s3')";
        let far = "import boto3\nfor it in ['x']: boto3.client('athena'), boto3.client('sqs'), boto3.client('ssm'), boto3.client('sts')";
        for (name, text) in [("near.py", near), ("far.py", far), ("other.py", "redis.client('a')")] {
            fs::write(scratch.path().join(name), text).expect("a file");
        }
        check("import near", Some("client:s3,client:sqs"));
        check("import other, near", Some("client:s3,client:sqs"));
        // Of too many those in files that are farther away are left out.
        check("from near import a\nfrom far import b", Some("client:athena,client:s3,client:sqs,client:ssm"));
        check("import other", None);
    }
}
