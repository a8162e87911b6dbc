//! The operations on queues themselves.

use super::queue::{Address, QUEUES, Queue};
use super::send::DEDUPLICATION;
use super::{Sqs, attributes, errors, messages, moves};
use crate::storage::Outcome;
use aloft_base::AccountId;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Transaction, key};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How many tags a queue may have.
const MOST_TAGS: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default, rename = "tags")]
    tags: BTreeMap<String, String>,
}

/// `CreateQueue`: one that is there already is given back when it is not asked to be different.
pub(super) async fn create(_: &Sqs, context: &Context, input: Create) -> Outcome<Value> {
    check_name(&input.queue_name, &input.attributes)?;
    let now = context.now();
    let wanted = Queue {
        account: context.account.clone(),
        region: context.region.clone(),
        name: input.queue_name,
        id: context.ids().hex(16),
        attributes: BTreeMap::new(),
        tags: input.tags,
        created: now,
        modified: now,
    };
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Queue> {
        if let Some(queue) = transaction.get_json::<Queue>(QUEUES, wanted.address().key())? {
            return match attributes::first_difference(&queue, &input.attributes) {
                Some(name) => Err(errors::queue_exists(name).into()),
                None => Ok(queue),
            };
        }
        let mut queue = wanted;
        attributes::apply(transaction, &mut queue, &input.attributes, true)?;
        check_tags(&queue.tags)?;
        queue.save(transaction)?;
        Ok(queue)
    };
    let queue = context.store().write(write).await?;
    Ok(json!({ "QueueUrl": queue.url(context) }))
}

fn check_name(name: &str, attributes: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    let fifo = attributes.get("FifoQueue").is_some_and(|value| value == "true");
    let stem = name.strip_suffix(".fifo");
    let fits = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    match stem {
        Some(stem) if fifo && fits(stem) && name.len() <= 80 => Ok(()),
        None if !fifo && fits(name) && name.len() <= 80 => Ok(()),
        _ if fifo => Err(attributes::fifo_name()),
        _ => {
            let message =
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
            Err(errors::invalid_parameter(message))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetUrl {
    queue_name: String,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<String>,
}

/// `GetQueueUrl`
pub(super) async fn get_url(_: &Sqs, context: &Context, input: GetUrl) -> Outcome<Value> {
    let account = match &input.owner {
        Some(owner) => AccountId::new(owner).ok_or_else(errors::no_queue)?,
        None => context.account.clone(),
    };
    let address = Address { account, region: context.region.clone(), name: input.queue_name };
    let queue = address.find(&context.store().read()?)?;
    Ok(json!({ "QueueUrl": queue.url(context) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    queue_name_prefix: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// `ListQueues`
pub(super) async fn list(_: &Sqs, context: &Context, input: List) -> Outcome<Value> {
    let prefix = input.queue_name_prefix.unwrap_or_default();
    let rows = context.store().read()?.scan_json::<Queue>(
        QUEUES,
        key([context.account.as_str(), context.region.as_str()]),
        usize::MAX,
    )?;
    let queues = rows.into_iter().map(|(_, queue)| queue).filter(|queue| queue.name.starts_with(&prefix));
    let urls: Vec<String> = queues.map(|queue| queue.url(context)).collect();
    let (page, next) = crate::page::of(urls, input.max_results.unwrap_or(1000), input.next_token.as_deref());
    let mut answer = json!({});
    if !page.is_empty() {
        answer["QueueUrls"] = page.into();
    }
    // Without a limit of the caller's own AWS gives the first thousand and no token.
    if let (Some(next), true) = (next, input.max_results.is_some()) {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    queue_url: String,
}

/// `DeleteQueue`
pub(super) async fn delete(_: &Sqs, context: &Context, input: Named) -> Outcome<()> {
    let address = Address::of_url(context, &input.queue_url)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let queue = address.load(transaction)?;
        messages::clear(transaction, &queue)?;
        DEDUPLICATION.forget(transaction, &queue.id)?;
        moves::forget(transaction, &queue)?;
        transaction.delete(QUEUES, address.key());
        Ok(())
    };
    context.store().write(write).await
}

/// `PurgeQueue`
pub(super) async fn purge(_: &Sqs, context: &Context, input: Named) -> Outcome<()> {
    let address = Address::of_url(context, &input.queue_url)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let queue = address.load(transaction)?;
        Ok(messages::clear(transaction, &queue)?)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetAttributes {
    queue_url: String,
    attributes: BTreeMap<String, String>,
}

/// `SetQueueAttributes`
pub(super) async fn set_attributes(_: &Sqs, context: &Context, input: SetAttributes) -> Outcome<()> {
    let (address, now) = (Address::of_url(context, &input.queue_url)?, context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut queue = address.load(transaction)?;
        attributes::apply(transaction, &mut queue, &input.attributes, false)?;
        queue.modified = now;
        Ok(queue.save(transaction)?)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetAttributes {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

/// `GetQueueAttributes`
pub(super) async fn get_attributes(_: &Sqs, context: &Context, input: GetAttributes) -> Outcome<Value> {
    let snapshot = context.store().read()?;
    let queue = Address::of_url(context, &input.queue_url)?.find(&snapshot)?;
    let asked = input.attribute_names;
    if let Some(name) =
        asked.iter().find(|name| *name != "All" && !attributes::names().any(|known| known == *name))
    {
        return Err(errors::unknown_attribute(name).into());
    }
    let wanted = |name: &str| asked.iter().any(|asked| asked == name || asked == "All");
    let counts = if attributes::READ_ONLY.iter().any(|name| name.starts_with("Approximate") && wanted(name)) {
        messages::count(&snapshot, &queue, context.now())?
    } else {
        messages::Counts::default()
    };
    let value = |name: &str| match name {
        "ApproximateNumberOfMessages" => Some(counts.visible.to_string()),
        "ApproximateNumberOfMessagesDelayed" => Some(counts.delayed.to_string()),
        "ApproximateNumberOfMessagesNotVisible" => Some(counts.in_flight.to_string()),
        "CreatedTimestamp" => Some(queue.created.seconds().to_string()),
        "LastModifiedTimestamp" => Some(queue.modified.seconds().to_string()),
        "QueueArn" => Some(queue.arn()),
        _ => queue.attribute(name).map(str::to_owned),
    };
    let told = attributes::names().filter(|name| wanted(name));
    let told: Map<String, Value> =
        told.filter_map(|name| Some((name.to_owned(), value(name)?.into()))).collect();
    Ok(if told.is_empty() { json!({}) } else { json!({ "Attributes": told }) })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    queue_url: String,
    tags: BTreeMap<String, String>,
}

/// `TagQueue`
pub(super) async fn tag(_: &Sqs, context: &Context, input: Tag) -> Outcome<()> {
    let address = Address::of_url(context, &input.queue_url)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut queue = address.load(transaction)?;
        queue.tags.extend(input.tags);
        check_tags(&queue.tags)?;
        Ok(queue.save(transaction)?)
    };
    context.store().write(write).await
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    let fits = |(key, value): (&String, &String)| {
        (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256
    };
    if tags.len() > MOST_TAGS {
        return Err(errors::invalid_parameter(format!("Too many tags: a queue may have {MOST_TAGS}.")));
    }
    match tags.iter().find(|tag| !fits(*tag)) {
        Some((key, _)) => Err(errors::invalid_parameter(format!(
            "Tag {key} is invalid: keys have 1 to 128 characters, values at most 256."
        ))),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Untag {
    queue_url: String,
    tag_keys: Vec<String>,
}

/// `UntagQueue`
pub(super) async fn untag(_: &Sqs, context: &Context, input: Untag) -> Outcome<()> {
    let address = Address::of_url(context, &input.queue_url)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut queue = address.load(transaction)?;
        queue.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(queue.save(transaction)?)
    };
    context.store().write(write).await
}

/// `ListQueueTags`
pub(super) async fn list_tags(_: &Sqs, context: &Context, input: Named) -> Outcome<Value> {
    let queue = Address::of_url(context, &input.queue_url)?.find(&context.store().read()?)?;
    Ok(if queue.tags.is_empty() { json!({}) } else { json!({ "Tags": queue.tags }) })
}
