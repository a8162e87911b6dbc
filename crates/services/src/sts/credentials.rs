//! Temporary credentials.

use crate::storage::Fault;
use aloft_base::AccountId;
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, Principal, ServiceError, identity};
use aloft_store::Transaction;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::time::Duration;

/// How long credentials stay known as expired.
const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);

/// For whom, and for how long.
pub(super) struct Grant {
    pub account: AccountId,
    pub principal: Principal,
    pub lifetime: Duration,
}

fn random_text(context: &Context, bytes: usize) -> String {
    let mut random = vec![0; bytes];
    context.ids().fill(&mut random);
    BASE64.encode(random)
}

/// Makes credentials and has the engine know them; answers them as AWS does.
pub(super) async fn issue(context: &Context, grant: Grant) -> Result<Value, ServiceError> {
    let expires = context.now().add(grant.lifetime);
    let access_key = identity::AccessKey {
        id: format!("ASIA{}", context.ids().upper(16)),
        secret: random_text(context, 30),
        session_token: Some(random_text(context, 180)),
        account: grant.account.clone(),
        principal: grant.principal,
        expires: Some(expires),
    };
    let answer = json!({ "AccessKeyId": access_key.id, "SecretAccessKey": access_key.secret,
        "SessionToken": access_key.session_token, "Expiration": expires.seconds() });
    let timer = Timer {
        service: "sts".to_owned(),
        name: format!("forget/{}", access_key.id),
        due: expires.add(REMEMBERED),
        account: grant.account,
        region: context.region.clone(),
        payload: json!({ "id": access_key.id }),
    };
    let keep = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        identity::put(transaction, &access_key)?;
        Ok(timers::set(transaction, &timer)?)
    };
    context.store().write(keep).await?;
    Ok(answer)
}

/// Drops credentials that have been expired for long.
pub(super) async fn forget(context: &Context, payload: &Value) -> Result<(), ServiceError> {
    let id = payload["id"].as_str().unwrap_or_default().to_owned();
    let forget = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        identity::delete(transaction, &id);
        Ok(())
    };
    Ok(context.store().write(forget).await?)
}
