//! A cloud for tests of gateways: real HTTP in front, functions that do what the test says behind.

use crate::testing::{Cloud, matches};
use aloft_engine::{Body, Context, Input, Reply, ResourceContext, Service, ServiceError, async_trait};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a function does.
#[derive(Clone)]
pub(crate) enum Does {
    /// Gives this.
    Give(Value),
    /// Throws, with this as the error document.
    Throw(Value),
    /// Takes forever.
    Hang,
}

/// Plays the Lambda service.
#[derive(Default)]
pub(crate) struct Functions {
    functions: Mutex<HashMap<String, Does>>,
    calls: Mutex<Vec<(String, String, Value)>>,
}

#[async_trait]
impl Service for Functions {
    fn name(&self) -> &'static str {
        "lambda"
    }

    fn operation_names(&self) -> Vec<&'static str> {
        vec!["Invoke"]
    }

    async fn call(&self, _: &Context, operation: &str, input: Input) -> Option<Result<Reply, ServiceError>> {
        assert_eq!(operation, "Invoke");
        let arn = input.params["FunctionName"].as_str().expect("a name");
        let name = arn.strip_prefix("arn:aws:lambda:us-east-1:000000000000:function:").expect("an ARN");
        let kind = input.params["InvocationType"].as_str().expect("a type").to_owned();
        let payload = input.body.expect("a payload");
        let event =
            serde_json::from_slice(&payload).unwrap_or_else(|_| String::from_utf8_lossy(&payload).into());
        self.calls.lock().expect("calls").push((name.to_owned(), kind.clone(), event));
        let does = self.functions.lock().expect("functions").get(name).cloned();
        let give = |value: Value, error: Value| {
            Some(Ok(Reply::new(json!({ "StatusCode": 200, "FunctionError": error }))
                .with_body(Body::Bytes(value.to_string().into()))))
        };
        match does {
            _ if kind == "Event" => Some(Ok(Reply::new(json!({ "StatusCode": 202 })))),
            Some(Does::Give(value)) => give(value, Value::Null),
            Some(Does::Throw(error)) => give(error, "Unhandled".into()),
            Some(Does::Hang) => std::future::pending().await,
            None => Some(Err(ServiceError::new("ResourceNotFoundException", 404, "no such function"))),
        }
    }
}

/// A cloud with one gateway.
pub(crate) struct Gateway {
    pub cloud: Cloud,
    pub service: &'static str,
    functions: Arc<Functions>,
}

/// The ARN of a test's function.
pub(crate) fn arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

impl Gateway {
    pub async fn start(service: &'static str, gateways: Vec<Arc<dyn Service>>) -> Self {
        let functions = Arc::new(Functions::default());
        let mut services = gateways;
        services.push(functions.clone());
        Self { cloud: Cloud::start(services).await, service, functions }
    }

    /// Ends the cloud and starts another on what it kept.
    pub async fn restart(self, gateways: Vec<Arc<dyn Service>>) -> Self {
        let (store, clock) = (self.cloud.engine.store().clone(), self.cloud.clock.clone());
        self.cloud.stop().await;
        let mut services = gateways;
        services.push(self.functions.clone());
        Self { cloud: Cloud::start_on(store, clock, services).await, ..self }
    }

    /// Says what a function does from now on.
    pub fn function(&self, name: &str, does: Does) {
        self.functions.functions.lock().expect("functions").insert(name.to_owned(), does);
    }

    /// The name, the invocation type and the event of the last call, and how many there were.
    pub fn last_call(&self) -> (String, String, Value, usize) {
        let calls = self.functions.calls.lock().expect("calls");
        let (name, kind, event) = calls.last().cloned().expect("a call");
        (name, kind, event, calls.len())
    }

    /// Compares the last event with what is expected.
    pub fn check_event(&self, expected: Value) {
        let event = self.last_call().2;
        assert!(matches(&expected, &event), "expected {expected:#}\nevent {event:#}");
    }

    /// Does an operation that must be done.
    pub async fn make(&self, operation: &str, input: Value) -> Value {
        self.cloud.check(self.service, operation, input, json!({})).await
    }

    /// Does an operation and compares its answer.
    pub async fn check_operation(&self, operation: &str, input: Value, expected: Value) -> Value {
        self.cloud.check(self.service, operation, input, expected).await
    }

    /// Sends a request over HTTP: `GET /path`, headers a line, an empty line, a body.
    pub async fn send(&self, request: &str) -> Value {
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let mut lines = head.lines().map(str::trim);
        let mut text = format!("{} HTTP/1.1\r\nconnection: close\r\n", lines.next().expect("a line"));
        let headers: Vec<&str> = lines.collect();
        if !headers.iter().any(|line| line.to_lowercase().starts_with("host:")) {
            text.push_str("host: localhost\r\n");
        }
        for line in headers {
            text.push_str(&format!("{line}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str(&format!("\r\n{body}"));
        let mut stream = tokio::net::TcpStream::connect(self.cloud.engine.address()).await.expect("a port");
        stream.write_all(text.as_bytes()).await.expect("to write");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("to read");
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let body = String::from_utf8_lossy(&answer[end + 4..]).into_owned();
        let mut lines = head.lines();
        let status: u16 =
            lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let mut headers = Map::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let joined = match headers.get(name).and_then(Value::as_str) {
                Some(before) => format!("{before} | {value}"),
                None => value.to_owned(),
            };
            headers.insert(name.to_owned(), joined.into());
        }
        json!({ "status": status, "headers": headers, "body": body })
    }

    /// Sends a request and compares the answer: its status, some headers, its body.
    pub async fn check(&self, request: &str, status: u16, headers: Value, body: &str) {
        let answer = self.send(request).await;
        let expected = json!({ "status": status, "headers": headers, "body": body });
        assert!(matches(&expected, &answer), "{request}\nexpected {expected:#}\nanswered {answer:#}");
    }

    /// What a handler of CloudFormation gets along.
    pub fn resource(&self, logical_id: &str, token: &str) -> ResourceContext {
        ResourceContext {
            context: self.cloud.context.clone(),
            stack_name: "shop".to_owned(),
            stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/1".to_owned(),
            logical_id: logical_id.to_owned(),
            tags: Map::new(),
            token: token.to_owned(),
            resuming: false,
        }
    }

    pub async fn stop(self) {
        self.cloud.stop().await;
    }
}
