//! The validator: the keywords that the schema uses, in the order in which Ajv evaluates them, all errors collected.
//!
//! The order matters: coercion in one keyword is seen by the next, and messages come in the order of evaluation.

use super::coerce::{self, Slot};
use super::formats;
use super::keywords::{Below, Schema, Type};
use crate::normalize::is_falsy;
use indexmap::IndexMap;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::{Display, Write};

/// A keyword that failed.
#[derive(Clone, Debug)]
pub(super) struct Error<'s> {
    /// Where in the data: `/functions/a/events/0`.
    pub instance: String,
    /// Where in the schema: `#/properties/functions/...`.
    pub schema: String,
    /// The keyword.
    pub keyword: &'static str,
    /// Ajv's sentence.
    pub message: Cow<'static, str>,
    /// The key that should not be there.
    pub key: Option<String>,
    /// What would have been allowed.
    pub allowed: Vec<&'s str>,
    /// The value, when it is text.
    pub text: Option<String>,
    /// The value's first key, when it is a map that nothing of a choice fitted.
    pub first_key: Option<String>,
    /// `const`, or the type that the failed schema asks for.
    pub wanted: Option<&'static str>,
    /// Of a choice: what its last branch that asks for one type asks for.
    pub common: Option<&'static str>,
}

/// Coerces and validates a value.
pub(super) fn validate<'s>(schema: &'s Schema, value: &mut Value) -> Vec<Error<'s>> {
    let definitions = &schema.definitions;
    let mut run = Run { definitions, errors: Vec::new(), instance: String::new(), schema: "#".to_owned() };
    run.check(schema, &mut Slot::new(value));
    run.errors
}

struct Run<'s> {
    definitions: &'s IndexMap<String, Schema>,
    errors: Vec<Error<'s>>,
    instance: String,
    schema: String,
}

impl<'s> Run<'s> {
    /// Whether the value fits the schema; what does not is added to the errors.
    fn check(&mut self, schema: &'s Schema, slot: &mut Slot<'_>) -> bool {
        let before = self.errors.len();
        let schema = match &schema.reference {
            Some(name) => match self.definitions.get(&**name) {
                Some(definition) => definition,
                None => return true,
            },
            None => schema,
        };
        let types = &*schema.types;
        let is_coercible = types.iter().any(|kind| coerce::can_coerce_to(*kind));
        // Ajv leaves the type of an object with keywords to be told where those are evaluated.
        let told_later = !is_coercible && types.len() == 1 && schema.looks_into_objects();
        let fits = |value: &Value| types.is_empty() || types.iter().any(|kind| coerce::is(value, *kind));
        if !told_later && !fits(slot.get()) && (!is_coercible || !slot.coerce(types)) {
            self.type_error(schema, slot.get());
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
            self.type_error(schema, slot.get());
        }
        self.errors.len() == before
    }

    fn error(
        &mut self,
        keyword: &'static str,
        message: impl Into<Cow<'static, str>>,
        schema: &Schema,
        data: &Value,
    ) {
        let wanted = match (&schema.constant, &*schema.types) {
            (Some(value), _) if !is_falsy(value) => Some("const"),
            (_, [only]) => Some(only.name()),
            _ => None,
        };
        let first_key = match (keyword, data) {
            ("anyOf", Value::Object(map)) => map.keys().next().cloned(),
            _ => None,
        };
        self.errors.push(Error {
            instance: self.instance.clone(),
            schema: format!("{}/{keyword}", self.schema),
            keyword,
            message: message.into(),
            key: None,
            allowed: Vec::new(),
            text: data.as_str().map(str::to_owned),
            first_key,
            wanted,
            common: None,
        });
    }

    fn type_error(&mut self, schema: &Schema, data: &Value) {
        let names: Vec<&str> = schema.types.iter().map(|kind| kind.name()).collect();
        self.error("type", format!("must be {}", names.join(",")), schema, data);
    }

    /// Checks with a schema further down.
    fn below(&mut self, place: impl Display, schema: &'s Schema, slot: &mut Slot<'_>) -> bool {
        let length = self.schema.len();
        // Writing to a text does not fail.
        let _ = write!(self.schema, "/{place}");
        let valid = self.check(schema, slot);
        self.schema.truncate(length);
        valid
    }

    /// Checks an item or a property.
    fn child(
        &mut self,
        place: impl Display,
        key: impl Display,
        schema: &'s Schema,
        value: &mut Value,
    ) -> bool {
        let length = self.instance.len();
        let _ = write!(self.instance, "/{key}");
        let valid = self.below(place, schema, &mut Slot::new(value));
        self.instance.truncate(length);
        valid
    }

    fn number(&mut self, schema: &Schema, data: &Value) {
        let Some(number) = data.as_f64() else { return };
        if let Some(most) = schema.maximum.filter(|most| number > *most) {
            self.error("maximum", format!("must be <= {most}"), schema, data);
        }
        if let Some(least) = schema.minimum.filter(|least| number < *least) {
            self.error("minimum", format!("must be >= {least}"), schema, data);
        }
    }

    fn string(&mut self, schema: &Schema, data: &Value) {
        let Some(text) = data.as_str() else { return };
        if schema.max_length.or(schema.min_length).is_some() {
            let limits = [("maxLength", schema.max_length), ("minLength", schema.min_length)];
            self.limits(schema, data, text.chars().count(), limits, "characters");
        }
        if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
            self.error("pattern", format!("must match pattern \"{}\"", pattern.source), schema, data);
        }
        if let Some(format) = schema.format.as_ref().filter(|format| !formats::has_format(format, text)) {
            self.error("format", format!("must match format \"{format}\""), schema, data);
        }
        if let Some(pattern) = schema.regexp.as_ref().filter(|pattern| !pattern.matches(text)) {
            let message = format!("value '{text}' does not satisfy pattern {}", pattern.source);
            self.error("regexp", message, schema, data);
        }
    }

    /// Too many or too few of something.
    fn limits(
        &mut self,
        schema: &Schema,
        data: &Value,
        count: usize,
        [(most, at_most), (least, at_least)]: [(&'static str, Option<u32>); 2],
        what: &str,
    ) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(limit) = at_most.filter(|limit| count > *limit) {
            self.error(most, format!("must NOT have more than {limit} {what}"), schema, data);
        }
        if let Some(limit) = at_least.filter(|limit| count < *limit) {
            self.error(least, format!("must NOT have fewer than {limit} {what}"), schema, data);
        }
    }

    /// Keywords for values of every type.
    fn any(&mut self, schema: &'s Schema, slot: &mut Slot<'_>) {
        if schema.constant.as_ref().is_some_and(|value| **value != *slot.get()) {
            self.error("const", "must be equal to constant", schema, slot.get());
        }
        if let Some(values) = schema.choice.as_ref().filter(|values| !values.contains(slot.get())) {
            let names: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
            let mut message = "must be equal to one of the allowed values".to_owned();
            if let Some(names) = &names {
                message += &format!(" [{}]", names.join(", "));
            }
            self.error("enum", message, schema, slot.get());
            self.allow(names.unwrap_or_default());
        }
        if let Some(not) = &schema.not {
            let before = self.errors.len();
            let is_valid = self.below("not", not, slot);
            self.errors.truncate(before);
            if is_valid {
                self.error("not", "must NOT be valid", schema, slot.get());
            }
        }
        if let Some(branches) = &schema.any_of
            && !self.any_of(branches, slot)
        {
            self.error("anyOf", "must match a schema in anyOf", schema, slot.get());
        }
        if let Some(branches) = &schema.one_of {
            let before = self.errors.len();
            let mut matched = 0;
            for (index, branch) in branches.iter().enumerate() {
                matched += usize::from(self.below(format_args!("oneOf/{index}"), branch, slot));
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
        for (index, part) in schema.all_of.iter().flatten().enumerate() {
            self.below(format_args!("allOf/{index}"), part, slot);
        }
    }

    fn any_of(&mut self, branches: &'s [Schema], slot: &mut Slot<'_>) -> bool {
        let before = self.errors.len();
        let mut passed_over = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            if self.is_foreign(branch, slot.get()) {
                passed_over.push((self.errors.len(), index));
            } else if self.below(format_args!("anyOf/{index}"), branch, slot) {
                self.errors.truncate(before);
                return true;
            }
        }
        // What does not fit them is told after all, each in its turn.
        for (place, index) in passed_over.into_iter().rev() {
            let later = self.errors.split_off(place);
            self.below(format_args!("anyOf/{index}"), &branches[index], slot);
            self.errors.extend(later);
        }
        false
    }

    /// Whether a map lacks what a schema requires and has nothing that it knows: it does not fit, and nothing of it is coerced.
    /// Of the kinds of events all are like this but one.
    fn is_foreign(&self, schema: &Schema, value: &Value) -> bool {
        let schema = schema.reference.as_ref().map_or(Some(schema), |name| self.definitions.get(&**name));
        let (Some(schema), Some(map)) = (schema, value.as_object()) else { return false };
        matches!(schema.additional_properties, None | Some(Below::Allowed(_)))
            && schema.pattern_properties.is_none()
            && schema.not.is_none()
            && schema.any_of.as_ref().or(schema.one_of.as_ref()).or(schema.all_of.as_ref()).is_none()
            && schema.types.contains(&Type::Object)
            && schema.required.iter().flatten().any(|name| !map.contains_key(&**name))
            && !map.keys().any(|key| schema.property(key).is_some())
    }

    fn allow(&mut self, allowed: Vec<&'s str>) {
        if let Some(error) = self.errors.last_mut() {
            error.allowed = allowed;
        }
    }

    fn array(&mut self, schema: &'s Schema, slot: &mut Slot<'_>) {
        let Value::Array(items) = slot.get() else { return };
        let count = items.len();
        let limits = [("maxItems", schema.max_items), ("minItems", schema.min_items)];
        self.limits(schema, slot.get(), count, limits, "items");
        if schema.unique_items {
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
        if let Some(Below::Tuple(tuple)) = &schema.items
            && schema.additional_items == Some(false)
            && count > tuple.len()
        {
            let message = format!("must NOT have more than {} items", tuple.len());
            self.error("additionalItems", message, schema, slot.get());
        }
        let Value::Array(items) = slot.get_mut() else { return };
        match &schema.items {
            Some(Below::Tuple(tuple)) => {
                for (index, (item, schema)) in items.iter_mut().zip(tuple).enumerate() {
                    self.child(format_args!("items/{index}"), index, schema, item);
                }
            }
            Some(Below::Each(schema)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.child("items", index, schema, item);
                }
            }
            Some(Below::Allowed(_)) | None => {}
        }
    }

    fn object(&mut self, schema: &'s Schema, slot: &mut Slot<'_>) {
        let Value::Object(map) = slot.get() else { return };
        let limits = [("maxProperties", schema.max_properties), ("minProperties", schema.min_properties)];
        self.limits(schema, slot.get(), map.len(), limits, "properties");
        for name in schema.required.iter().flatten().filter(|name| !map.contains_key(&***name)) {
            self.error("required", format!("must have required property '{name}'"), schema, slot.get());
        }
        if let Some(names) = &schema.property_names {
            for key in map.keys() {
                if !self.below("propertyNames", names, &mut Slot::new(&mut Value::from(key.as_str()))) {
                    self.error("propertyNames", "property name must be valid", schema, slot.get());
                }
            }
        }
        let (properties, patterns) = (schema.properties.as_deref(), schema.pattern_properties.as_deref());
        let Value::Object(map) = slot.get_mut() else { return };
        if let Some(additional) = &schema.additional_properties {
            let is_known = |key: &str| {
                schema.property(key).is_some()
                    || patterns.into_iter().flatten().any(|(pattern, _)| pattern.matches(key))
            };
            for (key, value) in map.iter_mut().filter(|(key, _)| !is_known(key)) {
                match additional {
                    Below::Allowed(true) | Below::Tuple(_) => {}
                    Below::Allowed(false) => {
                        let message = if self.instance == "/functions" {
                            format!("name '{key}' must be alphanumeric")
                        } else {
                            format!("unrecognized property '{key}'")
                        };
                        self.error("additionalProperties", message, schema, &Value::Null);
                        self.allow(properties.into_iter().flatten().map(|(name, _)| &**name).collect());
                        if let Some(error) = self.errors.last_mut() {
                            error.key = Some(key.clone());
                        }
                    }
                    Below::Each(additional) => {
                        self.child("additionalProperties", escaped_key(key), additional, value);
                    }
                }
            }
        }
        for (key, needed) in schema
            .dependencies
            .iter()
            .flat_map(|needed| needed.iter())
            .filter(|(key, _)| map.contains_key(*key))
        {
            for name in needed.iter().filter(|name| !map.contains_key(*name)) {
                let message = format!("must have property {name} when property {key} is present");
                self.error("dependencies", message, schema, &Value::Null);
            }
        }
        for (name, schema) in properties.into_iter().flatten() {
            if let Some(value) = map.get_mut(&**name) {
                self.child(format_args!("properties/{}", escaped(name)), escaped_key(name), schema, value);
            }
        }
        for (pattern, schema) in patterns.into_iter().flatten() {
            for (key, value) in map.iter_mut().filter(|(key, _)| pattern.matches(key)) {
                let place = format_args!("patternProperties/{}", escaped(&pattern.source));
                self.child(place, escaped_key(key), schema, value);
            }
        }
    }
}

/// A name as one step of a path in the schema.
fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains('/') { name.replace('/', "~1").into() } else { name.into() }
}

/// A key as one step of a path in the data.
fn escaped_key(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { key.replace('~', "~0").replace('/', "~1").into() } else { key.into() }
}
