//! Who asks, and through what: passed to everything that a service does for a call.

use crate::{Engine, Input, Reply, ServiceError};
use aloft_base::{AccountId, Arn, Clock, Ids, Region, Timestamp};
use aloft_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// The account itself: whoever has no identity of its own here.
    Root,
    /// A user or an assumed role, by its ARN.
    Arn(String),
    /// A service on someone's behalf, by its principal, such as `sns.amazonaws.com`.
    Service(String),
    /// Nobody: an unsigned request.
    Anonymous,
}

/// A call's surroundings. Cheap enough to clone for a background task.
#[derive(Clone)]
pub struct Context {
    /// The local cloud.
    pub engine: Engine,
    /// The account that is being worked in.
    pub account: AccountId,
    /// The region that is being worked in.
    pub region: Region,
    /// Who is calling.
    pub principal: Principal,
    /// Names the call in answers and logs.
    pub request_id: Arc<str>,
    /// The trace header (`X-Amzn-Trace-Id`) that ties an invocation to the event that caused it.
    pub trace_id: Option<Arc<str>>,
    /// The ARN of what caused it, when an event source did: an API's route, a bucket, a topic, a rule.
    pub source: Option<Arc<str>>,
}

impl Context {
    /// A call that a service makes for itself: a timer, a poller.
    pub fn service(engine: &Engine, service: &str, account: AccountId, region: Region) -> Self {
        let principal = Principal::Service(format!("{service}.amazonaws.com"));
        let request_id = engine.ids().uuid().into();
        Self { engine: engine.clone(), account, region, principal, request_id, trace_id: None, source: None }
    }

    /// The same account, region and trace, for a call that `service` makes on account of this one.
    pub fn as_service(&self, service: &str) -> Self {
        let principal = Principal::Service(format!("{service}.amazonaws.com"));
        Self { principal, request_id: self.ids().uuid().into(), ..self.clone() }
    }

    /// The same, in another account or region: where an ARN points.
    pub fn within(&self, arn: &Arn) -> Self {
        let account = AccountId::new(&arn.account).unwrap_or_else(|| self.account.clone());
        let region = Region::new(&arn.region).unwrap_or_else(|| self.region.clone());
        Self { account, region, ..self.clone() }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        self.engine.store()
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        self.engine.clock()
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// The source of identifiers.
    pub fn ids(&self) -> &Ids {
        self.engine.ids()
    }

    /// An ARN in this account and region.
    pub fn arn(&self, service: &str, resource: impl Into<String>) -> Arn {
        Arn::new(service, &self.region, &self.account, resource)
    }

    /// Calls another service, and gives its answer's members.
    pub async fn call(&self, service: &str, operation: &str, params: Value) -> Result<Value, ServiceError> {
        Ok(self.call_with_body(service, operation, params, None).await?.params)
    }

    /// Calls another service with a payload, and gives its whole answer.
    pub async fn call_with_body(
        &self,
        service: &str,
        operation: &str,
        mut params: Value,
        body: Option<bytes::Bytes>,
    ) -> Result<Reply, ServiceError> {
        drop_nulls(&mut params);
        self.engine.call(self, service, operation, Input { params, body }).await
    }
}

/// Takes out members that are null, which mean absent members. Inputs from outside come without them.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
