//! The expressions of a request with their placeholders: which may stand together, parsed, all placeholders used.
//!
//! What the older parameters (`Expected`, `AttributesToGet`, ...) say comes in as expressions from `legacy.rs`.
//! Keeps true: after [`Expressions::parse`] nothing in a request's expressions is left to complain about but what
//! depends on the table.

use super::error::{Result, invalid};
use super::legacy;
use aloft_lang::expression::{
    Condition, Item, KeyCondition, Projection, Update, Used, check_all_used, check_placeholders,
};
use serde::Deserialize;

/// The parameters of any operation on items that hold expressions, or what came before there were any.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Expressions {
    pub condition_expression: Option<String>,
    pub update_expression: Option<String>,
    pub filter_expression: Option<String>,
    pub key_condition_expression: Option<String>,
    pub projection_expression: Option<String>,
    pub expression_attribute_names: Option<Item>,
    pub expression_attribute_values: Option<Item>,
    pub expected: Option<Item>,
    pub attribute_updates: Option<Item>,
    pub query_filter: Option<Item>,
    pub scan_filter: Option<Item>,
    pub key_conditions: Option<Item>,
    pub attributes_to_get: Option<Vec<String>>,
    pub conditional_operator: Option<String>,
}

/// Which of the expressions an operation has, in the order of its messages.
pub(super) struct Takes(pub &'static [&'static str]);

pub(super) const PUT: Takes = Takes(&["ConditionExpression"]);
pub(super) const UPDATE: Takes = Takes(&["UpdateExpression", "ConditionExpression"]);
pub(super) const GET: Takes = Takes(&["ProjectionExpression"]);
pub(super) const QUERY: Takes =
    Takes(&["ProjectionExpression", "FilterExpression", "KeyConditionExpression"]);
pub(super) const SCAN: Takes = Takes(&["ProjectionExpression", "FilterExpression"]);

/// The parsed expressions of a request.
#[derive(Default)]
pub(super) struct Parsed {
    pub condition: Option<Condition>,
    pub update: Option<Update>,
    pub filter: Option<Condition>,
    pub projection: Option<Projection>,
    key_condition: Option<String>,
    names: Item,
    values: Item,
}

impl Expressions {
    fn text(&self, name: &str) -> Option<&String> {
        match name {
            "ConditionExpression" => self.condition_expression.as_ref(),
            "UpdateExpression" => self.update_expression.as_ref(),
            "FilterExpression" => self.filter_expression.as_ref(),
            "KeyConditionExpression" => self.key_condition_expression.as_ref(),
            "ProjectionExpression" => self.projection_expression.as_ref(),
            _ => None,
        }
    }

    /// The older parameters that are there.
    fn older(&self) -> Vec<&'static str> {
        let beside_filter = self.key_conditions.is_some() && self.key_condition_expression.is_none();
        let all = [
            ("AttributesToGet", self.attributes_to_get.is_some()),
            ("AttributeUpdates", self.attribute_updates.is_some()),
            ("QueryFilter", self.query_filter.is_some()),
            ("ScanFilter", self.scan_filter.is_some()),
            ("Expected", self.expected.is_some()),
            ("ConditionalOperator", self.conditional_operator.is_some()),
            // Key conditions may stand beside a filter expression.
            ("KeyConditions", self.key_conditions.is_some() && !beside_filter),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    /// Refuses what does not go together.
    fn check(&self, takes: &Takes) -> Result<()> {
        let given: Vec<&str> = takes.0.iter().copied().filter(|name| self.text(name).is_some()).collect();
        let older = self.older();
        if !given.is_empty() && !older.is_empty() {
            return Err(invalid(format!(
                "Can not use both expression and non-expression parameters in the same request: \
                 Non-expression parameters: {{{}}} Expression parameters: {{{}}}",
                older.join(", "),
                given.join(", ")
            )));
        }
        if self.expression_attribute_names.is_some() && given.is_empty() {
            return Err(invalid("ExpressionAttributeNames can only be specified when using expressions"));
        }
        let with_values: Vec<&str> =
            takes.0.iter().copied().filter(|name| *name != "ProjectionExpression").collect();
        let no_values = with_values.iter().all(|name| self.text(name).is_none());
        if self.expression_attribute_values.is_some() && !with_values.is_empty() && no_values {
            let (names, verb) = (with_values.join(" and "), if with_values.len() > 1 { "are" } else { "is" });
            return Err(invalid(format!(
                "ExpressionAttributeValues can only be specified when using expressions: {names} {verb} null"
            )));
        }
        check_placeholders(
            self.expression_attribute_names.as_ref(),
            self.expression_attribute_values.as_ref(),
        )?;
        Ok(())
    }

    /// Checks and parses everything. The key condition waits for the table: see [`Parsed::key_condition`].
    pub fn parse(self, takes: &Takes) -> Result<Parsed> {
        self.check(takes)?;
        let this = legacy::translate(self)?;
        let names = this.expression_attribute_names.unwrap_or_default();
        let values = this.expression_attribute_values.unwrap_or_default();
        let parse = |text: &Option<String>, parse: fn(&str, &Item, &Item) -> _| {
            text.as_ref().map(|text| parse(text, &names, &values)).transpose()
        };
        let update =
            this.update_expression.as_ref().map(|text| Update::parse(text, &names, &values)).transpose()?;
        let condition = parse(&this.condition_expression, Condition::parse)?;
        let filter = parse(&this.filter_expression, Condition::parse_filter)?;
        let projection =
            this.projection_expression.as_ref().map(|text| Projection::parse(text, &names)).transpose()?;
        let parsed = Parsed {
            condition,
            update,
            filter,
            projection,
            key_condition: this.key_condition_expression,
            names,
            values,
        };
        if parsed.key_condition.is_none() {
            parsed.check_used(None)?;
        }
        Ok(parsed)
    }
}

impl Parsed {
    /// The key condition, read for a table or index with these keys.
    pub fn key_condition(&self, partition: &str, sort: Option<&str>) -> Result<KeyCondition> {
        let missing =
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.";
        let text = self.key_condition.as_ref().ok_or_else(|| invalid(missing))?;
        let parsed = KeyCondition::parse(text, &self.names, &self.values, partition, sort)?;
        self.check_used(Some(parsed.used()))?;
        Ok(parsed)
    }

    /// Whether there is a key condition at all.
    pub fn has_key_condition(&self) -> bool {
        self.key_condition.is_some()
    }

    fn check_used(&self, key_condition: Option<&Used>) -> Result<()> {
        let used = [
            self.condition.as_ref().map(Condition::used),
            self.update.as_ref().map(Update::used),
            self.filter.as_ref().map(Condition::used),
            self.projection.as_ref().map(Projection::used),
            key_condition,
        ];
        let used: Vec<&Used> = used.into_iter().flatten().collect();
        Ok(check_all_used(&self.names, &self.values, &used)?)
    }
}
