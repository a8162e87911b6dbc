//! Real node, real python and real executables as black boxes behind [`Workers`].
//!
//! Each test has workers of its own and ends with [`Bench::end`], which looks for whatever they could have left.

mod abuse;
mod answers;
mod channel;
mod conformance;
mod extensions;
mod failures;
mod java;
mod load;
mod network;
mod pool;
mod quotas;
mod ruby;
mod runtime_api;
mod streaming;
mod surroundings;
mod zygote;

use crate::{
    EnvironmentLimits, FunctionSpec, Invocation, InvokeError, Isolation, LogLine, LogSink, Outcome,
    TemporaryCredentials, Workers, WorkersOptions,
};
use aloft_base::{AccountId, Clock, Ids, Region};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A directory that is removed with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("aloft-worker-test-{}", Ids::random().hex(16)));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A function as most tests want it.
pub(crate) fn function(runtime: &str, handler: &str, code: impl Into<PathBuf>) -> FunctionSpec {
    let code_directory = code.into();
    FunctionSpec {
        account: AccountId::local(),
        region: Region::us_east_1(),
        name: "greeter".to_owned(),
        version: "$LATEST".to_owned(),
        // Other code is another revision.
        revision: code_directory.display().to_string(),
        runtime: runtime.to_owned(),
        handler: handler.to_owned(),
        memory_mb: 256,
        timeout: Duration::from_secs(20),
        environment: [("GREETING".to_owned(), "hello".to_owned())].into(),
        code_directory,
        layer_directories: Vec::new(),
        role_arn: "arn:aws:iam::000000000000:role/greeter".to_owned(),
        log_group: "/aws/lambda/greeter".to_owned(),
        ephemeral_storage_mb: 512,
    }
}

/// A layer with something that has the names of the SDK, and does this when it is imported.
fn sdk(source: &str) -> Scratch {
    let sdk = Scratch::new();
    for name in ["boto3", "botocore"] {
        let directory = sdk.path().join("python").join(name);
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join("__init__.py"), source).expect("a file");
        for module in [
            "auth",
            "client",
            "endpoint",
            "httpsession",
            "parsers",
            "regions",
            "session",
            "signers",
            "waiter",
        ] {
            std::fs::write(directory.join(module).with_extension("py"), "").expect("a file");
        }
    }
    sdk
}

/// An invocation with a fixed request id.
fn event(payload: &str) -> Invocation {
    Invocation {
        request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned(),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:greeter".to_owned(),
        payload: payload.to_owned().into(),
        client_context: None,
        cognito_identity: None,
        trace_id: "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0".to_owned(),
        stream: None,
    }
}

#[derive(Default)]
struct Kept(Mutex<Vec<(String, String)>>);

impl LogSink for Kept {
    fn write(&self, _: &FunctionSpec, log_stream: &str, lines: Vec<LogLine>) {
        let lines = lines.into_iter().map(|it| (log_stream.to_owned(), it.message));
        self.0.lock().expect("no panic").extend(lines);
    }
}

/// Workers, a place for code, and what the functions logged.
struct Bench {
    scratch: Scratch,
    workers: Arc<Workers>,
    kept: Arc<Kept>,
    clock: Clock,
}

impl Bench {
    fn new() -> Self {
        Self::with(20, 4096, Duration::from_secs(10))
    }

    fn with(max_environments: usize, memory_budget_mb: u64, init_limit: Duration) -> Self {
        Self::with_options(init_limit, |options| WorkersOptions {
            max_environments,
            memory_budget_mb,
            ..options
        })
    }

    fn with_options(init_limit: Duration, change: impl FnOnce(WorkersOptions) -> WorkersOptions) -> Self {
        let (scratch, kept, clock) = (Scratch::new(), Arc::new(Kept::default()), Clock::system());
        let options = WorkersOptions {
            clock: clock.clone(),
            ids: Ids::random(),
            directory: scratch.path().join("workers"),
            endpoint_url: "http://127.0.0.1:4566".to_owned(),
            idle_timeout: Some(Duration::from_secs(600)),
            max_environments: 20,
            memory_budget_mb: 4096,
            limits: EnvironmentLimits { init: init_limit, ..EnvironmentLimits::default() },
            isolation: Isolation::BestEffort,
            allowed: Vec::new(),
            code_roots: vec![scratch.path().to_owned()],
            logs: kept.clone(),
            credentials: Arc::new(|_| TemporaryCredentials {
                access_key_id: "ASIAEXAMPLE".to_owned(),
                secret_access_key: "secret".to_owned(),
                session_token: "token".to_owned(),
            }),
        };
        let workers = Workers::start(change(options));
        Self { scratch, workers, kept, clock }
    }

    /// A directory with these files; those named `bootstrap` can be executed.
    fn code(&self, files: &[(&str, &str)]) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let root = self.scratch.path().join(format!("code-{}", Ids::random().hex(8)));
        std::fs::create_dir_all(&root).expect("a directory");
        for (name, text) in files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
            std::fs::write(&path, text).expect("a file");
            if path.ends_with("bootstrap") {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
            }
        }
        root
    }

    fn node(&self, source: &str) -> FunctionSpec {
        function("nodejs20.x", "index.handler", self.code(&[("index.js", source)]))
    }

    fn python(&self, source: &str) -> FunctionSpec {
        function("python3.11", "index.handler", self.code(&[("index.py", source)]))
    }

    /// What the function has as `LAMBDA_TASK_ROOT`.
    fn task_root(&self, spec: &FunctionSpec) -> String {
        let host = spec.code_directory.to_string_lossy().into_owned();
        if self.workers.isolates() { "/var/task".to_owned() } else { host }
    }

    async fn invoke(&self, spec: &FunctionSpec, payload: &str) -> Outcome {
        self.try_invoke(spec, payload).await.expect("it takes place")
    }

    async fn try_invoke(&self, spec: &FunctionSpec, payload: &str) -> Result<Outcome, InvokeError> {
        self.workers.invoke(Arc::new(spec.clone()), event(payload)).await
    }

    /// All that was logged so far, in order.
    fn logged(&self) -> Vec<String> {
        self.kept.0.lock().expect("no panic").iter().map(|it| it.1.clone()).collect()
    }

    /// Shuts down and looks for what is left: processes, control groups, files.
    async fn end(self) {
        // What is told apart by its code's directory, where there is no jail, is so by its log stream in one.
        let code = self.scratch.path().to_string_lossy().into_owned();
        let streams = self.kept.0.lock().expect("no panic").iter().map(|it| it.0.clone()).collect();
        let streams: BTreeSet<String> = streams;
        self.workers.shutdown().await;
        assert!(self.workers.status().environments.is_empty());
        assert!(!self.scratch.path().join("workers").exists());
        assert_eq!(processes_with(|it| it.contains(&code)), Vec::<String>::new());
        let of_streams = processes_with(|it| streams.iter().any(|stream| it.contains(stream)));
        assert_eq!(of_streams, Vec::<String>::new());
    }
}

/// The processes that have `text` in their environment, such as an environment's log stream.
fn processes_of(text: &str) -> Vec<String> {
    processes_with(|it| it.contains(text))
}

fn processes_with(is_sought: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let own = entry.file_name().to_str() == Some(&std::process::id().to_string());
        if !own && is_sought(&String::from_utf8_lossy(&environment)) {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    found
}

/// Whether `text` is like `pattern`, in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn assert_like(text: &str, pattern: &str) {
    assert!(is_like(text, pattern), "\nexpected {pattern:?}\n    seen {text:?}");
}

/// Compares log events with patterns, one each.
fn assert_all_like(seen: &[String], patterns: &[&str]) {
    let same = seen.len() == patterns.len()
        && seen.iter().zip(patterns).all(|(text, pattern)| is_like(text, pattern));
    assert!(same, "\nexpected {patterns:#?}\nseen {seen:#?}");
}
