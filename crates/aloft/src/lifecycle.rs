//! Commands are lifecycles: lists of named steps, run in order.
//!
//! The names are the original's, since they are what plugins hook into. The state that steps share is the command's.

use std::pin::Pin;

/// What a step gives.
pub type Running<'a> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

/// A step of a command with the state `S`.
pub struct Step<S: 'static> {
    /// The lifecycle event, such as `package:compileFunctions`.
    pub name: &'static str,
    /// Does it.
    pub run: for<'a> fn(&'a mut S) -> Running<'a>,
}

/// Runs the steps; the first that fails ends it.
pub async fn run<S>(steps: &[Step<S>], state: &mut S) -> anyhow::Result<()> {
    for step in steps {
        tracing::debug!(step = step.name, "lifecycle");
        (step.run)(state).await?;
    }
    Ok(())
}

/// A list of steps: `steps![State; "package:initialize" => initialize, ...]` of `async fn(&mut State) -> anyhow::Result<()>`.
#[macro_export]
macro_rules! steps {
    ($state:ty; $($name:literal => $function:path),* $(,)?) => {
        &[$($crate::lifecycle::Step::<$state> { name: $name, run: |state| Box::pin($function(state)) }),*]
    };
}
