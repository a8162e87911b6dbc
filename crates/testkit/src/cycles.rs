//! Environments that come and go: functions that are all called at once, and a clock that moves on until nobody needs them.

use crate::cloud::TempCloud;
use crate::held::Held;
use crate::http::{Response, try_http};
use crate::project::Project;
use crate::wait::{pause, until_some};
use std::thread;
use std::time::Duration;

/// How many functions there are of each kind.
const OF_A_KIND: usize = 4;
/// Beyond the time after which an idle environment ends, in seconds.
const IDLE: u64 = 301;
/// How long the last ones may take to go.
const WITHIN: Duration = Duration::from_secs(60);
/// How often is looked at what is left.
const SAMPLES: usize = 10;

const PYTHON: &str =
    "count = 0\n\ndef handle(event, context):\n    global count\n    count += 1\n    return count\n";
const NODE: &str = "let count = 0\nexports.handle = async () => ++count\n";
/// Leaves a process behind and ends: another way for an environment to go.
const BOOTSTRAP: &str = "#!/bin/sh\nsleep 600 &\nexit 1\n";

/// The functions, deployed to a cloud.
pub struct Cycles {
    names: Vec<String>,
}

impl Cycles {
    /// What a cloud is started with whose environments shall go when they are idle for that long.
    pub fn arguments() -> Vec<String> {
        vec![format!("--idle-seconds={}", IDLE - 1)]
    }

    /// Deploys them.
    #[track_caller]
    pub fn deploy(cloud: &TempCloud) -> Self {
        let mut service = "service: cycles\nprovider:\n  name: aws\nfunctions:\n".to_owned();
        let mut names = Vec::new();
        for (kind, runtime, handler) in [
            ("python", "python3.11", "work.handle"),
            ("node", "nodejs20.x", "work.handle"),
            ("ends", "provided.al2023", "none"),
        ] {
            for number in 0..OF_A_KIND {
                let name = format!("{kind}{number}");
                service += &format!("  {name}: {{ handler: {handler}, runtime: {runtime} }}\n");
                names.push(format!("cycles-dev-{name}"));
            }
        }
        let files = [
            ("serverless.yml", service.as_str()),
            ("work.py", PYTHON),
            ("work.js", NODE),
            ("bootstrap", BOOTSTRAP),
        ];
        let project = Project::new(&files);
        let mut command = std::process::Command::new("chmod");
        crate::process::finish(command.arg("+x").arg(project.path().join("bootstrap")), "").success();
        cloud.aloft(project.path(), &["deploy", "--local"]).success();
        Self { names }
    }

    /// Calls all of them at once and lets their environments go: how many had to be started.
    #[track_caller]
    pub fn round(&self, cloud: &TempCloud) -> usize {
        let started = thread::scope(|scope| {
            let calls: Vec<_> = self
                .names
                .iter()
                .map(|name| scope.spawn(|| is_started(name, &invoke(cloud, name))))
                .collect();
            calls.into_iter().map(|call| usize::from(call.join().expect("a call ends"))).sum()
        });
        cloud.advance(IDLE);
        started
    }

    /// Calls one that stays warm, so many times.
    #[track_caller]
    pub fn warm(&self, cloud: &TempCloud, times: usize) {
        for _ in 0..times {
            let answer = invoke(cloud, &self.names[0]);
            assert!(answer.status == 200 && answer.header("x-amz-function-error").is_none(), "{answer}");
        }
    }

    /// What the cloud holds once no environment is left.
    #[track_caller]
    pub fn rest(&self, cloud: &TempCloud) -> Held {
        until_some("environments that are idle end", WITHIN, || {
            cloud.advance(IDLE);
            (Held::by(cloud).processes == 0).then_some(())
        });
        // The last connections and their threads end a moment later.
        let seen = (0..SAMPLES).map(|_| {
            pause();
            Held::by(cloud)
        });
        seen.min_by_key(|it| (it.processes, it.descriptors, it.groups, it.files)).expect("some")
    }
}

fn invoke(cloud: &TempCloud, name: &str) -> Response {
    let address = format!("{}/2015-03-31/functions/{name}/invocations", cloud.endpoint());
    try_http("POST", &address, &[], b"{}").unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Whether an environment was started for it, by its own count. One that ends at once always is.
fn is_started(name: &str, answer: &Response) -> bool {
    assert_eq!(answer.status, 200, "{name}: {answer}");
    match name.contains("-ends") {
        true => answer.text().contains("Runtime.ExitError"),
        false => answer.text() == "1",
    }
}
