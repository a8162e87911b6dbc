//! The validator: the keywords that the schema uses, in the order in which Ajv evaluates them, all errors collected.
//!
//! The order matters: coercion in one keyword is seen by the next, and messages come in the order of evaluation.

use super::coerce::{self, Slot};
use super::formats;
use crate::normalize::is_falsy;
use serde_json::{Map, Value};

/// A keyword that failed.
#[derive(Clone, Debug)]
pub(super) struct Error {
    /// Where in the data: `/functions/a/events/0`.
    pub instance: String,
    /// Where in the schema: `#/properties/functions/...`.
    pub schema: String,
    /// The keyword.
    pub keyword: &'static str,
    /// Ajv's sentence.
    pub message: String,
    /// The key that should not be there.
    pub key: Option<String>,
    /// What would have been allowed.
    pub allowed: Vec<String>,
    /// The value.
    pub data: Value,
    /// `const`, or the type that the failed schema asks for.
    pub wanted: Option<String>,
    /// Of a choice: what its last branch that asks for one type asks for.
    pub common: Option<String>,
}

/// Coerces and validates a value.
pub(super) fn validate(schema: &Value, value: &mut Value) -> Vec<Error> {
    let definitions = schema["definitions"].as_object();
    let mut run = Run { definitions, errors: Vec::new(), instance: String::new(), schema: "#".to_owned() };
    run.check(schema, &mut Slot::new(value));
    run.errors
}

struct Run<'s> {
    definitions: Option<&'s Map<String, Value>>,
    errors: Vec<Error>,
    instance: String,
    schema: String,
}

/// Keywords that only objects are checked with.
const OBJECT_KEYWORDS: &[&str] = &[
    "maxProperties",
    "minProperties",
    "required",
    "dependencies",
    "propertyNames",
    "additionalProperties",
    "properties",
    "patternProperties",
];

impl<'s> Run<'s> {
    /// Whether the value fits the schema; what does not is added to the errors.
    fn check(&mut self, schema: &'s Value, slot: &mut Slot<'_>) -> bool {
        let before = self.errors.len();
        let schema = match schema.get("$ref").and_then(Value::as_str) {
            Some(name) => self.definitions.and_then(|all| all.get(name)).unwrap_or(&Value::Null),
            None => schema,
        };
        let Some(schema) = schema.as_object() else {
            if *schema == Value::Bool(false) {
                self.error("false schema", "boolean schema is false", &Map::new(), slot.get());
            }
            return self.errors.len() == before;
        };
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let coercible: Vec<&str> = types.iter().copied().filter(|name| coerce::can_coerce_to(name)).collect();
        // Ajv leaves the type of an object with keywords to be told where those are evaluated.
        let told_later = coercible.is_empty()
            && types.len() == 1
            && OBJECT_KEYWORDS.iter().any(|keyword| schema.contains_key(*keyword));
        let fits = |value: &Value| types.is_empty() || types.iter().any(|name| coerce::is(value, name));
        if !told_later && !fits(slot.get()) && (coercible.is_empty() || !slot.coerce(&types)) {
            self.type_error(schema, &types, slot.get());
        }
        self.number(schema, slot.get());
        self.string(schema, slot.get());
        self.any(schema, slot);
        if slot.get().is_array() {
            self.array(schema, slot);
        }
        if slot.get().is_object() {
            self.object(schema, slot);
        } else if told_later {
            self.type_error(schema, &types, slot.get());
        }
        self.errors.len() == before
    }

    fn error(
        &mut self,
        keyword: &'static str,
        message: impl Into<String>,
        schema: &Map<String, Value>,
        data: &Value,
    ) {
        let wanted = match (schema.get("const"), schema.get("type")) {
            (Some(value), _) if !is_falsy(value) => Some("const".to_owned()),
            (_, Some(Value::String(name))) => Some(name.clone()),
            _ => None,
        };
        self.errors.push(Error {
            instance: self.instance.clone(),
            schema: format!("{}/{keyword}", self.schema),
            keyword,
            message: message.into(),
            key: None,
            allowed: Vec::new(),
            data: data.clone(),
            wanted,
            common: None,
        });
    }

    fn type_error(&mut self, schema: &Map<String, Value>, types: &[&str], data: &Value) {
        self.error("type", format!("must be {}", types.join(",")), schema, data);
    }

    /// Checks with a schema further down.
    fn below(&mut self, place: &str, schema: &'s Value, slot: &mut Slot<'_>) -> bool {
        let length = self.schema.len();
        self.schema.push('/');
        self.schema.push_str(place);
        let valid = self.check(schema, slot);
        self.schema.truncate(length);
        valid
    }

    /// Checks an item or a property.
    fn child(&mut self, place: &str, key: &str, schema: &'s Value, value: &mut Value) -> bool {
        let length = self.instance.len();
        self.instance.push('/');
        self.instance.push_str(&key.replace('~', "~0").replace('/', "~1"));
        let valid = self.below(place, schema, &mut Slot::new(value));
        self.instance.truncate(length);
        valid
    }

    fn number(&mut self, schema: &Map<String, Value>, data: &Value) {
        let Some(number) = data.as_f64() else { return };
        let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
        if let Some(most) = limit("maximum").filter(|most| number > *most) {
            self.error("maximum", format!("must be <= {most}"), schema, data);
        }
        if let Some(least) = limit("minimum").filter(|least| number < *least) {
            self.error("minimum", format!("must be >= {least}"), schema, data);
        }
    }

    fn string(&mut self, schema: &Map<String, Value>, data: &Value) {
        let Some(text) = data.as_str() else { return };
        self.limits(schema, data, text.chars().count(), ["maxLength", "minLength"], "characters");
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && !formats::matches(pattern, false, text)
        {
            self.error("pattern", format!("must match pattern \"{pattern}\""), schema, data);
        }
        if let Some(format) = schema.get("format").and_then(Value::as_str)
            && !formats::has_format(format, text)
        {
            self.error("format", format!("must match format \"{format}\""), schema, data);
        }
        if let Some(Value::String(regexp)) = schema.get("regexp")
            && let Some((pattern, flags)) =
                regexp.strip_prefix('/').and_then(|regexp| regexp.rsplit_once('/'))
            && !formats::matches(pattern, flags.contains('i'), text)
        {
            self.error("regexp", format!("value '{text}' does not satisfy pattern {regexp}"), schema, data);
        }
    }

    /// Too many or too few of something.
    fn limits(
        &mut self,
        schema: &Map<String, Value>,
        data: &Value,
        count: usize,
        [most, least]: [&'static str; 2],
        what: &str,
    ) {
        let limit = |keyword: &str| {
            schema.get(keyword).and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok())
        };
        if let Some(limit) = limit(most).filter(|limit| count > *limit) {
            self.error(most, format!("must NOT have more than {limit} {what}"), schema, data);
        }
        if let Some(limit) = limit(least).filter(|limit| count < *limit) {
            self.error(least, format!("must NOT have fewer than {limit} {what}"), schema, data);
        }
    }

    /// Keywords for values of every type.
    fn any(&mut self, schema: &'s Map<String, Value>, slot: &mut Slot<'_>) {
        if let Some(value) = schema.get("const")
            && value != slot.get()
        {
            self.error("const", "must be equal to constant", schema, slot.get());
        }
        if let Some(Value::Array(values)) = schema.get("enum")
            && !values.contains(slot.get())
        {
            let names: Option<Vec<String>> =
                values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            let mut message = "must be equal to one of the allowed values".to_owned();
            if let Some(names) = &names {
                message += &format!(" [{}]", names.join(", "));
            }
            self.error("enum", message, schema, slot.get());
            self.allow(names.unwrap_or_default());
        }
        if let Some(not) = schema.get("not") {
            let before = self.errors.len();
            let is_valid = self.below("not", not, slot);
            self.errors.truncate(before);
            if is_valid {
                self.error("not", "must NOT be valid", schema, slot.get());
            }
        }
        if let Some(Value::Array(branches)) = schema.get("anyOf") {
            let before = self.errors.len();
            let mut branches = branches.iter().enumerate();
            if branches.any(|(index, branch)| self.below(&format!("anyOf/{index}"), branch, slot)) {
                self.errors.truncate(before);
            } else {
                self.error("anyOf", "must match a schema in anyOf", schema, slot.get());
            }
        }
        if let Some(Value::Array(branches)) = schema.get("oneOf") {
            let before = self.errors.len();
            let mut matched = 0;
            for (index, branch) in branches.iter().enumerate() {
                matched += usize::from(self.below(&format!("oneOf/{index}"), branch, slot));
                if matched > 1 {
                    break;
                }
            }
            if matched == 1 {
                self.errors.truncate(before);
            } else {
                self.error("oneOf", "must match exactly one schema in oneOf", schema, slot.get());
            }
        }
        if let Some(Value::Array(parts)) = schema.get("allOf") {
            for (index, part) in parts.iter().enumerate() {
                self.below(&format!("allOf/{index}"), part, slot);
            }
        }
    }

    fn allow(&mut self, allowed: Vec<String>) {
        if let Some(error) = self.errors.last_mut() {
            error.allowed = allowed;
        }
    }

    fn array(&mut self, schema: &'s Map<String, Value>, slot: &mut Slot<'_>) {
        let Value::Array(items) = slot.get() else { return };
        let count = items.len();
        self.limits(schema, slot.get(), count, ["maxItems", "minItems"], "items");
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let Value::Array(items) = slot.get() else { return };
            // Ajv looks from the end.
            let twins = (0..count).rev().find_map(|late| {
                (0..late).rev().find(|early| items[*early] == items[late]).map(|early| (early, late))
            });
            if let Some((early, late)) = twins {
                let message =
                    format!("must NOT have duplicate items (items ## {early} and {late} are identical)");
                self.error("uniqueItems", message, schema, slot.get());
            }
        }
        let tuple = schema.get("items").and_then(Value::as_array);
        if let Some(tuple) = tuple
            && schema.get("additionalItems") == Some(&Value::Bool(false))
            && count > tuple.len()
        {
            self.error(
                "additionalItems",
                format!("must NOT have more than {} items", tuple.len()),
                schema,
                slot.get(),
            );
        }
        let Value::Array(items) = slot.get_mut() else { return };
        for (index, item) in items.iter_mut().enumerate() {
            match (tuple, schema.get("items")) {
                (Some(tuple), _) => {
                    if let Some(schema) = tuple.get(index) {
                        self.child(&format!("items/{index}"), &index.to_string(), schema, item);
                    }
                }
                (None, Some(schema)) => {
                    self.child("items", &index.to_string(), schema, item);
                }
                (None, None) => {}
            }
        }
    }

    fn object(&mut self, schema: &'s Map<String, Value>, slot: &mut Slot<'_>) {
        let Value::Object(map) = slot.get() else { return };
        self.limits(schema, slot.get(), map.len(), ["maxProperties", "minProperties"], "properties");
        let missing = |name: &&str| !map.contains_key(*name);
        let required =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(missing) {
            self.error("required", format!("must have required property '{name}'"), schema, slot.get());
        }
        if let Some(names) = schema.get("propertyNames") {
            for key in map.keys() {
                if !self.below("propertyNames", names, &mut Slot::new(&mut Value::from(key.as_str()))) {
                    self.error("propertyNames", "property name must be valid", schema, slot.get());
                }
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let Value::Object(map) = slot.get_mut() else { return };
        if let Some(additional) = schema.get("additionalProperties") {
            let is_known = |key: &str| {
                properties.is_some_and(|properties| properties.contains_key(key))
                    || patterns.is_some_and(|patterns| {
                        patterns.keys().any(|pattern| formats::matches(pattern, false, key))
                    })
            };
            for (key, value) in map.iter_mut().filter(|(key, _)| !is_known(key)) {
                if *additional == Value::Bool(false) {
                    let mut message = format!("unrecognized property '{key}'");
                    if self.instance == "/functions" {
                        message = format!("name '{key}' must be alphanumeric");
                    }
                    self.error("additionalProperties", message, schema, &Value::Null);
                    self.allow(properties.into_iter().flat_map(Map::keys).cloned().collect());
                    if let Some(error) = self.errors.last_mut() {
                        error.key = Some(key.clone());
                    }
                } else {
                    self.child("additionalProperties", key, additional, value);
                }
            }
        }
        if let Some(dependencies) = schema.get("dependencies").and_then(Value::as_object) {
            for (key, needed) in dependencies.iter().filter(|(key, _)| map.contains_key(*key)) {
                for name in needed.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if !map.contains_key(name) {
                        let message = format!("must have property {name} when property {key} is present");
                        self.error("dependencies", message, schema, &Value::Null);
                    }
                }
            }
        }
        for (name, schema) in properties.into_iter().flatten() {
            if let Some(value) = map.get_mut(name) {
                self.child(&format!("properties/{}", escaped(name)), name, schema, value);
            }
        }
        for (pattern, schema) in patterns.into_iter().flatten() {
            let place = format!("patternProperties/{}", escaped(pattern));
            for (key, value) in map.iter_mut().filter(|(key, _)| formats::matches(pattern, false, key)) {
                self.child(&place, key, schema, value);
            }
        }
    }
}

/// A name as one step of a path in the schema.
fn escaped(name: &str) -> String {
    name.replace('/', "~1")
}
