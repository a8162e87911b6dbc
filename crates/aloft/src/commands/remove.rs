//! `aloft remove`: empties the deployment bucket and deletes the stack.

use crate::deploy::stack;
use crate::failure::Mistakes;
use crate::session::Session;
use aloft_base::Ids;
use aloft_client::Client;
use serde_json::{Value, json};

pub async fn run(session: &mut Session) -> anyhow::Result<()> {
    let (client, name, terminal) = (session.client()?, session.stack_name(), session.terminal);
    terminal.say(&format!(
        "\nRemoving {} from stage {} ({})",
        session.service.name, session.service.stage, session.service.region
    ));
    let Some(found) = stack::describe(&client, &name).await? else {
        let message = format!("Stack with id {name} does not exist");
        return Err(Mistakes::plain(
            "STACK_DOES_NOT_EXIST",
            message,
            "see what is deployed with the right --stage and --region",
        ));
    };
    terminal.progress("Emptying the deployment bucket");
    let params = json!({ "StackName": name, "LogicalResourceId": "ServerlessDeploymentBucket" });
    if let Ok(answer) = client.call("cloudformation", "DescribeStackResource", params).await
        && let Some(bucket) = answer["StackResourceDetail"]["PhysicalResourceId"].as_str()
    {
        empty(&client, bucket).await?;
    }
    terminal.progress("Removing CloudFormation stack");
    let (id, token) =
        (found["StackId"].as_str().unwrap_or(&name).to_owned(), format!("aloft-{}", Ids::random().uuid()));
    client
        .call("cloudformation", "DeleteStack", json!({ "StackName": name, "ClientRequestToken": token }))
        .await?;
    stack::watch(&client, terminal, &id, &token, "Removing CloudFormation stack", 0).await?;
    terminal.success(&format!("Service {} has been successfully removed", session.service.name));
    Ok(())
}

/// Deletes all versions of all objects.
async fn empty(client: &Client, bucket: &str) -> anyhow::Result<()> {
    loop {
        let page =
            match client.call("s3", "ListObjectVersions", json!({ "Bucket": bucket, "MaxKeys": 1000 })).await
            {
                Err(error) if error.code() == "NoSuchBucket" => return Ok(()),
                other => other?,
            };
        let versions = ["Versions", "DeleteMarkers"]
            .into_iter()
            .flat_map(|list| page[list].as_array().cloned().unwrap_or_default());
        let objects: Vec<Value> =
            versions.map(|one| json!({ "Key": one["Key"], "VersionId": one["VersionId"] })).collect();
        if objects.is_empty() {
            return Ok(());
        }
        client
            .call(
                "s3",
                "DeleteObjects",
                json!({ "Bucket": bucket, "Delete": { "Objects": objects, "Quiet": true } }),
            )
            .await?;
    }
}
