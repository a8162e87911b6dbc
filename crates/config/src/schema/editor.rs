//! The schema as editors want it: draft-07, with descriptions, and with a variable wherever a value may stand.

use super::document;
use serde_json::{Map, Value, json};

/// What the keys mean, by their path in the configuration; `*` is any name.
const DESCRIPTIONS: &[(&str, &str)] = &[
    (
        "configValidationMode",
        "What happens to a configuration that is not as this schema wants it: `error`, `warn` or `off`.",
    ),
    ("custom", "Your own values, for `${self:custom.<key>}`, and the settings of plugins."),
    ("deprecationNotificationMode", "How deprecations are told: `error`, `warn` or `warn:summary`."),
    ("disabledDeprecations", "Codes of deprecations that are not to be told; `*` for all."),
    ("frameworkVersion", "A semver range that the version (3.40.0) has to be in."),
    ("functions", "The functions, by name."),
    ("functions.*.architecture", "`x86_64` or `arm64`."),
    ("functions.*.condition", "A condition of `resources.Conditions` that the function depends on."),
    ("functions.*.dependsOn", "Logical ids of resources that have to be there before the function."),
    ("functions.*.description", "What the function does."),
    ("functions.*.destinations", "Where results of asynchronous invocations are sent."),
    ("functions.*.environment", "Environment variables, merged with those of `provider.environment`."),
    ("functions.*.ephemeralStorageSize", "Megabytes of /tmp, from 512 to 10240."),
    ("functions.*.events", "What invokes the function."),
    ("functions.*.fileSystemConfig", "An EFS access point to mount."),
    (
        "functions.*.handler",
        "The file without its ending, a dot, and the name of the function: `src/app.handler`.",
    ),
    (
        "functions.*.image",
        "A container image instead of a handler: its name in `provider.ecr.images`, or its URI.",
    ),
    ("functions.*.kmsKeyArn", "The key that encrypts the environment variables."),
    ("functions.*.layers", "ARNs of layers."),
    ("functions.*.logRetentionInDays", "How many days log lines are kept."),
    ("functions.*.maximumEventAge", "Seconds that an asynchronous event may wait, from 60 to 21600."),
    (
        "functions.*.maximumRetryAttempts",
        "How often a failed asynchronous invocation is tried again: 0, 1 or 2.",
    ),
    ("functions.*.memorySize", "Megabytes, from 128 to 10240. Default: `provider.memorySize`, else 1024."),
    ("functions.*.name", "The name in AWS. Default: `<service>-<stage>-<function>`."),
    ("functions.*.onError", "The ARN of a topic or queue for events that could not be handled."),
    ("functions.*.package", "What is in the function's package."),
    ("functions.*.provisionedConcurrency", "How many environments are kept warm."),
    ("functions.*.reservedConcurrency", "How many invocations may run at once."),
    ("functions.*.role", "The role of this function alone: an ARN or a logical id."),
    ("functions.*.runtime", "The runtime, such as `nodejs22.x`. Default: `provider.runtime`."),
    ("functions.*.snapStart", "Start from a snapshot."),
    ("functions.*.tags", "Tags, merged with those of `provider.tags`."),
    ("functions.*.timeout", "Seconds, from 1 to 900. Default: `provider.timeout`, else 6."),
    ("functions.*.tracing", "X-Ray: `Active` or `PassThrough`."),
    ("functions.*.url", "An address of the function's own; public unless `authorizer: aws_iam` is given."),
    (
        "functions.*.versionFunction",
        "Whether each deploy makes a version. Default: `provider.versionFunctions`.",
    ),
    ("functions.*.vpc", "Security groups and subnets."),
    ("layers", "The layers of this service, by name."),
    ("package", "What is in the packages."),
    ("package.artifact", "A zip to deploy instead of packaging."),
    ("package.excludeDevDependencies", "Leave out what only development needs. Default: true."),
    ("package.individually", "A package for each function."),
    (
        "package.patterns",
        "Globs of files to take; with `!` in front, to leave out. The last that matches decides.",
    ),
    ("params", "Values for `${param:<key>}`, by stage; `default` for all stages."),
    ("plugins", "Plugins, by their npm names."),
    ("provider", "The cloud, and what all functions have in common."),
    ("provider.apiGateway", "Settings of the REST API."),
    ("provider.deploymentBucket", "The bucket of the packages. Without one, the stack makes its own."),
    ("provider.deploymentMethod", "`changesets`, or `direct` for updates without a change set."),
    ("provider.environment", "Environment variables of all functions."),
    ("provider.httpApi", "Settings of the HTTP API."),
    ("provider.iam", "The role of the functions, and the one that deploys."),
    ("provider.logRetentionInDays", "How many days log lines are kept. Default: for ever."),
    ("provider.memorySize", "Megabytes of functions that do not say. Default: 1024."),
    ("provider.name", "The cloud: `aws`."),
    ("provider.profile", "The profile of the AWS tools to take credentials from."),
    ("provider.region", "The region. Default: us-east-1."),
    ("provider.runtime", "The runtime of functions that do not say, such as `nodejs22.x`."),
    ("provider.stackName", "The stack. Default: `<service>-<stage>`."),
    ("provider.stage", "The stage. Default: dev."),
    ("provider.tags", "Tags of all functions and APIs."),
    ("provider.timeout", "Seconds of functions that do not say. Default: 6."),
    ("provider.tracing", "X-Ray for functions and the REST API."),
    ("provider.versionFunctions", "Whether each deploy makes versions of the functions. Default: true."),
    ("provider.vpc", "Security groups and subnets of all functions."),
    (
        "resources",
        "CloudFormation of your own, merged into the template: `Resources`, `Outputs`, `Conditions` and so on; `extensions` changes what the framework makes.",
    ),
    ("service", "The service's name: letters, digits and hyphens."),
    ("useDotenv", "Read `.env.<stage>` or `.env` into the environment."),
];

/// The schema for provider aws as JSON Schema, draft-07.
pub fn json_schema() -> Value {
    let mut schema = document();
    for (path, text) in DESCRIPTIONS {
        describe(&mut schema, path, text);
    }
    for section in ["functions", "resources"] {
        may_be_list(&mut schema, section);
    }
    let mut schema = converted(&schema);
    // A key without a value counts as absent.
    let definition = json!({
        "type": ["string", "null"],
        "pattern": "\\$\\{",
        "description": "A variable, such as ${env:NAME}, ${self:custom.key} or ${param:key, 'default'}.",
    });
    if let Some(definitions) = schema.get_mut("definitions").and_then(Value::as_object_mut) {
        definitions.insert("variable".to_owned(), definition);
    }
    let mut whole = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "serverless.yml",
        "description": "The configuration of a serverless service, for provider aws.",
    });
    if let (Some(whole), Value::Object(schema)) = (whole.as_object_mut(), schema) {
        whole.extend(schema);
    }
    whole
}

fn describe(schema: &mut Value, path: &str, text: &str) {
    let property = path.split('.').try_fold(schema, |schema, name| match name {
        "*" => schema.get_mut("patternProperties")?.as_object_mut()?.values_mut().next(),
        name => schema.get_mut("properties")?.get_mut(name),
    });
    if let Some(Value::Object(property)) = property {
        property.insert("description".to_owned(), json!(text));
    }
}

/// A section that may be split into a list of maps.
fn may_be_list(schema: &mut Value, section: &str) {
    let reference = json!({ "$ref": section });
    let Some(property) = schema.get_mut("properties").and_then(|properties| properties.get_mut(section))
    else {
        return;
    };
    let description = property.get("description").cloned().unwrap_or_default();
    let choice = json!({
        "description": description,
        "anyOf": [reference, { "type": "array", "items": reference }],
    });
    let whole = std::mem::replace(property, choice);
    if let Some(definitions) = schema.get_mut("definitions").and_then(Value::as_object_mut) {
        definitions.insert(section.to_owned(), whole);
    }
}

/// The schema with references as draft-07 writes them, and variables where values may stand.
fn converted(schema: &Value) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let mut made = Map::new();
    for (key, value) in map {
        let value = match (key.as_str(), value) {
            ("$ref", Value::String(name)) => json!(format!("#/definitions/{name}")),
            ("properties" | "patternProperties", Value::Object(members)) => {
                members.iter().map(|(name, member)| (name.clone(), or_variable(member))).collect()
            }
            ("items", Value::Array(items)) => items.iter().map(or_variable).collect(),
            ("items" | "additionalProperties", member @ Value::Object(_)) => or_variable(member),
            ("definitions", Value::Object(members)) => {
                members.iter().map(|(name, member)| (name.clone(), converted(member))).collect()
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(items)) => items.iter().map(converted).collect(),
            ("not" | "if" | "then" | "else", member) => converted(member),
            _ => value.clone(),
        };
        made.insert(key.clone(), value);
    }
    Value::Object(made)
}

/// The schema of a value, or a variable; and what is read as such a value: one item for a list, a number for a text.
fn or_variable(schema: &Value) -> Value {
    let mut made = converted(schema);
    let item = schema.get("items").filter(|items| items.is_object()).map(converted);
    let variable = json!({ "$ref": "#/definitions/variable" });
    let Some(map) = made.as_object_mut() else { return made };
    let is_narrow = |name: &str| map.contains_key(name);
    let takes_any_text = match map.get("type").and_then(Value::as_str) {
        Some("string") => !["enum", "pattern", "format", "maxLength"].into_iter().any(is_narrow),
        Some(_) => false,
        None => map.keys().all(|key| key == "description"),
    };
    // A key that must never be there takes no variable either.
    if takes_any_text && map.contains_key("type") {
        map.insert("type".to_owned(), json!(["string", "number", "boolean", "null"]));
    }
    if takes_any_text || map.get("const") == Some(&Value::Null) {
        return made;
    }
    let description = map.shift_remove("description");
    let is_choice = map.len() == 1;
    let mut wrapped = match map.get_mut("anyOf") {
        Some(Value::Array(branches)) if is_choice => {
            let mut branches = std::mem::take(branches);
            branches.push(variable);
            json!({ "anyOf": branches })
        }
        _ => {
            let branches: Vec<Value> = [made].into_iter().chain(item).chain([variable]).collect();
            json!({ "anyOf": branches })
        }
    };
    if let Some(description) = description {
        wrapped["description"] = description;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every description is of a key that there is, and every reference leads somewhere.
    #[test]
    fn an_editor_can_use_it() {
        let schema = json_schema();
        for (path, text) in DESCRIPTIONS {
            let mut described = document();
            describe(&mut described, path, text);
            assert_ne!(described, document(), "{path} is no key");
        }
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    map.values().for_each(|value| references(value, found));
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(found.len() > 100);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out"));
            assert!(schema.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        let variable = json!({ "$ref": "#/definitions/variable" });
        let functions = &schema["definitions"]["functions"]["patternProperties"];
        let function = functions.as_object().and_then(|patterns| patterns.values().next()).unwrap();
        let timeout = &function["anyOf"][0]["properties"]["timeout"];
        assert!(timeout["anyOf"].as_array().unwrap().contains(&variable), "{timeout}");
        assert!(timeout["description"].as_str().unwrap().starts_with("Seconds"));
    }
}
