//! Roles: assumed with other credentials, or with a token that says who this program is.

use super::profiles::Settings;
use super::{CredentialsError, Finder};
use crate::{Client, Endpoint};
use aloft_base::Region;
use aloft_wire::sigv4::Credentials;
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Write};

impl Finder<'_> {
    /// The credentials of a profile's role, assumed with others.
    pub(super) async fn role(&self, settings: &Settings, with: Credentials) -> Result<Credentials, String> {
        let setting = |name: &str| settings.get(name).map(String::as_str);
        let mut params =
            json!({ "RoleArn": setting("role_arn"), "RoleSessionName": self.session_name(settings) });
        if let Some(id) = setting("external_id") {
            params["ExternalId"] = json!(id);
        }
        if let Some(seconds) = setting("duration_seconds") {
            let seconds: i64 = seconds.parse().map_err(|_| "its duration_seconds is no number".to_owned())?;
            params["DurationSeconds"] = json!(seconds);
        }
        if let Some(serial) = setting("mfa_serial") {
            params["SerialNumber"] = json!(serial);
            params["TokenCode"] = json!(ask_for_code(serial)?);
        }
        self.assume("AssumeRole", params, setting("region"), with).await
    }

    /// The credentials of a profile's role, assumed with the token in a file.
    pub(super) async fn role_of_web_identity(
        &self,
        settings: &Settings,
        file: &str,
    ) -> Result<Credentials, String> {
        let role = settings.get("role_arn").map(String::as_str).unwrap_or_default();
        let region = settings.get("region").map(String::as_str);
        self.with_token(role, &self.session_name(settings), file, region).await
    }

    /// The role that the environment names together with a token: Kubernetes, GitHub Actions and others.
    pub(super) async fn web_identity(&self) -> Result<Option<Credentials>, CredentialsError> {
        let (Some(file), Some(role)) =
            (self.variable("AWS_WEB_IDENTITY_TOKEN_FILE"), self.variable("AWS_ROLE_ARN"))
        else {
            return Ok(None);
        };
        let name = self.session_name(&Settings::new());
        let what = "AWS_WEB_IDENTITY_TOKEN_FILE";
        let failed = |reason| CredentialsError::UnusablePlace { what, reason };
        self.with_token(role, &name, file, None).await.map(Some).map_err(failed)
    }

    async fn with_token(
        &self,
        role: &str,
        session: &str,
        file: &str,
        region: Option<&str>,
    ) -> Result<Credentials, String> {
        let token = std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
        let params = json!({ "RoleArn": role, "RoleSessionName": session, "WebIdentityToken": token.trim() });
        // The token is all the proof there is: the call is not signed.
        let nobody = Credentials {
            access_key_id: String::new(),
            secret_access_key: String::new(),
            session_token: None,
        };
        self.assume("AssumeRoleWithWebIdentity", params, region, nobody).await
    }

    async fn assume(
        &self,
        operation: &str,
        params: Value,
        region: Option<&str>,
        with: Credentials,
    ) -> Result<Credentials, String> {
        let region = region.and_then(Region::new).unwrap_or_else(|| self.request.region.clone());
        let endpoint = match self.variable("AWS_ENDPOINT_URL_STS") {
            Some(address) => Endpoint::new(Some(address)),
            None => self.request.endpoint.clone(),
        };
        let client = Client::new(endpoint, region, with, self.request.clock.clone());
        let role = params["RoleArn"].as_str().unwrap_or_default().to_owned();
        let answer = client.call("sts", operation, params).await;
        let answer = answer.map_err(|error| format!("cannot assume {role}: {error}"))?;
        super::from_answer(&answer["Credentials"]).ok_or_else(|| format!("{role} came without credentials"))
    }

    fn session_name(&self, settings: &Settings) -> String {
        let named = settings.get("role_session_name").map(String::as_str);
        let named = named.or_else(|| self.variable("AWS_ROLE_SESSION_NAME")).map(str::to_owned);
        named.unwrap_or_else(|| format!("aloft-{}", self.request.clock.now().millis()))
    }
}

/// Asks the user for the number that a device shows.
fn ask_for_code(serial: &str) -> Result<String, String> {
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() {
        return Err(format!("its role needs the code of {serial}, and there is no terminal to ask for it"));
    }
    let mut line = String::new();
    let asked = write!(output, "Enter MFA code for {serial}: ").and_then(|()| output.flush());
    asked.and_then(|()| input.lock().read_line(&mut line)).map_err(|error| error.to_string())?;
    Ok(line.trim().to_owned())
}
