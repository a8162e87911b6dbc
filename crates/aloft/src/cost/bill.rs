//! The bill: lines by service, by function and by route, without and with what is free in each month.

use super::{Prices, dollars};
use aloft_base::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the cloud tells of a period: see its page `/_aloft/metering`.
#[derive(Debug, Default, Deserialize)]
pub struct Usage {
    invocations: Vec<Invocations>,
    calls: Vec<Calls>,
}

#[derive(Debug, Deserialize)]
struct Invocations {
    from: Timestamp,
    subject: Subject,
    sum: Sum,
}

#[derive(Debug, Deserialize)]
struct Subject {
    function: String,
    cause: String,
    memory_mb: u32,
    architecture: String,
}

#[derive(Debug, Deserialize)]
struct Sum {
    invocations: u64,
    errors: u64,
    throttles: u64,
    cold_starts: u64,
    billed_ms: u64,
}

#[derive(Debug, Deserialize)]
struct Calls {
    from: Timestamp,
    service: String,
    operation: String,
    count: u64,
}

/// A bill.
#[derive(Debug, Default)]
pub struct Bill {
    lines: Vec<Line>,
    functions: BTreeMap<String, Share>,
    routes: BTreeMap<String, Share>,
}

/// One price's part.
#[derive(Debug)]
struct Line {
    service: String,
    unit: String,
    quantity: f64,
    cost: f64,
    after_free: f64,
}

/// One function's or route's part, without anything free.
#[derive(Clone, Debug, Default)]
struct Share {
    requests: u64,
    errors: u64,
    throttles: u64,
    cold_starts: u64,
    billed_ms: u64,
    gb_seconds: f64,
    lambda: f64,
    api_gateway: f64,
}

impl Bill {
    /// Makes the bill of what the cloud told; of one function only, when one is named.
    pub fn of(prices: &Prices, usage: &Value, function: Option<&str>) -> anyhow::Result<Self> {
        let mut usage: Usage = Usage::deserialize(usage)?;
        if let Some(function) = function {
            usage.invocations.retain(|one| one.subject.function == function);
            // Calls are not told apart by function.
            usage.calls.clear();
        }
        let mut bill = Self::default();
        // By month, as what is free begins anew with each.
        let mut months: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        let mut count = |at: Timestamp, id: &str, quantity: f64| {
            let month = months.entry(at.format("%Y-%m")).or_default();
            *month.entry(id.to_owned()).or_default() += quantity;
        };
        for one in &usage.invocations {
            let share = Share::of(prices, one);
            count(one.from, "lambda-requests", share.requests as f64);
            count(one.from, &format!("lambda-{}", one.subject.architecture), share.gb_seconds);
            bill.functions.entry(one.subject.function.clone()).or_default().add(&share);
            if let Some((route, api)) = route(&one.subject.cause) {
                let api_gateway = share.requests as f64 * prices.one(api);
                if function.is_some() {
                    count(one.from, api, share.requests as f64);
                }
                let share = Share { api_gateway, ..share };
                bill.routes.entry(route).or_default().add(&share);
            }
        }
        for call in &usage.calls {
            if let Some((id, weight)) = priced(&call.service, &call.operation) {
                count(call.from, id, (call.count * weight) as f64);
            }
        }
        bill.lines = lines(prices, &months);
        Ok(bill)
    }

    fn totals(&self) -> (f64, f64) {
        self.lines.iter().fold((0.0, 0.0), |(cost, after), line| (cost + line.cost, after + line.after_free))
    }

    /// For programs. Money in dollars, not rounded.
    pub fn json(&self, prices: &Prices, (from, to): (Timestamp, Timestamp)) -> Value {
        let (cost, after_free) = self.totals();
        let shares = |shares: &BTreeMap<String, Share>, name: &str| -> Value {
            let tell = |(key, share): (&String, &Share)| {
                json!({
                    name: key,
                    "requests": share.requests,
                    "errors": share.errors,
                    "throttles": share.throttles,
                    "coldStarts": share.cold_starts,
                    "billedMilliseconds": share.billed_ms,
                    "gbSeconds": share.gb_seconds,
                    "lambdaCost": share.lambda,
                    "apiGatewayCost": share.api_gateway,
                    "cost": share.lambda + share.api_gateway,
                })
            };
            shares.iter().map(tell).collect()
        };
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "service": line.service,
                    "unit": line.unit,
                    "quantity": line.quantity,
                    "cost": line.cost,
                    "costWithFreeTier": line.after_free,
                })
            })
            .collect();
        json!({
            "from": from.iso8601(),
            "to": to.iso8601(),
            "currency": "USD",
            "prices": { "date": prices.date, "region": prices.region },
            "cost": cost,
            "costWithFreeTier": after_free,
            "lines": lines,
            "functions": shares(&self.functions, "function"),
            "routes": shares(&self.routes, "route"),
            "notIncluded": prices.not_included,
        })
    }

    /// For people.
    pub fn text(&self, prices: &Prices, (from, to): (Timestamp, Timestamp)) -> String {
        let time = |at: Timestamp| at.format("%Y-%m-%d %H:%M");
        let mut parts = vec![format!(
            "What this would have cost on AWS, {} to {} UTC\nprices of {} as of {}",
            time(from),
            time(to),
            prices.region,
            prices.date
        )];
        let (cost, after_free) = self.totals();
        let mut rows = vec![["service", "quantity", "cost", "with free tier"].map(str::to_owned).to_vec()];
        for line in &self.lines {
            let quantity = format!("{} {}", number(line.quantity), line.unit);
            rows.push(vec![line.service.clone(), quantity, dollars(line.cost), dollars(line.after_free)]);
        }
        rows.push(vec!["total".to_owned(), String::new(), dollars(cost), dollars(after_free)]);
        parts.push(table(&rows, 2));
        for (name, shares) in [("function", &self.functions), ("route", &self.routes)] {
            if shares.is_empty() {
                continue;
            }
            let head = [name, "requests", "errors", "cold", "billed", "GB-seconds", "cost"];
            let mut rows = vec![head.map(str::to_owned).to_vec()];
            for (key, share) in shares {
                rows.push(vec![
                    key.clone(),
                    share.requests.to_string(),
                    share.errors.to_string(),
                    share.cold_starts.to_string(),
                    format!("{} ms", share.billed_ms),
                    number(share.gb_seconds),
                    dollars(share.lambda + share.api_gateway),
                ]);
            }
            parts.push(table(&rows, 1));
        }
        let left_out: Vec<String> = prices.not_included.iter().map(|one| format!("  - {one}")).collect();
        parts.push(format!(
            "The free tier is what AWS gives each month for good, as if nothing else used it. Whole hours are counted.\n\
             Not included:\n{}",
            left_out.join("\n")
        ));
        parts.join("\n\n")
    }
}

/// The lines of all months together, the free amounts taken off in each.
fn lines(prices: &Prices, months: &BTreeMap<String, BTreeMap<String, f64>>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut left: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for price in &prices.prices {
        let mut line = Line {
            service: price.service.clone(),
            unit: price.unit.clone(),
            quantity: 0.0,
            cost: 0.0,
            after_free: 0.0,
        };
        for (month, counts) in months {
            let quantity = counts.get(&price.id).copied().unwrap_or_default();
            let pot = price.free_with.as_deref().unwrap_or(&price.id);
            let free = left.entry((month, pot)).or_insert(price.free);
            let taken = quantity.min(*free);
            *free -= taken;
            line.quantity += quantity;
            line.cost += quantity * price.one();
            line.after_free += (quantity - taken) * price.one();
        }
        if line.quantity > 0.0 {
            lines.push(line);
        }
    }
    lines
}

impl Share {
    fn of(prices: &Prices, one: &Invocations) -> Self {
        let (subject, sum) = (&one.subject, &one.sum);
        let gb_seconds = f64::from(subject.memory_mb) / 1024.0 * sum.billed_ms as f64 / 1000.0;
        Self {
            requests: sum.invocations,
            errors: sum.errors,
            throttles: sum.throttles,
            cold_starts: sum.cold_starts,
            billed_ms: sum.billed_ms,
            gb_seconds,
            lambda: sum.invocations as f64 * prices.one("lambda-requests")
                + gb_seconds * prices.one(&format!("lambda-{}", subject.architecture)),
            api_gateway: 0.0,
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.throttles += other.throttles;
        self.cold_starts += other.cold_starts;
        self.billed_ms += other.billed_ms;
        self.gb_seconds += other.gb_seconds;
        self.lambda += other.lambda;
        self.api_gateway += other.api_gateway;
    }
}

/// The route of an API that caused an invocation, and the price of a request to it.
fn route(cause: &str) -> Option<(String, &'static str)> {
    // arn:aws:execute-api:us-east-1:000000000000:<api>/<stage>/GET /pets of an HTTP API, .../GET/pets of a REST API.
    let resource = cause.split(':').collect::<Vec<_>>();
    if resource.get(2) != Some(&"execute-api") {
        return None;
    }
    let (api, rest) = cause.splitn(6, ':').nth(5)?.split_once('/')?;
    let (stage, key) = rest.split_once('/')?;
    let is_http = key.contains(' ') || key.starts_with('$');
    let key = if is_http { key.to_owned() } else { key.replacen('/', " /", 1) };
    Some((format!("{api}/{stage} {key}"), if is_http { "http-api" } else { "rest-api" }))
}

/// What a call of an API is billed as, and how many times; nothing for those that are free or that have no price here.
fn priced(service: &str, operation: &str) -> Option<(&'static str, u64)> {
    let begins = |words: &[&str]| words.iter().any(|word| operation.starts_with(word));
    match service {
        "apigateway" if operation == "HTTP" => Some(("rest-api", 1)),
        "apigatewayv2" if operation == "HTTP" => Some(("http-api", 1)),
        "s3" if begins(&["Delete", "Abort"]) => None,
        "s3" if begins(&["Get", "Head", "Select"]) => Some(("s3-reads", 1)),
        "s3" => Some(("s3-writes", 1)),
        "sqs" => Some(("sqs-requests", 1)),
        "sns" => Some(("sns-requests", 1)),
        "dynamodb" => match operation {
            "BatchGetItem" | "GetItem" | "Query" | "Scan" => Some(("dynamodb-reads", 1)),
            "BatchWriteItem" | "DeleteItem" | "PutItem" | "UpdateItem" => Some(("dynamodb-writes", 1)),
            "TransactGetItems" => Some(("dynamodb-reads", 2)),
            "TransactWriteItems" => Some(("dynamodb-writes", 2)),
            _ => None,
        },
        _ => None,
    }
}

/// Whole numbers as they are, others to four digits that count.
fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        return format!("{value:.0}");
    }
    let places = (3 - value.abs().log10().floor() as i64).clamp(0, 9) as usize;
    format!("{value:.places$}")
}

/// Columns side by side; the first `left` of them are set to the left.
pub fn table(rows: &[Vec<String>], left: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage() -> Value {
        let day = 86_400_000_i64;
        let invocations = |from: i64, function: &str, cause: &str, architecture: &str, count: u64| {
            json!({
                "from": from, "to": from + 3_600_000,
                "subject": { "account": "0", "region": "r", "function": function, "cause": cause, "memory_mb": 512, "architecture": architecture },
                "sum": { "invocations": count, "errors": 1, "timeouts": 0, "interrupted": 0, "throttles": 2, "cold_starts": 1,
                    "duration_ms": 0.0, "billed_ms": count * 1000 },
            })
        };
        let call = |service: &str, operation: &str, count: u64| json!({ "from": 0, "to": 3_600_000, "service": service, "operation": operation, "count": count });
        json!({
            "now": 0,
            "invocations": [
                invocations(0, "a", "arn:aws:execute-api:r:0:api1/$default/GET /pets/{id}", "x86_64", 1_000_000),
                invocations(31 * day, "a", "arn:aws:execute-api:r:0:api2/dev/POST/pets", "x86_64", 1_000_000),
                invocations(31 * day, "b", "root", "arm64", 1_000_000),
            ],
            "calls": [
                call("s3", "PutObject", 1000), call("s3", "GetObject", 10_000), call("s3", "DeleteObject", 99),
                call("sqs", "SendMessage", 1_500_000), call("dynamodb", "TransactWriteItems", 500_000),
                call("dynamodb", "CreateTable", 7), call("apigatewayv2", "HTTP", 1_000_000), call("lambda", "Invoke", 9),
            ],
        })
    }

    #[test]
    fn a_bill_by_service_function_and_route() {
        let prices = Prices::built_in().expect("the table");
        let bill = Bill::of(&prices, &usage(), None).expect("a bill");
        let told = bill.json(&prices, (Timestamp(0), Timestamp(1)));
        let line = |unit: &str| {
            let found = told["lines"].as_array().expect("lines").iter().find(|line| line["unit"] == unit);
            let money = |name: &str| {
                (found.map_or(f64::NAN, |line| line[name].as_f64().unwrap_or(f64::NAN)) * 1e4).round() / 1e4
            };
            (money("quantity"), money("cost"), money("costWithFreeTier"))
        };
        // A million each month is free.
        assert_eq!(line("requests"), (3_000_000.0, 0.6, 0.2));
        // 500,000 GB-seconds in each month; in the second arm64 finds nothing free any more.
        assert_eq!(line("GB-seconds (x86_64)"), (1_000_000.0, 16.6667, 3.3333));
        assert_eq!(line("GB-seconds (arm64)"), (500_000.0, 6.6667, 6.6667));
        assert_eq!(line("requests to HTTP APIs"), (1_000_000.0, 1.0, 1.0));
        assert_eq!(line("PUT, COPY, POST, LIST requests"), (1000.0, 0.005, 0.005));
        assert_eq!(line("GET, HEAD requests"), (10_000.0, 0.004, 0.004));
        assert_eq!(line("write request units"), (1_000_000.0, 0.625, 0.625));
        let routes: Vec<(&str, f64)> = told["routes"]
            .as_array()
            .expect("routes")
            .iter()
            .map(|one| {
                (
                    one["route"].as_str().unwrap_or_default(),
                    one["apiGatewayCost"].as_f64().unwrap_or_default(),
                )
            })
            .collect();
        assert_eq!(routes, [("api1/$default GET /pets/{id}", 1.0), ("api2/dev POST /pets", 3.5)]);
        let sum: f64 =
            told["lines"].as_array().expect("lines").iter().filter_map(|line| line["cost"].as_f64()).sum();
        assert!((sum - told["cost"].as_f64().expect("a sum")).abs() < 1e-9);
        let text = bill.text(&prices, (Timestamp(0), Timestamp(1)));
        assert!(text.contains("Not included") && text.contains("api2/dev POST /pets"), "{text}");

        let of_one = Bill::of(&prices, &usage(), Some("a")).expect("a bill");
        let told = of_one.json(&prices, (Timestamp(0), Timestamp(1)));
        let units: Vec<&str> = told["lines"]
            .as_array()
            .expect("lines")
            .iter()
            .filter_map(|line| line["unit"].as_str())
            .collect();
        assert_eq!(
            units,
            ["requests", "GB-seconds (x86_64)", "requests to HTTP APIs", "requests to REST APIs"]
        );
    }
}
