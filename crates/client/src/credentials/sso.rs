//! Single sign-on (IAM Identity Center): `aws sso login` leaves a token in the user's home, which is exchanged for keys.
//!
//! Does not log in: that needs a browser, and the AWS CLI does it.

use super::Finder;
use super::profiles::Settings;
use aloft_base::Timestamp;
use aloft_wire::sigv4::Credentials;
use http::Method;
use http::header::HeaderName;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha1::{Digest, Sha1};

impl Finder<'_> {
    /// The keys of a profile's role, for the token that its session or its start page left.
    pub(super) async fn single_sign_on(
        &self,
        settings: &Settings,
        session: Option<&Settings>,
    ) -> Result<Credentials, String> {
        let setting = |name: &str| {
            let found = session.and_then(|session| session.get(name)).or_else(|| settings.get(name));
            found.map(String::as_str).ok_or_else(|| format!("it has no {name}"))
        };
        let (account, role) = (setting("sso_account_id")?, setting("sso_role_name")?);
        let region = setting("sso_region")?;
        let key = match settings.get("sso_session") {
            Some(name) => name,
            None => setting("sso_start_url")?,
        };
        let token = self.token(key)?;
        let regional = format!("https://portal.sso.{region}.amazonaws.com");
        let base = self.variable("AWS_ENDPOINT_URL_SSO").unwrap_or(&regional);
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let path =
            format!("/federation/credentials?role_name={}&account_id={}", encoded(role), encoded(account));
        let header = [(HeaderName::from_static("x-amz-sso_bearer_token"), token.as_str())];
        let text = self.fetch(base.trim_end_matches('/'), Method::GET, &path, &header).await?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let part = |name: &str| answer["roleCredentials"][name].as_str().map(str::to_owned);
        let keys = || {
            Some(Credentials {
                access_key_id: part("accessKeyId")?,
                secret_access_key: part("secretAccessKey")?,
                session_token: part("sessionToken"),
            })
        };
        keys().ok_or_else(|| format!("single sign-on gives no keys for {role} in {account}"))
    }

    /// The token that was left for a session's name or a start page.
    fn token(&self, key: &str) -> Result<String, String> {
        let log_in = "log in first: aws sso login --profile NAME";
        let name: String = Sha1::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.home_file(&format!("sso/cache/{name}.json"));
        let text = path.and_then(|path| std::fs::read_to_string(path).ok());
        let left: Value = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let token = left["accessToken"].as_str().ok_or_else(|| format!("nobody is logged in; {log_in}"))?;
        // Older tools wrote UTC for Z.
        let expires = left["expiresAt"].as_str().map(|text| text.replace("UTC", "Z"));
        let expires = expires.and_then(|text| Timestamp::parse_iso8601(&text));
        if expires.is_none_or(|expires| expires <= self.request.clock.now()) {
            return Err(format!("the login has expired; {log_in}"));
        }
        Ok(token.to_owned())
    }
}
