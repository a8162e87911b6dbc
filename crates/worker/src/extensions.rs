//! The extensions of an environment: who has registered, who waits for the next event, who has ended.
//!
//! It is the Extensions API without HTTP. External extensions are processes of their own, started before the runtime by
//! `supervise.sh`; internal ones run within the runtime and register while it initialises. Keeps true: every extension
//! gets each event that it registered for once, in order, and an environment is ready only when all of them wait.

use crate::function::Invocation;
use crate::telemetry::Telemetry;
use aloft_base::{Clock, Ids};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How many extensions there may be.
const LIMIT: usize = 10;
/// What external extensions have to end in.
const EXTERNAL_END: Duration = Duration::from_secs(2);
/// What a runtime with extensions has to end in.
pub(crate) const RUNTIME_END: Duration = Duration::from_millis(500);

/// Why a call of an extension is refused: a status, an error's type and its text.
pub(crate) type Refused = (u16, &'static str, String);

/// The extensions of one environment.
#[derive(Debug)]
pub(crate) struct Extensions {
    ids: Ids,
    about: About,
    state: Mutex<State>,
    /// Something is different: an event, a registration, an end.
    changed: Notify,
    pub(crate) telemetry: Arc<Telemetry>,
}

/// What extensions are told of their function.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) handler: String,
    pub(crate) account: String,
}

#[derive(Debug, Default)]
struct State {
    /// External ones that were started and have not ended.
    running: BTreeSet<String>,
    registered: BTreeMap<String, Extension>,
    /// Whether the runtime has begun to ask for events: nobody can register any more.
    initialized: bool,
    ending: Option<&'static str>,
    /// The kind of error that ended the environment, and why.
    failure: Option<(String, String)>,
}

#[derive(Debug)]
struct Extension {
    name: String,
    is_external: bool,
    events: BTreeSet<String>,
    pending: VecDeque<Value>,
    /// It waits for an event.
    is_waiting: bool,
    has_ended: bool,
}

impl Extensions {
    pub(crate) fn new(ids: Ids, telemetry: Arc<Telemetry>, about: About) -> Self {
        Self { ids, about, state: Mutex::default(), changed: Notify::new(), telemetry }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are any.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.registered.is_empty() && state.running.is_empty()
    }

    /// An external one is being started.
    pub(crate) fn started(&self, name: &str) {
        self.lock().running.insert(name.to_owned());
    }

    /// An external one has ended.
    pub(crate) fn exited(&self, name: &str, code: &str) {
        let mut state = self.lock();
        state.running.remove(name);
        for extension in state.registered.values_mut().filter(|it| it.is_external && it.name == name) {
            extension.has_ended = true;
            extension.is_waiting = false;
        }
        if state.ending.is_none() && state.failure.is_none() {
            state.failure = Some(("Extension.Crash".to_owned(), format!("exit code {code}")));
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether one has failed, which is the end of the environment.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().failure.is_some()
    }

    /// Waits until every external extension has registered, or something has gone wrong.
    pub(crate) async fn until_registered(&self) {
        self.until(|state| {
            let has = |name: &String| state.registered.values().any(|it| it.is_external && it.name == *name);
            state.failure.is_some() || state.ending.is_some() || state.running.iter().all(has)
        })
        .await;
    }

    /// Waits until one has failed: the error's type and its reason.
    pub(crate) async fn until_failed(&self) -> (String, String) {
        self.until(|state| state.failure.is_some()).await;
        self.lock().failure.clone().unwrap_or_default()
    }

    /// Waits until all of them wait for the next event.
    pub(crate) async fn until_waiting(&self) {
        self.until(|state| state.ending.is_some() || state.registered.values().all(|it| it.is_waiting)).await;
    }

    /// The runtime asks for its first event: waits until all extensions do, too.
    pub(crate) async fn initialized(&self) {
        self.lock().initialized = true;
        self.until_waiting().await;
        for line in self.lines("Ready") {
            self.telemetry.platform("extension", || line);
        }
    }

    /// What there is to say of each.
    fn lines(&self, what: &str) -> Vec<Value> {
        let state = self.lock();
        let describe = |it: &Extension| json!({ "name": it.name, "state": what, "events": it.events });
        state.registered.values().map(describe).collect()
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// Registers one: its identifier, and what it is told.
    pub(crate) fn register(
        &self,
        name: &str,
        body: &[u8],
        wants_account: bool,
    ) -> Result<(String, Value), Refused> {
        let parsed: Value =
            serde_json::from_slice(body).map_err(|error| (400, "InvalidRequestFormat", error.to_string()))?;
        let mut events = BTreeSet::new();
        for event in parsed["events"].as_array().into_iter().flatten() {
            match event.as_str() {
                Some(event @ ("INVOKE" | "SHUTDOWN")) => events.insert(event.to_owned()),
                _ => return Err((400, "Extension.InvalidEventType", format!("{event} is not an event"))),
            };
        }
        let mut state = self.lock();
        let is_external = state.running.contains(name);
        if state.initialized || state.ending.is_some() {
            let text = "Extensions register before the first invocation".to_owned();
            return Err((403, "Extension.RegistrationClosed", text));
        }
        if state.registered.values().any(|it| it.name == name) {
            return Err((403, "Extension.AlreadyRegistered", format!("{name} has registered already")));
        }
        if state.registered.len() >= LIMIT {
            return Err((403, "Extension.TooManyExtensions", format!("There may be {LIMIT} extensions")));
        }
        if !is_external && events.contains("SHUTDOWN") {
            let text = "Internal extensions are not told of the end".to_owned();
            return Err((403, "ShutdownEventNotSupportedForInternalExtension", text));
        }
        let id = self.ids.uuid();
        let extension = Extension {
            name: name.to_owned(),
            is_external,
            events,
            pending: VecDeque::new(),
            is_waiting: false,
            has_ended: false,
        };
        state.registered.insert(id.clone(), extension);
        drop(state);
        self.changed.notify_waiters();
        let About { name, version, handler, account } = &self.about;
        let mut told = json!({ "functionName": name, "functionVersion": version, "handler": handler });
        if wants_account {
            told["accountId"] = account.as_str().into();
        }
        Ok((id, told))
    }

    /// Waits for an extension's next event.
    pub(crate) async fn next(&self, id: &str) -> Result<Value, Refused> {
        let waiting = Waiting::new(self, id)?;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let event = self.lock().registered.get_mut(id).and_then(|it| it.pending.pop_front());
            if let Some(event) = event {
                drop(waiting);
                return Ok(event);
            }
            changed.await;
        }
    }

    /// An extension says that it cannot go on.
    pub(crate) fn fail(&self, id: &str, kind: &'static str, reason: &str) -> Result<(), Refused> {
        let mut state = self.lock();
        if !state.registered.contains_key(id) {
            return Err(unknown());
        }
        if state.ending.is_none() {
            state.failure.get_or_insert_with(|| (kind.to_owned(), reason.to_owned()));
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// The name of a registered one.
    pub(crate) fn name(&self, id: &str) -> Result<String, Refused> {
        self.lock().registered.get(id).map(|it| it.name.clone()).ok_or_else(unknown)
    }

    /// The runtime got an invocation: so do those that registered for it.
    pub(crate) fn invoked(&self, invocation: &Invocation, deadline_millis: i64) {
        self.tell("INVOKE", || {
            json!({
                "eventType": "INVOKE",
                "deadlineMs": deadline_millis,
                "requestId": invocation.request_id,
                "invokedFunctionArn": invocation.function_arn,
                "tracing": { "type": "X-Amzn-Trace-Id", "value": invocation.trace_id },
            })
        });
    }

    /// Tells the event to those that want it. It is made for each of them: as a rule there are none.
    fn tell(&self, kind: &str, event: impl Fn() -> Value) {
        let mut state = self.lock();
        for extension in state.registered.values_mut().filter(|it| it.events.contains(kind)) {
            extension.pending.push_back(event());
            extension.is_waiting = false;
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The environment ends: tells those that want to know. `spindown`, `timeout` or `failure`.
    pub(crate) fn end(&self, reason: &'static str) {
        {
            let mut state = self.lock();
            if state.ending.replace(reason).is_some() {
                return;
            }
        }
        let deadline = Clock::system().now().add(EXTERNAL_END).millis();
        self.tell(
            "SHUTDOWN",
            || json!({ "eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline }),
        );
        self.telemetry.flush();
    }

    /// Waits until those that were told have ended, or their time is over.
    pub(crate) async fn until_ended(&self) {
        let gone = self.until(|state| {
            state
                .registered
                .values()
                .all(|it| it.has_ended || !it.is_external || !it.events.contains("SHUTDOWN"))
        });
        let _ = tokio::time::timeout(EXTERNAL_END, gone).await;
    }

    /// An identifier for an event.
    pub(crate) fn event_id(&self) -> String {
        self.ids.uuid()
    }
}

fn unknown() -> Refused {
    (403, "Extension.InvalidExtensionIdentifier", "No extension has this identifier".to_owned())
}

/// An extension waits, for as long as this lives.
struct Waiting<'a> {
    extensions: &'a Extensions,
    id: &'a str,
}

impl<'a> Waiting<'a> {
    fn new(extensions: &'a Extensions, id: &'a str) -> Result<Self, Refused> {
        let mut state = extensions.lock();
        let extension = state.registered.get_mut(id).ok_or_else(unknown)?;
        extension.is_waiting = extension.pending.is_empty();
        drop(state);
        extensions.changed.notify_waiters();
        Ok(Self { extensions, id })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(extension) = self.extensions.lock().registered.get_mut(self.id) {
            extension.is_waiting = false;
        }
    }
}

/// The executable extensions in the layers, by name: a later layer's stands for an earlier one's.
pub(crate) fn external(layers: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = BTreeMap::new();
    for entry in
        layers.iter().filter_map(|it| std::fs::read_dir(it.join("extensions")).ok()).flatten().flatten()
    {
        if crate::runtimes::is_executable(&entry.path()) {
            found.insert(entry.file_name(), entry.path());
        }
    }
    found.into_values().collect()
}
