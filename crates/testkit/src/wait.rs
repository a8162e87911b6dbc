//! Waiting for what can be seen. The only pause of all tests is here.

use std::time::{Duration, Instant};

/// How often is looked.
const EVERY: Duration = Duration::from_millis(20);

/// Waits until `seen` gives something.
///
/// # Panics
/// With `what`, when it takes longer than `within`.
pub fn until_some<T>(what: &str, within: Duration, mut seen: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = seen() {
            return found;
        }
        assert!(started.elapsed() < within, "waited {within:?} in vain: {what}");
        pause();
    }
}

/// Waits until `holds` is true.
///
/// # Panics
/// With `what`, when it takes longer than `within`.
pub fn until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    until_some(what, within, || holds().then_some(()));
}

// What is waited for is in other processes, which nothing but looking can tell about.
#[allow(clippy::disallowed_methods)]
pub(crate) fn pause() {
    std::thread::sleep(EVERY);
}
