//! Invoking: the operation, and the one way on which every invocation goes, whoever asks for it.

use super::errors::{self, invalid, too_large};
use super::name::Name;
use super::running::Running;
use super::targets::Target;
use super::{Lambda, events, limits, recursion};
use aloft_base::ByteSize;
use aloft_engine::metering::{self, Ending, Verdict};
use aloft_engine::{Body, Context, Principal, Reply, ServiceError, WithBody};
use aloft_worker::{FunctionError, Invocation, InvokeError, Outcome, ResponseStream};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderValue, header};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Invoke {
    function_name: String,
    qualifier: Option<String>,
    pub invocation_type: Option<String>,
    pub log_type: Option<String>,
    client_context: Option<String>,
    durable_execution_name: Option<String>,
    tenant_id: Option<String>,
}

/// An event on its way to a function.
#[derive(Clone)]
pub(super) struct Call {
    pub request_id: String,
    pub payload: Bytes,
    /// As JSON.
    pub client_context: Option<String>,
    pub trace_id: String,
    /// What caused it, for the ledger.
    pub cause: Arc<str>,
    /// How old a stream's batch is.
    pub iterator_age: Option<Duration>,
    /// How long it may wait until there is room for it; not at all when a caller waits for the answer.
    pub wait: Option<Duration>,
    /// Where the answer goes while it is written, if somebody reads it so.
    pub stream: Option<ResponseStream>,
}

/// What is invoked, and with what.
pub(super) struct Prepared {
    pub name: Name,
    pub target: Arc<Target>,
    pub call: Call,
}

impl Call {
    /// A call on behalf of whoever the context names.
    pub fn new(context: &Context, payload: Bytes) -> Self {
        Self {
            request_id: context.ids().uuid(),
            payload,
            client_context: None,
            trace_id: trace_of(context),
            cause: match (&context.source, &context.principal) {
                (Some(source), _) => source.clone(),
                (None, Principal::Root) => "root".into(),
                (None, Principal::Arn(text) | Principal::Service(text)) => text.as_str().into(),
                (None, Principal::Anonymous) => "anonymous".into(),
            },
            iterator_age: None,
            wait: None,
            stream: None,
        }
    }
}

/// The trace that the context belongs to, or a new one.
fn trace_of(context: &Context) -> String {
    match (&context.trace_id, &context.principal) {
        // What comes over a bus begins a chain of its own.
        (Some(trace), Principal::Service(name)) if name == "events.amazonaws.com" => {
            recursion::without(trace)
        }
        (Some(trace), _) => trace.to_string(),
        (None, _) => {
            let (seconds, ids) = (context.now().seconds(), context.ids());
            format!("Root=1-{seconds:08x}-{};Parent={};Sampled=0", ids.hex(24), ids.hex(16))
        }
    }
}

/// `Invoke`
pub(super) async fn invoke(
    lambda: &Lambda,
    context: &Context,
    input: WithBody<Invoke>,
) -> Result<Reply, ServiceError> {
    let WithBody { params, body } = input;
    let running = lambda.running()?;
    if params.durable_execution_name.is_some() || params.tenant_id.is_some() {
        return Err(invalid("The local cloud has built neither durable executions nor tenants."));
    }
    let kind = params.invocation_type.as_deref().unwrap_or("RequestResponse");
    let limits = limits::of(context);
    let limit = if kind == "Event" { limits.asynchronous_payload } else { limits.synchronous_payload };
    let Prepared { name, target, call } = prepare(running, context, &params, body, limit).await?;
    let request_id = call.request_id.clone();
    let reply = match kind {
        "DryRun" => Reply::new(json!({ "StatusCode": 204 })),
        "Event" => {
            Box::pin(events::accept(running, context, &name, call)).await?;
            Reply::new(json!({ "StatusCode": 202 })).with_body(Body::default())
        }
        _ => answer(run(running, context, &name, &target, call).await?, &target, params.log_type.as_deref()),
    };
    Ok(with_request_id(reply, &request_id))
}

/// `InvokeAsync`: how events were sent before `Invoke` could.
pub(super) async fn invoke_async(
    lambda: &Lambda,
    context: &Context,
    input: WithBody<Invoke>,
) -> Result<Reply, ServiceError> {
    let running = lambda.running()?;
    let prepared =
        prepare(running, context, &input.params, input.body, limits::of(context).asynchronous_payload)
            .await?;
    let request_id = prepared.call.request_id.clone();
    events::accept(running, context, &prepared.name, prepared.call).await?;
    Ok(with_request_id(Reply::new(json!({ "Status": 202 })), &request_id))
}

/// Checks what is asked for and finds the function.
pub(super) async fn prepare(
    running: &Arc<Running>,
    context: &Context,
    params: &Invoke,
    body: Bytes,
    limit: ByteSize,
) -> Result<Prepared, ServiceError> {
    let name = Name::parse(context, &params.function_name, params.qualifier.as_deref())?;
    let limit = limits::bytes(limit);
    if body.len() > limit {
        return Err(too_large(limit, "InvokeFunction"));
    }
    let payload = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&payload) {
        let message = format!("Could not parse request body into json: {error}");
        return Err(ServiceError::new("InvalidRequestContentException", 400, message));
    }
    let target = running.targets.find(running, context, &name).await?;
    let mut call = Call::new(context, payload);
    call.client_context = params.client_context.as_deref().map(decode_client_context).transpose()?;
    Ok(Prepared { name, target, call })
}

fn decode_client_context(encoded: &str) -> Result<String, ServiceError> {
    let decoded = BASE64.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let refused = || {
        ServiceError::new(
            "InvalidRequestContentException",
            400,
            "Client context must be a valid Base64-encoded JSON object.",
        )
    };
    decoded.filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()).ok_or_else(refused)
}

fn answer(outcome: Outcome, target: &Target, log_type: Option<&str>) -> Reply {
    let mut params = json!({ "StatusCode": 200, "ExecutedVersion": target.spec.version });
    if outcome.error.is_some() {
        params["FunctionError"] = "Unhandled".into();
    }
    if log_type == Some("Tail") {
        params["LogResult"] = BASE64.encode(&outcome.log_tail).into();
    }
    let mut reply = Reply::new(params).with_body(Body::Bytes(outcome.payload));
    reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// The request's id that callers see is that of the invocation.
pub(super) fn with_request_id(mut reply: Reply, request_id: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        reply.headers.insert("x-amzn-requestid", value);
    }
    reply
}

/// The trace that goes on with this invocation; refused when the function is in a loop.
fn chained(call: &Call, target: &Target, limit: u32) -> Result<String, ServiceError> {
    match &target.mark {
        Some(mark) if recursion::is_loop(&call.trace_id, mark, limit) => Err(recursion::refused()),
        Some(mark) => Ok(recursion::counted(&call.trace_id, mark)),
        None => Ok(call.trace_id.clone()),
    }
}

/// Runs one invocation to its end and writes it into the ledger.
pub(super) async fn run(
    running: &Arc<Running>,
    context: &Context,
    name: &Name,
    target: &Arc<Target>,
    call: Call,
) -> Result<Outcome, ServiceError> {
    let trace_id = chained(&call, target, limits::of(context).recursion)?;
    let metering = context.engine.metering();
    let Call { request_id, payload, client_context, wait, stream, .. } = call;
    let begins = metering::Invocation {
        at: context.now(),
        request_id: request_id.clone(),
        function: target.metered.clone(),
        qualifier: name.qualifier.clone(),
        cause: call.cause,
        trace_id: call.trace_id,
        iterator_age_ms: call.iterator_age.map(|age| age.as_millis() as u64),
        concurrent: 0,
    };
    if target.reserved == Some(0) {
        metering.throttled(begins);
        return Err(errors::throttled("ReservedFunctionConcurrentInvocationLimitExceeded"));
    }
    let permit = match target.gate.pass(wait).await {
        Ok(permit) => permit,
        Err(refusal) => {
            metering.throttled(begins);
            return Err(refusal);
        }
    };
    if target.credentials_until.load(Ordering::Relaxed) <= context.now().millis() {
        let (until, renewed) = Box::pin(running.credentials.ensure(context, &target.spec)).await?;
        target.credentials_until.store(until.millis(), Ordering::Relaxed);
        if renewed {
            // Environments keep those that they were started with.
            running.workers.retire(&target.spec.account, &target.spec.region, &target.spec.name);
        }
    }
    let invocation = Invocation {
        request_id,
        function_arn: name.arn(),
        payload,
        client_context,
        cognito_identity: None,
        trace_id,
        stream,
    };
    let begun = metering.begin(metering::Invocation { at: context.now(), ..begins });
    let ended = move |result: &Result<Outcome, InvokeError>| {
        drop(permit);
        match result {
            Ok(outcome) => begun.end(ending(outcome)),
            Err(InvokeError::TooManyEnvironments) => begun.throttle(),
            // It may have been at work.
            Err(InvokeError::Shutdown) => drop(begun),
            Err(InvokeError::RuntimeMissing { .. } | InvokeError::Io(_)) => begun.cancel(),
        }
    };
    let outcome = running.workers.invoke_then(target.spec.clone(), invocation, ended).await;
    outcome.map_err(|error| match error {
        InvokeError::TooManyEnvironments => errors::throttled("ConcurrentInvocationLimitExceeded"),
        // Trying again cannot help, so it is not the service's fault, as clients understand it.
        InvokeError::RuntimeMissing { message } => ServiceError::new("InvalidRuntimeException", 400, message),
        InvokeError::Shutdown => ServiceError::new("ServiceUnavailable", 503, error.to_string()),
        InvokeError::Io(ref source) => {
            tracing::error!(%source, function = target.spec.name, "an execution environment did not start");
            errors::failed(format!("{error}: {source}"))
        }
    })
}

/// The outcome as the ledger has it.
fn ending(outcome: &Outcome) -> Ending {
    let millis = |duration: Duration| (duration.as_secs_f64() * 1e5).round() / 1e2;
    Ending {
        verdict: match outcome.error {
            None => Verdict::Ok,
            Some(FunctionError::Unhandled) if error_type(&outcome.payload) == "Sandbox.Timedout" => {
                Verdict::Timeout
            }
            Some(_) => Verdict::Error,
        },
        log_stream: outcome.log_stream.clone(),
        duration_ms: millis(outcome.duration),
        init_ms: outcome.init.map(millis),
        billed_ms: outcome.billed.as_millis() as u64,
        used_mb: outcome.max_memory_mb,
    }
}

fn error_type(payload: &[u8]) -> String {
    let error: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    error["errorType"].as_str().unwrap_or_default().to_owned()
}
