//! Messages to applications: their webhook is told, and its answer becomes messages.
//!
//! An application hears of a message at least once: again when nobody answered at its address, or when the cloud ended before
//! the answer was kept. `I-Twilio-Idempotency-Token` is the same each time.

use super::Twilio;
use super::messages::segments;
use super::rows::{self, Account, Draft, Message, Number};
use super::twiml::{self, Verb};
use super::webhook::{self, Parameters, Silence};
use crate::gateway::request::media_type;
use crate::storage::{Fault, Outcome};
use aloft_engine::Context;
use std::time::Duration;

/// How often it is tried when nobody is there.
const ATTEMPTS: u32 = 5;
/// How long it waits in between.
const AGAIN: Duration = Duration::from_secs(2);
/// How many redirects are followed.
const REDIRECTS: usize = 10;

/// How a conversation with an application ended.
enum Told {
    Answered(Vec<Verb>),
    Failed(u32, String),
    Unreachable(String),
}

pub(super) async fn work(
    twilio: &Twilio,
    context: &Context,
    account: &Account,
    message: Message,
) -> Outcome<()> {
    let number = rows::number(&context.store().read()?, &message.to)?;
    let Some(number) = number.filter(|number| !number.sms_url.is_empty()) else {
        return settle(context, message, Vec::new(), None).await;
    };
    let told = tell(twilio, context, account, &number, &message).await;
    match told {
        Told::Answered(verbs) => settle(context, message, verbs, None).await,
        Told::Failed(code, text) => settle(context, message, Vec::new(), Some((code, text))).await,
        Told::Unreachable(_) if message.attempts + 1 < ATTEMPTS => try_again(context, message).await,
        Told::Unreachable(text) => {
            let error = (11205, format!("HTTP connection failure: {text}"));
            settle(context, message, Vec::new(), Some(error)).await
        }
    }
}

/// A message that a person sends.
pub(super) async fn send(context: &Context, draft: Draft) -> Outcome<Message> {
    let within = context.clone();
    let write =
        context.store().write(move |transaction| Ok::<_, Fault>(rows::add(transaction, &within, draft)?));
    write.await
}

/// What Twilio says of a message.
fn parameters(context: &Context, account: &Account, message: &Message) -> Parameters {
    let mut all = vec![
        ("AccountSid", account.sid.clone()),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("Body", message.body.clone()),
        ("From", message.from.clone()),
        ("MessageSid", message.sid.clone()),
        ("NumMedia", message.media.len().to_string()),
        ("NumSegments", segments(&message.body).to_string()),
        ("SmsMessageSid", message.sid.clone()),
        ("SmsSid", message.sid.clone()),
        ("SmsStatus", message.status.clone()),
        ("To", message.to.clone()),
    ];
    all.sort_by_key(|(name, _)| *name);
    let mut all: Parameters = all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for (at, media) in message.media.iter().enumerate() {
        let url = format!("{}{}", context.engine.endpoint(), super::media::path(account, message, media));
        all.push((format!("MediaContentType{at}"), media.content_type.clone()));
        all.push((format!("MediaUrl{at}"), url));
    }
    all.sort();
    all
}

/// Asks the webhook, then the one for failures.
async fn tell(
    twilio: &Twilio,
    context: &Context,
    account: &Account,
    number: &Number,
    message: &Message,
) -> Told {
    let parameters = parameters(context, account, message);
    let first = (number.sms_method.clone(), number.sms_url.clone());
    let told = follow(twilio, account, message, first, &parameters).await;
    let code = match &told {
        Told::Answered(_) => return told,
        Told::Failed(code, _) => *code,
        Told::Unreachable(_) => 11205,
    };
    if number.sms_fallback_url.is_empty() {
        return told;
    }
    let mut parameters = parameters;
    parameters.push(("ErrorCode".to_owned(), code.to_string()));
    parameters.push(("ErrorUrl".to_owned(), number.sms_url.clone()));
    parameters.sort();
    let second = (number.sms_fallback_method.clone(), number.sms_fallback_url.clone());
    match follow(twilio, account, message, second, &parameters).await {
        Told::Answered(verbs) => Told::Answered(verbs),
        Told::Failed(..) | Told::Unreachable(_) => told,
    }
}

/// Asks an address, and those that it refers to.
async fn follow(
    twilio: &Twilio,
    account: &Account,
    message: &Message,
    (mut method, mut url): (String, String),
    parameters: &Parameters,
) -> Told {
    let mut answered = Vec::new();
    for _ in 0..REDIRECTS {
        let answer = webhook::ask(twilio, account, (&method, &url), parameters, &message.sid).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(Silence::Unreachable(text)) => return Told::Unreachable(text),
            Err(Silence::TooSlow) => return Told::Failed(11200, format!("{url} did not answer in time")),
        };
        if !answer.status().is_success() {
            return Told::Failed(11200, format!("{url} answered {}", answer.status().as_u16()));
        }
        let kind = answer.headers().get(http::header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).map(media_type).unwrap_or_default();
        let verbs = match twiml::parse(&kind, answer.body()) {
            Ok(verbs) => verbs,
            Err((code, text)) => return Told::Failed(code, text),
        };
        let mut next = None;
        for verb in verbs {
            match verb {
                // What stands behind a redirect is not reached.
                Verb::Redirect { method, url } => {
                    next = Some((method, url));
                    break;
                }
                message @ Verb::Message { .. } => answered.push(message),
            }
        }
        match next {
            Some((then, there)) => {
                url = absolute(&url, &there);
                method = then;
            }
            None => return Told::Answered(answered),
        }
    }
    Told::Failed(11201, "Too many redirects".to_owned())
}

/// An address that another one refers to: whole, from the root, or beside it.
fn absolute(from: &str, to: &str) -> String {
    if to.contains("://") {
        return to.to_owned();
    }
    let path = from.split(['?', '#']).next().unwrap_or(from);
    let host_end = path.find("://").map_or(0, |at| at + 3);
    let root_end = path[host_end..].find('/').map_or(path.len(), |at| host_end + at);
    if to.starts_with('/') {
        return format!("{}{to}", &path[..root_end]);
    }
    let folder = path.rfind('/').filter(|at| *at >= root_end).map_or(path, |at| &path[..at]);
    format!("{folder}/{to}")
}

async fn try_again(context: &Context, message: Message) -> Outcome<()> {
    let due = context.now().add(AGAIN);
    let within = context.clone();
    let write = context.store().write(move |transaction| {
        if let Some(mut message) = rows::message(transaction, &message.sid)? {
            message.attempts += 1;
            rows::put(transaction, &message)?;
            rows::remind(transaction, &within, &message.sid, due)?;
        }
        Ok::<_, Fault>(())
    });
    write.await
}

/// Keeps how it went, with the messages that the application answered.
async fn settle(
    context: &Context,
    message: Message,
    verbs: Vec<Verb>,
    error: Option<(u32, String)>,
) -> Outcome<()> {
    let within = context.clone();
    let write = context.store().write(move |transaction| {
        let Some(mut message) = rows::message(transaction, &message.sid)? else { return Ok(()) };
        if message.is_settled {
            return Ok(());
        }
        message.is_settled = true;
        message.error = error;
        message.updated = within.now();
        rows::put(transaction, &message)?;
        for verb in verbs {
            let Verb::Message { body, media, from, to, status_callback } = verb else { continue };
            let draft = Draft {
                direction: "outbound-reply",
                from: from.unwrap_or_else(|| message.to.clone()),
                to: to.unwrap_or_else(|| message.from.clone()),
                body,
                media: Vec::new(),
                media_urls: media,
                status_callback,
            };
            rows::add(transaction, &within, draft)?;
        }
        Ok::<_, Fault>(())
    });
    write.await
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn redirects_are_relative_to_where_they_stand() {
        for (from, to, expected) in [
            ("http://a/b/c?d=1", "http://e/f", "http://e/f"),
            ("http://a:1/b/c?d=1", "/f", "http://a:1/f"),
            ("http://a/b/c?d=/1", "f?g", "http://a/b/f?g"),
            ("http://a", "f", "http://a/f"),
            ("http://a", "/f", "http://a/f"),
        ] {
            assert_eq!(absolute(from, to), expected);
        }
    }
}
