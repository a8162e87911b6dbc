//! What a message's timer has done: a message to an application is told to its webhook, one from an application reaches the phone.

use super::rows;
use super::{Twilio, inbound, outbound};
use crate::storage::Outcome;
use aloft_engine::Context;
use aloft_engine::timers::Timer;

/// Deals with the message that a timer is due for, unless that happened before the timer was dropped.
pub(super) async fn work(twilio: &Twilio, context: &Context, timer: &Timer) -> Outcome<()> {
    let sid = timer.payload["sid"].as_str().unwrap_or_default();
    let (account, message) = {
        let snapshot = context.store().read()?;
        (rows::account(&snapshot)?, rows::message(&snapshot, sid)?)
    };
    match message.filter(|message| !message.is_settled) {
        Some(message) if message.direction == "inbound" => {
            inbound::work(twilio, context, &account, message).await
        }
        Some(message) => outbound::work(twilio, context, &account, message).await,
        None => Ok(()),
    }
}
