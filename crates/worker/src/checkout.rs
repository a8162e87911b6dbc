//! How an invocation comes by an environment: an idle one, the right to start one, or a place in line for one.
//!
//! It starts nothing itself. Keeps true: who has a place in line leaves it, however the invocation ends, and is called in the
//! order in which they came.

use crate::environment::Environment;
use crate::function::{FunctionSpec, InvokeError};
use crate::pool::{Pool, Purpose};
use crate::workers::Inner;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// What an invocation gets.
pub(crate) enum Checkout {
    /// An idle environment, which is busy from now on.
    Warm(u64, Arc<Environment>),
    /// The right to start one: its number and its log stream.
    Cold(u64, String),
    /// Its place in line, and when to look again at the latest.
    Later(Duration),
}

/// A place in line, until it is dropped. (Not while the pool is locked.)
pub(crate) struct Place {
    inner: Arc<Inner>,
    key: Arc<str>,
    since: Instant,
    turn: Arc<Notify>,
    /// Until it has been called.
    called: Option<Pin<Box<OwnedNotified>>>,
}

impl Place {
    /// The last place.
    fn new(inner: &Arc<Inner>, key: &Arc<str>, pool: &mut Pool) -> Self {
        let (turn, many) = pool.join(key);
        if many {
            inner.wake.notify_one();
        }
        Self { inner: inner.clone(), key: key.clone(), since: Instant::now(), turn, called: None }
    }

    /// Is called from now on; at the end of the line, if it has been.
    fn listen(&mut self) {
        self.called.get_or_insert_with(|| {
            let mut called = Box::pin(self.turn.clone().notified_owned());
            called.as_mut().enable();
            called
        });
    }

    /// Waits until it is called, but no longer than that. Who only wants to look stays where it stands.
    pub(crate) async fn wait(&mut self, at_most: Duration) {
        let Some(called) = &mut self.called else { return };
        if tokio::time::timeout(at_most, called.as_mut()).await.is_ok() {
            self.called = None;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.lock().leave(&self.key);
    }
}

impl Inner {
    /// An idle environment of this revision, the right to start one, or a place in line for one. `key` is that of the version.
    pub(crate) fn checkout(
        self: &Arc<Self>,
        key: &Arc<str>,
        spec: &Arc<FunctionSpec>,
        place: &mut Option<Place>,
    ) -> Result<Checkout, InvokeError> {
        let mut removed = Vec::new();
        let found = self.find(key, spec, place, &mut removed);
        removed.into_iter().for_each(|environment| self.stop(environment));
        found
    }

    fn find(
        self: &Arc<Self>,
        key: &Arc<str>,
        spec: &Arc<FunctionSpec>,
        place: &mut Option<Place>,
        removed: &mut Vec<Arc<Environment>>,
    ) -> Result<Checkout, InvokeError> {
        let now = self.setting.clock.now();
        let waited = place.as_ref().map_or(Duration::ZERO, |it| it.since.elapsed());
        let in_turn = place.is_some();
        let mut pool = self.lock();
        if pool.is_closed() {
            return Err(InvokeError::Shutdown);
        }
        let mut later = |pool: &mut Pool, look_again| {
            place.get_or_insert_with(|| Place::new(self, key, pool)).listen();
            Ok(Checkout::Later(look_again))
        };
        if let Some((id, environment)) = pool.take(key, spec, in_turn, now, removed) {
            return Ok(Checkout::Warm(id, environment));
        }
        if let Some(look_again) = pool.waits(key, spec, waited, &self.processors, false) {
            return later(&mut pool, look_again);
        }
        if let Some((id, environment)) = pool.take(key, spec, true, now, removed) {
            return Ok(Checkout::Warm(id, environment));
        }
        if pool.is_empty() {
            self.wake.notify_one();
        }
        // What waits for no function in particular goes first.
        self.shed(pool.room_mb(self.budget, Some(spec)));
        let stream = self.setting.log_stream(&spec.version);
        match pool.reserve(spec, Purpose::Invocation, stream.clone(), now, self.budget, removed) {
            Ok(id) => Ok(Checkout::Cold(id, stream)),
            Err(refused) => match pool.waits(key, spec, waited, &self.processors, true) {
                Some(look_again) => later(&mut pool, look_again),
                None => Err(refused),
            },
        }
    }
}
