//! The cloud's own pages: health, reset, the clock, the ledger.

use super::{HttpRequest, HttpResponse, json};
use crate::{Engine, ServiceError, metering, storage_failed};
use aloft_base::Timestamp;
use http::{Method, StatusCode};
use serde_json::{Value, json as value};
use std::time::Duration;

pub(super) async fn answer(engine: &Engine, request: &HttpRequest) -> HttpResponse {
    let head = &request.head;
    let is_for_all = matches!(head.path.as_str(), "/_aloft/health" | "/_localstack/health");
    if !is_for_all && !head.is_from_this_machine() {
        let message = "only this machine's own tools may do that";
        return json(StatusCode::FORBIDDEN, &value!({ "message": message }));
    }
    match (&head.method, head.path.as_str()) {
        (&Method::GET, "/_aloft/health" | "/_localstack/health") => json(StatusCode::OK, &health(engine)),
        (&Method::POST, "/_aloft/reset") => match engine.reset().await {
            Ok(()) => json(StatusCode::OK, &value!({ "reset": true })),
            Err(error) => json(StatusCode::INTERNAL_SERVER_ERROR, &value!({ "message": error.to_string() })),
        },
        (&Method::POST, "/_aloft/clock") => advance(engine, &request.body),
        (&Method::GET, "/_aloft/metering") => shown(sums(engine, &head.query).await),
        (&Method::GET, "/_aloft/invocations") => shown(invocations(engine, &head.query).await),
        _ => json(StatusCode::NOT_FOUND, &value!({ "message": "no such page" })),
    }
}

fn health(engine: &Engine) -> Value {
    let services: serde_json::Map<String, Value> =
        engine.services().iter().map(|service| (service.name().to_owned(), value!("available"))).collect();
    let running = engine.services().iter().filter_map(|it| Some((it.name().to_owned(), it.running()?)));
    let running: serde_json::Map<String, Value> = running.collect();
    value!({ "services": services, "running": running, "version": env!("CARGO_PKG_VERSION"), "edition": "aloft", "pid": std::process::id() })
}

fn shown(page: Result<Value, ServiceError>) -> HttpResponse {
    match page {
        Ok(page) => json(StatusCode::OK, &page),
        Err(error) => json(StatusCode::INTERNAL_SERVER_ERROR, &value!({ "message": error.message })),
    }
}

/// A number in the query.
fn number(query: &str, name: &str) -> Option<i64> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// What ran and what was called between `from` and `to`, in milliseconds since 1970; else from the beginning until now.
async fn sums(engine: &Engine, query: &str) -> Result<Value, ServiceError> {
    engine.metering().flush().await.map_err(|error| storage_failed(&error))?;
    let (from, to) = (number(query, "from").unwrap_or(0), number(query, "to"));
    let (from, to) = (Timestamp(from), to.map_or_else(|| engine.clock().now(), Timestamp));
    let read = || {
        let snapshot = engine.store().read()?;
        Ok((metering::sums::invocations(&snapshot, from, to)?, metering::sums::calls(&snapshot, from, to)?))
    };
    let (invocations, calls) = read().map_err(|error| storage_failed(&error))?;
    Ok(value!({ "now": engine.clock().now(), "invocations": invocations, "calls": calls }))
}

/// The last rows of the ledger: `limit` of them, else 100, the newest first.
async fn invocations(engine: &Engine, query: &str) -> Result<Value, ServiceError> {
    engine.metering().flush().await.map_err(|error| storage_failed(&error))?;
    let limit = number(query, "limit").unwrap_or(100).clamp(1, 10_000) as usize;
    let rows = metering::recent(engine.store(), limit).map_err(|error| storage_failed(&error))?;
    Ok(value!({ "invocations": rows }))
}

/// `{"advance": seconds}` moves the clock forward, so that what is due happens now.
fn advance(engine: &Engine, body: &[u8]) -> HttpResponse {
    let seconds = serde_json::from_slice::<Value>(body).ok().and_then(|body| body["advance"].as_f64());
    let by = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // Ten years at most: beyond, times would leave the range of what AWS can write.
    match by.filter(|by| *by < Duration::from_secs(10 * 366 * 86_400)) {
        Some(by) => {
            engine.clock().advance(by);
            json(StatusCode::OK, &value!({ "now": engine.clock().now().iso8601() }))
        }
        None => json(StatusCode::BAD_REQUEST, &value!({ "message": "send {\"advance\": seconds}" })),
    }
}
