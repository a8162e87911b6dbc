//! Tables of statements and requests.

use super::*;
use serde_json::json;

const ROLE: &str = "arn:aws:iam::111122223333:role/worker";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/worker/one";

fn context() -> Map<String, Value> {
    let context = json!({
        "aws:username": "ann", "aws:SourceIp": "203.0.113.7", "aws:CurrentTime": "2026-11-23T10:00:00Z",
        "aws:SecureTransport": true, "s3:max-keys": 10, "aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:topic",
        "aws:TagKeys": ["team", "cost"], "dynamodb:LeadingKeys": ["ann"], "empty:list": [], "odd": "a*c"
    });
    context.as_object().cloned().unwrap_or_default()
}

fn decide(policies: &[Value], principal: &Principal, action: &str, resource: &str) -> Decision {
    let parse = |policy| Policy::parse(policy).unwrap_or_else(|error| panic!("{policy}: {error}"));
    let policies: Vec<Policy> = policies.iter().map(parse).collect();
    evaluate(&policies, &Request { principal, action, resource, context: &context() })
}

fn worker() -> Principal {
    Principal::account_member("111122223333", [SESSION.to_owned(), ROLE.to_owned()])
}

fn policy(statement: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statement})
}

#[test]
fn actions_and_resources() {
    let object = "arn:aws:s3:::bucket/home/ann/file.txt";
    for (statement, expected) in [
        (json!({"Action": "s3:GetObject", "Resource": "*"}), true),
        (json!({"Action": "S3:getobject", "Resource": "*"}), true),
        (json!({"Action": ["s3:Put*", "s3:Get*"], "Resource": "arn:aws:s3:::bucket/*"}), true),
        (json!({"Action": "s3:G?tObject", "Resource": "arn:aws:s3:::bucket/home/${aws:username}/*"}), true),
        (json!({"Action": "*", "Resource": "arn:aws:s3:::Bucket/*"}), false),
        (json!({"Action": "s3:PutObject", "Resource": "*"}), false),
        (json!({"NotAction": "s3:PutObject", "Resource": "*"}), true),
        (json!({"NotAction": "s3:*", "Resource": "*"}), false),
        (json!({"Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}), true),
        (json!({"Action": "s3:*", "NotResource": "arn:aws:s3:::bucket/*"}), false),
        (json!({"Action": "s3:*", "Resource": "arn:aws:s3:::bucket/${aws:missing}/*"}), false),
        (json!({"Action": "s3:*", "Resource": "arn:aws:s3:::bucket/${aws:missing, 'home'}/*"}), true),
        (json!({"Action": "s3:*", "Resource": "arn:aws:*:bucket/*"}), true),
        (json!({"Action": "s3:*", "Resource": "arn:aws:*:*:*:bucket/*"}), true),
        (json!({"Action": "s3:*", "Resource": "arn:*:s3:::other"}), false),
    ] {
        let mut statement = statement;
        statement["Effect"] = json!("Allow");
        let expected = if expected { Decision::Allow } else { Decision::ImplicitDeny };
        assert_eq!(
            decide(&[policy(statement.clone())], &worker(), "s3:GetObject", object),
            expected,
            "{statement}"
        );
    }
    let old = json!({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/home/${aws:username}/*"}});
    assert_eq!(decide(&[old], &worker(), "s3:GetObject", object), Decision::ImplicitDeny);
    let allow = policy(json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]));
    let deny = policy(json!([{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]));
    assert_eq!(decide(&[allow.clone(), deny], &worker(), "s3:GetObject", object), Decision::ExplicitDeny);
    assert_eq!(decide(&[allow], &worker(), "sqs:SendMessage", "*"), Decision::Allow);
    assert_eq!(decide(&[], &worker(), "s3:GetObject", object), Decision::ImplicitDeny);
}

#[test]
fn principals() {
    let service = Principal::service("sns.amazonaws.com");
    let nobody = Principal::anonymous();
    let member = worker();
    for (principal, element, expected) in [
        (&member, json!({"Principal": "*"}), true),
        (&nobody, json!({"Principal": "*"}), true),
        (&member, json!({"Principal": {"AWS": "111122223333"}}), true),
        (&member, json!({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}), true),
        (&member, json!({"Principal": {"AWS": "arn:aws:iam::999999999999:root"}}), false),
        (&member, json!({"Principal": {"AWS": ["x", ROLE]}}), true),
        (&member, json!({"Principal": {"AWS": SESSION}}), true),
        (&member, json!({"Principal": {"Service": "sns.amazonaws.com"}}), false),
        (&service, json!({"Principal": {"Service": ["sqs.amazonaws.com", "sns.amazonaws.com"]}}), true),
        (&service, json!({"Principal": {"AWS": "111122223333"}}), false),
        (&nobody, json!({"Principal": {"AWS": "arn:aws:iam:::root"}}), false),
        (&member, json!({"NotPrincipal": {"AWS": ROLE}}), false),
        (&service, json!({"NotPrincipal": {"AWS": ROLE}}), true),
    ] {
        let mut statement = element.clone();
        statement["Effect"] = json!("Allow");
        statement["Action"] = json!("sts:AssumeRole");
        let expected = if expected { Decision::Allow } else { Decision::ImplicitDeny };
        assert_eq!(decide(&[policy(statement)], principal, "sts:AssumeRole", ROLE), expected, "{element}");
    }
}

#[test]
fn conditions() {
    for (condition, expected) in [
        (json!({"StringEquals": {"aws:username": ["bob", "ann"]}}), true),
        (json!({"StringEquals": {"AWS:UserName": "ann"}}), true),
        (json!({"StringEquals": {"aws:username": "Ann"}}), false),
        (json!({"StringEqualsIgnoreCase": {"aws:username": "Ann"}}), true),
        (json!({"StringNotEquals": {"aws:username": ["bob", "ann"]}}), false),
        (json!({"StringNotEquals": {"missing": "x"}}), true),
        (json!({"StringEquals": {"missing": "x"}}), false),
        (json!({"StringEqualsIfExists": {"missing": "x"}}), true),
        (json!({"StringLike": {"aws:username": "a?n*"}}), true),
        (json!({"StringNotLike": {"aws:username": "a*"}}), false),
        (json!({"StringEquals": {"odd": "a*c"}}), true),
        (json!({"StringLike": {"odd": "a${*}c"}}), true),
        (json!({"StringLike": {"aws:username": "a${*}n"}}), false),
        (json!({"StringEquals": {"dynamodb:LeadingKeys": "${aws:username}"}}), true),
        (json!({"NumericLessThanEquals": {"s3:max-keys": "10"}}), true),
        (json!({"NumericGreaterThan": {"s3:max-keys": 10}}), false),
        (json!({"NumericNotEquals": {"s3:max-keys": 11}}), true),
        (json!({"DateGreaterThan": {"aws:CurrentTime": "2026-11-23"}}), true),
        (json!({"DateLessThan": {"aws:CurrentTime": "2026-11-23T10:00:00Z"}}), false),
        (json!({"DateEquals": {"aws:CurrentTime": "1795428000"}}), true),
        (json!({"Bool": {"aws:SecureTransport": "true"}}), true),
        (json!({"Bool": {"aws:SecureTransport": false}}), false),
        (json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "203.0.113.0/24"]}}), true),
        (json!({"IpAddress": {"aws:SourceIp": "203.0.113.7"}}), true),
        (json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}), true),
        (json!({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}), false),
        (json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:111122223333:top*"}}), true),
        (json!({"ArnEquals": {"aws:SourceArn": "arn:aws:sns:*:top*"}}), true),
        (json!({"ArnNotLike": {"aws:SourceArn": "arn:aws:sns:*:*:topic"}}), false),
        (json!({"Null": {"aws:username": "false", "missing": true}}), true),
        (json!({"Null": {"aws:username": "true"}}), false),
        (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "cost", "x"]}}), true),
        (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}), false),
        (json!({"ForAllValues:StringEquals": {"missing": ["team"]}}), true),
        (json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["cost"]}}), true),
        (json!({"ForAnyValue:StringEquals": {"empty:list": ["cost"]}}), false),
        (json!({"ForAnyValue:StringLike": {"missing": "*"}}), false),
        (json!({"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["cost"]}}), true),
        (json!({"StringEquals": {"aws:username": "ann"}, "Bool": {"aws:SecureTransport": "false"}}), false),
    ] {
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
        let expected = if expected { Decision::Allow } else { Decision::ImplicitDeny };
        assert_eq!(decide(&[policy(statement)], &worker(), "a:b", "*"), expected, "{condition}");
    }
}

#[test]
fn malformed() {
    let statement = |fields: Value| policy(fields);
    for (document, expected) in [
        (json!([]), "Syntax errors in policy."),
        (json!({"Version": "2012-10-17"}), "Syntax errors in policy."),
        (json!({"Version": "2020", "Statement": []}), "The policy must contain a valid version string"),
        (statement(json!({"Effect": "Maybe", "Action": "*", "Resource": "*"})), "Syntax errors in policy."),
        (statement(json!({"Effect": "Allow", "Resource": "*"})), "Policy statement must contain actions."),
        (statement(json!({"Effect": "Allow", "Action": "s3:*"})), "Policy statement must contain resources."),
        (
            statement(json!({"Effect": "Allow", "Action": "get", "Resource": "*"})),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            statement(json!({"Effect": "Allow", "Action": "s3:*", "Resource": "bucket"})),
            "Resource bucket must be in ARN format or \"*\".",
        ),
        (
            statement(
                json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringIs": {"a": "b"}}}),
            ),
            "Syntax errors in policy.",
        ),
        (
            statement(json!([
                {"Sid": "a", "Effect": "Allow", "Action": "*", "Resource": "*"},
                {"Sid": "a", "Effect": "Allow", "Action": "*", "Resource": "*"}
            ])),
            "Statement IDs (SID) in a single policy must be unique.",
        ),
    ] {
        assert_eq!(Policy::parse(&document).map(|_| ()).unwrap_err().message, expected, "{document}");
    }
    assert!(Policy::parse_text("{").is_err());
}
