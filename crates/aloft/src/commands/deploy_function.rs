//! `aloft deploy function`: one function's code and configuration, without CloudFormation.

use crate::cli::DeployFunction;
use crate::failure::Mistakes;
use crate::session::Session;
use aloft_client::Client;
use anyhow::Context;
use serde_json::{Map, Value, json};
use std::fs;
use std::time::Duration;

pub async fn run(session: &mut Session, options: &DeployFunction) -> anyhow::Result<()> {
    let (name, terminal) = (session.function_name(&options.function)?, session.terminal);
    terminal.say(&format!(
        "\nDeploying function {} to stage {} ({})",
        options.function, session.service.stage, session.service.region
    ));
    let client = session.client()?;
    let deployed =
        client.call("lambda", "GetFunction", json!({ "FunctionName": name })).await.map_err(|error| {
            match error.code() {
                "ResourceNotFoundException" => {
                    let message = format!(
                        "The function \"{}\" you want to update is not yet deployed.",
                        options.function
                    );
                    Mistakes::plain(
                        "FUNCTION_NOT_YET_DEPLOYED",
                        message,
                        "deploy the service first: `aloft deploy`",
                    )
                }
                _ => error.into(),
            }
        })?;
    if !options.update_config {
        update_code(session, &client, options, &name, &deployed).await?;
    }
    update_configuration(session, &client, options, &name, &deployed).await
}

async fn update_code(
    session: &Session,
    client: &Client,
    options: &DeployFunction,
    name: &str,
    deployed: &Value,
) -> anyhow::Result<()> {
    let (terminal, directory) = (session.terminal, session.package_directory(None));
    terminal.progress("Packaging");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let packed = aloft_package::package_function(&session.service, &options.function, &directory);
    let artifact =
        packed.map_err(|diagnostics| Mistakes { diagnostics, sources: session.service.sources.clone() })?;
    if !options.force && deployed["Configuration"]["CodeSha256"] == json!(artifact.sha256) {
        terminal.skipped("Code did not change. Function deployment skipped.");
        return Ok(());
    }
    terminal.progress("Updating function code");
    let bytes =
        fs::read(&artifact.path).with_context(|| format!("cannot read {}", artifact.path.display()))?;
    let params = json!({ "FunctionName": name, "ZipFile": crate::encoding::base64(&bytes) });
    client.call("lambda", "UpdateFunctionCode", params).await?;
    wait_until_updated(client, name).await?;
    terminal.success("Function code deployed");
    Ok(())
}

async fn update_configuration(
    session: &Session,
    client: &Client,
    options: &DeployFunction,
    name: &str,
    deployed: &Value,
) -> anyhow::Result<()> {
    let wanted = configuration(session, &options.function);
    let now = &deployed["Configuration"];
    let mut changed: Map<String, Value> =
        wanted.into_iter().filter(|(key, value)| now[key] != *value).collect();
    if changed.is_empty() && !options.force {
        session.terminal.skipped("Function configuration did not change, and the update was skipped. If you made changes to the service configuration and expected them to be deployed, it most likely means that they can only be applied with a full service deployment.");
        return Ok(());
    }
    changed.insert("FunctionName".to_owned(), json!(name));
    client.call("lambda", "UpdateFunctionConfiguration", Value::Object(changed)).await?;
    wait_until_updated(client, name).await?;
    session.terminal.success("Function configuration deployed");
    Ok(())
}

/// What the configuration says as it stands: values that only CloudFormation can work out are left as they are deployed.
fn configuration(session: &Session, key: &str) -> Map<String, Value> {
    let (provider, function) = (session.service.provider(), &session.service.functions()[key]);
    let setting =
        |name: &str| function.get(name).or_else(|| provider.get(name)).filter(|value| !value.is_null());
    let mut wanted = Map::new();
    for (name, member) in [
        ("handler", "Handler"),
        ("description", "Description"),
        ("memorySize", "MemorySize"),
        ("timeout", "Timeout"),
        ("runtime", "Runtime"),
    ] {
        if let Some(value) = setting(name).filter(|value| value.is_string() || value.is_number()) {
            wanted.insert(member.to_owned(), value.clone());
        }
    }
    let mut environment = Map::new();
    for section in [provider.get("environment"), function.get("environment")] {
        for (name, value) in section.and_then(Value::as_object).into_iter().flatten() {
            environment.insert(name.clone(), value.clone());
        }
    }
    environment.retain(|_, value| !value.is_null());
    let is_plain = environment.values().all(|value| !value.is_object() && !value.is_array());
    if is_plain && !environment.is_empty() {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let variables: Map<String, Value> =
            environment.into_iter().map(|(name, value)| (name, json!(text(value)))).collect();
        wanted.insert("Environment".to_owned(), json!({ "Variables": variables }));
    }
    wanted
}

async fn wait_until_updated(client: &Client, name: &str) -> anyhow::Result<()> {
    loop {
        let answer =
            client.call("lambda", "GetFunctionConfiguration", json!({ "FunctionName": name })).await?;
        match answer["LastUpdateStatus"].as_str() {
            Some("InProgress") => {
                tokio::time::sleep(Duration::from_millis(if client.endpoint().is_aws() { 1000 } else { 50 }))
                    .await
            }
            Some("Failed") => anyhow::bail!(
                "the update failed: {}",
                answer["LastUpdateStatusReason"].as_str().unwrap_or_default()
            ),
            _ => return Ok(()),
        }
    }
}
