//! `AssumeRole`.

use super::credentials::{Grant, issue};
use super::{Caller, Sts, root_arn, unauthenticated};
use aloft_base::Arn;
use aloft_engine::{Context, Principal, ServiceError};
use aloft_lang::policy::{self, Decision, Policy};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AssumeRole {
    role_arn: String,
    role_session_name: String,
    duration_seconds: Option<u64>,
    policy: Option<String>,
    external_id: Option<String>,
    serial_number: Option<String>,
    source_identity: Option<String>,
}

/// How long a role may be assumed by a role, in seconds.
const CHAINED: u64 = 3_600;

pub(super) async fn role(_: &Sts, context: &Context, input: AssumeRole) -> Result<Value, ServiceError> {
    if input.serial_number.is_some() {
        return Err(ServiceError::new("NotImplemented", 501, "the local cloud has not built MFA devices"));
    }
    if let Some(policy) = &input.policy {
        let malformed =
            |error: policy::PolicyError| ServiceError::new("MalformedPolicyDocument", 400, error.message);
        Policy::parse_text(policy).map_err(malformed)?;
    }
    let arn: Arn = input
        .role_arn
        .parse()
        .map_err(|_| ServiceError::new("ValidationError", 400, format!("{} is invalid", input.role_arn)))?;
    let there = context.within(&arn);
    let name = arn.resource.rsplit('/').next().unwrap_or_default();
    let found = there.call("iam", "GetRole", json!({ "RoleName": name })).await;
    let role = found.ok().map(|mut found| found["Role"].take()).filter(|role| role["Arn"] == *input.role_arn);
    // Whether a role exists is no stranger's business: the answer is the same as for one that does not trust.
    let role = role.ok_or_else(|| denied(context, &input.role_arn))?;
    check_trust(context, &role, &input).await?;
    let seconds = input.duration_seconds.unwrap_or(CHAINED);
    check_duration(context, &role, seconds)?;
    let session = &input.role_session_name;
    let partition = context.region.partition();
    let session_arn = format!("arn:{partition}:sts::{}:assumed-role/{name}/{session}", there.account);
    let principal = Principal::Arn(session_arn.clone());
    let lifetime = Duration::from_secs(seconds);
    let credentials = issue(context, Grant { account: there.account.clone(), principal, lifetime }).await?;
    let id = format!("{}:{session}", role["RoleId"].as_str().unwrap_or_default());
    Ok(json!({ "Credentials": credentials, "AssumedRoleUser": { "AssumedRoleId": id, "Arn": session_arn },
        "SourceIdentity": input.source_identity, "PackedPolicySize": input.policy.map(|policy| policy.len() * 100 / 2048) }))
}

/// The caller, as messages name it.
fn caller(context: &Context) -> String {
    match &context.principal {
        Principal::Root => root_arn(context),
        Principal::Arn(arn) => arn.clone(),
        Principal::Service(service) => service.clone(),
        Principal::Anonymous => "anonymous".to_owned(),
    }
}

fn denied(context: &Context, role: &str) -> ServiceError {
    let caller = caller(context);
    let message = format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}");
    ServiceError::new("AccessDenied", 403, message)
}

/// Whether the role trusts the caller. What the caller's own policies say of it is decided at the engine's door.
async fn check_trust(context: &Context, role: &Value, input: &AssumeRole) -> Result<(), ServiceError> {
    let account = context.account.as_str();
    let principal = match &context.principal {
        Principal::Anonymous => return Err(unauthenticated()),
        Principal::Service(service) => policy::Principal::service(service),
        // AWS lets no root assume roles. Here the root is whoever works on this machine without an identity of their own,
        // and may be anyone in their account.
        Principal::Root if input.role_arn.split(':').nth(4) == Some(account) => return Ok(()),
        Principal::Root => policy::Principal::account_member(account, [root_arn(context)]),
        Principal::Arn(arn) => policy::Principal::account_member(account, names_of(context, arn).await),
    };
    let mut keys = Map::from_iter([("sts:RoleSessionName".to_owned(), json!(input.role_session_name))]);
    keys.insert("aws:PrincipalArn".to_owned(), json!(caller(context)));
    keys.insert("aws:PrincipalAccount".to_owned(), json!(account));
    keys.extend(input.external_id.as_ref().map(|id| ("sts:ExternalId".to_owned(), json!(id))));
    let request = policy::Request {
        principal: &principal,
        action: "sts:AssumeRole",
        resource: &input.role_arn,
        context: &keys,
    };
    let document =
        percent_decode_str(role["AssumeRolePolicyDocument"].as_str().unwrap_or_default()).decode_utf8_lossy();
    match Policy::parse_text(&document) {
        Ok(trust) if policy::evaluate([&trust], &request) == Decision::Allow => Ok(()),
        _ => Err(denied(context, &input.role_arn)),
    }
}

/// A caller's ARN, and that of the role when it is a role's session.
async fn names_of(context: &Context, arn: &str) -> Vec<String> {
    let mut names = vec![arn.to_owned()];
    if let Caller::Session(role, _) = Caller::of(arn) {
        let role = context.call("iam", "GetRole", json!({ "RoleName": role })).await;
        names.extend(role.ok().and_then(|role| role["Role"]["Arn"].as_str().map(str::to_owned)));
    }
    names
}

fn check_duration(context: &Context, role: &Value, seconds: u64) -> Result<(), ServiceError> {
    let invalid = |message: &str| Err(ServiceError::new("ValidationError", 400, message));
    // A role's limit does not hold for sessions that services assume.
    let is_service = matches!(&context.principal, Principal::Service(_));
    if !is_service && seconds > role["MaxSessionDuration"].as_u64().unwrap_or(CHAINED) {
        return invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
    }
    let chained =
        matches!(&context.principal, Principal::Arn(arn) if matches!(Caller::of(arn), Caller::Session(..)));
    if chained && seconds > CHAINED {
        return invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        );
    }
    Ok(())
}
