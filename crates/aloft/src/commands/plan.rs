//! `aloft plan`: what a deploy would change, against the deployed stack, a saved file, or nothing.
//!
//! Changes nothing, neither in the cloud nor in `.serverless`. Exit code 0 means no changes, 2 that there are some.

use crate::cli::Plan as Options;
use crate::deploy::{Deployment, PACKAGE};
use crate::failure::{Ended, Mistakes};
use crate::lifecycle;
use crate::session::Session;
use crate::terminal::Terminal;
use aloft_client::{Client, ClientError};
use aloft_compile::aws::naming;
use aloft_compile::aws::plan::{Action, Change, Effect, HazardKind, Plan, PropertyChange, plan};
use aloft_diag::SourceMap;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Characters of a value that are shown.
const SHOWN: usize = 60;

/// What is compared with.
struct Against {
    /// In a few words.
    what: String,
    /// Why there is no template, if there is none.
    note: Option<String>,
    template: Option<Value>,
    client: Option<Client>,
}

pub async fn run(mut session: Session, options: &Options) -> anyhow::Result<()> {
    // Read first: packaging may write where the file lies.
    let against = match &options.against {
        Some(path) => read(path)?,
        None => ask(&mut session).await?,
    };
    let terminal = session.terminal;
    let (directory, is_own) = match &options.package {
        Some(_) => (session.package_directory(options.package.as_ref()), false),
        None => (session.package_directory(None).join("plan"), true),
    };
    let mut deployment = Deployment::new(session, directory.clone(), false);
    let packaged =
        if is_own { lifecycle::run(PACKAGE, &mut deployment).await } else { deployment.read_package() };
    let planned = match packaged {
        Ok(()) => make(&deployment, &against).await,
        Err(error) => Err(error),
    };
    if is_own {
        remove(&directory);
    }
    let planned = planned?;
    terminal.clear();
    let service = &deployment.session.service;
    if options.json {
        let mut value = planned.json();
        value["against"] = json!(against.what);
        value["note"] = json!(against.note);
        terminal.print(&serde_json::to_string_pretty(&value)?);
    } else {
        let head = format!(
            "Plan for {}, stage {} ({}), against {}",
            service.name, service.stage, service.region, against.what
        );
        terminal.print(&format!("{head}\n{}", text(terminal, &planned, against.note.as_deref())));
    }
    if planned.is_empty() { Ok(()) } else { Err(Ended(2).into()) }
}

/// The package that was made for the plan alone, and `.serverless` when nothing else is in it.
pub fn remove(directory: &Path) {
    drop(fs::remove_dir_all(directory));
    if let Some(parent) = directory.parent() {
        drop(fs::remove_dir(parent));
    }
}

/// A template, or the state that `package` writes, as JSON or YAML.
fn read(path: &PathBuf) -> anyhow::Result<Against> {
    let shown = path.display();
    let mistake = |what: String| {
        let help = "give a template or a serverless-state.json";
        Mistakes::plain("INVALID_AGAINST_FILE", what, help)
    };
    let text = fs::read_to_string(path).map_err(|error| mistake(format!("cannot read {shown}: {error}")))?;
    let value = template_of(path, &text).map_err(|error| mistake(format!("cannot read {shown}: {error}")))?;
    let state = value.pointer("/service/provider/compiledCloudFormationTemplate").cloned();
    let template = state.unwrap_or(value);
    if !template.get("Resources").is_some_and(Value::is_object) {
        return Err(mistake(format!("{shown} is no template: it has no `Resources`")));
    }
    Ok(Against { what: shown.to_string(), note: None, template: Some(template), client: None })
}

fn template_of(path: &Path, text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let mut sources = SourceMap::default();
    let source = sources.add(path, text);
    aloft_yaml::parse(source, text).map(|node| node.to_value()).map_err(|error| error.message)
}

/// The template of the deployed stack.
async fn ask(session: &mut Session) -> anyhow::Result<Against> {
    let stack = session.stack_name();
    let nothing =
        |note: String| Against { what: "nothing".to_owned(), note: Some(note), template: None, client: None };
    let hint = "name a saved template with --against to work offline";
    let client = match session.client() {
        Ok(client) => client,
        Err(error) => return Ok(nothing(format!("the stack {stack} cannot be asked for: {error}; {hint}"))),
    };
    session.terminal.progress("Retrieving CloudFormation stack");
    let params = json!({ "StackName": stack, "TemplateStage": "Original" });
    let answer = match client.call("cloudformation", "GetTemplate", params).await {
        Ok(answer) => answer,
        Err(error) if error.to_string().contains("does not exist") => {
            return Ok(nothing(format!("the stack {stack} does not exist: a deploy would create it")));
        }
        Err(error @ ClientError::Unreachable { .. }) => {
            return Ok(nothing(format!("the stack {stack} cannot be asked for: {error}; {hint}")));
        }
        Err(error) => return Err(error.into()),
    };
    let template = match &answer["TemplateBody"] {
        Value::String(text) => template_of(Path::new("template"), text)
            .map_err(|error| anyhow::anyhow!("cannot read the template of {stack}: {error}"))?,
        other => other.clone(),
    };
    Ok(Against {
        what: format!("the stack {stack}"),
        note: None,
        template: Some(template),
        client: Some(client),
    })
}

/// The plan; code without versions is compared by the hashes that uploads leave in the bucket.
async fn make(deployment: &Deployment, against: &Against) -> anyhow::Result<Plan> {
    let mut planned = plan(against.template.as_ref(), deployment.template()?);
    let (Some(client), Some(template)) = (&against.client, &against.template) else { return Ok(planned) };
    let mut unknown = Vec::new();
    for id in std::mem::take(&mut planned.unknown_code) {
        let key = deployment.session.service.functions().keys().find(|key| naming::function(key) == id);
        let ours = key.and_then(|key| deployment.artifacts().functions.get(key));
        let theirs = deployed_hash(client, &deployment.session.stack_name(), template, &id).await;
        match (ours.filter(|ours| !ours.sha256.is_empty()), theirs) {
            (Some(ours), Some(theirs)) if ours.sha256 == theirs => {}
            (Some(ours), Some(theirs)) => {
                planned.code_differs(&id, "AWS::Lambda::Function", [&theirs, &ours.sha256]);
            }
            _ => unknown.push(id),
        }
    }
    planned.unknown_code = unknown;
    Ok(planned)
}

async fn deployed_hash(client: &Client, stack: &str, template: &Value, id: &str) -> Option<String> {
    let code = template.get("Resources")?.get(id)?.get("Properties")?.get("Code")?;
    let key = code.get("S3Key")?.as_str()?;
    let bucket = match code.get("S3Bucket")? {
        Value::String(name) => name.clone(),
        reference => {
            let params = json!({ "StackName": stack, "LogicalResourceId": reference.get("Ref")? });
            let answer = client.call("cloudformation", "DescribeStackResource", params).await.ok()?;
            answer["StackResourceDetail"]["PhysicalResourceId"].as_str()?.to_owned()
        }
    };
    let head = client.call("s3", "HeadObject", json!({ "Bucket": bucket, "Key": key })).await.ok()?;
    Some(head["Metadata"]["filesha256"].as_str()?.to_owned())
}

fn text(terminal: &Terminal, plan: &Plan, note: Option<&str>) -> String {
    let mut lines: Vec<String> = note.map(|note| format!("({note})")).into_iter().collect();
    lines.push(String::new());
    for change in &plan.changes {
        lines.extend(change_lines(terminal, change));
    }
    if !plan.sections.is_empty() {
        lines.push("  The template's other sections:".to_owned());
        lines.extend(plan.sections.iter().map(|one| format!("      {}", property_line(terminal, one))));
    }
    if !plan.unknown_code.is_empty() {
        let ids = plan.unknown_code.join(", ");
        lines.push(
            terminal.painted("2", &format!("  The code of {ids} was not compared: it has no versions.")),
        );
    }
    if plan.is_empty() {
        lines.push(format!("No changes: {} resources stay as they are.", plan.unchanged));
        return lines.join("\n");
    }
    let counts = plan.counts();
    let mut parts: Vec<String> =
        counts.iter().map(|(action, count)| format!("{count} to {}", action.name())).collect();
    parts.push(format!("{} unchanged", plan.unchanged));
    lines.push(String::new());
    lines.push(format!("{}.", parts.join(", ")));
    let hazards = || plan.changes.iter().flat_map(|change| &change.hazards);
    for (kind, what) in
        [(HazardKind::DataLoss, "would lose data"), (HazardKind::Public, "would be open to the public")]
    {
        let count = hazards().filter(|hazard| hazard.kind == kind).count();
        if count > 0 {
            lines.push(terminal.painted("1;31", &format!("! {count} {what}: see the lines with `!`.")));
        }
    }
    lines.join("\n")
}

fn change_lines(terminal: &Terminal, change: &Change) -> Vec<String> {
    let (sign, colour) = match change.action {
        Action::Create => ("+", "32"),
        Action::Update => ("~", "33"),
        Action::MayReplace => ("?", "35"),
        Action::Replace => ("±", "31"),
        Action::Delete => ("-", "31"),
    };
    let head = format!("{sign} {:<12}", change.action.name());
    let kind = terminal.painted("2", &format!("({})", change.kind));
    let mut lines = vec![format!("  {}{} {kind}", terminal.painted(colour, &head), change.logical_id)];
    lines.extend(change.properties.iter().map(|one| format!("      {}", property_line(terminal, one))));
    for hazard in &change.hazards {
        let what = match hazard.kind {
            HazardKind::DataLoss => "DATA LOSS",
            HazardKind::Public => "PUBLIC",
        };
        lines.push(format!("    {}", terminal.painted("1;31", &format!("! {what}: {}", hazard.text))));
    }
    lines.extend(change.notes.iter().map(|note| format!("      note: {note}")));
    lines
}

fn property_line(terminal: &Terminal, change: &PropertyChange) -> String {
    let effect = match change.effect {
        Effect::InPlace => String::new(),
        Effect::MayReplace => terminal.painted("35", "  may replace"),
        Effect::Replaces => terminal.painted("31", "  replaces"),
    };
    if let Some(because) = &change.because {
        return format!("{}: refers to {because}, which is replaced{effect}", change.path);
    }
    let values = match (&change.before, &change.after) {
        (None, Some(after)) => format!("{} (new)", short(after)),
        (Some(before), None) => format!("{} (removed)", short(before)),
        (before, after) => {
            let side = |value: &Option<Value>| value.as_ref().map_or_else(String::new, short);
            format!("{} -> {}", side(before), side(after))
        }
    };
    format!("{}: {values}{effect}", change.path)
}

/// A value on one line.
fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.replace('\n', "\\n"),
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
