//! Child processes that are waited for with a bound, and what they said.

use crate::wait::pause;
use std::fmt;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long any child may take.
const LIMIT: Duration = Duration::from_secs(300);

/// A child that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Itself, if it succeeded.
    ///
    /// # Panics
    /// With all that it said, if it did not.
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.code, 0, "{self}");
        self
    }

    /// Itself, if it failed with the exit code 1.
    ///
    /// # Panics
    /// With all that it said, if it did not.
    #[track_caller]
    pub fn failure(self) -> Self {
        assert_eq!(self.code, 1, "{self}");
        self
    }

    /// Standard output and standard error, the latter behind.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// Runs a command to its end, with `input` on its standard input.
///
/// # Panics
/// When it cannot be started, or takes longer than the limit; it is ended then.
#[track_caller]
pub fn finish(command: &mut Command, input: &str) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let mut stdin = child.stdin.take();
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    // A child that does not read is no mistake.
    let _ = stdin.as_mut().map(|stdin| stdin.write_all(input.as_bytes()));
    drop(stdin);
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if started.elapsed() > LIMIT {
            child.kill().expect("a child can be ended");
            let _ = child.wait();
            panic!("{command:?} takes longer than {LIMIT:?}");
        }
        pause();
    };
    let text = |thread: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&thread.join().unwrap_or_default()).into_owned()
    };
    Finished { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}
