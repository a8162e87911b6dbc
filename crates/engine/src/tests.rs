//! The engine with a service that notes what it is told: timers, the front door, what is refused.

use super::*;
use crate::timers::Timer;
use aloft_base::{Clock, Ids, Timestamp};
use aloft_store::{Store, StoreError};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// Tells every timer that it is given, and fails the first time for `flaky`.
struct Noting {
    fired: mpsc::UnboundedSender<(String, Timestamp)>,
    failed: Mutex<bool>,
}

#[async_trait]
impl Service for Noting {
    fn name(&self) -> &'static str {
        "noting"
    }

    async fn call(&self, _: &Context, _: &str, _: Input) -> Option<Result<Reply, ServiceError>> {
        None
    }

    fn operation_names(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn accepts(&self, head: &Head) -> bool {
        head.path.starts_with("/front/")
    }

    async fn http(&self, _: &Context, request: HttpRequest) -> HttpResponse {
        HttpResponse::new(Body::Bytes(format!("{} {}", request.head.path, request.body.len()).into()))
    }

    async fn timer(&self, context: &Context, timer: &Timer) -> Result<(), ServiceError> {
        drop(self.fired.send((timer.name.clone(), context.now())));
        if timer.name == "again" && timer.payload.is_null() {
            let again = Timer { payload: true.into(), ..timer.clone() };
            let write = context.store().write(move |transaction| timers::set(transaction, &again));
            write.await.map_err(|error: StoreError| error).expect("written");
        }
        let fails =
            timer.name == "flaky" && !std::mem::replace(&mut *self.failed.lock().expect("a flag"), true);
        if fails { Err(ServiceError::new("Flaky", 500, "not yet")) } else { Ok(()) }
    }
}

type Fired = mpsc::UnboundedReceiver<(String, Timestamp)>;

async fn start(clock: Clock, options: Options) -> (Engine, Fired) {
    let (fired, receiver) = mpsc::unbounded_channel();
    let service: Arc<dyn Service> = Arc::new(Noting { fired, failed: Mutex::new(false) });
    let scratch = std::env::temp_dir().join(format!("aloft-engine-{}", Ids::random().hex(8)));
    let options = Options { port: 0, scratch, ..options };
    let store = Store::ephemeral().expect("a store");
    (Engine::start(options, clock, Ids::seeded(1), store, vec![service]).await.expect("a cloud"), receiver)
}

async fn set(engine: &Engine, name: &str, due: i64) {
    let context = engine.root_context();
    let timer = Timer {
        service: "noting".to_owned(),
        name: name.to_owned(),
        due: Timestamp(due),
        account: context.account,
        region: context.region,
        payload: serde_json::Value::Null,
    };
    let write = engine.store().write(move |transaction| timers::set(transaction, &timer));
    write.await.map_err(|error: StoreError| error).expect("written");
}

async fn next(fired: &mut Fired) -> (String, i64) {
    let (name, at) =
        tokio::time::timeout(Duration::from_secs(10), fired.recv()).await.expect("in time").expect("open");
    (name, at.millis())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_fire_once_when_due_in_order_and_again_after_a_failure() {
    let clock = Clock::fixed(Timestamp(1_000));
    let (engine, mut fired) = start(clock.clone(), Options::default()).await;
    set(&engine, "late", 60_000).await;
    set(&engine, "flaky", 2_000).await;
    set(&engine, "moved", 1_500).await;
    set(&engine, "moved", 30_000).await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(next(&mut fired).await, ("flaky".to_owned(), 2_000));
    // The retry is in the store before the next jump.
    let mut due = engine.store().watch("timers.due");
    while engine
        .store()
        .read()
        .expect("rows")
        .scan("timers.due", [], 9)
        .expect("rows")
        .iter()
        .any(|(key, _)| key.starts_with(&(2_000_u64 ^ (1 << 63)).to_be_bytes()))
    {
        due.changed().await.expect("open");
    }
    clock.advance(Duration::from_secs(5));
    assert_eq!(next(&mut fired).await, ("flaky".to_owned(), 7_000));
    clock.advance(Duration::from_secs(100));
    let mut rest = [next(&mut fired).await.0, next(&mut fired).await.0];
    rest.sort();
    assert_eq!(rest, ["late", "moved"]);
    engine.stop().await;
    assert!(fired.try_recv().is_err(), "nothing fires twice");
}

async fn exchange(engine: &Engine, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(engine.address()).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answered");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn check(engine: &Engine, request: &str, status: &str, body: &str) {
    let answer = exchange(engine, request).await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:?} gave {answer:?}");
    assert!(answer.contains(body), "{request:?} gave {answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_that_is_set_again_while_it_fires_fires_again() {
    let (engine, mut fired) = start(Clock::fixed(Timestamp(1_000)), Options::default()).await;
    set(&engine, "again", 500).await;
    assert_eq!(next(&mut fired).await.0, "again");
    assert_eq!(next(&mut fired).await.0, "again");
    engine.stop().await;
    assert!(fired.try_recv().is_err(), "and not a third time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_find_their_way_and_bad_ones_are_refused() {
    let (engine, _fired) = start(Clock::system(), Options { max_body: 1_000, ..Options::default() }).await;
    let get = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")
    };
    let post = |path: &str, more: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{more}\r\n{body}",
            body.len()
        )
    };
    check(&engine, &get("/_aloft/health", ""), "200", "\"noting\":\"available\"").await;
    check(&engine, &get("/_localstack/health", ""), "200", "services").await;
    check(&engine, &post("/front/door", "", "hello"), "200", "/front/door 5").await;
    check(&engine, &post("/front/door", "", &"x".repeat(1_001)), "413", "larger").await;
    check(&engine, &post("/_aloft/clock", "", "{\"advance\": 60}"), "200", "now").await;
    check(&engine, &post("/_aloft/clock", "", "{\"advance\": -60}"), "400", "advance").await;
    check(&engine, &post("/_aloft/reset", "Origin: https://evil.example\r\n", ""), "403", "own tools").await;
    let rebound =
        "POST /_aloft/reset HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    check(&engine, rebound, "403", "own tools").await;
    check(&engine, &post("/_aloft/reset", "Origin: http://localhost:4566\r\n", ""), "200", "reset").await;
    let target = "X-Amz-Target: AmazonSQS.ListQueues\r\nContent-Type: application/x-amz-json-1.0\r\n";
    check(&engine, &post("/", target, "{}"), "501", "has not built sqs:ListQueues").await;
    engine.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let options = Options { port, scratch: std::env::temp_dir(), ..Options::default() };
    let store = Store::ephemeral().expect("a store");
    let started = Engine::start(options, Clock::system(), Ids::random(), store, Vec::new()).await;
    let error = started.err().expect("refused").to_string();
    assert_eq!(error, format!("cannot listen on 127.0.0.1:{port}: Address already in use (os error 98)"));
}
