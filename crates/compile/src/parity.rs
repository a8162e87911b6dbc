//! Comparison of two templates, for the tests and the parity report.
//!
//! Takes out what is new in each run (times, hashes of zips) and the order that CloudFormation does not look at; everything
//! else has to be equal.

use regex::Regex;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

struct Rules {
    directory: Regex,
    version: Regex,
    deployment: Regex,
    layer: Regex,
    millis: Regex,
    sha256: Regex,
    sha1: Regex,
}

static RULES: LazyLock<Option<Rules>> = LazyLock::new(|| {
    let regex = |pattern: &str| Regex::new(pattern).ok();
    Some(Rules {
        directory: regex(r"\d{13}-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")?,
        version: regex(r"LambdaVersion[0-9A-Za-z]{32,44}\b")?,
        deployment: regex(r"ApiGatewayDeployment\d{10,}")?,
        layer: regex(r"(LambdaLayer[0-9A-Za-z]*?)[0-9a-f]{40}\b")?,
        millis: regex(r"^1[789]\d{11}$")?,
        sha256: regex(r"^[0-9A-Za-z+/]{43}=?$")?,
        sha1: regex(r"^[0-9a-f]{40}$")?,
    })
});

/// The differences between two templates, one a line, each with its place. Empty when they mean the same.
pub fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let Some(rules) = RULES.as_ref() else {
        return vec!["the comparison's own patterns are wrong".to_owned()];
    };
    let mut found = Vec::new();
    compare(&normal(rules, expected, &[]), &normal(rules, actual, &[]), "$", &mut found);
    found
}

/// Functions with the same code whose versions have different logical ids all the same. Functions with layers of the service are
/// left out, since the bytes of those layers' zips differ.
pub fn version_differences(expected: &Value, actual: &Value) -> Vec<String> {
    let versions = |template: &Value| -> Vec<(String, String, String)> {
        let resources = template.get("Resources").and_then(Value::as_object);
        let found = resources.into_iter().flatten().filter_map(|(id, resource)| {
            let properties = resource
                .get("Properties")
                .filter(|_| resource.get("Type") == Some(&json!("AWS::Lambda::Version")))?;
            let function = properties.pointer("/FunctionName/Ref")?.as_str()?;
            let layers = template.pointer(&format!("/Resources/{function}/Properties/Layers"));
            let own_layers = layers.is_some_and(|layers| layers.to_string().contains("\"Ref\""));
            let code = properties.get("CodeSha256")?.as_str()?;
            (!own_layers).then(|| (function.to_owned(), code.to_owned(), id.clone()))
        });
        found.collect()
    };
    let actual = versions(actual);
    versions(expected)
        .into_iter()
        .filter_map(|(function, code, id)| {
            let other = actual.iter().find(|(name, sha256, _)| *name == function && *sha256 == code)?;
            (other.2 != id).then(|| format!("! version of {function}: expected {id}, actual {}", other.2))
        })
        .collect()
}

fn text(rules: &Rules, text: &str) -> String {
    let text = rules.directory.replace_all(text, "<TS>");
    let text = rules.version.replace_all(&text, "LambdaVersion<HASH>");
    let text = rules.deployment.replace_all(&text, "ApiGatewayDeployment<ID>");
    let text = rules.layer.replace_all(&text, "${1}<SHA1>");
    if rules.millis.is_match(&text) { "<MS>".to_owned() } else { text.into_owned() }
}

fn normal(rules: &Rules, value: &Value, path: &[&str]) -> Value {
    match value {
        Value::Object(map) => {
            let mut made = Map::new();
            for (key, member) in map {
                let mut name = text(rules, key);
                while made.contains_key(&name) {
                    name.push('#');
                }
                let below: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
                made.insert(name, normal(rules, member, &below));
            }
            if made.get("Type") == Some(&json!("AWS::Lambda::Version")) {
                let hash = made.get_mut("Properties").and_then(|properties| properties.get_mut("CodeSha256"));
                if let Some(hash) =
                    hash.filter(|hash| hash.as_str().is_some_and(|hash| rules.sha256.is_match(hash)))
                {
                    *hash = json!("<SHA256>");
                }
            }
            if let Some(Value::Array(names)) = made.get_mut("DependsOn") {
                names.sort_by_key(ToString::to_string);
            }
            Value::Object(made)
        }
        Value::Array(items) => items.iter().map(|item| normal(rules, item, path)).collect(),
        Value::String(string) => {
            let layer_hash =
                matches!(path, ["Outputs", output, "Value"] if output.ends_with("LambdaLayerHash"));
            if layer_hash && rules.sha1.is_match(string) {
                json!("<SHA1>")
            } else {
                json!(text(rules, string))
            }
        }
        // The moment of the run, which makes a custom resource run again.
        Value::Number(_) if path.last() == Some(&"ForceDeploy") => json!("<MS>"),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => json!(float as i64),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

fn compare(expected: &Value, actual: &Value, path: &str, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, value) in left {
                match right.get(key) {
                    Some(other) => compare(value, other, &format!("{path}.{key}"), found),
                    None => found.push(format!("- {path}.{key}: missing (expected {})", short(value))),
                }
            }
            for (key, value) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                found.push(format!("+ {path}.{key}: unexpected {}", short(value)));
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for (index, value) in left.iter().enumerate() {
                match right.get(index) {
                    Some(other) => compare(value, other, &format!("{path}[{index}]"), found),
                    None => found.push(format!("- {path}[{index}]: missing (expected {})", short(value))),
                }
            }
            for (index, value) in right.iter().enumerate().skip(left.len()) {
                found.push(format!("+ {path}[{index}]: unexpected {}", short(value)));
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("! {path}: expected {}, actual {}", short(expected), short(actual))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 160 { text.chars().take(157).chain("...".chars()).collect() } else { text }
}
