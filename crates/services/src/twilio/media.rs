//! What came with messages: listed, fetched, deleted, and the bytes themselves.

use super::api::{Answer, Call, json_response};
use super::errors::Refusal;
use super::messages::date;
use super::rows::{self, Account, Media, Message};
use crate::storage::Fault;
use aloft_engine::{Body, Context, HttpResponse};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

pub(super) fn all(call: &Call<'_>, message: &str) -> Answer {
    let message = find(call.context, message)?.ok_or_else(|| call.not_found())?;
    if call.method != Method::GET {
        return Err(Refusal::not_allowed());
    }
    let items: Vec<Value> = message.media.iter().map(|media| shown(&call.account, &message, media)).collect();
    let uri = format!("{}/Messages/{}/Media.json", call.base(), message.sid);
    Ok((StatusCode::OK, call.page().show(&uri, "", "media_list", &items)))
}

pub(super) async fn one(call: &Call<'_>, message: &str, sid: &str) -> Answer {
    let mut message = find(call.context, message)?.ok_or_else(|| call.not_found())?;
    let at = message.media.iter().position(|media| media.sid == sid).ok_or_else(|| call.not_found())?;
    match call.method {
        Method::GET => Ok((StatusCode::OK, shown(&call.account, &message, &message.media[at]))),
        Method::DELETE => {
            let write = call.context.store().write(move |transaction| {
                let gone = message.media.remove(at);
                transaction.discard(&gone.blob);
                rows::put(transaction, &message)?;
                Ok::<_, Fault>(())
            });
            write.await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => Err(Refusal::not_allowed()),
    }
}

fn find(context: &Context, message: &str) -> Result<Option<Message>, Refusal> {
    Ok(rows::message(&context.store().read()?, message)?)
}

fn shown(account: &Account, message: &Message, media: &Media) -> Value {
    json!({
        "account_sid": account.sid,
        "content_type": media.content_type,
        "date_created": date(message.created),
        "date_updated": date(message.updated),
        "parent_sid": message.sid,
        "sid": media.sid,
        "uri": format!("{}.json", path(account, message, media)),
    })
}

/// Where the bytes are, below the cloud's address.
pub(super) fn path(account: &Account, message: &Message, media: &Media) -> String {
    format!("{}/Messages/{}/Media/{}", super::api::base(account), message.sid, media.sid)
}

/// The bytes. Whoever sent them chose them, so a browser must not take them for a page of ours.
pub(super) async fn content(context: &Context, account: &str, message: &str, sid: &str) -> HttpResponse {
    match read(context, account, message, sid).await {
        Ok((media, bytes)) => {
            let mut response = HttpResponse::new(Body::Bytes(bytes.into()));
            let headers = response.headers_mut();
            let kind = HeaderValue::from_str(&media.content_type);
            headers.insert(
                header::CONTENT_TYPE,
                kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
            );
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; sandbox"),
            );
            response
        }
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            json_response(status, &refusal.json())
        }
    }
}

async fn read(
    context: &Context,
    account: &str,
    message: &str,
    sid: &str,
) -> Result<(Media, Vec<u8>), Refusal> {
    let path = format!("/2010-04-01/Accounts/{account}/Messages/{message}/Media/{sid}");
    let snapshot = context.store().read()?;
    if rows::account(&snapshot)?.sid != account {
        return Err(Refusal::not_found(&path));
    }
    let found = rows::message(&snapshot, message)?;
    let media = found.and_then(|message| message.media.into_iter().find(|media| media.sid == sid));
    let media = media.ok_or_else(|| Refusal::not_found(&path))?;
    let (blobs, blob) = (context.store().blobs().clone(), media.blob.clone());
    let done = tokio::task::spawn_blocking(move || blobs.read_all(&blob)).await;
    let bytes = done.unwrap_or_else(|error| Err(aloft_store::StoreError::Panicked(error.to_string())))?;
    Ok((media, bytes))
}
