//! The parameters from before there were expressions, written as expressions.
//!
//! Keeps true: nothing but text and placeholders comes out of here; what the words mean is decided in one place only,
//! by the expressions.
//! Source: "Legacy conditional parameters" in the developer guide.

use super::error::{Result, invalid, invalid_values};
use super::request::Expressions;
use aloft_lang::expression::Item;
use aloft_lang::expression::value::{check, typed};
use serde_json::{Value, json};

/// Replaces the older parameters of a request by expressions.
pub(super) fn translate(mut request: Expressions) -> Result<Expressions> {
    let mut writer = Writer {
        names: request.expression_attribute_names.take(),
        values: request.expression_attribute_values.take(),
    };
    let join = match request.conditional_operator.as_deref() {
        Some("OR") => " OR ",
        _ => " AND ",
    };
    if let Some(expected) = request.expected.take().filter(|expected| !expected.is_empty()) {
        request.condition_expression = Some(writer.conditions(&expected, join, Writer::expected)?);
    }
    if let Some(filter) =
        request.query_filter.take().or(request.scan_filter.take()).filter(|filter| !filter.is_empty())
    {
        request.filter_expression = Some(writer.conditions(&filter, join, Writer::condition)?);
    }
    if let Some(conditions) = request.key_conditions.take() {
        if !matches!(conditions.len(), 1 | 2) {
            return Err(invalid("Conditions can be of length 1 or 2 only"));
        }
        let not_indexable = ["NULL", "NOT_NULL", "NE", "CONTAINS", "NOT_CONTAINS", "IN"];
        let operators = conditions.values().filter_map(|condition| condition["ComparisonOperator"].as_str());
        if operators.into_iter().any(|operator| not_indexable.contains(&operator)) {
            return Err(invalid("Attempted conditional constraint is not an indexable operation"));
        }
        request.key_condition_expression =
            Some(writer.conditions(&conditions, " AND ", Writer::condition)?);
    }
    if let Some(updates) = request.attribute_updates.take().filter(|updates| !updates.is_empty()) {
        request.update_expression = Some(writer.updates(&updates)?);
    }
    if let Some(wanted) = request.attributes_to_get.take() {
        for (at, name) in wanted.iter().enumerate() {
            if wanted[..at].contains(name) {
                return Err(invalid_values(format!("Duplicate value in attribute name: {name}")));
            }
        }
        let names: Vec<String> = wanted.iter().map(|name| writer.name(name)).collect();
        request.projection_expression = Some(names.join(", "));
    }
    request.expression_attribute_names = writer.names;
    request.expression_attribute_values = writer.values;
    Ok(request)
}

/// Collects placeholders.
struct Writer {
    names: Option<Item>,
    values: Option<Item>,
}

impl Writer {
    fn name(&mut self, name: &str) -> String {
        let names = self.names.get_or_insert_default();
        let placeholder = format!("#older_parameter_{}", names.len());
        names.insert(placeholder.clone(), json!(name));
        placeholder
    }

    fn value(&mut self, value: &Value) -> Result<String> {
        let value = check(value)?;
        let values = self.values.get_or_insert_default();
        let placeholder = format!(":older_parameter_{}", values.len());
        values.insert(placeholder.clone(), value);
        Ok(placeholder)
    }

    fn conditions(
        &mut self,
        all: &Item,
        join: &str,
        each: fn(&mut Self, &str, &Value) -> Result<String>,
    ) -> Result<String> {
        let texts: Vec<String> =
            all.iter().map(|(name, condition)| each(self, name, condition)).collect::<Result<_>>()?;
        Ok(texts.join(join))
    }

    /// A member of `Expected`.
    fn expected(&mut self, name: &str, expected: &Value) -> Result<String> {
        let (value, list) = (expected.get("Value"), expected.get("AttributeValueList"));
        if value.is_some() && list.is_some() {
            return Err(invalid_values(format!(
                "Value and AttributeValueList cannot be used together for Attribute: {name}"
            )));
        }
        let exists = expected.get("Exists").and_then(Value::as_bool);
        if let Some(operator) = expected.get("ComparisonOperator").and_then(Value::as_str) {
            if exists.is_some() {
                return Err(invalid_values(format!(
                    "Exists and ComparisonOperator cannot be used together for Attribute: {name}"
                )));
            }
            if value.is_none() && list.is_none() && !matches!(operator, "NULL" | "NOT_NULL") {
                return Err(invalid_values(format!(
                    "Value or AttributeValueList must be used with ComparisonOperator: {operator} for Attribute: {name}"
                )));
            }
            let values: Vec<Value> = list
                .and_then(Value::as_array)
                .cloned()
                .or_else(|| Some(vec![value?.clone()]))
                .unwrap_or_default();
            return self.compare(name, operator, &values);
        }
        if list.is_some() {
            return Err(invalid_values(format!(
                "AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}"
            )));
        }
        match (exists, value) {
            (Some(false), Some(_)) => Err(invalid_values(format!(
                "Value cannot be used when Exists is false for Attribute: {name}"
            ))),
            (Some(false), None) => Ok(format!("attribute_not_exists({})", self.name(name))),
            (_, Some(value)) => self.compare(name, "EQ", std::slice::from_ref(value)),
            (exists, None) => {
                let exists = if exists.is_some() { "true" } else { "null" };
                Err(invalid_values(format!(
                    "Value must be provided when Exists is {exists} for Attribute: {name}"
                )))
            }
        }
    }

    /// A member of `QueryFilter`, `ScanFilter` or `KeyConditions`.
    fn condition(&mut self, name: &str, condition: &Value) -> Result<String> {
        let values =
            condition.get("AttributeValueList").and_then(Value::as_array).cloned().unwrap_or_default();
        self.compare(name, condition["ComparisonOperator"].as_str().unwrap_or_default(), &values)
    }

    fn compare(&mut self, name: &str, operator: &str, values: &[Value]) -> Result<String> {
        let wanted = match operator {
            "NULL" | "NOT_NULL" => values.is_empty(),
            "IN" => !values.is_empty(),
            "BETWEEN" => values.len() == 2,
            _ => values.len() == 1,
        };
        if !wanted {
            return Err(invalid_values(format!(
                "Invalid number of argument(s) for the {operator} ComparisonOperator"
            )));
        }
        let kind = |value: &Value| typed(value).map(|(kind, _)| kind.to_owned());
        if values.iter().any(|value| kind(value) != values.first().and_then(kind)) {
            return Err(invalid_values("AttributeValues inside AttributeValueList must be of same type"));
        }
        let name = self.name(name);
        let texts: Vec<String> = values.iter().map(|value| self.value(value)).collect::<Result<_>>()?;
        let list = texts.join(", ");
        Ok(match operator {
            "EQ" => format!("{name} = {list}"),
            "NE" => format!("{name} <> {list}"),
            "LT" => format!("{name} < {list}"),
            "LE" => format!("{name} <= {list}"),
            "GT" => format!("{name} > {list}"),
            "GE" => format!("{name} >= {list}"),
            "NULL" => format!("attribute_not_exists({name})"),
            "NOT_NULL" => format!("attribute_exists({name})"),
            "IN" => format!("{name} IN ({list})"),
            "BETWEEN" => format!("{name} BETWEEN {}", texts.join(" AND ")),
            "BEGINS_WITH" => format!("begins_with({name}, {list})"),
            "CONTAINS" => format!("contains({name}, {list})"),
            "NOT_CONTAINS" => format!("(attribute_exists({name}) AND NOT contains({name}, {list}))"),
            other => return Err(invalid_values(format!("Unknown ComparisonOperator: {other}"))),
        })
    }

    fn updates(&mut self, updates: &Item) -> Result<String> {
        let mut sections =
            [("SET", Vec::new()), ("REMOVE", Vec::new()), ("ADD", Vec::new()), ("DELETE", Vec::new())];
        for (name, update) in updates {
            let (action, value) =
                (update.get("Action").and_then(Value::as_str).unwrap_or("PUT"), update.get("Value"));
            let kind = value.and_then(typed).map_or("", |(kind, _)| kind);
            let (section, text) = match (action, value) {
                ("DELETE", None) => (1, self.name(name)),
                (_, None) => {
                    return Err(invalid_values(
                        "Only DELETE action is allowed when no attribute value is specified",
                    ));
                }
                ("DELETE", Some(value)) if matches!(kind, "SS" | "NS" | "BS") => {
                    (3, format!("{} {}", self.name(name), self.value(value)?))
                }
                ("DELETE", Some(_)) => {
                    return Err(invalid_values(format!(
                        "DELETE action with value is not supported for the type {kind}"
                    )));
                }
                ("ADD", Some(value)) if matches!(kind, "N" | "SS" | "NS" | "BS") => {
                    (2, format!("{} {}", self.name(name), self.value(value)?))
                }
                ("ADD", Some(value)) if kind == "L" => {
                    let (name, value) = (self.name(name), self.value(value)?);
                    let empty = self.value(&json!({"L": []}))?;
                    (0, format!("{name} = list_append(if_not_exists({name}, {empty}), {value})"))
                }
                ("ADD", Some(_)) => {
                    return Err(invalid_values(format!("ADD action is not supported for the type {kind}")));
                }
                ("PUT", Some(value)) => (0, format!("{} = {}", self.name(name), self.value(value)?)),
                (other, _) => return Err(invalid_values(format!("Unknown Action: {other}"))),
            };
            sections[section].1.push(text);
        }
        let written = sections.iter().filter(|(_, texts)| !texts.is_empty());
        Ok(written
            .map(|(section, texts)| format!("{section} {}", texts.join(", ")))
            .collect::<Vec<_>>()
            .join(" "))
    }
}
