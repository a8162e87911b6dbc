//! The small languages of AWS, a folder each, as pure functions over text and JSON.
//!
//! No IO, no async, no clock: what is needed comes in as an argument.
//! Keeps true: nothing here panics on any input, and every parser bounds the size and depth of what it takes, so that
//! a template, pattern or expression can neither loop nor fill the memory.
//!
//! - [`cron`]: the schedule expressions of EventBridge.
//! - [`expression`]: DynamoDB's conditions, updates, projections and key conditions.
//! - [`jsonpath`]: the paths of `$input.path` in API Gateway's mapping templates.
//! - [`pattern`]: EventBridge's event patterns and SNS's filter policies.
//! - [`policy`]: IAM's policies.
//! - [`vtl`]: the Velocity templates of API Gateway.

pub mod cron;
pub mod expression;
pub mod jsonpath;
pub mod pattern;
pub mod policy;
pub mod vtl;
