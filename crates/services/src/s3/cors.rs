//! Web pages of other origins: what a bucket's CORS rules let them ask and see.

use super::bucket::Bucket;
use crate::storage::Fault;
use aloft_engine::{Engine, ServiceError};
use aloft_wire::Request;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The headers for a request that a page makes, or, for `OPTIONS`, asks whether it may make.
pub(super) fn headers(engine: &Engine, request: &Request) -> Result<HeaderMap, ServiceError> {
    let name = request.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8_lossy();
    if name.is_empty() {
        return Err(forbidden(NOT_ALLOWED));
    }
    let bucket = Bucket::find(&engine.store().read().map_err(Fault::from)?, &name)?;
    let rules = bucket.configurations.get("cors").and_then(|cors| cors["CORSRules"].as_array());
    let rules = rules.ok_or_else(|| forbidden("CORSResponse: CORS is not enabled for this bucket."))?;
    let asks = Asks::of(request)?;
    let rule = rules.iter().find(|rule| asks.is_allowed_by(rule)).ok_or_else(|| forbidden(NOT_ALLOWED))?;
    Ok(asks.answer(rule))
}

const NOT_ALLOWED: &str = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request \
    method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";

fn forbidden(message: &str) -> ServiceError {
    ServiceError::new("AccessForbidden", 403, message)
}

/// What a page wants.
struct Asks<'a> {
    origin: &'a str,
    method: &'a str,
    /// In lower case.
    headers: Vec<String>,
}

impl<'a> Asks<'a> {
    fn of(request: &'a Request) -> Result<Self, ServiceError> {
        let header = |name: HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
        let method = if request.method == Method::OPTIONS {
            let invalid =
                || ServiceError::new("BadRequest", 400, "Invalid Access-Control-Request-Method: null");
            header(header::ACCESS_CONTROL_REQUEST_METHOD).ok_or_else(invalid)?
        } else {
            request.method.as_str()
        };
        let headers = header(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let headers =
            headers.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty());
        Ok(Self { origin: header(header::ORIGIN).unwrap_or_default(), method, headers: headers.collect() })
    }

    fn is_allowed_by(&self, rule: &Value) -> bool {
        let headers = texts(rule, "AllowedHeaders");
        texts(rule, "AllowedMethods").contains(&self.method)
            && texts(rule, "AllowedOrigins").iter().any(|pattern| matches(pattern, self.origin))
            && self
                .headers
                .iter()
                .all(|name| headers.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), name)))
    }

    fn answer(&self, rule: &Value) -> HeaderMap {
        let everybody = texts(rule, "AllowedOrigins").contains(&"*");
        let origin = if everybody { "*" } else { self.origin };
        let mut answer = HeaderMap::new();
        let mut add = |name: HeaderName, value: String| {
            if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(&value)) {
                answer.insert(name, value);
            }
        };
        add(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.to_owned());
        add(header::ACCESS_CONTROL_ALLOW_METHODS, texts(rule, "AllowedMethods").join(", "));
        add(header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.join(", "));
        add(header::ACCESS_CONTROL_EXPOSE_HEADERS, texts(rule, "ExposeHeaders").join(", "));
        add(
            header::ACCESS_CONTROL_MAX_AGE,
            rule["MaxAgeSeconds"].as_u64().map_or_else(String::new, |age| age.to_string()),
        );
        if !everybody {
            add(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true".to_owned());
        }
        add(header::VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method".to_owned());
        answer
    }
}

fn texts<'r>(rule: &'r Value, member: &str) -> Vec<&'r str> {
    rule[member].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether a text is as a pattern with at most one `*` says.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, end)) => {
            text.len() >= begin.len() + end.len() && text.starts_with(begin) && text.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_decide() {
        let rule = json!({ "AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["x-amz-*"] });
        for (origin, method, headers, allowed) in [
            ("https://app.example.com", "PUT", &["x-amz-acl"][..], true),
            ("https://app.example.com", "DELETE", &[], false),
            ("https://example.com", "GET", &[], false),
            ("https://app.example.com", "GET", &["content-type"], false),
        ] {
            let asks =
                Asks { origin, method, headers: headers.iter().map(|name| (*name).to_owned()).collect() };
            assert_eq!(asks.is_allowed_by(&rule), allowed, "{origin} {method} {headers:?}");
            if allowed {
                let answer = asks.answer(&rule);
                assert_eq!(answer["access-control-allow-origin"], origin);
                assert_eq!(answer["access-control-allow-methods"], "GET, PUT");
            }
        }
    }
}
