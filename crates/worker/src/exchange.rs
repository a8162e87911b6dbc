//! The state between an environment's owner, who offers invocations, and its runtime, which asks for them.
//!
//! It is the Runtime API without HTTP. Keeps true: an invocation is handed over at most once and answered at most once;
//! whatever comes twice, late or out of turn is refused.

use crate::channel::Connection;
use crate::extensions::Extensions;
use crate::function::Invocation;
use crate::limits::EnvironmentLimits;
use crate::streaming::ResponseStream;
use aloft_base::Clock;
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// What the runtime said to an invocation.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The result.
    Response(Bytes),
    /// An error, as JSON.
    Error(Bytes),
    /// A result beyond [`EnvironmentLimits::response`].
    TooLarge,
}

/// How the initialisation ended.
#[derive(Debug)]
pub(crate) enum Initialized {
    /// The runtime asked for the first invocation, at this moment.
    Ready(Instant),
    /// It reported an error, as JSON, with the type from the header.
    Failed(Bytes, Option<String>),
}

/// Why a call of the runtime is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The call does not fit the state, named second.
    State(&'static str, &'static str),
    /// The request id is not that of the current invocation.
    RequestId,
    /// The answer is too large; it has been noted as such.
    TooLarge,
}

/// An invocation with the time by which it must be answered, in milliseconds of the system's clock.
#[derive(Debug, Clone)]
pub(crate) struct Handed {
    pub(crate) invocation: Arc<Invocation>,
    pub(crate) deadline_millis: i64,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) extensions: Extensions,
    pub(crate) limits: EnvironmentLimits,
    state: Mutex<State>,
    /// Wakes runtimes that wait for an invocation.
    offered: Notify,
    /// Wakes the owner that waits for the runtime to come back.
    parked: Notify,
}

#[derive(Debug)]
struct State {
    initialized: Option<oneshot::Sender<Initialized>>,
    waiting: usize,
    /// The connection of a bootstrap that waits; it is counted in `waiting`.
    parked: Option<Connection>,
    offer: Option<Offer>,
    current: Option<Current>,
    closed: bool,
}

#[derive(Debug)]
struct Offer {
    invocation: Arc<Invocation>,
    timeout: Duration,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug)]
struct Current {
    request_id: String,
    /// Taken when answered.
    answer: Option<oneshot::Sender<Answer>>,
    /// Taken when a streamed answer begins.
    stream: Option<ResponseStream>,
    /// A streamed answer has begun, so nothing else may answer.
    streaming: bool,
}

/// Counts a runtime that waits, for as long as it does.
struct Waiting<'a>(&'a Exchange);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

impl Exchange {
    /// An exchange, and what tells how the initialisation ends.
    pub(crate) fn new(
        extensions: Extensions,
        limits: EnvironmentLimits,
    ) -> (Arc<Self>, oneshot::Receiver<Initialized>) {
        let (sender, receiver) = oneshot::channel();
        let state = State {
            initialized: Some(sender),
            waiting: 0,
            parked: None,
            offer: None,
            current: None,
            closed: false,
        };
        (
            Arc::new(Self {
                extensions,
                limits,
                state: Mutex::new(state),
                offered: Notify::new(),
                parked: Notify::new(),
            }),
            receiver,
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The owner: has an invocation run. The answer comes at most once; never when the environment dies. `told` is called when
    /// the runtime is at work, or has been called.
    pub(crate) async fn run(
        self: &Arc<Self>,
        invocation: Arc<Invocation>,
        timeout: Duration,
        told: impl FnOnce(),
    ) -> Option<Answer> {
        if let Some(mut connection) = self.unpark() {
            let (answer, answered) = oneshot::channel();
            let handed = self.hand(Offer { invocation: invocation.clone(), timeout, answer });
            if connection.tell(&handed).await.is_ok() {
                told();
                return connection.answer(self, &handed, answered).await;
            }
            // It does not have it: whoever asks next may.
            self.settle(&handed.invocation.request_id);
        }
        let answered = self.offer(invocation, timeout);
        told();
        answered.await.ok()
    }

    /// The owner: offers an invocation to whoever asks for the next.
    pub(crate) fn offer(&self, invocation: Arc<Invocation>, timeout: Duration) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        self.lock().offer = Some(Offer { invocation, timeout, answer });
        self.offered.notify_one();
        receiver
    }

    fn unpark(&self) -> Option<Connection> {
        let mut state = self.lock();
        let connection = if state.closed { None } else { state.parked.take() }?;
        state.waiting -= 1;
        Some(connection)
    }

    /// The owner: takes back an offer. False when the runtime already has it.
    pub(crate) fn withdraw(&self) -> bool {
        self.lock().offer.take().is_some()
    }

    /// The owner: waits until the runtime and all extensions ask for the next invocation.
    pub(crate) async fn until_parked(&self) {
        loop {
            let parked = self.parked.notified();
            if self.is_parked() {
                break;
            }
            parked.await;
        }
        self.extensions.until_waiting().await;
    }

    /// The owner: whether the runtime waits for it.
    pub(crate) fn is_parked(&self) -> bool {
        self.lock().waiting > 0
    }

    /// The owner: refuses everything from now on.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // Who is parked may still have something to do before its end, and stays connected.
        state.offer = None;
        state.current = None;
    }

    /// The runtime: asks for the next invocation and waits for it.
    pub(crate) async fn next(&self) -> Result<Handed, Refusal> {
        self.begin_to_wait(None).await?;
        let _waiting = Waiting(self);
        self.parked.notify_waiters();
        loop {
            let offered = self.offered.notified();
            let offer = self.lock().offer.take();
            if let Some(offer) = offer {
                return Ok(self.hand(offer));
            }
            offered.await;
        }
    }

    /// The runtime: asks for the next invocation, which it shall be told of by this connection.
    pub(crate) async fn park(&self, connection: Connection) {
        if let Err(refusal) = self.begin_to_wait(Some(connection)).await {
            tracing::debug!(?refusal, "a bootstrap asks out of turn");
        }
        self.parked.notify_waiters();
    }

    /// Counts a runtime that waits.
    async fn begin_to_wait(&self, connection: Option<Connection>) -> Result<(), Refusal> {
        if self.lock().initialized.is_some() {
            self.extensions.initialized().await;
        }
        let mut state = self.lock();
        if state.closed {
            return Err(Refusal::State("Closed", "RuntimeReady"));
        }
        if state.current.as_ref().is_some_and(|current| current.answer.is_some()) {
            return Err(Refusal::State("InvocationRunning", "RuntimeReady"));
        }
        state.current = None;
        if let Some(initialized) = state.initialized.take() {
            let _ = initialized.send(Initialized::Ready(Instant::now()));
        }
        state.waiting += 1;
        state.parked = connection.or(state.parked.take());
        Ok(())
    }

    /// Makes an offer the current invocation.
    fn hand(&self, offer: Offer) -> Handed {
        let Offer { invocation, timeout, answer } = offer;
        self.lock().current = Some(Current {
            request_id: invocation.request_id.clone(),
            answer: Some(answer),
            stream: invocation.stream.clone(),
            streaming: false,
        });
        // The process reads the system's clock, whatever the cloud's clock says.
        let deadline_millis = Clock::system().now().add(timeout).millis();
        self.extensions.invoked(&invocation, deadline_millis);
        Handed { invocation, deadline_millis }
    }

    /// The runtime: answers the current invocation. `too_large` when the body was cut off.
    pub(crate) fn respond(&self, request_id: &str, body: Bytes, too_large: bool) -> Result<(), Refusal> {
        let too_large = too_large || body.len() > self.limits.response;
        self.answer(request_id, if too_large { Answer::TooLarge } else { Answer::Response(body) })?;
        if too_large { Err(Refusal::TooLarge) } else { Ok(()) }
    }

    /// The runtime: begins a streamed answer, which [`Exchange::end_stream`] ends. Nothing when nobody wants the pieces.
    pub(crate) fn begin_stream(&self, request_id: &str) -> Result<Option<ResponseStream>, Refusal> {
        let mut state = self.lock();
        let current = unanswered(&mut state, request_id)?;
        current.streaming = true;
        Ok(current.stream.take())
    }

    /// The runtime: has sent all the pieces, so that the invocation can be answered.
    pub(crate) fn end_stream(&self, request_id: &str) {
        if let Some(current) = self.lock().current.as_mut().filter(|it| it.request_id == request_id) {
            current.streaming = false;
        }
    }

    /// The runtime: answers the current invocation with an error.
    pub(crate) fn fail(&self, request_id: &str, body: Bytes) -> Result<(), Refusal> {
        self.answer(request_id, Answer::Error(body))
    }

    fn answer(&self, request_id: &str, answer: Answer) -> Result<(), Refusal> {
        let mut state = self.lock();
        if let Some(sender) = unanswered(&mut state, request_id)?.answer.take() {
            let _ = sender.send(answer);
        }
        Ok(())
    }

    /// The owner: has the answer to the current invocation. False when it is another one's, or has been answered.
    pub(crate) fn settle(&self, request_id: &str) -> bool {
        unanswered(&mut self.lock(), request_id).is_ok_and(|current| current.answer.take().is_some())
    }

    /// The runtime: could not initialise.
    pub(crate) fn fail_initialization(&self, body: Bytes, kind: Option<String>) -> Result<(), Refusal> {
        let mut state = self.lock();
        match state.initialized.take() {
            Some(initialized) if !state.closed => {
                let _ = initialized.send(Initialized::Failed(body, kind));
                Ok(())
            }
            _ => Err(Refusal::State("RuntimeReady", "InitError")),
        }
    }
}

/// The current invocation, when it is this one and nothing has begun to answer it.
fn unanswered<'a>(state: &'a mut State, request_id: &str) -> Result<&'a mut Current, Refusal> {
    if state.closed {
        return Err(Refusal::State("Closed", "InvocationResponse"));
    }
    match state.current.as_mut().filter(|current| current.request_id == request_id) {
        None => Err(Refusal::RequestId),
        Some(current) if current.answer.is_none() || current.streaming => {
            Err(Refusal::State("InvocationResponse", "InvocationResponse"))
        }
        Some(current) => Ok(current),
    }
}
