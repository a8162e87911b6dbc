//! Lambda's quotas. Those that can be changed are in [`aloft_engine::FunctionLimits`]; these cannot. Source: the developer
//! guide, "Lambda quotas".

use aloft_engine::{Context, FunctionLimits};
use std::time::Duration;

/// What must be left of an account's invocations at once for the functions that reserve nothing.
const LEAST_UNRESERVED: u32 = 100;
/// The time in which as many environments may be started as the burst says.
pub(super) const BURST_WINDOW: Duration = Duration::from_secs(10);
/// The most bytes of all code of the cloud.
pub(super) const CODE_STORAGE: u64 = 80_530_636_800;

/// Those that can be changed, as they are in this cloud.
pub(super) fn of(context: &Context) -> FunctionLimits {
    context.engine.options().limits
}

/// What must be left unreserved: all of it where there is less than Lambda wants left.
pub(super) fn least_unreserved(limits: &FunctionLimits) -> u32 {
    LEAST_UNRESERVED.min(limits.concurrent_executions)
}

/// A size as a count of bytes in memory.
pub(super) fn bytes(size: aloft_base::ByteSize) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}
