//! S3 as its users see it: in one process, without HTTP.

mod events;
mod listing;
mod objects;
mod resources;

use super::S3;
use crate::testing::Cloud;
use aloft_engine::Body;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

const B: &str = "bucket";

/// A cloud with one bucket.
async fn cloud() -> Cloud {
    let cloud = Cloud::start(vec![Arc::new(S3)]).await;
    check(&cloud, "CreateBucket", json!({}), json!({ "Location": "/bucket" })).await;
    cloud
}

/// The input with the bucket's name, where it names none.
fn of_bucket(mut input: Value) -> Value {
    if input["Bucket"].is_null() {
        input["Bucket"] = json!(B);
    }
    input
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("s3", operation, of_bucket(input), expected).await
}

/// Does an operation with a body; gives the answer, or the error as `Code: message`.
async fn send(cloud: &Cloud, operation: &str, input: Value, body: impl Into<Bytes>) -> Value {
    let answer = cloud.context.call_with_body("s3", operation, of_bucket(input), Some(body.into())).await;
    answer.map_or_else(|error| json!(error.to_string()), |reply| reply.params)
}

async fn put(cloud: &Cloud, key: &str, body: impl Into<Bytes>) -> Value {
    send(cloud, "PutObject", json!({ "Key": key }), body).await
}

/// An object's bytes, or the error's code.
async fn read(cloud: &Cloud, input: Value) -> Result<Bytes, String> {
    let answer = cloud.context.call_with_body("s3", "GetObject", of_bucket(input), None).await;
    let reply = answer.map_err(|error| error.code)?;
    Ok(reply.body.unwrap_or(Body::Bytes(Bytes::new())).collect().await.expect("a body"))
}
