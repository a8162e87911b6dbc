//! Which properties of which resource cannot be changed without another resource taking its place.
//!
//! The table is `replacement.json`, a type a line: `replace` always does, `maybe` depends on the values. Made from what AWS's
//! resource type schemas say about properties that can only be given on creation, and their documentation.

use serde_json::Value;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What changing a property does to its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The resource stays.
    InPlace,
    /// Another may take its place.
    MayReplace,
    /// Another takes its place.
    Replaces,
}

impl Effect {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::InPlace => "in place",
            Self::MayReplace => "may replace",
            Self::Replaces => "replaces",
        }
    }
}

static TABLE: LazyLock<HashMap<String, HashMap<String, Vec<String>>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("replacement.json")).unwrap_or_default());

fn patterns(kind: &str, effect: &str) -> Option<impl Iterator<Item = &'static str>> {
    let entry = TABLE.get(kind)?;
    Some(entry.get(effect).into_iter().flatten().map(String::as_str))
}

/// What changing the property at a path does. Nobody knows for types that are not in the table.
pub fn effect(kind: &str, path: &[String]) -> Effect {
    let matches = |effect| patterns(kind, effect).map(|mut patterns| patterns.any(|one| covers(one, path)));
    match (matches("replace"), matches("maybe")) {
        (None, _) | (_, None) => Effect::MayReplace,
        (Some(true), _) => Effect::Replaces,
        (_, Some(true)) => Effect::MayReplace,
        _ => Effect::InPlace,
    }
}

/// Whether the pattern names the path, or something above it, or something below it that may have changed with it.
fn covers(pattern: &str, path: &[String]) -> bool {
    let steps: Vec<&str> = pattern.split('.').collect();
    let fits = |(step, name): (&&str, &String)| *step == name || (*step == "*" && name.starts_with('['));
    // An item that is added or removed as a whole is no change of an item.
    let is_deep_enough = path.len() >= steps.len() || !steps.contains(&"*");
    is_deep_enough && steps.iter().zip(path).all(fits)
}

/// The property that names a resource of this type, if changing it replaces the resource.
pub fn name_property(kind: &str) -> Option<&'static str> {
    let last = kind.rsplit("::").next()?;
    let is_name = |property: &str| {
        property == "Name" || property.strip_suffix("Name").is_some_and(|start| last.ends_with(start))
    };
    patterns(kind, "replace")?.find(|property| is_name(property))
}

/// The value at a path of names, if it is there.
pub fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, path: &str, expected: Effect) {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        assert_eq!(effect(kind, &path), expected, "{kind} {path:?}");
    }

    #[test]
    fn the_table_says_what_replaces() {
        assert!(TABLE.len() > 500, "the table is JSON");
        for (kind, path, expected) in [
            ("AWS::Lambda::Function", "FunctionName", Effect::Replaces),
            ("AWS::Lambda::Function", "Timeout", Effect::InPlace),
            ("AWS::Lambda::Function", "Environment/Variables/A", Effect::InPlace),
            ("AWS::DynamoDB::Table", "KeySchema/[id]/KeyType", Effect::Replaces),
            ("AWS::DynamoDB::Table", "AttributeDefinitions/[id]/AttributeType", Effect::MayReplace),
            ("AWS::DynamoDB::Table", "AttributeDefinitions/[id]", Effect::InPlace),
            ("AWS::S3::Bucket", "BucketEncryption", Effect::InPlace),
            ("AWS::Route53::HealthCheck", "HealthCheckConfig/Type", Effect::Replaces),
            ("AWS::Route53::HealthCheck", "HealthCheckConfig/Port", Effect::InPlace),
            ("AWS::Route53::HealthCheck", "HealthCheckConfig", Effect::Replaces),
            ("AWS::ApiGateway::Method", "HttpMethod", Effect::Replaces),
            ("Custom::Thing", "Anything", Effect::MayReplace),
        ] {
            check(kind, path, expected);
        }
    }

    #[test]
    fn names_of_resources() {
        for (kind, expected) in [
            ("AWS::DynamoDB::Table", Some("TableName")),
            ("AWS::SQS::Queue", Some("QueueName")),
            ("AWS::Events::Rule", Some("Name")),
            ("AWS::Lambda::Permission", None),
            ("AWS::Lambda::LayerVersion", None),
            ("Custom::Thing", None),
        ] {
            assert_eq!(name_property(kind), expected, "{kind}");
        }
    }
}
