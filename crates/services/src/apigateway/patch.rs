//! Patch operations: how `Update...` operations say what changes.
//!
//! Source: "Patch operations" in the API Gateway API reference.

use super::errors::bad_request;
use crate::gateway::Document;
use crate::gateway::documents::text;
use crate::storage::Outcome;
use serde_json::{Map, Value};

/// The member of an update's input that CloudFormation sends in place of patches: members to lay over the document.
pub(super) const MEMBERS: &str = "$members";

/// Members that are truths, numbers and lists.
const TRUTHS: &[&str] = &[
    "apiKeyRequired",
    "cacheClusterEnabled",
    "cacheDataEncrypted",
    "cachingEnabled",
    "dataTraceEnabled",
    "disableExecuteApiEndpoint",
    "enabled",
    "insecureSkipVerification",
    "metricsEnabled",
    "requireAuthorizationForCacheControl",
    "tracingEnabled",
    "validateRequestBody",
    "validateRequestParameters",
];
const NUMBERS: &[&str] = &[
    "authorizerResultTtlInSeconds",
    "burstLimit",
    "cacheTtlInSeconds",
    "limit",
    "minimumCompressionSize",
    "offset",
    "rateLimit",
    "throttlingBurstLimit",
    "throttlingRateLimit",
    "timeoutInMillis",
];
const LISTS: &[&str] = &[
    "authorizationScopes",
    "binaryMediaTypes",
    "cacheKeyParameters",
    "providerARNs",
    "types",
    "vpcEndpointIds",
];

/// Applies the patches of an input, or the members that it brings, to a document. `allowed` are the members that may change.
pub(super) fn apply(document: &mut Document, input: &Document, allowed: &[&str]) -> Outcome<()> {
    if let Some(Value::Object(members)) = input.get(MEMBERS) {
        for (name, value) in members {
            if value.is_null() {
                document.shift_remove(name);
            } else {
                document.insert(name.clone(), value.clone());
            }
        }
    }
    let operations = input.get("patchOperations").and_then(Value::as_array);
    for operation in operations.into_iter().flatten().filter_map(Value::as_object) {
        one(document, operation, allowed)?;
    }
    Ok(())
}

/// The segments of a path: `/variables/a~1b` is `variables` and `a/b`.
pub(super) fn segments(path: &str) -> Vec<String> {
    path.trim_start_matches('/').split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

fn one(document: &mut Document, operation: &Document, allowed: &[&str]) -> Outcome<()> {
    let (verb, path, value) = (text(operation, "op"), text(operation, "path"), text(operation, "value"));
    let segments = segments(path);
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Ok(()) };
    if !allowed.contains(&first.as_str()) {
        let names: Vec<String> = allowed.iter().map(|name| format!("/{name}")).collect();
        return Err(bad_request(format!(
            "Invalid patch path '{path}' specified for op '{verb}'. Must be one of: [{}]",
            names.join(", ")
        )));
    }
    if !matches!(verb, "add" | "replace" | "remove") {
        return Err(bad_request(format!("Invalid patch operation specified: '{verb}'")));
    }
    let mut at = document;
    for name in &segments[..segments.len() - 1] {
        if LISTS.contains(&name.as_str()) {
            return in_list(at, name, verb, last, value);
        }
        let next = at.entry(name.clone()).or_insert_with(|| Map::new().into());
        if !next.is_object() {
            *next = Map::new().into();
        }
        let Value::Object(next) = next else { return Ok(()) };
        at = next;
    }
    if LISTS.contains(&last.as_str()) {
        let items: Vec<&str> = value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
        for item in items {
            in_list(at, last, verb, item, item)?;
        }
        return Ok(());
    }
    if verb == "remove" {
        at.shift_remove(last);
    } else {
        at.insert(last.clone(), convert(last, value)?);
    }
    Ok(())
}

/// Adds an item to a list, takes it away, or puts another in its place.
fn in_list(document: &mut Document, name: &str, verb: &str, item: &str, value: &str) -> Outcome<()> {
    let list = document.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(items) = list else { return Ok(()) };
    items.retain(|known| known.as_str() != Some(item));
    match verb {
        "add" => items.push(item.into()),
        "replace" => items.push(value.into()),
        _ => {}
    }
    Ok(())
}

fn convert(name: &str, value: &str) -> Outcome<Value> {
    let invalid = || bad_request(format!("Invalid value for {name}: {value}"));
    if TRUTHS.contains(&name) {
        return value.to_lowercase().parse::<bool>().map(Value::Bool).map_err(|_| invalid());
    }
    if NUMBERS.contains(&name) {
        let integer = value.parse::<i64>().map(Value::from);
        return integer.or_else(|_| value.parse::<f64>().map(Value::from)).map_err(|_| invalid());
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(document: Value, operation: Value, expected: Result<Value, &str>) {
        let mut document = document.as_object().cloned().expect("a document");
        let input = json!({ "patchOperations": [operation] });
        let allowed = ["name", "variables", "binaryMediaTypes", "enabled", "endpointConfiguration"];
        let applied = apply(&mut document, input.as_object().expect("an input"), &allowed);
        let answer = applied
            .map(|()| Value::Object(document))
            .map_err(|fault| aloft_engine::ServiceError::from(fault).message);
        assert_eq!(answer, expected.map_err(str::to_owned));
    }

    #[test]
    fn patches_change_members_maps_and_lists() {
        let of = |op: &str, path: &str, value: &str| json!({ "op": op, "path": path, "value": value });
        check(json!({ "name": "a" }), of("replace", "/name", "b"), Ok(json!({ "name": "b" })));
        check(json!({}), of("replace", "/enabled", "true"), Ok(json!({ "enabled": true })));
        check(json!({}), of("add", "/variables/a~1b", "1"), Ok(json!({ "variables": { "a/b": "1" } })));
        check(
            json!({ "variables": { "a": "1" } }),
            of("remove", "/variables/a", ""),
            Ok(json!({ "variables": {} })),
        );
        check(
            json!({}),
            of("add", "/binaryMediaTypes/image~1png", ""),
            Ok(json!({ "binaryMediaTypes": ["image/png"] })),
        );
        check(
            json!({ "endpointConfiguration": { "types": ["EDGE"] } }),
            of("replace", "/endpointConfiguration/types/EDGE", "REGIONAL"),
            Ok(json!({ "endpointConfiguration": { "types": ["REGIONAL"] } })),
        );
        check(
            json!({}),
            of("replace", "/id", "x"),
            Err(
                "Invalid patch path '/id' specified for op 'replace'. Must be one of: [/name, /variables, /binaryMediaTypes, /enabled, /endpointConfiguration]",
            ),
        );
    }
}
