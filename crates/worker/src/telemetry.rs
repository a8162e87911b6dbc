//! The Telemetry API without HTTP: what happens in an environment, for the extensions that subscribed to it.
//!
//! Events are kept from the start until the first invocation, so that a subscriber hears of all of it. Each subscriber
//! has a task that sends batches to its address within the environment. Keeps true: nothing is gathered without bound, and
//! without extensions nothing is gathered at all.

use aloft_base::Clock;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// How many events wait at most: for a subscriber to come, and in front of each.
const BACKLOG: usize = 1000;
const WAITING: usize = 10_000;
const BATCHES: usize = 16;
/// How often a batch is offered to a subscriber that does not listen yet, and how long one may take.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// One environment's events.
#[derive(Debug)]
pub(crate) struct Telemetry {
    clock: Clock,
    /// Whether anybody could be interested.
    active: AtomicBool,
    state: Mutex<State>,
    /// What `supervise.sh` takes into an environment with a network of its own.
    outbox: Mutex<Option<Relay>>,
    taken: tokio::sync::Mutex<Option<mpsc::Receiver<Parcel>>>,
}

/// Bytes for a port of the environment's loopback.
pub(crate) type Parcel = (u16, Vec<u8>);
type Relay = mpsc::Sender<Parcel>;

#[derive(Debug, Default)]
struct State {
    backlog: VecDeque<Event>,
    /// No further subscribers.
    is_closed: bool,
    subscribers: Vec<Subscriber>,
}

#[derive(Debug, Clone)]
struct Event {
    /// `platform`, `function` or `extension`.
    kind: &'static str,
    time: String,
    /// Such as `platform.start`.
    name: String,
    record: Value,
}

#[derive(Debug)]
struct Subscriber {
    name: String,
    types: Vec<String>,
    /// It came through the older Logs API, whose events are fewer.
    is_older: bool,
    sender: mpsc::Sender<Item>,
}

#[derive(Debug)]
enum Item {
    Event(Value),
    Flush,
}

/// Where batches go, and how large they may be.
#[derive(Debug, Clone)]
struct Delivery {
    /// `None` for lines of JSON over a plain connection.
    path: Option<String>,
    port: u16,
    items: usize,
    bytes: usize,
    timeout: Duration,
}

/// Events that the Logs API has.
const OLDER: [&str; 7] = [
    "platform.start",
    "platform.end",
    "platform.report",
    "platform.runtimeDone",
    "platform.extension",
    "platform.logsSubscription",
    "platform.fault",
];

impl Telemetry {
    pub(crate) fn new(clock: Clock) -> Self {
        let (outbox, taken) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { clock, active: AtomicBool::new(false), state: Mutex::default(), outbox, taken }
    }

    /// The environment has a network of its own, into which nothing leads but what is fetched from within.
    pub(crate) fn relay(&mut self) {
        let (sender, receiver) = mpsc::channel(BATCHES);
        *self.outbox.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        *self.taken.get_mut() = Some(receiver);
    }

    /// Waits for the next batch that is to be taken into the environment; `None` when nothing is taken there.
    pub(crate) async fn parcel(&self) -> Option<Parcel> {
        self.taken.lock().await.as_mut()?.recv().await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There are extensions, so events count from now on.
    pub(crate) fn activate(&self) {
        self.active.store(true, Ordering::Relaxed);
    }

    /// Something that the platform did: `start` is `platform.start`.
    pub(crate) fn platform(&self, name: &str, record: impl FnOnce() -> Value) {
        if self.active.load(Ordering::Relaxed) {
            self.push("platform", format!("platform.{name}"), record());
        }
    }

    /// A line that the function or, marked, an extension wrote.
    pub(crate) fn line(&self, kind: &'static str, text: &str) {
        if self.active.load(Ordering::Relaxed) {
            self.push(kind, kind.to_owned(), text.into());
        }
    }

    fn push(&self, kind: &'static str, name: String, record: Value) {
        let event = Event { kind, time: self.clock.now().iso8601(), name, record };
        let mut state = self.lock();
        state.subscribers.retain(|it| it.take(&event));
        if !state.is_closed && state.backlog.len() < BACKLOG {
            state.backlog.push_back(event);
        }
    }

    /// The initialisation is over.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.backlog.clear();
    }

    /// Sends what is waiting, without waiting for more.
    pub(crate) fn flush(&self) {
        for subscriber in &self.lock().subscribers {
            let _ = subscriber.sender.try_send(Item::Flush);
        }
    }

    /// Subscribes an extension, by the body of its request. A second request replaces the first.
    pub(crate) fn subscribe(&self, extension: &str, body: &[u8]) -> Result<(), String> {
        let request: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let version = request["schemaVersion"].as_str().unwrap_or("2020-08-15");
        let is_older = match version {
            "2020-08-15" | "2021-03-18" => true,
            "2022-07-01" | "2022-12-13" | "2025-01-29" => false,
            other => return Err(format!("the schema version {other} is not known")),
        };
        let types: Vec<String> = request["types"].as_array().into_iter().flatten().filter_map(text).collect();
        let known = |it: &String| ["platform", "function", "extension"].contains(&it.as_str());
        if types.is_empty() || !types.iter().all(known) {
            return Err("the types must be some of platform, function and extension".to_owned());
        }
        let delivery = Delivery::parse(&request)?;
        let mut state = self.lock();
        if state.is_closed {
            return Err("subscriptions are made before the first invocation".to_owned());
        }
        state.subscribers.retain(|it| it.name != extension);
        let (sender, receiver) = mpsc::channel(WAITING);
        let subscriber = Subscriber { name: extension.to_owned(), types: types.clone(), is_older, sender };
        for event in &state.backlog {
            subscriber.take(event);
        }
        state.subscribers.push(subscriber);
        drop(state);
        // It ends with this environment's last event.
        let relay = self.outbox.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tokio::spawn(delivery.run(receiver, relay));
        let name = if is_older { "logsSubscription" } else { "telemetrySubscription" };
        self.platform(name, || json!({ "name": extension, "state": "Subscribed", "types": types }));
        Ok(())
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

impl Subscriber {
    /// Takes an event, if it wants it. False when nobody is there any more.
    fn take(&self, event: &Event) -> bool {
        let Event { kind, time, name, record } = event;
        let is_wanted = self.types.iter().any(|it| it == kind);
        let is_known = match self.is_older {
            true => OLDER.contains(&name.as_str()),
            false => !["platform.end", "platform.logsSubscription"].contains(&name.as_str()),
        };
        if !is_wanted || (*kind == "platform" && !is_known) {
            return true;
        }
        let value = json!({ "time": time, "type": name, "record": record });
        // A subscriber that falls behind loses events; nothing else waits for it.
        !matches!(self.sender.try_send(Item::Event(value)), Err(mpsc::error::TrySendError::Closed(_)))
    }
}

impl Delivery {
    fn parse(request: &Value) -> Result<Self, String> {
        let destination = &request["destination"];
        let (path, port) = match destination["protocol"].as_str() {
            Some("HTTP") => {
                let uri =
                    destination["URI"].as_str().or_else(|| destination["uri"].as_str()).unwrap_or_default();
                let rest =
                    uri.strip_prefix("http://").ok_or("the destination's URI must begin with http://")?;
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
                if !["sandbox.localdomain", "sandbox", "localhost", "127.0.0.1"].contains(&host) {
                    return Err("the destination's host must be sandbox.localdomain".to_owned());
                }
                (Some(format!("/{path}")), port.parse().map_err(|_| "the destination has no port")?)
            }
            Some("TCP") => {
                let port = destination["port"].as_u64().and_then(|it| u16::try_from(it).ok());
                (None, port.ok_or("the destination has no port")?)
            }
            _ => return Err("the destination's protocol must be HTTP or TCP".to_owned()),
        };
        let number = |name: &str, default: u64, least: u64, most: u64| {
            let value = request["buffering"][name].as_u64().unwrap_or(default);
            let is_within = (least..=most).contains(&value);
            if is_within { Ok(value) } else { Err(format!("{name} must be from {least} to {most}")) }
        };
        Ok(Self {
            path,
            port,
            items: number("maxItems", 10_000, 1000, 10_000)? as usize,
            bytes: number("maxBytes", 262_144, 262_144, 1_048_576)? as usize,
            timeout: Duration::from_millis(number("timeoutMs", 1000, 25, 30_000)?),
        })
    }

    /// Sends batches until there is no more to come.
    async fn run(self, mut receiver: mpsc::Receiver<Item>, relay: Option<Relay>) {
        while let Some(first) = receiver.recv().await {
            let Item::Event(first) = first else { continue };
            let mut size = first.to_string().len();
            let mut batch = vec![first];
            let due = tokio::time::Instant::now() + self.timeout;
            while batch.len() < self.items && size < self.bytes {
                match tokio::time::timeout_at(due, receiver.recv()).await {
                    Ok(Some(Item::Event(event))) => {
                        size += event.to_string().len();
                        batch.push(event);
                    }
                    _ => break,
                }
            }
            let bytes = self.bytes(&batch);
            if let Some(relay) = &relay {
                let _ = relay.send((self.port, bytes)).await;
                continue;
            }
            for _ in 0..ATTEMPTS {
                if matches!(tokio::time::timeout(SEND_LIMIT, self.send(&bytes)).await, Ok(Ok(()))) {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// What goes over a connection for a batch.
    fn bytes(&self, batch: &[Value]) -> Vec<u8> {
        let Some(path) = &self.path else {
            return batch.iter().flat_map(|it| format!("{it}\n").into_bytes()).collect();
        };
        let body = Value::from(batch.to_vec()).to_string();
        let (port, length) = (self.port, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: sandbox.localdomain:{port}\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        [head, body].concat().into_bytes()
    }

    async fn send(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(bytes).await?;
        if self.path.is_none() {
            return stream.shutdown().await;
        }
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        let is_taken = answer.starts_with(b"HTTP/1.") && answer[9] == b'2';
        if is_taken { Ok(()) } else { Err(std::io::Error::other("the subscriber refused")) }
    }
}
