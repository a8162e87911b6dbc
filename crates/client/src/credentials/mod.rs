//! Whose credentials: the original framework's order of places, over the shared files of the AWS tools.
//!
//! Access keys come from the environment, from profiles (keys, a process, a role, single sign-on), and where nobody names any from
//! what runs this program: a web identity, a container, an instance. Source: `getCredentials` of the original, and the AWS SDKs' own
//! reference of settings. Knows nothing of who calls. Keeps true: secrets never reach messages.

mod metadata;
mod profiles;
mod roles;
mod sso;
#[cfg(test)]
mod tests;

use crate::Endpoint;
use crate::http::Http;
use aloft_base::{Clock, Region};
use aloft_wire::sigv4::Credentials;
use serde_json::Value;
use std::collections::HashMap;

/// What decides about credentials.
#[derive(Clone, Debug)]
pub struct CredentialsRequest {
    /// `--aws-profile`
    pub profile_option: Option<String>,
    /// `provider.profile`
    pub provider_profile: Option<String>,
    /// The stage, for `AWS_<STAGE>_...`.
    pub stage: String,
    /// The environment.
    pub environment: HashMap<String, String>,
    /// Where roles are assumed.
    pub endpoint: Endpoint,
    /// Where roles are assumed, unless their profile names a region.
    pub region: Region,
    /// Says what has expired.
    pub clock: Clock,
}

/// Why there are none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CredentialsError {
    /// A profile that is named is nowhere.
    #[error("AWS profile \"{0}\" doesn't seem to be configured")]
    UnknownProfile(String),
    /// A profile is there, but gives no keys.
    #[error("AWS profile \"{profile}\" cannot be used: {reason}")]
    UnusableProfile {
        /// Its name.
        profile: String,
        /// Why not.
        reason: String,
    },
    /// The environment names a place that gives no keys.
    #[error("{what} gives no credentials: {reason}")]
    UnusablePlace {
        /// The place.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// Nobody named any.
    #[error(
        "AWS provider credentials not found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with --aws-profile, or deploy to the local cloud with --local"
    )]
    NotFound,
}

impl CredentialsError {
    /// The original's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownProfile(_) => "UNRECOGNIZED_AWS_PROFILE",
            Self::UnusableProfile { .. } => "UNUSABLE_AWS_PROFILE",
            Self::UnusablePlace { .. } => "UNUSABLE_AWS_CREDENTIALS",
            Self::NotFound => "AWS_CREDENTIALS_NOT_FOUND",
        }
    }
}

/// Finds the credentials, the last of these that is there: the default profile, `provider.profile`, `AWS_*` keys,
/// `AWS_PROFILE`, `AWS_<STAGE>_*` keys, `AWS_<STAGE>_PROFILE`, `--aws-profile`. Without any of them, those of the surroundings.
///
/// # Errors
/// When a place that is named gives none, and when there is no place.
pub async fn find(request: &CredentialsRequest) -> Result<Credentials, CredentialsError> {
    Finder { request, http: Http::new() }.find().await
}

/// One search.
struct Finder<'r> {
    request: &'r CredentialsRequest,
    http: Http,
}

impl Finder<'_> {
    async fn find(&self) -> Result<Credentials, CredentialsError> {
        let stage = self.request.stage.to_uppercase();
        if let Some(profile) = &self.request.profile_option {
            return self.profile(profile).await;
        }
        if let Some(profile) = self.variable(&format!("AWS_{stage}_PROFILE")) {
            return self.profile(profile).await;
        }
        if let Some(credentials) = self.keys(&format!("AWS_{stage}")) {
            return Ok(credentials);
        }
        if let Some(profile) = self.variable("AWS_PROFILE") {
            return self.profile(profile).await;
        }
        if let Some(credentials) = self.keys("AWS") {
            return Ok(credentials);
        }
        if let Some(profile) = &self.request.provider_profile {
            return self.profile(profile).await;
        }
        let default = self.variable("AWS_DEFAULT_PROFILE").unwrap_or("default");
        match self.profile(default).await {
            Err(CredentialsError::UnknownProfile(_)) => self.surroundings().await,
            other => other,
        }
    }

    /// What this program runs in may say who it is.
    async fn surroundings(&self) -> Result<Credentials, CredentialsError> {
        if let Some(found) = self.web_identity().await? {
            return Ok(found);
        }
        if let Some(found) = self.container().await? {
            return Ok(found);
        }
        // At an address of one's own nobody is asked who this machine is.
        if self.request.endpoint.is_aws()
            && let Ok(found) = self.instance().await
        {
            return Ok(found);
        }
        Err(CredentialsError::NotFound)
    }

    /// An environment variable that is not empty.
    fn variable(&self, name: &str) -> Option<&str> {
        self.request.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn keys(&self, prefix: &str) -> Option<Credentials> {
        let part = |name: &str| self.variable(&format!("{prefix}_{name}")).map(str::to_owned);
        Some(Credentials {
            access_key_id: part("ACCESS_KEY_ID")?,
            secret_access_key: part("SECRET_ACCESS_KEY")?,
            session_token: part("SESSION_TOKEN"),
        })
    }
}

/// Keys under the names that processes, containers and instances give them.
fn from_answer(answer: &Value) -> Option<Credentials> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Credentials {
        access_key_id: text("AccessKeyId")?,
        secret_access_key: text("SecretAccessKey")?,
        session_token: text("SessionToken").or_else(|| text("Token")),
    })
}
