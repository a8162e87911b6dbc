//! Where functions' log lines go: into the rows of CloudWatch Logs, without anybody waiting.

use crate::logs::{self, Line};
use aloft_base::Clock;
use aloft_store::Store;
use aloft_worker::{FunctionSpec, LogLine, LogSink};

/// Writes to the store.
pub(super) struct Sink {
    pub store: Store,
    pub clock: Clock,
}

impl LogSink for Sink {
    fn write(&self, function: &FunctionSpec, log_stream: &str, lines: Vec<LogLine>) {
        let (account, region) = (function.account.clone(), function.region.clone());
        let (group, stream, now) = (function.log_group.clone(), log_stream.to_owned(), self.clock.now());
        self.store.write_later(move |transaction| {
            let lines = lines.into_iter().map(|line| Line { at: line.at, message: line.message }).collect();
            logs::append(transaction, (&account, &region), (&group, &stream), lines, now)
        });
    }
}
