//! What every environment is limited to, beyond what its function is configured with.

use std::time::Duration;

/// The limits. Source of the defaults: the developer guide, "Lambda quotas" and "Response streaming for Lambda functions".
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentLimits {
    /// How long an initialisation may take before it is repeated as part of the invocation.
    pub init: Duration,
    /// The most processes and threads.
    pub processes: u32,
    /// The most descriptors of a process.
    pub open_files: u32,
    /// Whether nobody gets more of the processors than belongs to their memory, one for 1,769 MB, even where others do not
    /// want them. An initialisation does, as on Lambda.
    pub processor_quota: bool,
    /// After so many invocations an environment ends, and another takes its place. The C library keeps each value that a
    /// variable ever had, and bootstraps set one for each trace: 18 MB by then.
    pub invocations: u64,
    /// The largest answer, in bytes.
    pub response: usize,
    /// The largest answer that is written piece by piece, in bytes.
    pub streamed: usize,
    /// How much of such an answer goes on as fast as it comes, in bytes.
    pub streamed_burst: usize,
    /// How many bytes of the rest go on in a second; nothing for any number.
    pub streamed_bandwidth: Option<u64>,
}

impl Default for EnvironmentLimits {
    fn default() -> Self {
        Self {
            init: Duration::from_secs(10),
            processes: 1024,
            open_files: 1024,
            processor_quota: false,
            invocations: 100_000,
            response: crate::RESPONSE_LIMIT,
            streamed: crate::STREAMED_LIMIT,
            streamed_burst: 6 * 1024 * 1024,
            streamed_bandwidth: Some(2 * 1024 * 1024),
        }
    }
}
