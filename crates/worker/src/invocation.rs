//! One invocation in one environment: hands it over, waits for its end, writes `END` and `REPORT`.

use crate::environment::{Environment, Init};
use crate::exchange::Answer;
use crate::function::{FunctionError, Invocation, Outcome};
use crate::logs::Logs;
use crate::report::{self, Report, Status};
use aloft_sandbox::Exit;
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after its end a process may still be heard.
const LAST_WORDS: Duration = Duration::from_millis(5);

/// What an initialisation took before an invocation.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Before {
    /// The initialisation of its own, which the report names.
    pub(crate) init: Option<Duration>,
    /// The initialisation that was repeated within the invocation and counts against its timeout.
    pub(crate) spent: Duration,
}

/// How it went.
#[derive(Debug)]
pub(crate) enum Ran {
    Finished(Outcome),
    /// The environment died before it took the invocation, which can go to another one.
    Untouched,
}

enum End {
    Answered(Answer),
    Exited(Exit),
    /// An extension failed: the error's type and its reason.
    Extension(String, String),
    TimedOut,
}

/// Runs it to its end. After a timeout the environment's processes are gone.
pub(crate) async fn run(environment: &Environment, invocation: &Arc<Invocation>, before: Before) -> Ran {
    let spec = &environment.spec;
    let left = spec.timeout.saturating_sub(before.spent);
    let extensions = &environment.exchange.extensions;
    extensions.telemetry.close();
    environment.logs.begin(report::start(&invocation.request_id, &spec.version), false);
    extensions.telemetry.platform("start", || {
        let tracing = json!({ "type": "X-Amzn-Trace-Id", "value": invocation.trace_id });
        json!({ "requestId": invocation.request_id, "version": spec.version, "tracing": tracing })
    });
    let started = Instant::now();
    // The function is at work while its first line is handed over.
    let told = || environment.logs.flush();
    let mut answer = std::pin::pin!(environment.exchange.run(invocation.clone(), left, told));
    let mut timeout = std::pin::pin!(tokio::time::sleep(left));
    let mut silent = false;
    let end = loop {
        tokio::select! {
            biased;
            answer = &mut answer, if !silent => match answer {
                Some(answer) => break End::Answered(answer),
                None => silent = true,
            },
            exit = environment.jailed.wait() => {
                // What it said last may only just have come.
                let last = async { if silent { None } else { answer.await } };
                break match tokio::time::timeout(LAST_WORDS, last).await {
                    Ok(Some(answer)) => End::Answered(answer),
                    _ => End::Exited(exit),
                };
            }
            (kind, reason) = extensions.until_failed() => break End::Extension(kind, reason),
            () = &mut timeout => break End::TimedOut,
        }
    };
    let mut took = before.spent + started.elapsed();

    let id = invocation.request_id.as_str();
    let mut lines = Vec::new();
    let failed;
    let (payload, error, status) = match end {
        End::Answered(Answer::Response(payload)) => (payload, None, Status::Success),
        End::Answered(Answer::Error(payload)) => (payload, Some(FunctionError::Handled), Status::Success),
        End::Answered(Answer::TooLarge) => (
            report::too_large(environment.exchange.limits.response),
            Some(FunctionError::Unhandled),
            Status::Success,
        ),
        End::Exited(exit) => {
            if environment.exchange.withdraw() && before.init.is_none() && before.spent.is_zero() {
                return Ran::Untouched;
            }
            let (kind, reason) = report::exit_reason(exit.status, exit.out_of_memory);
            let (payload, line) = report::exited(id, kind, &reason);
            lines.push(line);
            (payload, Some(FunctionError::Unhandled), Status::Error(kind))
        }
        End::Extension(kind, reason) => {
            environment.exchange.close();
            environment.end("failure").await;
            environment.jailed.kill().await;
            let (payload, line) = report::exited(id, &kind, &reason);
            lines.push(line);
            failed = kind;
            (payload, Some(FunctionError::Unhandled), Status::Error(&failed))
        }
        End::TimedOut => {
            environment.exchange.close();
            environment.end("timeout").await;
            environment.jailed.kill().await;
            took = spec.timeout;
            lines.push(report::timed_out_line(environment.clock.now(), id, spec.timeout));
            (report::timed_out(id, spec.timeout), Some(FunctionError::Unhandled), Status::Timeout)
        }
    };
    let max_memory_mb = environment.peak_memory_mb(took);
    let ended = Ended { payload, error, status, lines, took, init: before.init, max_memory_mb };
    Ran::Finished(ended.finish(&environment.logs, spec.memory_mb, invocation))
}

/// The outcome of an invocation whose environment did not initialise.
pub(crate) fn not_initialized(
    environment: &Environment,
    invocation: &Arc<Invocation>,
    init: Init,
) -> Outcome {
    let spec = &environment.spec;
    let id = invocation.request_id.as_str();
    environment.logs.begin(report::start(id, &spec.version), true);
    let mut took = environment.age();
    let mut kind_of_report = String::new();
    let mut lines = Vec::new();
    let (payload, timed_out) = match init {
        Init::Failed(payload, kind) => {
            kind_of_report = kind.unwrap_or_else(|| "Runtime.Unknown".to_owned());
            (payload, false)
        }
        Init::Exited(exit) => {
            let (kind, reason) = report::exit_reason(exit.status, exit.out_of_memory);
            let (payload, line) = report::exited(id, kind, &reason);
            lines.push(line);
            kind_of_report = kind.to_owned();
            (payload, false)
        }
        Init::TimedOut | Init::Ready(_) => {
            took = spec.timeout;
            lines.push(report::timed_out_line(environment.clock.now(), id, spec.timeout));
            (report::timed_out(id, spec.timeout), true)
        }
    };
    let status = if timed_out { Status::Timeout } else { Status::Error(&kind_of_report) };
    let error = Some(FunctionError::Unhandled);
    let max_memory_mb = environment.peak_memory_mb(took);
    let ended = Ended { payload, error, status, lines, took, init: None, max_memory_mb };
    ended.finish(&environment.logs, spec.memory_mb, invocation)
}

/// The outcome of an invocation whose program cannot even be started.
pub(crate) fn not_startable(
    logs: &Logs,
    memory_mb: u32,
    version: &str,
    invocation: &Invocation,
    reason: &str,
) -> Outcome {
    let kind = "Runtime.InvalidEntrypoint";
    let id = invocation.request_id.as_str();
    logs.begin(report::start(id, version), true);
    let (payload, line) = report::exited(id, kind, reason);
    let ended = Ended {
        payload,
        error: Some(FunctionError::Unhandled),
        status: Status::Error(kind),
        lines: vec![line],
        took: Duration::ZERO,
        init: None,
        max_memory_mb: 0,
    };
    ended.finish(logs, memory_mb, invocation)
}

struct Ended<'a> {
    payload: Bytes,
    error: Option<FunctionError>,
    status: Status<'a>,
    /// Lines before `END`.
    lines: Vec<String>,
    took: Duration,
    init: Option<Duration>,
    max_memory_mb: u32,
}

impl Ended<'_> {
    /// Writes the last lines and makes the outcome.
    fn finish(mut self, logs: &Logs, memory_mb: u32, invocation: &Invocation) -> Outcome {
        // Since August 2025 Lambda bills the initialisation of every runtime.
        let billed = report::billed(self.took + self.init.unwrap_or_default());
        let report = Report {
            request_id: &invocation.request_id,
            duration: self.took,
            billed,
            memory_mb,
            max_memory_mb: self.max_memory_mb,
            init: self.init,
            trace_id: &invocation.trace_id,
            status: self.status,
        };
        self.lines.extend([report::end(&invocation.request_id), report.line()]);
        let log_tail = logs.finish(self.lines);
        if let Some(telemetry) = logs.telemetry() {
            telemetry.platform("runtimeDone", || report.done(self.payload.len()));
            telemetry.platform("end", || json!({ "requestId": invocation.request_id }));
            telemetry.platform("report", || report.record());
        }
        Outcome {
            payload: self.payload,
            error: self.error,
            log_tail,
            duration: self.took,
            billed,
            init: self.init,
            max_memory_mb: self.max_memory_mb,
            log_stream: logs.stream().to_owned(),
        }
    }
}
