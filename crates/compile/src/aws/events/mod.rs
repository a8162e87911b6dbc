//! The event types, one file or folder each.
//!
//! An event type reads its own events of the context and adds resources, outputs and statements; none knows another.

mod api_gateway_logs;
mod http;
mod http_api;
mod s3;
mod schedule;
mod sns;
mod sqs;

use super::context::Context;
use aloft_diag::Diagnostic;

/// An event type.
#[derive(Debug)]
pub struct EventType {
    /// Its name in `functions.*.events`.
    pub name: &'static str,
    /// When its turn is; the original's order, which decides the order of the role's statements.
    turn: u8,
    compile: fn(&mut Context<'_>) -> Result<(), Diagnostic>,
}

/// All event types, by name.
pub const EVENTS: &[EventType] = &[
    EventType { name: "http", turn: 3, compile: http::compile },
    EventType { name: "httpApi", turn: 22, compile: http_api::compile },
    EventType { name: "s3", turn: 2, compile: s3::compile },
    EventType { name: "schedule", turn: 1, compile: schedule::compile },
    EventType { name: "sns", turn: 5, compile: sns::compile },
    EventType { name: "sqs", turn: 20, compile: sqs::compile },
];

/// Compiles the events of all types.
///
/// # Errors
/// At most one for each type.
pub fn add(context: &mut Context<'_>) -> Result<(), Vec<Diagnostic>> {
    let mut types: Vec<&EventType> = EVENTS.iter().collect();
    types.sort_by_key(|event_type| event_type.turn);
    let errors: Vec<Diagnostic> =
        types.into_iter().filter_map(|event_type| (event_type.compile)(context).err()).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
