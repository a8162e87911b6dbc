//! URI templates: which operation a method and a path mean, and the path of an operation.
//!
//! Keeps true: of all operations that match, the most specific is chosen, and the choice does not depend on the order of
//! the model, but for ties between current operations, which go to the first by name.

use crate::error::ServiceError;
use crate::message::Request;
use crate::model::{Location, Model, Operation};
use crate::text;

/// The template of an operation's path and query, such as `/{Bucket}/{Key+}?uploads`.
#[derive(Debug)]
pub(crate) struct UriTemplate {
    segments: Vec<Segment>,
    /// Constants of the query string.
    pub query: Vec<(Box<str>, Option<Box<str>>)>,
    trailing_slash: bool,
}

#[derive(Debug)]
enum Segment {
    Literal(Box<str>),
    Label(Box<str>),
    /// Matches one segment or more, slashes included.
    Greedy(Box<str>),
}

impl UriTemplate {
    pub fn parse(template: &str) -> Self {
        let (path, query) = template.split_once('?').unwrap_or((template, ""));
        let path = path.strip_prefix('/').unwrap_or(path);
        let trailing_slash = path.ends_with('/');
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| {
            match segment.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
                Some(label) => match label.strip_suffix('+') {
                    Some(greedy) => Segment::Greedy(greedy.into()),
                    None => Segment::Label(label.into()),
                },
                None => Segment::Literal(segment.into()),
            }
        });
        let constants = query.split('&').filter(|constant| !constant.is_empty());
        let query = constants.map(|constant| match constant.split_once('=') {
            Some((name, value)) => (name.into(), Some(value.into())),
            None => (constant.into(), None),
        });
        Self { segments: segments.collect(), query: query.collect(), trailing_slash }
    }

    /// The raw values of the labels, by name, when the path matches. A trailing slash counts only in a greedy label.
    pub fn labels<'t>(&'t self, path: &'t str) -> Option<Vec<(&'t str, &'t str)>> {
        let mut rest = Some(path.strip_prefix('/').unwrap_or(path)).filter(|rest| !rest.is_empty());
        let mut labels = Vec::new();
        for (at, segment) in self.segments.iter().enumerate() {
            let text = rest?;
            if let Segment::Greedy(name) = segment {
                let following = &self.segments[at + 1..];
                let (value, tail) = split_tail(text, following.len())?;
                if value.is_empty() {
                    return None;
                }
                labels.push((name.as_ref(), value));
                rest = tail;
                continue;
            }
            let (head, tail) = text.split_once('/').map_or((text, None), |(head, tail)| (head, Some(tail)));
            match segment {
                Segment::Literal(literal) if literal.as_ref() != head => return None,
                Segment::Label(_) if head.is_empty() => return None,
                Segment::Label(name) => labels.push((name.as_ref(), head)),
                _ => {}
            }
            rest = tail;
        }
        rest.is_none_or(str::is_empty).then_some(labels)
    }

    /// Fills the labels in.
    ///
    /// # Errors
    /// With the label's name when it has no value.
    pub fn path(&self, value: impl Fn(&str) -> Option<String>) -> Result<String, &str> {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Literal(literal) => path.push_str(literal),
                Segment::Label(name) | Segment::Greedy(name) => {
                    let value = value(name).filter(|value| !value.is_empty()).ok_or(name.as_ref())?;
                    path.push_str(&text::encode(&value, matches!(segment, Segment::Greedy(_))));
                }
            }
        }
        if path.is_empty() || self.trailing_slash {
            path.push('/');
        }
        Ok(path)
    }

    fn count(&self, wanted: impl Fn(&Segment) -> bool) -> usize {
        self.segments.iter().filter(|segment| wanted(segment)).count()
    }
}

/// Splits the last `count` segments off.
fn split_tail(text: &str, count: usize) -> Option<(&str, Option<&str>)> {
    if count == 0 {
        return Some((text, None));
    }
    let (at, _) = text.rmatch_indices('/').nth(count - 1)?;
    Some((&text[..at], Some(&text[at + 1..])))
}

/// The operation that a REST request asks for.
pub(crate) fn find<'m>(model: &'m Model, request: &Request) -> Result<&'m Operation, ServiceError> {
    let query = text::form(&request.query);
    let mut best: Option<(Rank, &Operation)> = None;
    let mut path_is_known = false;
    for operation in &model.operations {
        if operation.uri.labels(&request.path).is_none() {
            continue;
        }
        path_is_known = true;
        if operation.method != request.method {
            continue;
        }
        let Some(rank) = rank(model, operation, request, &query) else { continue };
        if best.as_ref().is_none_or(|(other, _)| rank > *other) {
            best = Some((rank, operation));
        }
    }
    best.map(|(_, operation)| operation).ok_or_else(|| no_operation(model, request, path_is_known))
}

/// Compared from the first element on: literal segments, plain labels, constants of the query, whether all that is
/// required outside the body is there, how much of that there is, and whether the operation is current.
type Rank = (usize, usize, usize, bool, usize, bool);

fn rank(model: &Model, operation: &Operation, request: &Request, query: &[(String, String)]) -> Option<Rank> {
    let uri = &operation.uri;
    let has = |name: &str| query.iter().any(|(key, _)| key == name);
    let agrees = |(name, value): &(Box<str>, Option<Box<str>>)| match value {
        None => has(name),
        Some(value) => query.iter().any(|(key, given)| **key == **name && **given == **value),
    };
    if !uri.query.iter().all(agrees) {
        return None;
    }
    let (mut required, mut present) = (0, 0);
    for member in operation.input.iter().flat_map(|input| &model.structure(input).members) {
        let there = match member.location {
            Location::QueryString => has(member.wire_name()),
            Location::Header => request.headers.contains_key(member.wire_name()),
            _ => continue,
        };
        if member.required {
            required += 1;
            present += usize::from(there);
        }
    }
    Some((
        uri.count(|segment| matches!(segment, Segment::Literal(_))),
        uri.count(|segment| matches!(segment, Segment::Label(_))),
        uri.query.len(),
        required == present,
        present,
        !operation.deprecated,
    ))
}

fn no_operation(model: &Model, request: &Request, path_is_known: bool) -> ServiceError {
    match model.name() {
        "s3" => ServiceError::new(
            "MethodNotAllowed",
            405,
            "The specified method is not allowed against this resource.",
        ),
        "apigateway" | "apigatewayv2" => {
            ServiceError::new("MissingAuthenticationTokenException", 403, "Missing Authentication Token")
        }
        _ if path_is_known => ServiceError::new(
            "MethodNotAllowedException",
            405,
            format!("the resource does not support {}", request.method),
        ),
        _ => ServiceError::new("UnknownOperationException", 404, "no operation has this path"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    #[test]
    fn greedy_labels_keep_their_slashes() {
        let template = UriTemplate::parse("/{Bucket}/{Key+}");
        assert_eq!(template.labels("/b/a//c/"), Some(vec![("Bucket", "b"), ("Key", "a//c/")]));
        assert_eq!(template.labels("/b/"), None);
        let middle = UriTemplate::parse("/x/{a+}/y");
        assert_eq!(middle.labels("/x/1/2/y"), Some(vec![("a", "1/2")]));
        assert_eq!(middle.labels("/x/y"), None);
    }

    #[test]
    fn the_most_specific_operation_wins() {
        let check = |service: &str, method: &str, target: &str, header: Option<&str>, expected: &str| {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let mut request = Request {
                method: method.parse().expect("a method"),
                path: path.into(),
                query: query.into(),
                ..Request::default()
            };
            if let Some(name) = header {
                let name: http::HeaderName = name.parse().expect("a header");
                request.headers.insert(name, "x".parse().expect("a value"));
            }
            let model = model(service).expect("a model");
            let found =
                find(model, &request).map_or_else(|error| error.code, |found| found.name().to_owned());
            assert_eq!(found, expected, "{method} {target}");
        };
        check("s3", "GET", "/", None, "ListBuckets");
        check("s3", "GET", "/b", None, "ListObjects");
        check("s3", "GET", "/b/?list-type=2&prefix=a", None, "ListObjectsV2");
        check("s3", "GET", "/b?notification", None, "GetBucketNotificationConfiguration");
        check("s3", "GET", "/b?analytics", None, "ListBucketAnalyticsConfigurations");
        check("s3", "GET", "/b?analytics&id=1", None, "GetBucketAnalyticsConfiguration");
        check("s3", "PUT", "/b/k/l", None, "PutObject");
        check("s3", "PUT", "/b/k", Some("x-amz-copy-source"), "CopyObject");
        check("s3", "PUT", "/b/k?partNumber=1&uploadId=u", None, "UploadPart");
        check("s3", "PUT", "/b/k?partNumber=1&uploadId=u", Some("x-amz-copy-source"), "UploadPartCopy");
        check("s3", "GET", "/b/k?uploadId=u", None, "ListParts");
        check("s3", "GET", "/b/k?x-id=GetObject", None, "GetObject");
        check("s3", "POST", "/b/k?uploads", None, "CreateMultipartUpload");
        check("s3", "POST", "/b/k?uploadId=u", None, "CompleteMultipartUpload");
        check("s3", "PATCH", "/b/k", None, "MethodNotAllowed");
        check("lambda", "POST", "/2015-03-31/functions/f/invocations", None, "Invoke");
        check("lambda", "GET", "/2015-03-31/functions/", None, "ListFunctions");
        check("lambda", "POST", "/2015-03-31/functions", None, "CreateFunction");
        check("apigateway", "PUT", "/restapis/a/resources/b/methods/GET/integration", None, "PutIntegration");
        check("apigateway", "GET", "/nothing", None, "MissingAuthenticationTokenException");
    }
}
