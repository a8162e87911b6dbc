//! Custom resources, wait conditions and stacks within stacks, with a stand-in for Lambda that takes questions down.

use super::{Things, settled};
use crate::cloudformation::CloudFormation;
use crate::s3::S3;
use crate::testing::{BEGINNING, Cloud, Functions, matches};
use aloft_base::Clock;
use aloft_engine::{Head, HttpRequest};
use aloft_store::Store;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const TOKEN: &str = "arn:aws:lambda:us-east-1:000000000000:function:maker";

/// A cloud with a function that others speak for.
struct Scene {
    cloud: Cloud,
    functions: Arc<Functions>,
}

impl Scene {
    async fn start() -> Self {
        Self::start_on(Store::ephemeral().expect("a store"), Clock::fixed(BEGINNING)).await
    }

    async fn start_on(store: Store, clock: Clock) -> Self {
        let functions = Arc::<Functions>::default();
        let services: Vec<Arc<dyn aloft_engine::Service>> =
            vec![Arc::new(CloudFormation), functions.clone(), Arc::new(Things), Arc::new(S3)];
        Self { cloud: Cloud::start_on(store, clock, services).await, functions }
    }

    /// Begins to make or change the stack `s` with the custom resource `R`.
    async fn begin(&self, operation: &str, properties: Value) {
        let mut all = json!({ "ServiceToken": TOKEN });
        all.as_object_mut().expect("an object").extend(properties.as_object().expect("an object").clone());
        let template = json!({
            "Resources": {
                "R": { "Type": "Custom::Maker", "Version": 1.0, "Properties": all },
                "T": { "Type": "Test::Thing", "Properties": { "Size": { "Fn::GetAtt": ["R", "Answer"] } } },
            },
            "Outputs": { "Id": { "Value": { "Ref": "R" } }, "Answer": { "Value": { "Fn::GetAtt": ["R", "Answer"] } } },
        });
        let input = json!({ "StackName": "s", "TemplateBody": template.to_string() });
        self.cloud.check("cloudformation", operation, input, json!({ "StackId": "*" })).await;
    }

    /// The next question, once it was noted as sent, which must be as expected.
    async fn asked(&self, expected: Value) -> Value {
        let mut requests = self.cloud.engine.store().watch("cloudformation.requests");
        loop {
            requests.borrow_and_update();
            if let [(_, event)] = &self.functions.taken()[..] {
                assert!(matches(&expected, event), "expected {expected:#}\nasked {event:#}");
                return event.clone();
            }
            let changed = tokio::time::timeout(Duration::from_secs(10), requests.changed()).await;
            changed.expect("a question comes").expect("the store is open");
        }
    }

    /// Puts an answer to an address, and gives the status.
    async fn put(&self, url: &str, body: Value) -> u16 {
        let path =
            url.split_once("/_aws").map(|(_, rest)| format!("/_aws{rest}")).expect("an address of ours");
        let head = Head {
            method: http::Method::PUT,
            path,
            query: String::new(),
            headers: http::HeaderMap::new(),
            host: "127.0.0.1".to_owned(),
            remote: ([127, 0, 0, 1], 1).into(),
        };
        let service = self.cloud.engine.service("cloudformation").expect("a service");
        assert!(service.accepts(&head), "{url}");
        let request = HttpRequest { head, body: body.to_string().into() };
        service.http(&self.cloud.context, request).await.status().as_u16()
    }

    /// Answers a question.
    async fn answer(&self, event: &Value, status: &str, id: &str, more: Value) {
        let mut body = json!({
            "Status": status, "PhysicalResourceId": id, "Reason": "because", "StackId": event["StackId"],
            "RequestId": event["RequestId"], "LogicalResourceId": event["LogicalResourceId"],
        });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        assert_eq!(self.put(event["ResponseURL"].as_str().expect("an address"), body).await, 200);
    }

    async fn ends(&self, stack: &str, expected: Value) -> Value {
        let stack = settled(&self.cloud.engine, stack).await;
        assert!(matches(&expected, &stack), "expected {expected:#}\nended {stack:#}");
        stack
    }

    async fn events(&self, stack: &str) -> String {
        let input = json!({ "StackName": stack });
        self.cloud.call("cloudformation", "DescribeStackEvents", input).await.to_string()
    }
}

fn run(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test());
}

#[test]
fn a_function_makes_changes_replaces_and_deletes() {
    run(async || {
        let scene = Scene::start().await;
        scene.begin("CreateStack", json!({ "Count": 2, "On": true, "ServiceTimeout": "60" })).await;
        let expected = json!({
            "RequestType": "Create", "ServiceToken": TOKEN, "ResponseURL": "http://127.0.0.1:*", "RequestId": "*",
            "StackId": "arn:aws:cloudformation:*", "LogicalResourceId": "R", "ResourceType": "Custom::Maker",
            "ResourceProperties": { "ServiceToken": TOKEN, "Count": "2", "On": "true", "ServiceTimeout": "60" },
            "PhysicalResourceId": null, "OldResourceProperties": null,
        });
        let event = scene.asked(expected).await;
        scene
            .answer(&event, "SUCCESS", "one", json!({ "Data": { "Answer": "secret42" }, "NoEcho": true }))
            .await;
        let stack = scene.ends("s", json!({ "StackStatus": "CREATE_COMPLETE" })).await;
        assert_eq!(stack["Outputs"][0]["OutputValue"], "one");
        assert_eq!(stack["Outputs"][1]["OutputValue"], "secret42");
        let events = scene.events("s").await;
        assert!(events.contains("*****") && !events.contains("secret42"), "{events}");
        // A second answer is nothing new, and an address that was never given out is nobody's.
        scene.answer(&event, "FAILED", "two", json!({})).await;
        let nobody = event["ResponseURL"].as_str().expect("an address").replace("response/", "response/x");
        assert_eq!(scene.put(&nobody, json!({})).await, 403);

        scene.begin("UpdateStack", json!({ "Count": 3 })).await;
        let expected = json!({
            "RequestType": "Update", "PhysicalResourceId": "one", "ResourceProperties": { "Count": "3", "On": null },
            "OldResourceProperties": { "Count": "2", "On": "true" },
        });
        let event = scene.asked(expected).await;
        scene.answer(&event, "SUCCESS", "one", json!({ "Data": { "Answer": "43" } })).await;
        scene.ends("s", json!({ "StackStatus": "UPDATE_COMPLETE" })).await;

        scene.begin("UpdateStack", json!({ "Count": 4 })).await;
        let event = scene.asked(json!({ "RequestType": "Update", "PhysicalResourceId": "one" })).await;
        scene.answer(&event, "SUCCESS", "two", json!({ "Data": { "Answer": "44" } })).await;
        let expected = json!({ "RequestType": "Delete", "PhysicalResourceId": "one", "ResourceProperties": { "Count": "3" } });
        let event = scene.asked(expected).await;
        scene.answer(&event, "SUCCESS", "one", json!({})).await;
        let stack = scene.ends("s", json!({ "StackStatus": "UPDATE_COMPLETE" })).await;
        assert_eq!(stack["Outputs"][0]["OutputValue"], "two");

        scene.cloud.call("cloudformation", "DeleteStack", json!({ "StackName": "s" })).await;
        let event = scene.asked(json!({ "RequestType": "Delete", "PhysicalResourceId": "two" })).await;
        scene.answer(&event, "SUCCESS", "two", json!({})).await;
        scene
            .ends(stack["StackId"].as_str().expect("an id"), json!({ "StackStatus": "DELETE_COMPLETE" }))
            .await;
        scene.cloud.stop().await;
    });
}

#[test]
fn a_function_that_fails_is_told_to_delete_what_it_made() {
    run(async || {
        let scene = Scene::start().await;
        scene.begin("CreateStack", json!({})).await;
        let event = scene.asked(json!({ "RequestType": "Create" })).await;
        scene.answer(&event, "FAILED", "half", json!({})).await;
        let event = scene.asked(json!({ "RequestType": "Delete", "PhysicalResourceId": "half" })).await;
        scene.answer(&event, "SUCCESS", "half", json!({})).await;
        scene.ends("s", json!({ "StackStatus": "ROLLBACK_COMPLETE" })).await;
        let events = scene.events("s").await;
        let said =
            "Received response status [FAILED] from custom resource. Message returned: because (RequestId: ";
        assert!(events.contains(said), "{events}");
        scene.cloud.stop().await;
    });
}

#[test]
fn a_failed_update_asks_for_what_was_there_before() {
    run(async || {
        let scene = Scene::start().await;
        scene.begin("CreateStack", json!({ "Count": 1 })).await;
        let event = scene.asked(json!({ "RequestType": "Create" })).await;
        scene.answer(&event, "SUCCESS", "one", json!({ "Data": { "Answer": "1" } })).await;
        scene.ends("s", json!({ "StackStatus": "CREATE_COMPLETE" })).await;
        scene.begin("UpdateStack", json!({ "Count": 2 })).await;
        let event = scene.asked(json!({ "RequestType": "Update" })).await;
        scene.answer(&event, "FAILED", "one", json!({})).await;
        let expected = json!({
            "RequestType": "Update", "PhysicalResourceId": "one", "ResourceProperties": { "Count": "1" },
            "OldResourceProperties": { "Count": "2" },
        });
        let event = scene.asked(expected).await;
        scene.answer(&event, "SUCCESS", "one", json!({ "Data": { "Answer": "1" } })).await;
        scene.ends("s", json!({ "StackStatus": "UPDATE_ROLLBACK_COMPLETE" })).await;
        scene.cloud.stop().await;
    });
}

#[test]
fn who_does_not_answer_is_waited_for_no_longer_than_said() {
    run(async || {
        let scene = Scene::start().await;
        scene.begin("CreateStack", json!({ "ServiceTimeout": 60 })).await;
        scene.asked(json!({ "RequestType": "Create" })).await;
        scene.cloud.advance(61);
        let event = scene.asked(json!({ "RequestType": "Delete", "PhysicalResourceId": "s-R-*" })).await;
        scene.answer(&event, "SUCCESS", "x", json!({})).await;
        scene.ends("s", json!({ "StackStatus": "ROLLBACK_COMPLETE" })).await;
        let events = scene.events("s").await;
        assert!(
            events.contains("CloudFormation did not receive a response from your Custom Resource."),
            "{events}"
        );
        scene.cloud.stop().await;
    });
}

#[test]
fn a_cloud_that_died_waits_on_for_the_answer() {
    run(async || {
        let (store, clock) = (Store::ephemeral().expect("a store"), Clock::fixed(BEGINNING));
        let scene = Scene::start_on(store.clone(), clock.clone()).await;
        scene.begin("CreateStack", json!({})).await;
        let event = scene.asked(json!({ "RequestType": "Create" })).await;
        // The question is noted as sent before the engine stops: the note follows the question at once.
        let is_noted = || {
            let rows = store
                .read()
                .and_then(|snapshot| snapshot.scan_json::<Value>("cloudformation.requests", [], 9));
            rows.expect("rows").iter().all(|(_, row)| row["sent"] == true)
        };
        let mut requests = store.watch("cloudformation.requests");
        while !is_noted() {
            requests.changed().await.expect("the store is open");
        }
        scene.cloud.stop().await;
        let scene = Scene::start_on(store, clock).await;
        scene.answer(&event, "SUCCESS", "one", json!({ "Data": { "Answer": "42" } })).await;
        scene.ends("s", json!({ "StackStatus": "CREATE_COMPLETE" })).await;
        assert_eq!(scene.functions.taken(), []);
        scene.cloud.stop().await;
    });
}

#[test]
fn a_function_that_is_not_there_fails_the_stack_at_once() {
    run(async || {
        let scene = Scene::start().await;
        scene.begin("CreateStack", json!({ "ServiceToken": TOKEN.replace("maker", "missing") })).await;
        scene.ends("s", json!({ "StackStatus": "ROLLBACK_COMPLETE" })).await;
        scene.cloud.stop().await;
    });
}

#[test]
fn a_stack_waits_until_it_is_signalled() {
    run(async || {
        let scene = Scene::start().await;
        for (stack, statuses, end, why) in [
            ("good", &["SUCCESS", "SUCCESS"][..], "CREATE_COMPLETE", ""),
            (
                "bad",
                &["FAILURE"],
                "ROLLBACK_COMPLETE",
                "WaitCondition received failed message: 'why' for uniqueId: id0",
            ),
            (
                "late",
                &["SUCCESS"],
                "ROLLBACK_COMPLETE",
                "WaitCondition timed out. Received 1 conditions when expecting 2",
            ),
        ] {
            let template = json!({
                "Resources": {
                    "H": { "Type": "AWS::CloudFormation::WaitConditionHandle" },
                    "W": {
                        "Type": "AWS::CloudFormation::WaitCondition",
                        "Properties": { "Handle": { "Ref": "H" }, "Timeout": "300", "Count": 2 },
                    },
                },
                "Outputs": { "Data": { "Value": { "Fn::GetAtt": ["W", "Data"] } } },
            });
            let input = json!({ "StackName": stack, "TemplateBody": template.to_string() });
            scene.cloud.check("cloudformation", "CreateStack", input, json!({ "StackId": "*" })).await;
            let named = json!({ "StackName": stack });
            let mut signals = scene.cloud.engine.store().watch("timers.due");
            let url = loop {
                signals.borrow_and_update();
                let resources = scene.cloud.call("cloudformation", "ListStackResources", named.clone()).await;
                let list = resources["StackResourceSummaries"].as_array().cloned().unwrap_or_default();
                let handle = list.iter().find(|one| one["LogicalResourceId"] == "H");
                if let Some(url) =
                    handle.and_then(|one| one["PhysicalResourceId"].as_str()).filter(|url| !url.is_empty())
                {
                    break url.to_owned();
                }
                signals.changed().await.expect("the store is open");
            };
            for (index, status) in statuses.iter().enumerate() {
                let body = json!({ "Status": status, "UniqueId": format!("id{index}"), "Reason": "why", "Data": index });
                assert_eq!(scene.put(&url, body).await, 200);
            }
            if stack == "late" {
                let is_set = || {
                    let snapshot = scene.cloud.engine.store().read().expect("a snapshot");
                    let rows = snapshot.scan_json::<Value>("cloudformation.signals", [], 9).expect("rows");
                    rows.iter().any(|(_, row)| {
                        row["waited_for"] == true && row["over"] == false && row["signals"]["id1"].is_null()
                    })
                };
                while !is_set() {
                    signals.changed().await.expect("the store is open");
                }
                scene.cloud.advance(301);
            }
            let ended = scene.ends(stack, json!({ "StackStatus": end })).await;
            if end == "CREATE_COMPLETE" {
                assert_eq!(ended["Outputs"][0]["OutputValue"], r#"{"id0":"0","id1":"1"}"#);
            }
            let events = scene.events(stack).await;
            assert!(events.contains(why), "{events}");
        }
        scene.cloud.stop().await;
    });
}

#[test]
fn a_stack_within_a_stack() {
    run(async || {
        let scene = Scene::start().await;
        scene.cloud.call("s3", "CreateBucket", json!({ "Bucket": "templates" })).await;
        let put = async |name: &str, properties: Value| {
            let inner = json!({
                "Parameters": { "Size": { "Type": "String" } },
                "Resources": { "A": { "Type": "Test::Thing", "Properties": properties } },
                "Outputs": { "Out": { "Value": { "Fn::GetAtt": ["A", "Size"] } } },
            });
            let input = json!({ "Bucket": "templates", "Key": name });
            let body = Some(inner.to_string().into());
            scene.cloud.context.call_with_body("s3", "PutObject", input, body).await.expect("put");
        };
        put("good", json!({ "Size": { "Ref": "Size" } })).await;
        put("bad", json!({ "Size": { "Ref": "Size" }, "Fail": "yes" })).await;
        let call = async |operation: &str, name: &str, template: &str, size: u32| {
            let outer = json!({
                "Resources": { "Inner": { "Type": "AWS::CloudFormation::Stack", "Properties": {
                    "TemplateURL": format!("http://templates.s3.localhost/{template}"), "Parameters": { "Size": size },
                } } },
                "Outputs": { "Out": { "Value": { "Fn::GetAtt": ["Inner", "Outputs.Out"] } }, "Id": { "Value": { "Ref": "Inner" } } },
            });
            let input = json!({ "StackName": name, "TemplateBody": outer.to_string() });
            scene.cloud.check("cloudformation", operation, input, json!({ "StackId": "*" })).await;
            settled(&scene.cloud.engine, name).await
        };
        let outer = call("CreateStack", "outer", "good", 1).await;
        assert!(
            matches(&json!({ "StackStatus": "CREATE_COMPLETE" }), &outer),
            "{}",
            scene.events("outer").await
        );
        assert_eq!(outer["Outputs"][0]["OutputValue"], "1");
        let inner = outer["Outputs"][1]["OutputValue"].as_str().expect("an id").to_owned();
        let outer = call("UpdateStack", "outer", "good", 2).await;
        assert_eq!(
            (&outer["StackStatus"], &outer["Outputs"][0]["OutputValue"]),
            (&json!("UPDATE_COMPLETE"), &json!("2"))
        );
        scene.ends(&inner, json!({ "StackStatus": "UPDATE_COMPLETE", "ParentId": outer["StackId"] })).await;
        let outer = call("UpdateStack", "outer", "bad", 3).await;
        assert_eq!(outer["StackStatus"], "UPDATE_ROLLBACK_COMPLETE");
        let events = scene.events("outer").await;
        assert!(
            events.contains("was not successfully updated: The following resource(s) failed to update: [A]."),
            "{events}"
        );
        scene.cloud.call("cloudformation", "DeleteStack", json!({ "StackName": "outer" })).await;
        scene
            .ends(outer["StackId"].as_str().expect("an id"), json!({ "StackStatus": "DELETE_COMPLETE" }))
            .await;
        scene.ends(&inner, json!({ "StackStatus": "DELETE_COMPLETE" })).await;
        let failed = call("CreateStack", "failing", "bad", 1).await;
        assert_eq!(failed["StackStatus"], "ROLLBACK_COMPLETE");
        let all = scene.cloud.call("cloudformation", "DescribeStacks", json!({})).await;
        assert_eq!(all["Stacks"].as_array().map(Vec::len), Some(1), "only the outer one is left: {all:#}");
        scene.cloud.stop().await;
    });
}
