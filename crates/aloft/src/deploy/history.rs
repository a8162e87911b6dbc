//! What lies in the deployment bucket from earlier deployments: a directory each, named by its time.

use crate::failure::Mistakes;
use crate::session::Session;
use aloft_client::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What all deployments of the service and the stage begin with: `serverless/<service>/<stage>/`.
pub fn prefix(session: &Session) -> String {
    let named = session.service.provider().get("deploymentPrefix").and_then(Value::as_str);
    format!("{}/{}/{}/", named.unwrap_or("serverless"), session.service.name, session.service.stage)
}

/// The keys of the bucket's deployments by their directory, which begins with the time.
pub async fn deployments(
    client: &Client,
    bucket: &str,
    prefix: &str,
) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut deployments: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut token = Value::Null;
    loop {
        let params = json!({ "Bucket": bucket, "Prefix": prefix, "ContinuationToken": token });
        let page = client.call("s3", "ListObjectsV2", params).await.map_err(|error| match error.code() {
            "AccessDenied" => Mistakes::plain(
                "AWS_S3_LIST_OBJECTS_V2_ACCESS_DENIED",
                "Could not list objects in the deployment bucket. Make sure you have sufficient permissions to access it.",
                format!("the bucket is {bucket}"),
            ),
            _ => error.into(),
        })?;
        for object in page["Contents"].as_array().into_iter().flatten() {
            let key = object["Key"].as_str().unwrap_or_default();
            let found = key.strip_prefix(prefix).and_then(|rest| rest.split_once('/'));
            // `<milliseconds>-<time>`, whose three dashes nothing else has.
            if let Some((directory, _)) = found.filter(|(name, _)| name.matches('-').count() >= 3) {
                deployments.entry(directory.to_owned()).or_default().push(key.to_owned());
            }
        }
        token = page["NextContinuationToken"].clone();
        if token.is_null() {
            return Ok(deployments);
        }
    }
}
