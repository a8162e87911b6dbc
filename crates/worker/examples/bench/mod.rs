//! What the measuring examples share: workers that log nowhere, functions, invocations.

use aloft_base::{AccountId, Clock, Ids, Region};
use aloft_worker::{
    FunctionSpec, Invocation, Isolation, LogLine, LogSink, Outcome, TemporaryCredentials, Workers,
    WorkersOptions,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// An outcome, or why there is none.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

struct Ignored;

impl LogSink for Ignored {
    fn write(&self, _: &FunctionSpec, _: &str, _: Vec<LogLine>) {}
}

/// Workers in that directory. Processes wait for functions whose code is below one of the roots.
pub fn workers(directory: &Path, isolation: Isolation, code_roots: Vec<PathBuf>) -> Arc<Workers> {
    Workers::start(WorkersOptions {
        clock: Clock::system(),
        ids: Ids::random(),
        directory: directory.join("workers"),
        endpoint_url: "http://127.0.0.1:4566".to_owned(),
        idle_timeout: None,
        max_environments: 100,
        memory_budget_mb: 8192,
        limits: Default::default(),
        isolation,
        allowed: Vec::new(),
        code_roots,
        logs: Arc::new(Ignored),
        // Without any the SDK would look for them everywhere.
        credentials: Arc::new(|_| TemporaryCredentials {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: "token".to_owned(),
        }),
    })
}

/// A function with its handler in `index`.
pub fn function(runtime: &str, code: &Path, layer: Option<&Path>, name: &str) -> Arc<FunctionSpec> {
    Arc::new(FunctionSpec {
        account: AccountId::local(),
        region: Region::us_east_1(),
        name: name.to_owned(),
        version: "$LATEST".to_owned(),
        revision: String::new(),
        runtime: runtime.to_owned(),
        handler: "index.handler".to_owned(),
        memory_mb: 1769,
        timeout: Duration::from_secs(3),
        environment: BTreeMap::new(),
        code_directory: PathBuf::from(code),
        layer_directories: layer.iter().map(|it| it.to_path_buf()).collect(),
        role_arn: String::new(),
        log_group: String::new(),
        ephemeral_storage_mb: 512,
    })
}

/// Invokes it; an error of the function is one.
pub async fn invoke(workers: &Workers, spec: &Arc<FunctionSpec>) -> Result<Outcome> {
    let invocation = Invocation {
        request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned(),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:bench".to_owned(),
        payload: r#"{"name":"Ada"}"#.into(),
        client_context: None,
        cognito_identity: None,
        trace_id: String::new(),
        stream: None,
    };
    let outcome = workers.invoke(spec.clone(), invocation).await?;
    match outcome.error {
        None => Ok(outcome),
        Some(_) => Err(String::from_utf8_lossy(&outcome.payload).into()),
    }
}
