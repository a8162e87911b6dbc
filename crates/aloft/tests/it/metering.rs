//! What ran is written down: the ledger through kills, metrics, costs, and tuning of the memory size.

use super::{deploy, endpoint, logs};
use aloft_testkit::{Project, TempCloud, http, try_http};
use serde_json::Value;
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

const SERVICE: &str = "
service: shop
provider:
  name: aws
  runtime: nodejs20.x
  memorySize: 256
functions:
  order:
    handler: order.handle
    events:
      - httpApi: GET /orders/{id}
";
const CODE: &str = "
exports.handle = async (event) => {
  if (event.fail) throw new Error('no');
  console.log('begun');
  const begun = process.cpuUsage();
  const computed = () => { const { user, system } = process.cpuUsage(begun); return (user + system) / 1000; };
  while (event.compute && computed() < event.compute);
  if (event.wait) await new Promise((done) => setTimeout(done, event.wait));
  return { statusCode: 200, body: 'ok' };
};
";
const INVOCATIONS: &str = "/2015-03-31/functions/shop-dev-order/invocations";

fn shop() -> (TempCloud, Project, String) {
    let cloud = TempCloud::start();
    let project = Project::new(&[("serverless.yml", SERVICE), ("order.js", CODE)]);
    let printed = deploy(&cloud, &project);
    (cloud, project, printed)
}

/// Invokes until the cloud is gone, and gives the requests that were answered.
fn invoke_until_it_is_gone(endpoint: &str) -> Vec<String> {
    let mut answered = Vec::new();
    while let Ok(answer) = try_http("POST", &format!("{endpoint}{INVOCATIONS}"), &[], b"{}") {
        assert_eq!(answer.status, 200, "{answer}");
        answered.push(answer.header("x-amzn-requestid").expect("an id").to_owned());
    }
    answered
}

#[test]
fn every_invocation_has_one_row_after_every_kill() {
    let (mut cloud, project, _) = shop();
    let mut answered = Vec::new();
    for _ in 0..3 {
        let endpoint = cloud.endpoint().to_owned();
        let before = answered.len();
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let endpoint = endpoint.clone();
                thread::spawn(move || invoke_until_it_is_gone(&endpoint))
            })
            .collect();
        let slow = thread::spawn(move || {
            try_http("POST", &format!("{endpoint}{INVOCATIONS}"), &[], br#"{"wait": 60000}"#).is_err()
        });
        logs(&cloud, &project, "order", |logs| logs.matches("begun").count() > before + 20);
        cloud.kill();
        assert!(slow.join().expect("a thread"), "it was cut off");
        for client in clients {
            answered.extend(client.join().expect("a thread"));
        }
        cloud.restart();
    }
    let rows = cloud.http("GET", "/_aloft/invocations?limit=10000", &[], "").json()["invocations"].clone();
    let rows = rows.as_array().expect("rows");
    let mut verdicts: BTreeMap<&str, &str> = BTreeMap::new();
    for row in rows {
        let id = row["invocation"]["request_id"].as_str().expect("an id");
        let verdict = row["ending"]["verdict"].as_str().expect("a verdict");
        assert_eq!(verdicts.insert(id, verdict), None, "{id} has one row");
    }
    for id in &answered {
        assert_eq!(verdicts.get(id.as_str()), Some(&"ok"), "{id} was answered");
    }
    // The slow one of each round, and at most one of each of the three clients.
    let interrupted = verdicts.values().filter(|verdict| **verdict == "interrupted").count();
    assert!((3..=12).contains(&interrupted), "{interrupted} interrupted");
    assert!(answered.len() > 60, "{} answered", answered.len());

    let sums = cloud.http("GET", "/_aloft/metering", &[], "").json()["invocations"].clone();
    let sum = |name: &str| -> u64 {
        sums.as_array().expect("sums").iter().filter_map(|one| one["sum"][name].as_u64()).sum()
    };
    let billed: u64 = rows.iter().filter_map(|row| row["ending"]["billed_ms"].as_u64()).sum();
    assert_eq!(
        (sum("billed_ms"), sum("invocations"), sum("interrupted")),
        (billed, rows.len() as u64, interrupted as u64)
    );
}

#[test]
fn metrics_costs_and_the_price_of_memory() {
    let (cloud, project, printed) = shop();
    let orders = endpoint(&printed, "GET", "/orders/{id}").replace("{id}", "7");
    for _ in 0..5 {
        assert_eq!(http("GET", &orders, &[], b"").text(), "ok");
    }
    let failed = cloud.http("POST", INVOCATIONS, &[], r#"{"fail": true}"#);
    assert!(failed.header("x-amz-function-error").is_some(), "{failed}");

    let shown = cloud.aloft(project.path(), &["metrics", "--local"]).success().stdout;
    let mut lines = shown.lines();
    assert_eq!(lines.next(), Some("Service wide metrics"), "{shown}");
    for line in ["invocations: 6", "throttles: 0", "errors: 1"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(shown.contains("duration (avg.): ") && shown.trim_end().ends_with("ms"), "{shown}");
    let later = ["metrics", "--local", "-f", "order", "--startTime", "2h", "--endTime", "1h"];
    let shown = cloud.aloft(project.path(), &later).success().stdout;
    assert!(shown.starts_with("order\n") && shown.contains("invocations: 0"), "{shown}");

    let bill = cloud.aloft(project.path(), &["cost", "--json"]).success().stdout;
    let bill: Value = serde_json::from_str(&bill).expect("JSON");
    let route = &bill["routes"][0];
    assert!(route["route"].as_str().expect("a route").ends_with("/$default GET /orders/{id}"), "{bill:#}");
    assert_eq!((&route["requests"], &bill["functions"][0]["requests"]), (&5.into(), &6.into()), "{bill:#}");
    assert!(bill["cost"].as_f64().expect("money") > 5e-6, "{bill:#}");
    assert_eq!(bill["functions"][0]["function"], "shop-dev-order");
    let table = cloud.aloft(project.path(), &["cost"]).success().stdout;
    assert!(table.contains("requests to HTTP APIs") && table.contains("Not included:"), "{table}");

    let event = r#"{"compute": 15}"#;
    let tune =
        ["tune", "order", "--local", "--memory", "1769,256", "--rounds", "3", "--data", event, "--json"];
    let tuned = cloud.aloft(project.path(), &tune).success().stdout;
    let tuned: Value = serde_json::from_str(&tuned).expect("JSON");
    let sizes = tuned["sizes"].as_array().expect("sizes");
    assert_eq!(sizes.iter().filter_map(|one| one["memoryMb"].as_u64()).collect::<Vec<_>>(), [256, 1769]);
    assert!(sizes.iter().all(|one| one["costPerMillion"].as_f64() > Some(0.2)), "{tuned:#}");
    assert_eq!(memory(&cloud), 256);
    if tuned["processorByMemory"] == true {
        // A seventh of a processor, and a whole one.
        let median = |size: usize| sizes[size]["medianMs"].as_f64().expect("a time");
        assert!(median(0) > 60.0 && median(1) < median(0) / 2.0, "{tuned:#}");
    }

    // Interrupted in the middle, it puts things in order all the same.
    let mut command = cloud.command(
        project.path(),
        &["tune", "order", "--local", "--memory", "128", "--data", r#"{"wait": 20000}"#],
    );
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("a child");
    aloft_testkit::until("another size", Duration::from_secs(20), || memory(&cloud) == 128);
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("sent").success());
    assert!(!child.wait().expect("an end").success());
    assert_eq!(memory(&cloud), 256);
}

fn memory(cloud: &TempCloud) -> u64 {
    let told = cloud.http("GET", "/2015-03-31/functions/shop-dev-order/configuration", &[], "").json();
    told["MemorySize"].as_u64().expect("a size")
}
