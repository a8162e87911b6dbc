//! The commands, on a service of two languages: deploy and what follows it, until it is removed.

use super::{SOON, deploy, endpoint, logs};
use aloft_testkit::{CloudOptions, Finished, Project, TempCloud, finish, http, until};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::SystemTime;

fn project() -> Project {
    Project::new(&[
        (
            "serverless.yml",
            "service: pair\nframeworkVersion: '3'\nprovider:\n  name: aws\n  runtime: nodejs20.x\n  environment:\n    GREETING: hello\n\
             functions:\n  greet:\n    handler: greet.handle\n    events:\n      - httpApi: GET /greet\n\
             \x20 add:\n    handler: add.handle\n    runtime: python3.11\n    events:\n      - http: GET /add\n",
        ),
        (
            "greet.js",
            "exports.handle = async (event) => {\n  console.log('greeting', event.name);\n  return `${process.env.GREETING} ${event.name}`;\n};\n",
        ),
        (
            "add.py",
            "def handle(event, context):\n    print('adding')\n    return {'sum': event['a'] + event['b']}\n",
        ),
    ])
}

#[test]
fn a_deployed_service_is_shown_invoked_changed_and_removed() {
    let (cloud, project) = (TempCloud::start(), project());
    let run = |arguments: &[&str]| cloud.aloft(project.path(), arguments);
    let deployed = run(&["deploy", "--local"]).success();
    assert!(
        deployed.stderr.contains("CREATE_COMPLETE  GreetLambdaFunction (AWS::Lambda::Function)"),
        "{deployed}"
    );
    assert!(deployed.stderr.contains("✔ Service deployed to stack pair-dev"), "{deployed}");
    let greet = endpoint(&deployed.stdout, "GET", "/greet");
    assert!(deployed.stdout.contains("  greet: pair-dev-greet ("), "{deployed}");

    let info = run(&["info", "--local"]).success().stdout;
    for expected in [
        "service: pair",
        "stage: dev",
        "region: us-east-1",
        "stack: pair-dev",
        &greet,
        "/dev/add",
        "  add: pair-dev-add",
    ] {
        assert!(info.contains(expected), "no {expected} in\n{info}");
    }

    let invoked = run(&["invoke", "--local", "-f", "add", "--data", r#"{"a": 1, "b": 2}"#]).success();
    assert_eq!(invoked.stdout, "{\n    \"sum\": 3\n}\n");
    let with_log =
        run(&["invoke", "--local", "-f", "greet", "-d", r#"{"name": "ann"}"#, "--log"]).success().stdout;
    let (answer, log) = with_log.split_once(&"-".repeat(68)).expect("a line before the log");
    assert_eq!(answer, "\"hello ann\"\n");
    for expected in [
        "START RequestId: ",
        "INFO\tgreeting ann",
        "END RequestId: ",
        "REPORT RequestId: ",
        "Billed Duration: ",
    ] {
        assert!(log.contains(expected), "no {expected} in\n{log}");
    }
    logs(&cloud, &project, "greet", |logs| logs.contains("greeting ann"));
    logs(&cloud, &project, "add", |logs| logs.contains("adding"));

    let unchanged = run(&["deploy", "--local"]).success();
    assert!(unchanged.stderr.contains("No changes to deploy. Deployment skipped."), "{unchanged}");
    project.replace("greet.js", "greeting", "welcoming");
    let changed = run(&["deploy", "--local"]).success();
    assert!(changed.stderr.contains("UPDATE_COMPLETE  GreetLambdaFunction"), "{changed}");
    let invoked =
        run(&["invoke", "--local", "-f", "greet", "-d", r#"{"name": "bob"}"#, "--log"]).success().stdout;
    assert!(invoked.contains("welcoming bob"), "{invoked}");

    project.replace("greet.js", "welcoming", "saluting");
    project.replace("serverless.yml", "GREETING: hello", "GREETING: good day");
    let alone = run(&["deploy", "function", "--local", "-f", "greet"]).success();
    assert!(alone.stderr.contains("Function code deployed"), "{alone}");
    let invoked =
        run(&["invoke", "--local", "-f", "greet", "-d", r#"{"name": "eve"}"#, "--log"]).success().stdout;
    assert!(invoked.contains("saluting eve") && invoked.starts_with("\"good day eve\"\n"), "{invoked}");
    let again = run(&["deploy", "function", "--local", "-f", "greet"]).success();
    assert!(again.stderr.contains("Code did not change. Function deployment skipped."), "{again}");

    let removed = run(&["remove", "--local"]).success();
    assert!(removed.stderr.contains("Service pair has been successfully removed"), "{removed}");
    assert_eq!(http("GET", &greet, &[], b"").status, 404);
    let gone = run(&["info", "--local"]).failure();
    assert!(gone.stdout.contains("Stack with id pair-dev does not exist"), "{gone}");
}

#[test]
fn stages_and_parameters_are_apart() {
    let (cloud, project) = (TempCloud::start(), project());
    project.replace(
        "serverless.yml",
        "GREETING: hello",
        "GREETING: ${param:greeting, 'hello'} from ${sls:stage}",
    );
    let greet = |stage: &str, more: &[&str]| {
        let arguments = [&["deploy", "--local", "--stage", stage], more].concat();
        cloud.aloft(project.path(), &arguments).success();
        let invoke = ["invoke", "--local", "-s", stage, "-f", "greet", "-d", r#"{"name": "ann"}"#];
        cloud.aloft(project.path(), &invoke).success().stdout
    };
    assert_eq!(greet("one", &[]), "\"hello from one ann\"\n");
    assert_eq!(greet("two", &["--param", "greeting=hi"]), "\"hi from two ann\"\n");
    cloud.aloft(project.path(), &["remove", "--local", "--stage", "one"]).success();
    assert!(
        cloud
            .aloft(project.path(), &["info", "--local", "--stage", "two"])
            .success()
            .stdout
            .contains("stage: two")
    );
}

#[test]
fn the_cloud_starts_when_it_is_needed_and_stops_when_told() {
    let environment = vec![("ALOFT_PORT".to_owned(), "0".to_owned())];
    let home = TempCloud::stopped(CloudOptions { environment, ..CloudOptions::default() });
    let project = project();
    let run = |arguments: &[&str]| -> Finished { home.aloft(project.path(), arguments) };
    assert_eq!(run(&["cloud", "status"]).success().stdout, "stopped\n");
    let deployed = run(&["deploy", "--local"]).success();
    assert!(deployed.stderr.contains("The local cloud runs at http://127.0.0.1:"), "{deployed}");
    let status = run(&["cloud", "status"]).success().stdout;
    assert!(status.starts_with("running\nendpoint: http://127.0.0.1:"), "{status}");
    run(&["cloud", "stop"]).success();
    assert_eq!(run(&["cloud", "status"]).success().stdout, "stopped\n");
    // What was deployed is there when it runs again.
    let invoked = run(&["invoke", "--local", "-f", "greet", "-d", r#"{"name": "ann"}"#]).success();
    assert_eq!(invoked.stdout, "\"hello ann\"\n");
    let forgets = || {
        run(&["cloud", "reset"]).success();
        assert!(run(&["info", "--local"]).failure().stdout.contains("does not exist"));
    };
    forgets();
    // A cloud that is stopped forgets as well.
    run(&["deploy", "--local"]).success();
    run(&["cloud", "stop"]).success();
    forgets();
    run(&["cloud", "stop"]).success();
}

#[test]
fn functions_run_without_a_cloud() {
    let (home, project) = (TempCloud::stopped(CloudOptions::default()), project());
    let local = |arguments: &[&str]| home.aloft(project.path(), &[&["invoke", "local"], arguments].concat());
    assert_eq!(local(&["-f", "add", "-d", r#"{"a": 1, "b": 2}"#]).success().stdout.lines().last(), Some("}"));
    project.write("event.json", r#"{"name": "ann"}"#);
    let said = local(&["-f", "greet", "--path", "event.json", "--env", "GREETING=ahoy"]).success();
    assert!(said.all().contains("greeting ann") && said.stdout.contains("\"ahoy ann\""), "{said}");
    let failed = local(&["-f", "add", "-d", "{}"]).failure();
    assert!(failed.stdout.contains("\"errorType\": \"KeyError\""), "{failed}");
    assert_eq!(home.aloft(project.path(), &["cloud", "status"]).stdout, "stopped\n");
}

#[test]
fn logs_are_followed() {
    let (cloud, project) = (TempCloud::start(), project());
    deploy(&cloud, &project);
    let mut command =
        cloud.command(project.path(), &["logs", "--local", "-f", "greet", "--tail", "--interval", "50"]);
    let mut tail = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("aloft starts");
    let mut lines = BufReader::new(tail.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    for name in ["ann", "bob"] {
        let payload = format!(r#"{{"name": "{name}"}}"#);
        cloud.aloft(project.path(), &["invoke", "--local", "-f", "greet", "-d", &payload]).success();
        assert!(lines.any(|line| line.ends_with(&format!("greeting {name}"))), "the log ended");
    }
    tail.kill().expect("a child can be ended");
    tail.wait().expect("a child can be waited for");
}

#[test]
fn packages_are_the_same_bytes_whenever_and_wherever_they_are_made() {
    let home = TempCloud::stopped(CloudOptions::default());
    let package = |project: &Project| {
        home.aloft(project.path(), &["package"]).success();
        fs::read(project.path().join(".serverless/pair.zip")).expect("a zip")
    };
    let (first, second) = (project(), project());
    let zip = package(&first);
    for file in ["greet.js", "add.py"] {
        let file = fs::File::options().append(true).open(second.path().join(file)).expect("a file");
        file.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
    }
    assert!(zip == package(&second), "two packages of the same files differ");
    assert!(zip == package(&first), "a second package differs");
    second.replace("greet.js", "greeting", "Greeting");
    assert!(zip != package(&second), "a package of other files is the same");
}

#[test]
fn configurations_are_printed_as_they_are_resolved() {
    let (home, project) = (TempCloud::stopped(CloudOptions::default()), project());
    let print = |arguments: &[&str]| {
        home.aloft(project.path(), &[&["print", "--stage", "qa"], arguments].concat()).success().stdout
    };
    project.replace(
        "serverless.yml",
        "GREETING: hello",
        "GREETING: ${self:service}-${sls:stage}-${env:NONE, 'x'}",
    );
    assert!(print(&[]).contains("    GREETING: pair-qa-x\n"), "{}", print(&[]));
    assert_eq!(
        print(&["--path", "provider.environment", "--format", "json"]).trim(),
        "{\n  \"GREETING\": \"pair-qa-x\"\n}"
    );
    assert_eq!(print(&["--path", "functions", "--transform", "keys", "--format", "text"]), "greet\nadd\n");
}

#[test]
fn a_cloud_in_the_foreground_ends_when_told() {
    // `aloft cloud start` in the foreground ends on a signal, and says so.
    let home = TempCloud::stopped(CloudOptions::default());
    let mut child = home
        .command(home.home(), &["cloud", "start", "--port", "0"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("aloft starts");
    let stderr = child.stderr.take().expect("a pipe");
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    assert!(lines.next().is_some_and(|line| line.starts_with("The local cloud runs at http://127.0.0.1:")));
    finish(&mut home.command(home.home(), &["cloud", "stop"]), "").success();
    until("the cloud ends", SOON, || child.try_wait().is_ok_and(|status| status.is_some()));
    assert_eq!(lines.last().as_deref(), Some("Stopping the local cloud"));
    assert!(child.wait().expect("a status").success());
}
