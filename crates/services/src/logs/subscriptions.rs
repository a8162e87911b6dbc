//! Subscription filters: which lines of a group go to which function or stream.

use super::Logs;
use super::forward;
use super::pattern::Pattern;
use super::rows::{GroupName, invalid};
use crate::page;
use crate::storage::Outcome;
use aloft_base::{Arn, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Keyspace, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Filters by account, region, group and name.
pub(super) const FILTERS: Keyspace = "logs.subscriptions";
/// How many filters a group may have.
const MOST: usize = 2;

/// A subscription filter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Filter {
    pub name: String,
    pub pattern: String,
    /// The ARN of a function or a stream.
    pub destination: String,
    pub role: Option<String>,
    pub distribution: String,
    pub created: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Put {
    log_group_name: String,
    filter_name: String,
    filter_pattern: String,
    destination_arn: String,
    role_arn: Option<String>,
    distribution: Option<String>,
    field_selection_criteria: Option<String>,
    #[serde(default)]
    emit_system_fields: Vec<String>,
}

/// `PutSubscriptionFilter`: one of the same name is replaced.
pub(super) async fn put(_: &Logs, context: &Context, input: Put) -> Outcome<()> {
    if input.field_selection_criteria.is_some() || !input.emit_system_fields.is_empty() {
        return Err(not_built("fieldSelectionCriteria and emitSystemFields of subscription filters").into());
    }
    Pattern::parse(&input.filter_pattern).map_err(invalid)?;
    let group = GroupName::of(context, &input.log_group_name);
    group.find(context).await?;
    check(context, &group, &input).await?;
    let filter = Filter {
        name: input.filter_name,
        pattern: input.filter_pattern,
        destination: input.destination_arn,
        role: input.role_arn,
        distribution: input.distribution.unwrap_or_else(|| "ByLogStream".to_owned()),
        created: context.now(),
    };
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        group.load(transaction)?;
        let others = transaction.scan_json::<Filter>(FILTERS, group.key(), usize::MAX)?;
        if others.iter().filter(|(_, other)| other.name != filter.name).count() >= MOST {
            let message = "Resource limit exceeded.";
            return Err(ServiceError::new("LimitExceededException", 400, message).into());
        }
        Ok(transaction.put_json(FILTERS, group.key().text(&filter.name), &filter)?)
    };
    context.store().write(write).await
}

fn not_built(what: &str) -> ServiceError {
    ServiceError::new("NotImplemented", 501, format!("the local cloud has not built {what}"))
}

/// Whether the destination is there, and would not feed itself.
async fn check(context: &Context, group: &GroupName, input: &Put) -> Result<(), ServiceError> {
    let text = input.destination_arn.as_str();
    let arn: Arn = text.parse().map_err(|_| invalid("Invalid destinationArn"))?;
    let there = context.within(&arn).as_service("logs");
    let is_missing = |error: &ServiceError| error.code == "ResourceNotFoundException";
    match arn.service.as_str() {
        "lambda" if input.role_arn.is_some() => {
            Err(invalid("destinationArn for vendor lambda cannot be used with roleArn"))
        }
        "lambda" => {
            let found =
                there.call("lambda", "GetFunctionConfiguration", json!({ "FunctionName": text })).await;
            if found.as_ref().is_err_and(is_missing) {
                return Err(invalid(
                    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.",
                ));
            }
            let name = arn.resource.split(':').nth(1).unwrap_or_default();
            let own = found.unwrap_or_default()["LoggingConfig"]["LogGroup"].as_str().map(str::to_owned);
            if own.unwrap_or_else(|| format!("/aws/lambda/{name}")) == group.name {
                return Err(invalid(
                    "The log group provided is reserved for the function logs of the destination function.",
                ));
            }
            Ok(())
        }
        "kinesis" => {
            let stream = json!({ "StreamName": arn.resource_name() });
            let found = there.call("kinesis", "DescribeStreamSummary", stream).await;
            if found.as_ref().is_err_and(is_missing) {
                return Err(invalid(
                    "Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream is in ACTIVE state.",
                ));
            }
            Ok(())
        }
        _ => Err(not_built(&format!("subscription filters for destinations such as {text}"))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Describe {
    log_group_name: String,
    filter_name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

/// `DescribeSubscriptionFilters`
pub(super) async fn describe(_: &Logs, context: &Context, input: Describe) -> Outcome<Value> {
    let group = GroupName::of(context, &input.log_group_name);
    group.find(context).await?;
    let prefix = input.filter_name_prefix.unwrap_or_default();
    let rows = context.store().read()?.scan_json::<Filter>(FILTERS, group.key(), usize::MAX)?;
    let told = rows
        .into_iter()
        .filter(|(_, filter)| filter.name.starts_with(&prefix))
        .map(|(_, filter)| {
            json!({
                "filterName": filter.name,
                "logGroupName": group.name,
                "filterPattern": filter.pattern,
                "destinationArn": filter.destination,
                "roleArn": filter.role,
                "distribution": filter.distribution,
                "creationTime": filter.created.millis(),
            })
        })
        .collect();
    let (page, next) = page::of(told, input.limit.unwrap_or(50), input.next_token.as_deref());
    Ok(json!({ "subscriptionFilters": page, "nextToken": next }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delete {
    log_group_name: String,
    filter_name: String,
}

/// `DeleteSubscriptionFilter`: what it has not sent yet is not sent.
pub(super) async fn delete(_: &Logs, context: &Context, input: Delete) -> Outcome<()> {
    let group = GroupName::of(context, &input.log_group_name);
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        group.load(transaction)?;
        let row = group.key().text(&input.filter_name);
        if transaction.get(FILTERS, &row)?.is_none() {
            let message = "The specified subscription filter does not exist.";
            return Err(ServiceError::new("ResourceNotFoundException", 400, message).into());
        }
        transaction.delete_prefix(forward::QUEUE, &row)?;
        transaction.delete(FILTERS, row);
        Ok(())
    };
    context.store().write(write).await
}
