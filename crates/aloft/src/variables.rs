//! Answers for variables that only a cloud knows, over its API.

use crate::cli::Common;
use crate::session::connect;
use aloft_base::{Clock, Region};
use aloft_client::{Client, ClientError};
use aloft_config::{CloudVariables, SsmParameter};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The cloud, as variables ask it. Connected when the first one does.
pub struct Cloud {
    common: Common,
    environment: HashMap<String, String>,
    clock: Clock,
    /// `provider`, as far as it is known when the first question comes.
    provider: OnceLock<Map<String, Value>>,
    client: OnceLock<Result<Client, String>>,
}

impl Cloud {
    pub fn new(common: Common, environment: HashMap<String, String>, clock: Clock) -> Self {
        Self { common, environment, clock, provider: OnceLock::new(), client: OnceLock::new() }
    }

    fn client(&self, region: Option<&str>) -> Result<Client, String> {
        let connect = || {
            let provider = self.provider.get();
            let configured =
                |key: &str| provider.and_then(|provider| provider.get(key)).and_then(Value::as_str);
            let stage = self.common.stage.as_deref().or(configured("stage")).unwrap_or("dev");
            let region = self.common.region.as_deref().or(configured("region")).unwrap_or("us-east-1");
            let place = (configured("profile").map(str::to_owned), configured("endpoint").map(str::to_owned));
            connect(&self.common, &self.environment, stage, region, place, &self.clock)
                .map_err(|error| format!("{error:#}"))
        };
        let client = self.client.get_or_init(connect).clone()?;
        Ok(region.and_then(Region::new).map_or_else(|| client.clone(), |region| client.in_region(region)))
    }

    /// Loading runs on a blocking thread of the runtime, so that it may wait for an answer.
    fn ask(
        &self,
        region: Option<&str>,
        service: &str,
        operation: &str,
        params: Value,
    ) -> Result<Value, ClientError> {
        let client = self.client(region);
        let client =
            client.map_err(|reason| ClientError::Unreachable { endpoint: "the cloud".to_owned(), reason })?;
        tokio::runtime::Handle::current().block_on(client.call(service, operation, params))
    }
}

impl CloudVariables for Cloud {
    fn prepare(&self, provider: &Map<String, Value>) {
        // Only the first counts: the client is made once.
        drop(self.provider.set(provider.clone()));
    }

    fn account_id(&self) -> Result<String, String> {
        let answer =
            self.ask(None, "sts", "GetCallerIdentity", json!({})).map_err(|error| error.to_string())?;
        answer["Account"].as_str().map(str::to_owned).ok_or_else(|| "no account in the answer".to_owned())
    }

    fn stack_output(&self, region: Option<&str>, stack: &str, output: &str) -> Result<Option<Value>, String> {
        let answer = match self.ask(region, "cloudformation", "DescribeStacks", json!({ "StackName": stack }))
        {
            Err(error) if error.to_string().contains("does not exist") => return Ok(None),
            other => other.map_err(|error| error.to_string())?,
        };
        let outputs = answer["Stacks"][0]["Outputs"].as_array().cloned().unwrap_or_default();
        Ok(outputs.into_iter().find(|one| one["OutputKey"] == output).map(|one| one["OutputValue"].clone()))
    }

    fn s3_object(&self, bucket: &str, key: &str) -> Result<Option<String>, String> {
        let client = self.client(None)?;
        let call = client.call_with_body("s3", "GetObject", json!({ "Bucket": bucket, "Key": key }), None);
        match tokio::runtime::Handle::current().block_on(call) {
            Ok(output) => Ok(Some(String::from_utf8_lossy(&output.body.unwrap_or_default()).into_owned())),
            Err(error) if matches!(error.code(), "NoSuchKey" | "NoSuchBucket") => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn ssm_parameter(
        &self,
        region: Option<&str>,
        name: &str,
        decrypt: bool,
    ) -> Result<Option<SsmParameter>, String> {
        let answer =
            match self.ask(region, "ssm", "GetParameter", json!({ "Name": name, "WithDecryption": decrypt }))
            {
                Err(error) if error.code() == "ParameterNotFound" => return Ok(None),
                other => other.map_err(|error| error.to_string())?,
            };
        let text = |name: &str| answer["Parameter"][name].as_str().unwrap_or_default().to_owned();
        Ok(Some(SsmParameter { kind: text("Type"), value: text("Value") }))
    }
}
