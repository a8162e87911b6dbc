//! AWS protocols, driven by the public API models: requests and answers as typed values, both for the server and for
//! the client, and Signature Version 4.
//!
//! A value is JSON in the shape of the model, by these conventions:
//!
//! - a structure is an object with the model's member names; an absent member is absent, and `null` means the same
//!   outside lists and maps; a union is an object with one key; a map is an object;
//! - a blob is base64 text, but for the one that is the HTTP body, which is [`Input::body`] or [`Output::body`];
//! - a timestamp is a number of epoch seconds, with a fraction where there is one;
//! - a long is an integer; NaN and the infinities are `"NaN"`, `"Infinity"`, `"-Infinity"`;
//! - a `jsonvalue` is the JSON itself; an event stream is a raw body of [`event_stream`] frames;
//! - idempotency tokens are filled in by [`write_request`] and never by the server;
//! - members that the model does not have are ignored, in both directions; host labels are too.
//!
//! Not an HTTP server or client, not a store of credentials, and no service: nothing here knows what an operation does.
//! Keeps true: no input makes it panic, depth is bounded, and work grows no faster than the input.

pub mod aws_chunked;
mod bindings;
mod cbor;
mod client;
mod error;
pub mod event_stream;
mod form;
mod json;
mod message;
mod model;
mod models;
mod route;
mod s3;
mod scalar;
mod server;
pub mod sigv4;
mod text;
mod validate;
pub mod xml;
mod xml_codec;

pub use client::{parse_error, parse_response, write_request, write_request_with};
pub use error::ServiceError;
pub use message::{Input, Output, Request};
pub use model::{Model, ModelError, Operation, Protocol};
pub use models::{MODELS, model};
pub use server::{match_operation, parse_request, write_error, write_response};

#[cfg(test)]
mod tests;
