//! Event source mappings: which queue's messages a function gets, and how many at once.

use super::Lambda;
use super::errors::{conflict, invalid, nothing_there, refuse};
use super::functions::{read, scope, with_marker};
use super::name::Name;
use super::rows::Version;
use crate::page;
use crate::storage::{Fault, decode};
use aloft_base::{AccountId, Arn, Region, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_lang::pattern::Pattern;
use aloft_store::{Key, Keyspace, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Mappings by account, region and identifier.
pub(super) const MAPPINGS: Keyspace = "lambda.mappings";

/// What only sources have that are not built, or what only they need.
const NOT_BUILT: &[&str] = &[
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
    /// Patterns as text; a message must match one of them.
    pub filters: Vec<String>,
    pub response_types: Vec<String>,
    pub most_at_once: Option<usize>,
    modified: Timestamp,
}

impl Mapping {
    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.id])
    }

    pub fn reports_failures(&self) -> bool {
        self.response_types.iter().any(|it| it == "ReportBatchItemFailures")
    }

    fn tell(&self, state: Option<&str>) -> Value {
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
        told
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    #[serde(rename = "UUID")]
    id: Option<String>,
    event_source_arn: Option<String>,
    function_name: Option<String>,
    enabled: Option<bool>,
    batch_size: Option<usize>,
    maximum_batching_window_in_seconds: Option<u64>,
    filter_criteria: Option<Criteria>,
    scaling_config: Option<Scaling>,
    function_response_types: Option<Vec<String>>,
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

impl Put {
    /// Lays what was asked for over a mapping.
    fn apply(self, mapping: &mut Mapping) -> Result<(), ServiceError> {
        let fifo = mapping.source.ends_with(".fifo");
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
        let most = if fifo { 10 } else { 10_000 };
        if mapping.batch_size == 0 || mapping.batch_size > most {
            return Err(invalid(format!("Batch size must be between 1 and {most} for this event source.")));
        }
        if fifo && mapping.window_seconds > 0 {
            return Err(invalid(
                "Unsupported source parameter : MaximumBatchingWindowInSeconds for given event source mapping source.",
            ));
        }
        if mapping.batch_size > 10 && mapping.window_seconds == 0 {
            return Err(invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            ));
        }
        if mapping.most_at_once.is_some_and(|most| !(2..=1000).contains(&most)) {
            return Err(invalid("MaximumConcurrency must be between 2 and 1000."));
        }
        if mapping.filters.len() > 10 {
            return Err(invalid("Number of filters cannot be greater than 10."));
        }
        for filter in &mapping.filters {
            Pattern::parse_text(filter)
                .map_err(|error| invalid(format!("Invalid filter pattern definition. {error}")))?;
        }
        Ok(())
    }
}

/// `CreateEventSourceMapping`
pub(super) async fn create(lambda: &Lambda, context: &Context, params: Value) -> Result<Value, ServiceError> {
    refuse(&params, NOT_BUILT)?;
    let input: Put = read(params.clone())?;
    let source = input.event_source_arn.clone().ok_or_else(|| invalid("Unrecognized event source."))?;
    let arn: Arn = source.parse().map_err(|_| invalid("Unrecognized event source."))?;
    if arn.service != "sqs" {
        return Err(invalid(format!(
            "The local cloud has event source mappings for SQS queues only so far, not for {source}."
        )));
    }
    if let Some(name) = STREAMS_ONLY.iter().find(|name| !params[**name].is_null()) {
        return Err(invalid(format!("{name} is not valid for SQS event sources.")));
    }
    let function = Name::parse(context, input.function_name.as_deref().unwrap_or_default(), None)?;
    check_queue(context, &arn, &function).await?;
    let mut mapping = Mapping {
        id: context.ids().uuid(),
        account: context.account.clone(),
        region: context.region.clone(),
        function,
        source,
        enabled: true,
        batch_size: 10,
        window_seconds: 0,
        filters: Vec::new(),
        response_types: Vec::new(),
        most_at_once: None,
        modified: context.now(),
    };
    input.apply(&mut mapping)?;
    let (new, scope) = (mapping.clone(), scope(context));
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        Version::named(transaction, &new.function)?;
        for (_, row) in transaction.scan(MAPPINGS, scope, usize::MAX)? {
            let other: Mapping = decode(MAPPINGS, &row)?;
            if other.source == new.source && other.function == new.function {
                return Err(conflict(format!(
                    "The event source arn (\" {} \") and function (\" {} \") provided mapping already exists. Please update or delete the existing mapping with UUID {}",
                    new.source, new.function.function.name, other.id
                ))
                .into());
            }
        }
        Ok(transaction.put_json(MAPPINGS, new.key(), &new)?)
    };
    context.store().write(write).await?;
    let running = lambda.running()?;
    running.pollers.set(&context.engine, running, &mapping);
    Ok(mapping.tell(Some("Creating")))
}

/// Whether the queue is there, and hides messages for as long as the function may take.
async fn check_queue(context: &Context, arn: &Arn, function: &Name) -> Result<(), ServiceError> {
    let timeout = Version::named(&context.store().read().map_err(Fault::from)?, function)?.settings.timeout;
    let queue = context.as_service("lambda").within(arn);
    let url = crate::target::queue_url(&queue, &arn.to_string());
    let input = json!({ "QueueUrl": url, "AttributeNames": ["VisibilityTimeout"] });
    let answer = queue.call("sqs", "GetQueueAttributes", input).await.map_err(|error| {
        invalid(format!(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: {}",
            error.message
        ))
    })?;
    let hidden: u32 =
        answer["Attributes"]["VisibilityTimeout"].as_str().and_then(|text| text.parse().ok()).unwrap_or(30);
    if hidden < timeout {
        return Err(invalid(format!(
            "Queue visibility timeout: {hidden} seconds is less than Function timeout: {timeout} seconds"
        )));
    }
    Ok(())
}

/// `UpdateEventSourceMapping`
pub(super) async fn update(lambda: &Lambda, context: &Context, params: Value) -> Result<Value, ServiceError> {
    refuse(&params, NOT_BUILT)?;
    refuse(&params, STREAMS_ONLY)?;
    let input: Put = read(params)?;
    let place = scope(context).text(input.id.as_deref().unwrap_or_default());
    let function = input.function_name.as_deref().map(|text| Name::parse(context, text, None)).transpose()?;
    let now = context.now();
    let write = move |transaction: &mut Transaction<'_>| -> Result<Mapping, Fault> {
        let mut mapping: Mapping = transaction.get_json(MAPPINGS, &place)?.ok_or_else(nothing_there)?;
        if let Some(function) = function {
            Version::named(transaction, &function)?;
            mapping.function = function;
        }
        input.apply(&mut mapping)?;
        mapping.modified = now;
        transaction.put_json(MAPPINGS, &place, &mapping)?;
        Ok(mapping)
    };
    let mapping = context.store().write(write).await?;
    let running = lambda.running()?;
    running.pollers.set(&context.engine, running, &mapping);
    Ok(mapping.tell(Some("Updating")))
}

#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(rename = "UUID")]
    id: String,
}

/// `GetEventSourceMapping`
pub(super) async fn get(_: &Lambda, context: &Context, input: Which) -> Result<Value, Fault> {
    let found: Option<Mapping> =
        context.store().read()?.get_json(MAPPINGS, scope(context).text(&input.id))?;
    Ok(found.ok_or_else(nothing_there)?.tell(None))
}

/// `DeleteEventSourceMapping`
pub(super) async fn delete(lambda: &Lambda, context: &Context, input: Which) -> Result<Value, ServiceError> {
    let place = scope(context).text(&input.id);
    let write = move |transaction: &mut Transaction<'_>| -> Result<Mapping, Fault> {
        let mapping: Mapping = transaction.get_json(MAPPINGS, &place)?.ok_or_else(nothing_there)?;
        transaction.delete(MAPPINGS, &place);
        Ok(mapping)
    };
    let mapping = context.store().write(write).await?;
    lambda.running()?.pollers.stop(&mapping.id);
    Ok(mapping.tell(Some("Deleting")))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    event_source_arn: Option<String>,
    function_name: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `ListEventSourceMappings`
pub(super) async fn list(_: &Lambda, context: &Context, input: List) -> Result<Value, Fault> {
    let function = input.function_name.as_deref().map(|text| Name::parse(context, text, None)).transpose()?;
    let mut told = Vec::new();
    for (_, row) in context.store().read()?.scan(MAPPINGS, scope(context), usize::MAX)? {
        let mapping: Mapping = decode(MAPPINGS, &row)?;
        if input.event_source_arn.as_ref().is_none_or(|arn| *arn == mapping.source)
            && function.as_ref().is_none_or(|name| *name == mapping.function)
        {
            told.push(mapping.tell(None));
        }
    }
    let (page, next) = page::of(told, input.max_items.unwrap_or(100).min(100), input.marker.as_deref());
    Ok(with_marker(json!({ "EventSourceMappings": page }), next))
}
