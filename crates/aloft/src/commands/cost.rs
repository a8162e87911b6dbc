//! `aloft cost`: what the local cloud's work would have cost on AWS.

use super::logs::since;
use crate::cli::Cost;
use crate::cloud;
use crate::cost::{Bill, Prices};
use crate::failure::Mistakes;
use crate::terminal::Terminal;
use aloft_base::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// How far back is looked, unless `--startTime` says.
const BACK: Duration = Duration::from_secs(30 * 86_400);

pub async fn run(options: &Cost, terminal: &'static Terminal) -> anyhow::Result<()> {
    let endpoint = cloud::running().map(|cloud| cloud.endpoint);
    let set = std::env::var("AWS_ENDPOINT_URL").ok().filter(|address| !address.is_empty());
    let Some(endpoint) = endpoint.or(set) else {
        let help = "start it with `aloft cloud start`; what it keeps of the past is there again";
        return Err(Mistakes::plain("NO_LOCAL_CLOUD", "the local cloud does not run", help));
    };
    // Its clock may be ahead of ours.
    let page: Value =
        serde_json::from_slice(&cloud::exchange(&endpoint, "GET", "/_aloft/metering?to=0").await?)?;
    let now = Timestamp(page["now"].as_i64().unwrap_or_default());
    let time = |text: &Option<String>| text.as_deref().map(|text| since(text, now)).transpose();
    let from = time(&options.start_time)?.unwrap_or(Timestamp(now.millis() - BACK.as_millis() as i64));
    let to = time(&options.end_time)?.unwrap_or(now);
    let path = format!("/_aloft/metering?from={}&to={}", from.millis(), to.millis());
    let usage: Value = serde_json::from_slice(&cloud::exchange(&endpoint, "GET", &path).await?)?;
    let prices = Prices::built_in()?;
    let bill = Bill::of(&prices, &usage, options.function.as_deref())?;
    let text = if options.json {
        serde_json::to_string_pretty(&bill.json(&prices, (from, to)))?
    } else {
        bill.text(&prices, (from, to))
    };
    terminal.print(&text);
    Ok(())
}
