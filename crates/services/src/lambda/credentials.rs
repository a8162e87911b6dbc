//! What functions sign their own calls with: temporary credentials of their roles.
//!
//! They come from STS. For a role that is not in this cloud Lambda makes an identity itself, so that a function whose role
//! exists only in name works. A role that is there and does not trust Lambda is refused.
//! Keeps true: an environment that is started gets credentials that last longer than any invocation.

use aloft_base::{AccountId, Timestamp};
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, Principal, ServiceError, identity};
use aloft_store::{StoreError, Transaction};
use aloft_worker::{FunctionSpec, TemporaryCredentials};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long credentials are asked for.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// How long they must still last when an invocation begins.
const LEAST_LEFT: Duration = Duration::from_secs(20 * 60);

#[derive(Clone)]
struct Held {
    credentials: TemporaryCredentials,
    expires: Timestamp,
}

/// The credentials that are given out, by role and function.
#[derive(Default)]
pub(super) struct Credentials(Mutex<HashMap<(String, String), Held>>);

impl Credentials {
    /// Those of a function; [`Credentials::ensure`] has been called before.
    pub fn of(&self, spec: &FunctionSpec) -> TemporaryCredentials {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&place(spec)).map(|held| held.credentials.clone()).unwrap_or_default()
    }

    /// Sees to it that there are some which last, and tells until when, and whether they replace others.
    pub async fn ensure(
        &self,
        context: &Context,
        spec: &FunctionSpec,
    ) -> Result<(Timestamp, bool), ServiceError> {
        let place = place(spec);
        let before = {
            let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.get(&place).map(|held| held.expires)
        };
        let least = context.now().add(LEAST_LEFT);
        if let Some(expires) = before.filter(|expires| *expires > least) {
            return Ok((usable_until(expires), false));
        }
        let session = spec.name.as_str();
        let new = match assume(context, &spec.role_arn, session, LIFETIME).await {
            Err(_) if !exists(context, &spec.role_arn).await => {
                make(context, &spec.role_arn, session).await?
            }
            Err(error) => {
                tracing::warn!(%error, role = spec.role_arn, function = spec.name, "a role was not assumed");
                let message = "The role defined for the function cannot be assumed by Lambda.";
                return Err(ServiceError::new("AccessDeniedException", 403, message));
            }
            Ok(new) => new,
        };
        let expires = new.expires;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, new);
        Ok((usable_until(expires), before.is_some()))
    }

    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Refuses a role that is there and does not trust Lambda.
pub(super) async fn check_role(context: &Context, role: &str, session: &str) -> Result<(), ServiceError> {
    let assumed = assume(context, role, session, Duration::from_secs(900)).await;
    if assumed.is_err() && exists(context, role).await {
        return Err(super::errors::invalid("The role defined for the function cannot be assumed by Lambda."));
    }
    Ok(())
}

/// Whether the role is in this cloud.
async fn exists(context: &Context, role: &str) -> bool {
    let Ok(arn) = role.parse::<aloft_base::Arn>() else { return false };
    let name = role.rsplit('/').next().unwrap_or(role);
    let found =
        context.as_service("lambda").within(&arn).call("iam", "GetRole", json!({ "RoleName": name })).await;
    found.is_ok()
}

fn usable_until(expires: Timestamp) -> Timestamp {
    Timestamp(expires.millis() - LEAST_LEFT.as_millis() as i64)
}

fn place(spec: &FunctionSpec) -> (String, String) {
    (spec.role_arn.clone(), spec.name.clone())
}

async fn assume(
    context: &Context,
    role: &str,
    session: &str,
    lifetime: Duration,
) -> Result<Held, ServiceError> {
    let input = json!({
        "RoleArn": role,
        "RoleSessionName": session,
        "DurationSeconds": lifetime.as_secs(),
    });
    let answer = context.as_service("lambda").call("sts", "AssumeRole", input).await?;
    let text = |name: &str| answer["Credentials"][name].as_str().unwrap_or_default().to_owned();
    let credentials = TemporaryCredentials {
        access_key_id: text("AccessKeyId"),
        secret_access_key: text("SecretAccessKey"),
        session_token: text("SessionToken"),
    };
    let expires = answer["Credentials"]["Expiration"].as_f64().map(Timestamp::from_seconds_f64);
    Ok(Held { credentials, expires: expires.unwrap_or_else(|| context.now().add(lifetime)) })
}

/// An identity of the cloud's own, which is forgotten when it has expired.
async fn make(context: &Context, role: &str, session: &str) -> Result<Held, ServiceError> {
    let ids = context.ids();
    let credentials = TemporaryCredentials {
        access_key_id: format!("ASIA{}", ids.upper(16)),
        secret_access_key: ids.lower(40),
        session_token: ids.lower(120),
    };
    let arn = role.parse::<aloft_base::Arn>().ok();
    let account = arn.and_then(|arn| AccountId::new(&arn.account)).unwrap_or_else(|| context.account.clone());
    let role_name = role.rsplit('/').next().unwrap_or(role);
    let expires = context.now().add(LIFETIME);
    let access_key = identity::AccessKey {
        id: credentials.access_key_id.clone(),
        secret: credentials.secret_access_key.clone(),
        session_token: Some(credentials.session_token.clone()),
        principal: Principal::Arn(format!("arn:aws:sts::{account}:assumed-role/{role_name}/{session}")),
        account: account.clone(),
        expires: Some(expires),
    };
    let timer = Timer {
        service: "lambda".to_owned(),
        name: format!("credentials/{}", access_key.id),
        due: expires,
        account,
        region: context.region.clone(),
        payload: Value::Null,
    };
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), StoreError> {
        timers::set(transaction, &timer)?;
        identity::put(transaction, &access_key)
    };
    context.store().write(write).await.map_err(|error| aloft_engine::storage_failed(&error))?;
    Ok(Held { credentials, expires })
}

/// Forgets an identity that has expired.
pub(super) async fn expire(context: &Context, id: &str) -> Result<(), StoreError> {
    let id = id.to_owned();
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), StoreError> {
        identity::delete(transaction, &id);
        Ok(())
    };
    context.store().write(write).await
}
