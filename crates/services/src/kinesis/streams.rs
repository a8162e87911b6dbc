//! Creating, describing, listing, changing and deleting streams.

use super::Kinesis;
use super::records;
use super::stream::{Address, Range, STREAMS, Shard, Stream, Which, in_use, invalid};
use super::{consumers, shards};
use crate::storage::{Fault, decode};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{StoreError, Transaction, key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many shards a stream has that grows by itself.
const ON_DEMAND_SHARDS: u64 = 4;
/// The hours that records are kept: at least, and at most.
const RETENTION: std::ops::RangeInclusive<u64> = 24..=8760;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    stream_name: String,
    shard_count: Option<u64>,
    stream_mode_details: Option<Mode>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mode {
    stream_mode: String,
}

/// `CreateStream`
pub(super) async fn create(_: &Kinesis, context: &Context, input: Create) -> Result<(), Fault> {
    let mode = input.stream_mode_details.map_or_else(|| "PROVISIONED".to_owned(), |it| it.stream_mode);
    let count = match (mode.as_str(), input.shard_count) {
        ("ON_DEMAND", Some(_)) => {
            return Err(invalid("ShardCount must not be set when the stream mode is ON_DEMAND.").into());
        }
        ("ON_DEMAND", None) => ON_DEMAND_SHARDS,
        (_, None) => {
            return Err(
                ServiceError::validation("ShardCount must not be null for PROVISIONED streams.").into()
            );
        }
        (_, Some(count)) if count > shards::MOST as u64 => {
            let message = format!("This request would exceed the shard limit of {}.", shards::MOST);
            return Err(ServiceError::new("LimitExceededException", 400, message).into());
        }
        (_, Some(count)) => count,
    };
    let now = context.now();
    let mut stream = Stream {
        id: context.ids().uuid(),
        name: input.stream_name,
        account: context.account.clone(),
        region: context.region.clone(),
        created: now,
        mode,
        retention_hours: *RETENTION.start(),
        shards: Vec::new(),
        tags: input.tags,
        encryption_key: None,
        metrics: Vec::new(),
    };
    for range in Range::even(count) {
        stream.open(range, Vec::new(), 1, now);
    }
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        if transaction.get(STREAMS, stream.key())?.is_some() {
            let (name, account) = (&stream.name, &stream.account);
            return Err(in_use(format!("Stream {name} under account {account} already exists.")).into());
        }
        Ok(stream.save(transaction)?)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    #[serde(flatten)]
    which: Which,
    #[serde(default)]
    enforce_consumer_deletion: bool,
}

/// `DeleteStream`
pub(super) async fn delete(_: &Kinesis, context: &Context, input: Delete) -> Result<(), Fault> {
    let address = input.which.address(context)?;
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let stream = address.find(transaction)?;
        if consumers::count(transaction, &address)? > 0 && !input.enforce_consumer_deletion {
            let (name, account) = (&stream.name, &stream.account);
            let message = format!("Stream {name} under account {account} has consumers.");
            return Err(in_use(message).into());
        }
        consumers::forget(transaction, &address)?;
        records::forget(transaction, &stream)?;
        transaction.delete(STREAMS, address.key());
        Ok(())
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(flatten)]
    which: Which,
    limit: Option<usize>,
    exclusive_start_shard_id: Option<String>,
}

/// `DescribeStream`
pub(super) async fn describe(_: &Kinesis, context: &Context, input: Describe) -> Result<Value, Fault> {
    let stream = input.which.address(context)?.find(&context.store().read()?)?;
    let after = input.exclusive_start_shard_id.unwrap_or_default();
    let mut shards = stream.shards.iter().filter(|shard| shard.id() > after);
    let page: Vec<Value> = shards.by_ref().take(input.limit.unwrap_or(100)).map(Shard::tell).collect();
    let mut told = stream.tell();
    told["Shards"] = json!(page);
    told["HasMoreShards"] = shards.next().is_some().into();
    Ok(json!({ "StreamDescription": told }))
}

/// `DescribeStreamSummary`
pub(super) async fn summary(_: &Kinesis, context: &Context, which: Which) -> Result<Value, Fault> {
    let (snapshot, address) = (context.store().read()?, which.address(context)?);
    let stream = address.find(&snapshot)?;
    let mut told = stream.tell();
    told["OpenShardCount"] = stream.open_shards().count().into();
    told["ConsumerCount"] = consumers::count(&snapshot, &address)?.into();
    Ok(json!({ "StreamDescriptionSummary": told }))
}

/// All streams of the caller.
fn all(context: &Context) -> Result<Vec<Stream>, StoreError> {
    let scope = key([context.account.as_str(), context.region.as_str()]);
    let rows = context.store().read()?.scan(STREAMS, scope, usize::MAX)?;
    rows.iter().map(|(_, row)| decode(STREAMS, row)).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    limit: Option<usize>,
    exclusive_start_stream_name: Option<String>,
    next_token: Option<String>,
}

/// `ListStreams`
pub(super) async fn list(_: &Kinesis, context: &Context, input: List) -> Result<Value, Fault> {
    let token = input.next_token.and_then(|token| String::from_utf8(BASE64.decode(token).ok()?).ok());
    let after = token.or(input.exclusive_start_stream_name).unwrap_or_default();
    let all = all(context)?;
    let mut streams = all.iter().filter(|stream| stream.name > after);
    let page: Vec<&Stream> = streams.by_ref().take(input.limit.unwrap_or(100)).collect();
    let more = streams.next().is_some();
    let tell = |stream: &&Stream| {
        json!({
            "StreamName": stream.name,
            "StreamARN": stream.arn(),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": { "StreamMode": stream.mode },
            "StreamCreationTimestamp": stream.created.as_seconds_f64(),
        })
    };
    let mut told = json!({
        "StreamNames": page.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(),
        "HasMoreStreams": more,
        "StreamSummaries": page.iter().map(tell).collect::<Vec<_>>(),
    });
    if let (true, Some(last)) = (more, page.last()) {
        told["NextToken"] = BASE64.encode(&last.name).into();
    }
    Ok(told)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShards {
    #[serde(flatten)]
    which: Which,
    next_token: Option<String>,
    exclusive_start_shard_id: Option<String>,
    max_results: Option<usize>,
    shard_filter: Option<Filter>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    r#type: String,
    shard_id: Option<String>,
    timestamp: Option<f64>,
}

/// Where a list of shards goes on.
#[derive(Deserialize, Serialize)]
struct Token {
    arn: String,
    after: String,
    filter: Option<Filter>,
}

impl Filter {
    /// Whether a shard is among those asked for; `horizon` is when the oldest record was made that can be read.
    fn takes(&self, shard: &Shard, horizon: Timestamp) -> Result<bool, ServiceError> {
        let is_open_at = |time: Timestamp| shard.opened <= time && shard.closed.is_none_or(|it| it > time);
        let is_open_after = |time: Timestamp| shard.closed.is_none_or(|it| it > time);
        let time = || {
            let seconds = self.timestamp.ok_or_else(|| invalid("The shard filter needs a timestamp."))?;
            Ok::<_, ServiceError>(Timestamp::from_seconds_f64(seconds))
        };
        Ok(match self.r#type.as_str() {
            "AFTER_SHARD_ID" => Some(shard.id()) > self.shard_id,
            "AT_LATEST" => shard.closed.is_none(),
            "AT_TIMESTAMP" => is_open_at(time()?),
            "AT_TRIM_HORIZON" => is_open_at(horizon.max(shard.opened)) && shard.parents.is_empty(),
            "FROM_TIMESTAMP" => is_open_after(time()?),
            _ => true,
        })
    }
}

/// `ListShards`
pub(super) async fn list_shards(_: &Kinesis, context: &Context, input: ListShards) -> Result<Value, Fault> {
    let token = input.next_token.as_deref().map(|text| {
        let bytes = BASE64.decode(text).ok();
        let token: Option<Token> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        token.ok_or_else(|| ServiceError::new("ExpiredNextTokenException", 400, "Invalid NextToken."))
    });
    let (address, after, filter) = match token.transpose()? {
        Some(token) => (Address::of_arn(context, &token.arn)?, token.after, token.filter),
        None => {
            let after = input.exclusive_start_shard_id.unwrap_or_default();
            (input.which.address(context)?, after, input.shard_filter)
        }
    };
    let stream = address.find(&context.store().read()?)?;
    let kept = i64::try_from(stream.retention().as_millis()).unwrap_or(i64::MAX);
    let horizon = Timestamp(context.now().millis().saturating_sub(kept));
    let mut taken = Vec::new();
    for shard in stream.shards.iter().filter(|shard| shard.id() > after) {
        if filter.as_ref().map_or(Ok(true), |filter| filter.takes(shard, horizon))? {
            taken.push(shard);
        }
    }
    let limit = input.max_results.unwrap_or(1000);
    let mut told = json!({ "Shards": taken.iter().take(limit).map(|it| it.tell()).collect::<Vec<_>>() });
    if let Some(last) = taken.get(limit.saturating_sub(1)).filter(|_| taken.len() > limit) {
        let token = Token { arn: stream.arn(), after: last.id(), filter };
        told["NextToken"] = BASE64.encode(json!(token).to_string()).into();
    }
    Ok(told)
}

/// Changes a stream.
async fn change<T: Send + 'static>(
    context: &Context,
    address: Address,
    work: impl FnOnce(&mut Stream) -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, Fault> {
    let now = context.now();
    let write = move |transaction: &mut Transaction<'_>| -> Result<T, Fault> {
        let mut stream = address.find(transaction)?;
        let retention = stream.retention_hours;
        let told = work(&mut stream)?;
        stream.save(transaction)?;
        if stream.retention_hours < retention {
            records::set_timer(transaction, &stream, now)?;
        }
        Ok(told)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Retention {
    #[serde(flatten)]
    which: Which,
    retention_period_hours: u64,
}

async fn set_retention(context: &Context, input: Retention, increase: bool) -> Result<(), Fault> {
    let hours = input.retention_period_hours;
    change(context, input.which.address(context)?, move |stream| {
        let word = if increase { "greater" } else { "less" };
        let fits = if increase { hours >= stream.retention_hours } else { hours <= stream.retention_hours };
        if !RETENTION.contains(&hours) || !fits {
            return Err(invalid(format!(
                "Requested retention period ({hours} hours) for stream {} must be {word} than or equal to the current one ({} hours), and between {} and {} hours.",
                stream.name, stream.retention_hours, RETENTION.start(), RETENTION.end()
            )));
        }
        stream.retention_hours = hours;
        Ok(())
    })
    .await
}

/// `IncreaseStreamRetentionPeriod`
pub(super) async fn increase_retention(
    _: &Kinesis,
    context: &Context,
    input: Retention,
) -> Result<(), Fault> {
    set_retention(context, input, true).await
}

/// `DecreaseStreamRetentionPeriod`
pub(super) async fn decrease_retention(
    _: &Kinesis,
    context: &Context,
    input: Retention,
) -> Result<(), Fault> {
    set_retention(context, input, false).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateMode {
    #[serde(rename = "StreamARN")]
    arn: String,
    stream_mode_details: Mode,
}

/// `UpdateStreamMode`
pub(super) async fn update_mode(_: &Kinesis, context: &Context, input: UpdateMode) -> Result<(), Fault> {
    let address = Address::of_arn(context, &input.arn)?;
    change(context, address, |stream| {
        stream.mode = input.stream_mode_details.stream_mode;
        Ok(())
    })
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Encrypt {
    #[serde(flatten)]
    which: Which,
    key_id: String,
}

/// `StartStreamEncryption`
pub(super) async fn encrypt(_: &Kinesis, context: &Context, input: Encrypt) -> Result<(), Fault> {
    change(context, input.which.address(context)?, |stream| {
        stream.encryption_key = Some(input.key_id);
        Ok(())
    })
    .await
}

/// `StopStreamEncryption`
pub(super) async fn decrypt(_: &Kinesis, context: &Context, input: Encrypt) -> Result<(), Fault> {
    change(context, input.which.address(context)?, |stream| {
        stream.encryption_key = None;
        Ok(())
    })
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Monitoring {
    #[serde(flatten)]
    which: Which,
    shard_level_metrics: Vec<String>,
}

const METRICS: [&str; 7] = [
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
];

async fn set_monitoring(context: &Context, input: Monitoring, on: bool) -> Result<Value, Fault> {
    change(context, input.which.address(context)?, move |stream| {
        let all = input.shard_level_metrics.iter().any(|name| name == "ALL");
        let named = |name: &&str| all || input.shard_level_metrics.iter().any(|it| it == name);
        let before = stream.metrics.clone();
        let is_on = |name: &&str| if named(name) { on } else { before.iter().any(|it| it == name) };
        stream.metrics = METRICS.iter().filter(|name| is_on(name)).map(|name| (*name).to_owned()).collect();
        Ok(json!({
            "StreamName": stream.name,
            "StreamARN": stream.arn(),
            "CurrentShardLevelMetrics": before,
            "DesiredShardLevelMetrics": stream.metrics,
        }))
    })
    .await
}

/// `EnableEnhancedMonitoring`
pub(super) async fn enable_monitoring(
    _: &Kinesis,
    context: &Context,
    input: Monitoring,
) -> Result<Value, Fault> {
    set_monitoring(context, input, true).await
}

/// `DisableEnhancedMonitoring`
pub(super) async fn disable_monitoring(
    _: &Kinesis,
    context: &Context,
    input: Monitoring,
) -> Result<Value, Fault> {
    set_monitoring(context, input, false).await
}

/// `DescribeLimits`
pub(super) async fn limits(_: &Kinesis, context: &Context, _: Value) -> Result<Value, Fault> {
    let all = all(context)?;
    Ok(json!({
        "ShardLimit": shards::MOST,
        "OpenShardCount": all.iter().map(|stream| stream.open_shards().count()).sum::<usize>(),
        "OnDemandStreamCount": all.iter().filter(|stream| stream.mode == "ON_DEMAND").count(),
        "OnDemandStreamCountLimit": 50,
    }))
}
