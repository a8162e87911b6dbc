//! Profiles of the shared files: access keys, a process that gives some, a role on top of another profile, single sign-on.
//!
//! Keeps true: profiles that lead to each other in a circle are an error, not a hang.

use super::{CredentialsError, Finder, from_answer};
use crate::ini;
use aloft_wire::sigv4::Credentials;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;

/// One section of the files.
pub(super) type Settings = HashMap<String, String>;

/// What both files say. A profile's settings in `credentials` win over those in `config`.
struct Files {
    config: HashMap<String, Settings>,
    credentials: HashMap<String, Settings>,
}

impl Files {
    /// The settings of a profile; none when neither file has it.
    fn profile(&self, name: &str) -> Option<Settings> {
        let sections: Vec<&Settings> =
            [&self.config, &self.credentials].into_iter().filter_map(|file| file.get(name)).collect();
        let settings = || sections.iter().flat_map(|section| (*section).clone()).collect();
        (!sections.is_empty()).then(settings)
    }
}

impl Finder<'_> {
    /// The credentials of a profile.
    pub(super) async fn profile(&self, name: &str) -> Result<Credentials, CredentialsError> {
        let files = self.files();
        let failed = |reason: String| unusable(name, reason);
        // From the profile that is asked for down to the one that has keys of its own.
        let (mut roles, mut seen, mut current) = (Vec::new(), Vec::new(), name.to_owned());
        let mut credentials = loop {
            let settings = match files.profile(&current) {
                Some(settings) => settings,
                None if current == name => return Err(CredentialsError::UnknownProfile(current)),
                None => return Err(failed(format!("its source_profile \"{current}\" is not configured"))),
            };
            let is_role = settings.contains_key("role_arn") && !seen.contains(&current);
            if !is_role {
                if seen.contains(&current) && !settings.contains_key("aws_access_key_id") {
                    return Err(failed("its source profiles lead back to itself".to_owned()));
                }
                break self.own(&files, &settings).await.map_err(failed)?;
            }
            seen.push(current);
            if let Some(file) = settings.get("web_identity_token_file") {
                break self.role_of_web_identity(&settings, file).await.map_err(failed)?;
            }
            let next = settings.get("source_profile").cloned();
            let source = settings.get("credential_source").cloned();
            roles.push(settings);
            match (next, source.as_deref()) {
                (Some(next), _) => current = next,
                (None, Some("Environment")) => {
                    break self
                        .keys("AWS")
                        .ok_or_else(|| failed("the environment has no keys".to_owned()))?;
                }
                (None, Some("EcsContainer")) => {
                    let found = self.container().await?;
                    break found.ok_or_else(|| failed("this is no container that has a role".to_owned()))?;
                }
                (None, Some("Ec2InstanceMetadata")) => {
                    break self.instance().await.map_err(failed)?;
                }
                (None, Some(other)) => {
                    return Err(failed(format!("nobody knows its credential_source {other}")));
                }
                (None, None) => {
                    let reason = "it has a role_arn and neither source_profile nor credential_source";
                    return Err(failed(reason.to_owned()));
                }
            }
        };
        for settings in roles.iter().rev() {
            credentials = self.role(settings, credentials).await.map_err(failed)?;
        }
        Ok(credentials)
    }

    /// What a profile gives without another.
    async fn own(&self, files: &Files, settings: &Settings) -> Result<Credentials, String> {
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
            let found = self.process(command).await;
            return found.ok_or_else(|| "its credential_process gave no credentials".to_owned());
        }
        let session = settings.get("sso_session");
        if session.is_some() || settings.contains_key("sso_start_url") {
            let of_session = match session {
                None => None,
                Some(name) => {
                    let section = files.config.get(&format!("sso-session {name}"));
                    Some(section.ok_or_else(|| format!("there is no sso-session \"{name}\""))?)
                }
            };
            return self.single_sign_on(settings, of_session).await;
        }
        Err("it has no access key".to_owned())
    }

    async fn process(&self, command: &str) -> Option<Credentials> {
        let mut process = tokio::process::Command::new("sh");
        process.arg("-c").arg(command).env_clear().envs(&self.request.environment);
        let output = process.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output().await;
        from_answer(&serde_json::from_slice(&output.ok()?.stdout).ok()?)
    }

    fn files(&self) -> Files {
        let read = |variable: &str, file: &str| {
            let named = self.variable(variable).map(PathBuf::from);
            let path = named.or_else(|| self.home_file(file));
            let text = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
            ini::parse(&text)
        };
        Files {
            config: read("AWS_CONFIG_FILE", "config"),
            credentials: read("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        }
    }

    /// A file of the AWS tools in the user's home.
    pub(super) fn home_file(&self, name: &str) -> Option<PathBuf> {
        self.variable("HOME").map(|home| PathBuf::from(home).join(".aws").join(name))
    }
}

fn unusable(profile: &str, reason: String) -> CredentialsError {
    CredentialsError::UnusableProfile { profile: profile.to_owned(), reason }
}
