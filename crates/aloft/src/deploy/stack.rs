//! The stack: created, updated and watched, resource by resource.

use super::{Deployment, stack_tags, upload};
use crate::failure::Mistakes;
use crate::session::Session;
use crate::terminal::Terminal;
use aloft_base::Ids;
use aloft_client::{Client, ClientError};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

const CAPABILITIES: [&str; 2] = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"];

/// The stack, if it is there.
pub async fn describe(client: &Client, name: &str) -> Result<Option<Value>, ClientError> {
    match client.call("cloudformation", "DescribeStacks", json!({ "StackName": name })).await {
        Ok(answer) => Ok(Some(answer["Stacks"][0].clone())),
        Err(error) if error.to_string().contains("does not exist") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the stack with its deployment bucket when there is none, and finds the bucket.
pub async fn create(deployment: &mut Deployment) -> anyhow::Result<()> {
    let (client, name) = (deployment.session.client()?, deployment.session.stack_name());
    let terminal = deployment.session.terminal;
    terminal.progress("Retrieving CloudFormation stack");
    let stack = describe(&client, &name).await?;
    let status = stack.as_ref().and_then(|stack| stack["StackStatus"].as_str());
    if let Some("ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "DELETE_FAILED") = status {
        let message =
            format!("the stack {name} was never made whole: it is in {}", status.unwrap_or_default());
        return Err(Mistakes::plain("STACK_NOT_UPDATABLE", message, "remove it first: `aloft remove`"));
    }
    if let Some(status) =
        status.filter(|status| status.ends_with("_IN_PROGRESS") && *status != "REVIEW_IN_PROGRESS")
    {
        let message = format!("the stack {name} is being worked on: it is in {status}");
        return Err(Mistakes::plain("STACK_BUSY", message, "wait until that has ended: `aloft info` shows"));
    }
    if !deployment.bucket.is_empty() {
        return Ok(());
    }
    if stack.is_none() {
        terminal.progress("Creating CloudFormation stack");
        let token = token();
        let mut params = shared(deployment);
        params["StackName"] = json!(name);
        params["TemplateBody"] = json!(deployment.package()?.create_template.to_string());
        params["OnFailure"] = json!("DELETE");
        params["ClientRequestToken"] = json!(token);
        let answer = client.call("cloudformation", "CreateStack", params).await?;
        let id = answer["StackId"].as_str().unwrap_or(&name);
        watch(&client, terminal, id, &token, "Creating CloudFormation stack", 0).await?;
    }
    // A bucket that is only about to be accelerated is not yet.
    let outputs = stack.as_ref().and_then(|stack| stack["Outputs"].as_array()).into_iter().flatten();
    let was_accelerated =
        outputs.into_iter().any(|output| output["OutputKey"] == "ServerlessDeploymentBucketAccelerated");
    deployment.is_accelerated = deployment.s3_accelerate == Some(true) && was_accelerated;
    deployment.bucket = bucket(&client, &name).await?;
    Ok(())
}

/// The deployment bucket of what is deployed already.
pub async fn deployment_bucket(session: &mut Session) -> anyhow::Result<String> {
    if let Some(named) = session.service.provider().get("deploymentBucket").and_then(super::bucket_name) {
        return Ok(named);
    }
    bucket(&session.client()?, &session.stack_name()).await
}

async fn bucket(client: &Client, stack: &str) -> anyhow::Result<String> {
    let params = json!({ "StackName": stack, "LogicalResourceId": "ServerlessDeploymentBucket" });
    let answer = client.call("cloudformation", "DescribeStackResource", params).await?;
    Ok(answer["StackResourceDetail"]["PhysicalResourceId"].as_str().unwrap_or_default().to_owned())
}

/// Whether the last thing that happened to the stack went well.
pub async fn is_settled(deployment: &mut Deployment) -> anyhow::Result<bool> {
    let (client, name) = (deployment.session.client()?, deployment.session.stack_name());
    let stack = describe(&client, &name).await?;
    let status = stack.as_ref().and_then(|stack| stack["StackStatus"].as_str()).unwrap_or_default();
    Ok(matches!(status, "CREATE_COMPLETE" | "UPDATE_COMPLETE"))
}

/// Has the cloud look at the template.
pub async fn validate(deployment: &mut Deployment) -> anyhow::Result<()> {
    if deployment.unchanged {
        return Ok(());
    }
    let client = deployment.session.client()?;
    let url = template_url(deployment)?;
    let answer = client.call("cloudformation", "ValidateTemplate", json!({ "TemplateURL": url })).await;
    answer.map(drop).map_err(|error| {
        let message = format!("The CloudFormation template is invalid: {error}");
        Mistakes::plain(
            "AWS_CLOUD_FORMATION_INVALID_TEMPLATE",
            message,
            "see .serverless/cloudformation-template-update-stack.json",
        )
    })
}

/// Brings the stack to the template, by a change set or, with `deploymentMethod: direct`, without one.
pub async fn update(deployment: &mut Deployment) -> anyhow::Result<()> {
    if deployment.unchanged {
        return Ok(());
    }
    let (client, name, terminal) =
        (deployment.session.client()?, deployment.session.stack_name(), deployment.session.terminal);
    terminal.progress("Updating CloudFormation stack");
    let is_new =
        describe(&client, &name).await?.is_none_or(|stack| stack["StackStatus"] == "REVIEW_IN_PROGRESS");
    let count =
        deployment.package()?.update_template["Resources"].as_object().map_or(0, serde_json::Map::len);
    let token = token();
    let mut params = shared(deployment);
    params["StackName"] = json!(name);
    params["TemplateURL"] = json!(template_url(deployment)?);
    let is_direct = deployment.session.service.provider().get("deploymentMethod").and_then(Value::as_str)
        == Some("direct");
    if is_direct {
        params["ClientRequestToken"] = json!(token);
        let operation = if is_new { "CreateStack" } else { "UpdateStack" };
        match client.call("cloudformation", operation, params).await {
            Err(error) if error.to_string().contains("No updates are to be performed") => {
                deployment.unchanged = true;
                return Ok(());
            }
            other => drop(other?),
        }
    } else if !execute_change_set(&client, &name, params, is_new, &token).await? {
        deployment.unchanged = true;
        return Ok(());
    }
    watch(&client, terminal, &name, &token, "Updating CloudFormation stack", count).await
}

/// Makes a change set and executes it; false when it would change nothing.
async fn execute_change_set(
    client: &Client,
    stack: &str,
    mut params: Value,
    is_new: bool,
    token: &str,
) -> anyhow::Result<bool> {
    let name = format!("{stack}-change-set");
    let named = json!({ "StackName": stack, "ChangeSetName": name });
    if !is_new {
        drop(client.call("cloudformation", "DeleteChangeSet", named.clone()).await);
    }
    params["ChangeSetName"] = json!(name);
    params["ChangeSetType"] = json!(if is_new { "CREATE" } else { "UPDATE" });
    client.call("cloudformation", "CreateChangeSet", params).await?;
    loop {
        let set = client.call("cloudformation", "DescribeChangeSet", named.clone()).await?;
        let reason = set["StatusReason"].as_str().unwrap_or_default();
        match set["Status"].as_str().unwrap_or_default() {
            "CREATE_COMPLETE" => break,
            "FAILED"
                if reason.contains("didn't contain changes")
                    || reason.contains("No updates are to be performed") =>
            {
                client.call("cloudformation", "DeleteChangeSet", named).await?;
                return Ok(false);
            }
            "FAILED" => anyhow::bail!("could not create the change set: {reason}"),
            _ => tokio::time::sleep(interval(client)).await,
        }
    }
    let mut execute = named;
    execute["ClientRequestToken"] = json!(token);
    client.call("cloudformation", "ExecuteChangeSet", execute).await?;
    Ok(true)
}

/// What every call that changes the stack takes.
fn shared(deployment: &Deployment) -> Value {
    let provider = deployment.session.service.provider();
    let role =
        provider.get("iam").and_then(|iam| iam.get("deploymentRole")).or_else(|| provider.get("cfnRole"));
    let parameters = provider.get("stackParameters").cloned();
    let mut params = json!({
        "Capabilities": CAPABILITIES,
        "Tags": stack_tags(&deployment.session),
        "NotificationARNs": provider.get("notificationArns").cloned().unwrap_or_else(|| json!([])),
    });
    if let Some(role) = role.and_then(Value::as_str) {
        params["RoleARN"] = json!(role);
    }
    if let Some(parameters) = parameters {
        params["Parameters"] = parameters;
    }
    params
}

fn template_url(deployment: &Deployment) -> anyhow::Result<String> {
    Ok(format!(
        "https://s3.amazonaws.com/{}/{}",
        deployment.bucket,
        upload::template_key(deployment.package()?)
    ))
}

fn token() -> String {
    format!("aloft-{}", Ids::random().uuid())
}

/// How long to wait between looks: AWS limits how often one may ask.
fn interval(client: &Client) -> Duration {
    let set = std::env::var("SLS_AWS_MONITORING_FREQUENCY")
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Duration::from_millis);
    set.unwrap_or(if client.endpoint().is_aws() { Duration::from_secs(5) } else { Duration::from_millis(50) })
}

/// Watches what was begun with `token` until the stack comes to rest; shows each resource as it is done.
pub async fn watch(
    client: &Client,
    terminal: &Terminal,
    stack: &str,
    token: &str,
    action: &str,
    count: usize,
) -> anyhow::Result<()> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut failure: Option<String> = None;
    loop {
        let answer =
            client.call("cloudformation", "DescribeStackEvents", json!({ "StackName": stack })).await?;
        let events = answer["StackEvents"].as_array().cloned().unwrap_or_default();
        for event in events.iter().rev().filter(|event| event["ClientRequestToken"] == token) {
            let text = |name: &str| event[name].as_str().unwrap_or_default();
            if !seen.insert(text("EventId").to_owned()) {
                continue;
            }
            let (status, logical_id, kind) =
                (text("ResourceStatus"), text("LogicalResourceId"), text("ResourceType"));
            if kind == "AWS::CloudFormation::Stack" && text("PhysicalResourceId") == text("StackId") {
                if is_rest(status) {
                    return finish(status, failure, text("ResourceStatusReason"), terminal);
                }
                continue;
            }
            if status.ends_with("_FAILED")
                && failure.is_none()
                && !text("ResourceStatusReason").contains("cancelled")
            {
                failure = Some(format!("{status}: {logical_id} ({kind})\n{}", text("ResourceStatusReason")));
            }
            if !status.ends_with("_IN_PROGRESS") {
                done.insert(logical_id.to_owned());
                terminal.say(&resource_line(terminal, status, logical_id, kind));
            }
            let of = if count > 0 { format!("/{}", count.max(done.len())) } else { String::new() };
            terminal.progress(&format!("{action} ({}{of})", done.len()));
        }
        tokio::time::sleep(interval(client)).await;
    }
}

fn is_rest(status: &str) -> bool {
    !status.ends_with("_IN_PROGRESS")
}

fn finish(status: &str, failure: Option<String>, reason: &str, terminal: &Terminal) -> anyhow::Result<()> {
    terminal.clear();
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "DELETE_COMPLETE" if failure.is_none() => Ok(()),
        // A resource that could not be cleaned up does not undo the update.
        "UPDATE_COMPLETE" => Ok(()),
        _ => {
            let what = failure.unwrap_or_else(|| format!("{status}\n{reason}"));
            let help = match status {
                "UPDATE_ROLLBACK_COMPLETE" => "the stack is back at the last good version",
                "DELETE_COMPLETE" | "ROLLBACK_COMPLETE" => "nothing was left behind",
                _ => "see the stack's events",
            };
            Err(Mistakes::plain("STACK_OPERATION_FAILURE", what, help))
        }
    }
}

fn resource_line(terminal: &Terminal, status: &str, logical_id: &str, kind: &str) -> String {
    let line = format!("  {status:<16} {logical_id} {}", terminal.dim(&format!("({kind})")));
    if status.ends_with("_FAILED") { terminal.red(&line) } else { line }
}
