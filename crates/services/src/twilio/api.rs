//! The REST API's front door: who is asking, and which resource is meant.
//!
//! `/2010-04-01/Accounts/<sid>/<Resource>[/<sid>[/<Resource>[/<sid>]]].json`. Answers are JSON only.

use super::errors::Refusal;
use super::form::Form;
use super::paging::Page;
use super::rows::{self, Account};
use super::{media, messages, numbers};
use aloft_engine::{Body, Context, Head, HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

const ROOT: &str = "/2010-04-01/";

/// A request to a resource of the account.
pub(super) struct Call<'a> {
    pub context: &'a Context,
    pub account: Account,
    pub method: Method,
    /// The path as it came.
    pub path: &'a str,
    /// The query, and for `POST` the body.
    pub form: Form,
}

impl Call<'_> {
    /// Where the account's resources begin.
    pub fn base(&self) -> String {
        base(&self.account)
    }

    pub fn page(&self) -> Page {
        Page::of(&self.form)
    }

    pub fn not_found(&self) -> Refusal {
        Refusal::not_found(self.path)
    }
}

pub(super) fn base(account: &Account) -> String {
    format!("{ROOT}Accounts/{}", account.sid)
}

/// An answer: its status, and JSON but for nothing at all.
pub(super) type Answer = Result<(StatusCode, Value), Refusal>;

/// Whether a request is for the API, and not for an object in a bucket of that name.
pub(super) fn accepts(head: &Head) -> bool {
    let is_signed = head.header("authorization").is_some_and(|value| value.starts_with("AWS4-"));
    head.path.starts_with("/2010-04-01/Accounts") && !is_signed && !head.query.contains("X-Amz-Credential=")
}

pub(super) async fn answer(context: &Context, request: HttpRequest) -> HttpResponse {
    let segments: Vec<&str> = request.head.path.strip_prefix(ROOT).unwrap_or_default().split('/').collect();
    // The media themselves are for whoever knows their address, as Twilio has it.
    if let (["Accounts", account, "Messages", message, "Media", media], &Method::GET) =
        (segments.as_slice(), &request.head.method)
        && !media.ends_with(".json")
    {
        return media::content(context, account, message, media).await;
    }
    match route(context, &request, &segments).await {
        Ok((status, Value::Null)) => empty(status),
        Ok((status, value)) => json_response(status, &value),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = json_response(status, &refusal.json());
            if status == StatusCode::UNAUTHORIZED {
                let realm = HeaderValue::from_static("Basic realm=\"Twilio API\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
            }
            response
        }
    }
}

async fn route(context: &Context, request: &HttpRequest, segments: &[&str]) -> Answer {
    let account = rows::account(&context.store().read()?)?;
    if !is_allowed(&request.head, &account) {
        return Err(Refusal::unauthorized());
    }
    let mut segments: Vec<&str> = segments.to_vec();
    let path = request.head.path.as_str();
    let Some(last) = segments.pop().and_then(|last| last.strip_suffix(".json")) else {
        return Err(Refusal::not_built("answers in XML: paths end in .json"));
    };
    segments.push(last);
    let mut text = request.head.query.clone();
    if request.head.method == Method::POST {
        text = format!("{text}&{}", String::from_utf8_lossy(&request.body));
    }
    let (method, form) = (request.head.method.clone(), Form::parse(&text));
    let call = Call { context, account, method, path, form };
    match segments.as_slice() {
        ["Accounts", sid, rest @ ..] if *sid == call.account.sid => match rest {
            [] => one_account(&call),
            ["Messages"] => messages::all(&call).await,
            ["Messages", sid] => messages::one(&call, sid).await,
            ["Messages", sid, "Media"] => media::all(&call, sid),
            ["Messages", sid, "Media", media] => media::one(&call, sid, media).await,
            ["IncomingPhoneNumbers"] => numbers::all(&call).await,
            ["IncomingPhoneNumbers", sid] => numbers::one(&call, sid).await,
            [other, ..] => Err(Refusal::not_built(other)),
        },
        ["Accounts", ..] => Err(call.not_found()),
        _ => Err(Refusal::not_built(path)),
    }
}

fn one_account(call: &Call<'_>) -> Answer {
    if call.method != Method::GET {
        return Err(Refusal::not_allowed());
    }
    let account = json!({
        "sid": call.account.sid,
        "auth_token": call.account.token,
        "friendly_name": "The local cloud's phone",
        "owner_account_sid": call.account.sid,
        "status": "active",
        "type": "Full",
        "uri": format!("{}.json", call.base()),
    });
    Ok((StatusCode::OK, account))
}

/// Basic authentication with the account's sid and token.
fn is_allowed(head: &Head, account: &Account) -> bool {
    let given = head.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let given = given.and_then(|text| BASE64.decode(text.trim()).ok());
    let expected = format!("{}:{}", account.sid, account.token).into_bytes();
    given.is_some_and(|given| is_same(&given, &expected))
}

/// Compares in a time that does not tell where the difference is.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (one, other)| all | (one ^ other)) == 0
}

pub(super) fn json_response(status: StatusCode, value: &Value) -> HttpResponse {
    let mut response = HttpResponse::new(Body::Bytes(value.to_string().into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json;charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn empty(status: StatusCode) -> HttpResponse {
    let mut response = HttpResponse::default();
    *response.status_mut() = status;
    response
}
