//! The project's own chores, one a word: `cargo xtask <word>`.

mod models;

use anyhow::{Result, bail};
use std::env;

fn main() -> Result<()> {
    match env::args().nth(1).as_deref() {
        Some("models") => models::run(),
        _ => bail!("usage: cargo xtask models"),
    }
}
