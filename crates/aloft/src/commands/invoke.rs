//! `aloft invoke`: invokes a deployed function and prints what it answers.

use crate::cli::{Invoke, InvokeInput};
use crate::failure::{AlreadyShown, Mistakes};
use crate::session::Session;
use anyhow::Context;
use bytes::Bytes;
use serde_json::{Value, json};
use std::fs;
use std::io::{IsTerminal, Read, stdin};
use std::path::Path;

pub async fn run(session: &mut Session, options: &Invoke) -> anyhow::Result<()> {
    let key = options.function.as_deref().ok_or_else(|| {
        let message = "Serverless command \"invoke\" requires \"--function\" option. Run \"serverless invoke --help\" for more info";
        Mistakes::plain("MISSING_REQUIRED_CLI_OPTION", message, "name one with --function")
    })?;
    let name = session.function_name(key)?;
    let payload = event(session, &options.input)?;
    let mut params = json!({
        "FunctionName": name,
        "InvocationType": options.kind,
        "LogType": if options.log { "Tail" } else { "None" },
    });
    if let Some(qualifier) = &options.qualifier {
        params["Qualifier"] = json!(qualifier);
    }
    if let Some(context) = client_context(session, &options.input)? {
        params["ClientContext"] = json!(crate::encoding::base64(context.as_bytes()));
    }
    let answer = session.client()?.call_with_body("lambda", "Invoke", params, payload).await?;
    let body = answer.body.unwrap_or_default();
    if !body.is_empty() {
        session.terminal.print(&pretty(&body));
    }
    if let Some(log) = answer.params["LogResult"].as_str() {
        let log = crate::encoding::from_base64(log).unwrap_or_default();
        session.terminal.print(&format!("{}\n{}", "-".repeat(68), String::from_utf8_lossy(&log).trim_end()));
    }
    if answer.params["FunctionError"].is_string() {
        session.terminal.print("\nError:\nInvoked function failed");
        if session.common.local
            && let Some(hint) = crate::sdks::hint(&String::from_utf8_lossy(&body))
        {
            session.terminal.say(&hint);
        }
        return Err(AlreadyShown.into());
    }
    Ok(())
}

/// JSON with an indent of four, as the original prints it; text that is no JSON as it is.
pub fn pretty(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return String::from_utf8_lossy(body).into_owned();
    };
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    match serde::Serialize::serialize(&value, &mut serializer) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => value.to_string(),
    }
}

/// The event: `--data`, `--path`, or what comes in on a pipe. JSON unless `--raw`; text that is no JSON becomes a JSON string.
pub fn event(session: &Session, input: &InvokeInput) -> anyhow::Result<Option<Bytes>> {
    let text = match (&input.data, &input.path) {
        (Some(data), _) => data.clone(),
        (None, Some(path)) => read(session, path)?,
        (None, None) if !stdin().is_terminal() => {
            let mut text = String::new();
            stdin()
                .take(6 * 1024 * 1024)
                .read_to_string(&mut text)
                .context("cannot read the event from standard input")?;
            text
        }
        (None, None) => return Ok(None),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let is_json = !input.raw && serde_json::from_str::<Value>(&text).is_ok();
    Ok(Some(if is_json { text.into() } else { Value::String(text).to_string().into() }))
}

fn client_context(session: &Session, input: &InvokeInput) -> anyhow::Result<Option<String>> {
    match (&input.context, &input.context_path) {
        (Some(context), _) => Ok(Some(context.clone())),
        (None, Some(path)) => read(session, path).map(Some),
        (None, None) => Ok(None),
    }
}

/// A file of the service as JSON text.
fn read(session: &Session, path: &Path) -> anyhow::Result<String> {
    let absolute = session.service.directory.join(path);
    let text = fs::read_to_string(&absolute).map_err(|error| {
        let message = format!(
            "The file you provided does not exist or cannot be read: {}: {error}",
            absolute.display()
        );
        Mistakes::plain("FILE_NOT_FOUND", message, "paths begin at the service directory")
    })?;
    if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
        let mut sources = aloft_diag::SourceMap::default();
        let source = sources.add(path, text.as_str());
        let node =
            aloft_yaml::parse(source, &text).map_err(|diagnostic| Mistakes::one(diagnostic, &sources))?;
        return Ok(node.to_value().to_string());
    }
    Ok(text)
}
