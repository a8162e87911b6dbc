//! `kill -9` of the cloud: nothing that was acknowledged is lost, and what was begun is ended.

use super::{SOON, deploy, endpoint, logs};
use aloft_testkit::{Project, TempCloud, http, try_http, until_some};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

#[test]
fn a_deployed_service_answers_after_a_kill() {
    let (mut cloud, project) = (TempCloud::start(), Project::copy_of("examples/notes-api"));
    let notes = endpoint(&deploy(&cloud, &project), "GET", "/notes");
    let created = http("POST", &notes, &[], br#"{"text": "kept"}"#).json();
    for _ in 0..3 {
        cloud.restart();
        assert_eq!(http("GET", &notes, &[], b"").json()["notes"][0], created);
    }
    let unchanged = cloud.aloft(project.path(), &["deploy", "--local"]).success();
    assert!(unchanged.stderr.contains("No changes to deploy"), "{unchanged}");
    cloud.aloft(project.path(), &["remove", "--local"]).success();
}

/// Sends messages and objects from several threads until the cloud is gone, and gives those that were acknowledged.
fn send_until_it_is_gone(cloud: &mut TempCloud, round: usize) -> (Vec<String>, Vec<String>) {
    let endpoint = cloud.endpoint().to_owned();
    let (messages, objects) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
    let (acknowledged, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let (endpoint, is_over, acknowledged) = (endpoint.clone(), is_over.clone(), acknowledged.clone());
            let kept = if number % 2 == 0 { messages.clone() } else { objects.clone() };
            thread::spawn(move || {
                for count in 0.. {
                    let name = format!("{round}-{number}-{count}");
                    let answer = if number % 2 == 0 { send(&endpoint, &name) } else { put(&endpoint, &name) };
                    match answer {
                        Some(200) => kept.lock().expect("a list").push(name),
                        // The end of the connection is the end of the cloud.
                        _ if is_over.load(Ordering::SeqCst) => return,
                        other => panic!("{name}: {other:?}"),
                    }
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    until_some("acknowledgements", SOON, || {
        (acknowledged.load(Ordering::SeqCst) >= 40 + 25 * round).then_some(())
    });
    is_over.store(true, Ordering::SeqCst);
    cloud.kill();
    for thread in threads {
        thread.join().expect("a thread ends");
    }
    let list = |kept: Arc<Mutex<Vec<String>>>| kept.lock().expect("a list").clone();
    (list(messages), list(objects))
}

fn send(endpoint: &str, body: &str) -> Option<u16> {
    let headers = [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", "AmazonSQS.SendMessage")];
    let message = format!(r#"{{"QueueUrl": "{endpoint}/000000000000/inbox", "MessageBody": "{body}"}}"#);
    try_http("POST", endpoint, &headers, message.as_bytes()).ok().map(|answer| answer.status)
}

fn put(endpoint: &str, key: &str) -> Option<u16> {
    // The host's name says whose request it is.
    let address = endpoint.replace("127.0.0.1", "shelf.s3.localhost");
    try_http("PUT", &format!("{address}/{key}"), &[], key.as_bytes()).ok().map(|answer| answer.status)
}

#[test]
fn what_was_acknowledged_is_there_after_every_kill() {
    let mut cloud = TempCloud::start();
    cloud.clients().boto3(r#"boto3.client("sqs").create_queue(QueueName="inbox"); boto3.client("s3").create_bucket(Bucket="shelf")"#);
    let (mut messages, mut objects) = (Vec::new(), Vec::new());
    for round in 0..3 {
        let (sent, put) = send_until_it_is_gone(&mut cloud, round);
        messages.extend(sent);
        objects.extend(put);
        cloud.restart();
    }
    let found = cloud.clients().boto3(
        r#"
sqs, s3 = boto3.client("sqs"), boto3.client("s3")
url = sqs.get_queue_url(QueueName="inbox")["QueueUrl"]
bodies = []
while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
    bodies += [message["Body"] for message in messages]
keys = [item["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="shelf") for item in page.get("Contents", [])]
for key in keys:
    equal(s3.get_object(Bucket="shelf", Key=key)["Body"].read().decode(), key)
print(json.dumps([bodies, keys]))
"#,
    );
    let [bodies, keys]: [Vec<String>; 2] = serde_json::from_str(&found).expect("two lists");
    let lost = |sent: &[String], found: &[String]| {
        sent.iter().filter(|one| !found.contains(one)).cloned().collect::<Vec<_>>()
    };
    assert_eq!((lost(&messages, &bodies), lost(&objects, &keys)), (vec![], vec![]));
    assert!(
        messages.len() > 20 && objects.len() > 20,
        "{} messages, {} objects",
        messages.len(),
        objects.len()
    );
    // Each of them once.
    let mut once = bodies.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), bodies.len());
}

#[test]
fn an_invocation_that_was_accepted_is_done_after_a_kill() {
    let (mut cloud, project) = (
        TempCloud::start(),
        Project::new(&[
            (
                "serverless.yml",
                "service: later\nprovider:\n  name: aws\n  runtime: nodejs20.x\nfunctions:\n  work:\n    handler: work.handle\n",
            ),
            ("work.js", "exports.handle = async (event) => console.log(`done ${event.number}`);\n"),
        ]),
    );
    deploy(&cloud, &project);
    let script = r#"
functions = boto3.client("lambda")
for number in range(5):
    answer = functions.invoke(FunctionName="later-dev-work", InvocationType="Event", Payload=json.dumps({"number": number}))
    equal(answer["StatusCode"], 202)
"#;
    cloud.clients().boto3(script);
    cloud.restart();
    logs(&cloud, &project, "work", |logs| (0..5).all(|number| logs.contains(&format!("done {number}"))));
}

/// Has a function invoked from several threads until the cloud is gone, and gives the events that were accepted.
fn invoke_until_it_is_gone(cloud: &mut TempCloud, round: usize) -> Vec<String> {
    let address = format!("{}/2015-03-31/functions/keen-dev-work/invocations", cloud.endpoint());
    let (accepted, is_over) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
    let threads: Vec<_> = (0..3)
        .map(|number| {
            let (address, is_over, accepted) = (address.clone(), is_over.clone(), accepted.clone());
            thread::spawn(move || {
                for count in 0.. {
                    let name = format!("{round}-{number}-{count}");
                    let (headers, body) = ([("X-Amz-Invocation-Type", "Event")], format!("\"{name}\""));
                    match try_http("POST", &address, &headers, body.as_bytes()).map(|it| it.status) {
                        Ok(202) => accepted.lock().expect("a list").push(name),
                        _ if is_over.load(Ordering::SeqCst) => return,
                        other => panic!("{name}: {other:?}"),
                    }
                }
            })
        })
        .collect();
    until_some("accepted events", SOON, || {
        (accepted.lock().expect("a list").len() >= 20 + 15 * round).then_some(())
    });
    is_over.store(true, Ordering::SeqCst);
    cloud.kill();
    for thread in threads {
        thread.join().expect("a thread ends");
    }
    let accepted = accepted.lock().expect("a list");
    accepted.clone()
}

#[test]
fn every_event_that_was_accepted_runs_after_every_kill() {
    let (mut cloud, project) = (
        TempCloud::start(),
        Project::new(&[
            (
                "serverless.yml",
                "service: keen\nprovider:\n  name: aws\n  runtime: nodejs20.x\nfunctions:\n  work:\n    handler: work.handle\n",
            ),
            ("work.js", "exports.handle = async (event) => console.log(`done ${event}.`);\n"),
        ]),
    );
    deploy(&cloud, &project);
    let mut accepted = Vec::new();
    for round in 0..3 {
        accepted.extend(invoke_until_it_is_gone(&mut cloud, round));
        cloud.restart();
    }
    let runs = |logs: &str, name: &String| logs.matches(&format!("done {name}.")).count();
    let all = logs(&cloud, &project, "work", |logs| accepted.iter().all(|name| runs(logs, name) > 0));
    // What was at work when the cloud was killed may run once more for each kill, and nothing else.
    let twice = accepted.iter().filter(|name| runs(&all, name) > 1).count();
    assert!(accepted.iter().all(|name| runs(&all, name) <= 4), "{all}");
    assert!(accepted.len() >= 100 && twice <= 3 * 100, "{twice} of {}", accepted.len());
}

#[test]
fn a_deployment_that_a_kill_broke_off_is_ended() {
    for after in [1, 4, 9] {
        let (mut cloud, project) = (TempCloud::start(), Project::copy_of("examples/notes-api"));
        let mut command = cloud.command(project.path(), &["deploy", "--local"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("aloft starts");
        // Some way into it: so many resources are there.
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        assert_eq!(lines.filter(|line| line.contains("CREATE_COMPLETE")).take(after).count(), after);
        cloud.kill();
        let _ = child.kill();
        let _ = child.wait();
        cloud.restart();
        // What was begun is brought to an end, and it can be deployed again.
        cloud.clients().boto3(
            r#"
stacks = boto3.client("cloudformation")
status = lambda: stacks.describe_stacks(StackName="notes-api-dev")["Stacks"][0]["StackStatus"]
eventually(status, lambda status: status.endswith("_COMPLETE"))
events = stacks.describe_stack_events(StackName="notes-api-dev")["StackEvents"]
failed = [(event["LogicalResourceId"], event.get("ResourceStatusReason")) for event in events if "FAILED" in event["ResourceStatus"]]
equal(failed, [])
"#,
        );
        deploy(&cloud, &project);
        let info = cloud.aloft(project.path(), &["info", "--local"]).success().stdout;
        assert_eq!(http("GET", &endpoint(&info, "GET", "/notes"), &[], b"").status, 200);
    }
}
