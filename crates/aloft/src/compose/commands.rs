//! What can be done to several services.

use super::arguments::{self, Composed, Global, Task};
use super::display::{Display, End};
use super::graph::Schedule;
use super::run::{Call, Finished, Project, Said};
use super::state::{Outputs, State};
use crate::cloud;
use crate::commands::logs::line;
use crate::failure::{AlreadyShown, Mistakes, text_of};
use crate::terminal::Terminal;
use aloft_base::Timestamp;
use serde_json::Value;
use std::ffi::OsString;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// Does what was typed.
pub async fn run(
    composed: Composed,
    project: Arc<Project>,
    state: State,
    terminal: &'static Terminal,
) -> anyhow::Result<()> {
    if let Task::Unknown(command) = &composed.task {
        return Err(arguments::unknown(command, &project.names()));
    }
    // Each service would start it.
    if project.options.local && !matches!(composed.task, Task::All(Global::Outputs)) {
        cloud::ensure_running(terminal).await?;
    }
    let one = project.options.service.as_deref();
    if let Some(name) = one {
        project.service(name)?;
    }
    let graph = &project.services.graph;
    let (schedule, work) = match composed.task {
        Task::One { service, arguments } => return single(&project, state, &service, arguments).await,
        Task::Unknown(_) => return Ok(()),
        Task::All(Global::Outputs) => return outputs(&project, &state, one, terminal),
        Task::All(Global::Deploy { force }) => (graph.schedule(false), Work::Deploy { force }),
        Task::All(Global::Remove) => (graph.schedule(true), Work::Remove),
        Task::All(Global::Package) => (graph.unordered(), Work::Package),
        Task::All(Global::Info) => (graph.unordered(), Work::Info),
        Task::All(Global::Logs { tail }) => (graph.unordered(), Work::Logs { tail }),
        Task::All(Global::RefreshOutputs) => (graph.schedule(false), Work::Refresh),
    };
    all(project, state, schedule, work, terminal).await
}

/// What is done to each service.
#[derive(Clone, Copy, Debug)]
enum Work {
    Deploy { force: bool },
    Info,
    Logs { tail: bool },
    Package,
    Refresh,
    Remove,
}

impl Work {
    fn arguments(self) -> Vec<OsString> {
        let words: &[&str] = match self {
            Self::Deploy { force: true } => &["deploy", "--verbose", "--force"],
            Self::Deploy { force: false } => &["deploy", "--verbose"],
            Self::Info => &["info"],
            Self::Logs { .. } => &["print", "--format", "json"],
            Self::Package => &["package", "--verbose"],
            Self::Refresh => &["info", "--json"],
            Self::Remove => &["remove", "--verbose"],
        };
        words.iter().map(OsString::from).collect()
    }

    /// What is said while it lasts; nothing for what only shows.
    fn action(self) -> Option<&'static str> {
        match self {
            Self::Deploy { .. } => Some("deploying"),
            Self::Package => Some("packaging"),
            Self::Refresh => Some("refreshing outputs"),
            Self::Remove => Some("removing"),
            Self::Info | Self::Logs { .. } => None,
        }
    }

    /// Said at the beginning.
    fn title(self, project: &Project) -> Option<String> {
        let (name, stage) = (project.name(), &project.options.stage);
        match self {
            Self::Deploy { .. } => Some(format!("\nDeploying {name} to stage {stage}\n")),
            Self::Package => Some(format!("\nPackaging {name} for stage {stage}\n")),
            Self::Remove => Some(format!("\nRemoving {name} from stage {stage}\n")),
            _ => None,
        }
    }
}

/// What came of a service.
struct Worked {
    end: &'static str,
    /// What is known of its outputs now: a change, and with nothing in it that it is not deployed.
    outputs: Option<Option<Outputs>>,
    /// What its functions logged: when, and the line.
    logged: Vec<(Timestamp, String)>,
}

/// Works on all services of a schedule, as many at once as may be.
async fn all(
    project: Arc<Project>,
    mut state: State,
    mut schedule: Schedule,
    work: Work,
    terminal: &'static Terminal,
) -> anyhow::Result<()> {
    if let Some(title) = work.title(&project) {
        terminal.say(&title);
    }
    let mut display = Display::new(terminal, &project.names());
    let most = project.options.max_concurrency.map_or(usize::MAX, std::num::NonZero::get);
    let (lines, mut said) = unbounded_channel();
    let (mut at_work, mut errors, mut logged) = (JoinSet::new(), Vec::new(), Vec::new());
    loop {
        for name in schedule.ready(most.saturating_sub(at_work.len())) {
            if let Some(action) = work.action() {
                display.begin(&name, action);
            }
            let call = project.call(&name, work.arguments(), &state);
            let known = state.outputs(&name).is_some_and(|outputs| !outputs.is_empty());
            let (project, lines) = (project.clone(), lines.clone());
            at_work.spawn(async move {
                let result = match call {
                    Ok(call) => one(&project, &call, work, known, lines).await,
                    Err(error) => Err(error),
                };
                (name, result)
            });
        }
        let Some((name, result)) = next(&mut at_work, &mut said, &display, work).await? else { break };
        let result = result.and_then(|result| {
            if let Some(outputs) = result.outputs.clone() {
                state.set(&name, outputs)?;
            }
            Ok(result)
        });
        match result {
            Ok(result) => {
                logged.extend(result.logged);
                if work.action().is_some() {
                    display.end(&name, &End::Done(result.end));
                }
                schedule.done(&name);
            }
            Err(error) => {
                display.end(&name, &End::Failed);
                errors.push((name.clone(), error));
                for skipped in schedule.failed(&name) {
                    display.end(&skipped, &End::Skipped);
                }
            }
        }
    }
    // An event goes from function to function: in the order of time it can be followed.
    logged.sort_by_key(|(at, _)| *at);
    logged.iter().for_each(|(_, line)| display.print(line));
    show(&errors, &project, terminal)
}

type Ended = (String, anyhow::Result<Worked>);

/// The next service that has come to an end; meanwhile shows what is said.
async fn next(
    at_work: &mut JoinSet<Ended>,
    said: &mut UnboundedReceiver<Said>,
    display: &Display,
    work: Work,
) -> anyhow::Result<Option<Ended>> {
    let show = |(service, line): Said| {
        let text = format!("{service} › {line}");
        if work.action().is_some() { display.say(&text) } else { display.print(&text) }
    };
    loop {
        tokio::select! {
            biased;
            Some(line) = said.recv() => show(line),
            ended = at_work.join_next() => {
                while let Ok(line) = said.try_recv() {
                    show(line);
                }
                return Ok(ended.transpose()?);
            }
        }
    }
}

/// Works on one service.
async fn one(
    project: &Project,
    call: &Call,
    work: Work,
    known: bool,
    lines: UnboundedSender<Said>,
) -> anyhow::Result<Worked> {
    let done = |end| Worked { end, outputs: None, logged: Vec::new() };
    // What only shows has nothing else to do; of the others the log has it all.
    let lines = (project.options.verbose || work.action().is_none()).then_some(lines);
    match work {
        Work::Logs { tail } => Ok(Worked { logged: logs(project, call, tail, lines).await?, ..done("") }),
        Work::Refresh => {
            let outputs = project.outputs(call).await?;
            let end = if outputs.is_some() { "outputs refreshed" } else { "not deployed" };
            Ok(Worked { outputs: Some(outputs), ..done(end) })
        }
        Work::Deploy { .. } => {
            let finished = project.run(call, lines).await?;
            let finished = succeeded(finished)?;
            let unchanged = finished.stderr.contains("No changes to deploy");
            // An update without changes leaves the outputs that are known.
            if unchanged && known {
                return Ok(done("no changes"));
            }
            let outputs = project.outputs(call).await?;
            Ok(Worked { outputs: Some(outputs), ..done(if unchanged { "no changes" } else { "deployed" }) })
        }
        Work::Remove => {
            let finished = project.run(call, lines).await?;
            let is_gone = !finished.status.success() && finished.reason().contains("does not exist");
            if !is_gone {
                succeeded(finished)?;
            }
            Ok(Worked { outputs: Some(None), ..done(if is_gone { "not deployed" } else { "removed" }) })
        }
        Work::Info | Work::Package => {
            succeeded(project.run(call, lines).await?)?;
            Ok(done("packaged"))
        }
    }
}

fn succeeded(finished: Finished) -> anyhow::Result<Finished> {
    if finished.status.success() {
        return Ok(finished);
    }
    let reason = finished.reason();
    anyhow::bail!(if reason.is_empty() { finished.status.to_string() } else { reason })
}

/// The logs of all functions of a service: all that there is, or with `tail` sent as it comes. A function that was never called
/// has none.
async fn logs(
    project: &Project,
    call: &Call,
    tail: bool,
    lines: Option<UnboundedSender<Said>>,
) -> anyhow::Result<Vec<(Timestamp, String)>> {
    let printed = succeeded(project.run(call, None).await?)?.stdout;
    let configuration: Value = serde_json::from_str(&printed)?;
    let functions = configuration["functions"].as_object().cloned().unwrap_or_default();
    let read = functions.keys().map(|function| {
        let how = if tail { "--tail" } else { "--json" };
        let call = call.instead(vec!["logs".into(), "--function".into(), function.into(), how.into()]);
        let lines = lines.clone().filter(|_| tail);
        async move {
            let (own, mut said) = unbounded_channel();
            let forward = async {
                let mut quiet = false;
                while let Some((service, line)) = said.recv().await {
                    // Its error is looked at below.
                    quiet |= line == "Error:";
                    if let Some(lines) = lines.as_ref().filter(|_| !quiet) {
                        let _ = lines.send((service, format!("{function} › {line}")));
                    }
                }
            };
            let (finished, ()) = tokio::join!(project.run(&call, Some(own)), forward);
            let finished = finished?;
            if !finished.status.success() && finished.reason().contains("No existing streams") {
                return Ok(Vec::new());
            }
            let stdout = succeeded(finished)?.stdout;
            let events = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let logged = events.map(|event| {
                let at = Timestamp(event["timestamp"].as_i64().unwrap_or_default());
                let text = line(at, event["message"].as_str().unwrap_or_default());
                (at, format!("{} › {function} › {text}", call.service))
            });
            Ok(logged.collect())
        }
    });
    let ended: Vec<anyhow::Result<Vec<_>>> = futures_util::future::join_all(read).await;
    Ok(ended.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat())
}

/// A command of one service, with the user's own terminal.
async fn single(
    project: &Project,
    mut state: State,
    service: &str,
    arguments: Vec<OsString>,
) -> anyhow::Result<()> {
    let verb = |word: &str| arguments.first().is_some_and(|first| first == word);
    let is_function = arguments.iter().any(|one| one == "function" || one == "-f" || one == "--function");
    let (deploys, removes) = (verb("deploy") && !is_function, verb("remove"));
    let call = project.call(service, arguments, &state)?;
    if !project.run_here(&call).await?.success() {
        return Err(AlreadyShown.into());
    }
    if deploys {
        state.set(service, project.outputs(&call).await?)?;
    } else if removes {
        state.set(service, None)?;
    }
    Ok(())
}

/// Shows the outputs that are known.
fn outputs(
    project: &Project,
    state: &State,
    one: Option<&str>,
    terminal: &'static Terminal,
) -> anyhow::Result<()> {
    let mut blocks = Vec::new();
    for name in project.names().into_iter().filter(|name| one.is_none_or(|one| one == *name)) {
        let Some(outputs) = state.outputs(name) else { continue };
        let lines = outputs.iter().map(|(name, value)| format!("  {name}: {value}"));
        blocks.push(std::iter::once(format!("{name}:")).chain(lines).collect::<Vec<_>>().join("\n"));
    }
    if blocks.is_empty() {
        let help = "deploy with `aloft deploy`; if it is deployed already, run `aloft refresh-outputs`";
        return Err(Mistakes::plain(
            "NO_DEPLOYED_SERVICES_FOUND",
            "Could not find any deployed service",
            help,
        ));
    }
    terminal.print(&blocks.join("\n\n"));
    Ok(())
}

/// Shows why services failed.
fn show(
    errors: &[(String, anyhow::Error)],
    project: &Project,
    terminal: &'static Terminal,
) -> anyhow::Result<()> {
    if errors.is_empty() {
        return Ok(());
    }
    for (name, error) in errors {
        terminal.print(&format!("\nError:\n{name}: {}", text_of(error, terminal).trim()));
    }
    let log = project.directory.join(".serverless").join("compose.log");
    terminal.say(&format!("\nEverything that the services said is in {}", log.display()));
    Err(AlreadyShown.into())
}
