//! `aloft deploy list`: the deployments that lie in the bucket; `aloft deploy list functions`: the versions of each function.

use crate::deploy::{history, stack};
use crate::session::Session;
use aloft_base::Timestamp;
use serde_json::{Value, json};

/// How many versions of a function are shown.
const VERSIONS: usize = 5;

pub async fn run(session: &mut Session) -> anyhow::Result<()> {
    let (client, bucket) = (session.client()?, stack::deployment_bucket(session).await?);
    let deployments = history::deployments(&client, &bucket, &history::prefix(session)).await?;
    if deployments.is_empty() {
        let hint = "No deployments found, if that's unexpected ensure that stage and region are correct";
        session.terminal.skipped(hint);
    }
    for (directory, keys) in deployments {
        let millis = directory.split('-').next().unwrap_or_default();
        let at = Timestamp(millis.parse().unwrap_or_default());
        session.terminal.print(&at.format("%Y-%m-%d %H:%M:%S UTC"));
        session.terminal.print(&format!("Timestamp: {millis}\nFiles:"));
        for key in keys {
            session.terminal.print(&format!("  - {}", key.rsplit('/').next().unwrap_or(&key)));
        }
    }
    Ok(())
}

pub async fn functions(session: &mut Session) -> anyhow::Result<()> {
    let client = session.client()?;
    for key in session.service.functions().keys() {
        let name = session.function_name(key)?;
        let (mut versions, mut marker) = (Vec::new(), Value::Null);
        loop {
            let params = json!({ "FunctionName": name, "Marker": marker });
            let page = client.call("lambda", "ListVersionsByFunction", params).await?;
            let found = page["Versions"].as_array().cloned().unwrap_or_default();
            versions.extend(found.iter().filter_map(|one| one["Version"].as_str().map(str::to_owned)));
            marker = page["NextMarker"].clone();
            if marker.is_null() {
                break;
            }
        }
        let short = name.replacen(&format!("{}-", session.service.name), "", 1);
        session.terminal.print(&short.replacen(&format!("{}-", session.service.stage), "", 1));
        let what = if versions.len() > VERSIONS { format!("Last {VERSIONS}") } else { "All".to_owned() };
        let last = &versions[versions.len().saturating_sub(VERSIONS)..];
        session.terminal.print(&format!("  {what} versions: {}", last.join(", ")));
    }
    Ok(())
}
