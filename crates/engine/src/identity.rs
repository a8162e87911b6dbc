//! Who is calling: access keys that the cloud has given out, and what a signature says.
//!
//! Keeps true: a key that the cloud knows is held to its signature; one that it does not know is the account's root while
//! the cloud is open to this machine only, and refused once credentials are required.

use crate::{Engine, Principal, ServiceError, storage_failed};
use aloft_base::{AccountId, Region, Timestamp};
use aloft_store::{StoreError, Transaction, key};
use aloft_wire::{Request, sigv4};
use serde::{Deserialize, Serialize};

const ACCESS_KEYS: &str = "identity.access-keys";

/// An access key and whose it is.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA...` or `ASIA...`
    pub id: String,
    /// The secret.
    pub secret: String,
    /// The token that must come along with temporary credentials.
    pub session_token: Option<String>,
    /// The account.
    pub account: AccountId,
    /// Who it makes its bearer.
    pub principal: Principal,
    /// When it stops working.
    pub expires: Option<Timestamp>,
}

/// Makes a key known.
pub fn put(transaction: &mut Transaction<'_>, access_key: &AccessKey) -> Result<(), StoreError> {
    transaction.put_json(ACCESS_KEYS, key([&access_key.id]), access_key)
}

/// Makes a key unknown.
pub fn delete(transaction: &mut Transaction<'_>, id: &str) {
    transaction.delete(ACCESS_KEYS, key([id]));
}

/// The key of that name.
pub fn find(engine: &Engine, id: &str) -> Result<Option<AccessKey>, StoreError> {
    engine.store().read()?.get_json(ACCESS_KEYS, key([id]))
}

/// Whom a request comes from, where it wants to work, and for which service it was signed.
pub(crate) struct Caller {
    pub principal: Principal,
    pub account: AccountId,
    pub region: Region,
}

/// Reads and checks a request's signature.
pub(crate) fn authenticate(
    engine: &Engine,
    request: &Request,
    presented: Option<&sigv4::Presented>,
) -> Result<Caller, ServiceError> {
    let options = engine.options();
    let Some(presented) = presented else {
        return Ok(Caller {
            principal: Principal::Anonymous,
            account: options.account.clone(),
            region: options.region.clone(),
        });
    };
    let region = Region::new(&presented.region).unwrap_or_else(|| options.region.clone());
    let known = find(engine, &presented.access_key_id).map_err(|error| storage_failed(&error))?;
    let Some(known) = known else {
        if engine.options().require_credentials {
            return Err(invalid_token());
        }
        // As other local clouds do: an access key of twelve digits names the account.
        let account = AccountId::new(&presented.access_key_id).unwrap_or_else(|| options.account.clone());
        return Ok(Caller { principal: Principal::Root, account, region });
    };
    if known.session_token != presented.session_token {
        return Err(invalid_token());
    }
    if known.expires.is_some_and(|expires| expires <= engine.clock().now()) {
        let message = "The security token included in the request is expired";
        return Err(ServiceError::new("ExpiredTokenException", 403, message));
    }
    // Clients sign with their own clocks, which `aloft_base::Clock::advance` does not move.
    let now = engine.clock().unshifted();
    sigv4::verify(request, request.header("host").unwrap_or_default(), presented, &known.secret, now)?;
    Ok(Caller { principal: known.principal, account: known.account, region })
}

fn invalid_token() -> ServiceError {
    ServiceError::new(
        "UnrecognizedClientException",
        403,
        "The security token included in the request is invalid.",
    )
}
