//! The one clock. Real time plus an offset that a user may advance, or a time that stands until it is moved.
//!
//! Not a timer: who waits for a moment registers with [`Clock::on_advance`] so that a jump is noticed at once.

use crate::Timestamp;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Tells the time. Cheap to clone; clones share the offset.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    /// Milliseconds: the offset from the system's clock, or the time itself when `fixed`.
    millis: AtomicI64,
    fixed: bool,
    listeners: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::new(0, false)
    }

    /// A clock that stands at `at` until [`Clock::advance`] moves it.
    pub fn fixed(at: Timestamp) -> Self {
        Self::new(at.millis(), true)
    }

    fn new(millis: i64, fixed: bool) -> Self {
        Self(Arc::new(Inner { millis: AtomicI64::new(millis), fixed, listeners: Mutex::default() }))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let millis = self.0.millis.load(Ordering::SeqCst);
        if self.0.fixed { Timestamp(millis) } else { Timestamp(system_millis() + millis) }
    }

    /// The time that other machines have: without what [`Clock::advance`] added to the system's clock.
    pub fn unshifted(&self) -> Timestamp {
        if self.0.fixed { self.now() } else { Timestamp(system_millis()) }
    }

    /// Whether time passes only by [`Clock::advance`].
    pub fn is_fixed(&self) -> bool {
        self.0.fixed
    }

    /// Moves the clock forward and tells everyone who waits.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.millis.fetch_add(by, Ordering::SeqCst);
        for listener in self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            listener();
        }
    }

    /// Calls `listener` after every jump, for as long as the clock lives.
    pub fn on_advance(&self, listener: impl Fn() + Send + 'static) {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }
}

/// The only reading of the system's clock in the project.
#[allow(clippy::disallowed_methods)]
fn system_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told_and_tells_listeners() {
        let clock = Clock::fixed(Timestamp(1000));
        let jumps = Arc::new(AtomicI64::new(0));
        let seen = jumps.clone();
        clock.on_advance(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), Timestamp(3000));
        assert_eq!(jumps.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_system_clock_can_be_ahead() {
        let (here, ahead) = (Clock::system(), Clock::system());
        ahead.advance(Duration::from_secs(3600));
        let lead = ahead.now().since(here.now());
        assert!(lead > Duration::from_secs(3590) && lead < Duration::from_secs(3610));
        assert!(ahead.unshifted().since(here.now()) < Duration::from_secs(10));
    }
}
