//! Which API a request is for: the forms of an API's address.
//!
//! `<host>/_aws/execute-api/<id>/<path>`, `<id>.execute-api.<any host>/<path>` and
//! `<host>/restapis/<id>/<stage>/_user_request_/<path>`, as other local clouds have them.

use aloft_engine::{Engine, Head};
use std::borrow::Cow;

/// An API and what of the path is its own.
#[derive(Debug, PartialEq)]
pub(crate) struct Address<'a> {
    /// The API's id.
    pub api: &'a str,
    /// The path from the stage on, percent-encoded, with a leading slash.
    pub path: Cow<'a, str>,
}

/// Reads the address of a request's head; nothing when it has none of the forms.
pub(crate) fn of(head: &Head) -> Option<Address<'_>> {
    if let Some((api, _)) = head.host.split_once(".execute-api.") {
        return Some(Address { api, path: head.path.as_str().into() }).filter(|address| is_id(address.api));
    }
    if let Some(rest) = head.path.strip_prefix("/_aws/execute-api/") {
        let (api, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        return Some(Address { api, path: path.into() }).filter(|address| is_id(address.api));
    }
    let rest = head.path.strip_prefix("/restapis/")?;
    let (api, rest) = rest.split_once('/')?;
    let (stage, rest) = rest.split_once('/')?;
    let path = rest.strip_prefix("_user_request_")?;
    (is_id(api) && (path.is_empty() || path.starts_with('/')))
        .then(|| Address { api, path: format!("/{stage}{path}").into() })
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The first segment of a path, and the rest with its leading slash.
pub(crate) fn split_stage(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.find('/').map_or((path, "/"), |slash| path.split_at(slash))
}

/// Where an API is reached without the help of a name server: the stage and the path follow.
pub(crate) fn endpoint(engine: &Engine, api: &str) -> String {
    format!("{}/_aws/execute-api/{api}", engine.endpoint())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, path: &str, expected: Option<(&str, &str)>) {
        let head = Head {
            method: http::Method::GET,
            path: path.to_owned(),
            query: String::new(),
            headers: http::HeaderMap::new(),
            host: host.to_owned(),
            remote: ([127, 0, 0, 1], 1).into(),
        };
        let found = of(&head).map(|address| (address.api.to_owned(), address.path.into_owned()));
        assert_eq!(found, expected.map(|(api, path)| (api.to_owned(), path.to_owned())), "{host}{path}");
    }

    #[test]
    fn all_forms_are_read() {
        check("localhost", "/_aws/execute-api/a1/dev/x%20y", Some(("a1", "/dev/x%20y")));
        check("localhost", "/_aws/execute-api/a1", Some(("a1", "/")));
        check("a1.execute-api.localhost", "/dev/x", Some(("a1", "/dev/x")));
        check("a1.execute-api.localhost.localstack.cloud", "/", Some(("a1", "/")));
        check("a1.execute-api.us-east-1.amazonaws.com", "/p", Some(("a1", "/p")));
        check("localhost", "/restapis/a1/dev/_user_request_/x/y", Some(("a1", "/dev/x/y")));
        check("localhost", "/restapis/a1/dev/_user_request_", Some(("a1", "/dev")));
        check("localhost", "/restapis/a1/resources/b", None);
        check("localhost", "/_aws/execute-api/a.b/x", None);
        check("execute-api.localhost", "/", None);
    }

    #[test]
    fn the_first_segment_is_split_off() {
        assert_eq!(split_stage("/dev/x/y"), ("dev", "/x/y"));
        assert_eq!(split_stage("/dev"), ("dev", "/"));
        assert_eq!(split_stage("/"), ("", "/"));
    }
}
