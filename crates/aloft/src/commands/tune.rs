//! `aloft tune`: runs a deployed function with several memory sizes, and shows how long it takes and what it costs with each.
//!
//! On a local cloud the function gets no more of the processors meanwhile than belongs to its memory size, whatever the
//! cloud's settings say. Keeps true: the function has its own memory size again at the end, however the command ends short
//! of being killed.

use super::invoke::{event, pretty};
use crate::cli::{Cli, Tune};
use crate::cost::{Prices, dollars, table};
use crate::failure::{AlreadyShown, Mistakes};
use crate::session::Session;
use crate::terminal::Terminal;
use aloft_client::Client;
use anyhow::Context;
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// The sizes that are tried, in MB, unless `--memory` says.
const SIZES: [u32; 6] = [128, 256, 512, 1024, 1769, 3008];
/// How long a change of the configuration may take.
const CHANGE_WITHIN: Duration = Duration::from_secs(120);

/// How long the local cloud limits a function's processors if it is not told otherwise: as long as a size may take, in
/// seconds.
const QUOTA_SECONDS: u64 = 7200;

/// Said where a quota is not to be had.
const UNLIMITED: &str = "\nThis cloud cannot give functions less of the processors with less memory (that takes control groups that it may write): durations do not depend on memory here, as they do on Lambda.";

/// What was measured with one size.
struct Measured {
    memory_mb: u32,
    init_ms: Option<f64>,
    /// Of the warm invocations, the shortest first.
    durations_ms: Vec<f64>,
    billed_ms: f64,
    used_mb: f64,
    /// The error that ended it.
    failed: Option<String>,
}

pub async fn run(cli: &Cli, options: &Tune, terminal: &'static Terminal) -> anyhow::Result<()> {
    let mut session = Session::load(cli, terminal).await?;
    let name = session.function_name(&options.function)?;
    let payload = event(&session, &options.input)?.unwrap_or_else(|| Bytes::from_static(b"{}"));
    let client = session.client()?;
    let before = client.call("lambda", "GetFunctionConfiguration", json!({ "FunctionName": name })).await?;
    let original = before["MemorySize"].as_u64().context("the function has no memory size")?;
    let arn = before["FunctionArn"].as_str().unwrap_or(&name).to_owned();
    let architecture = before["Architectures"][0].as_str().unwrap_or("x86_64").to_owned();
    let mut sizes = if options.memory.is_empty() { SIZES.to_vec() } else { options.memory.clone() };
    sizes.sort_unstable();
    sizes.dedup();
    if let Some(odd) = sizes.iter().find(|size| !(128..=10_240).contains(*size)) {
        let help = "Lambda has 128 to 10240 MB";
        return Err(Mistakes::plain("INVALID_MEMORY_SIZE", format!("{odd} MB is no memory size"), help));
    }
    let (mut terminated, mut hung_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let measured = tokio::select! {
        measured = measure_all(&client, (&name, &arn), &payload, &sizes, (options.rounds, terminal)) => Some(measured),
        _ = tokio::signal::ctrl_c() => None,
        _ = terminated.recv() => None,
        _ = hung_up.recv() => None,
    };
    terminal.progress(&format!("Giving {name} its {original} MB again"));
    limit_processors(&client, &arn, 0).await;
    let restored = set_memory(&client, &name, original).await;
    terminal.clear();
    restored.with_context(|| format!("{name} could not be given its {original} MB again"))?;
    let Some(measured) = measured else {
        terminal.say(&format!("\nInterrupted. {name} has its {original} MB again."));
        return Err(AlreadyShown.into());
    };
    let ((measured, limited), prices) = (measured?, Prices::built_in()?);
    let text = if options.json {
        serde_json::to_string_pretty(&tell(&measured, &name, &architecture, limited, &prices))?
    } else {
        show(&measured, &name, &architecture, &prices)
    };
    terminal.print(&text);
    if !limited {
        terminal.say(UNLIMITED);
    }
    if measured.iter().all(|one| one.failed.is_some()) { Err(AlreadyShown.into()) } else { Ok(()) }
}

/// What was measured, and whether the function had no more of the processors each time than belongs to its memory size.
async fn measure_all(
    client: &Client,
    (name, arn): (&str, &str),
    payload: &Bytes,
    sizes: &[u32],
    (rounds, terminal): (u32, &Terminal),
) -> anyhow::Result<(Vec<Measured>, bool)> {
    let (mut all, mut limited) = (Vec::new(), true);
    for size in sizes {
        terminal.progress(&format!("Running {name} with {size} MB"));
        limited &= limit_processors(client, arn, QUOTA_SECONDS).await;
        set_memory(client, name, u64::from(*size)).await?;
        all.push(measure(client, name, payload, *size, rounds).await?);
    }
    Ok((all, limited))
}

/// Has the local cloud run a function with no more of the processors than belongs to its memory size, for so long; AWS does
/// so in any case. False where neither is so: the machine cannot do that, or the cloud is another one or not on this machine.
async fn limit_processors(client: &Client, arn: &str, seconds: u64) -> bool {
    if client.endpoint().is_aws() {
        return true;
    }
    let asked = json!({ "function": arn, "seconds": seconds }).to_string();
    let answer = client.post("/_aloft/processor-quota", Bytes::from(asked)).await;
    let told = answer.ok().filter(|(status, _)| *status == 200);
    let told = told.and_then(|(_, body)| serde_json::from_slice::<Value>(&body).ok());
    told.is_some_and(|told| told["limited"] == true)
}

/// Changes the memory size, and waits until it holds.
async fn set_memory(client: &Client, name: &str, memory_mb: u64) -> anyhow::Result<()> {
    let params = json!({ "FunctionName": name, "MemorySize": memory_mb });
    client.call("lambda", "UpdateFunctionConfiguration", params).await?;
    let settled = async {
        loop {
            let now =
                client.call("lambda", "GetFunctionConfiguration", json!({ "FunctionName": name })).await?;
            match now["LastUpdateStatus"].as_str() {
                Some("InProgress") => tokio::time::sleep(Duration::from_millis(500)).await,
                Some("Failed") => anyhow::bail!("{}", now["LastUpdateStatusReason"]),
                _ => return Ok(()),
            }
        }
    };
    tokio::time::timeout(CHANGE_WITHIN, settled).await.context("the change takes too long")?
}

/// One cold invocation, then warm ones.
async fn measure(
    client: &Client,
    name: &str,
    payload: &Bytes,
    memory_mb: u32,
    rounds: u32,
) -> anyhow::Result<Measured> {
    let mut measured = Measured {
        memory_mb,
        init_ms: None,
        durations_ms: Vec::new(),
        billed_ms: 0.0,
        used_mb: 0.0,
        failed: None,
    };
    let mut billed = Vec::new();
    for round in 0..=rounds {
        let params = json!({ "FunctionName": name, "LogType": "Tail" });
        let answer = client.call_with_body("lambda", "Invoke", params, Some(payload.clone())).await?;
        if answer.params["FunctionError"].is_string() {
            measured.failed = Some(reason(&answer.body.unwrap_or_default()));
            break;
        }
        let log =
            answer.params["LogResult"].as_str().and_then(crate::encoding::from_base64).unwrap_or_default();
        let report = Report::read(&String::from_utf8_lossy(&log)).context("the log has no REPORT line")?;
        measured.used_mb = measured.used_mb.max(report.used_mb);
        if round == 0 {
            measured.init_ms = report.init_ms;
        } else {
            measured.durations_ms.push(report.duration_ms);
            billed.push(report.billed_ms);
        }
    }
    measured.durations_ms.sort_by(f64::total_cmp);
    measured.billed_ms = billed.iter().sum::<f64>() / billed.len().max(1) as f64;
    Ok(measured)
}

fn reason(body: &[u8]) -> String {
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
    let kind = error["errorType"].as_str().filter(|kind| !kind.is_empty());
    kind.map_or_else(|| pretty(body).chars().take(60).collect(), str::to_owned)
}

/// The numbers of a `REPORT` line.
struct Report {
    duration_ms: f64,
    billed_ms: f64,
    used_mb: f64,
    init_ms: Option<f64>,
}

impl Report {
    fn read(log: &str) -> Option<Self> {
        let line = log.lines().rfind(|line| line.starts_with("REPORT "))?;
        let number = |label: &str| {
            let part = line.split('\t').find_map(|part| part.trim().strip_prefix(label))?;
            part.trim().split(' ').next()?.parse::<f64>().ok()
        };
        // The first part also has the request's id.
        let duration = line.split("\tDuration: ").nth(1)?.split(' ').next()?.parse().ok()?;
        Some(Self {
            duration_ms: duration,
            billed_ms: number("Billed Duration:")?,
            used_mb: number("Max Memory Used:")?,
            init_ms: number("Init Duration:"),
        })
    }
}

impl Measured {
    /// The duration that this share of the invocations stays below.
    fn quantile(&self, share: f64) -> f64 {
        let last = self.durations_ms.len().saturating_sub(1);
        self.durations_ms.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }

    /// What a million warm invocations cost, in dollars.
    fn per_million(&self, prices: &Prices, architecture: &str) -> f64 {
        prices.invocation(architecture, f64::from(self.memory_mb), self.billed_ms) * 1e6
    }
}

fn tell(measured: &[Measured], name: &str, architecture: &str, limited: bool, prices: &Prices) -> Value {
    let rows: Vec<Value> = measured
        .iter()
        .map(|one| match &one.failed {
            Some(reason) => json!({ "memoryMb": one.memory_mb, "failed": reason }),
            None => json!({
                "memoryMb": one.memory_mb,
                "initMs": one.init_ms,
                "medianMs": one.quantile(0.5),
                "p95Ms": one.quantile(0.95),
                "billedMs": one.billed_ms,
                "maxMemoryUsedMb": one.used_mb,
                "costPerMillion": one.per_million(prices, architecture),
            }),
        })
        .collect();
    json!({
        "function": name,
        "architecture": architecture,
        "processorByMemory": limited,
        "prices": { "date": prices.date, "region": prices.region },
        "sizes": rows,
    })
}

fn show(measured: &[Measured], name: &str, architecture: &str, prices: &Prices) -> String {
    let good = || measured.iter().filter(|one| one.failed.is_none());
    let least = |of: &dyn Fn(&Measured) -> f64| good().map(of).min_by(f64::total_cmp).unwrap_or(f64::NAN);
    let cheapest = least(&|one| one.per_million(prices, architecture));
    let fastest = least(&|one| one.quantile(0.5));
    let head = ["memory", "init", "median", "p95", "billed", "used", "per million", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in measured {
        let memory = format!("{} MB", one.memory_mb);
        if let Some(reason) = &one.failed {
            rows.push(vec![memory, format!("failed: {reason}")]);
            continue;
        }
        let cost = one.per_million(prices, architecture);
        let mut notes = Vec::new();
        if cost == cheapest {
            notes.push("cheapest");
        }
        if one.quantile(0.5) == fastest {
            notes.push("fastest");
        }
        rows.push(vec![
            memory,
            one.init_ms.map_or_else(String::new, |init| format!("{init:.0} ms")),
            format!("{:.2} ms", one.quantile(0.5)),
            format!("{:.2} ms", one.quantile(0.95)),
            format!("{:.1} ms", one.billed_ms),
            format!("{:.0} MB", one.used_mb),
            dollars(cost),
            notes.join(", "),
        ]);
    }
    format!(
        "{name} on {architecture}; prices of {} as of {}, without the free tier\n\n{}",
        prices.region,
        prices.date,
        table(&rows, 0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_and_its_price() {
        let log = "START RequestId: x Version: $LATEST\nEND RequestId: x\n\
                   REPORT RequestId: x\tDuration: 2.66 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 66 MB\tInit Duration: 156.00 ms\t\n";
        let report = Report::read(log).expect("a report");
        assert_eq!(
            (report.duration_ms, report.billed_ms, report.used_mb, report.init_ms),
            (2.66, 3.0, 66.0, Some(156.0))
        );
        assert!(Report::read("nothing").is_none());
        let prices = Prices::built_in().expect("the table");
        let one = |memory_mb: u32, durations_ms: Vec<f64>, billed_ms: f64, failed: Option<&str>| Measured {
            memory_mb,
            init_ms: Some(20.0),
            durations_ms,
            billed_ms,
            used_mb: 30.0,
            failed: failed.map(str::to_owned),
        };
        let measured = [
            one(128, Vec::new(), 0.0, Some("Runtime.OutOfMemory")),
            one(1024, vec![99.0, 100.0, 101.0], 100.0, None),
            one(2048, vec![39.0, 40.0, 41.0], 40.0, None),
        ];
        // 0.1 GB-seconds and a request, a million times.
        assert!((measured[1].per_million(&prices, "x86_64") - 1.866_67).abs() < 1e-9);
        let shown = show(&measured, "f", "x86_64", &prices);
        assert!(
            shown.contains("failed: Runtime.OutOfMemory") && shown.contains("$1.53  cheapest, fastest"),
            "{shown}"
        );
    }
}
