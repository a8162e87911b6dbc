//! Execution environments: the processes that run functions, one for each concurrent request.
//!
//! [`Workers`] starts an environment when a request finds none idle (unless one will be free sooner, see [`lines`]), reuses it while it is warm and stops it when it has
//! been idle for long. Each environment speaks the Lambda Runtime API on a listener of its own. A language is one folder
//! or file in [`runtimes`]. Nothing here knows a service, a function's policy or where logs are kept: log lines go to a
//! [`LogSink`], credentials come from a closure.
//! Keeps true: an environment serves one function and one request at a time; after [`Workers::shutdown`] no process, no
//! control group and no file of it is left.

mod channel;
mod checkout;
mod environment;
mod exchange;
mod extension_api;
mod extensions;
mod function;
mod invocation;
pub mod keep_alive;
mod limits;
mod lines;
mod logs;
mod once;
mod outward;
mod pace;
mod places;
mod pool;
mod prewarmed;
mod quotas;
mod report;
mod runtime_api;
pub mod runtimes;
mod streaming;
mod telemetry;
#[cfg(test)]
mod tests;
mod to_its_end;
mod unpack;
mod uses;
mod variables;
mod workers;
mod zygote;

pub use aloft_sandbox::{Destination, DestinationError, Isolation, take_short_turns};
pub use function::{
    FunctionError, FunctionSpec, Invocation, InvokeError, LogLine, LogSink, Outcome, TemporaryCredentials,
};
pub use limits::EnvironmentLimits;
pub use once::run_once;
pub use pool::{EnvironmentState, EnvironmentStatus, Status};
pub use streaming::{HTTP_INTEGRATION, ResponseStream, STREAMED_LIMIT, StreamPiece, prelude};
pub use unpack::{UnpackError, UnpackLimits, unpack};
pub use workers::{Workers, WorkersOptions, lacking};

/// The largest answer of a buffered invocation, in bytes: 6 MB and 100 bytes, as Lambda measures it.
pub const RESPONSE_LIMIT: usize = 6 * 1024 * 1024 + 100;
