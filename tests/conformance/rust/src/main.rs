//! A function with the official runtime crate, for the tests of the Runtime API.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var("GREETING").is_ok_and(|it| it == "fail") {
        return Err("the initialisation fails".into());
    }
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    if payload["fail"] == true {
        return Err("as asked".into());
    }
    if let Some(size) = payload["size"].as_u64() {
        return Ok("x".repeat(size as usize).into());
    }
    Ok(json!({
        "event": payload,
        "id": context.request_id,
        "arn": context.invoked_function_arn,
        "client": context.client_context.map(|it| it.client.app_title),
        "function": context.env_config.function_name,
    }))
}
