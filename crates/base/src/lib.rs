//! The words that every other crate shares: time, identifiers, names of things in AWS.
//!
//! No IO beyond the operating system's clock and random source, no async, and nothing of ours below it.
//! Keeps true: nobody else asks the system for the time or for randomness.

mod arn;
mod clock;
mod ids;
mod size;
mod timestamp;

pub use arn::{AccountId, Arn, ArnError, Region};
pub use clock::Clock;
pub use ids::Ids;
pub use size::ByteSize;
pub use timestamp::Timestamp;
