//! AWS STS: who am I, and credentials for a while.
//!
//! Keeps true: whoever gets a role's credentials is trusted by the role's policy; the engine knows the credentials from
//! the moment they are answered, and as expired once they are.

mod assume;
mod credentials;

use aloft_base::Arn;
use aloft_engine::timers::Timer;
use aloft_engine::{
    Context, Input, Operation, Principal, Reply, Service, ServiceError, async_trait, operations,
};
use credentials::{Grant, issue};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// The service.
pub struct Sts;

operations! { Sts;
    AssumeRole => assume::role,
    GetAccessKeyInfo => access_key_info,
    GetCallerIdentity => caller_identity,
    GetSessionToken => session_token,
}

#[async_trait]
impl Service for Sts {
    fn name(&self) -> &'static str {
        "sts"
    }

    async fn call(
        &self,
        context: &Context,
        operation: &str,
        input: Input,
    ) -> Option<Result<Reply, ServiceError>> {
        Operation::dispatch(OPERATIONS, self, context, operation, input).await
    }

    fn operation_names(&self) -> Vec<&'static str> {
        OPERATIONS.iter().map(|operation| operation.name).collect()
    }

    async fn timer(&self, context: &Context, timer: &Timer) -> Result<(), ServiceError> {
        credentials::forget(context, &timer.payload).await
    }
}

/// The root of the caller's account.
fn root_arn(context: &Context) -> String {
    format!("arn:{}:iam::{}:root", context.region.partition(), context.account)
}

/// A caller without identity.
fn unauthenticated() -> ServiceError {
    ServiceError::new("MissingAuthenticationToken", 403, "Request is missing Authentication Token")
}

/// What an ARN of a user or of a role's session means.
enum Caller {
    User(String),
    /// The role's name and the session's.
    Session(String, String),
    Other,
}

impl Caller {
    fn of(arn: &str) -> Self {
        let Ok(arn) = arn.parse::<Arn>() else { return Self::Other };
        let parts: Vec<&str> = arn.resource.split('/').collect();
        match parts[..] {
            ["assumed-role", role, session] => Self::Session(role.to_owned(), session.to_owned()),
            ["user", .., name] => Self::User(name.to_owned()),
            _ => Self::Other,
        }
    }
}

async fn caller_identity(_: &Sts, context: &Context, _: Value) -> Result<Value, ServiceError> {
    let (arn, id) = match &context.principal {
        Principal::Anonymous => return Err(unauthenticated()),
        Principal::Root => (root_arn(context), context.account.to_string()),
        Principal::Service(service) => (service.clone(), service.clone()),
        Principal::Arn(arn) => (arn.clone(), unique_id(context, arn).await),
    };
    Ok(json!({ "Account": context.account, "Arn": arn, "UserId": id }))
}

/// `AIDA...`, or `AROA...:session`; the ARN of who is no longer there.
async fn unique_id(context: &Context, arn: &str) -> String {
    let id = match Caller::of(arn) {
        Caller::User(name) => {
            let user = context.call("iam", "GetUser", json!({ "UserName": name })).await;
            user.ok().and_then(|user| user["User"]["UserId"].as_str().map(str::to_owned))
        }
        Caller::Session(role, session) => {
            let role = context.call("iam", "GetRole", json!({ "RoleName": role })).await;
            role.ok().and_then(|role| role["Role"]["RoleId"].as_str().map(|id| format!("{id}:{session}")))
        }
        Caller::Other => None,
    };
    id.unwrap_or_else(|| arn.to_owned())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccessKeyInfo {
    access_key_id: String,
}

async fn access_key_info(_: &Sts, context: &Context, input: AccessKeyInfo) -> Result<Value, ServiceError> {
    let known = context.engine.access_key(&input.access_key_id).map_err(crate::storage::Fault::from)?;
    // A key that nobody made is the root's, as it is when it signs.
    Ok(json!({ "Account": known.map_or_else(|| context.account.clone(), |known| known.account) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SessionToken {
    duration_seconds: Option<u64>,
    serial_number: Option<String>,
}

async fn session_token(_: &Sts, context: &Context, input: SessionToken) -> Result<Value, ServiceError> {
    let denied = || {
        Err(ServiceError::new("AccessDenied", 403, "Cannot call GetSessionToken with session credentials"))
    };
    let most = match &context.principal {
        Principal::Anonymous => return Err(unauthenticated()),
        Principal::Service(_) => return denied(),
        Principal::Arn(arn) if !matches!(Caller::of(arn), Caller::User(_)) => return denied(),
        Principal::Arn(_) => 43_200,
        Principal::Root => 3_600,
    };
    if input.serial_number.is_some() {
        return Err(ServiceError::new("NotImplemented", 501, "the local cloud has not built MFA devices"));
    }
    let seconds = input.duration_seconds.unwrap_or(most).min(if most == 3_600 { most } else { 129_600 });
    let principal = context.principal.clone();
    let grant = Grant { account: context.account.clone(), principal, lifetime: Duration::from_secs(seconds) };
    Ok(json!({ "Credentials": issue(context, grant).await? }))
}

#[cfg(test)]
mod tests;
