//! DynamoDB as its users see it: scripts of operations with the answers, or the service's own words of refusal.

mod items;
mod pages;
mod tables;
mod template;
mod transactions;

use super::{DynamoDb, NAME};
use crate::dynamodbstreams::DynamoDbStreams;
use crate::testing::Cloud;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(crate) async fn cloud() -> Cloud {
    Cloud::start(vec![Arc::new(DynamoDb), Arc::new(DynamoDbStreams)]).await
}

/// Runs a script: operation, input, what is expected of the answer.
pub(crate) async fn script(cloud: &Cloud, steps: impl IntoIterator<Item = (&str, Value, Value)>) {
    for (operation, input, expected) in steps {
        cloud.check(NAME, operation, input, expected).await;
    }
}

/// Makes a table of one partition key `id` (a string) and, when asked for, a sort key of a type, with more members.
pub(crate) async fn table(cloud: &Cloud, name: &str, sort: Option<(&str, &str)>, more: Value) {
    let mut definitions = vec![json!({"AttributeName": "id", "AttributeType": "S"})];
    let mut keys = vec![json!({"AttributeName": "id", "KeyType": "HASH"})];
    if let Some((sort, kind)) = sort {
        definitions.push(json!({"AttributeName": sort, "AttributeType": kind}));
        keys.push(json!({"AttributeName": sort, "KeyType": "RANGE"}));
    }
    let input = json!({
        "TableName": name, "AttributeDefinitions": definitions, "KeySchema": keys, "BillingMode": "PAY_PER_REQUEST",
    });
    cloud
        .check(
            NAME,
            "CreateTable",
            merged(input, more),
            json!({"TableDescription": {"TableStatus": "ACTIVE"}}),
        )
        .await;
}

/// An object with the members of another over its own.
pub(crate) fn merged(mut base: Value, more: Value) -> Value {
    let members: Map<String, Value> = more.as_object().cloned().unwrap_or_default();
    if let Some(base) = base.as_object_mut() {
        base.extend(members);
    }
    base
}

/// `ValidationException` with this message.
pub(crate) fn invalid(message: &str) -> Value {
    json!(format!("ValidationException: {message}"))
}
