//! Lambda's quotas, in one place. Source: the developer guide, "Lambda quotas".

use std::time::Duration;

/// How many invocations of an account may run at once in a region.
pub(super) const ACCOUNT_CONCURRENCY: u32 = 1000;
/// What must be left of it for the functions that reserve nothing.
pub(super) const LEAST_UNRESERVED: u32 = 100;
/// How many environments a function may start in [`BURST_WINDOW`].
pub(super) const BURST: u32 = 1000;
/// The time in which [`BURST`] environments may be started.
pub(super) const BURST_WINDOW: Duration = Duration::from_secs(10);
/// The most bytes of an event, when the caller waits for the answer.
pub(super) const SYNCHRONOUS_PAYLOAD: usize = 6 * 1024 * 1024;
/// The most bytes of an event, when he does not.
pub(super) const ASYNCHRONOUS_PAYLOAD: usize = 1024 * 1024;
/// The most bytes of environment variables, as JSON.
pub(super) const ENVIRONMENT: usize = 4096;
/// The most layers of a function.
pub(super) const LAYERS: usize = 5;
/// The most bytes of a zip in the request itself.
pub(super) const ZIPPED: usize = 52_428_800;
/// The most bytes of a function's code and its layers, unpacked.
pub(super) const UNZIPPED: u64 = 262_144_000;
/// The most bytes of all code of the cloud.
pub(super) const CODE_STORAGE: u64 = 80_530_636_800;
/// How often a function may be invoked in one chain of requests before the chain is taken for a loop.
pub(super) const RECURSION: u32 = 16;
