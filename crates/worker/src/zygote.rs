//! The zygote of a kind of processes: one that has started and imported what all of them need, and forks the others.
//!
//! It runs nobody's code, and is told no function's environment. What it forks waits as a process that was started for it
//! would, see [`crate::prewarmed`]; it is there within milliseconds, and shares the memory that neither changes. Keeps true: it
//! ends when the pattern of cold starts expects no more of its kind, but not before all that it forked.

use crate::environment::Setting;
use crate::prewarmed::{self, Kind, Prewarmed, START_LIMIT, TEMPORARY_MB};
use aloft_sandbox::{Fork, Forked, Zygote};
use std::io;
use std::sync::Arc;
use tokio::net::UnixStream;

/// How many processes a zygote and all that it forked may have: each jail has its own limit besides.
const PROCESSES: u32 = 1 << 20;

/// What forks the processes of a kind.
#[derive(Debug, Default)]
pub(crate) enum Source {
    /// Nothing yet.
    #[default]
    Absent,
    Starting,
    Ready(Arc<Zygote>),
    /// It was tried: each of them is started.
    Impossible,
}

impl Source {
    pub(crate) fn is_starting(&self) -> bool {
        matches!(self, Self::Starting)
    }

    /// Whether it takes memory.
    pub(crate) fn is_there(&self) -> bool {
        matches!(self, Self::Starting | Self::Ready(_))
    }

    /// Takes out a zygote of which nothing is left.
    pub(crate) fn take_idle(&mut self) -> Option<Arc<Zygote>> {
        match self {
            Self::Ready(zygote) if has_no_forks(zygote) => match std::mem::take(self) {
                Self::Ready(zygote) => Some(zygote),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Whether nobody else holds it: neither what it forked nor who has it fork just now.
pub(crate) fn has_no_forks(zygote: &Arc<Zygote>) -> bool {
    Arc::strong_count(zygote) == 1
}

/// Starts one, and waits until it can fork.
pub(crate) async fn start(setting: &Setting, kind: &Kind) -> io::Result<Zygote> {
    let mut launch = prewarmed::launch(setting, kind, None);
    launch.limits.processes = PROCESSES;
    let zygote = setting.sandbox.zygote(launch).map_err(io::Error::other)?;
    let ready = tokio::time::timeout(START_LIMIT, zygote.ready()).await;
    match ready.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(()) => Ok(zygote),
        Err(error) => {
            zygote.kill().await;
            Err(error)
        }
    }
}

/// Has it fork a process that waits, for whoever may come (`ahead`) or for one who is there.
pub(crate) async fn fork(setting: &Setting, zygote: &Arc<Zygote>, ahead: bool) -> io::Result<Prewarmed> {
    let fork = Fork {
        name: setting.ids.hex(16),
        limits: prewarmed::limits(setting),
        temporary_mb: TEMPORARY_MB,
        ahead,
    };
    let Forked { jailed, connection } = setting.sandbox.fork(zygote, fork).await.map_err(io::Error::other)?;
    let Some(doors) = jailed.take_doors() else {
        jailed.kill().await;
        return Err(io::Error::other("there are no doors"));
    };
    Ok(Prewarmed { jailed, doors, connection: Box::new(UnixStream::from_std(connection)?) })
}
