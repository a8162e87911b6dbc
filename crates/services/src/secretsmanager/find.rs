//! `ListSecrets`, and the filters that it shares with reading many values.

use super::SecretsManager;
use super::rows::{SECRETS, Secret, invalid_parameter};
use crate::page;
use crate::storage::{Outcome, Rows, decode};
use aloft_engine::{Context, ServiceError};
use aloft_store::key;
use serde::Deserialize;
use serde_json::{Value, json};

/// A filter: the key, and texts of which one must fit.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    key: String,
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    #[serde(default)]
    include_planned_deletion: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    filters: Vec<Filter>,
    sort_order: Option<String>,
    sort_by: Option<String>,
}

/// `ListSecrets`
pub(super) async fn list(_: &SecretsManager, context: &Context, input: List) -> Outcome<Value> {
    let mut found =
        matching(context, &context.store().read()?, &input.filters, input.include_planned_deletion)?;
    match input.sort_by.as_deref() {
        Some("name") => found.sort_by(|a, b| a.name.cmp(&b.name)),
        Some("last-changed-date") => found.sort_by_key(|secret| secret.changed),
        _ => found.sort_by_key(|secret| secret.created),
    }
    if input.sort_order.as_deref() != Some("asc") {
        found.reverse();
    }
    let (page, next) = page::of(found, input.max_results.unwrap_or(100), input.next_token.as_deref());
    let told: Vec<Value> = page.iter().map(|secret| secret.tell(context, "SecretVersionsToStages")).collect();
    let mut answer = json!({ "SecretList": told });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

/// The secrets that all filters let through, by name.
pub(super) fn matching(
    context: &Context,
    rows: &impl Rows,
    filters: &[Filter],
    with_deleted: bool,
) -> Outcome<Vec<Secret>> {
    let prefix = key([context.account.as_str(), context.region.as_str()]);
    let mut found = Vec::new();
    for (_, value) in rows.rows(SECRETS, prefix.as_ref(), usize::MAX)? {
        let secret: Secret = decode(SECRETS, &value)?;
        if secret.deletion.is_some() && !with_deleted {
            continue;
        }
        let mut fits = true;
        for filter in filters {
            fits &= filter.lets_through(&secret)?;
        }
        if fits {
            found.push(secret);
        }
    }
    Ok(found)
}

impl Filter {
    /// Names and tags begin with a value, descriptions hold it; a value that begins with `!` must not fit.
    fn lets_through(&self, secret: &Secret) -> Result<bool, ServiceError> {
        let name = |value: &str| secret.name.starts_with(value);
        let description = |value: &str| {
            let text = secret.description.as_deref().unwrap_or_default().to_lowercase();
            text.contains(&value.to_lowercase())
        };
        let tag_key = |value: &str| secret.tags.keys().any(|key| key.starts_with(value));
        let tag_value = |value: &str| secret.tags.values().any(|tag| tag.starts_with(value));
        let fits: &dyn Fn(&str) -> bool = match self.key.as_str() {
            "name" => &name,
            "description" => &description,
            "tag-key" => &tag_key,
            "tag-value" => &tag_value,
            "all" => &|value| name(value) || description(value) || tag_key(value) || tag_value(value),
            other => {
                return Err(invalid_parameter(format!(
                    "The filter {other} is not built in the local cloud."
                )));
            }
        };
        Ok(self.values.iter().any(|value| match value.strip_prefix('!') {
            Some(value) => !fits(value),
            None => fits(value),
        }))
    }
}
