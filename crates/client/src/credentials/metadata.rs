//! Credentials that the surroundings give out over HTTP: a container's and an instance's.
//!
//! Keeps true: a container's token is only sent to where it cannot be read on the way.

use super::{CredentialsError, Finder, from_answer};
use aloft_wire::Request;
use aloft_wire::sigv4::Credentials;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderValue, Method};
use serde_json::Value;
use std::time::Duration;

const CONTAINER: &str = "http://169.254.170.2";
/// Hosts that may be asked without TLS: this machine, and those that Amazon's containers know.
const PLAIN_HOSTS: &[&str] =
    &["127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];
const INSTANCE: &str = "http://169.254.169.254";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// Where nobody answers, one does not wait long.
const WITHIN: Duration = Duration::from_secs(1);
/// Bytes of an answer that is shown.
const SHOWN: usize = 200;

impl Finder<'_> {
    /// The role of the container that this program runs in; none when it is in none.
    pub(super) async fn container(&self) -> Result<Option<Credentials>, CredentialsError> {
        let relative = self.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let full = self.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let address = match (relative, full) {
            (Some(path), _) => format!("{CONTAINER}{path}"),
            (None, Some(address)) => address.to_owned(),
            (None, None) => return Ok(None),
        };
        let what = "the container";
        let failed = |reason| CredentialsError::UnusablePlace { what, reason };
        let found = self.ask_container(&address).await.map_err(failed)?;
        let none = || failed(format!("{address} answers without keys"));
        from_answer(&found).map(Some).ok_or_else(none)
    }

    async fn ask_container(&self, address: &str) -> Result<Value, String> {
        let (scheme, rest) = address.split_once("://").ok_or_else(|| format!("`{address}` is no address"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        if scheme != "https" && !PLAIN_HOSTS.contains(&host) {
            return Err(format!("{address} has to begin with https"));
        }
        let token = match self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(file) => {
                Some(std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?)
            }
            None => self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned),
        };
        let headers: Vec<(HeaderName, &str)> =
            token.iter().map(|token| (AUTHORIZATION, token.trim())).collect();
        let text = self.fetch(&format!("{scheme}://{authority}"), Method::GET, path, &headers).await?;
        serde_json::from_str(&text).map_err(|error| format!("{address} answers with no JSON: {error}"))
    }

    /// The role of the instance that this program runs on, over version 2 of its metadata.
    pub(super) async fn instance(&self) -> Result<Credentials, String> {
        let disabled = self.variable("AWS_EC2_METADATA_DISABLED");
        if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err("AWS_EC2_METADATA_DISABLED keeps the instance from being asked".to_owned());
        }
        let base = self.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(INSTANCE);
        let base = base.trim_end_matches('/');
        let lifetime = [(HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds"), "21600")];
        let asked = self.fetch(base, Method::PUT, "/latest/api/token", &lifetime);
        let token = tokio::time::timeout(WITHIN, asked);
        let token = token.await.map_err(|_| "this is no instance that has a role".to_owned())??;
        let token = [(HeaderName::from_static("x-aws-ec2-metadata-token"), token.trim())];
        let roles = self.fetch(base, Method::GET, ROLES, &token).await?;
        let role = roles.lines().next().unwrap_or_default().trim();
        let text = self.fetch(base, Method::GET, &format!("{ROLES}{role}"), &token).await?;
        let answer = serde_json::from_str(&text).unwrap_or_default();
        from_answer(&answer).ok_or_else(|| format!("the instance's role {role} came without keys"))
    }

    /// A page as text.
    pub(super) async fn fetch(
        &self,
        base: &str,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
    ) -> Result<String, String> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = if path.is_empty() { "/" } else { path };
        let mut request =
            Request { method, path: path.to_owned(), query: query.to_owned(), ..Request::default() };
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| format!("{name} is no text"))?;
            value.set_sensitive(true);
            request.headers.insert(name, value);
        }
        let answer =
            self.http.send(base, request).await.map_err(|reason| format!("cannot reach {base}: {reason}"))?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status >= 300 {
            let shown: String = text.chars().take(SHOWN).collect();
            return Err(format!("{base}{path} answers {} {shown}", answer.status));
        }
        Ok(text)
    }
}
