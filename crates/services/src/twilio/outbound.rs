//! Messages from applications: what they bring along is fetched, then they are on the phone.

use super::Twilio;
use super::rows::{self, Account, Media, Message};
use super::webhook::{self, Parameters, Silence};
use crate::gateway::request::media_type;
use crate::storage::{Fault, Outcome};
use aloft_engine::Context;
use http::{HeaderMap, Method};

/// The most bytes of what comes with a message.
pub(super) const LARGEST: usize = 5 * 1024 * 1024;

pub(super) async fn work(
    twilio: &Twilio,
    context: &Context,
    account: &Account,
    message: Message,
) -> Outcome<()> {
    let mut fetched = Vec::new();
    let mut error = None;
    for url in &message.media_urls {
        match fetch(twilio, context, url).await? {
            Ok(media) => fetched.push(media),
            Err(reason) => error = Some(reason),
        }
    }
    let (status, steps): (&str, &[&str]) =
        if error.is_some() { ("failed", &["failed"]) } else { ("delivered", &["sent", "delivered"]) };
    if let Some(url) = &message.status_callback {
        for step in steps {
            let parameters = parameters(account, &message, step, error.as_ref().map(|(code, _)| *code));
            // Nobody waits for what is said to this.
            let asked = webhook::ask(twilio, account, ("POST", url), &parameters, &message.sid).await;
            if let Err(silence) = asked {
                tracing::warn!(sid = message.sid, ?silence, "a status callback was not heard");
            }
        }
    }
    let within = context.clone();
    let write = context.store().write(move |transaction| {
        let Some(mut message) = rows::message(transaction, &message.sid)?.filter(|it| !it.is_settled) else {
            fetched.iter().for_each(|media: &Media| transaction.discard(&media.blob));
            return Ok(());
        };
        fetched.iter().for_each(|media| transaction.keep(&media.blob));
        let now = within.now();
        message.media.extend(fetched);
        message.media_urls.clear();
        message.is_settled = true;
        message.error = error;
        status.clone_into(&mut message.status);
        (message.updated, message.sent) = (now, Some(now));
        rows::put(transaction, &message)?;
        Ok::<_, Fault>(())
    });
    write.await
}

/// What an application is told of a message that it sent.
fn parameters(account: &Account, message: &Message, status: &str, error: Option<u32>) -> Parameters {
    let mut all = vec![
        ("AccountSid", account.sid.clone()),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("From", message.from.clone()),
        ("MessageSid", message.sid.clone()),
        ("MessageStatus", status.to_owned()),
        ("SmsSid", message.sid.clone()),
        ("SmsStatus", status.to_owned()),
        ("To", message.to.clone()),
    ];
    all.extend(error.map(|code| ("ErrorCode", code.to_string())));
    let mut all: Parameters = all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    all.sort();
    all
}

/// Something to send along; the inner error is Twilio's code and what is wrong.
async fn fetch(twilio: &Twilio, context: &Context, url: &str) -> Outcome<Result<Media, (u32, String)>> {
    let answer = webhook::fetch(twilio, Method::GET, url, HeaderMap::new(), bytes::Bytes::new()).await;
    let answer = match answer {
        Ok(answer) if answer.status().is_success() => answer,
        Ok(answer) => return Ok(Err((11200, format!("{url} answered {}", answer.status().as_u16())))),
        Err(Silence::Unreachable(text)) => return Ok(Err((11200, text))),
        Err(Silence::TooSlow) => return Ok(Err((11200, format!("{url} did not answer in time")))),
    };
    let kind = answer.headers().get(http::header::CONTENT_TYPE);
    let Some(kind) = kind.and_then(|kind| kind.to_str().ok()).map(media_type).filter(|it| is_media_type(it))
    else {
        return Ok(Err((12300, format!("Invalid Content-Type: {url} tells none"))));
    };
    let body = answer.into_body();
    if body.len() > LARGEST {
        return Ok(Err((11751, "Media exceeds messaging provider size limits".to_owned())));
    }
    Ok(Ok(rows::store_media(context, kind, body).await?))
}

/// `image/jpeg`
pub(super) fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    text.split_once('/').is_some_and(|(kind, rest)| is_token(kind) && is_token(rest))
}
