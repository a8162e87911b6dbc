//! How an invocation comes by an environment: an idle one, the right to start one, or a place in line for one.
//!
//! It starts nothing itself. Keeps true: who has a place in line leaves it, however the invocation ends.

use crate::environment::Environment;
use crate::function::{FunctionSpec, InvokeError};
use crate::pool::Purpose;
use crate::workers::Inner;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What an invocation gets.
pub(crate) enum Checkout {
    /// An idle environment, which is busy from now on.
    Warm(u64, Arc<Environment>),
    /// The right to start one: its number and its log stream.
    Cold(u64, String),
    /// Nothing yet, and when to look again at the latest.
    Later(Place, Duration),
}

/// A place in line, until it is dropped.
pub(crate) struct Place {
    inner: Arc<Inner>,
    spec: Arc<FunctionSpec>,
    /// Tells when to look again.
    pub(crate) turn: Arc<Notify>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.lock().leave(&self.spec);
    }
}

impl Inner {
    /// An idle environment of this revision, the right to start one, or a place in line for one. Who has stood in line
    /// says how long.
    pub(crate) fn checkout(
        self: &Arc<Self>,
        spec: &Arc<FunctionSpec>,
        waited: Option<Duration>,
    ) -> Result<Checkout, InvokeError> {
        let mut removed = Vec::new();
        let found = self.find(spec, waited, &mut removed);
        removed.into_iter().for_each(|environment| self.stop(environment));
        found
    }

    fn find(
        self: &Arc<Self>,
        spec: &Arc<FunctionSpec>,
        waited: Option<Duration>,
        removed: &mut Vec<Arc<Environment>>,
    ) -> Result<Checkout, InvokeError> {
        let now = self.setting.clock.now();
        let place = |(turn, look_again)| {
            Checkout::Later(Place { inner: self.clone(), spec: spec.clone(), turn }, look_again)
        };
        let so_far = waited.unwrap_or_default();
        let mut pool = self.lock();
        if pool.is_closed() {
            return Err(InvokeError::Shutdown);
        }
        if let Some((id, environment)) = pool.take(spec, waited.is_some(), now, removed) {
            return Ok(Checkout::Warm(id, environment));
        }
        if let Some(joined) = pool.join(spec, so_far, &self.processors, false) {
            return Ok(place(joined));
        }
        if let Some((id, environment)) = pool.take(spec, true, now, removed) {
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
            Err(refused) => pool.join(spec, so_far, &self.processors, true).map(place).ok_or(refused),
        }
    }
}
