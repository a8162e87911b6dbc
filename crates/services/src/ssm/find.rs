//! Finding parameters: below a path, and by filters.

use super::rows::{Parameter, Version, all, invalid, load_version};
use super::{Ssm, names};
use crate::page;
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    key: String,
    option: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByPath {
    path: String,
    #[serde(default)]
    recursive: bool,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    #[serde(default)]
    with_decryption: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// `GetParametersByPath`
pub(super) async fn by_path(_: &Ssm, context: &Context, input: ByPath) -> Outcome<Value> {
    if !input.path.starts_with('/') {
        return Err(invalid("The parameter path must begin with a slash (/).").into());
    }
    for filter in &input.parameter_filters {
        if !matches!(filter.key.as_str(), "Type" | "KeyId" | "Label" | "DataType") {
            return Err(invalid_key(&filter.key).into());
        }
    }
    let found = matching(context, &input.parameter_filters, |name| {
        names::is_below(name, &input.path, input.recursive)
    })?;
    let (page, next) = page::of(found, input.max_results.unwrap_or(10), input.next_token.as_deref());
    let told = page.iter().map(|(name, version)| version.tell(context, name, input.with_decryption));
    Ok(answer(told.collect(), next))
}

/// A filter of the older kind.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OldFilter {
    key: String,
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    filters: Vec<OldFilter>,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// `DescribeParameters`
pub(super) async fn describe(_: &Ssm, context: &Context, input: Describe) -> Outcome<Value> {
    let mut filters = input.parameter_filters;
    for OldFilter { key, values } in input.filters {
        // The older names begin with anything that is given.
        let option = (key == "Name").then(|| "BeginsWith".to_owned());
        filters.push(Filter { key, option, values });
    }
    let found = matching(context, &filters, |_| true)?;
    let (page, next) = page::of(found, input.max_results.unwrap_or(50), input.next_token.as_deref());
    let told = page.iter().map(|(name, version)| version.describe(context, name));
    Ok(answer(told.collect(), next))
}

fn answer(parameters: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({ "Parameters": parameters });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    answer
}

/// The parameters that all filters let through, with their latest versions, or those with a label that a filter names.
fn matching(
    context: &Context,
    filters: &[Filter],
    is_named: impl Fn(&str) -> bool,
) -> Outcome<Vec<(String, Version)>> {
    let snapshot = context.store().read()?;
    let mut found = Vec::new();
    'parameters: for (name, parameter) in all(&snapshot, context)? {
        if !is_named(&name) {
            continue;
        }
        let labelled = filters.iter().find(|filter| filter.key == "Label");
        let number = match labelled {
            Some(filter) => filter.values.iter().find_map(|label| parameter.labels.get(label).copied()),
            None => Some(parameter.latest),
        };
        let Some(number) = number else { continue };
        let version = load_version(&snapshot, context, &name, number)?;
        for filter in filters {
            if !filter.lets_through(&name, &parameter, &version)? {
                continue 'parameters;
            }
        }
        found.push((name, version));
    }
    Ok(found)
}

impl Filter {
    fn lets_through(
        &self,
        name: &str,
        parameter: &Parameter,
        version: &Version,
    ) -> Result<bool, ServiceError> {
        let option = self.option.as_deref();
        let text = match self.key.as_str() {
            "Label" => return Ok(true),
            "Path" => {
                let is_recursive = option == Some("Recursive");
                return Ok(self.values.iter().any(|path| names::is_below(name, path, is_recursive)));
            }
            "Name" => Some(name),
            "Type" => Some(version.kind.as_str()),
            "KeyId" => version.key_id.as_deref(),
            "DataType" => Some(version.data_type.as_str()),
            "Tier" => Some(version.tier.as_str()),
            key => match key.strip_prefix("tag:") {
                Some(tag) => parameter.tags.get(tag).map(String::as_str),
                None => return Err(invalid_key(key)),
            },
        };
        let Some(text) = text else { return Ok(false) };
        let fits = |value: &String| match option.unwrap_or("Equals") {
            "BeginsWith" => text.starts_with(value.as_str()),
            "Contains" => text.contains(value.as_str()),
            _ => text == value || (self.key == "Name" && text.trim_start_matches('/') == value.as_str()),
        };
        // A tag without values asks whether it is there.
        Ok(self.values.is_empty() || self.values.iter().any(fits))
    }
}

fn invalid_key(key: &str) -> ServiceError {
    ServiceError::new("InvalidFilterKey", 400, format!("The filter key is not valid: {key}"))
}
