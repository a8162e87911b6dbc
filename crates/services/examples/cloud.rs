//! The local cloud without the binary around it, for trying a service by hand:
//! `cargo run -p aloft-services --example cloud -- 4566 [data directory]`. Without a directory the state is in memory.

use aloft_base::{Clock, Ids};
use aloft_engine::{Engine, Options};
use aloft_store::Store;
use std::error::Error;
use std::io::Write;
use std::path::Path;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let level = std::env::var("RUST_LOG").unwrap_or_else(|_| "aloft=info".to_owned());
    tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(4566), |port| port.parse())?;
    let store = match arguments.next() {
        Some(directory) => Store::open(Path::new(&directory))?,
        None => Store::ephemeral()?,
    };
    let options = Options { port, ..Options::default() };
    let engine = Engine::start(options, Clock::system(), Ids::random(), store, aloft_services::all()).await?;
    // The one line that says where it is: a script that starts it waits for this.
    writeln!(std::io::stdout(), "{}", engine.endpoint())?;
    tokio::signal::ctrl_c().await?;
    engine.stop().await;
    Ok(())
}
