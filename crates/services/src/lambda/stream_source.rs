//! What is read from streams: the shards and records of DynamoDB and of Kinesis, in one form.

use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_lang::pattern::Pattern;
use aloft_store::Keyspace;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A stream of records.
#[derive(Clone, Debug)]
pub(super) struct Source {
    kind: Kind,
    /// As the mapping names it: of Kinesis, perhaps a consumer.
    pub arn: String,
    /// The role that the records of Kinesis name.
    pub role: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    DynamoDb,
    Kinesis,
}

/// Where reading goes on. They sort in the order in which they are reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Position {
    /// With the oldest record that is there.
    Oldest,
    /// With the first record of that time or later.
    Time(Timestamp),
    /// With the record behind this sequence number.
    After(String),
}

/// A shard, and those that must be read before it.
pub(super) struct Shard {
    pub id: String,
    pub parents: Vec<String>,
}

/// A record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub sequence: String,
    pub at: Timestamp,
    /// As the function sees it.
    pub event: Value,
    /// What keeps its order among others.
    key: String,
}

/// Records that follow each other.
pub(super) struct Page {
    pub records: Vec<Record>,
    /// Whether nothing will come behind them.
    pub is_last: bool,
}

impl Source {
    /// The source of that ARN, if it is a stream.
    pub fn of(arn: &str, role: &str) -> Option<Self> {
        let kind = match arn.split(':').nth(2)? {
            "dynamodb" if arn.contains("/stream/") => Kind::DynamoDb,
            "kinesis" if arn.contains(":stream/") => Kind::Kinesis,
            _ => return None,
        };
        Some(Self { kind, arn: arn.to_owned(), role: role.to_owned() })
    }

    pub fn is_kinesis(&self) -> bool {
        self.kind == Kind::Kinesis
    }

    fn service(&self) -> &'static str {
        match self.kind {
            Kind::DynamoDb => "dynamodbstreams",
            Kind::Kinesis => "kinesis",
        }
    }

    /// Changes when any stream of the kind has new records: only a wake-up, the stream is read through its own API.
    pub fn wakes(&self) -> Keyspace {
        match self.kind {
            Kind::DynamoDb => crate::dynamodb::stream::RECORDS,
            Kind::Kinesis => crate::kinesis::RECORDS,
        }
    }

    /// The stream itself.
    fn stream(&self) -> &str {
        self.arn.split("/consumer/").next().unwrap_or(&self.arn)
    }

    /// The name of a failed batch's description in the record for a destination.
    pub fn batch_info(&self) -> &'static str {
        match self.kind {
            Kind::DynamoDb => "DDBStreamBatchInfo",
            Kind::Kinesis => "KinesisBatchInfo",
        }
    }

    /// All shards.
    pub async fn shards(&self, context: &Context) -> Result<Vec<Shard>, ServiceError> {
        let (operation, input) = match self.kind {
            Kind::DynamoDb => ("DescribeStream", json!({ "StreamArn": self.stream() })),
            Kind::Kinesis => ("ListShards", json!({ "StreamARN": self.stream(), "MaxResults": 10_000 })),
        };
        let answer = context.call(self.service(), operation, input).await?;
        let list = answer.get("Shards").unwrap_or(&answer["StreamDescription"]["Shards"]);
        let text = |shard: &Value, name: &str| shard[name].as_str().map(str::to_owned);
        let read = |shard: &Value| Shard {
            id: text(shard, "ShardId").unwrap_or_default(),
            parents: ["ParentShardId", "AdjacentParentShardId"]
                .into_iter()
                .filter_map(|name| text(shard, name))
                .collect(),
        };
        Ok(list.as_array().into_iter().flatten().map(read).collect())
    }

    async fn iterator(
        &self,
        context: &Context,
        shard: &str,
        position: &Position,
    ) -> Result<Value, ServiceError> {
        let name = if self.is_kinesis() { "StreamARN" } else { "StreamArn" };
        let mut input = json!({ name: self.stream(), "ShardId": shard });
        match position {
            Position::Oldest => input["ShardIteratorType"] = "TRIM_HORIZON".into(),
            Position::Time(time) => {
                input["ShardIteratorType"] = "AT_TIMESTAMP".into();
                input["Timestamp"] = time.as_seconds_f64().into();
            }
            Position::After(number) => {
                input["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
                let name = if self.is_kinesis() { "StartingSequenceNumber" } else { "SequenceNumber" };
                input[name] = number.clone().into();
            }
        }
        let answer = context.call(self.service(), "GetShardIterator", input).await;
        match answer {
            // What came next has been trimmed away.
            Err(error) if error.code == "TrimmedDataAccessException" => {
                Box::pin(self.iterator(context, shard, &Position::Oldest)).await
            }
            other => Ok(other?["ShardIterator"].clone()),
        }
    }

    /// The records from a position on.
    pub async fn records(
        &self,
        context: &Context,
        shard: &str,
        position: &Position,
        limit: usize,
    ) -> Result<Page, ServiceError> {
        let iterator = self.iterator(context, shard, position).await?;
        let input = json!({ "ShardIterator": iterator, "Limit": limit.clamp(1, 1000) });
        let answer = context.call(self.service(), "GetRecords", input).await?;
        let records = answer["Records"].as_array().into_iter().flatten();
        let records = records.map(|record| self.read(context, shard, record)).collect();
        Ok(Page { records, is_last: answer["NextShardIterator"].is_null() })
    }

    fn read(&self, context: &Context, shard: &str, record: &Value) -> Record {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |value: &Value| Timestamp::from_seconds_f64(value.as_f64().unwrap_or_default());
        match self.kind {
            Kind::DynamoDb => {
                let mut event = record.clone();
                event["eventSourceARN"] = self.arn.clone().into();
                let change = &record["dynamodb"];
                Record {
                    sequence: text(&change["SequenceNumber"]),
                    at: time(&change["ApproximateCreationDateTime"]),
                    key: change["Keys"].to_string(),
                    event,
                }
            }
            Kind::Kinesis => {
                let sequence = text(&record["SequenceNumber"]);
                let event = json!({
                    "kinesis": {
                        "kinesisSchemaVersion": "1.0",
                        "partitionKey": record["PartitionKey"],
                        "sequenceNumber": sequence,
                        "data": record["Data"],
                        "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
                    },
                    "eventSource": "aws:kinesis",
                    "eventVersion": "1.0",
                    "eventID": format!("{shard}:{sequence}"),
                    "eventName": "aws:kinesis:record",
                    "invokeIdentityArn": self.role,
                    "awsRegion": context.region,
                    "eventSourceARN": self.arn,
                });
                let at = time(&record["ApproximateArrivalTimestamp"]);
                Record { sequence, at, key: text(&record["PartitionKey"]), event }
            }
        }
    }
}

impl Record {
    /// Which of so many lanes it belongs to: records of one key are in one lane.
    pub fn lane(&self, lanes: u64) -> u64 {
        let digest = Sha256::digest(self.key.as_bytes());
        digest.first_chunk().map_or(0, |bytes: &[u8; 8]| u64::from_be_bytes(*bytes)) % lanes.max(1)
    }

    /// Whether it matches one of the patterns, if there are any. The data of Kinesis is matched as what it encodes.
    pub fn passes(&self, filters: &[Pattern]) -> bool {
        if filters.is_empty() {
            return true;
        }
        let Some(data) = self.event["kinesis"]["data"].as_str() else {
            return filters.iter().any(|filter| filter.matches(&self.event));
        };
        let mut seen = self.event["kinesis"].clone();
        let bytes = BASE64.decode(data).unwrap_or_default();
        seen["data"] = match serde_json::from_slice(&bytes) {
            Ok(parsed @ (Value::Object(_) | Value::Array(_))) => parsed,
            _ => String::from_utf8_lossy(&bytes).into(),
        };
        filters.iter().any(|filter| filter.matches(&seen))
    }
}
