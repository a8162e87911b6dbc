//! IAM as its users and stacks see it.

use super::Iam;
use super::cloudformation::RESOURCES;
use crate::testing::{Cloud, matches};
use aloft_engine::{Principal, ResourceContext, ResourceHandler, Update};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const LOGS: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
const MINE: &str = "arn:aws:iam::000000000000:policy/mine";

fn trust() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" },
        "Action": "sts:AssumeRole" }] })
}

fn permissions() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "s3:*", "Resource": "*" }] })
}

async fn cloud() -> Cloud {
    Cloud::start(vec![Arc::new(Iam)]).await
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("iam", operation, input, expected).await
}

#[tokio::test]
async fn roles_live_with_their_policies() {
    let cloud = cloud().await;
    let (trust, permissions) = (trust().to_string(), permissions().to_string());
    let role = |more: Value| {
        let mut input = json!({ "RoleName": "r" });
        more.as_object().into_iter().flatten().for_each(|(name, value)| input[name.as_str()] = value.clone());
        input
    };
    let inline = role(json!({ "PolicyName": "p", "PolicyDocument": permissions }));
    for (operation, input, expected) in [
        (
            "CreateRole",
            role(
                json!({ "AssumeRolePolicyDocument": trust, "Path": "/svc/", "Tags": [{ "Key": "a", "Value": "1" }] }),
            ),
            json!({ "Role": { "Arn": "arn:aws:iam::000000000000:role/svc/r", "RoleId": "AROA*", "MaxSessionDuration": 3600 } }),
        ),
        (
            "CreateRole",
            role(json!({ "AssumeRolePolicyDocument": trust })),
            json!("EntityAlreadyExists: Role with name r already exists."),
        ),
        (
            "CreateRole",
            role(json!({ "AssumeRolePolicyDocument": "{" })),
            json!("MalformedPolicyDocument: This policy contains invalid Json"),
        ),
        ("GetRole", json!({ "RoleName": "x" }), json!("NoSuchEntity: The role with name x cannot be found.")),
        ("PutRolePolicy", inline.clone(), json!({})),
        (
            "PutRolePolicy",
            role(json!({ "PolicyName": "p", "PolicyDocument": "x" })),
            json!("MalformedPolicyDocument: Syntax errors in policy."),
        ),
        (
            "GetRolePolicy",
            inline.clone(),
            json!({ "PolicyDocument": super::document::encoded(&permissions), "RoleName": "r" }),
        ),
        (
            "GetRolePolicy",
            role(json!({ "PolicyName": "q" })),
            json!("NoSuchEntity: The role policy with name q cannot be found."),
        ),
        ("ListRolePolicies", role(json!({})), json!({ "PolicyNames": ["p"], "IsTruncated": false })),
        ("AttachRolePolicy", role(json!({ "PolicyArn": LOGS })), json!({})),
        ("AttachRolePolicy", role(json!({ "PolicyArn": LOGS })), json!({})),
        (
            "AttachRolePolicy",
            role(json!({ "PolicyArn": MINE })),
            json!("NoSuchEntity: Policy arn:aws:iam::000000000000:policy/mine does not exist*"),
        ),
        (
            "ListAttachedRolePolicies",
            role(json!({})),
            json!({ "AttachedPolicies": [{ "PolicyName": "AWSLambdaBasicExecutionRole" }] }),
        ),
        (
            "ListEntitiesForPolicy",
            json!({ "PolicyArn": LOGS }),
            json!({ "PolicyRoles": [{ "RoleName": "r" }], "PolicyUsers": [] }),
        ),
        ("TagRole", role(json!({ "Tags": [{ "Key": "b", "Value": "2" }] })), json!({})),
        ("UntagRole", role(json!({ "TagKeys": ["a"] })), json!({})),
        ("ListRoleTags", role(json!({})), json!({ "Tags": [{ "Key": "b", "Value": "2" }] })),
        ("UpdateRole", role(json!({ "MaxSessionDuration": 7200 })), json!({})),
        (
            "ListRoles",
            json!({ "PathPrefix": "/svc/" }),
            json!({ "Roles": [{ "RoleName": "r", "MaxSessionDuration": 7200 }] }),
        ),
        ("ListRoles", json!({ "PathPrefix": "/other/" }), json!({ "Roles": [] })),
        (
            "DeleteRole",
            role(json!({})),
            json!("DeleteConflict: Cannot delete entity, must detach all policies first."),
        ),
        ("DetachRolePolicy", role(json!({ "PolicyArn": LOGS })), json!({})),
        ("DetachRolePolicy", role(json!({ "PolicyArn": LOGS })), json!("NoSuchEntity*")),
        (
            "DeleteRole",
            role(json!({})),
            json!("DeleteConflict: Cannot delete entity, must delete policies first."),
        ),
        ("DeleteRolePolicy", inline.clone(), json!({})),
        ("DeleteRole", role(json!({})), json!({})),
        ("CreateGroup", json!({ "GroupName": "g" }), json!("NotImplemented*")),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    cloud.stop().await;
}

#[tokio::test]
async fn managed_policies_and_their_versions() {
    let cloud = cloud().await;
    let document = permissions().to_string();
    let mine = |version: &str| json!({ "PolicyArn": MINE, "VersionId": version, "PolicyDocument": document, "SetAsDefault": version == "default" });
    let shown = json!({ "PolicyVersion": { "Document": super::document::encoded(&document), "IsDefaultVersion": true } });
    for (operation, input, expected) in [
        (
            "CreatePolicy",
            json!({ "PolicyName": "mine", "PolicyDocument": document }),
            json!({ "Policy": { "Arn": MINE, "DefaultVersionId": "v1" } }),
        ),
        (
            "CreatePolicy",
            json!({ "PolicyName": "mine", "PolicyDocument": document }),
            json!("EntityAlreadyExists: A policy called mine*"),
        ),
        (
            "CreatePolicyVersion",
            mine("default"),
            json!({ "PolicyVersion": { "VersionId": "v2", "IsDefaultVersion": true } }),
        ),
        ("GetPolicyVersion", mine("v2"), shown),
        ("GetPolicyVersion", mine("v9"), json!("NoSuchEntity*")),
        (
            "DeletePolicyVersion",
            mine("v2"),
            json!("DeleteConflict: Cannot delete the default version of a policy."),
        ),
        ("DeletePolicy", mine(""), json!("DeleteConflict: This policy has more than one version.*")),
        ("SetDefaultPolicyVersion", mine("v1"), json!({})),
        ("DeletePolicyVersion", mine("v2"), json!({})),
        (
            "ListPolicyVersions",
            mine(""),
            json!({ "Versions": [{ "VersionId": "v1", "IsDefaultVersion": true }] }),
        ),
        (
            "GetPolicyVersion",
            json!({ "PolicyArn": LOGS, "VersionId": "v1" }),
            json!({ "PolicyVersion": { "Document": "*" } }),
        ),
        ("ListPolicies", json!({ "Scope": "Local" }), json!({ "Policies": [{ "PolicyName": "mine" }] })),
        ("CreateUser", json!({ "UserName": "u" }), json!({ "User": { "UserId": "AIDA*" } })),
        ("AttachUserPolicy", json!({ "UserName": "u", "PolicyArn": MINE }), json!({})),
        ("GetPolicy", mine(""), json!({ "Policy": { "AttachmentCount": 1 } })),
        ("DeletePolicy", mine(""), json!("DeleteConflict: Cannot delete a policy attached to entities.")),
        ("DetachUserPolicy", json!({ "UserName": "u", "PolicyArn": MINE }), json!({})),
        ("DeletePolicy", mine(""), json!({})),
        ("GetPolicy", mine(""), json!("NoSuchEntity*")),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    cloud.stop().await;
}

#[tokio::test]
async fn the_engine_knows_the_keys_that_work() {
    let cloud = cloud().await;
    check(&cloud, "CreateUser", json!({ "UserName": "u", "Path": "/team/" }), json!({})).await;
    let created = check(
        &cloud,
        "CreateAccessKey",
        json!({ "UserName": "u" }),
        json!({ "AccessKey": { "Status": "Active" } }),
    )
    .await;
    let id = created["AccessKey"]["AccessKeyId"].as_str().expect("an id").to_owned();
    let known = || cloud.engine.access_key(&id).expect("the store").expect("a key");
    assert_eq!(known().principal, Principal::Arn("arn:aws:iam::000000000000:user/team/u".to_owned()));
    assert_eq!(
        (json!(known().secret), known().expires),
        (created["AccessKey"]["SecretAccessKey"].clone(), None)
    );
    let named = json!({ "UserName": "u", "AccessKeyId": id, "Status": "Inactive" });
    for (operation, input, expected) in [
        ("CreateAccessKey", json!({ "UserName": "u" }), json!({})),
        (
            "CreateAccessKey",
            json!({ "UserName": "u" }),
            json!("LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2"),
        ),
        (
            "CreateAccessKey",
            json!({ "UserName": "x" }),
            json!("NoSuchEntity: The user with name x cannot be found."),
        ),
        ("GetAccessKeyLastUsed", named.clone(), json!({ "UserName": "u" })),
        (
            "DeleteUser",
            json!({ "UserName": "u" }),
            json!("DeleteConflict: Cannot delete entity, must delete access keys first."),
        ),
        ("UpdateUser", json!({ "UserName": "u", "NewUserName": "v", "NewPath": "/" }), json!({})),
        ("UpdateAccessKey", json!({ "UserName": "v", "AccessKeyId": id, "Status": "Inactive" }), json!({})),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    assert_eq!(known().principal, Principal::Arn("arn:aws:iam::000000000000:user/v".to_owned()));
    assert!(known().expires.is_some_and(|expires| expires < cloud.clock.now()));
    check(&cloud, "DeleteAccessKey", json!({ "UserName": "v", "AccessKeyId": id }), json!({})).await;
    check(
        &cloud,
        "ListAccessKeys",
        json!({ "UserName": "v" }),
        json!({ "AccessKeyMetadata": [{ "Status": "Active" }] }),
    )
    .await;
    assert!(known().expires.is_some(), "a deleted key is nobody's, not the root's");
    cloud.stop().await;
}

#[tokio::test]
async fn lists_come_in_pages() {
    let cloud = cloud().await;
    for number in 0..5 {
        check(&cloud, "CreateUser", json!({ "UserName": format!("u{number}") }), json!({})).await;
    }
    let (mut names, mut input) = (Vec::new(), json!({ "MaxItems": 2 }));
    loop {
        let page = check(&cloud, "ListUsers", input.clone(), json!({})).await;
        names.extend(
            page["Users"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|user| user["UserName"].as_str().unwrap_or("?").to_owned()),
        );
        if page["IsTruncated"] != true {
            break;
        }
        input["Marker"] = page["Marker"].clone();
    }
    assert_eq!(names, ["u0", "u1", "u2", "u3", "u4"]);
    check(&cloud, "ListUsers", json!({ "Marker": "?" }), json!("ValidationError: Invalid Marker: ?")).await;
    cloud.stop().await;
}

fn handler(name: &str) -> &'static dyn ResourceHandler {
    RESOURCES.iter().find(|resource| resource.name == name).expect("a type").handler
}

fn resource(cloud: &Cloud, logical_id: &str) -> ResourceContext {
    ResourceContext {
        context: cloud.context.clone(),
        stack_name: "svc-dev".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/svc-dev/1".to_owned(),
        logical_id: logical_id.to_owned(),
        tags: Map::new(),
        token: "ABCDEF123456".to_owned(),
        resuming: false,
    }
}

#[tokio::test]
async fn stacks_make_roles_and_policies() {
    let cloud = cloud().await;
    let (handler_of_role, context) = (handler("AWS::IAM::Role"), resource(&cloud, "Role"));
    let inline = |name: &str| json!([{ "PolicyName": name, "PolicyDocument": permissions() }]);
    let old = json!({ "AssumeRolePolicyDocument": trust(), "Policies": inline("one"), "ManagedPolicyArns": [LOGS], "MaxSessionDuration": "7200" });
    let made = handler_of_role.create(&context, &old).await.expect("a role");
    let role = "svc-dev-Role-ABCDEF123456";
    assert_eq!(
        (made.physical_id.as_str(), &made.attributes["Arn"]),
        (role, &json!(format!("arn:aws:iam::000000000000:role/{role}")))
    );
    let of = json!({ "RoleName": role });
    check(&cloud, "GetRole", of.clone(), json!({ "Role": { "MaxSessionDuration": 7200 } })).await;
    let new = json!({ "AssumeRolePolicyDocument": trust(), "Policies": inline("two"), "Tags": [{ "Key": "k", "Value": "v" }] });
    assert_eq!(handler_of_role.update(&context, role, &old, &new).await, Ok(Update::InPlace(made)));
    for (operation, expected) in [
        ("ListRolePolicies", json!({ "PolicyNames": ["two"] })),
        ("ListAttachedRolePolicies", json!({ "AttachedPolicies": [] })),
        ("GetRole", json!({ "Role": { "MaxSessionDuration": 3600, "Tags": [{ "Key": "k" }] } })),
    ] {
        check(&cloud, operation, of.clone(), expected).await;
    }
    let renamed = json!({ "AssumeRolePolicyDocument": trust(), "RoleName": "r" });
    assert_eq!(handler_of_role.update(&context, role, &new, &renamed).await, Ok(Update::Replace));

    let inline_policy = json!({ "PolicyName": "p", "PolicyDocument": permissions(), "Roles": [role] });
    let managed_policy = json!({ "PolicyDocument": permissions(), "Roles": [role] });
    let (policy, managed) = (resource(&cloud, "Policy"), resource(&cloud, "Managed"));
    let policy_made = handler("AWS::IAM::Policy").create(&policy, &inline_policy).await.expect("a policy");
    let managed_made =
        handler("AWS::IAM::ManagedPolicy").create(&managed, &managed_policy).await.expect("a policy");
    assert_eq!(managed_made.physical_id, "arn:aws:iam::000000000000:policy/svc-dev-Managed-ABCDEF123456");
    check(&cloud, "ListRolePolicies", of.clone(), json!({ "PolicyNames": ["p", "two"] })).await;
    let deny = json!({ "PolicyDocument": { "Statement": [{ "Effect": "Deny", "Action": "s3:*", "Resource": "*" }] } });
    for _ in 0..7 {
        let update = handler("AWS::IAM::ManagedPolicy")
            .update(&managed, &managed_made.physical_id, &managed_policy, &deny)
            .await;
        assert!(matches!(update, Ok(Update::InPlace(_))), "{update:?}");
    }
    check(&cloud, "ListAttachedRolePolicies", of.clone(), json!({ "AttachedPolicies": [] })).await;
    for _ in 0..2 {
        assert_eq!(
            handler("AWS::IAM::Policy").delete(&policy, &policy_made.physical_id, &inline_policy).await,
            Ok(())
        );
        assert_eq!(
            handler("AWS::IAM::ManagedPolicy").delete(&managed, &managed_made.physical_id, &deny).await,
            Ok(())
        );
        assert_eq!(handler_of_role.delete(&context, role, &new).await, Ok(()));
    }
    check(&cloud, "GetRole", of.clone(), json!("NoSuchEntity*")).await;

    let wrong = json!({ "AssumeRolePolicyDocument": trust(), "ManagedPolicyArns": [MINE] });
    handler_of_role.create(&context, &wrong).await.expect_err("no such policy");
    check(&cloud, "GetRole", of, json!("NoSuchEntity*")).await;
    assert!(matches(&json!({ "Roles": [] }), &cloud.call("iam", "ListRoles", json!({})).await));
    cloud.stop().await;
}

#[tokio::test]
async fn stacks_make_users_with_keys() {
    let cloud = cloud().await;
    let (user, key) = (resource(&cloud, "User"), resource(&cloud, "Key"));
    let properties =
        json!({ "UserName": "u", "Policies": [{ "PolicyName": "p", "PolicyDocument": permissions() }] });
    let made = handler("AWS::IAM::User").create(&user, &properties).await.expect("a user");
    assert_eq!(made.attributes["Arn"], "arn:aws:iam::000000000000:user/u");
    let named = json!({ "UserName": "u" });
    let made_key = handler("AWS::IAM::AccessKey").create(&key, &named).await.expect("a key");
    let known = cloud.engine.access_key(&made_key.physical_id).expect("the store").expect("a key");
    assert_eq!(made_key.attributes["SecretAccessKey"], json!(known.secret));
    for _ in 0..2 {
        assert_eq!(handler("AWS::IAM::AccessKey").delete(&key, &made_key.physical_id, &named).await, Ok(()));
        assert_eq!(handler("AWS::IAM::User").delete(&user, "u", &properties).await, Ok(()));
    }
    cloud.stop().await;
}
