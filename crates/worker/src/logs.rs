//! One environment's log: reads what the process writes, cuts it into events, adds the platform's own lines.
//!
//! The pipe is read by a task as output comes, and once more, directly, at the end of each invocation: what was written
//! before the answer is in the pipe by then, so it is attributed to the right request. Keeps true: nothing of a line is
//! kept beyond [`LINE_LIMIT`], and a flood is slowed down to [`RATE`] rather than gathered.

use crate::function::{FunctionSpec, LogLine, LogSink};
use crate::telemetry::Telemetry;
use aloft_base::Clock;
use bytes::Bytes;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::unix::pipe;

/// The longest log event, in bytes; CloudWatch Logs takes no longer ones.
const LINE_LIMIT: usize = 256 * 1024;
/// What one invocation's end reads at most: more can only come from a process that goes on writing.
const LAST_READ: usize = 1024 * 1024;
/// Bytes per second that are read from one environment.
const RATE: usize = 16 * 1024 * 1024;
/// What `LogResult` carries.
const TAIL: usize = 4096;

#[derive(Debug)]
pub(crate) struct Logs {
    output: Destination,
    pipe: Option<pipe::Receiver>,
    state: Mutex<State>,
}

/// Whose log it is, and where it goes.
pub(crate) struct Destination {
    pub(crate) function: Arc<FunctionSpec>,
    pub(crate) stream: String,
    /// `None` where the output is shown to a person and the platform's lines are not wanted.
    pub(crate) sink: Option<Arc<dyn LogSink>>,
    pub(crate) clock: Clock,
    /// Where extensions hear of it.
    pub(crate) telemetry: Option<Arc<Telemetry>>,
}

/// What stands before a line that an extension wrote.
const EXTENSION: u8 = 0x1e;

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Destination({} {})", self.function.name, self.stream)
    }
}

#[derive(Debug)]
struct State {
    buffer: Vec<u8>,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    /// Events that the sink has not got yet.
    pending: Vec<LogLine>,
    tail: Vec<u8>,
}

impl Logs {
    /// A log for what comes out of `output`, if anything does.
    pub(crate) fn new(output: Destination, pipe: Option<PipeReader>) -> io::Result<Arc<Self>> {
        let pipe = pipe.map(|it| pipe::Receiver::from_owned_fd(OwnedFd::from(it))).transpose()?;
        let buffer = if pipe.is_some() { vec![0; 64 * 1024] } else { Vec::new() };
        let state = State { buffer, partial: Vec::new(), pending: Vec::new(), tail: Vec::new() };
        Ok(Arc::new(Self { output, pipe, state: Mutex::new(state) }))
    }

    pub(crate) fn telemetry(&self) -> Option<&Telemetry> {
        self.output.telemetry.as_deref()
    }

    pub(crate) fn stream(&self) -> &str {
        &self.output.stream
    }

    /// Reads as long as the pipe is open.
    pub(crate) async fn pump(self: Arc<Self>) {
        let Some(pipe) = &self.pipe else { return };
        let (mut since, mut count) = (Instant::now(), 0);
        while pipe.readable().await.is_ok() {
            match self.read_once(pipe) {
                Ok(0) => return,
                Ok(length) => count += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            if count > RATE {
                tokio::time::sleep(Duration::from_secs(1).saturating_sub(since.elapsed())).await;
                (since, count) = (Instant::now(), 0);
            }
        }
    }

    /// Reads once, the way that lets tokio know when there is nothing more.
    fn read_once(&self, pipe: &pipe::Receiver) -> io::Result<usize> {
        let mut state = self.lock();
        let mut buffer = std::mem::take(&mut state.buffer);
        let read = pipe.try_read(&mut buffer);
        if let Ok(length) = read {
            state.take(&buffer[..length], &self.output);
        }
        state.buffer = buffer;
        self.emit(&mut state);
        read
    }

    /// The first line of all, before whatever the process has written since it started.
    pub(crate) fn open(&self, line: String) {
        self.lock().event(line, &self.output.clock);
    }

    /// An invocation begins with `line`, which goes out with [`Logs::flush`] or before whatever the process writes.
    /// `keep` leaves what was written since the last one in the tail.
    pub(crate) fn begin(&self, line: String, keep: bool) {
        let mut state = self.lock();
        self.read_rest(&mut state);
        if !keep {
            state.tail.clear();
        }
        state.event(line, &self.output.clock);
    }

    /// Hands over what is pending.
    pub(crate) fn flush(&self) {
        let mut state = self.lock();
        self.emit(&mut state);
    }

    /// Adds the platform's own lines behind all that the process has written, and gives the tail.
    pub(crate) fn finish(&self, lines: impl IntoIterator<Item = String>) -> Bytes {
        let mut state = self.lock();
        self.read_rest(&mut state);
        let partial = std::mem::take(&mut state.partial);
        if !partial.is_empty() {
            state.line(&partial, &self.output);
        }
        for line in lines {
            state.event(line, &self.output.clock);
        }
        self.emit(&mut state);
        let mut tail = std::mem::take(&mut state.tail);
        let mut excess = tail.len().saturating_sub(TAIL);
        // Not in the middle of a character.
        while tail.get(excess).is_some_and(|byte| byte & 0xc0 == 0x80) {
            excess += 1;
        }
        tail.drain(..excess);
        Bytes::from(tail)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is in the pipe now. Not through tokio, which may not have noticed it yet.
    fn read_rest(&self, state: &mut State) {
        let Some(pipe) = &self.pipe else { return };
        let mut buffer = std::mem::take(&mut state.buffer);
        let mut total = 0;
        while total < LAST_READ {
            match rustix::io::read(pipe, &mut buffer[..]) {
                Ok(length) if length > 0 => {
                    total += length;
                    state.take(&buffer[..length], &self.output);
                }
                Err(rustix::io::Errno::INTR) => {}
                _ => break,
            }
        }
        state.buffer = buffer;
    }

    fn emit(&self, state: &mut State) {
        let lines = std::mem::take(&mut state.pending);
        if let Some(sink) = self.output.sink.as_ref().filter(|_| !lines.is_empty()) {
            sink.write(&self.output.function, &self.output.stream, lines);
        }
    }
}

impl State {
    /// Takes bytes as they were read.
    fn take(&mut self, mut bytes: &[u8], output: &Destination) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.partial.is_empty() {
                self.line(line, output);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.line(&whole, output);
            }
        }
        self.partial.extend_from_slice(bytes);
        while self.partial.len() >= LINE_LIMIT {
            let rest = self.partial.split_off(LINE_LIMIT);
            let whole = std::mem::replace(&mut self.partial, rest);
            self.line(&whole, output);
        }
    }

    /// A line of the process. Carriage returns within it are the line ends of one event, as the bootstraps write it.
    fn line(&mut self, line: &[u8], output: &Destination) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (kind, line) = match line.strip_prefix(&[EXTENSION]) {
            Some(rest) => ("extension", rest),
            None => ("function", line),
        };
        for part in line.chunks(LINE_LIMIT).chain(line.is_empty().then_some(line)) {
            let mut text = String::from_utf8_lossy(part).replace('\r', "\n");
            text.push('\n');
            if let Some(telemetry) = &output.telemetry {
                telemetry.line(kind, &text);
            }
            self.event(text, &output.clock);
        }
    }

    fn event(&mut self, message: String, clock: &Clock) {
        self.tail.extend_from_slice(message.as_bytes());
        if self.tail.len() > 4 * TAIL {
            self.tail.drain(..self.tail.len() - TAIL - 4);
        }
        self.pending.push(LogLine { at: clock.now(), message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl LogSink for Kept {
        fn write(&self, _: &FunctionSpec, _: &str, lines: Vec<LogLine>) {
            self.0.lock().expect("no panic").extend(lines.into_iter().map(|it| it.message));
        }
    }

    /// What the log has for an invocation during which the process wrote `written`.
    fn check(written: &[u8], expected: &[&str]) -> Bytes {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _entered = runtime.enter();
        let kept = Arc::new(Kept::default());
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let output = Destination {
            function: Arc::new(crate::tests::function("nodejs20.x", "index.handler", "/")),
            stream: "stream".to_owned(),
            sink: Some(kept.clone()),
            clock: Clock::fixed(aloft_base::Timestamp(0)),
            telemetry: None,
        };
        let logs = Logs::new(output, Some(reader)).expect("a log");
        logs.begin("START\n".to_owned(), false);
        let written = written.to_vec();
        // A pipe holds 64 KB: longer output needs somebody who writes while it is read.
        let writing = std::thread::spawn(move || writer.write_all(&written));
        while !writing.is_finished() {
            logs.begin(String::new(), true);
        }
        let tail = logs.finish(["END\n".to_owned()]);
        let mut seen = kept.0.lock().expect("no panic").clone();
        seen.retain(|it| !it.is_empty());
        assert!(seen == expected, "{:?}", seen.iter().map(|it| &it[..it.len().min(40)]).collect::<Vec<_>>());
        tail
    }

    #[test]
    fn events() {
        check(b"", &["START\n", "END\n"]);
        check(b"one\ntwo\n\n", &["START\n", "one\n", "two\n", "\n", "END\n"]);
        check(b"no end", &["START\n", "no end\n", "END\n"]);
        check(
            b"several\rlines\rin one\nwindows\r\n",
            &["START\n", "several\nlines\nin one\n", "windows\n", "END\n"],
        );
        check(b"bad \xff\n", &["START\n", "bad \u{fffd}\n", "END\n"]);
    }

    #[test]
    fn long_lines_are_cut_and_the_tail_is_short() {
        let long = vec![b'x'; LINE_LIMIT * 2 + 10];
        let full = "x".repeat(LINE_LIMIT) + "\n";
        let tail = check(&long, &["START\n", &full, &full, "xxxxxxxxxx\n", "END\n"]);
        assert_eq!(tail.len(), TAIL);
        assert!(tail.ends_with(b"xxxxx\nEND\n"));
    }
}
