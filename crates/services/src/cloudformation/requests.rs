//! What custom resources were asked, and what they answered.
//!
//! Keeps true: a question is a row before it is sent and until its resource is gone, so that a cloud that died goes on waiting
//! for the answer that may have come meanwhile; every question is answered at last, if only by the clock.

use crate::storage::Fault;
use aloft_base::Timestamp;
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, ServiceError, storage_failed};
use aloft_store::{StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The last question about a resource, by stack and logical id.
const REQUESTS: &str = "cloudformation.requests";
/// Whose question a token names.
const TOKENS: &str = "cloudformation.tokens";
/// The most bytes of an answer.
const MAX_ANSWER: usize = 4096;
/// Begins the names of the timers that end the wait.
pub const TIMER: &str = "request:";

/// A question to a custom resource.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Names it in the address that the answer comes to. Nobody can guess it.
    pub token: String,
    /// What is sent.
    pub event: Value,
    /// Whether it was sent.
    pub sent: bool,
    /// What was answered.
    pub answer: Option<Answer>,
}

/// What a custom resource said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it did what was asked.
    pub succeeded: bool,
    /// Why not.
    pub reason: String,
    /// What `Ref` gives.
    pub physical_id: Option<String>,
    /// What `Fn::GetAtt` gives.
    pub data: Map<String, Value>,
    /// Whether the data must not be shown.
    pub no_echo: bool,
}

impl Answer {
    /// An answer that none was given, or none that can be understood.
    fn failed(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    /// Reads what was sent to the response address.
    pub fn parse(body: &[u8]) -> Self {
        if body.len() > MAX_ANSWER {
            return Self::failed("Response object is too long.");
        }
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Self::failed("Invalid response object: it is not a JSON object");
        };
        let text = |name: &str| members.get(name).and_then(crate::properties::as_text);
        let succeeded = match text("Status").as_deref() {
            Some("SUCCESS") => true,
            Some("FAILED") => false,
            other => {
                let status = other.unwrap_or("null");
                return Self::failed(format!(
                    "Invalid response object: Value of property Status is {status}"
                ));
            }
        };
        Self {
            succeeded,
            reason: text("Reason").unwrap_or_default(),
            physical_id: text("PhysicalResourceId").filter(|id| !id.is_empty()),
            data: members.get("Data").and_then(Value::as_object).cloned().unwrap_or_default(),
            no_echo: text("NoEcho").as_deref() == Some("true"),
        }
    }
}

/// The last question about a resource.
pub fn find(context: &Context, stack_id: &str, logical_id: &str) -> Result<Option<Request>, ServiceError> {
    let snapshot = context.store().read().map_err(|error| storage_failed(&error))?;
    snapshot.get_json(REQUESTS, key([stack_id, logical_id])).map_err(|error| storage_failed(&error))
}

/// Writes a question down, with the time until which an answer is waited for.
pub async fn put(
    context: &Context,
    stack_id: &str,
    logical_id: &str,
    request: Request,
    until: Timestamp,
) -> Result<(), ServiceError> {
    let place = (stack_id.to_owned(), logical_id.to_owned());
    let timer = Timer {
        service: "cloudformation".to_owned(),
        name: format!("{TIMER}{}", request.token),
        due: until,
        account: context.account.clone(),
        region: context.region.clone(),
        payload: Value::from(request.token.as_str()),
    };
    write(context, move |transaction| {
        forget(transaction, &place.0, &place.1)?;
        transaction.put_json(TOKENS, key([&request.token]), &place)?;
        transaction.put_json(REQUESTS, key([&place.0, &place.1]), &request)?;
        timers::set(transaction, &timer)
    })
    .await
}

/// Drops the last question about a resource, and the wait for its answer.
pub fn forget(transaction: &mut Transaction<'_>, stack_id: &str, logical_id: &str) -> Result<(), StoreError> {
    let place = key([stack_id, logical_id]);
    if let Some(request) = transaction.get_json::<Request>(REQUESTS, &place)? {
        transaction.delete(TOKENS, key([&request.token]));
        timers::cancel(transaction, "cloudformation", &format!("{TIMER}{}", request.token))?;
        transaction.delete(REQUESTS, &place);
    }
    Ok(())
}

/// Remembers that a question was sent.
pub async fn sent(context: &Context, token: &str) -> Result<(), ServiceError> {
    change(context, token, |request| request.sent = true).await.map(drop)
}

/// Takes an answer; the first one counts. Gives false when nobody waits for it.
pub async fn answer(context: &Context, token: &str, answer: Answer) -> Result<bool, ServiceError> {
    let known = change(context, token, |request| {
        if request.answer.is_none() {
            request.answer = Some(answer);
        }
    });
    if !known.await? {
        return Ok(false);
    }
    let token = token.to_owned();
    write(context, move |transaction| {
        timers::cancel(transaction, "cloudformation", &format!("{TIMER}{token}"))
    })
    .await?;
    Ok(true)
}

/// Ends the wait for an answer that did not come.
pub async fn too_late(context: &Context, token: &str) -> Result<(), ServiceError> {
    change(context, token, |request| {
        if request.answer.is_none() {
            let id = request.event["RequestId"].as_str().unwrap_or_default();
            request.answer = Some(Answer::failed(format!(
                "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [{id}]. \
                 If you are using the Python cfn-response module, you may need to update your Lambda function code so that \
                 CloudFormation can attach the updated version."
            )));
        }
    })
    .await
    .map(drop)
}

/// Waits for the answer to a question.
pub async fn answered(
    context: &Context,
    stack_id: &str,
    logical_id: &str,
    token: &str,
) -> Result<Answer, ServiceError> {
    let mut changes = context.store().watch(REQUESTS);
    loop {
        changes.borrow_and_update();
        match find(context, stack_id, logical_id)?.filter(|request| request.token == token) {
            Some(Request { answer: Some(answer), .. }) => return Ok(answer),
            Some(_) => {}
            None => return Ok(Answer::failed("the question to the custom resource was forgotten")),
        }
        if changes.changed().await.is_err() {
            return Err(ServiceError::new("InternalFailure", 500, "the local cloud is stopping"));
        }
    }
}

/// The texts that a resource gave and that must not be shown.
pub fn secrets(context: &Context, stack_id: &str, logical_id: &str) -> Result<Vec<String>, ServiceError> {
    let answer = find(context, stack_id, logical_id)?.and_then(|request| request.answer);
    let data = answer.filter(|answer| answer.no_echo).map(|answer| answer.data).unwrap_or_default();
    let texts = data.values().filter_map(crate::properties::as_text);
    Ok(texts.filter(|text| !text.is_empty()).collect())
}

/// Changes the question that a token names; false when there is none.
async fn change<F>(context: &Context, token: &str, work: F) -> Result<bool, ServiceError>
where
    F: FnOnce(&mut Request) + Send + 'static,
{
    let token = token.to_owned();
    write(context, move |transaction| {
        let Some((stack, logical_id)) = transaction.get_json::<(String, String)>(TOKENS, key([&token]))?
        else {
            return Ok(false);
        };
        let place = key([&stack, &logical_id]);
        let request = transaction.get_json::<Request>(REQUESTS, &place)?;
        let Some(mut request) = request.filter(|request| request.token == token) else { return Ok(false) };
        work(&mut request);
        transaction.put_json(REQUESTS, &place, &request)?;
        Ok(true)
    })
    .await
}

async fn write<T, F>(context: &Context, work: F) -> Result<T, ServiceError>
where
    T: Send + 'static,
    F: FnOnce(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
{
    context.store().write(work).await.map_err(|error| ServiceError::from(Fault::Store(error)))
}
