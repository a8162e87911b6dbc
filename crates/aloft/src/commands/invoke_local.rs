//! `aloft invoke local`: runs a function in a process here, with the same bootstraps as the local cloud.

use super::invoke::{event, pretty};
use crate::cli::InvokeLocal;
use crate::failure::{AlreadyShown, Mistakes};
use crate::session::Session;
use aloft_base::{AccountId, Arn, Ids, Region};
use aloft_worker::{FunctionSpec, Invocation, InvokeError, run_once};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub async fn run(session: &mut Session, options: &InvokeLocal) -> anyhow::Result<()> {
    let name = session.function_name(&options.function)?;
    let payload = event(session, &options.input)?.unwrap_or_else(|| "{}".into());
    let region = Region::new(&session.service.region).unwrap_or_else(Region::us_east_1);
    let arn = Arn::new("lambda", &region, &AccountId::local(), format!("function:{name}")).to_string();
    let inherit = environment(session, options)?;
    let spec = Arc::new(specification(session, &options.function, name, region));
    let invocation = Invocation {
        request_id: Ids::random().uuid(),
        function_arn: arn,
        payload,
        client_context: None,
        cognito_identity: None,
        trace_id: String::new(),
        stream: None,
    };
    let outcome = run_once(spec, invocation, inherit).await.map_err(|error| match error {
        InvokeError::RuntimeMissing { message } => {
            Mistakes::plain("RUNTIME_MISSING", message, "install it, or change `runtime`")
        }
        other => anyhow::Error::from(other),
    })?;
    session.terminal.print(&pretty(&outcome.payload));
    if outcome.error.is_none() {
        return Ok(());
    }
    if let Some(hint) = crate::sdks::hint(&String::from_utf8_lossy(&outcome.payload)) {
        session.terminal.say(&hint);
    }
    Err(AlreadyShown.into())
}

fn specification(session: &Session, key: &str, name: String, region: Region) -> FunctionSpec {
    let (provider, function) = (session.service.provider(), &session.service.functions()[key]);
    let setting = |name: &str| function.get(name).or_else(|| provider.get(name));
    let number = |name: &str, default: u64| setting(name).and_then(Value::as_u64).unwrap_or(default);
    let text =
        |name: &str, default: &str| setting(name).and_then(Value::as_str).unwrap_or(default).to_owned();
    FunctionSpec {
        account: AccountId::local(),
        region,
        version: "$LATEST".to_owned(),
        revision: String::new(),
        runtime: text("runtime", "nodejs20.x"),
        handler: text("handler", ""),
        memory_mb: u32::try_from(number("memorySize", 1024)).unwrap_or(1024),
        timeout: Duration::from_secs(number("timeout", 6)),
        environment: variables(provider, function),
        code_directory: session.service.directory.clone(),
        layer_directories: vec![crate::cloud::runtimes()],
        role_arn: String::new(),
        log_group: format!("/aws/lambda/{name}"),
        ephemeral_storage_mb: 512,
        name,
    }
}

/// The variables of the provider and the function whose values stand in the configuration.
fn variables(provider: &Map<String, Value>, function: &Value) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for section in [provider.get("environment"), function.get("environment")] {
        for (name, value) in section.and_then(Value::as_object).into_iter().flatten() {
            match value {
                Value::String(text) => drop(variables.insert(name.clone(), text.clone())),
                Value::Number(_) | Value::Bool(_) => drop(variables.insert(name.clone(), value.to_string())),
                Value::Null => drop(variables.remove(name)),
                _ => {}
            }
        }
    }
    variables
}

/// What the function sees beyond its own variables: the caller's search path and credentials, and where AWS is.
fn environment(session: &mut Session, options: &InvokeLocal) -> anyhow::Result<BTreeMap<String, String>> {
    let is_passed = |name: &str| {
        name.starts_with("AWS_")
            || matches!(name, "PATH" | "HOME" | "LANG" | "NODE_PATH" | "PYTHONPATH" | "VIRTUAL_ENV")
    };
    let mut inherit: BTreeMap<String, String> = session
        .environment
        .iter()
        .filter(|(name, _)| is_passed(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    inherit.insert("IS_LOCAL".to_owned(), "true".to_owned());
    if session.common.local
        && let Some(cloud) = crate::cloud::running()
    {
        inherit.insert("AWS_ENDPOINT_URL".to_owned(), cloud.endpoint);
        inherit.entry("AWS_ACCESS_KEY_ID".to_owned()).or_insert_with(|| "test".to_owned());
        inherit.entry("AWS_SECRET_ACCESS_KEY".to_owned()).or_insert_with(|| "test".to_owned());
    }
    for pair in &options.env {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            Mistakes::plain(
                "INVALID_ENVIRONMENT_OPTION",
                format!("`{pair}` names no variable"),
                "write --env NAME=VALUE",
            )
        })?;
        inherit.insert(name.to_owned(), value.to_owned());
    }
    Ok(inherit)
}
