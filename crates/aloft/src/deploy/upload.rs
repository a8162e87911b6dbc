//! The deployment bucket: what lies there from earlier deployments, what is uploaded, what is removed again.

use super::{Deployment, Package, history};
use crate::encoding::sha256_base64;
use aloft_base::ByteSize;
use aloft_client::Client;
use anyhow::Context;
use bytes::Bytes;
use serde_json::{Value, json};
use std::fs;

/// How many deployments are kept, the one that was just made among them, unless `provider.deploymentBucket.maxPreviousDeploymentArtifacts` says otherwise.
const KEPT: u64 = 5;
/// The template's name in the bucket.
pub const TEMPLATE_NAME: &str = "compiled-cloudformation-template.json";
const STATE_NAME: &str = "serverless-state.json";

/// How objects are encrypted: settings of the bucket, and what S3 calls them.
const ENCRYPTION: [(&str, &str); 5] = [
    ("serverSideEncryption", "ServerSideEncryption"),
    ("sseCustomerAlgorithim", "SSECustomerAlgorithm"),
    ("sseCustomerKey", "SSECustomerKey"),
    ("sseCustomerKeyMD5", "SSECustomerKeyMD5"),
    ("sseKMSKeyId", "SSEKMSKeyId"),
];

/// A file to upload: its name, its bytes, and a hash that is equal for what would be deployed alike.
struct Upload {
    name: String,
    bytes: Bytes,
    hash: String,
    content_type: &'static str,
}

/// The key of the template in the bucket.
pub(super) fn template_key(package: &Package) -> String {
    format!("{}/{TEMPLATE_NAME}", package.artifact_directory)
}

/// Finds out whether the last deployment was the same.
pub async fn check_for_changes(deployment: &mut Deployment) -> anyhow::Result<()> {
    if deployment.force {
        return Ok(());
    }
    deployment.session.terminal.progress("Checking for changes");
    let client = deployment.session.client()?;
    let prefix = history::prefix(&deployment.session);
    let latest = history::deployments(&client, &deployment.bucket, &prefix).await?.pop_last();
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
    let client = if deployment.is_accelerated { client.accelerated() } else { client };
    let uploads = uploads(deployment)?;
    let total = uploads.iter().map(|upload| upload.bytes.len() as u64).sum();
    deployment.session.terminal.progress(&format!("Uploading ({})", ByteSize(total)));
    let directory = deployment.package()?.artifact_directory.clone();
    for upload in uploads {
        let mut params = json!({
            "Bucket": deployment.bucket,
            "Key": format!("{directory}/{}", upload.name),
            "ContentType": upload.content_type,
            "Metadata": { "filesha256": upload.hash },
        });
        let bucket = deployment.session.service.provider().get("deploymentBucketObject");
        for (setting, member) in ENCRYPTION {
            if let Some(value) =
                bucket.and_then(|bucket| bucket.get(setting)).filter(|value| value.is_string())
            {
                params[member] = value.clone();
            }
        }
        client
            .call_with_body("s3", "PutObject", params, Some(upload.bytes))
            .await
            .with_context(|| format!("cannot upload {}", upload.name))?;
    }
    deployment.is_uploaded = true;
    Ok(())
}

/// Removes what was uploaded for nothing: it changes nothing in the stack.
async fn take_back(deployment: &mut Deployment) -> anyhow::Result<()> {
    let client = deployment.session.client()?;
    let directory = format!("{}/", deployment.package()?.artifact_directory);
    let all =
        history::deployments(&client, &deployment.bucket, &history::prefix(&deployment.session)).await?;
    let keys: Vec<String> = all.into_values().flatten().filter(|key| key.starts_with(&directory)).collect();
    delete(&client, &deployment.bucket, keys).await
}

/// Removes deployments beyond those that are kept.
pub async fn remove_old(deployment: &mut Deployment) -> anyhow::Result<()> {
    if deployment.unchanged {
        return if deployment.is_uploaded { take_back(deployment).await } else { Ok(()) };
    }
    let bucket = deployment.session.service.provider().get("deploymentBucketObject");
    let kept = bucket
        .and_then(|bucket| bucket.get("maxPreviousDeploymentArtifacts"))
        .and_then(Value::as_u64)
        .unwrap_or(KEPT);
    let client = deployment.session.client()?;
    let prefix = history::prefix(&deployment.session);
    let all = history::deployments(&client, &deployment.bucket, &prefix).await?;
    let excess = all.len().saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX));
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

/// The state without what is another at every deployment or on every machine, and without what the template says already.
fn timeless_state(deployment: &Deployment, state: &Value) -> String {
    let mut state = state.clone();
    for (parent, names) in [
        ("/service", &["initialServerlessConfig", "artifact"][..]),
        ("/service/provider", &["compiledCloudFormationTemplate", "coreCloudFormationTemplate"]),
        ("/package", &["artifactDirectoryName"]),
    ] {
        if let Some(members) = state.pointer_mut(parent).and_then(Value::as_object_mut) {
            names.iter().for_each(|name| drop(members.shift_remove(*name)));
        }
    }
    let directory = deployment.session.service.directory.to_string_lossy();
    state.to_string().replace(&*directory, "")
}

fn uploads(deployment: &Deployment) -> anyhow::Result<Vec<Upload>> {
    let package = deployment.package()?;
    let instance_id = &deployment.session.service.instance_id;
    let document = |name: &str, text: String, timeless: &str| Upload {
        name: name.to_owned(),
        hash: sha256_base64(timeless.as_bytes()),
        bytes: text.into(),
        content_type: "application/json",
    };
    let template = package.update_template.to_string();
    // What names this very deployment does not make it another.
    let timeless = template.replace(&package.artifact_directory, "").replace(instance_id.as_str(), "");
    let state = serde_json::to_string(&package.whole_state())?;
    let mut uploads = vec![
        document(TEMPLATE_NAME, template, &timeless),
        document(STATE_NAME, state, &timeless_state(deployment, &package.state)),
    ];
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
