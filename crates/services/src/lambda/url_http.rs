//! Lambda's own front door: function URLs, with payload format 2.0, and the code that `GetFunction` points to.
//!
//! A URL's host is `<id>.lambda-url.<region>.localhost`; where names below localhost are not known, its path begins with
//! `/_aws/lambda-url/<id>/`.

use super::invoke::{self, Call};
use super::streaming::{self, Begun};
use super::urls::{self, Cors, Url};
use super::{Lambda, code, limits, url_stream};
use aloft_engine::{
    Body, Context, Head, HttpRequest, HttpResponse, Principal, ServiceError, identity, storage_failed,
};
use aloft_wire::{Request, sigv4};
use aloft_worker::Outcome;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const URL_PATH: &str = "/_aws/lambda-url/";
const CODE_PATH: &str = "/_aws/lambda-code/";

/// Whether a request is for a function URL or for code.
pub(super) fn accepts(head: &Head) -> bool {
    head.path.starts_with(URL_PATH) || head.path.starts_with(CODE_PATH) || id_in_host(head).is_some()
}

/// `<id>` of `<id>.lambda-url.<region>.localhost`
fn id_in_host(head: &Head) -> Option<&str> {
    let (id, rest) = head.host.split_once(".lambda-url.")?;
    let region = rest.strip_suffix(".localhost").or_else(|| rest.strip_suffix(".on.aws"))?;
    (!region.contains('.')).then_some(id)
}

pub(super) fn message(status: StatusCode, text: &str) -> HttpResponse {
    let mut response = HttpResponse::new(Body::Bytes(json!({ "Message": text }).to_string().into()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Answers such a request.
pub(super) async fn answer(lambda: &Lambda, context: &Context, request: HttpRequest) -> HttpResponse {
    if let Some(sha256) = request.head.path.strip_prefix(CODE_PATH) {
        return download(context, sha256).await;
    }
    let head = &request.head;
    let (id, path) = match id_in_host(head) {
        Some(id) => (id.to_owned(), head.path.clone()),
        None => {
            let rest = head.path.strip_prefix(URL_PATH).unwrap_or_default();
            let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
            (id.to_owned(), format!("/{path}"))
        }
    };
    let (name, url) = match urls::find(context, &id) {
        Ok(Some(found)) => found,
        Ok(None) => return message(StatusCode::FORBIDDEN, "Forbidden"),
        Err(_) => return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    };
    let origin = head.header("origin").map(str::to_owned);
    let method = head.method.clone();
    if let (Some(cors), Some(origin)) = (&url.cors, &origin)
        && method == http::Method::OPTIONS
    {
        let mut response = HttpResponse::new(Body::default());
        add_cors(response.headers_mut(), cors, origin, true);
        return response;
    }
    let mut context = context.clone();
    context.account = name.function.account.clone();
    context.region = name.function.region.clone();
    let mut caller = None;
    if url.auth_type == "AWS_IAM" {
        match authenticate(&context, &request) {
            Ok((key, principal)) => {
                context.principal = principal;
                caller = Some(key);
            }
            Err(_) => return message(StatusCode::FORBIDDEN, "Forbidden"),
        }
    }
    let cors = url.cors.clone();
    let mut response = match run(lambda, &context, (request, caller), path, name, &url).await {
        Ok(Begun::Whole(outcome)) if outcome.error.is_none() => respond(&outcome),
        Ok(Begun::Whole(_)) => message(StatusCode::BAD_GATEWAY, "Internal Server Error"),
        Ok(Begun::Streamed(answer)) => url_stream::respond(answer).await,
        Err(error) if error.status == 429 => message(StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded."),
        Err(error) if error.status == 413 => {
            message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
        }
        Err(error) => {
            tracing::warn!(%error, url = id, "a function URL could not be served");
            message(StatusCode::BAD_GATEWAY, "Internal Server Error")
        }
    };
    if let (Some(cors), Some(origin)) = (&cors, &origin) {
        add_cors(response.headers_mut(), cors, origin, false);
    }
    response
}

async fn download(context: &Context, sha256: &str) -> HttpResponse {
    let (store, sha256) = (context.store().clone(), sha256.to_owned());
    let zip = tokio::task::spawn_blocking(move || code::read(&store, &sha256)).await;
    match zip {
        Ok(Ok(zip)) => {
            let mut response = HttpResponse::new(Body::Bytes(zip.into()));
            let kind = HeaderValue::from_static("application/zip");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        _ => message(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// Who signed the request. As everywhere in the cloud, an unknown key is the root's while no credentials are required.
fn authenticate(context: &Context, request: &HttpRequest) -> Result<(String, Principal), ServiceError> {
    let refused = || ServiceError::new("Forbidden", 403, "Forbidden");
    let head = &request.head;
    let signed = Request {
        method: head.method.clone(),
        path: head.path.clone(),
        query: head.query.clone(),
        headers: head.headers.clone(),
        body: request.body.clone(),
    };
    let presented = sigv4::presented(&signed)?.ok_or_else(refused)?;
    let known =
        identity::find(&context.engine, &presented.access_key_id).map_err(|error| storage_failed(&error))?;
    let Some(known) = known else {
        return if context.engine.options().require_credentials {
            Err(refused())
        } else {
            Ok((presented.access_key_id, Principal::Root))
        };
    };
    let expired = known.expires.is_some_and(|expires| expires <= context.now());
    if expired || known.session_token != presented.session_token {
        return Err(refused());
    }
    let host = head.header("host").unwrap_or_default();
    sigv4::verify(&signed, host, &presented, &known.secret, context.now())?;
    Ok((presented.access_key_id, known.principal))
}

async fn run(
    lambda: &Lambda,
    context: &Context,
    (request, caller): (HttpRequest, Option<String>),
    path: String,
    name: super::name::Name,
    url: &Url,
) -> Result<Begun, ServiceError> {
    let running = lambda.running()?;
    let target = running.targets.find(running, context, &name).await?;
    let mut event = event(context, &request, &path, url);
    if let Some(key) = caller {
        event["requestContext"]["authorizer"] = json!({ "iam": iam(context, &key) });
    }
    let payload = event.to_string();
    let limit = limits::bytes(limits::of(context).synchronous_payload);
    if payload.len() > limit {
        return Err(super::errors::too_large(limit, "InvokeFunctionUrl"));
    }
    let call = Call::new(context, payload.into());
    if url.is_streamed {
        return streaming::begin(running, context, &name, &target, call).await;
    }
    invoke::run(running, context, &name, &target, call).await.map(Begun::Whole)
}

/// Who signed the request, as the function is told.
fn iam(context: &Context, key: &str) -> Value {
    let arn = match &context.principal {
        Principal::Arn(arn) => arn.clone(),
        _ => format!("arn:aws:iam::{}:root", context.account),
    };
    json!({
        "accessKey": key,
        "accountId": context.account,
        "callerId": key,
        "cognitoIdentity": null,
        "principalOrgId": null,
        "userArn": arn,
        "userId": key,
    })
}

fn event(context: &Context, request: &HttpRequest, path: &str, url: &Url) -> Value {
    let head = &request.head;
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == header::COOKIE {
            cookies.extend(value.split(';').map(|it| it.trim().to_owned()));
            continue;
        }
        headers.entry(name.as_str()).and_modify(|it| *it = format!("{it},{value}")).or_insert(value);
    }
    headers.insert("x-forwarded-for", head.remote.ip().to_string());
    headers.insert("x-forwarded-port", context.engine.address().port().to_string());
    headers.insert("x-forwarded-proto", "http".to_owned());
    let (now, decoded) = (context.now(), percent_encoding::percent_decode_str(path).decode_utf8_lossy());
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": decoded,
        "rawQueryString": head.query,
        "headers": headers,
        "requestContext": {
            "accountId": match &context.principal { Principal::Anonymous => "anonymous", _ => context.account.as_str() },
            "apiId": url.id,
            "domainName": format!("{}.lambda-url.{}.localhost", url.id, context.region),
            "domainPrefix": url.id,
            "http": {
                "method": head.method.as_str(),
                "path": decoded,
                "protocol": "HTTP/1.1",
                "sourceIp": head.remote.ip().to_string(),
                "userAgent": head.header("user-agent").unwrap_or_default(),
            },
            "requestId": context.request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": now.format("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": now.millis(),
        },
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !head.query.is_empty() {
        event["queryStringParameters"] = query(&head.query);
    }
    if !request.body.is_empty() {
        let (body, encoded) = match std::str::from_utf8(&request.body) {
            Ok(text) if is_text(head) => (text.to_owned(), false),
            _ => (BASE64.encode(&request.body), true),
        };
        event["body"] = body.into();
        event["isBase64Encoded"] = encoded.into();
    }
    event
}

/// Whether a body is passed on as text: by its content type, as AWS does.
fn is_text(head: &Head) -> bool {
    let kind = head.header("content-type").unwrap_or("application/json").to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/")
        || kind.ends_with("json")
        || kind.ends_with("xml")
        || matches!(kind, "application/javascript" | "application/graphql")
}

/// Parameters that come several times are joined by commas.
fn query(text: &str) -> Value {
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let mut parameters = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value);
        match parameters.get_mut(&decode(name)) {
            Some(Value::String(before)) => {
                before.push(',');
                before.push_str(&value);
            }
            _ => drop(parameters.insert(decode(name), value.into())),
        }
    }
    parameters.into()
}

/// An answer with a `statusCode` says all of it; any other is the body.
fn respond(outcome: &Outcome) -> HttpResponse {
    let json_type = HeaderValue::from_static("application/json");
    let answer: Value = serde_json::from_slice(&outcome.payload).unwrap_or_default();
    let Some(status) = answer.get("statusCode") else {
        let body = match &answer {
            Value::String(text) => text.clone().into(),
            _ => outcome.payload.clone(),
        };
        let mut response = HttpResponse::new(Body::Bytes(body));
        response.headers_mut().insert(header::CONTENT_TYPE, json_type);
        return response;
    };
    let status = status.as_u64().or_else(|| status.as_str()?.parse().ok());
    let status = status.and_then(|it| StatusCode::from_u16(u16::try_from(it).ok()?).ok());
    let Some(status) = status else { return message(StatusCode::BAD_GATEWAY, "Internal Server Error") };
    let body = match answer.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) if answer["isBase64Encoded"] == true => match BASE64.decode(text) {
            Ok(bytes) => bytes,
            Err(_) => return message(StatusCode::BAD_GATEWAY, "Internal Server Error"),
        },
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(other) => other.to_string().into_bytes(),
    };
    let mut response = HttpResponse::new(Body::Bytes(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, json_type);
    add_own(response.headers_mut(), &answer);
    response
}

/// The headers and cookies that an answer names.
pub(super) fn add_own(headers: &mut HeaderMap, answer: &Value) {
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&text))
            && name != header::CONTENT_LENGTH
            && name != header::TRANSFER_ENCODING
            && name != header::CONNECTION
        {
            headers.insert(name, value);
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// The headers that let a browser's page of another origin in.
fn add_cors(headers: &mut HeaderMap, cors: &Cors, origin: &str, preflight: bool) {
    let any = cors.allow_origins.iter().any(|it| it == "*");
    if !any && !cors.allow_origins.iter().any(|it| it.eq_ignore_ascii_case(origin)) {
        return;
    }
    let allowed = if any && !cors.allow_credentials { "*" } else { origin };
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    };
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.to_owned());
    set(header::VARY, "Origin".to_owned());
    if cors.allow_credentials {
        set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true".to_owned());
    }
    set(header::ACCESS_CONTROL_EXPOSE_HEADERS, cors.expose_headers.join(","));
    if preflight {
        set(header::ACCESS_CONTROL_ALLOW_METHODS, cors.allow_methods.join(","));
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, cors.allow_headers.join(","));
        set(header::ACCESS_CONTROL_MAX_AGE, cors.max_age.to_string());
    }
}
