//! Who is who, and who may be whom.

use super::Sts;
use crate::iam::Iam;
use crate::testing::{Cloud, matches};
use aloft_engine::{Context, Principal};
use serde_json::{Value, json};
use std::sync::Arc;

const ROLE: &str = "arn:aws:iam::000000000000:role/svc/r";
const SESSION: &str = "arn:aws:sts::000000000000:assumed-role/r/s";

/// A cloud with a role that trusts whom the statement says.
async fn cloud(principal: Value, condition: Value) -> Cloud {
    let cloud = Cloud::start(vec![Arc::new(Iam), Arc::new(Sts)]).await;
    let mut statement = json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" });
    if condition.is_object() {
        statement["Condition"] = condition;
    }
    let trust = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    let role = json!({ "RoleName": "r", "Path": "/svc/", "AssumeRolePolicyDocument": trust });
    cloud.check("iam", "CreateRole", role, json!({ "Role": { "Arn": ROLE } })).await;
    cloud
}

async fn ask(cloud: &Cloud, principal: Principal, operation: &str, input: Value) -> Value {
    let context = Context { principal, ..cloud.context.clone() };
    context.call("sts", operation, input).await.unwrap_or_else(|error| json!(error.to_string()))
}

fn assume(more: Value) -> Value {
    let mut input = json!({ "RoleArn": ROLE, "RoleSessionName": "s" });
    more.as_object().into_iter().flatten().for_each(|(name, value)| input[name.as_str()] = value.clone());
    input
}

fn check(answer: &Value, expected: &Value) {
    assert!(matches(expected, answer), "expected {expected:#}\nanswered {answer:#}");
}

#[tokio::test]
async fn a_role_is_for_whom_it_trusts() {
    let lambda = Principal::Service("lambda.amazonaws.com".to_owned());
    let user = Principal::Arn("arn:aws:iam::000000000000:user/u".to_owned());
    let allowed = json!({ "AssumedRoleUser": { "Arn": SESSION, "AssumedRoleId": "AROA*" }, "Credentials": { "AccessKeyId": "ASIA*" } });
    let denied = json!("AccessDenied: User: *");
    let service = json!({ "Service": "lambda.amazonaws.com" });
    let account = json!({ "AWS": "arn:aws:iam::000000000000:root" });
    let external = json!({ "StringEquals": { "sts:ExternalId": "e1" } });
    for (trusted, condition, caller, input, expected) in [
        (&service, Value::Null, &lambda, assume(json!({})), &allowed),
        // Not bounded by the role's own hour.
        (&service, Value::Null, &lambda, assume(json!({ "DurationSeconds": 43_200 })), &allowed),
        (&service, Value::Null, &user, assume(json!({})), &denied),
        (&service, Value::Null, &Principal::Root, assume(json!({})), &allowed),
        (
            &service,
            Value::Null,
            &Principal::Service("sns.amazonaws.com".to_owned()),
            assume(json!({})),
            &denied,
        ),
        (
            &service,
            Value::Null,
            &Principal::Anonymous,
            assume(json!({})),
            &json!("MissingAuthenticationToken*"),
        ),
        (&account, Value::Null, &user, assume(json!({})), &allowed),
        (&account, external.clone(), &user, assume(json!({})), &denied),
        (&account, external, &user, assume(json!({ "ExternalId": "e1" })), &allowed),
        (
            &account,
            Value::Null,
            &user,
            assume(json!({ "RoleArn": "arn:aws:iam::000000000000:role/none" })),
            &denied,
        ),
        (
            &account,
            Value::Null,
            &user,
            assume(json!({ "RoleArn": "role-without-an-arn-at-all" })),
            &json!("ValidationError*"),
        ),
        (
            &account,
            Value::Null,
            &user,
            assume(json!({ "DurationSeconds": 7200 })),
            &json!("ValidationError: The requested DurationSeconds exceeds*"),
        ),
        (&account, Value::Null, &user, assume(json!({ "Policy": "{" })), &json!("MalformedPolicyDocument*")),
    ] {
        let cloud = cloud(trusted.clone(), condition).await;
        check(&ask(&cloud, caller.clone(), "AssumeRole", input).await, expected);
        cloud.stop().await;
    }
}

#[tokio::test]
async fn credentials_are_known_until_long_after_they_expired() {
    let cloud = cloud(json!({ "AWS": "*" }), Value::Null).await;
    let answer = ask(&cloud, Principal::Root, "AssumeRole", assume(json!({ "DurationSeconds": 900 }))).await;
    let credentials = &answer["Credentials"];
    let id = credentials["AccessKeyId"].as_str().expect("an id");
    let known = cloud.engine.access_key(id).expect("the store").expect("a key");
    assert_eq!(known.principal, Principal::Arn(SESSION.to_owned()));
    assert_eq!(json!(known.session_token), credentials["SessionToken"]);
    assert_eq!(known.expires.map(|at| at.seconds()), credentials["Expiration"].as_i64());
    let info = json!({ "AccessKeyId": id });
    check(
        &ask(&cloud, Principal::Root, "GetAccessKeyInfo", info).await,
        &json!({ "Account": "000000000000" }),
    );
    let mut timers = cloud.engine.store().watch("timers.due");
    cloud.advance(8 * 86_400);
    while cloud.engine.access_key(id).expect("the store").is_some() {
        tokio::time::timeout(std::time::Duration::from_secs(10), timers.changed())
            .await
            .expect("a timer")
            .expect("a store");
    }
    cloud.stop().await;
}

#[tokio::test]
async fn callers_learn_who_they_are() {
    let cloud = cloud(json!({ "AWS": "*" }), Value::Null).await;
    cloud.check("iam", "CreateUser", json!({ "UserName": "u" }), json!({})).await;
    let user = Principal::Arn("arn:aws:iam::000000000000:user/u".to_owned());
    let session = Principal::Arn(SESSION.to_owned());
    for (caller, operation, expected) in [
        (
            &Principal::Root,
            "GetCallerIdentity",
            json!({ "Arn": "arn:aws:iam::000000000000:root", "UserId": "000000000000" }),
        ),
        (&user, "GetCallerIdentity", json!({ "Arn": "arn:aws:iam::000000000000:user/u", "UserId": "AIDA*" })),
        (&session, "GetCallerIdentity", json!({ "Arn": SESSION, "UserId": "AROA*" })),
        (&Principal::Anonymous, "GetCallerIdentity", json!("MissingAuthenticationToken*")),
        (&user, "GetSessionToken", json!({ "Credentials": { "SessionToken": "*" } })),
        (
            &session,
            "GetSessionToken",
            json!("AccessDenied: Cannot call GetSessionToken with session credentials"),
        ),
        (&user, "GetFederationToken", json!("NotImplemented*")),
    ] {
        check(&ask(&cloud, caller.clone(), operation, json!({})).await, &expected);
    }
    cloud.stop().await;
}
