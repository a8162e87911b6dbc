//! A cloud for tests: chosen services on an engine with a clock that stands still.

use aloft_base::{Clock, Ids, Timestamp};
use aloft_engine::timers::Timer;
use aloft_engine::{Context, Engine, Input, Options, Reply, Service, ServiceError, async_trait};
use aloft_store::{Keyspace, Store};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// When the clock stands at the beginning: 2026-11-23T04:05:06Z.
pub(crate) const BEGINNING: Timestamp = Timestamp(1_795_406_706_000);

pub(crate) struct Cloud {
    pub engine: Engine,
    pub clock: Clock,
    pub context: Context,
}

impl Cloud {
    pub async fn start(services: Vec<Arc<dyn Service>>) -> Self {
        Self::start_on(Store::ephemeral().expect("a store"), Clock::fixed(BEGINNING), services).await
    }

    /// With a store that may have a past.
    pub async fn start_on(store: Store, clock: Clock, services: Vec<Arc<dyn Service>>) -> Self {
        Self::start_with(store, clock, services, Options::default()).await
    }

    /// With options, but for where it listens and what it unpacks.
    pub async fn start_with(
        store: Store,
        clock: Clock,
        services: Vec<Arc<dyn Service>>,
        options: Options,
    ) -> Self {
        let scratch = std::env::temp_dir().join(format!("aloft-services-{}", Ids::random().hex(8)));
        let options = Options { port: 0, scratch, ..options };
        let started = Engine::start(options, clock.clone(), Ids::seeded(1), store, services).await;
        let engine = started.expect("a cloud");
        Self { context: engine.root_context(), engine, clock }
    }

    /// What an operation answers; an error as the text `Code: message`.
    pub async fn call(&self, service: &str, operation: &str, input: Value) -> Value {
        let answer = self.context.call(service, operation, input).await;
        answer.unwrap_or_else(|error| error.to_string().into())
    }

    /// Does an operation and compares its answer with what is expected, by [`matches`].
    pub async fn check(&self, service: &str, operation: &str, input: Value, expected: Value) -> Value {
        let answer = self.call(service, operation, input.clone()).await;
        assert!(
            matches(&expected, &answer),
            "{operation} {input:#}\nexpected {expected:#}\nanswered {answer:#}"
        );
        answer
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Asks again after every timer until what timers do in the background shows in the answer.
    pub async fn eventually(&self, service: &str, operation: &str, input: Value, expected: Value) -> Value {
        self.eventually_after("timers.due", service, operation, input, expected).await
    }

    /// Asks again after every change of a keyspace until the answer is as expected. The bound is for a broken test only.
    pub async fn eventually_after(
        &self,
        keyspace: Keyspace,
        service: &str,
        operation: &str,
        input: Value,
        expected: Value,
    ) -> Value {
        let mut changes = self.engine.store().watch(keyspace);
        loop {
            changes.borrow_and_update();
            let answer = self.call(service, operation, input.clone()).await;
            if matches(&expected, &answer) {
                return answer;
            }
            let changed = tokio::time::timeout(Duration::from_secs(10), changes.changed()).await;
            assert!(
                changed.is_ok(),
                "{operation} {input:#}\nexpected {expected:#}\nanswered at last {answer:#}"
            );
        }
    }

    /// Waits until no timer is due any more.
    pub async fn settled(&self) {
        let mut timers = self.engine.store().watch("timers.due");
        loop {
            timers.borrow_and_update();
            let rows = self
                .engine
                .store()
                .read()
                .and_then(|snapshot| snapshot.scan_json::<Timer>("timers.due", [], 10_000));
            let now = self.clock.now();
            if rows.expect("timers").iter().all(|(_, timer)| timer.due > now) {
                return;
            }
            let changed = tokio::time::timeout(Duration::from_secs(10), timers.changed()).await;
            assert!(changed.is_ok(), "a timer is due and not done");
        }
    }

    pub async fn stop(self) {
        self.engine.stop().await;
        drop(std::fs::remove_dir_all(&self.engine.options().scratch));
    }
}

/// Stands for Lambda: takes invocations down, and fails those of functions whose ARN ends in `broken`.
#[derive(Default)]
pub(crate) struct Functions(Mutex<Vec<(Value, Value)>>);

impl Functions {
    /// The inputs and the events of the invocations so far.
    pub fn taken(&self) -> Vec<(Value, Value)> {
        std::mem::take(&mut *self.0.lock().expect("a list"))
    }
}

#[async_trait]
impl Service for Functions {
    fn name(&self) -> &'static str {
        "lambda"
    }

    async fn call(&self, _: &Context, operation: &str, input: Input) -> Option<Result<Reply, ServiceError>> {
        if operation != "Invoke" {
            return None;
        }
        if input.params["FunctionName"].as_str().is_some_and(|name| name.ends_with("broken")) {
            return Some(Err(ServiceError::new("ServiceException", 500, "broken")));
        }
        if input.params["FunctionName"].as_str().is_some_and(|name| name.ends_with("missing")) {
            return Some(Err(ServiceError::new("ResourceNotFoundException", 404, "no such function")));
        }
        let event = serde_json::from_slice(&input.body.unwrap_or_default()).expect("an event");
        self.0.lock().expect("a list").push((input.params, event));
        Some(Ok(Reply { status: Some(http::StatusCode::ACCEPTED), ..Reply::default() }))
    }

    fn operation_names(&self) -> Vec<&'static str> {
        vec!["Invoke"]
    }
}

/// Whether an answer is as expected: objects may have more members, `"*"` stands for anything, text that ends in `*` for
/// a beginning, and `null` for absence.
pub(crate) fn matches(expected: &Value, answer: &Value) -> bool {
    match (expected, answer) {
        (Value::String(expected), _) if expected == "*" => !answer.is_null(),
        (Value::String(expected), Value::String(answer)) => {
            expected == answer
                || expected.strip_suffix('*').is_some_and(|beginning| answer.starts_with(beginning))
        }
        (Value::Object(expected), Value::Object(answer)) => expected
            .iter()
            .all(|(name, expected)| matches(expected, answer.get(name).unwrap_or(&json!(null)))),
        (Value::Array(expected), Value::Array(answer)) => {
            expected.len() == answer.len()
                && expected.iter().zip(answer).all(|(expected, answer)| matches(expected, answer))
        }
        _ => expected == answer,
    }
}
