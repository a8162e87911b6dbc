//! The event types, one file or folder each.
//!
//! An event type reads its own events of the context and adds resources, outputs and statements; none knows another.

mod alb;
mod alexa;
mod api_gateway_logs;
mod cloud_front;
mod cloudwatch_event;
mod cloudwatch_log;
mod cognito_user_pool;
mod event_bridge;
mod http;
mod http_api;
mod iot;
mod kafka;
mod mapping;
mod mq;
mod msk;
mod s3;
mod schedule;
mod sns;
mod sqs;
mod stream;
mod websocket;

pub(super) use http_api::method_and_path;

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
    EventType { name: "activemq", turn: 8, compile: mq::compile_activemq },
    EventType { name: "alb", turn: 11, compile: alb::compile },
    EventType { name: "alexaSkill", turn: 12, compile: alexa::compile_skill },
    EventType { name: "alexaSmartHome", turn: 13, compile: alexa::compile_smart_home },
    EventType { name: "cloudFront", turn: 21, compile: cloud_front::compile },
    EventType { name: "cloudwatchEvent", turn: 16, compile: cloudwatch_event::compile },
    EventType { name: "cloudwatchLog", turn: 17, compile: cloudwatch_log::compile },
    EventType { name: "cognitoUserPool", turn: 18, compile: cognito_user_pool::compile },
    EventType { name: "eventBridge", turn: 19, compile: event_bridge::compile },
    EventType { name: "http", turn: 3, compile: http::compile },
    EventType { name: "httpApi", turn: 22, compile: http_api::compile },
    EventType { name: "iot", turn: 14, compile: iot::compile_rules },
    EventType { name: "iotFleetProvisioning", turn: 15, compile: iot::compile_fleet_provisioning },
    EventType { name: "kafka", turn: 7, compile: kafka::compile },
    EventType { name: "msk", turn: 10, compile: msk::compile },
    EventType { name: "rabbitmq", turn: 9, compile: mq::compile_rabbitmq },
    EventType { name: "s3", turn: 2, compile: s3::compile },
    EventType { name: "schedule", turn: 1, compile: schedule::compile },
    EventType { name: "sns", turn: 5, compile: sns::compile },
    EventType { name: "sqs", turn: 20, compile: sqs::compile },
    EventType { name: "stream", turn: 6, compile: stream::compile },
    EventType { name: "websocket", turn: 4, compile: websocket::compile },
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
