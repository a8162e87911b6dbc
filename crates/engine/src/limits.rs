//! What functions may use: Lambda's quotas, unless the user says otherwise.
//!
//! Only numbers; whoever enforces one asks for it here. Source of the defaults: the developer guide, "Lambda quotas".

use aloft_base::ByteSize;
use std::time::Duration;

/// The limits of functions that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionLimits {
    /// How many invocations of an account may run at once in a region.
    pub concurrent_executions: u32,
    /// How many environments a function may start within ten seconds.
    pub burst: u32,
    /// How long an initialisation may take before it is repeated as part of the invocation.
    pub init_timeout: Duration,
    /// The largest event when the caller waits for the answer; an answer may have as much.
    pub synchronous_payload: ByteSize,
    /// The largest event when he does not.
    pub asynchronous_payload: ByteSize,
    /// The largest answer that is written piece by piece.
    pub streamed_response: ByteSize,
    /// How much of such an answer goes on as fast as the function writes it.
    pub streamed_burst: ByteSize,
    /// How much of the rest goes on in a second; nothing for as much as the function writes.
    pub streamed_bandwidth: Option<ByteSize>,
    /// The largest environment variables, as JSON.
    pub environment: ByteSize,
    /// The largest zip in a request itself.
    pub zipped_package: ByteSize,
    /// The most that code and layers may have together, unpacked.
    pub unzipped_package: ByteSize,
    /// The most layers of a function.
    pub layers: u32,
    /// The most descriptors of a process.
    pub open_files: u32,
    /// The most processes of an environment.
    pub processes: u32,
    /// Whether a function gets no more of the processors than belongs to its memory size, even where nobody else wants them.
    pub processor_quota: bool,
    /// How often a function may be invoked in one chain of requests before the chain is taken for a loop.
    pub recursion: u32,
}

impl Default for FunctionLimits {
    fn default() -> Self {
        Self {
            concurrent_executions: 1000,
            burst: 1000,
            init_timeout: Duration::from_secs(10),
            synchronous_payload: ByteSize::mebibytes(6),
            asynchronous_payload: ByteSize::mebibytes(1),
            streamed_response: ByteSize::mebibytes(200),
            streamed_burst: ByteSize::mebibytes(6),
            streamed_bandwidth: Some(ByteSize::mebibytes(2)),
            environment: ByteSize(4096),
            zipped_package: ByteSize::mebibytes(50),
            unzipped_package: ByteSize::mebibytes(250),
            layers: 5,
            open_files: 1024,
            processes: 1024,
            processor_quota: false,
            recursion: 16,
        }
    }
}
