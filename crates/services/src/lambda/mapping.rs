//! What an event source mapping is: its row, what may be set, how it is told.

use super::errors::{invalid, refuse};
use super::name::Name;
use super::settings::check_target;
use aloft_base::{AccountId, Arn, Region, Timestamp};
use aloft_engine::ServiceError;
use aloft_lang::pattern::Pattern;
use aloft_store::{Key, Keyspace, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Mappings by account, region and identifier.
pub(super) const MAPPINGS: Keyspace = "lambda.mappings";

/// What only sources have that are not built, or what is not built for any.
pub(super) const NOT_BUILT: &[&str] = &[
    "AmazonManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "ProvisionedPollerConfig",
    "Queues",
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "SourceAccessConfigurations",
    "Topics",
];

/// What queues do not have.
const STREAMS_ONLY: &[&str] = &[
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
];

/// A mapping.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mapping {
    pub id: String,
    pub account: AccountId,
    pub region: Region,
    pub function: Name,
    pub source: String,
    pub enabled: bool,
    pub batch_size: usize,
    pub window_seconds: u64,
    /// Patterns as text; a record must match one of them.
    pub filters: Vec<String>,
    pub response_types: Vec<String>,
    /// Of a queue: how many batches may run at once.
    pub most_at_once: Option<usize>,
    /// What a stream has beyond a queue.
    pub stream: Option<StreamSettings>,
    pub modified: Timestamp,
}

/// How a stream is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StreamSettings {
    pub starting_position: String,
    /// When it is `AT_TIMESTAMP`.
    #[serde(default)]
    pub starting_time: Option<Timestamp>,
    pub bisect: bool,
    /// How old a record may become; for ever when absent.
    pub age_seconds: Option<u64>,
    /// How often a batch that failed is tried again; for ever when absent.
    pub retries: Option<u32>,
    pub on_failure: Option<String>,
    /// How many batches of a shard run at once, each with keys of its own.
    pub parallelization: u64,
    /// How long a tumbling window is; 0 for none.
    #[serde(default)]
    pub tumbling_seconds: u64,
}

impl Default for StreamSettings {
    fn default() -> Self {
        let starting_position = "LATEST".to_owned();
        Self {
            starting_position,
            starting_time: None,
            bisect: false,
            age_seconds: None,
            retries: None,
            on_failure: None,
            parallelization: 1,
            tumbling_seconds: 0,
        }
    }
}

impl Mapping {
    pub fn new(id: String, function: Name, source: String, now: Timestamp) -> Self {
        Self {
            id,
            account: function.function.account.clone(),
            region: function.function.region.clone(),
            function,
            source,
            enabled: true,
            batch_size: 10,
            window_seconds: 0,
            filters: Vec::new(),
            response_types: Vec::new(),
            most_at_once: None,
            stream: None,
            modified: now,
        }
    }

    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.id])
    }

    /// How many batches of one shard run at once.
    pub fn lanes(&self) -> u64 {
        self.stream.as_ref().map_or(1, |stream| stream.parallelization.max(1))
    }

    pub fn reports_failures(&self) -> bool {
        self.response_types.iter().any(|it| it == "ReportBatchItemFailures")
    }

    /// The filters, compiled.
    pub fn patterns(&self) -> Vec<Pattern> {
        self.filters.iter().filter_map(|it| Pattern::parse_text(it).ok()).collect()
    }

    /// As the API tells it; `state` is what it is on the way to.
    pub fn tell(&self, state: Option<&str>) -> Value {
        let arn =
            Arn::new("lambda", &self.region, &self.account, format!("event-source-mapping:{}", self.id));
        let mut told = json!({
            "UUID": self.id,
            "BatchSize": self.batch_size,
            "MaximumBatchingWindowInSeconds": self.window_seconds,
            "EventSourceArn": self.source,
            "FunctionArn": self.function.arn(),
            "LastModified": self.modified.as_seconds_f64(),
            "State": state.unwrap_or(if self.enabled { "Enabled" } else { "Disabled" }),
            "StateTransitionReason": "USER_INITIATED",
            "FunctionResponseTypes": self.response_types,
            "EventSourceMappingArn": arn.to_string(),
        });
        if !self.filters.is_empty() {
            let filters = self.filters.iter().map(|it| json!({ "Pattern": it }));
            told["FilterCriteria"] = json!({ "Filters": filters.collect::<Vec<_>>() });
        }
        if let Some(most) = self.most_at_once {
            told["ScalingConfig"] = json!({ "MaximumConcurrency": most });
        }
        if let Some(stream) = &self.stream {
            told["StartingPosition"] = stream.starting_position.clone().into();
            told["BisectBatchOnFunctionError"] = stream.bisect.into();
            told["MaximumRecordAgeInSeconds"] = stream.age_seconds.map_or(json!(-1), |age| json!(age));
            told["MaximumRetryAttempts"] = stream.retries.map_or(json!(-1), |retries| json!(retries));
            told["ParallelizationFactor"] = stream.parallelization.into();
            told["TumblingWindowInSeconds"] = stream.tumbling_seconds.into();
            if let Some(time) = stream.starting_time {
                told["StartingPositionTimestamp"] = time.as_seconds_f64().into();
            }
            told["DestinationConfig"] = json!({ "OnFailure": {} });
            if let Some(arn) = &stream.on_failure {
                told["DestinationConfig"]["OnFailure"]["Destination"] = arn.clone().into();
            }
        }
        told
    }
}

/// What is asked for, of a new mapping or a change.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    #[serde(rename = "UUID")]
    pub id: Option<String>,
    pub event_source_arn: Option<String>,
    pub function_name: Option<String>,
    enabled: Option<bool>,
    batch_size: Option<usize>,
    maximum_batching_window_in_seconds: Option<u64>,
    filter_criteria: Option<Criteria>,
    scaling_config: Option<Scaling>,
    function_response_types: Option<Vec<String>>,
    starting_position: Option<String>,
    starting_position_timestamp: Option<f64>,
    bisect_batch_on_function_error: Option<bool>,
    maximum_record_age_in_seconds: Option<i64>,
    maximum_retry_attempts: Option<i64>,
    parallelization_factor: Option<u64>,
    tumbling_window_in_seconds: Option<u64>,
    destination_config: Option<Destinations>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Criteria {
    filters: Vec<Filter>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Filter {
    pattern: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Scaling {
    maximum_concurrency: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Destinations {
    on_failure: Option<Destination>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Destination {
    destination: Option<String>,
}

/// Refuses what a queue's mapping cannot have.
pub(super) fn check_members_for_queue(params: &Value) -> Result<(), ServiceError> {
    match STREAMS_ONLY.iter().find(|name| refuse(params, &[name]).is_err()) {
        Some(name) => Err(invalid(format!("{name} is not valid for SQS event sources."))),
        None => Ok(()),
    }
}

impl Put {
    /// Lays what is asked for over a mapping, and checks the whole.
    pub fn apply(self, mapping: &mut Mapping) -> Result<(), ServiceError> {
        mapping.enabled = self.enabled.unwrap_or(mapping.enabled);
        mapping.batch_size = self.batch_size.unwrap_or(mapping.batch_size);
        mapping.window_seconds = self.maximum_batching_window_in_seconds.unwrap_or(mapping.window_seconds);
        if let Some(criteria) = self.filter_criteria {
            mapping.filters = criteria.filters.into_iter().filter_map(|it| it.pattern).collect();
        }
        if let Some(scaling) = self.scaling_config {
            mapping.most_at_once = scaling.maximum_concurrency;
        }
        if let Some(types) = self.function_response_types {
            mapping.response_types = types;
        }
        if let Some(stream) = &mut mapping.stream {
            stream.starting_position =
                self.starting_position.unwrap_or_else(|| stream.starting_position.clone());
            stream.starting_time =
                self.starting_position_timestamp.map(Timestamp::from_seconds_f64).or(stream.starting_time);
            stream.tumbling_seconds = self.tumbling_window_in_seconds.unwrap_or(stream.tumbling_seconds);
            stream.bisect = self.bisect_batch_on_function_error.unwrap_or(stream.bisect);
            stream.parallelization = self.parallelization_factor.unwrap_or(stream.parallelization);
            // -1 is for ever.
            if let Some(age) = self.maximum_record_age_in_seconds {
                stream.age_seconds = u64::try_from(age).ok();
            }
            if let Some(retries) = self.maximum_retry_attempts {
                stream.retries = u32::try_from(retries).ok();
            }
            if let Some(destinations) = self.destination_config {
                let destination = destinations.on_failure.unwrap_or_default().destination;
                stream.on_failure = destination.filter(|arn| !arn.is_empty());
            }
        }
        mapping.check()
    }
}

impl Mapping {
    fn check(&self) -> Result<(), ServiceError> {
        let fifo = self.source.ends_with(".fifo");
        let most = if fifo { 10 } else { 10_000 };
        if self.batch_size == 0 || self.batch_size > most {
            return Err(invalid(format!("Batch size must be between 1 and {most} for this event source.")));
        }
        if fifo && self.window_seconds > 0 {
            return Err(invalid(
                "Unsupported source parameter : MaximumBatchingWindowInSeconds for given event source mapping source.",
            ));
        }
        if self.stream.is_none() && self.batch_size > 10 && self.window_seconds == 0 {
            return Err(invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            ));
        }
        if self.most_at_once.is_some_and(|most| self.stream.is_some() || !(2..=1000).contains(&most)) {
            return Err(invalid("MaximumConcurrency is for SQS event sources, and between 2 and 1000."));
        }
        if self.filters.len() > 10 {
            return Err(invalid("Number of filters cannot be greater than 10."));
        }
        for filter in &self.filters {
            Pattern::parse_text(filter)
                .map_err(|error| invalid(format!("Invalid filter pattern definition. {error}")))?;
        }
        if let Some(stream) = &self.stream {
            let is_timed = stream.starting_position == "AT_TIMESTAMP";
            if is_timed != stream.starting_time.is_some() {
                return Err(invalid(
                    "StartingPositionTimestamp must be set if and only if StartingPosition is AT_TIMESTAMP.",
                ));
            }
            if is_timed && !self.source.contains(":kinesis:") {
                return Err(invalid("Unsupported starting position for event source type: AT_TIMESTAMP"));
            }
        }
        if let Some(StreamSettings { on_failure: Some(arn), .. }) = &self.stream {
            check_target(arn, &["s3", "sns", "sqs"])?;
        }
        Ok(())
    }
}
