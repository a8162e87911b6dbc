//! Waiting on the cloud's clock, which may jump.

use aloft_base::{Clock, Timestamp};
use std::time::Duration;
use tokio::sync::watch;

/// How long one nap is at most while the clock stands.
const NAP: Duration = Duration::from_secs(3600);

/// Who waits hears of jumps.
pub(super) struct Waiting {
    clock: Clock,
    jumps: watch::Sender<u64>,
}

impl Waiting {
    pub fn new(clock: &Clock) -> Self {
        let jumps = watch::channel(0).0;
        let heard = jumps.clone();
        clock.on_advance(move || heard.send_modify(|count| *count += 1));
        Self { clock: clock.clone(), jumps }
    }

    /// Waits until it is that time.
    pub async fn until(&self, due: Timestamp) {
        let mut jumps = self.jumps.subscribe();
        loop {
            let now = self.clock.now();
            if now >= due {
                return;
            }
            let nap = if self.clock.is_fixed() { NAP } else { due.since(now) };
            drop(tokio::time::timeout(nap, jumps.changed()).await);
        }
    }

    /// Waits so long.
    pub async fn pause(&self, pause: Duration) {
        self.until(self.clock.now().add(pause)).await;
    }
}
