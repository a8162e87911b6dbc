//! What tests, the demo and the benchmark stand on: temporary clouds and projects, other people's clients, a small HTTP client.
//!
//! Everything goes through the built `aloft` program, as a user's shell would; no crate of ours is used directly.
//! Keeps true: whatever is started here is ended here, by its own process id, and every wait has a bound. What goes wrong
//! panics with all that is known, since the caller is a test.

mod clients;
mod cloud;
mod cycles;
mod held;
mod http;
mod listener;
mod places;
mod process;
mod project;
mod wait;

pub use clients::{Clients, clean_environment};
pub use cloud::{CloudOptions, TempCloud};
pub use cycles::Cycles;
pub use held::Held;
pub use http::{Response, http, try_http};
pub use listener::{Listener, Received};
pub use places::{binary, cache, chromium, runtimes, shared, workspace};
pub use process::{Finished, finish};
pub use project::Project;
pub use wait::{until, until_some};
