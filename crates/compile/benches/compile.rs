//! How long a large service takes to compile: 500 and 2,000 functions with four events each.

use aloft_compile::{CompileOptions, aws};
use aloft_config::Service;
use aloft_package::{Artifact, Artifacts};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::time::Instant;

fn service(functions: usize) -> (Service, Artifacts) {
    let function = |number: usize| {
        let events = json!([
            { "http": { "path": format!("things/{number}/{{id}}"), "method": "get", "cors": true } },
            { "httpApi": { "path": format!("/things/{number}"), "method": "get" } },
            { "sns": format!("topic-{number}") },
            { "sqs": format!("arn:aws:sqs:us-east-1:111111111111:queue-{number}") },
        ]);
        let config = json!({ "handler": "index.handler", "onError": format!("arn:aws:sns:us-east-1:1:e{number}"), "events": events });
        (format!("function{number}"), config)
    };
    let all: Map<String, Value> = (0..functions).map(function).collect();
    let zip = Artifact { path: "demo.zip".into(), sha256: "x".repeat(44), size: 1, remote: None };
    let artifacts = Artifacts {
        functions: all.keys().map(|key| (key.clone(), zip.clone())).collect(),
        ..Artifacts::default()
    };
    let config = json!({ "provider": { "name": "aws", "tracing": { "lambda": true } }, "functions": all });
    let service = Service {
        name: "demo".to_owned(),
        stage: "dev".to_owned(),
        region: "us-east-1".to_owned(),
        config: config.as_object().cloned().unwrap_or_default(),
        ..Service::default()
    };
    (service, artifacts)
}

fn main() -> std::io::Result<()> {
    for functions in [500, 2000] {
        let (service, artifacts) = service(functions);
        let began = Instant::now();
        let compiled = aws::compile(&service, &artifacts, &CompileOptions::default());
        let took = began.elapsed();
        let resources = compiled
            .ok()
            .and_then(|compiled| Some(compiled.update_template.get("Resources")?.as_object()?.len()));
        writeln!(
            std::io::stdout(),
            "{functions} functions, {} resources: {took:?}",
            resources.unwrap_or_default()
        )?;
    }
    Ok(())
}
