//! The lines that Lambda itself writes into a function's log, and the JSON of its own errors.

use aloft_base::Timestamp;
use bytes::Bytes;
use serde_json::json;
use std::process::ExitStatus;
use std::time::Duration;

/// What a `REPORT` line says.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) duration: Duration,
    pub(crate) billed: Duration,
    pub(crate) memory_mb: u32,
    pub(crate) max_memory_mb: u32,
    pub(crate) init: Option<Duration>,
    pub(crate) trace_id: &'a str,
    pub(crate) status: Status<'a>,
}

/// How an invocation ended, in the words of a `REPORT` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status<'a> {
    /// Also a handler's own error: the runtime went on.
    Success,
    Timeout,
    Error(&'a str),
}

/// A telemetry record of the initialisation.
pub(crate) fn phase<const N: usize>(more: [(&str, serde_json::Value); N]) -> serde_json::Value {
    let mut record = json!({ "initializationType": "on-demand", "phase": "init" });
    for (name, value) in more {
        record[name] = value;
    }
    record
}

pub(crate) fn init_start(runtime: &str, region: &str) -> String {
    format!(
        "INIT_START Runtime Version: {runtime}\tRuntime Version ARN: arn:aws:lambda:{region}::runtime:{runtime}\n"
    )
}

/// After an initialisation that failed or took too long.
pub(crate) fn init_report(took: Duration, status: Status<'_>) -> String {
    format!("INIT_REPORT Init Duration: {} ms\tPhase: init{}\n", millis(took), suffix(status))
}

pub(crate) fn start(request_id: &str, version: &str) -> String {
    format!("START RequestId: {request_id} Version: {version}\n")
}

pub(crate) fn end(request_id: &str) -> String {
    format!("END RequestId: {request_id}\n")
}

impl Report<'_> {
    pub(crate) fn line(&self) -> String {
        let Self { request_id, memory_mb, max_memory_mb, .. } = self;
        let mut line = format!(
            "REPORT RequestId: {request_id}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {memory_mb} MB\t\
             Max Memory Used: {max_memory_mb} MB\t",
            millis(self.duration),
            self.billed.as_millis(),
        );
        if let Some(init) = self.init {
            line.push_str(&format!("Init Duration: {} ms\t", millis(init)));
        }
        let suffix = suffix(self.status);
        line.push_str(suffix.trim_start_matches('\t'));
        if let Some(root) = sampled(self.trace_id) {
            line.push_str(&format!("\nXRAY TraceId: {root}\tSegmentId: 0000000000000000\tSampled: true\t"));
        }
        line.push('\n');
        line
    }
}

impl Report<'_> {
    fn word(&self) -> &'static str {
        match self.status {
            Status::Success => "success",
            Status::Timeout => "timeout",
            Status::Error(_) => "failure",
        }
    }

    /// The telemetry record of the end of the runtime's work, which answered with so many bytes.
    pub(crate) fn done(&self, produced: usize) -> serde_json::Value {
        let metrics = json!({ "durationMs": self.duration.as_secs_f64() * 1e3, "producedBytes": produced });
        json!({ "requestId": self.request_id, "status": self.word(), "metrics": metrics })
    }

    /// The telemetry record of the whole.
    pub(crate) fn record(&self) -> serde_json::Value {
        let mut metrics = json!({
            "durationMs": self.duration.as_secs_f64() * 1e3,
            "billedDurationMs": u64::try_from(self.billed.as_millis()).unwrap_or(u64::MAX),
            "memorySizeMB": self.memory_mb,
            "maxMemoryUsedMB": self.max_memory_mb,
        });
        if let Some(init) = self.init {
            metrics["initDurationMs"] = (init.as_secs_f64() * 1e3).into();
        }
        json!({ "requestId": self.request_id, "status": self.word(), "metrics": metrics })
    }
}

/// The root of a sampled trace header: `Root=1-...;Parent=...;Sampled=1`.
fn sampled(trace_id: &str) -> Option<&str> {
    let part =
        |name: &str| trace_id.split(';').find_map(|it| it.trim().strip_prefix(name)?.strip_prefix('='));
    (part("Sampled") == Some("1")).then(|| part("Root")).flatten()
}

fn suffix(status: Status<'_>) -> String {
    match status {
        Status::Success => String::new(),
        Status::Timeout => "\tStatus: timeout".to_owned(),
        Status::Error(kind) => format!("\tStatus: error\tError Type: {kind}"),
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1000.0)
}

/// What is billed for `took`: whole milliseconds, begun ones count.
pub(crate) fn billed(took: Duration) -> Duration {
    let whole = took.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(whole).unwrap_or(u64::MAX).max(1))
}

/// The log line of a function that ran out of time.
pub(crate) fn timed_out_line(at: Timestamp, request_id: &str, timeout: Duration) -> String {
    format!("{} {request_id} Task timed out after {:.2} seconds\n\n", at.iso8601(), timeout.as_secs_f64())
}

/// The answer of a function that ran out of time.
pub(crate) fn timed_out(request_id: &str, timeout: Duration) -> Bytes {
    let text =
        format!("RequestId: {request_id} Error: Task timed out after {:.2} seconds", timeout.as_secs_f64());
    error("Sandbox.Timedout", &text)
}

/// Why a runtime exited, as an error type and as Lambda's words for it.
pub(crate) fn exit_reason(status: Option<ExitStatus>, out_of_memory: bool) -> (&'static str, String) {
    if out_of_memory {
        return ("Runtime.OutOfMemory", "Runtime exited with error: signal: killed".to_owned());
    }
    let reason = match status.map(|status| (status.code(), signal(status))) {
        Some((Some(0), _)) => "Runtime exited without providing a reason".to_owned(),
        Some((Some(code), _)) => format!("Runtime exited with error: exit status {code}"),
        Some((None, Some(signal))) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
        _ => "Runtime exited with an unknown status".to_owned(),
    };
    ("Runtime.ExitError", reason)
}

/// The answer, and the log line, of a runtime that exited.
pub(crate) fn exited(request_id: &str, kind: &str, reason: &str) -> (Bytes, String) {
    let text = format!("RequestId: {request_id} Error: {reason}");
    (error(kind, &text), format!("{text}\n{kind}\n"))
}

/// The answer of a function whose own answer was too large.
pub(crate) fn too_large(limit: usize) -> Bytes {
    let text = format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
    error("Function.ResponseSizeTooLarge", &text)
}

/// An error's JSON.
pub(crate) fn error(kind: &str, text: &str) -> Bytes {
    Bytes::from(json!({ "errorType": kind, "errorMessage": text }).to_string())
}

fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// The names that Lambda's supervisor, a Go program, has for signals.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminated",
        25 => "file size limit exceeded",
        other => return other.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        let check = |init: Option<u64>, trace_id: &str, status: Status<'_>, expected: &str| {
            let report = Report {
                request_id: "id",
                duration: Duration::from_micros(2659),
                billed: billed(Duration::from_micros(2659)),
                memory_mb: 128,
                max_memory_mb: 66,
                init: init.map(Duration::from_millis),
                trace_id,
                status,
            };
            assert_eq!(report.line(), expected);
        };
        let start = "REPORT RequestId: id\tDuration: 2.66 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 66 MB\t";
        check(None, "Root=1-2-3;Sampled=0", Status::Success, &format!("{start}\n"));
        check(Some(156), "", Status::Success, &format!("{start}Init Duration: 156.00 ms\t\n"));
        check(None, "", Status::Timeout, &format!("{start}Status: timeout\n"));
        check(
            None,
            "",
            Status::Error("Runtime.ExitError"),
            &format!("{start}Status: error\tError Type: Runtime.ExitError\n"),
        );
        check(
            None,
            "Root=1-2-3;Parent=4;Sampled=1",
            Status::Success,
            &format!("{start}\nXRAY TraceId: 1-2-3\tSegmentId: 0000000000000000\tSampled: true\t\n"),
        );
    }
}
