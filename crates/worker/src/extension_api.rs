//! The Extensions API (2020-01-01), the Telemetry API (2022-07-01) and the Logs API (2020-08-15) over HTTP, on the
//! listener of the Runtime API; and what `supervise.sh` tells of the extensions' processes.

use crate::exchange::Exchange;
use crate::extensions::Refused;
use crate::runtime_api::{Read, read};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};

/// The largest body of a request.
const BODY_LIMIT: usize = 256 * 1024;
const EXTENSION: &str = "/2020-01-01/extension/";
const TELEMETRY: [&str; 2] = ["/2022-07-01/telemetry", "/2020-08-15/logs"];
const SUPERVISOR: &str = "/aloft/";

const NAME: &str = "lambda-extension-name";
const IDENTIFIER: &str = "lambda-extension-identifier";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";
const FEATURE: &str = "lambda-extension-accept-feature";

type Answer = Response<Full<Bytes>>;

/// Answers a request that is for none of the runtime's own paths; `None` when it is for nobody.
pub(crate) async fn answer(exchange: &Exchange, head: &Parts, body: Incoming) -> Option<Answer> {
    let path = head.uri.path();
    if let Some(told) = path.strip_prefix(SUPERVISOR) {
        return supervisor(exchange, told).await;
    }
    let refused =
        |(status, kind, text): Refused| json(status, &json!({ "errorMessage": text, "errorType": kind }));
    let answer = if TELEMETRY.contains(&path) && head.method == Method::PUT {
        subscribe(exchange, head, body).await
    } else {
        let action = path.strip_prefix(EXTENSION)?;
        match (&head.method, action) {
            (&Method::POST, "register") => register(exchange, head, body).await,
            (&Method::GET, "event/next") => next(exchange, head).await,
            (&Method::POST, "init/error") => fail(exchange, head, body, "Extension.InitError").await,
            (&Method::POST, "exit/error") => fail(exchange, head, body, "Extension.ExitError").await,
            _ => return None,
        }
    };
    Some(answer.unwrap_or_else(refused))
}

/// What a process tells that starts extensions and waits for their end.
async fn supervisor(exchange: &Exchange, told: &str) -> Option<Answer> {
    let extensions = &exchange.extensions;
    match told.split('/').collect::<Vec<_>>()[..] {
        ["extensions", "started", name] => extensions.started(name),
        ["extensions", "exited", name, code] => extensions.exited(name, code),
        ["extensions", "registered"] => extensions.until_registered().await,
        ["runtime", "exited"] => {
            extensions.end("failure");
            extensions.until_ended().await;
        }
        ["telemetry"] => {
            let (port, bytes) = extensions.telemetry.parcel().await?;
            return Some(with(Response::new(Full::new(bytes.into())), "port", &port.to_string()));
        }
        _ => return None,
    }
    Some(json(200, &json!({})))
}

fn header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name).and_then(|it| it.to_str().ok()).filter(|it| !it.is_empty())
}

fn identifier(head: &Parts) -> Result<&str, Refused> {
    let missing =
        || (403, "Extension.MissingExtensionIdentifier", format!("The header {IDENTIFIER} is missing"));
    header(head, IDENTIFIER).ok_or_else(missing)
}

async fn whole(body: Incoming) -> Result<Bytes, Refused> {
    match read(body, BODY_LIMIT).await {
        Read::Whole(bytes, _) => Ok(bytes),
        Read::TooLarge => {
            Err((413, "RequestEntityTooLarge", format!("The body has more than {BODY_LIMIT} bytes")))
        }
        Read::Broken => Err((400, "InvalidRequestFormat", "The body ended early".to_owned())),
    }
}

async fn register(exchange: &Exchange, head: &Parts, body: Incoming) -> Result<Answer, Refused> {
    let missing = || (403, "Extension.InvalidExtensionName", format!("The header {NAME} is missing"));
    let name = header(head, NAME).ok_or_else(missing)?;
    let wants_account =
        header(head, FEATURE).is_some_and(|it| it.split(',').any(|it| it.trim() == "accountId"));
    let (id, told) = exchange.extensions.register(name, &whole(body).await?, wants_account)?;
    exchange.extensions.telemetry.activate();
    Ok(with(json(200, &told), IDENTIFIER, &id))
}

async fn next(exchange: &Exchange, head: &Parts) -> Result<Answer, Refused> {
    let event = exchange.extensions.next(identifier(head)?).await?;
    Ok(with(json(200, &event), "lambda-extension-event-identifier", &exchange.extensions.event_id()))
}

async fn fail(
    exchange: &Exchange,
    head: &Parts,
    body: Incoming,
    kind: &'static str,
) -> Result<Answer, Refused> {
    let id = identifier(head)?;
    let reason = header(head, ERROR_TYPE).unwrap_or(kind).to_owned();
    whole(body).await?;
    exchange.extensions.fail(id, kind, &reason)?;
    Ok(json(202, &json!({ "status": "OK" })))
}

async fn subscribe(exchange: &Exchange, head: &Parts, body: Incoming) -> Result<Answer, Refused> {
    let name = exchange.extensions.name(identifier(head)?)?;
    let body = whole(body).await?;
    let subscribed = exchange.extensions.telemetry.subscribe(&name, &body);
    subscribed.map_err(|text| (400, "ValidationError", text))?;
    Ok(json(200, &Value::from("OK")))
}

fn with(mut answer: Answer, name: &'static str, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn json(status: u16, value: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
