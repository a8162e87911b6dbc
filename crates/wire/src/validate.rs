//! Constraints of the model, checked on decoded input, in the words of the services.
//!
//! Which constraints a service enforces before its own code runs differs: those built on the common framework check all
//! of them and list every violation, S3, SQS, SNS and API Gateway only miss what is required.

use crate::error::ServiceError;
use crate::message::Input;
use crate::model::{Constraints, Kind, Member, Model, Protocol, Structure};
use crate::server::is_raw;
use serde_json::Value;

/// Services whose framework checks every constraint.
const STRICT: &[&str] = &[
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "dynamodbstreams",
    "ecr",
    "events",
    "iam",
    "kinesis",
    "lambda",
    "logs",
    "rekognition",
    "scheduler",
    "secretsmanager",
    "ssm",
    "sts",
];

/// As many violations as one message lists.
const MAX_VIOLATIONS: usize = 10;

/// Checks an operation's input.
pub(crate) fn input(
    model: &Model,
    member: &Member,
    input: &Input,
    protocol: Protocol,
) -> Result<(), ServiceError> {
    let mut checker =
        Checker { model, strict: STRICT.contains(&model.name()), missing: None, violations: Vec::new() };
    checker.members(model.structure(member), &input.params, "", input.body.is_some());
    if let (false, Some(name)) = (checker.strict, &checker.missing) {
        return Err(missing(model, name));
    }
    let count = checker.violations.len();
    if count == 0 {
        return Ok(());
    }
    let code = match protocol {
        Protocol::Query | Protocol::Ec2Query => "ValidationError",
        _ => "ValidationException",
    };
    let noun = if count == 1 { "error" } else { "errors" };
    let list = checker.violations.join("; ");
    Err(ServiceError::new(code, 400, format!("{count} validation {noun} detected: {list}")))
}

/// What a service without the common framework says of a member that is not there.
fn missing(model: &Model, name: &str) -> ServiceError {
    let last = name.rsplit('.').next().unwrap_or(name);
    match model.name() {
        "sqs" => ServiceError::new(
            "MissingParameter",
            400,
            format!("The request must contain the parameter {last}."),
        ),
        "sns" => ServiceError::new(
            "InvalidParameter",
            400,
            format!("Invalid parameter: {last} Reason: no value for required parameter"),
        ),
        "s3" if !name.contains('.') => ServiceError::new(
            "InvalidRequest",
            400,
            format!("Missing required parameter for this request: {last}"),
        ),
        "s3" => ServiceError::new(
            "MalformedXML",
            400,
            "The XML you provided was not well-formed or did not validate against our published schema",
        ),
        "apigateway" | "apigatewayv2" => ServiceError::new(
            "BadRequestException",
            400,
            format!("Invalid request input: {last} is required"),
        ),
        _ => ServiceError::validation(format!("The request must contain the parameter {last}.")),
    }
}

struct Checker<'m> {
    model: &'m Model,
    strict: bool,
    /// The first required member that is not there.
    missing: Option<String>,
    violations: Vec<String>,
}

impl Checker<'_> {
    fn members(&mut self, structure: &Structure, params: &Value, path: &str, has_body: bool) {
        for member in &structure.members {
            let name = || {
                format!(
                    "{path}{}",
                    if self.strict { lower_first(&member.name) } else { member.name.to_string() }
                )
            };
            match params.get(&*member.name).filter(|value| !value.is_null()) {
                Some(value) => {
                    let name = name();
                    self.value(member, value, &name);
                }
                None if !member.required || has_body && is_raw(self.model, member) => {}
                None => {
                    let name = name();
                    self.violate("null", &name, "Member must not be null");
                    self.missing.get_or_insert(name);
                }
            }
        }
    }

    fn value(&mut self, member: &Member, value: &Value, path: &str) {
        if self.violations.len() >= MAX_VIOLATIONS {
            return;
        }
        let shape = self.model.shape(member);
        if let Some(constraints) = shape.constraints.as_deref().filter(|_| self.strict) {
            self.constraints(constraints, &shape.kind, value, path);
        }
        match (&shape.kind, value) {
            (Kind::Structure(structure), Value::Object(_)) => {
                self.members(structure, value, &format!("{path}."), false)
            }
            (Kind::List(element), Value::Array(values)) => {
                for (number, value) in (1..).zip(values) {
                    self.value(element, value, &format!("{path}.{number}.member"));
                }
            }
            (Kind::Map(entry), Value::Object(map)) => {
                for (key, value) in map {
                    self.value(&entry.0, &key.as_str().into(), &format!("{path}.{key}.key"));
                    self.value(&entry.1, value, &format!("{path}.{key}.member"));
                }
            }
            _ => {}
        }
    }

    fn constraints(&mut self, constraints: &Constraints, kind: &Kind, value: &Value, path: &str) {
        let Constraints { min, max, pattern, values, .. } = constraints;
        let (size, what) = match (kind, value) {
            (Kind::String, Value::String(text)) => (text.chars().count() as f64, "length"),
            (Kind::Blob, Value::String(text)) => (decoded_length(text) as f64, "length"),
            (Kind::List(_), Value::Array(values)) => (values.len() as f64, "length"),
            (Kind::Map(_), Value::Object(map)) => (map.len() as f64, "length"),
            (Kind::Integer | Kind::Float, Value::Number(number)) => {
                (number.as_f64().unwrap_or_default(), "value")
            }
            _ => return,
        };
        let shown = || match value {
            Value::String(text) => format!("'{text}'"),
            other => format!("'{}'", compact(other)),
        };
        if let Value::String(text) = value
            && !values.is_empty()
            && !values.iter().any(|allowed| **allowed == **text)
        {
            let mut values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
            if self.model.name().starts_with("dynamodb") {
                values.sort_unstable();
            }
            self.violate(
                &shown(),
                path,
                &format!("Member must satisfy enum value set: [{}]", values.join(", ")),
            );
        }
        if let (Some(pattern), Value::String(text)) = (pattern, value)
            && !matches(constraints, pattern, text)
        {
            self.violate(
                &shown(),
                path,
                &format!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
        if let Some(min) = min.filter(|min| size < *min) {
            self.violate(&shown(), path, &format!("Member must have {what} greater than or equal to {min}"));
        }
        if let Some(max) = max.filter(|max| size > *max) {
            self.violate(&shown(), path, &format!("Member must have {what} less than or equal to {max}"));
        }
    }

    fn violate(&mut self, value: &str, path: &str, constraint: &str) {
        if self.violations.len() < MAX_VIOLATIONS {
            let value = if value == "null" { "null" } else { value };
            self.violations
                .push(format!("Value {value} at '{path}' failed to satisfy constraint: {constraint}"));
        }
    }
}

/// Whether the whole text matches. A pattern that the engine cannot compile, such as one with a look-ahead, lets all pass.
fn matches(constraints: &Constraints, pattern: &str, text: &str) -> bool {
    let compiled = constraints.compiled.get_or_init(|| {
        let anchored = format!("^(?:{})$", ascii_classes(pattern));
        regex::RegexBuilder::new(&anchored).size_limit(1 << 20).dfa_size_limit(1 << 18).build().ok()
    });
    compiled.as_ref().is_none_or(|compiled| compiled.is_match(text))
}

/// Java's `\w` and `\d` are ASCII, the engine's are not.
fn ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match (c, characters.as_str().chars().next()) {
            ('\\', Some('w')) => out.push_str("[0-9A-Za-z_]"),
            ('\\', Some('d')) => out.push_str("[0-9]"),
            ('\\', Some(escaped)) => out.extend([c, escaped]),
            _ => {
                out.push(c);
                continue;
            }
        }
        characters.next();
    }
    out
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

fn decoded_length(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

/// Lists and maps as Java prints them.
fn compact(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => format!("[{}]", values.iter().map(compact).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}={}", compact(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, match_operation, model, parse_request};
    use serde_json::json;

    #[test]
    fn the_services_own_words() {
        let check = |service: &str, target: &str, body: Value, code: &str, message: &str| {
            let model = model(service).expect("a model");
            let mut request = Request { method: http::Method::POST, path: "/".into(), ..Request::default() };
            let target = format!("{}.{target}", model.target_prefix().unwrap_or_default());
            request.headers.insert("x-amz-target", target.parse().expect("a header"));
            request.body = body.to_string().into();
            let (protocol, operation) = match_operation(model, &request).expect("an operation");
            let error = parse_request(model, operation, protocol, &request).expect_err("a violation");
            assert_eq!((error.code.as_str(), error.message.as_str()), (code, message));
        };
        check(
            "dynamodb",
            "GetItem",
            json!({ "Key": {} }),
            "ValidationException",
            "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
        );
        check(
            "dynamodb",
            "GetItem",
            json!({ "TableName": 5 }),
            "SerializationException",
            "NUMBER_VALUE cannot be converted to String",
        );
        check(
            "dynamodb",
            "CreateTable",
            json!({ "TableName": "abc", "KeySchema": [{ "AttributeName": "a", "KeyType": "HASH" }],
                "AttributeDefinitions": [{ "AttributeName": "a", "AttributeType": "X" }] }),
            "ValidationException",
            "1 validation error detected: Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy \
             constraint: Member must satisfy enum value set: [B, N, S]",
        );
        check(
            "logs",
            "CreateLogGroup",
            json!({ "logGroupName": "a b" }),
            "ValidationException",
            "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
        );
        check(
            "sqs",
            "CreateQueue",
            json!({}),
            "MissingParameter",
            "The request must contain the parameter QueueName.",
        );
    }
}
