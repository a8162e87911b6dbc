//! Compose files as people write them, right and wrong, and the order in which services are worked on.

use super::file;
use super::graph::Schedule;
use super::variables::put_outputs_in;
use crate::failure::Mistakes;
use std::collections::HashMap;
use std::fs;

/// Loads a compose file beside the directories `a`, `b`, `c` and `d`.
fn load(text: &str) -> Result<file::Services, String> {
    let unique = aloft_base::Ids::random().hex(12);
    let directory = std::env::temp_dir().join(format!("aloft-compose-{unique}"));
    for name in ["a", "b", "c", "d"] {
        fs::create_dir_all(directory.join(name)).expect("a directory");
    }
    let path = directory.join("serverless-compose.yml");
    fs::write(&path, text).expect("a file");
    let environment = HashMap::from([("HOST".to_owned(), "h.example".to_owned())]);
    let loaded = file::load(&directory, &path, "prod", &environment);
    fs::remove_dir_all(&directory).expect("removed");
    loaded.map_err(|error| match error.downcast_ref::<Mistakes>() {
        Some(mistakes) => {
            let place = |one: &aloft_diag::Diagnostic| match one.labels.first() {
                Some(label) => {
                    mistakes.sources.line_column(label.span.source, label.span.start).0.to_string()
                }
                None => "-".to_owned(),
            };
            let lines = mistakes.diagnostics.iter().map(|one| format!("{}: {}", place(one), one.message));
            lines.collect::<Vec<_>>().join("\n")
        }
        None => error.to_string(),
    })
}

#[test]
fn what_is_wrong_is_shown_with_its_line() {
    for (text, expected) in [
        (
            "services: {}",
            "1: Invalid configuration: \"serverless-compose.yml\" must contain \"services\" property",
        ),
        ("- a", "1: \"serverless-compose.yml\" does not contain valid Compose configuration"),
        (
            "provider:\n  name: aws\nservices:\n  a:\n    path: a\n",
            "1: Invalid property \"provider\" in \"serverless-compose.yml\"",
        ),
        ("services:\n  a: ./a\n", "2: Invalid configuration: definition of \"a\" service must be an object"),
        (
            "services:\n  a:\n    config: x.yml\n",
            "2: Invalid configuration for component \"a\": it has no \"path\"",
        ),
        (
            "services:\n  a:\n    path: a\n    stage: dev\n",
            "4: Invalid configuration for component \"a\": unrecognized property \"stage\"",
        ),
        (
            "services:\n  a:\n    path: ./\n",
            "3: Service \"a\" cannot have a \"path\" that points to the root directory of the Compose project",
        ),
        ("services:\n  a:\n    path: nowhere\n", "3: the directory of the service \"a\" does not exist"),
        (
            "services:\n  a:\n    path: a\n  b:\n    path: b/../a\n",
            "4: Service \"b\" has the same \"path\" as the service \"a\"",
        ),
        (
            "services:\n  a:\n    path: a\n    dependsOn: x\n",
            "4: The service \"x\" referenced in \"dependsOn\" of \"a\" does not exist",
        ),
        (
            "services:\n  a:\n    path: a\n    params:\n      p: ${x.url}\n",
            "5: The service \"x\" does not exist. It is referenced by \"a\"",
        ),
        (
            "services:\n  a:\n    path: a\n    dependsOn: b\n  b:\n    path: b\n    params:\n      u: ${c.url}\n  c:\n    path: c\n    dependsOn: [d, a]\n  d:\n    path: d\n",
            "4: Your services have a circular dependency: a -> b -> c -> a",
        ),
        (
            "services:\n  a:\n    path: a\n    params:\n      p: ${self:x}\n",
            "5: Unrecognized configuration variable sources: \"self\"",
        ),
        (
            "services:\n  a:\n    path: a\n    params:\n      p: ${env:NOBODY}\n",
            "5: The environment variable \"NOBODY\" is referenced but is not defined",
        ),
        (
            "services:\n  a:\n    path: ${b.dir}\n  b:\n    path: b\n",
            "3: \"path\" cannot refer to an output: ${b.dir}",
        ),
    ] {
        assert_eq!(load(text).expect_err(text), expected, "{text}");
    }
}

#[test]
fn parameters_are_put_together() {
    let text = "services:\n  a:\n    path: a\n    region: eu-west-1\n    config: ${sls:stage}.yml\n    params:\n      \
                url: https://${env:HOST}/${sls:stage}/${b.path}\n      count: 3\n      list: [1, '${b.x}']\n  b:\n    path: b\n";
    let services = load(text).expect("services");
    let a = &services.all[0];
    assert_eq!((a.config.as_deref(), a.region.as_deref()), (Some("prod.yml"), Some("eu-west-1")));
    let known = |service: &str, output: &str| (service == "b").then(|| format!("<{output}>"));
    let values: Vec<String> =
        a.params.iter().map(|param| put_outputs_in(&param.value, known).expect("known")).collect();
    assert_eq!(values, ["https://h.example/prod/<path>", "3", "[1,\"<x>\"]"]);
    let unknown = put_outputs_in("${b.x}", |_, _| None).expect_err("unknown");
    assert_eq!(
        unknown.message,
        "The variable \"${b.x}\" cannot be resolved: the referenced output does not exist"
    );
    // What an output says is not looked at again.
    assert_eq!(put_outputs_in("${b.x}!", |_, _| Some("${b.x}".to_owned())).expect("known"), "${b.x}!");
}

/// Goes through a schedule with the services that fail, as `ready,ready | ready | !skipped`.
fn walk(mut schedule: Schedule, most: usize, fails: &[&str]) -> String {
    let (mut steps, mut at_work) = (Vec::new(), Vec::new());
    loop {
        let ready = schedule.ready(most - at_work.len());
        if !ready.is_empty() {
            steps.push(ready.join(","));
        }
        at_work.extend(ready);
        if at_work.is_empty() {
            return steps.join(" | ");
        }
        let ended = at_work.remove(0);
        if fails.contains(&ended.as_str()) {
            steps.extend(schedule.failed(&ended).iter().map(|skipped| format!("!{skipped}")));
        } else {
            schedule.done(&ended);
        }
    }
}

#[test]
fn services_wait_for_what_they_need() {
    let text = "services:\n  a:\n    path: a\n  b:\n    path: b\n    dependsOn: a\n  c:\n    path: c\n    params:\n      u: ${b.url}\n  d:\n    path: d\n";
    let graph = load(text).expect("services").graph;
    for (backwards, most, fails, expected) in [
        (false, 9, &[][..], "a,d | b | c"),
        (false, 1, &[], "a | b | c | d"),
        (true, 9, &[], "c,d | b | a"),
        (false, 9, &["a"], "a,d | !b | !c"),
        (false, 9, &["b"], "a,d | b | !c"),
        (true, 2, &["c"], "c,d | !a | !b"),
    ] {
        assert_eq!(walk(graph.schedule(backwards), most, fails), expected, "{backwards} {most} {fails:?}");
    }
    assert_eq!(walk(graph.unordered(), 9, &["a"]), "a,b,c,d");
}
