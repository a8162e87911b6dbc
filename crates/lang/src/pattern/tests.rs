//! What AWS decided, and tables for what the vectors leave out.

use super::*;
use serde_json::json;

fn shared(file: &str) -> Option<Value> {
    let folder = std::env::var_os("ALOFT_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        std::path::PathBuf::from,
    );
    serde_json::from_str(&std::fs::read_to_string(folder.join("vectors").join(file)).ok()?).ok()
}

#[test]
fn decides_as_event_bridge_did() {
    let Some(Value::Array(records)) = shared("eventbridge-patterns.json") else {
        eprintln!("the shared vectors are absent: nothing is compared");
        return;
    };
    let mut differ = Vec::new();
    for record in &records {
        let name = record["name"].as_str().unwrap_or_default();
        let found = match Pattern::parse(&record["pattern"]) {
            Ok(pattern) => json!(pattern.matches(&record["event"])),
            Err(error) => {
                let expected = record["aws_error"][name].pointer("/exception_message/Error/Message");
                if expected != Some(&json!(error.to_string())) {
                    differ.push(format!("{name}: {expected:?}\n  found {error}"));
                }
                json!("error")
            }
        };
        if found != record["expect"] {
            differ
                .push(format!("{name}: expected {}, found {found}: {}", record["expect"], record["pattern"]));
        }
    }
    assert!(records.len() >= 155);
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), records.len(), differ.join("\n"));
}

#[test]
fn lists_and_branches() {
    let event = json!({
        "employees": [
            {"name": "Ann", "role": "dev", "skills": ["rust", "go"]},
            {"name": "Bob", "role": "ops", "skills": ["bash"]}
        ],
        "tags": ["x", "y"], "n": 5, "ip": "10.1.2.3", "text": "say *hi*"
    });
    for (pattern, expected) in [
        (json!({"employees": {"name": ["Ann"], "role": ["dev"]}}), true),
        (json!({"employees": {"name": ["Ann"], "role": ["ops"]}}), false),
        (json!({"employees": {"skills": ["bash"], "name": ["Bob"]}}), true),
        (json!({"employees": {"skills": ["bash"], "name": ["Ann"]}}), false),
        (json!({"tags": ["y"]}), true),
        (json!({"$or": [{"n": [6]}, {"tags": ["x"]}]}), true),
        (json!({"$or": [{"ip": ["no"]}, {"tags": ["z"]}], "n": [5]}), false),
        (json!({"n": [5], "$or": [{"tags": ["x"]}, {"$or": [{"a": [1]}, {"b": [2]}]}]}), true),
        (json!({"ip": [{"cidr": "10.0.0.0/8"}]}), true),
        (json!({"ip": [{"cidr": "10.1.2.3/32"}]}), true),
        (json!({"ip": [{"cidr": "0.0.0.0/0"}]}), true),
        (json!({"ip": [{"cidr": "::/0"}]}), false),
        (json!({"text": [{"wildcard": "say \\**\\*"}]}), true),
        (json!({"text": [{"wildcard": "*hi"}]}), false),
        (json!({"n": [{"numeric": [">=", 5, "<", 6]}]}), true),
        (json!({"missing": [{"exists": false}], "n": [{"exists": true}]}), true),
    ] {
        let compiled = Pattern::parse(&pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(compiled.matches(&event), expected, "{pattern}");
    }
}

#[test]
fn refuses() {
    let ten: Vec<Value> = (0..10).map(|at| json!({format!("f{at}"): [at]})).collect();
    let many = json!({"a": {"$or": ten}, "b": {"$or": ten}, "c": {"$or": ten}, "d": {"$or": ten}});
    let mut deep = json!(["x"]);
    for _ in 0..200 {
        deep = json!({"a": deep});
    }
    for (pattern, expected) in [
        (json!([]), "Filter is not an object"),
        (json!({}), "Empty objects are not allowed"),
        (json!({"a": [["x"]]}), "Match value must be String, number, true, false, or null"),
        (json!({"a": [{"exists": "yes"}]}), "exists match pattern must be either true or false."),
        (json!({"a": [{"prefix": "x", "suffix": "y"}]}), "Only one key allowed in match expression"),
        (json!({"$or": [{"a": [1]}]}), "There must have at least 2 Objects in $or relationship."),
        (json!({"$or": {"a": [1]}}), "It must be an Array followed with $or."),
        (
            json!({"$or": [{"prefix": ["a"]}, {"b": ["c"]}]}),
            "prefix is Ruler reserved fieldName which cannot be used inside $or.",
        ),
        (
            json!({"a": [{"wildcard": "a".repeat(5000)}]}),
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character",
        ),
        (json!({"a": [{"wildcard": "a\\b"}]}), "Invalid escape character at pos 2"),
        (many, "The pattern has more than 1000 combinations of $or branches"),
        (deep, "The pattern is nested too deeply"),
    ] {
        assert_eq!(Pattern::parse(&pattern).map(|_| ()).unwrap_err().reason, expected);
    }
    assert!(Pattern::parse_text("{").is_err());
}

#[test]
fn filter_policies() {
    let attributes = json!({
        "store": {"DataType": "String", "StringValue": "shop"},
        "price": {"DataType": "Number", "StringValue": "210.75"},
        "interests": {"DataType": "String.Array", "StringValue": "[\"soccer\", \"rugby\", 3, true]"},
        "raw": {"DataType": "Binary", "BinaryValue": "AA=="}
    });
    let attributes = attributes.as_object().cloned().unwrap_or_default();
    let body = json!({"store": "shop", "detail": {"price": 5}}).to_string();
    for (policy, scope, expected) in [
        (json!({}), Scope::MessageAttributes, true),
        (json!({"store": ["shop", "other"]}), Scope::MessageAttributes, true),
        (json!({"store": [{"anything-but": ["shop"]}]}), Scope::MessageAttributes, false),
        (
            json!({"price": [{"numeric": [">", 200]}], "store": [{"prefix": "sh"}]}),
            Scope::MessageAttributes,
            true,
        ),
        (json!({"price": ["210.75"]}), Scope::MessageAttributes, false),
        (json!({"interests": ["rugby"]}), Scope::MessageAttributes, true),
        (json!({"interests": [3]}), Scope::MessageAttributes, true),
        (json!({"absent": [{"exists": false}]}), Scope::MessageAttributes, true),
        (json!({"detail": {"price": [5]}}), Scope::MessageBody, true),
        (json!({"detail": {"price": [6]}}), Scope::MessageBody, false),
    ] {
        let compiled =
            FilterPolicy::parse(&policy, scope).unwrap_or_else(|error| panic!("{policy}: {error}"));
        assert_eq!(compiled.matches(&attributes, &body), expected, "{policy}");
    }
    let by_body = FilterPolicy::parse(&json!({"a": ["b"]}), Scope::MessageBody).unwrap();
    assert!(!by_body.matches(&attributes, "no JSON"));
    for (policy, expected) in [
        (
            json!({"a": {"b": ["c"]}}),
            "FilterPolicy: Filter policy scope MessageAttributes does not support nested filter policy",
        ),
        (
            json!({"a": [1], "b": [1], "c": [1], "d": [1], "e": [1], "f": [1]}),
            "FilterPolicy: Filter policy can not have more than 5 keys",
        ),
        (json!({"a": "b"}), "FilterPolicy: \"a\" must be an object or an array"),
    ] {
        let error = FilterPolicy::parse(&policy, Scope::MessageAttributes).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
