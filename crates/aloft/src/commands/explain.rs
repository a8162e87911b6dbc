//! `aloft explain <path>`: where a value of the configuration comes from, as a tree.

use crate::cli::{Cli, Explain};
use crate::failure::Mistakes;
use crate::terminal::Terminal;
use crate::{cloud, variables};
use aloft_base::Clock;
use aloft_config::LoadRequest;
use aloft_config::explain::{Explanation, Gives, Step, explain};
use aloft_diag::render;
use serde_json::Value;
use std::collections::HashMap;

/// Characters of a value that are shown in the tree.
const SHOWN: usize = 70;

pub async fn run(cli: &Cli, options: &Explain, terminal: &Terminal) -> anyhow::Result<()> {
    let path = options.what.first().cloned().unwrap_or_default();
    if cli.common.local {
        cloud::ensure_running(terminal).await?;
    }
    let environment: HashMap<String, String> = std::env::vars().collect();
    let clock = Clock::system();
    let cloud = variables::Cloud::new(cli.common.clone(), environment.clone(), clock.clone());
    let (given, config, command) = (cli.options(), cli.common.config.clone(), cli.command_name());
    let directory = std::env::current_dir()?;
    let explained = tokio::task::spawn_blocking(move || {
        let request = LoadRequest {
            directory,
            config,
            options: given,
            environment,
            cloud: Some(&cloud),
            command,
            clock,
        };
        explain(request, &path)
    });
    let explanation = explained.await?.map_err(Mistakes::from)?;
    terminal.clear();
    if options.json {
        terminal.print(&serde_json::to_string_pretty(&explanation.json())?);
    } else {
        terminal.print(&text(terminal, &explanation));
    }
    Ok(())
}

fn text(terminal: &Terminal, explanation: &Explanation) -> String {
    let mut lines = Vec::new();
    step_lines(terminal, &explanation.origin, "", "", &mut lines);
    for mistake in &explanation.mistakes {
        lines.push(String::new());
        lines.push(render(mistake, &explanation.sources, terminal.colours_out));
    }
    lines.join("\n")
}

/// A step on a line, its place on the next, and what is below it.
fn step_lines(terminal: &Terminal, step: &Step, first: &str, rest: &str, lines: &mut Vec<String>) {
    let gives = match &step.gives {
        Gives::Value(value) => format!(" = {}", terminal.painted("32", &short(value))),
        Gives::Failed(text) => format!(" {}", terminal.painted("31", &format!("failed: {text}"))),
        // A property below another one is a way, and no end.
        Gives::Nothing if step.place.is_some() || !step.below.is_empty() || !step.notes.is_empty() => {
            String::new()
        }
        Gives::Nothing => terminal.painted("2", ": nothing"),
    };
    let notes = step.notes.join("; ");
    let notes = if notes.is_empty() { notes } else { terminal.painted("2", &format!("  ({notes})")) };
    lines.push(format!("{first}{}{gives}{notes}", step.what));
    let bar = if step.below.is_empty() { " " } else { "│" };
    if let Some(place) = &step.place {
        let shown = terminal.painted("2", &format!("{}:{}", place.file, place.line));
        lines.push(format!("{rest}{bar} {shown}  {}", place.text));
    }
    for (index, below) in step.below.iter().enumerate() {
        let (branch, next) =
            if index + 1 == step.below.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        step_lines(terminal, below, &format!("{rest}{branch}"), &format!("{rest}{next}"), lines);
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
