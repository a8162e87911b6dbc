//! Whose credentials: the original framework's order of places, over the shared files of the AWS tools.
//!
//! Read: access keys in the environment and in profiles, `credential_process`, `source_profile` with `role_arn` is left to the
//! caller as an error that says so. Source: `getCredentials` of the original, as described in its documentation.

use crate::ini;
use aloft_wire::sigv4::Credentials;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

/// What decides about credentials.
#[derive(Clone, Debug, Default)]
pub struct CredentialsRequest {
    /// `--aws-profile`
    pub profile_option: Option<String>,
    /// `provider.profile`
    pub provider_profile: Option<String>,
    /// The stage, for `AWS_<STAGE>_...`.
    pub stage: String,
    /// The environment.
    pub environment: HashMap<String, String>,
}

/// Why there are none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CredentialsError {
    /// A profile that is named is nowhere.
    #[error("AWS profile \"{0}\" doesn't seem to be configured")]
    UnknownProfile(String),
    /// A profile is there, but has no keys that can be used.
    #[error("AWS profile \"{profile}\" cannot be used: {reason}")]
    UnusableProfile {
        /// Its name.
        profile: String,
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
            Self::NotFound => "AWS_CREDENTIALS_NOT_FOUND",
        }
    }
}

/// Finds the credentials, the last of these that is there: the default profile, `provider.profile`, `AWS_*` keys,
/// `AWS_PROFILE`, `AWS_<STAGE>_*` keys, `AWS_<STAGE>_PROFILE`, `--aws-profile`.
pub fn find(request: &CredentialsRequest) -> Result<Credentials, CredentialsError> {
    let env = |name: &str| request.environment.get(name).filter(|value| !value.is_empty()).cloned();
    let stage = request.stage.to_uppercase();
    if let Some(profile) = &request.profile_option {
        return from_profile(request, profile);
    }
    if let Some(profile) = env(&format!("AWS_{stage}_PROFILE")) {
        return from_profile(request, &profile);
    }
    if let Some(credentials) = from_environment(&env, &format!("AWS_{stage}")) {
        return Ok(credentials);
    }
    if let Some(profile) = env("AWS_PROFILE") {
        return from_profile(request, &profile);
    }
    if let Some(credentials) = from_environment(&env, "AWS") {
        return Ok(credentials);
    }
    if let Some(profile) = &request.provider_profile {
        return from_profile(request, profile);
    }
    let default = env("AWS_DEFAULT_PROFILE").unwrap_or_else(|| "default".to_owned());
    match from_profile(request, &default) {
        Err(CredentialsError::UnknownProfile(_)) => Err(CredentialsError::NotFound),
        other => other,
    }
}

fn from_environment(env: &dyn Fn(&str) -> Option<String>, prefix: &str) -> Option<Credentials> {
    Some(Credentials {
        access_key_id: env(&format!("{prefix}_ACCESS_KEY_ID"))?,
        secret_access_key: env(&format!("{prefix}_SECRET_ACCESS_KEY"))?,
        session_token: env(&format!("{prefix}_SESSION_TOKEN")),
    })
}

fn from_profile(request: &CredentialsRequest, profile: &str) -> Result<Credentials, CredentialsError> {
    let mut settings: HashMap<String, String> = HashMap::new();
    let mut found = false;
    for (variable, file) in [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")] {
        let home = request.environment.get("HOME").map(|home| PathBuf::from(home).join(".aws").join(file));
        let path = request.environment.get(variable).map(PathBuf::from).or(home);
        let text = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        if let Some(section) = ini::parse(&text).remove(profile) {
            found = true;
            settings.extend(section);
        }
    }
    if !found {
        return Err(CredentialsError::UnknownProfile(profile.to_owned()));
    }
    let unusable = |reason: &str| CredentialsError::UnusableProfile {
        profile: profile.to_owned(),
        reason: reason.to_owned(),
    };
    if let (Some(id), Some(secret)) =
        (settings.get("aws_access_key_id"), settings.get("aws_secret_access_key"))
    {
        return Ok(Credentials {
            access_key_id: id.clone(),
            secret_access_key: secret.clone(),
            session_token: settings.get("aws_session_token").cloned(),
        });
    }
    if let Some(command) = settings.get("credential_process") {
        return from_process(command).ok_or_else(|| unusable("its credential_process gave no credentials"));
    }
    if settings.contains_key("role_arn")
        || settings.contains_key("sso_session")
        || settings.contains_key("sso_start_url")
    {
        return Err(unusable(
            "roles and SSO need the AWS CLI's help: add `credential_process = aws configure export-credentials --profile NAME` to a profile",
        ));
    }
    Err(unusable("it has no access key"))
}

fn from_process(command: &str) -> Option<Credentials> {
    let output =
        Command::new("sh").arg("-c").arg(command).stdin(std::process::Stdio::null()).output().ok()?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let text = |name: &str| answer.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    Some(Credentials {
        access_key_id: text("AccessKeyId")?,
        secret_access_key: text("SecretAccessKey")?,
        session_token: text("SessionToken"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds credentials with this environment over a file of two profiles; gives the access key's id or the error.
    fn check(environment: &[(&str, &str)], option: Option<&str>, provider: Option<&str>, expected: &str) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("credentials");
        let text = "[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=s\n[work]\naws_access_key_id=WORK\naws_secret_access_key=s\n[process]\ncredential_process = echo '{\"AccessKeyId\":\"PROCESS\",\"SecretAccessKey\":\"s\"}'\n[sso]\nsso_start_url=https://example.com\n";
        std::fs::write(&file, text).expect("written");
        let mut map: HashMap<String, String> =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        map.entry("AWS_SHARED_CREDENTIALS_FILE".to_owned()).or_insert_with(|| file.display().to_string());
        let request = CredentialsRequest {
            profile_option: option.map(str::to_owned),
            provider_profile: provider.map(str::to_owned),
            stage: "dev".to_owned(),
            environment: map,
        };
        let found =
            find(&request).map_or_else(|error| error.to_string(), |credentials| credentials.access_key_id);
        assert!(found.starts_with(expected), "{found}");
    }

    #[test]
    fn the_last_place_wins() {
        let keys = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let stage_keys =
            [("AWS_DEV_ACCESS_KEY_ID", "STAGE"), ("AWS_DEV_SECRET_ACCESS_KEY", "s"), keys[0], keys[1]];
        check(&[], None, None, "DEFAULT");
        check(&[], None, Some("work"), "WORK");
        check(&keys, None, Some("work"), "ENV");
        check(&[keys[0], keys[1], ("AWS_PROFILE", "work")], None, None, "WORK");
        check(&stage_keys, None, None, "STAGE");
        check(&stage_keys, Some("work"), None, "WORK");
        check(&[], Some("process"), None, "PROCESS");
        check(&[], Some("nobody"), None, "AWS profile \"nobody\" doesn't seem to be configured");
        check(&[], Some("sso"), None, "AWS profile \"sso\" cannot be used: roles and SSO");
        check(
            &[("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")],
            None,
            None,
            "AWS provider credentials not found",
        );
    }
}
