//! The built program end to end: real services deployed to real clouds of ours, with other people's clients around them.
//!
//! One program, a module a subject, so that it is linked once and any of them runs alone: `cargo test -p aloft --test it
//! notes_api`. Each test has a cloud of its own on a port that the system chose, so that all can run at once. The clients
//! come from `cargo xtask setup`; without them the tests fail and say so.

mod bad_functions;
mod bad_input;
mod celebrity_sleuth;
mod clients;
mod cloud_variables;
mod commands;
mod compose;
mod configuration;
mod custom_resources;
mod durability;
mod event_sources;
mod explain;
mod face_networks;
mod fork;
mod history;
mod metering;
mod nightly_report;
mod notes_api;
mod order_worker;
mod original;
mod plan;
mod reliability;
mod rollback;
mod schedules;
mod sdks;
mod settings;
mod word_count;

use aloft_testkit::{Project, TempCloud};
use std::time::Duration;

/// How long anything may take that happens by itself: a machine that tests is a busy one.
const SOON: Duration = Duration::from_secs(60);

/// Deploys a project and gives what was printed.
#[track_caller]
fn deploy(cloud: &TempCloud, project: &Project) -> String {
    cloud.aloft(project.path(), &["deploy", "--local"]).success().stdout
}

/// The address of an endpoint in what `deploy` or `info` printed, up to its path.
#[track_caller]
fn endpoint(printed: &str, method: &str, path: &str) -> String {
    let prefix = format!("{method} - ");
    let addresses = printed.lines().filter_map(|line| Some(line.split_once(&prefix)?.1.trim()));
    let found = addresses.filter(|address| address.ends_with(path)).min_by_key(|address| address.len());
    found.unwrap_or_else(|| panic!("no {method} {path} in\n{printed}")).to_owned()
}

/// The log of a function, once it has what is sought.
#[track_caller]
fn logs(cloud: &TempCloud, project: &Project, function: &str, has: impl Fn(&str) -> bool) -> String {
    aloft_testkit::until_some(&format!("the log of {function}"), SOON, || {
        let logs = cloud.aloft(project.path(), &["logs", "--local", "--function", function]).success().stdout;
        has(&logs).then_some(logs)
    })
}

/// Fails with a difference that a person can read.
#[track_caller]
fn same(actual: &str, expected: &str) {
    let (actual, expected) = (actual.trim_end(), expected.trim_end());
    assert!(actual == expected, "--- expected\n{expected}\n--- actual\n{actual}\n---");
}
