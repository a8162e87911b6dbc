//! Intrinsic functions: `Ref`, `Fn::GetAtt`, `Fn::Sub` and their like, on plain data.
//!
//! Asks nobody: what a stack knows is passed in. Source: the "Intrinsic function reference" of the CloudFormation user guide.

use super::template::{invalid, text_of};
use aloft_engine::ServiceError;
use base64::Engine as _;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How deep a value may nest.
const MAX_DEPTH: usize = 60;

/// What a template's own sections and the surroundings give.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Parameters, and pseudo parameters by their whole names (`AWS::Region`).
    pub parameters: &'a BTreeMap<String, Value>,
    /// `Mappings`.
    pub mappings: &'a Map<String, Value>,
    /// Conditions that are worked out.
    pub conditions: &'a BTreeMap<String, bool>,
    /// What other stacks export, by name.
    pub exports: &'a BTreeMap<String, String>,
}

/// A resource's physical id and its attributes.
pub type Known = (String, Map<String, Value>);

/// What is known of the stack's resources.
pub enum Lookup<'a> {
    /// Nothing: conditions and previews may not refer to resources.
    Nothing,
    /// Leaves references to resources as they are, to compare templates.
    Keep,
    /// `Ref` and attributes of those that are there.
    Resources(&'a dyn Fn(&str) -> Option<Known>),
}

/// A value with all its functions worked out. `AWS::NoValue` removes its key or item.
pub fn resolve(value: &Value, scope: &Scope<'_>, lookup: &Lookup<'_>) -> Result<Value, ServiceError> {
    Ok(Resolver { scope, lookup }.value(value, 0)?.unwrap_or(Value::Null))
}

struct Resolver<'a> {
    scope: &'a Scope<'a>,
    lookup: &'a Lookup<'a>,
}

fn error(message: impl std::fmt::Display) -> ServiceError {
    invalid(format!("Template error: {message}"))
}

impl Resolver<'_> {
    /// Nothing for `AWS::NoValue`.
    fn value(&self, value: &Value, depth: usize) -> Result<Option<Value>, ServiceError> {
        if depth > MAX_DEPTH {
            return Err(error("values nest too deeply"));
        }
        match value {
            Value::Array(list) => {
                let items = list.iter().filter_map(|item| self.value(item, depth + 1).transpose());
                Ok(Some(Value::Array(items.collect::<Result<_, _>>()?)))
            }
            Value::Object(map) => {
                if map.len() == 1
                    && let Some((name, argument)) = map.iter().next()
                    && (name == "Ref" || name == "Condition" || name.starts_with("Fn::"))
                    && let Some(answer) = self.function(name, argument, depth + 1)?
                {
                    return Ok(answer);
                }
                let mut resolved = Map::new();
                for (key, inner) in map {
                    if let Some(inner) = self.value(inner, depth + 1)? {
                        resolved.insert(key.clone(), inner);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
            scalar => Ok(Some(scalar.clone())),
        }
    }

    /// The outer `None`: no function of that name, or not one in this place.
    #[allow(clippy::option_option)]
    fn function(
        &self,
        name: &str,
        argument: &Value,
        depth: usize,
    ) -> Result<Option<Option<Value>>, ServiceError> {
        let argument_value = || Ok::<_, ServiceError>(self.value(argument, depth)?.unwrap_or(Value::Null));
        let value = match name {
            "Ref" => return self.reference(argument).map(Some),
            "Condition" => match argument.as_str().and_then(|name| self.scope.conditions.get(name)) {
                Some(holds) => Value::Bool(*holds),
                None => return Ok(None),
            },
            "Fn::GetAtt" => self.attribute(argument, depth)?,
            "Fn::Sub" => self.substitute(argument, depth)?,
            "Fn::If" => return self.choose(argument, depth).map(Some),
            "Fn::Join" => join(&argument_value()?)?,
            "Fn::Select" => select(&argument_value()?)?,
            "Fn::Split" => split(&argument_value()?)?,
            "Fn::Base64" => {
                let encode = |text: &str| Value::from(base64::engine::general_purpose::STANDARD.encode(text));
                let text = argument_value()?;
                if is_kept(&text) { kept(name, text) } else { encode(&text_of(&text)) }
            }
            "Fn::FindInMap" => self.find_in_map(&argument_value()?)?,
            "Fn::ImportValue" => self.import(argument_value()?)?,
            "Fn::GetAZs" => {
                let region = text_of(&argument_value()?);
                let region = if region.is_empty() {
                    self.scope.parameters.get("AWS::Region").map(text_of).unwrap_or_default()
                } else {
                    region
                };
                ["a", "b", "c"].iter().map(|zone| Value::from(format!("{region}{zone}"))).collect()
            }
            "Fn::Length" => match argument_value()? {
                Value::Array(list) => Value::from(list.len()),
                _ => return Err(error("Fn::Length object requires a list")),
            },
            "Fn::ToJsonString" => {
                let value = argument_value()?;
                if is_kept(&value) { kept(name, value) } else { Value::from(value.to_string()) }
            }
            "Fn::Equals" => match &argument_value()? {
                Value::Array(sides) if sides.len() == 2 => {
                    Value::Bool(text_of(&sides[0]) == text_of(&sides[1]))
                }
                _ => return Err(error("Fn::Equals requires two parameters")),
            },
            "Fn::And" | "Fn::Or" => {
                let Value::Array(list) = argument_value()? else {
                    return Err(error(format!("{name} requires a list")));
                };
                let is_true = |value: &Value| *value == Value::Bool(true);
                Value::Bool(if name == "Fn::And" {
                    list.iter().all(is_true)
                } else {
                    list.iter().any(is_true)
                })
            }
            "Fn::Not" => match &argument_value()? {
                Value::Array(list) if list.len() == 1 => Value::Bool(list[0] != Value::Bool(true)),
                _ => return Err(error("Fn::Not requires one parameter")),
            },
            "Fn::Cidr" | "Fn::Transform" | "Fn::ForEach" => {
                return Err(error(format!("the local cloud does not have {name}")));
            }
            _ => return Err(error(format!("{name} is not a function"))),
        };
        Ok(Some(Some(value)))
    }

    fn reference(&self, argument: &Value) -> Result<Option<Value>, ServiceError> {
        let name = argument.as_str().ok_or_else(|| error("Ref must be a string"))?;
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.scope.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        match self.lookup {
            Lookup::Keep => Ok(Some(kept("Ref", argument.clone()))),
            Lookup::Nothing => Err(error(format!("Ref {name} cannot be used here"))),
            Lookup::Resources(find) => match find(name) {
                Some((physical_id, _)) => Ok(Some(Value::String(physical_id))),
                None => Err(error(format!("resource {name} does not exist"))),
            },
        }
    }

    fn attribute(&self, argument: &Value, depth: usize) -> Result<Value, ServiceError> {
        let (name, attribute) = match argument {
            Value::String(path) => path.split_once('.').map(|(name, attribute)| (name.to_owned(), attribute.to_owned())),
            Value::Array(parts) if parts.len() >= 2 => {
                let rest: Result<Vec<String>, ServiceError> =
                    parts[1..].iter().map(|part| Ok(text_of(&self.value(part, depth)?.unwrap_or(Value::Null)))).collect();
                Some((text_of(&parts[0]), rest?.join(".")))
            }
            _ => None,
        }
        .ok_or_else(|| error("Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"))?;
        match self.lookup {
            Lookup::Keep => Ok(kept("Fn::GetAtt", argument.clone())),
            Lookup::Nothing => Err(error(format!("Fn::GetAtt {name} cannot be used here"))),
            Lookup::Resources(find) => {
                let (_, attributes) = find(&name).ok_or_else(|| {
                    error(format!("instance of Fn::GetAtt references undefined resource {name}"))
                })?;
                let missing = || {
                    error(format!(
                        "resource {name} does not support attribute type {attribute} in Fn::GetAtt"
                    ))
                };
                attributes.get(&attribute).cloned().ok_or_else(missing)
            }
        }
    }

    fn substitute(&self, argument: &Value, depth: usize) -> Result<Value, ServiceError> {
        let (text, own) = match argument {
            Value::String(text) => (text.as_str(), Map::new()),
            Value::Array(parts) => match (parts.first().and_then(Value::as_str), parts.get(1)) {
                (Some(text), Some(own)) => {
                    let own = self.value(own, depth)?.and_then(|own| own.as_object().cloned());
                    (text, own.ok_or_else(|| error("Fn::Sub requires a map as its second parameter"))?)
                }
                (Some(text), None) => (text, Map::new()),
                _ => {
                    return Err(error(
                        "One or more Fn::Sub intrinsic functions don't specify expected arguments",
                    ));
                }
            },
            _ => {
                return Err(error(
                    "One or more Fn::Sub intrinsic functions don't specify expected arguments",
                ));
            }
        };
        let (mut result, mut rest, mut keep) = (String::new(), text, false);
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                result.push_str("${");
                rest = after;
                continue;
            };
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str(&format!("${{{literal}}}"));
                continue;
            }
            let value = match own.get(name) {
                Some(value) => value.clone(),
                None if name.contains('.') => self.attribute(&Value::from(name), depth)?,
                None => self.reference(&Value::from(name))?.unwrap_or_else(|| Value::from("")),
            };
            keep |= is_kept(&value);
            result.push_str(&text_of(&value));
        }
        result.push_str(rest);
        Ok(if keep { kept("Fn::Sub", Value::String(result)) } else { Value::String(result) })
    }

    fn choose(&self, argument: &Value, depth: usize) -> Result<Option<Value>, ServiceError> {
        let Value::Array(parts) = argument else { return Err(error("Fn::If requires a list argument")) };
        let [Value::String(condition), yes, no] = &parts[..] else {
            return Err(error("Fn::If requires three parameters, the first being a condition"));
        };
        let holds = self
            .scope
            .conditions
            .get(condition)
            .ok_or_else(|| error(format!("unresolved condition {condition}")))?;
        self.value(if *holds { yes } else { no }, depth)
    }

    fn find_in_map(&self, argument: &Value) -> Result<Value, ServiceError> {
        let Value::Array(keys) = argument else { return Err(error("Fn::FindInMap requires a list")) };
        if keys.len() < 3 {
            return Err(error(
                "FindInMap requires three parameters, the map name, map key and the attribute for return value",
            ));
        }
        let [map, top, second] = [&keys[0], &keys[1], &keys[2]].map(text_of);
        let found = self.scope.mappings.get(&map).and_then(|map| map.get(&top)?.get(&second));
        let default = || keys.get(3).and_then(|options| options.get("DefaultValue"));
        found
            .or_else(default)
            .cloned()
            .ok_or_else(|| error(format!("Unable to get mapping for {map}::{top}::{second}")))
    }

    fn import(&self, name: Value) -> Result<Value, ServiceError> {
        if is_kept(&name) {
            return Ok(kept("Fn::ImportValue", name));
        }
        let name = text_of(&name);
        let value = self.scope.exports.get(&name);
        value
            .map(|value| Value::from(value.as_str()))
            .ok_or_else(|| invalid(format!("No export named {name} found.")))
    }
}

/// A function that was left as it is, because it refers to a resource.
fn kept(name: &str, argument: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), argument)]))
}

fn is_kept(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::")),
        Value::Array(list) => list.iter().any(is_kept),
        _ => false,
    }
}

fn join(argument: &Value) -> Result<Value, ServiceError> {
    let Value::Array(parts) = argument else { return Err(error("Fn::Join requires a list")) };
    match &parts[..] {
        [_, list] if is_kept(list) => Ok(kept("Fn::Join", argument.clone())),
        [Value::String(separator), Value::Array(list)] => {
            Ok(Value::from(list.iter().map(text_of).collect::<Vec<_>>().join(separator)))
        }
        _ => Err(error(
            "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined",
        )),
    }
}

fn select(argument: &Value) -> Result<Value, ServiceError> {
    let Value::Array(parts) = argument else { return Err(error("Fn::Select requires a list")) };
    match &parts[..] {
        [_, list] if is_kept(list) && !list.is_array() => Ok(kept("Fn::Select", argument.clone())),
        [index, Value::Array(list)] => {
            let index: Option<usize> = text_of(index).parse().ok();
            index
                .and_then(|index| list.get(index))
                .cloned()
                .ok_or_else(|| error("Fn::Select cannot select nonexistent value at index"))
        }
        _ => Err(error("Fn::Select requires a list argument with two elements: an integer index and a list")),
    }
}

fn split(argument: &Value) -> Result<Value, ServiceError> {
    let Value::Array(parts) = argument else { return Err(error("Fn::Split requires a list")) };
    match &parts[..] {
        [_, text] if is_kept(text) => Ok(kept("Fn::Split", argument.clone())),
        [Value::String(separator), Value::String(text)] if !separator.is_empty() => {
            Ok(text.split(separator.as_str()).map(Value::from).collect())
        }
        _ => Err(error(
            "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(value: Value, expected: Result<Value, &str>) {
        let parameters = BTreeMap::from([
            ("Stage".to_owned(), json!("dev")),
            ("AWS::Region".to_owned(), json!("us-east-1")),
            ("List".to_owned(), json!(["a", "b"])),
        ]);
        let mappings = json!({"M": {"dev": {"size": 1}}});
        let conditions = BTreeMap::from([("Yes".to_owned(), true), ("No".to_owned(), false)]);
        let exports = BTreeMap::from([("other-Arn".to_owned(), "arn:x".to_owned())]);
        let scope = Scope {
            parameters: &parameters,
            mappings: mappings.as_object().expect("a map"),
            conditions: &conditions,
            exports: &exports,
        };
        let queue = Map::from_iter([("Arn".to_owned(), json!("arn:q"))]);
        let find = move |name: &str| (name == "Queue").then(|| ("http://queue".to_owned(), queue.clone()));
        let result = resolve(&value, &scope, &Lookup::Resources(&find));
        assert_eq!(result.map_err(|error| error.message), expected.map_err(str::to_owned), "{value}");
    }

    #[test]
    fn functions() {
        check(json!({"Ref": "Stage"}), Ok(json!("dev")));
        check(json!({"Ref": "Queue"}), Ok(json!("http://queue")));
        check(json!({"Fn::GetAtt": ["Queue", "Arn"]}), Ok(json!("arn:q")));
        check(json!({"Fn::GetAtt": "Queue.Arn"}), Ok(json!("arn:q")));
        check(
            json!({"Fn::Sub": "${Stage}-${Queue.Arn}-${!Literal}-${AWS::Region}"}),
            Ok(json!("dev-arn:q-${Literal}-us-east-1")),
        );
        check(json!({"Fn::Sub": ["${X}${Stage}", {"X": {"Ref": "Queue"}}]}), Ok(json!("http://queuedev")));
        check(json!({"Fn::Join": ["/", ["a", 1, {"Ref": "Stage"}]]}), Ok(json!("a/1/dev")));
        check(json!({"Fn::Join": [",", {"Ref": "List"}]}), Ok(json!("a,b")));
        check(json!({"Fn::Select": ["1", {"Fn::Split": ["-", "x-y-z"]}]}), Ok(json!("y")));
        check(json!({"Fn::If": ["Yes", 1, 2]}), Ok(json!(1)));
        check(
            json!({"a": {"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}, "b": [1, {"Ref": "AWS::NoValue"}]}),
            Ok(json!({"b": [1]})),
        );
        check(json!({"Fn::FindInMap": ["M", {"Ref": "Stage"}, "size"]}), Ok(json!(1)));
        check(json!({"Fn::ImportValue": {"Fn::Sub": "other-Arn"}}), Ok(json!("arn:x")));
        check(json!({"Fn::Equals": [{"Ref": "Stage"}, "dev"]}), Ok(json!(true)));
        check(json!({"Fn::Not": [{"Condition": "Yes"}]}), Ok(json!(false)));
        check(json!({"Fn::Base64": "hi"}), Ok(json!("aGk=")));
        check(
            json!({"Condition": {"StringEquals": {"a": "b"}}}),
            Ok(json!({"Condition": {"StringEquals": {"a": "b"}}})),
        );
        check(json!({"Ref": "Nobody"}), Err("Template error: resource Nobody does not exist"));
        check(
            json!({"Fn::GetAtt": ["Queue", "Name"]}),
            Err("Template error: resource Queue does not support attribute type Name in Fn::GetAtt"),
        );
        check(json!({"Fn::ImportValue": "nothing"}), Err("No export named nothing found."));
        check(json!({"Fn::Nope": 1}), Err("Template error: Fn::Nope is not a function"));
    }
}
