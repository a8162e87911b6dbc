//! `PutParameter`

use super::rows::{PARAMETERS, Parameter, VERSIONS, Version, invalid, parameter_key, version_key, versions};
use super::{Ssm, names};
use crate::storage::{Outcome, Rows};
use crate::tags::{self, Tag};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

/// How many versions of a parameter are kept.
const KEPT: usize = 100;
/// Bytes of a value, standard and advanced.
const SIZES: (usize, usize) = (4096, 8192);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    name: String,
    value: String,
    #[serde(rename = "Type")]
    kind: Option<String>,
    description: Option<String>,
    key_id: Option<String>,
    #[serde(default)]
    overwrite: bool,
    allowed_pattern: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    tier: Option<String>,
    policies: Option<String>,
    data_type: Option<String>,
}

/// `PutParameter`
pub(super) async fn put(_: &Ssm, context: &Context, input: Put) -> Outcome<Value> {
    let name = names::read(context, &input.name).name;
    names::check(&name)?;
    check(&input)?;
    let (overwrite, tags) = (input.overwrite, tags::map(input.tags.clone()));
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let context = &context_of_write;
        let known: Option<Parameter> = transaction.row(PARAMETERS, parameter_key(context, &name).as_ref())?;
        if known.is_some() && !overwrite {
            let message = "The parameter already exists. To overwrite this value, set the overwrite option in the \
                           request to true.";
            return Err(ServiceError::new("ParameterAlreadyExists", 400, message).into());
        }
        let before: Option<Version> = match &known {
            Some(known) => transaction.row(VERSIONS, version_key(context, &name, known.latest).as_ref())?,
            None => None,
        };
        let mut parameter = known.unwrap_or_else(|| Parameter { tags, ..Parameter::default() });
        parameter.latest += 1;
        forget_oldest(transaction, context, &name, &parameter)?;
        let version = input.version(context, parameter.latest, before)?;
        transaction.put_json(VERSIONS, version_key(context, &name, version.number), &version)?;
        transaction.put_json(PARAMETERS, parameter_key(context, &name), &parameter)?;
        Ok(json!({ "Version": version.number, "Tier": version.tier }))
    };
    context.store().write(write).await
}

/// Refuses what no parameter can be.
fn check(input: &Put) -> Result<(), ServiceError> {
    if input.overwrite && !input.tags.is_empty() {
        return Err(invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove \
             overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
             RemoveTagsFromResource.",
        ));
    }
    if input.policies.as_deref().is_some_and(|policies| policies.trim() != "[]") {
        return Err(ServiceError::new(
            "NotImplemented",
            501,
            "the local cloud has not built policies of parameters",
        ));
    }
    if input.value.is_empty() {
        return Err(invalid("Parameter value can't be empty."));
    }
    let is_standard = input.tier.as_deref().unwrap_or("Standard") == "Standard";
    if input.value.len() > if is_standard { SIZES.0 } else { SIZES.1 } {
        let message = if is_standard {
            "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter \
             value, upgrade the parameter to use the advanced-parameter tier. For more information, see \
             https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
        } else {
            "Advanced tier parameters support a maximum parameter value of 8192 characters."
        };
        return Err(invalid(message));
    }
    if let Some(pattern) = &input.allowed_pattern {
        let wrong = |_| {
            let message = format!("The allowed pattern is not a valid regular expression: {pattern}");
            ServiceError::new("InvalidAllowedPatternException", 400, message)
        };
        let compiled = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(wrong)?;
        if !compiled.is_match(&input.value) {
            let message = format!("Parameter value, cannot be validated against allowedPattern: {pattern}");
            return Err(ServiceError::new("ParameterPatternMismatchException", 400, message));
        }
    }
    Ok(())
}

impl Put {
    /// The version that this makes; what is not said stays as it was.
    fn version(
        self,
        context: &Context,
        number: u64,
        before: Option<Version>,
    ) -> Result<Version, ServiceError> {
        let kind = match (self.kind, &before) {
            (Some(kind), Some(before)) if kind != before.kind => {
                let message = "Parameter Store does not support changing a parameter type in a hierarchy. For example, you \
                               can't change a parameter from a String type to a SecureString type. You must create a new, \
                               unique parameter.";
                return Err(ServiceError::new("HierarchyTypeMismatchException", 400, message));
            }
            (Some(kind), _) => kind,
            (None, Some(before)) => before.kind.clone(),
            (None, None) => {
                return Err(invalid("A parameter type is required when you create a parameter."));
            }
        };
        let is_secure = kind == "SecureString";
        let tier = match self.tier.as_deref() {
            None | Some("Intelligent-Tiering") if self.value.len() > SIZES.0 => "Advanced",
            None | Some("Intelligent-Tiering") => {
                before.as_ref().map_or("Standard", |before| before.tier.as_str())
            }
            Some(tier) => tier,
        };
        Ok(Version {
            number,
            value: self.value,
            description: self.description.or_else(|| before.as_ref()?.description.clone()),
            key_id: is_secure.then(|| self.key_id.unwrap_or_else(|| "alias/aws/ssm".to_owned())),
            allowed_pattern: self.allowed_pattern,
            tier: tier.to_owned(),
            data_type: self.data_type.unwrap_or_else(|| "text".to_owned()),
            modified: context.now(),
            user: context.arn("iam", "root").to_string(),
            kind,
        })
    }
}

/// Makes room for one more version.
fn forget_oldest(
    transaction: &mut Transaction<'_>,
    context: &Context,
    name: &str,
    parameter: &Parameter,
) -> Outcome<()> {
    let kept = versions(transaction, context, name)?;
    let Some(oldest) = kept.first().filter(|_| kept.len() >= KEPT) else { return Ok(()) };
    if !parameter.labels_of(oldest.number).is_empty() {
        let message = format!(
            "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite flag. \
             Version {}, the oldest version, can't be deleted because it has a label associated with it. Move the label \
             to another version of the parameter, and try again.",
            oldest.number
        );
        return Err(ServiceError::new("ParameterMaxVersionLimitExceeded", 400, message).into());
    }
    transaction.delete(VERSIONS, version_key(context, name, oldest.number));
    Ok(())
}
