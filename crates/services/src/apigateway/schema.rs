//! JSON schemas (draft 4), as far as request models use them.
//!
//! Not here: `format`, and references out of the schema itself, which let all pass.
//! Keeps true: a check takes a bounded number of steps, whatever the schema and the body.

use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// How many schemas are applied to values in one check.
const STEPS: usize = 1_000_000;
/// How deep schemas may lead.
const DEPTH: usize = 64;

/// Checks a value, and gives what is wrong with it: `[object has missing required properties (["name"])]`.
pub(super) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let mut checker = Checker { root: schema, steps: STEPS };
    let mut wrong = Vec::new();
    checker.apply(schema, value, DEPTH, &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(format!("[{}]", wrong.join(", "))) }
}

struct Checker<'a> {
    root: &'a Value,
    steps: usize,
}

impl<'a> Checker<'a> {
    fn is_valid(&mut self, schema: &'a Value, value: &Value, depth: usize) -> bool {
        let mut wrong = Vec::new();
        self.apply(schema, value, depth, &mut wrong);
        wrong.is_empty()
    }

    fn apply(&mut self, schema: &'a Value, value: &Value, depth: usize, wrong: &mut Vec<String>) {
        let Value::Object(schema) = schema else {
            if *schema == Value::Bool(false) {
                wrong.push("nothing is allowed here".to_owned());
            }
            return;
        };
        if self.steps == 0 || depth == 0 {
            wrong.push("the schema leads too far".to_owned());
            return;
        }
        self.steps -= 1;
        if let Some(Value::String(reference)) = schema.get("$ref") {
            if let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                self.apply(target, value, depth - 1, wrong);
            }
            return;
        }
        check_type(schema, value, wrong);
        if let Some(Value::Array(allowed)) = schema.get("enum")
            && !allowed.contains(value)
        {
            wrong.push(format!("instance value ({value}) not found in enum"));
        }
        if schema.get("const").is_some_and(|expected| expected != value) {
            wrong.push(format!("instance value ({value}) is not the constant"));
        }
        match value {
            Value::Object(members) => self.object(schema, members, depth, wrong),
            Value::Array(items) => self.array(schema, items, depth, wrong),
            Value::String(text) => check_text(schema, text, wrong),
            Value::Number(_) => check_number(schema, value.as_f64().unwrap_or_default(), wrong),
            _ => {}
        }
        self.combined(schema, value, depth, wrong);
    }

    fn combined(
        &mut self,
        schema: &'a Map<String, Value>,
        value: &Value,
        depth: usize,
        wrong: &mut Vec<String>,
    ) {
        for part in list(schema, "allOf") {
            self.apply(part, value, depth - 1, wrong);
        }
        if let Some(Value::Array(parts)) = schema.get("anyOf")
            && !parts.iter().any(|part| self.is_valid(part, value, depth - 1))
        {
            wrong.push("instance failed to match at least one required schema".to_owned());
        }
        if let Some(Value::Array(parts)) = schema.get("oneOf") {
            let matching = parts.iter().filter(|part| self.is_valid(part, value, depth - 1)).count();
            if matching != 1 {
                wrong.push(format!("instance failed to match exactly one schema (matched {matching})"));
            }
        }
        if schema.get("not").is_some_and(|part| self.is_valid(part, value, depth - 1)) {
            wrong.push("instance matched a schema which it should not have".to_owned());
        }
    }

    fn object(
        &mut self,
        schema: &'a Map<String, Value>,
        members: &Map<String, Value>,
        depth: usize,
        wrong: &mut Vec<String>,
    ) {
        let missing: Vec<&str> = list(schema, "required")
            .filter_map(Value::as_str)
            .filter(|name| !members.contains_key(*name))
            .collect();
        if !missing.is_empty() {
            let missing = Value::from(missing);
            wrong.push(format!("object has missing required properties ({missing})"));
        }
        bounds(schema, "minProperties", "maxProperties", members.len(), "object", wrong);
        let properties = schema.get("properties").and_then(Value::as_object);
        let patterns: Vec<(Option<Regex>, &Value)> = schema
            .get("patternProperties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(pattern, part)| (Regex::new(pattern).ok(), part))
            .collect();
        for (name, value) in members {
            let mut known = false;
            if let Some(part) = properties.and_then(|properties| properties.get(name)) {
                known = true;
                self.apply(part, value, depth - 1, wrong);
            }
            for (pattern, part) in &patterns {
                if pattern.as_ref().is_none_or(|pattern| pattern.is_match(name)) {
                    known = true;
                    self.apply(part, value, depth - 1, wrong);
                }
            }
            match schema.get("additionalProperties") {
                Some(Value::Bool(false)) if !known => {
                    wrong.push(format!(
                        "object instance has properties which are not allowed by the schema: [\"{name}\"]"
                    ));
                }
                Some(part @ Value::Object(_)) if !known => self.apply(part, value, depth - 1, wrong),
                _ => {}
            }
        }
        let dependencies = schema.get("dependencies").and_then(Value::as_object);
        for (name, needed) in dependencies.into_iter().flatten() {
            if !members.contains_key(name) {
                continue;
            }
            let lacks = |names: &Vec<Value>| {
                names.iter().filter_map(Value::as_str).any(|needed| !members.contains_key(needed))
            };
            match needed {
                Value::Array(names) if lacks(names) => {
                    wrong.push(format!("property {name} requires others that are missing"));
                }
                Value::Object(_) => {
                    self.apply(needed, &Value::Object(members.clone()), depth - 1, wrong);
                }
                _ => {}
            }
        }
    }

    fn array(
        &mut self,
        schema: &'a Map<String, Value>,
        items: &[Value],
        depth: usize,
        wrong: &mut Vec<String>,
    ) {
        bounds(schema, "minItems", "maxItems", items.len(), "array", wrong);
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let distinct: HashSet<String> = items.iter().map(Value::to_string).collect();
            if distinct.len() != items.len() {
                wrong.push("array must not contain duplicate elements".to_owned());
            }
        }
        match schema.get("items") {
            Some(Value::Array(parts)) => {
                for (part, item) in parts.iter().zip(items) {
                    self.apply(part, item, depth - 1, wrong);
                }
                let more = items.get(parts.len()..).unwrap_or_default();
                match schema.get("additionalItems") {
                    Some(Value::Bool(false)) if !more.is_empty() => {
                        wrong.push("array has more elements than the schema allows".to_owned());
                    }
                    Some(part @ Value::Object(_)) => {
                        more.iter().for_each(|item| self.apply(part, item, depth - 1, wrong));
                    }
                    _ => {}
                }
            }
            Some(part) => items.iter().for_each(|item| self.apply(part, item, depth - 1, wrong)),
            None => {}
        }
    }
}

fn list<'a>(schema: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() && number.as_f64().is_none_or(|f| f.fract() != 0.0) => {
            "number"
        }
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_type(schema: &Map<String, Value>, value: &Value, wrong: &mut Vec<String>) {
    let is = kind(value);
    let fits = |allowed: &Value| allowed == is || (allowed == "number" && is == "integer");
    let fits = match schema.get("type") {
        None => true,
        Some(Value::Array(allowed)) => allowed.iter().any(fits),
        Some(allowed) => fits(allowed),
    };
    if !fits {
        let allowed = schema.get("type").cloned().unwrap_or_default();
        let allowed = if allowed.is_array() { allowed } else { Value::Array(vec![allowed]) };
        wrong.push(format!(
            "instance type ({is}) does not match any allowed primitive type (allowed: {allowed})"
        ));
    }
}

fn bounds(
    schema: &Map<String, Value>,
    least: &str,
    most: &str,
    count: usize,
    what: &str,
    wrong: &mut Vec<String>,
) {
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
    if limit(least).is_some_and(|least| (count as u64) < least) {
        wrong.push(format!("{what} is too short: {count} elements"));
    }
    if limit(most).is_some_and(|most| count as u64 > most) {
        wrong.push(format!("{what} is too long: {count} elements"));
    }
}

fn check_text(schema: &Map<String, Value>, text: &str, wrong: &mut Vec<String>) {
    bounds(schema, "minLength", "maxLength", text.chars().count(), "string", wrong);
    let pattern = schema.get("pattern").and_then(Value::as_str).and_then(|pattern| Regex::new(pattern).ok());
    if pattern.is_some_and(|pattern| !pattern.is_match(text)) {
        wrong.push(format!("ECMA 262 regex does not match input string \"{text}\""));
    }
}

fn check_number(schema: &Map<String, Value>, number: f64, wrong: &mut Vec<String>) {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let strict = |name: &str| schema.get(name) == Some(&Value::Bool(true));
    let too_low = limit("minimum")
        .is_some_and(|least| number < least || (strict("exclusiveMinimum") && number == least))
        || limit("exclusiveMinimum").is_some_and(|least| number <= least);
    let too_high = limit("maximum")
        .is_some_and(|most| number > most || (strict("exclusiveMaximum") && number == most))
        || limit("exclusiveMaximum").is_some_and(|most| number >= most);
    if too_low {
        wrong.push("numeric instance is lower than the required minimum".to_owned());
    }
    if too_high {
        wrong.push("numeric instance is greater than the required maximum".to_owned());
    }
    if limit("multipleOf").is_some_and(|of| of > 0.0 && (number / of).fract() != 0.0) {
        wrong.push("numeric instance is not a multiple".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bodies_are_held_to_schemas() {
        let schema = json!({
            "type": "object",
            "required": ["name", "age"],
            "properties": {
                "name": { "type": "string", "minLength": 2, "pattern": "^[a-z]+$" },
                "age": { "type": "integer", "minimum": 0, "maximum": 150, "exclusiveMaximum": true },
                "tags": { "type": "array", "items": { "$ref": "#/definitions/tag" }, "uniqueItems": true, "maxItems": 3 },
                "either": { "oneOf": [{ "type": "string" }, { "type": "number", "multipleOf": 5 }] },
                "child": { "$ref": "#" },
            },
            "additionalProperties": false,
            "definitions": { "tag": { "enum": ["a", "b"] } },
        });
        let check = |value: Value, valid: bool| {
            let answer = super::check(&schema, &value);
            assert_eq!(answer.is_ok(), valid, "{value}: {answer:?}");
        };
        check(json!({ "name": "me", "age": 3 }), true);
        check(
            json!({ "name": "me", "age": 3, "tags": ["a", "b"], "either": 10, "child": { "name": "it", "age": 1 } }),
            true,
        );
        check(json!({ "name": "me", "age": 150 }), false);
        check(json!({ "name": "m", "age": 3 }), false);
        check(json!({ "name": "ME", "age": 3 }), false);
        check(json!({ "name": "me", "age": 3.5 }), false);
        check(json!({ "name": "me", "age": 3, "tags": ["a", "a"] }), false);
        check(json!({ "name": "me", "age": 3, "tags": ["c"] }), false);
        check(json!({ "name": "me", "age": 3, "either": 7 }), false);
        check(json!({ "name": "me", "age": 3, "more": 7 }), false);
        check(json!({ "name": "me", "age": 3, "child": {} }), false);
        check(json!([]), false);
        let missing = super::check(&schema, &json!({ "age": 1 })).expect_err("wrong");
        assert_eq!(missing, "[object has missing required properties ([\"name\"])]");
        let endless = json!({ "$ref": "#" });
        assert!(super::check(&endless, &json!(1)).is_err());
    }
}
