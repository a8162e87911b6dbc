//! What packaging and compiling need from the cloud: artifacts that lie in S3, and the outputs of the deployed stack.

use super::{Deployment, stack};
use crate::encoding::sha256_base64;
use aloft_package::{Artifact, S3Location};
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

/// Fetches the artifacts that `package.artifact` names in S3 into the package's directory.
pub async fn fetch_artifacts(deployment: &mut Deployment) -> anyhow::Result<()> {
    let artifacts = &deployment.artifacts;
    let all = artifacts.functions.values().chain(&artifacts.service).chain(artifacts.layers.values());
    let places: Vec<S3Location> = all.filter_map(|artifact| artifact.remote.clone()).collect();
    let mut fetched: Vec<(S3Location, Artifact)> = Vec::new();
    for place in places {
        if fetched.iter().all(|(known, _)| *known != place) {
            let artifact = fetch(deployment, &place).await?;
            fetched.push((place, artifact));
        }
    }
    let artifacts = &mut deployment.artifacts;
    let all =
        artifacts.functions.values_mut().chain(&mut artifacts.service).chain(artifacts.layers.values_mut());
    for artifact in all {
        if let Some((_, local)) = fetched.iter().find(|(place, _)| Some(place) == artifact.remote.as_ref()) {
            artifact.clone_from(local);
        }
    }
    Ok(())
}

async fn fetch(deployment: &mut Deployment, place: &S3Location) -> anyhow::Result<Artifact> {
    let client = deployment.session.client()?;
    deployment.session.terminal.progress(&format!("Fetching s3://{}/{}", place.bucket, place.key));
    let params = json!({ "Bucket": place.bucket, "Key": place.key });
    let answer = client.call_with_body("s3", "GetObject", params, None).await;
    let body = answer
        .with_context(|| format!("cannot fetch s3://{}/{}", place.bucket, place.key))?
        .body
        .unwrap_or_default();
    let name = place.key.rsplit('/').next().unwrap_or(&place.key);
    let path = deployment.directory.join(name);
    fs::write(&path, &body).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Artifact { path, sha256: sha256_base64(&body), size: body.len() as u64, remote: None })
}

/// The outputs of the deployed stack, which tell whether a layer has changed. Nothing for a service without layers, so that
/// it is packaged without a cloud; and nothing where there is no cloud to ask.
pub async fn previous_outputs(deployment: &mut Deployment) -> BTreeMap<String, String> {
    if deployment.artifacts.layers.is_empty() {
        return BTreeMap::new();
    }
    let Ok(client) = deployment.session.client() else { return BTreeMap::new() };
    let stack =
        stack::describe(&client, &deployment.session.stack_name()).await.ok().flatten().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let outputs = stack["Outputs"].as_array().cloned().unwrap_or_default();
    outputs.iter().map(|output| (text(&output["OutputKey"]), text(&output["OutputValue"]))).collect()
}
