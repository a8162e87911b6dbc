//! `aloft info`: what is deployed, and where it answers.

use crate::cli::Info;
use crate::deploy::Deployment;
use crate::failure::Mistakes;
use crate::session::Session;
use aloft_base::ByteSize;
use aloft_client::Endpoint;
use serde_json::{Value, json};

/// The deployed service.
pub struct Overview {
    stack_name: String,
    stage: String,
    region: String,
    service: String,
    /// `GET - https://...`
    endpoints: Vec<String>,
    /// Key and deployed name.
    functions: Vec<(String, String)>,
    /// Outputs: key and value.
    outputs: Vec<(String, String)>,
}

pub async fn run(session: &mut Session, options: &Info) -> anyhow::Result<()> {
    let overview = Overview::read(session).await?;
    let text = if options.json {
        serde_json::to_string_pretty(&overview.json())?
    } else {
        overview.text(session.terminal.verbose, options.conceal)
    };
    session.terminal.print(&text);
    Ok(())
}

impl Overview {
    /// Asks the cloud.
    pub async fn read(session: &mut Session) -> anyhow::Result<Self> {
        let (client, stack_name) = (session.client()?, session.stack_name());
        let answer =
            client.call("cloudformation", "DescribeStacks", json!({ "StackName": stack_name })).await;
        let stack = match answer {
            Err(error) if error.to_string().contains("does not exist") => {
                let help = "deploy it first: `aloft deploy`";
                return Err(Mistakes::plain(
                    "AWS_CLOUD_FORMATION_DESCRIBE_STACKS_VALIDATION_ERROR",
                    error.to_string(),
                    help,
                ));
            }
            other => other?["Stacks"][0].clone(),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let outputs: Vec<(String, String)> = stack["Outputs"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| (text(&one["OutputKey"]), text(&one["OutputValue"])))
            .collect();
        let functions = session
            .service
            .functions()
            .iter()
            .map(|(key, function)| (key.clone(), text(&function["name"])))
            .collect();
        Ok(Self {
            stack_name,
            stage: session.service.stage.clone(),
            region: session.service.region.clone(),
            service: session.service.name.clone(),
            endpoints: endpoints(session, &outputs, client.endpoint()),
            functions,
            outputs,
        })
    }

    fn json(&self) -> Value {
        let map = |pairs: &[(String, String)]| {
            pairs.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<serde_json::Map<_, _>>()
        };
        json!({
            "service": self.service,
            "stage": self.stage,
            "region": self.region,
            "stack": self.stack_name,
            "endpoints": self.endpoints,
            "functions": map(&self.functions),
            "outputs": map(&self.outputs),
        })
    }

    fn text(&self, verbose: bool, conceal: bool) -> String {
        let mut lines = vec![
            format!("service: {}", self.service),
            format!("stage: {}", self.stage),
            format!("region: {}", self.region),
            format!("stack: {}", self.stack_name),
        ];
        lines.extend(self.endpoint_lines());
        if !self.functions.is_empty() {
            lines.push("functions:".to_owned());
            lines.extend(self.functions.iter().map(|(key, name)| format!("  {key}: {name}")));
        }
        if verbose {
            lines.extend(self.output_lines(conceal));
        }
        lines.join("\n")
    }

    /// What a deploy ends with.
    pub fn deployed(&self, deployment: &Deployment, conceal: bool) -> String {
        let mut lines = self.endpoint_lines();
        if !self.functions.is_empty() {
            lines.push("functions:".to_owned());
        }
        for (key, name) in &self.functions {
            let size =
                deployment.size_of(key).map(|size| format!(" ({})", ByteSize(size))).unwrap_or_default();
            lines.push(format!("  {key}: {name}{size}"));
        }
        if deployment.session.terminal.verbose {
            lines.extend(self.output_lines(conceal));
        }
        lines.join("\n")
    }

    fn endpoint_lines(&self) -> Vec<String> {
        match &self.endpoints[..] {
            [] => Vec::new(),
            [one] => vec![format!("endpoint: {one}")],
            many => std::iter::once("endpoints:".to_owned())
                .chain(many.iter().map(|one| format!("  {one}")))
                .collect(),
        }
    }

    fn output_lines(&self, conceal: bool) -> Vec<String> {
        let shown = |value: &String| if conceal { "[concealed]".to_owned() } else { value.clone() };
        let lines = self.outputs.iter().map(|(key, value)| format!("  {key}: {}", shown(value)));
        std::iter::once("\nStack Outputs:".to_owned()).chain(lines).collect()
    }
}

/// The addresses of the service's HTTP events.
fn endpoints(session: &Session, outputs: &[(String, String)], endpoint: &Endpoint) -> Vec<String> {
    let output =
        |name: &str| outputs.iter().find(|(key, _)| key == name).map(|(_, value)| reachable(value, endpoint));
    let (rest, http) = (output("ServiceEndpoint"), output("HttpApiUrl"));
    let mut endpoints = Vec::new();
    for (key, function) in session.service.functions() {
        for event in function["events"].as_array().into_iter().flatten() {
            for (kind, base) in [("http", &rest), ("httpApi", &http)] {
                let Some((settings, base)) = event.get(kind).zip(base.as_ref()) else { continue };
                let (method, path) = method_and_path(settings);
                endpoints.push(
                    format!("{method} - {}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
                        .trim_end_matches('/')
                        .to_owned(),
                );
            }
        }
        if function["url"].as_bool() == Some(true) || function["url"].is_object() {
            let name: String = key[..1].to_uppercase() + &key[1..];
            let name = name.replace('-', "Dash").replace('_', "Underscore");
            endpoints.extend(output(&format!("{name}LambdaFunctionUrl")).map(|url| format!("{key}: {url}")));
        }
    }
    endpoints
}

fn method_and_path(settings: &Value) -> (String, String) {
    let (method, path) = match settings {
        Value::String(text) => {
            let mut parts = text.split_whitespace();
            (parts.next().unwrap_or("*").to_owned(), parts.next().unwrap_or("").to_owned())
        }
        other => {
            let text = |name: &str| other[name].as_str().unwrap_or_default().to_owned();
            (text("method"), text("path"))
        }
    };
    let method = method.to_uppercase();
    let (method, path) = if method == "*" { ("ANY".to_owned(), path) } else { (method, path) };
    (if method.is_empty() { "ANY".to_owned() } else { method }, path)
}

/// An API's address as this machine can reach it: on the local cloud every API is behind the one port.
fn reachable(address: &str, endpoint: &Endpoint) -> String {
    let Endpoint::At(base) = endpoint else { return address.to_owned() };
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    match host.split_once(".execute-api.") {
        Some((api, _)) => format!("{base}/_aws/execute-api/{api}/{path}").trim_end_matches('/').to_owned(),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses() {
        let local = Endpoint::new(Some("http://127.0.0.1:4566"));
        for (address, expected) in [
            (
                "https://abc.execute-api.us-east-1.amazonaws.com/dev",
                "http://127.0.0.1:4566/_aws/execute-api/abc/dev",
            ),
            ("https://abc.execute-api.us-east-1.amazonaws.com", "http://127.0.0.1:4566/_aws/execute-api/abc"),
            ("http://elsewhere/x", "http://elsewhere/x"),
        ] {
            assert_eq!(reachable(address, &local), expected);
        }
        assert_eq!(
            reachable("https://abc.execute-api.x/dev", &Endpoint::Aws),
            "https://abc.execute-api.x/dev"
        );
        assert_eq!(method_and_path(&json!("get /users")), ("GET".to_owned(), "/users".to_owned()));
        assert_eq!(method_and_path(&json!({"method": "*", "path": "x"})), ("ANY".to_owned(), "x".to_owned()));
    }
}
