//! Consumers: readers with a name of their own.

use super::Kinesis;
use super::stream::{Address, Which, in_use, invalid, not_found};
use crate::page;
use crate::storage::{Fault, Rows, decode};
use aloft_base::{Arn, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Keyspace, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Consumers by stream and name.
const CONSUMERS: Keyspace = "kinesis.consumers";
/// The most consumers of a stream.
const MOST: usize = 20;

/// A consumer.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Consumer {
    name: String,
    arn: String,
    created: Timestamp,
}

impl Consumer {
    fn tell(&self) -> Value {
        json!({
            "ConsumerName": self.name,
            "ConsumerARN": self.arn,
            "ConsumerStatus": "ACTIVE",
            "ConsumerCreationTimestamp": self.created.as_seconds_f64(),
        })
    }
}

/// How many consumers a stream has.
pub(super) fn count(rows: &impl Rows, address: &Address) -> Result<usize, StoreError> {
    Ok(rows.rows(CONSUMERS, address.key().as_ref(), usize::MAX)?.len())
}

/// Drops the consumers of a stream.
pub(super) fn forget(transaction: &mut Transaction<'_>, address: &Address) -> Result<(), StoreError> {
    transaction.delete_prefix(CONSUMERS, address.key()).map(drop)
}

/// The stream and the name in a consumer's ARN: `stream/name/consumer/consumer:1750000000`.
fn parse(context: &Context, text: &str) -> Result<(Address, String), ServiceError> {
    let wrong = || invalid(format!("{text} is not the ARN of a consumer."));
    let arn: Arn = text.parse().map_err(|_| wrong())?;
    let (_, rest) = arn.resource.split_once("/consumer/").ok_or_else(wrong)?;
    let name = rest.split(':').next().unwrap_or_default().to_owned();
    Ok((Address::of_arn(context, text)?, name))
}

fn missing(text: &str) -> ServiceError {
    not_found(format!("Consumer {text} not found."))
}

/// The stream of a consumer that is there.
pub(super) fn stream_of(rows: &impl Rows, context: &Context, arn: &str) -> Result<Address, Fault> {
    let (address, name) = parse(context, arn)?;
    let found: Option<Consumer> = rows.row(CONSUMERS, address.key().text(&name).as_ref())?;
    match found {
        Some(consumer) if consumer.arn == arn => Ok(address),
        _ => Err(missing(arn).into()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Register {
    #[serde(rename = "StreamARN")]
    arn: String,
    consumer_name: String,
}

/// `RegisterStreamConsumer`
pub(super) async fn register(_: &Kinesis, context: &Context, input: Register) -> Result<Value, Fault> {
    let (address, now) = (Address::of_arn(context, &input.arn)?, context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        let stream = address.find(transaction)?;
        let place = address.key().text(&input.consumer_name);
        if transaction.get(CONSUMERS, &place)?.is_some() {
            return Err(in_use(format!(
                "Consumer {} on stream {} already exists.",
                input.consumer_name, stream.name
            ))
            .into());
        }
        if count(transaction, &address)? >= MOST {
            let message = format!("A stream has at most {MOST} consumers.");
            return Err(ServiceError::new("LimitExceededException", 400, message).into());
        }
        let arn = format!("{}/consumer/{}:{}", stream.arn(), input.consumer_name, now.seconds());
        let consumer = Consumer { name: input.consumer_name, arn, created: now };
        transaction.put_json(CONSUMERS, place, &consumer)?;
        Ok(json!({ "Consumer": consumer.tell() }))
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
pub(super) struct Named {
    #[serde(rename = "StreamARN")]
    stream: Option<String>,
    #[serde(rename = "ConsumerName")]
    name: Option<String>,
    #[serde(rename = "ConsumerARN")]
    arn: Option<String>,
}

impl Named {
    fn find(&self, context: &Context) -> Result<(Address, String), ServiceError> {
        match (&self.arn, &self.stream, &self.name) {
            (Some(arn), _, _) => parse(context, arn),
            (None, Some(stream), Some(name)) => Ok((Address::of_arn(context, stream)?, name.clone())),
            _ => Err(invalid("Either ConsumerARN or both StreamARN and ConsumerName must be provided.")),
        }
    }
}

/// `DescribeStreamConsumer`
pub(super) async fn describe(_: &Kinesis, context: &Context, input: Named) -> Result<Value, Fault> {
    let (address, name) = input.find(context)?;
    let snapshot = context.store().read()?;
    let stream = address.find(&snapshot)?;
    let found: Option<Consumer> = snapshot.get_json(CONSUMERS, address.key().text(&name))?;
    let mut told = found.ok_or_else(|| missing(&name))?.tell();
    told["StreamARN"] = stream.arn().into();
    Ok(json!({ "ConsumerDescription": told }))
}

/// `DeregisterStreamConsumer`
pub(super) async fn deregister(_: &Kinesis, context: &Context, input: Named) -> Result<(), Fault> {
    let (address, name) = input.find(context)?;
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let place = address.key().text(&name);
        if transaction.get(CONSUMERS, &place)?.is_none() {
            return Err(missing(&name).into());
        }
        transaction.delete(CONSUMERS, place);
        Ok(())
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    #[serde(flatten)]
    which: Which,
    next_token: Option<String>,
    max_results: Option<usize>,
}

/// `ListStreamConsumers`
pub(super) async fn list(_: &Kinesis, context: &Context, input: List) -> Result<Value, Fault> {
    let address = input.which.address(context)?;
    let snapshot = context.store().read()?;
    address.find(&snapshot)?;
    let rows = snapshot.scan(CONSUMERS, address.key(), usize::MAX)?;
    let all: Vec<Value> = rows
        .iter()
        .map(|(_, row)| Ok(decode::<Consumer>(CONSUMERS, row)?.tell()))
        .collect::<Result<_, StoreError>>()?;
    let (page, next) = page::of(all, input.max_results.unwrap_or(100), input.next_token.as_deref());
    let mut told = json!({ "Consumers": page });
    if let Some(next) = next {
        told["NextToken"] = next.into();
    }
    Ok(told)
}
