//! The operations of event source mappings: which queue's messages or which stream's records a function gets.

use super::Lambda;
use super::errors::{conflict, invalid, nothing_there, refuse};
use super::functions::{read, scope, with_marker};
use super::mapping::{MAPPINGS, Mapping, NOT_BUILT, Put, StreamSettings, check_members_for_queue};
use super::name::Name;
use super::rows::Version;
use super::stream_rows::{self, Beginning};
use super::stream_source::Source;
use crate::page;
use crate::storage::{Fault, decode};
use aloft_base::Arn;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

/// `CreateEventSourceMapping`
pub(super) async fn create(lambda: &Lambda, context: &Context, params: Value) -> Result<Value, ServiceError> {
    refuse(&params, NOT_BUILT)?;
    let input: Put = read(params.clone())?;
    let source = input.event_source_arn.clone().ok_or_else(|| invalid("Unrecognized event source."))?;
    let arn: Arn = source.parse().map_err(|_| invalid("Unrecognized event source."))?;
    let function = Name::parse(context, input.function_name.as_deref().unwrap_or_default(), None)?;
    let mut mapping = Mapping::new(context.ids().uuid(), function, source, context.now());
    match arn.service.as_str() {
        "sqs" => {
            check_members_for_queue(&params)?;
            check_queue(context, &arn, &mapping.function).await?;
        }
        "dynamodb" | "kinesis" if Source::of(&mapping.source, "").is_some() => {
            if params["StartingPosition"].as_str().is_none() {
                return Err(invalid(
                    "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
                ));
            }
            mapping.batch_size = 100;
            mapping.stream = Some(StreamSettings::default());
        }
        other => {
            return Err(invalid(format!(
                "The local cloud has event source mappings for SQS queues, DynamoDB streams and Kinesis streams, not for {other}: {}",
                mapping.source
            )));
        }
    }
    input.apply(&mut mapping)?;
    let beginning = match (&mapping.stream, Source::of(&mapping.source, "")) {
        (Some(stream), Some(source)) => stream_rows::begin(context, &source, stream).await?,
        _ => Beginning::new(),
    };
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
        stream_rows::save(transaction, &new, &beginning)?;
        Ok(transaction.put_json(MAPPINGS, new.key(), &new)?)
    };
    context.store().write(write).await?;
    let running = lambda.running()?;
    running.pollers.set(&context.engine, running, &mapping).await;
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
    let input: Put = read(params.clone())?;
    let place = scope(context).text(input.id.as_deref().unwrap_or_default());
    let function = input.function_name.as_deref().map(|text| Name::parse(context, text, None)).transpose()?;
    let now = context.now();
    let write = move |transaction: &mut Transaction<'_>| -> Result<Mapping, Fault> {
        let mut mapping: Mapping = transaction.get_json(MAPPINGS, &place)?.ok_or_else(nothing_there)?;
        if mapping.stream.is_none() {
            check_members_for_queue(&params)?;
        }
        if let Some(function) = function {
            Version::named(transaction, &function)?;
            mapping.function = function;
        }
        let lanes = mapping.lanes();
        input.apply(&mut mapping)?;
        mapping.modified = now;
        if mapping.lanes() != lanes {
            stream_rows::spread(transaction, &mapping)?;
        }
        transaction.put_json(MAPPINGS, &place, &mapping)?;
        Ok(mapping)
    };
    let mapping = context.store().write(write).await?;
    let running = lambda.running()?;
    running.pollers.set(&context.engine, running, &mapping).await;
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
        stream_rows::forget(transaction, &mapping.id)?;
        Ok(mapping)
    };
    let mapping = context.store().write(write).await?;
    lambda.running()?.pollers.stop(&mapping.id).await;
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
