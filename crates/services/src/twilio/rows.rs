//! What is kept: the account, its numbers, and the messages in the order that they came.

use crate::storage::{Outcome, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_engine::timers::{self, Timer};
use aloft_store::{BlobId, Key, Keyspace, Snapshot, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::ops::Bound;

/// The account, when it is not the one that every local cloud has.
pub(super) const ACCOUNT: Keyspace = "twilio.account";
/// Numbers that applications answer at, by themselves.
pub(super) const NUMBERS: Keyspace = "twilio.numbers";
/// Messages by their number in the order.
pub(super) const MESSAGES: Keyspace = "twilio.messages";
/// The number in the order by a message's sid.
const SIDS: Keyspace = "twilio.sids";
/// So many messages are looked through for a list.
const MOST: usize = 20_000;

/// Who applications log in as.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Account {
    pub sid: String,
    /// Also what webhooks are signed with.
    pub token: String,
}

impl Default for Account {
    fn default() -> Self {
        Self { sid: format!("AC{}", "0".repeat(32)), token: "0".repeat(32) }
    }
}

/// A number that an application has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Number {
    pub sid: String,
    /// `+15550001`
    pub number: String,
    pub friendly_name: String,
    /// Who is told of a message; nobody when empty.
    pub sms_url: String,
    /// `GET` or `POST`.
    pub sms_method: String,
    /// Who is told when that one fails.
    pub sms_fallback_url: String,
    pub sms_fallback_method: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// Something that came with a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Media {
    pub sid: String,
    pub content_type: String,
    pub size: u64,
    pub blob: BlobId,
}

/// A message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    pub sid: String,
    pub sequence: u64,
    /// `inbound` (to an application), `outbound-api` or `outbound-reply`.
    pub direction: String,
    pub from: String,
    pub to: String,
    pub body: String,
    /// `queued`, `sent`, `delivered`, `failed`; `received` when inbound.
    pub status: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub sent: Option<Timestamp>,
    /// Twilio's code for what went wrong, and its name.
    pub error: Option<(u32, String)>,
    pub media: Vec<Media>,
    /// What is still to be fetched before it can be delivered.
    pub media_urls: Vec<String>,
    /// Who is told of its status.
    pub status_callback: Option<String>,
    /// How often its webhook could not be reached.
    pub attempts: u32,
    /// Whether its webhook was answered, or it was delivered.
    pub is_settled: bool,
}

/// What a new message is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub direction: &'static str,
    pub from: String,
    pub to: String,
    pub body: String,
    pub media: Vec<Media>,
    pub media_urls: Vec<String>,
    pub status_callback: Option<String>,
}

pub(super) fn account(rows: &impl Rows) -> Result<Account, StoreError> {
    Ok(rows.row(ACCOUNT, Key::default().as_ref())?.unwrap_or_default())
}

pub(super) fn number(rows: &impl Rows, number: &str) -> Result<Option<Number>, StoreError> {
    rows.row(NUMBERS, key([number]).as_ref())
}

pub(super) fn numbers(rows: &impl Rows) -> Result<Vec<Number>, StoreError> {
    let rows = rows.rows(NUMBERS, &[], MOST)?;
    rows.iter().map(|(_, value)| decode(NUMBERS, value)).collect()
}

/// The message of a sid.
pub(super) fn message(rows: &impl Rows, sid: &str) -> Result<Option<Message>, StoreError> {
    let Some(sequence) = rows.row::<u64>(SIDS, key([sid]).as_ref())? else { return Ok(None) };
    rows.row(MESSAGES, Key::default().number(sequence).as_ref())
}

/// The newest messages that are wanted, the newest first.
pub(super) fn newest(
    snapshot: &Snapshot,
    limit: usize,
    is_wanted: impl Fn(&Message) -> bool,
) -> Result<Vec<Message>, StoreError> {
    let rows = snapshot.range(MESSAGES, Bound::Unbounded, Bound::Unbounded, MOST, true)?;
    let mut found = Vec::new();
    for (_, value) in rows {
        let message: Message = decode(MESSAGES, &value)?;
        if is_wanted(&message) {
            found.push(message);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

pub(super) fn put(transaction: &mut Transaction<'_>, message: &Message) -> Result<(), StoreError> {
    transaction.put_json(MESSAGES, Key::default().number(message.sequence), message)
}

/// Forgets a message with all that came with it.
pub(super) fn delete(transaction: &mut Transaction<'_>, message: &Message) {
    transaction.delete(MESSAGES, Key::default().number(message.sequence));
    transaction.delete(SIDS, key([message.sid.as_str()]));
    message.media.iter().for_each(|media| transaction.discard(&media.blob));
}

/// Adds a message and the timer that has it dealt with.
pub(super) fn add(
    transaction: &mut Transaction<'_>,
    context: &Context,
    draft: Draft,
) -> Result<Message, StoreError> {
    let last = transaction.range(MESSAGES, Bound::Unbounded, Bound::Unbounded, 1, true)?;
    let sequence = match last.first() {
        Some((_, value)) => decode::<Message>(MESSAGES, value)?.sequence + 1,
        None => 1,
    };
    let has_media = !draft.media.is_empty() || !draft.media_urls.is_empty();
    let kind = if has_media { "MM" } else { "SM" };
    let is_inbound = draft.direction == "inbound";
    let now = context.now();
    let message = Message {
        sid: format!("{kind}{}", context.ids().hex(32)),
        sequence,
        direction: draft.direction.to_owned(),
        from: draft.from,
        to: draft.to,
        body: draft.body,
        status: if is_inbound { "received" } else { "queued" }.to_owned(),
        created: now,
        updated: now,
        sent: is_inbound.then_some(now),
        error: None,
        media: draft.media,
        media_urls: draft.media_urls,
        status_callback: draft.status_callback,
        attempts: 0,
        is_settled: false,
    };
    message.media.iter().for_each(|media| transaction.keep(&media.blob));
    transaction.put_json(SIDS, key([message.sid.as_str()]), &sequence)?;
    put(transaction, &message)?;
    remind(transaction, context, &message.sid, now)?;
    Ok(message)
}

/// Has a message dealt with at a time.
pub(super) fn remind(
    transaction: &mut Transaction<'_>,
    context: &Context,
    sid: &str,
    due: Timestamp,
) -> Result<(), StoreError> {
    let timer = Timer {
        service: "twilio".to_owned(),
        name: format!("message/{sid}"),
        due,
        account: context.account.clone(),
        region: context.region.clone(),
        payload: json!({ "sid": sid }),
    };
    timers::set(transaction, &timer)
}

/// Keeps bytes that came with a message; the transaction that adds the message makes it last.
pub(super) async fn store_media(
    context: &Context,
    content_type: String,
    bytes: bytes::Bytes,
) -> Outcome<Media> {
    let blobs = context.store().blobs().clone();
    let size = bytes.len() as u64;
    let done = tokio::task::spawn_blocking(move || blobs.put(&bytes)).await;
    let blob = done.unwrap_or_else(|error| Err(StoreError::Panicked(error.to_string())))?;
    Ok(Media { sid: format!("ME{}", context.ids().hex(32)), content_type, size, blob })
}
