//! `aloft explain resource <LogicalId>`: which lines of the configuration make a resource of the template.

use crate::cli::Explain;
use crate::deploy::{Deployment, PACKAGE};
use crate::failure::Mistakes;
use crate::lifecycle;
use crate::session::Session;
use crate::terminal::Terminal;
use aloft_compile::CompileOptions;
use aloft_compile::aws::origin::{Origin, origin};
use aloft_config::Service;
use aloft_config::explain::Place;
use serde_json::{Value, json};

/// Parts that are shown of those of which each would do.
const SHOWN: usize = 20;
/// Properties that are shown of a part.
const DECIDED: usize = 4;

pub async fn run(session: Session, options: &Explain) -> anyhow::Result<()> {
    let [word, id] = &options.what[..] else { return Ok(()) };
    if word != "resource" {
        let help = format!("give one path, or `resource` and a logical id: aloft explain {word}");
        return Err(Mistakes::plain("INVALID_ARGUMENTS", format!("`{word} {id}` cannot be explained"), help));
    }
    let terminal = session.terminal;
    let directory = session.package_directory(None).join("explain");
    let mut deployment = Deployment::new(session, directory.clone(), false);
    let found = match lifecycle::run(PACKAGE, &mut deployment).await {
        Ok(()) => search(&deployment, id),
        Err(error) => Err(error),
    };
    super::plan::remove(&directory);
    let found = found?;
    terminal.clear();
    let service = &deployment.session.service;
    if options.json {
        terminal.print(&serde_json::to_string_pretty(&shown_json(service, &found))?);
    } else {
        terminal.print(&text(terminal, service, &found));
    }
    Ok(())
}

fn search(deployment: &Deployment, id: &str) -> anyhow::Result<Origin> {
    let service = &deployment.session.service;
    deployment.session.terminal.progress("Compiling without each part of the configuration");
    let options = CompileOptions { now: deployment.session.clock.now(), ..CompileOptions::default() };
    if let Some(found) = origin(service, deployment.artifacts(), &options, id) {
        return Ok(found);
    }
    let resources = deployment.template()?.get("Resources").and_then(Value::as_object);
    let ids: Vec<&str> = resources.into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
    let wanted = id.to_lowercase();
    let close: Vec<&str> = ids.iter().copied().filter(|id| id.to_lowercase().contains(&wanted)).collect();
    let shown = if close.is_empty() { ids } else { close };
    let more = if shown.len() > SHOWN { ", ..." } else { "" };
    let list = format!("{}{more}", shown[..shown.len().min(SHOWN)].join(", "));
    let message = format!("the template has no resource `{id}`");
    Err(Mistakes::plain("RESOURCE_NOT_FOUND", message, format!("resources: {list}")))
}

fn place(service: &Service, path: &str) -> Option<Place> {
    service.span(path).map(|span| Place::of(&service.sources, span))
}

fn shown_json(service: &Service, found: &Origin) -> Value {
    let part = |path: &String| {
        let place = place(service, path).map(|place| place.json());
        json!({ "path": path, "place": place, "isWritten": service.spans.0.contains_key(path.as_str()) })
    };
    let shaped = found.shaped_by.iter().map(|(path, properties)| {
        let mut part = part(path);
        part["properties"] = json!(properties);
        part
    });
    json!({
        "logicalId": found.logical_id,
        "type": found.kind,
        "madeBy": found.made_by.iter().map(part).collect::<Vec<_>>(),
        "madeByAny": found.made_by_any.iter().map(part).collect::<Vec<_>>(),
        "shapedBy": shaped.collect::<Vec<_>>(),
        "isComplete": found.is_complete,
    })
}

fn text(terminal: &Terminal, service: &Service, found: &Origin) -> String {
    let part = |path: &String| {
        let Some(place) = place(service, path) else { return path.clone() };
        let at = terminal.painted("2", &format!("{}:{}", place.file, place.line));
        let note = if service.spans.0.contains_key(path.as_str()) {
            ""
        } else {
            "  (filled in, or by a variable there)"
        };
        format!("{path}  {at}  {}{}", place.text, terminal.painted("2", note))
    };
    let kind = terminal.painted("2", &format!("({})", found.kind));
    let mut lines = vec![format!("{} {kind}", found.logical_id)];
    if !found.made_by.is_empty() {
        lines.push("  made by".to_owned());
        lines.extend(found.made_by.iter().map(|path| format!("    {}", part(path))));
    }
    if !found.made_by_any.is_empty() {
        lines.push("  made by any of".to_owned());
        lines.extend(found.made_by_any.iter().take(SHOWN).map(|path| format!("    {}", part(path))));
        if found.made_by_any.len() > SHOWN {
            lines.push(format!("    and {} more", found.made_by_any.len() - SHOWN));
        }
    }
    if found.made_by.is_empty() && found.made_by_any.is_empty() && found.is_complete {
        lines.push("  made for every service: no line of the configuration asks for it".to_owned());
    }
    if !found.shaped_by.is_empty() {
        lines.push("  shaped by".to_owned());
        for (path, properties) in &found.shaped_by {
            lines.push(format!("    {}", part(path)));
            let more = properties.len().saturating_sub(DECIDED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let names = properties[..properties.len().min(DECIDED)].join(", ");
            lines.push(terminal.painted("2", &format!("      decides {names}{more}")));
        }
    }
    if !found.is_complete {
        lines.push("  (not every part of the configuration could be tried)".to_owned());
    }
    lines.join("\n")
}
