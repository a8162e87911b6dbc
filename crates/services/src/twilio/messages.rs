//! The Messages resource: sent, listed, fetched, redacted, deleted.

use super::api::{Answer, Call};
use super::errors::Refusal;
use super::form;
use super::rows::{self, Account, Draft, Message};
use crate::storage::Fault;
use aloft_base::Timestamp;
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// The most characters of a body.
pub(super) const LONGEST: usize = 1600;
/// The most media of a message.
pub(super) const MOST_MEDIA: usize = 10;
/// So many messages are in a list at most.
const MOST: usize = 20_000;
/// What can be asked of a new message and changes nothing here: all are delivered, at no price.
const HARMLESS: &[&str] = &[
    "AddressRetention",
    "Attempt",
    "ContentRetention",
    "ForceDelivery",
    "MaxPrice",
    "ProvideFeedback",
    "RiskCheck",
    "ShortenUrls",
    "SmartEncoded",
    "Tags",
    "ValidityPeriod",
];
const HONOURED: &[&str] = &["Body", "From", "MediaUrl", "StatusCallback", "To"];

pub(super) async fn all(call: &Call<'_>) -> Answer {
    match call.method {
        Method::POST => create(call).await,
        Method::GET => list(call),
        _ => Err(Refusal::not_allowed()),
    }
}

pub(super) async fn one(call: &Call<'_>, sid: &str) -> Answer {
    let found = rows::message(&call.context.store().read()?, sid)?.ok_or_else(|| call.not_found())?;
    match call.method {
        Method::GET => Ok((StatusCode::OK, shown(&call.account, &found))),
        Method::POST => update(call, found).await,
        Method::DELETE => {
            let write = call.context.store().write(move |transaction| {
                rows::delete(transaction, &found);
                Ok::<_, Fault>(())
            });
            write.await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => Err(Refusal::not_allowed()),
    }
}

/// Whether a text is a number as E.164 has them.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}

async fn create(call: &Call<'_>) -> Answer {
    let form = &call.form;
    if let Some(other) = form.names().find(|name| !HONOURED.contains(name) && !HARMLESS.contains(name)) {
        return Err(Refusal::not_built(&format!("messages with {other}")));
    }
    let to = form.text("To").ok_or_else(|| Refusal::new(21604, "A 'To' phone number is required."))?;
    let from = form.text("From").ok_or_else(|| Refusal::new(21603, "A 'From' phone number is required."))?;
    if !is_number(to) {
        return Err(Refusal::new(21211, format!("Invalid 'To' Phone Number: {to}")));
    }
    if !is_number(from) {
        return Err(Refusal::new(21212, format!("Invalid 'From' Phone Number: {from}")));
    }
    let (body, media_urls) = (form.value("Body").unwrap_or_default(), form.all("MediaUrl"));
    if body.is_empty() && media_urls.is_empty() {
        return Err(Refusal::new(21602, "Message body is required."));
    }
    if body.chars().count() > LONGEST {
        let message = "The concatenated message body exceeds the 1600 character limit";
        return Err(Refusal::new(21617, message));
    }
    if media_urls.len() > MOST_MEDIA {
        return Err(Refusal::new(21623, "Number of media files exceeds allowed limit"));
    }
    if media_urls.iter().any(|url| !is_web_address(url)) {
        return Err(Refusal::new(21620, "Invalid media URL(s)"));
    }
    if from == to {
        return Err(Refusal::new(21266, "'To' and 'From' number cannot be the same"));
    }
    if rows::number(&call.context.store().read()?, from)?.is_none() {
        let text = format!(
            "The 'From' phone number provided ({from}) is not a valid message-capable Twilio phone number for this destination."
        );
        return Err(Refusal::new(21606, text));
    }
    let status_callback = form.text("StatusCallback").map(str::to_owned);
    if status_callback.as_ref().is_some_and(|url| !is_web_address(url)) {
        return Err(Refusal::new(21609, "Invalid 'StatusCallback' URL"));
    }
    let draft = Draft {
        direction: "outbound-api",
        from: from.to_owned(),
        to: to.to_owned(),
        body: body.to_owned(),
        media: Vec::new(),
        media_urls,
        status_callback,
    };
    let context = call.context.clone();
    let write = move |transaction: &mut aloft_store::Transaction<'_>| {
        Ok::<_, Fault>(rows::add(transaction, &context, draft)?)
    };
    let message = call.context.store().write(write).await?;
    Ok((StatusCode::CREATED, shown(&call.account, &message)))
}

/// An address that a message may name. What stands before `@` in one is a secret that would be kept in plain sight.
pub(super) fn is_web_address(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
}

fn list(call: &Call<'_>) -> Answer {
    let form = &call.form;
    let (from, to) = (form.text("From"), form.text("To"));
    // `2026-11-23`, or `2026-11-23T10:00:00Z`: to the second; of the one that is no bound the day counts.
    let bound = |name: &str, length: usize| form.text(name).map(|text| text.get(..length).unwrap_or(text));
    let (on, before, after) = (bound("DateSent", 10), bound("DateSent<", 19), bound("DateSent>", 19));
    let is_wanted = |message: &Message| {
        let sent = message.sent.unwrap_or(message.created).iso8601();
        let so_far = |text: &str| sent.get(..text.len()).unwrap_or(&sent);
        from.is_none_or(|from| from == message.from)
            && to.is_none_or(|to| to == message.to)
            && on.is_none_or(|text| so_far(text) == text)
            && before.is_none_or(|text| so_far(text) <= text)
            && after.is_none_or(|text| so_far(text) >= text)
    };
    let found = rows::newest(&call.context.store().read()?, MOST, is_wanted)?;
    let items: Vec<Value> = found.iter().map(|message| shown(&call.account, message)).collect();
    let filters = ["From", "To", "DateSent", "DateSent<", "DateSent>"];
    let filters = filters.iter().filter_map(|name| Some(((*name).to_owned(), form.text(name)?.to_owned())));
    let mut filter = form::encode(&filters.collect::<Vec<_>>());
    if !filter.is_empty() {
        filter.push('&');
    }
    let uri = format!("{}/Messages.json", call.base());
    Ok((StatusCode::OK, call.page().show(&uri, &filter, "messages", &items)))
}

/// The body can be emptied, and nothing else changed.
async fn update(call: &Call<'_>, mut message: Message) -> Answer {
    if call.form.value("Body") != Some("") {
        let what = "updates of messages, but for emptying the body: all are delivered at once";
        return Err(Refusal::not_built(what));
    }
    message.body = String::new();
    message.updated = call.context.now();
    let changed = message.clone();
    let write = call.context.store().write(move |transaction| {
        rows::put(transaction, &changed)?;
        Ok::<_, Fault>(())
    });
    write.await?;
    Ok((StatusCode::OK, shown(&call.account, &message)))
}

/// `Wed, 18 Aug 2010 20:01:40 +0000`
pub(super) fn date(at: Timestamp) -> String {
    at.format("%a, %d %b %Y %H:%M:%S +0000")
}

/// A message as the API shows it.
pub(super) fn shown(account: &Account, message: &Message) -> Value {
    let uri = format!("{}/Messages/{}", super::api::base(account), message.sid);
    json!({
        "account_sid": account.sid,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": date(message.created),
        "date_sent": message.sent.map(date),
        "date_updated": date(message.updated),
        "direction": message.direction,
        // What an application's webhook did is no error of the message.
        "error_code": message.error.as_ref().filter(|_| message.direction != "inbound").map(|it| it.0),
        "error_message": message.error.as_ref().filter(|_| message.direction != "inbound").map(|it| it.1.clone()),
        "from": message.from,
        "messaging_service_sid": null,
        "num_media": message.media.len().max(message.media_urls.len()).to_string(),
        "num_segments": segments(&message.body).to_string(),
        "price": null,
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": { "media": format!("{uri}/Media.json") },
        "to": message.to,
        "uri": format!("{uri}.json"),
    })
}

/// The characters of GSM 03.38 beyond letters, digits and the signs that ASCII has in common with it.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// Those that take two places.
const GSM_LONG: &str = "^{}\\[~]|€\u{c}";

/// Into how many texts of 140 bytes a body is cut.
pub(super) fn segments(body: &str) -> usize {
    let width = |c: char| match c {
        _ if c.is_ascii_alphanumeric() || GSM.contains(c) => Some(1),
        _ if GSM_LONG.contains(c) => Some(2),
        _ => None,
    };
    let widths: Option<Vec<usize>> = body.chars().map(width).collect();
    let (length, single, each) = match widths {
        Some(widths) => (widths.iter().sum::<usize>(), 160, 153),
        None => (body.encode_utf16().count(), 70, 67),
    };
    if length <= single { 1 } else { length.div_ceil(each) }
}
