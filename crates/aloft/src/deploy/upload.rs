//! The deployment bucket: what lies there from earlier deployments, what is uploaded, what is removed again.

use super::{Deployment, Package};
use crate::encoding::sha256_base64;
use aloft_base::ByteSize;
use aloft_client::Client;
use anyhow::Context;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

/// How many earlier deployments are kept, unless `provider.deploymentBucket.maxPreviousDeploymentArtifacts` says otherwise.
const KEPT: u64 = 5;
const TEMPLATE_NAME: &str = "compiled-cloudformation-template.json";
const STATE_NAME: &str = "serverless-state.json";

/// A file to upload: its name, its bytes, and a hash that is equal for what would be deployed alike.
struct Upload {
    name: String,
    bytes: Bytes,
    hash: String,
    content_type: &'static str,
}

/// The key of the template in the bucket.
pub fn template_key(package: &Package) -> String {
    format!("{}/{TEMPLATE_NAME}", package.artifact_directory)
}

/// Finds out whether the last deployment was the same.
pub async fn check_for_changes(deployment: &mut Deployment) -> anyhow::Result<()> {
    if deployment.force {
        return Ok(());
    }
    deployment.session.terminal.progress("Checking for changes");
    let client = deployment.session.client()?;
    let prefix = deployments_prefix(deployment.package()?);
    let latest = deployments(&client, &deployment.bucket, &prefix).await?.pop_last();
    let Some((_, keys)) = latest else { return Ok(()) };
    let mut ours: Vec<(String, String)> =
        uploads(deployment)?.into_iter().map(|upload| (upload.name, upload.hash)).collect();
    ours.sort();
    let mut theirs = Vec::new();
    for key in keys {
        let head =
            client.call("s3", "HeadObject", json!({ "Bucket": deployment.bucket, "Key": key })).await?;
        let name = key.rsplit('/').next().unwrap_or(&key).to_owned();
        theirs.push((name, head["Metadata"]["filesha256"].as_str().unwrap_or_default().to_owned()));
    }
    theirs.sort();
    deployment.unchanged = ours == theirs && super::stack::is_settled(deployment).await?;
    Ok(())
}

/// Uploads the template, the state and the zips.
pub async fn upload(deployment: &mut Deployment) -> anyhow::Result<()> {
    if deployment.unchanged {
        return Ok(());
    }
    let client = deployment.session.client()?;
    let uploads = uploads(deployment)?;
    let total = uploads.iter().map(|upload| upload.bytes.len() as u64).sum();
    deployment.session.terminal.progress(&format!("Uploading ({})", ByteSize(total)));
    let directory = deployment.package()?.artifact_directory.clone();
    for upload in uploads {
        let params = json!({
            "Bucket": deployment.bucket,
            "Key": format!("{directory}/{}", upload.name),
            "ContentType": upload.content_type,
            "Metadata": { "filesha256": upload.hash },
        });
        client
            .call_with_body("s3", "PutObject", params, Some(upload.bytes))
            .await
            .with_context(|| format!("cannot upload {}", upload.name))?;
    }
    Ok(())
}

/// Removes deployments beyond those that are kept.
pub async fn remove_old(deployment: &mut Deployment) -> anyhow::Result<()> {
    if deployment.unchanged {
        return Ok(());
    }
    let bucket = deployment.session.service.provider().get("deploymentBucket");
    let kept = bucket
        .and_then(|bucket| bucket.get("maxPreviousDeploymentArtifacts"))
        .and_then(Value::as_u64)
        .unwrap_or(KEPT);
    let client = deployment.session.client()?;
    let prefix = deployments_prefix(deployment.package()?);
    let all = deployments(&client, &deployment.bucket, &prefix).await?;
    // The one that was just made is not a previous one.
    let excess = all.len().saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX).saturating_add(1));
    for (_, keys) in all.into_iter().take(excess) {
        delete(&client, &deployment.bucket, keys).await?;
    }
    Ok(())
}

/// Deletes objects, a thousand at a time.
pub async fn delete(client: &Client, bucket: &str, keys: Vec<String>) -> anyhow::Result<()> {
    for chunk in keys.chunks(1000) {
        let objects: Vec<Value> = chunk.iter().map(|key| json!({ "Key": key })).collect();
        client
            .call(
                "s3",
                "DeleteObjects",
                json!({ "Bucket": bucket, "Delete": { "Objects": objects, "Quiet": true } }),
            )
            .await?;
    }
    Ok(())
}

/// The keys of the bucket's deployments by their directory, which begins with the time.
async fn deployments(
    client: &Client,
    bucket: &str,
    prefix: &str,
) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut deployments: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut token = Value::Null;
    loop {
        let params = json!({ "Bucket": bucket, "Prefix": prefix, "ContinuationToken": token });
        let page = client.call("s3", "ListObjectsV2", params).await?;
        for object in page["Contents"].as_array().into_iter().flatten() {
            let key = object["Key"].as_str().unwrap_or_default();
            if let Some((directory, _)) = key.strip_prefix(prefix).and_then(|rest| rest.split_once('/')) {
                deployments.entry(directory.to_owned()).or_default().push(key.to_owned());
            }
        }
        token = page["NextContinuationToken"].clone();
        if token.is_null() {
            return Ok(deployments);
        }
    }
}

/// `serverless/<service>/<stage>/`
fn deployments_prefix(package: &Package) -> String {
    package.artifact_directory.rsplit_once('/').map_or_else(String::new, |(parent, _)| format!("{parent}/"))
}

fn uploads(deployment: &Deployment) -> anyhow::Result<Vec<Upload>> {
    let package = deployment.package()?;
    let instance_id = &deployment.session.service.instance_id;
    let document = |name: &str, value: &Value| {
        let text = value.to_string();
        // What names this very deployment does not make it another.
        let timeless = text.replace(&package.artifact_directory, "").replace(instance_id.as_str(), "");
        Upload {
            name: name.to_owned(),
            hash: sha256_base64(timeless.as_bytes()),
            bytes: text.into(),
            content_type: "application/json",
        }
    };
    let mut uploads =
        vec![document(TEMPLATE_NAME, &package.update_template), document(STATE_NAME, &package.state)];
    for path in &package.files {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        uploads.push(Upload {
            name,
            hash: sha256_base64(&bytes),
            bytes: bytes.into(),
            content_type: "application/zip",
        });
    }
    Ok(uploads)
}
