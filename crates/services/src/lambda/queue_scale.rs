//! How many batches of a queue run at once: few at first, more while all of them are busy, fewer when there is no room.
//!
//! Source: the developer guide, "Using Lambda with Amazon SQS": five at first, three hundred more each minute.

use aloft_base::{Clock, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How many run at once at first.
const AT_FIRST: usize = 5;
/// How many more each [`STEP`].
const MORE: usize = 5;
const STEP: Duration = Duration::from_secs(1);
/// How many run at once at most.
const AT_MOST: usize = 1250;

/// The scale of a mapping.
pub(super) struct Scale {
    most: usize,
    clock: Clock,
    state: Mutex<State>,
    left: Notify,
}

struct State {
    limit: usize,
    inside: usize,
    changed: Timestamp,
}

/// The right to run a batch.
pub(super) struct Permit(Arc<Scale>);

impl Scale {
    /// With the most that the mapping allows, if it says so.
    pub fn new(most: Option<usize>, clock: &Clock) -> Arc<Self> {
        let most = most.unwrap_or(AT_MOST).min(AT_MOST);
        let state = State { limit: AT_FIRST.min(most), inside: 0, changed: clock.now() };
        Arc::new(Self { most, clock: clock.clone(), state: Mutex::new(state), left: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more may run.
    pub async fn enter(self: &Arc<Self>) -> Permit {
        loop {
            let left = self.left.notified();
            let can_grow = {
                let (now, mut state) = (self.clock.now(), self.lock());
                let is_busy = state.inside >= state.limit && now.since(state.changed) >= STEP;
                if is_busy && state.limit < self.most {
                    state.limit = (state.limit + MORE).min(self.most);
                    state.changed = now;
                }
                if state.inside < state.limit {
                    state.inside += 1;
                    return Permit(self.clone());
                }
                state.limit < self.most
            };
            if can_grow {
                drop(tokio::time::timeout(STEP, left).await);
            } else {
                left.await;
            }
        }
    }

    /// There was nothing to do: it begins anew.
    pub fn idle(&self) {
        let mut state = self.lock();
        state.limit = AT_FIRST.min(self.most);
        state.changed = self.clock.now();
    }
}

impl Permit {
    /// There was no room for the batch: fewer are run.
    pub fn throttled(&self) {
        let (now, mut state) = (self.0.clock.now(), self.0.lock());
        if now.since(state.changed) >= STEP {
            state.limit = (state.limit / 2).max(1);
            state.changed = now;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;

    /// Enters as often as it goes at once.
    async fn fill(scale: &Arc<Scale>, held: &mut Vec<Permit>) -> usize {
        loop {
            let mut next = std::pin::pin!(scale.enter());
            let entered = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await;
            match entered {
                Poll::Ready(permit) => held.push(permit),
                Poll::Pending => return held.len(),
            }
        }
    }

    #[tokio::test]
    async fn it_grows_while_all_are_busy_and_shrinks_when_there_is_no_room() {
        let clock = Clock::fixed(Timestamp(0));
        let (scale, mut held) = (Scale::new(Some(12), &clock), Vec::new());
        assert_eq!(fill(&scale, &mut held).await, 5);
        clock.advance(STEP);
        assert_eq!(fill(&scale, &mut held).await, 10);
        clock.advance(STEP);
        assert_eq!(fill(&scale, &mut held).await, 12);
        clock.advance(STEP);
        held[0].throttled();
        held.truncate(6);
        assert_eq!(fill(&scale, &mut held).await, 6);
        held.clear();
        scale.idle();
        assert_eq!(fill(&scale, &mut held).await, 5);
    }
}
