//! The words of this crate's interface: what to run, with what, and what came out.

use crate::streaming::ResponseStream;
use aloft_base::{AccountId, Region, Timestamp};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// One version of a function, ready to run.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its name.
    pub name: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// Changes whenever code or configuration change; environments of another revision are retired.
    pub revision: String,
    /// The runtime's identifier, such as `nodejs20.x`.
    pub runtime: String,
    /// The handler, as the runtime reads it.
    pub handler: String,
    /// Memory in MB.
    pub memory_mb: u32,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// The user's environment variables.
    pub environment: BTreeMap<String, String>,
    /// The unpacked code, read-only by convention: `LAMBDA_TASK_ROOT`.
    pub code_directory: PathBuf,
    /// The unpacked layers, in the order of the configuration: a later one goes before an earlier one.
    pub layer_directories: Vec<PathBuf>,
    /// The execution role.
    pub role_arn: String,
    /// The CloudWatch log group.
    pub log_group: String,
    /// The size of `/tmp` in MB. Without isolation: the largest file that may be written.
    pub ephemeral_storage_mb: u32,
}

/// One event for a function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The request's identifier, a UUID.
    pub request_id: String,
    /// The function's ARN as it was invoked, with the qualifier that was given.
    pub function_arn: String,
    /// The event, as JSON.
    pub payload: Bytes,
    /// The client context as JSON (not in base64).
    pub client_context: Option<String>,
    /// The Cognito identity as JSON.
    pub cognito_identity: Option<String>,
    /// The X-Ray trace header.
    pub trace_id: String,
    /// Where the answer goes piece by piece, if the function streams it; then the outcome's payload is empty.
    pub stream: Option<ResponseStream>,
}

/// What an invocation came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The function's answer, or the error's JSON.
    pub payload: Bytes,
    /// Whether the payload is an error. (Lambda's own API says `Unhandled` for both kinds.)
    pub error: Option<FunctionError>,
    /// The last 4 KB of the invocation's log: what `LogResult` carries.
    pub log_tail: Bytes,
    /// How long the handler took.
    pub duration: Duration,
    /// What Lambda bills: initialisation and handler, in whole milliseconds.
    pub billed: Duration,
    /// How long the initialisation took, when this invocation began with one.
    pub init: Option<Duration>,
    /// The most memory the environment ever had, in MB.
    pub max_memory_mb: u32,
    /// The log stream of the environment.
    pub log_stream: String,
}

/// The kinds of function errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionError {
    /// The runtime reported it.
    Handled,
    /// The runtime could not: it ran out of time or memory, exited, failed to start, or answered too much.
    Unhandled,
}

/// Why an invocation did not take place.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The language is not installed on this machine.
    #[error("{message}")]
    RuntimeMissing {
        /// Says what is missing, and the package that has it.
        message: String,
    },
    /// The budget of environments or of memory is used up by busy ones. AWS answers 429 then.
    #[error("too many execution environments are running at the same time")]
    TooManyEnvironments,
    /// The workers are being shut down.
    #[error("the workers are shutting down")]
    Shutdown,
    /// The machine refused something.
    #[error("failed to run the execution environment")]
    Io(#[source] io::Error),
}

impl From<io::Error> for InvokeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<aloft_sandbox::SandboxError> for InvokeError {
    fn from(error: aloft_sandbox::SandboxError) -> Self {
        Self::Io(io::Error::other(error))
    }
}

/// One log event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was read.
    pub at: Timestamp,
    /// The text with its line end, as CloudWatch Logs has it. It may have several lines.
    pub message: String,
}

/// Where log lines go.
pub trait LogSink: Send + Sync {
    /// Takes lines in the order of writing. It stands on the way of invocations: it must not block for long.
    fn write(&self, function: &FunctionSpec, log_stream: &str, lines: Vec<LogLine>);
}

/// What a function signs its own calls with.
#[derive(Debug, Clone, Default)]
pub struct TemporaryCredentials {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`
    pub session_token: String,
}
