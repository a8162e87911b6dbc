//! The page that is the telephone, and what it asks: the conversation, sending a message, which numbers there are.
//!
//! Only for this machine's own tools and pages, since it shows the account's token. Not Twilio's: applications use the API.

use super::api::json_response;
use super::errors::Refusal;
use super::messages::{LONGEST, MOST_MEDIA, is_number, is_web_address};
use super::outbound::{LARGEST, is_media_type};
use super::rows::{self, ACCOUNT, Account, Draft, Message, Number};
use super::{inbound, media, numbers};
use crate::gateway::request::decode;
use crate::storage::Fault;
use aloft_engine::{Body, Context, Head, HttpRequest, HttpResponse};
use aloft_store::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

const ROOT: &str = "/_aloft/phone";
const PAGE: &str = include_str!("phone.html");
/// So many messages of a conversation are shown.
const SHOWN: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sent {
    from: String,
    to: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    media: Vec<Attached>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Attached {
    content_type: String,
    /// In Base64.
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    sms_url: String,
    sms_method: Option<String>,
}

/// Whether a request is for the page or what it asks.
pub(super) fn accepts(head: &Head) -> bool {
    head.path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) async fn answer(context: &Context, request: HttpRequest) -> HttpResponse {
    if !request.head.is_from_this_machine() {
        let message = "the phone is only for this machine";
        return json_response(StatusCode::FORBIDDEN, &json!({ "message": message }));
    }
    let rest = request.head.path.strip_prefix(ROOT).unwrap_or_default().to_owned();
    let segments: Vec<&str> = rest.split('/').filter(|segment| !segment.is_empty()).collect();
    let answered = match (&request.head.method, segments.as_slice()) {
        (&Method::GET, []) => return page(),
        (&Method::GET, ["state"]) => state(context, &request.head.query),
        (&Method::POST, ["messages"]) => send(context, &request.body).await,
        (&Method::PUT, ["account"]) => set_account(context, &request.body).await,
        (&Method::PUT, ["numbers", number]) => set_number(context, &decode(number), &request.body).await,
        (&Method::DELETE, ["numbers", number]) => {
            numbers::delete(context, decode(number)).await.map(|()| json!({}))
        }
        _ => Err(Refusal { status: 404, code: 20404, message: "no such page".to_owned() }),
    };
    match answered {
        Ok(value) => json_response(StatusCode::OK, &value),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            json_response(status, &json!({ "message": refusal.message }))
        }
    }
}

fn page() -> HttpResponse {
    let mut response = HttpResponse::new(Body::Bytes(PAGE.into()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    let policy = "default-src 'none'; connect-src 'self'; img-src 'self' data: blob:; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

fn wrong(message: impl Into<String>) -> Refusal {
    Refusal::new(20001, message)
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| wrong(format!("that is not what is expected: {error}")))
}

/// The account, its numbers, and the conversation between `phone` and `number`, the oldest first.
fn state(context: &Context, query: &str) -> Result<Value, Refusal> {
    let asked = super::form::Form::parse(query);
    let (phone, number) = (asked.text("phone"), asked.text("number"));
    let snapshot = context.store().read()?;
    let account = rows::account(&snapshot)?;
    let is_between = |message: &Message| {
        let both = [message.from.as_str(), message.to.as_str()];
        [phone, number].into_iter().flatten().all(|one| both.contains(&one))
    };
    let mut messages = rows::newest(&snapshot, SHOWN, is_between)?;
    messages.reverse();
    Ok(json!({
        "account": { "sid": account.sid, "token": account.token },
        "numbers": rows::numbers(&snapshot)?.iter().map(shown_number).collect::<Vec<_>>(),
        "messages": messages.iter().map(|message| shown(&account, message)).collect::<Vec<_>>(),
    }))
}

fn shown_number(number: &Number) -> Value {
    json!({ "number": number.number, "smsUrl": number.sms_url, "smsMethod": number.sms_method })
}

fn shown(account: &Account, message: &Message) -> Value {
    let media = message
        .media
        .iter()
        .map(|one| json!({ "url": media::path(account, message, one), "contentType": one.content_type }));
    json!({
        "sid": message.sid,
        "direction": message.direction,
        "from": message.from,
        "to": message.to,
        "body": message.body,
        "status": message.status,
        "time": message.created.iso8601(),
        "media": media.collect::<Vec<_>>(),
        "isSettled": message.is_settled,
        "trouble": message.error.as_ref().map(|(code, text)| format!("{code}: {text}")),
    })
}

async fn send(context: &Context, body: &[u8]) -> Result<Value, Refusal> {
    let sent: Sent = read(body)?;
    if let Some(text) = [&sent.from, &sent.to].into_iter().find(|text| !is_number(text)) {
        return Err(wrong(format!("{text} is not a number such as +15550100")));
    }
    if sent.body.is_empty() && sent.media.is_empty() {
        return Err(wrong("a message needs a text or a picture"));
    }
    if sent.body.chars().count() > LONGEST || sent.media.len() > MOST_MEDIA {
        return Err(wrong(format!("a message has at most {LONGEST} characters and {MOST_MEDIA} pictures")));
    }
    let account = {
        let snapshot = context.store().read()?;
        if rows::number(&snapshot, &sent.to)?.is_none() {
            let message = format!("nobody answers at {}: give it to an application first", sent.to);
            return Err(Refusal { status: 404, code: 20404, message });
        }
        rows::account(&snapshot)?
    };
    let mut stored = Vec::new();
    for attached in sent.media {
        let bytes = BASE64.decode(&attached.data).map_err(|_| wrong("a picture's data is not Base64"))?;
        if bytes.len() > LARGEST || !is_media_type(&attached.content_type) {
            return Err(wrong("a picture has at most 5 MB and a media type such as image/jpeg"));
        }
        stored.push(rows::store_media(context, attached.content_type, bytes.into()).await?);
    }
    let draft = Draft {
        direction: "inbound",
        from: sent.from,
        to: sent.to,
        body: sent.body,
        media: stored,
        ..Draft::default()
    };
    Ok(shown(&account, &inbound::send(context, draft).await?))
}

/// Another account than the one that every local cloud has: for an application that brings its own.
async fn set_account(context: &Context, body: &[u8]) -> Result<Value, Refusal> {
    let account: Account = read(body)?;
    let is_sid = account.sid.len() == 34
        && account.sid.starts_with("AC")
        && account.sid.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_sid || account.token.is_empty() || !account.token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("an account is AC and 32 letters or digits, with a token"));
    }
    let row = account.clone();
    let write = context.store().write(move |transaction| {
        transaction.put_json(ACCOUNT, Key::default(), &row)?;
        Ok::<_, Fault>(())
    });
    write.await?;
    Ok(json!({ "sid": account.sid }))
}

/// Gives a number to an application, or changes who is told of its messages.
async fn set_number(context: &Context, text: &str, body: &[u8]) -> Result<Value, Refusal> {
    let settings: Settings = read(body)?;
    if !is_number(text) {
        return Err(wrong(format!("{text} is not a number such as +15550100")));
    }
    if !settings.sms_url.is_empty() && !is_web_address(&settings.sms_url) {
        return Err(wrong(format!("{} is not an address that can be called", settings.sms_url)));
    }
    let method = settings.sms_method.unwrap_or_else(|| "POST".to_owned());
    if !["GET", "POST"].contains(&method.as_str()) {
        return Err(wrong("a webhook is called by GET or POST"));
    }
    let before = rows::number(&context.store().read()?, text)?;
    let mut number = before.unwrap_or_else(|| numbers::new(context, text));
    number.sms_url = settings.sms_url;
    number.sms_method = method;
    numbers::save(context, &mut number).await?;
    Ok(shown_number(&number))
}
