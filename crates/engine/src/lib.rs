//! The local cloud's kernel: one port, who is calling, the service that answers, calls between services, timers.
//!
//! Knows no service. Keeps true: every call (from outside, from a function, from another service) goes through
//! [`Engine::call`]; what must happen later is a row in the store, not a task in memory.

mod context;
mod engine;
mod http;
pub mod identity;
mod limits;
pub mod metering;
mod operation;
mod reply;
mod resource;
mod service;
pub mod timers;

pub use aloft_sandbox::{Destination, Isolation};
pub use aloft_wire::{Input, ServiceError};
pub use context::{Context, Principal};
pub use engine::{Engine, Options, StartError};
pub use http::{Head, HttpRequest, HttpResponse};
pub use limits::FunctionLimits;
pub use operation::{FromInput, IntoReply, Operation, WithBody};
pub use reply::{Body, BoxBody, Reply};
pub use resource::{Resource, ResourceContext, ResourceHandler, ResourceType, Update, differs};
pub use service::{Service, storage_failed};

#[doc(hidden)]
pub use async_trait::async_trait;

#[cfg(test)]
mod tests;
