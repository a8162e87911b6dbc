//! Stacks made, changed, rolled back and deleted, with a service of things that can be told to fail.

mod custom;

use super::CloudFormation;
use super::records::{Made, Record};
use aloft_base::{Clock, Ids, Timestamp};
use aloft_engine::{
    Context, Engine, Input, Options, Reply, Resource, ResourceContext, ResourceHandler, ResourceType,
    Service, ServiceError, Update, async_trait, differs,
};
use aloft_store::{Store, Transaction};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was done, in order: `create A`, `update A`, `delete A`.
static LOG: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// A thing: `Fail` in its properties makes it fail, `Reset` empties the cloud when it is made, `Size` can be changed, `Shape` cannot.
struct Thing;

#[async_trait]
impl ResourceHandler for Thing {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        log(resource, "create");
        if !properties["Reset"].is_null() {
            resource.context.engine.reset().await.expect("empty");
        }
        made(resource, properties, &resource.generated_name(40))
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["Shape"]) {
            return Ok(Update::Replace);
        }
        log(resource, "update");
        made(resource, new, physical_id).map(Update::InPlace)
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        _: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        log(resource, "delete");
        if properties["Sticky"] == json!("true") {
            Err(ServiceError::new("Stuck", 400, "it sticks"))
        } else {
            Ok(())
        }
    }
}

fn made(_: &ResourceContext, properties: &Value, physical_id: &str) -> Result<Resource, ServiceError> {
    if !properties["Fail"].is_null() {
        return Err(ServiceError::new("ThingBroken", 400, "the thing is broken"));
    }
    let attributes = Map::from_iter([("Size".to_owned(), properties["Size"].clone())]);
    Ok(Resource { physical_id: physical_id.to_owned(), attributes })
}

fn log(resource: &ResourceContext, verb: &str) {
    LOG.lock()
        .expect("the log")
        .push((resource.stack_name.clone(), format!("{verb} {}", resource.logical_id)));
}

struct Things;

#[async_trait]
impl Service for Things {
    fn name(&self) -> &'static str {
        "things"
    }

    async fn call(&self, _: &Context, _: &str, _: Input) -> Option<Result<Reply, ServiceError>> {
        None
    }

    fn operation_names(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn resources(&self) -> &'static [ResourceType] {
        &[ResourceType { name: "Test::Thing", handler: &Thing }]
    }
}

async fn cloud(store: Store) -> Engine {
    let scratch = std::env::temp_dir().join(format!("aloft-cfn-{}", Ids::random().hex(8)));
    let options = Options { port: 0, scratch, ..Options::default() };
    let services: Vec<Arc<dyn Service>> = vec![Arc::new(CloudFormation), Arc::new(Things)];
    Engine::start(options, Clock::system(), Ids::random(), store, services).await.expect("a cloud")
}

fn run<T>(test: impl AsyncFnOnce(Engine) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let engine = cloud(Store::ephemeral().expect("a store")).await;
        let result = test(engine.clone()).await;
        engine.stop().await;
        result
    })
}

async fn call(engine: &Engine, operation: &str, params: Value) -> Result<Value, ServiceError> {
    engine.root_context().call("cloudformation", operation, params).await
}

fn stack(name: &str, resources: Value) -> Value {
    let template = json!({ "Resources": resources, "Outputs": {} });
    json!({ "StackName": name, "TemplateBody": template.to_string() })
}

/// Waits for the stack to come to rest and gives it.
async fn settled(engine: &Engine, name: &str) -> Value {
    let mut changes = engine.store().watch("cloudformation.stacks");
    loop {
        let stack =
            call(engine, "DescribeStacks", json!({ "StackName": name })).await.expect("a stack")["Stacks"][0]
                .clone();
        if !stack["StackStatus"].as_str().expect("a status").ends_with("IN_PROGRESS") {
            return stack;
        }
        let waited = tokio::time::timeout(Duration::from_secs(10), changes.changed()).await;
        waited.expect("the stack goes on").expect("the store is open");
    }
}

/// Does an operation that works on a stack and checks how it ends and what was done.
async fn check(engine: &Engine, operation: &str, params: Value, status: &str, done: &[&str]) -> Value {
    let name = params["StackName"].as_str().expect("a name").to_owned();
    LOG.lock().expect("the log").retain(|(stack, _)| *stack != name);
    let answer = call(engine, operation, params).await.expect("accepted");
    let id = answer["StackId"].as_str().map_or_else(|| name.clone(), str::to_owned);
    let stack = settled(engine, &id).await;
    assert_eq!(stack["StackStatus"], status, "{}", stack["StackStatusReason"]);
    let log: Vec<String> = LOG
        .lock()
        .expect("the log")
        .iter()
        .filter(|(stack, _)| *stack == name)
        .map(|(_, what)| what.clone())
        .collect();
    assert_eq!(log, done);
    stack
}

fn thing(properties: Value) -> Value {
    json!({ "Type": "Test::Thing", "Properties": properties })
}

#[test]
fn dependencies_decide_the_order_both_ways() {
    run(async |engine| {
        let resources = json!({
            "C": thing(json!({ "Size": { "Fn::GetAtt": ["B", "Size"] } })),
            "B": thing(json!({ "Size": 1, "Name": { "Ref": "A" } })),
            "A": thing(json!({ "Size": 1 })),
        });
        check(
            &engine,
            "CreateStack",
            stack("order", resources),
            "CREATE_COMPLETE",
            &["create A", "create B", "create C"],
        )
        .await;
        let id = call(&engine, "DescribeStacks", json!({ "StackName": "order" })).await.expect("a stack")["Stacks"][0]["StackId"].clone();
        call(&engine, "DeleteStack", json!({ "StackName": "order" })).await.expect("accepted");
        assert_eq!(settled(&engine, id.as_str().expect("an id")).await["StackStatus"], "DELETE_COMPLETE");
        let error = call(&engine, "DescribeStacks", json!({ "StackName": "order" })).await.expect_err("gone");
        assert_eq!(error.message, "Stack with id order does not exist");
    });
}

#[test]
fn a_failed_creation_leaves_nothing() {
    run(async |engine| {
        let resources = json!({
            "A": thing(json!({ "Size": 1 })),
            "B": thing(json!({ "Fail": 1, "Name": { "Ref": "A" } })),
        });
        let done = ["create A", "create B", "delete A"];
        check(&engine, "CreateStack", stack("fails", resources), "ROLLBACK_COMPLETE", &done).await;
        let events =
            call(&engine, "DescribeStackEvents", json!({ "StackName": "fails" })).await.expect("events");
        let failed = events["StackEvents"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|event| event["ResourceStatus"] == "CREATE_FAILED");
        assert_eq!(
            failed.expect("an event")["ResourceStatusReason"],
            "the thing is broken (Status Code: 400; Error Code: ThingBroken)"
        );
        let error = call(&engine, "UpdateStack", stack("fails", json!({ "A": thing(json!({})) })))
            .await
            .expect_err("not ready");
        assert!(
            error.message.ends_with("is in ROLLBACK_COMPLETE state and can not be updated."),
            "{}",
            error.message
        );
    });
}

#[test]
fn a_failed_update_goes_back_to_the_last_good_version() {
    run(async |engine| {
        let good = json!({ "A": thing(json!({ "Size": 1 })), "B": thing(json!({ "Shape": "round", "DependsOn": 1 })) });
        check(
            &engine,
            "CreateStack",
            stack("back", good.clone()),
            "CREATE_COMPLETE",
            &["create A", "create B"],
        )
        .await;
        let ids = physical_ids(&engine, "back").await;
        let bad = json!({
            "A": thing(json!({ "Size": 2 })),
            "B": { "Type": "Test::Thing", "DependsOn": "A", "Properties": { "Shape": "square" } },
            "C": { "Type": "Test::Thing", "DependsOn": "B", "Properties": { "Fail": "yes" } },
        });
        let done = ["update A", "create B", "create C", "update A", "delete B"];
        check(&engine, "UpdateStack", stack("back", bad), "UPDATE_ROLLBACK_COMPLETE", &done).await;
        assert_eq!(physical_ids(&engine, "back").await, ids);
        let template =
            call(&engine, "GetTemplate", json!({ "StackName": "back" })).await.expect("a template");
        assert!(template["TemplateBody"].as_str().expect("text").contains("round"));
        let error = call(&engine, "UpdateStack", stack("back", good)).await.expect_err("the same");
        assert_eq!(error.message, "No updates are to be performed.");
    });
}

#[test]
fn an_update_replaces_removes_and_adds() {
    run(async |engine| {
        let old = json!({ "A": thing(json!({ "Shape": "round" })), "B": thing(json!({})) });
        check(&engine, "CreateStack", stack("change", old), "CREATE_COMPLETE", &["create A", "create B"])
            .await;
        let new = json!({ "A": thing(json!({ "Shape": "square" })), "C": thing(json!({})) });
        let done = ["create A", "create C", "delete A", "delete B"];
        check(&engine, "UpdateStack", stack("change", new), "UPDATE_COMPLETE", &done).await;
        assert_eq!(physical_ids(&engine, "change").await.len(), 2);
    });
}

#[test]
fn change_sets_show_what_they_would_do_and_do_it() {
    run(async |engine| {
        let with_set = |mut params: Value, kind: &str| {
            params["ChangeSetName"] = json!("set");
            params["ChangeSetType"] = json!(kind);
            params
        };
        let first = stack("sets", json!({ "A": thing(json!({ "Size": 1 })) }));
        call(&engine, "CreateChangeSet", with_set(first.clone(), "CREATE")).await.expect("made");
        let named = json!({ "StackName": "sets", "ChangeSetName": "set" });
        let described = call(&engine, "DescribeChangeSet", named.clone()).await.expect("described");
        assert_eq!(described["Changes"][0]["ResourceChange"]["Action"], "Add");
        check(&engine, "ExecuteChangeSet", named.clone(), "CREATE_COMPLETE", &["create A"]).await;
        call(&engine, "CreateChangeSet", with_set(first, "UPDATE")).await.expect("made");
        let described = call(&engine, "DescribeChangeSet", named.clone()).await.expect("described");
        assert_eq!(
            (&described["Status"], &described["ExecutionStatus"]),
            (&json!("FAILED"), &json!("UNAVAILABLE"))
        );
        call(&engine, "DeleteChangeSet", named.clone()).await.expect("deleted");
        let second = stack("sets", json!({ "A": thing(json!({ "Size": 2 })) }));
        call(&engine, "CreateChangeSet", with_set(second, "UPDATE")).await.expect("made");
        check(&engine, "ExecuteChangeSet", named, "UPDATE_COMPLETE", &["update A"]).await;
    });
}

#[test]
fn a_delete_that_fails_says_so_and_can_be_tried_again() {
    run(async |engine| {
        let resources =
            json!({ "A": thing(json!({ "Sticky": "true" })), "B": thing(json!({ "Name": { "Ref": "A" } })) });
        check(
            &engine,
            "CreateStack",
            stack("sticky", resources),
            "CREATE_COMPLETE",
            &["create A", "create B"],
        )
        .await;
        check(
            &engine,
            "DeleteStack",
            json!({ "StackName": "sticky" }),
            "DELETE_FAILED",
            &["delete B", "delete A"],
        )
        .await;
        let id =
            call(&engine, "DescribeStacks", json!({ "StackName": "sticky" })).await.expect("there")["Stacks"]
                [0]["StackId"]
                .clone();
        call(&engine, "DeleteStack", json!({ "StackName": "sticky", "RetainResources": ["A"] }))
            .await
            .expect("accepted");
        assert_eq!(settled(&engine, id.as_str().expect("an id")).await["StackStatus"], "DELETE_COMPLETE");
    });
}

#[test]
fn exports_have_one_owner_and_are_held_by_their_users() {
    run(async |engine| {
        let body = |resources: Value, outputs: Value| {
            json!({ "Resources": resources, "Outputs": outputs }).to_string()
        };
        let output = json!({ "Out": { "Value": { "Ref": "A" }, "Export": { "Name": "shared" } } });
        let exporting = json!({ "StackName": "exports", "TemplateBody": body(json!({ "A": thing(json!({})) }), output.clone()) });
        check(&engine, "CreateStack", exporting, "CREATE_COMPLETE", &["create A"]).await;
        let user = body(json!({ "U": thing(json!({ "Size": { "Fn::ImportValue": "shared" } })) }), json!({}));
        check(
            &engine,
            "CreateStack",
            json!({ "StackName": "imports", "TemplateBody": user }),
            "CREATE_COMPLETE",
            &["create U"],
        )
        .await;
        let error =
            call(&engine, "DeleteStack", json!({ "StackName": "exports" })).await.expect_err("in use");
        assert_eq!(error.message, "Export shared cannot be deleted as it is in use by imports");
        let thief =
            json!({ "StackName": "thief", "TemplateBody": body(json!({ "A": thing(json!({})) }), output) });
        check(&engine, "CreateStack", thief, "ROLLBACK_COMPLETE", &["create A", "delete A"]).await;
    });
}

#[test]
fn what_is_wrong_with_a_template_is_said_before_anything_is_made() {
    run(async |engine| {
        for (resources, message) in [
            (json!({}), "Template format error: At least one Resources member must be defined."),
            (
                json!({ "A": thing(json!({ "Size": { "Ref": "Nobody" } })) }),
                "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template",
            ),
            (
                json!({ "A": thing(json!({ "x": { "Ref": "B" } })), "B": thing(json!({ "x": { "Ref": "A" } })) }),
                "Circular dependency between resources: [A, B]",
            ),
            (
                json!({ "A": { "Type": "AWS::No::Such" } }),
                "Template format error: Unrecognized resource types: [AWS::No::Such]",
            ),
            (
                json!({ "A-b": thing(json!({})) }),
                "Template format error: Resource name A-b is non alphanumeric.",
            ),
        ] {
            let error = call(&engine, "CreateStack", stack("wrong", resources)).await.expect_err("refused");
            assert_eq!(error.message, message);
            call(&engine, "DescribeStacks", json!({ "StackName": "wrong" }))
                .await
                .expect_err("nothing was made");
        }
    });
}

/// Starts a cloud with a stack that nobody works on, as a crash leaves it, and tells how it ends.
fn resumed(name: &str, resources: Value, records: Vec<Record>) -> Value {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let store = Store::ephemeral().expect("a store");
        let engine = cloud(store.clone()).await;
        let wanted: super::stacks::Wanted = serde_json::from_value(stack(name, resources)).expect("wanted");
        let context = engine.root_context();
        let version = wanted.version(&context, None).await.expect("a version");
        let stack = wanted.new_stack(&context, version).expect("a stack");
        let write = move |transaction: &mut Transaction<'_>| {
            records.iter().try_for_each(|record| record.put(transaction, &stack.id))?;
            stack.put(transaction)
        };
        store.write(write).await.expect("written");
        engine.stop().await;
        let engine = cloud(store).await;
        let stack = settled(&engine, name).await;
        engine.stop().await;
        stack
    })
}

#[test]
fn a_stack_that_was_being_made_when_the_cloud_died_is_finished() {
    let stack = resumed("resumed", json!({ "A": thing(json!({ "Size": 1 })) }), Vec::new());
    assert_eq!(stack["StackStatus"], "CREATE_COMPLETE");
}

#[test]
fn what_was_begun_when_the_cloud_died_is_taken_back_with_the_rest() {
    let record = |id: &str, status: &str, made: Option<Made>| Record {
        logical_id: id.to_owned(),
        kind: "Test::Thing".to_owned(),
        status: status.to_owned(),
        reason: None,
        made,
        wanted: None,
        before: None,
        replaced: Vec::new(),
        token: id.to_owned(),
        depends_on: Default::default(),
        deletion_policy: "Delete".to_owned(),
        update_replace_policy: "Delete".to_owned(),
        changed: Timestamp(0),
    };
    let there = Made { physical_id: "there".to_owned(), properties: json!({}), attributes: Map::new() };
    let mut begun = thing(json!({}));
    begun["DependsOn"] = json!("There");
    let resources =
        json!({ "Broken": thing(json!({ "Fail": true })), "There": thing(json!({})), "Begun": begun });
    let records =
        vec![record("There", "CREATE_COMPLETE", Some(there)), record("Begun", "CREATE_IN_PROGRESS", None)];
    // The broken one fails before the turn of the one that was begun comes.
    assert_eq!(resumed("begun", resources, records)["StackStatus"], "ROLLBACK_COMPLETE");
    let log = LOG.lock().expect("the log");
    let did = |what: &str| log.iter().any(|(stack, done)| stack == "begun" && done == what);
    assert!(did("create Begun") && did("delete Begun") && did("delete There"), "{log:?}");
}

#[test]
fn a_stack_of_a_cloud_that_is_emptied_does_not_come_back() {
    run(async |engine| {
        let stack = stack("emptied", json!({ "A": thing(json!({ "Reset": "true" })) }));
        call(&engine, "CreateStack", stack).await.expect("accepted");
        let begun = || LOG.lock().expect("the log").iter().any(|(stack, _)| stack == "emptied");
        while !begun() {
            tokio::task::yield_now().await;
        }
        // It waits for what still works.
        engine.stop().await;
        let left = engine.store().read().expect("a snapshot").scan("cloudformation.stacks", b"", 1);
        assert!(left.expect("rows").is_empty());
    });
}

async fn physical_ids(engine: &Engine, name: &str) -> Vec<Value> {
    let list = call(engine, "ListStackResources", json!({ "StackName": name })).await.expect("a list");
    list["StackResourceSummaries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["PhysicalResourceId"].clone())
        .collect()
}
