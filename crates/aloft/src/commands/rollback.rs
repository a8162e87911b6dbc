//! `aloft rollback`: an earlier deployment again, from the deployment bucket; `aloft rollback function`: an earlier version's code.

use super::deploy_list;
use crate::cli::{Rollback, RollbackFunction};
use crate::deploy::{Deployment, history, stack, upload};
use crate::failure::Mistakes;
use crate::session::Session;
use aloft_base::Timestamp;
use anyhow::Context;
use serde_json::json;

pub async fn run(mut session: Session, options: &Rollback) -> anyhow::Result<()> {
    let terminal = session.terminal;
    let Some(asked) = &options.timestamp else {
        terminal.say(
            "Select a timestamp from the deploy list below and run \"sls rollback -t <timestamp>\" to rollback your service to a \
             specific version.\n",
        );
        return deploy_list::run(&mut session).await;
    };
    terminal.say(&format!("\nRolling back {} to timestamp \"{asked}\"", session.service.name));
    terminal.progress("Validating");
    let (client, bucket) = (session.client()?, stack::deployment_bucket(&mut session).await?);
    let deployments = history::deployments(&client, &bucket, &history::prefix(&session)).await?;
    if deployments.is_empty() {
        let message =
            "Couldn't find any existing deployments. Please verify that stage and region are correct.";
        return Err(Mistakes::plain(
            "ROLLBACK_DEPLOYMENTS_NOT_FOUND",
            message,
            "deploy first: `aloft deploy`",
        ));
    }
    let at = asked.parse().ok().map(Timestamp).or_else(|| Timestamp::parse_iso8601(asked));
    let directory = at.map(|at| format!("{}-{}", at.millis(), at.iso8601()));
    let is_whole = |directory: &String| {
        let keys = deployments.get(directory).into_iter().flatten();
        keys.into_iter().any(|key| key.ends_with(&format!("/{}", upload::TEMPLATE_NAME)))
    };
    let Some(directory) = directory.filter(is_whole) else {
        let message = format!(
            "Couldn't find a deployment for the timestamp: {asked}. Please verify that the timestamp, stage and region are correct."
        );
        let help = "see `aloft deploy list` for those that there are";
        return Err(Mistakes::plain("ROLLBACK_DEPLOYMENT_NOT_FOUND", message, help));
    };
    let place = session.package_directory(None);
    let mut deployment = Deployment::new(session, place, false);
    deployment.restore(bucket, &directory).await?;
    stack::update(&mut deployment).await?;
    if deployment.unchanged {
        terminal.skipped("No updates to be performed. Rollback skipped.");
    } else {
        terminal.success(&format!("Service rolled back to timestamp \"{asked}\""));
    }
    Ok(())
}

pub async fn function(session: &mut Session, options: &RollbackFunction) -> anyhow::Result<()> {
    let (key, version, terminal) = (&options.function, &options.function_version, session.terminal);
    let name = session.function_name(key)?;
    terminal.say(&format!("\nRolling back function {key} to version \"{version}\""));
    terminal.progress("Updating");
    let client = session.client()?;
    let params = json!({ "FunctionName": name, "Qualifier": version });
    let found = client.call("lambda", "GetFunction", params).await.map_err(|error| match error.code() {
        "ResourceNotFoundException" => {
            let message = format!(
                "Function \"{key}\" with version \"{version}\" not found. Please check if you've deployed \"{key}\" and version \
                 \"{version}\" is available for this function."
            );
            let help = "see `aloft deploy list functions` for those that there are";
            Mistakes::plain("AWS_FUNCTION_NOT_FOUND", message, help)
        }
        _ => {
            let message = format!("Cannot resolve function \"{key}\": {error}");
            Mistakes::plain("AWS_FUNCTION_NOT_ACCESIBLE", message, "see `aloft info`")
        }
    })?;
    let place = found["Code"]["Location"].as_str().context("the version's code is nowhere")?;
    let code = client.fetch(place).await.context("cannot fetch the version's code")?;
    let zip = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, code);
    client.call("lambda", "UpdateFunctionCode", json!({ "FunctionName": name, "ZipFile": zip })).await?;
    terminal.success(&format!("Successfully rolled back function {key} to version \"{version}\""));
    Ok(())
}
