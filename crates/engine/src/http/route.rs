//! Which service a request is for. All share one port, so the request itself must tell: its path, its host, the scope of
//! its signature, its target header, its action.

use super::{Head, HttpRequest};
use crate::{Engine, Service};
use aloft_wire::Model;
use std::sync::Arc;

/// Where a request goes.
pub(super) enum Route {
    /// The cloud's own pages.
    Admin,
    /// A service's own front door.
    FrontDoor(Arc<dyn Service>),
    /// An operation of the API of this model.
    Operation(&'static Model),
    /// An API that the cloud does not have, by the name that it is signed for or addressed with.
    Unknown(String),
}

pub(super) fn of(engine: &Engine, request: &HttpRequest) -> Route {
    let head = &request.head;
    if let Some(service) = engine.services().iter().find(|service| service.accepts(head)) {
        return Route::FrontDoor(service.clone());
    }
    if head.path.starts_with("/_aloft/") || head.path.starts_with("/_localstack/") {
        return Route::Admin;
    }
    if let Some(api) = unknown(head) {
        return Route::Unknown(api);
    }
    let name = by_signature(head)
        .or_else(|| by_target(head))
        .or_else(|| by_action(request))
        .or_else(|| by_host(&head.host))
        .or_else(|| by_path(&head.path))
        .unwrap_or("s3");
    Route::Operation(
        aloft_wire::model(name).or_else(|| aloft_wire::model("s3")).expect("the S3 model is embedded"),
    )
}

/// The models by the names that services sign with. Two services that share one are told apart by path or target.
const SIGNING_NAMES: &[(&str, &str)] = &[
    ("cloudformation", "cloudformation"),
    ("dynamodb", "dynamodb"),
    ("ecr", "ecr"),
    ("events", "events"),
    ("iam", "iam"),
    ("kinesis", "kinesis"),
    ("lambda", "lambda"),
    ("logs", "logs"),
    ("monitoring", "cloudwatch"),
    ("rekognition", "rekognition"),
    ("s3", "s3"),
    ("scheduler", "scheduler"),
    ("secretsmanager", "secretsmanager"),
    ("sns", "sns"),
    ("sqs", "sqs"),
    ("ssm", "ssm"),
    ("sts", "sts"),
];

/// The API that a request names, when it is none of ours.
fn unknown(head: &Head) -> Option<String> {
    match (signed_for(head), head.header("x-amz-target")) {
        (Some(_), _) if by_signature(head).is_some() => None,
        (Some(name), _) => Some(name),
        (None, Some(target)) if by_target(head).is_none() => target.split('.').next().map(str::to_owned),
        _ => None,
    }
}

fn by_signature(head: &Head) -> Option<&'static str> {
    match signed_for(head)?.as_str() {
        "apigateway" => Some(if head.path.starts_with("/v2/") { "apigatewayv2" } else { "apigateway" }),
        "dynamodb" => Some(by_target(head).unwrap_or("dynamodb")),
        name => SIGNING_NAMES.iter().find(|(signing, _)| *signing == name).map(|(_, model)| *model),
    }
}

/// The name that a request is signed for, in its headers or its address.
fn signed_for(head: &Head) -> Option<String> {
    let header = head
        .header("authorization")
        .and_then(|value| value.split_once("Credential="))
        .map(|(_, rest)| rest.to_owned());
    let credential = header.or_else(|| {
        let (_, rest) = head.query.split_once("X-Amz-Credential=")?;
        let value = rest.split('&').next()?;
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
    })?;
    // AKID/20261123/us-east-1/sqs/aws4_request
    credential.split(',').next()?.rsplit('/').nth(1).map(str::to_owned)
}

/// `X-Amz-Target: AmazonSQS.SendMessage`
fn by_target(head: &Head) -> Option<&'static str> {
    let (prefix, _) = head.header("x-amz-target")?.split_once('.')?;
    Some(match prefix {
        "AmazonEC2ContainerRegistry_V20150921" => "ecr",
        "AmazonSQS" => "sqs",
        "AmazonSSM" => "ssm",
        "RekognitionService" => "rekognition",
        "AWSEvents" => "events",
        "secretsmanager" => "secretsmanager",
        _ if prefix.starts_with("DynamoDBStreams") => "dynamodbstreams",
        _ if prefix.starts_with("DynamoDB") => "dynamodb",
        _ if prefix.starts_with("Logs") => "logs",
        _ if prefix.starts_with("Kinesis") => "kinesis",
        _ if prefix.starts_with("GraniteServiceVersion") => "cloudwatch",
        _ => return None,
    })
}

/// The query protocol without a signature: the version of the API tells the service.
fn by_action(request: &HttpRequest) -> Option<&'static str> {
    let form = std::str::from_utf8(&request.body).unwrap_or_default();
    let text = if request.head.query.contains("Action=") { request.head.query.as_str() } else { form };
    if !text.contains("Action=") {
        return None;
    }
    let version = text.split('&').find_map(|pair| pair.strip_prefix("Version="))?;
    Some(match version {
        "2010-05-08" => "iam",
        "2010-05-15" => "cloudformation",
        "2010-03-31" => "sns",
        "2010-08-01" => "cloudwatch",
        "2011-06-15" => "sts",
        "2012-11-05" => "sqs",
        _ => return None,
    })
}

/// `sqs.us-east-1.amazonaws.com`, or `sqs.localhost`
fn by_host(host: &str) -> Option<&'static str> {
    let first = host.split('.').next()?;
    SIGNING_NAMES.iter().find(|(signing, _)| *signing == first && host.contains('.')).map(|(_, model)| *model)
}

/// Paths that only one REST API has, for unsigned requests.
fn by_path(path: &str) -> Option<&'static str> {
    let is_date =
        |segment: &str| segment.len() == 10 && segment.starts_with("20") && segment.as_bytes()[4] == b'-';
    match path.split('/').nth(1)? {
        segment if is_date(segment) && path.contains("/functions") => Some("lambda"),
        "restapis" | "apikeys" | "usageplans" => Some("apigateway"),
        "v2" if path.starts_with("/v2/apis") => Some("apigatewayv2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(path: &str, headers: &[(&str, &str)]) -> Head {
        let mut map = http::HeaderMap::new();
        for (name, value) in headers {
            map.insert(
                http::HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                value.parse().expect("a value"),
            );
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Head {
            method: http::Method::POST,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: map,
            host: "localhost".to_owned(),
            remote: ([127, 0, 0, 1], 1).into(),
        }
    }

    #[test]
    fn the_request_tells_its_service() {
        let signed = |service: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=AK/20261123/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
            )
        };
        for (path, header, value, expected) in [
            ("/", "authorization", signed("sqs"), Some("sqs")),
            ("/", "authorization", signed("monitoring"), Some("cloudwatch")),
            ("/v2/apis", "authorization", signed("apigateway"), Some("apigatewayv2")),
            ("/restapis", "authorization", signed("apigateway"), Some("apigateway")),
            (
                "/b/k?X-Amz-Credential=AK%2F20261123%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=1",
                "x-none",
                String::new(),
                Some("s3"),
            ),
            ("/", "x-amz-target", "DynamoDB_20120810.GetItem".to_owned(), None),
        ] {
            assert_eq!(by_signature(&head(path, &[(header, &value)])), expected, "{path} {value}");
        }
        assert_eq!(
            by_target(&head("/", &[("x-amz-target", "DynamoDBStreams_20120810.GetRecords")])),
            Some("dynamodbstreams")
        );
        for (header, value, expected) in [
            ("authorization", signed("quantum"), Some("quantum")),
            ("authorization", signed("sqs"), None),
            ("x-amz-target", "Braket.GetDevice".to_owned(), Some("Braket")),
            ("x-amz-target", "AmazonSQS.SendMessage".to_owned(), None),
            ("x-none", String::new(), None),
        ] {
            assert_eq!(unknown(&head("/", &[(header, &value)])).as_deref(), expected, "{value}");
        }
        assert_eq!(by_path("/2015-03-31/functions/f/invocations"), Some("lambda"));
        assert_eq!(by_path("/bucket/key"), None);
        assert_eq!(by_host("sns.eu-west-1.amazonaws.com"), Some("sns"));
    }
}
