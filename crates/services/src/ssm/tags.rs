//! The tags of parameters.

use super::rows::{PARAMETERS, load, parameter_key};
use super::{Ssm, names};
use crate::storage::{Fault, Outcome};
use crate::tags::{self, Tag, Tags};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tagged {
    resource_type: String,
    resource_id: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

impl Tagged {
    fn name(&self, context: &Context) -> Result<String, ServiceError> {
        if self.resource_type != "Parameter" {
            let message = format!("the local cloud has not built {} of Systems Manager", self.resource_type);
            return Err(ServiceError::new("NotImplemented", 501, message));
        }
        Ok(names::read(context, &self.resource_id).name)
    }
}

fn no_resource(fault: Fault) -> Fault {
    match fault {
        Fault::Service(_) => ServiceError::new(
            "InvalidResourceId",
            400,
            "The resource ID is not valid. Verify that you entered the correct ID and try again.",
        )
        .into(),
        other => other,
    }
}

async fn change(context: &Context, input: Tagged, change: fn(&mut Tags, Tagged)) -> Outcome<()> {
    let name = input.name(context)?;
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut parameter = load(transaction, &context_of_write, &name).map_err(no_resource)?;
        change(&mut parameter.tags, input);
        Ok(transaction.put_json(PARAMETERS, parameter_key(&context_of_write, &name), &parameter)?)
    };
    context.store().write(write).await
}

/// `AddTagsToResource`
pub(super) async fn add(_: &Ssm, context: &Context, input: Tagged) -> Outcome<()> {
    change(context, input, |tags, input| tags.extend(tags::map(input.tags))).await
}

/// `RemoveTagsFromResource`
pub(super) async fn remove(_: &Ssm, context: &Context, input: Tagged) -> Outcome<()> {
    change(context, input, |tags, input| tags.retain(|key, _| !input.tag_keys.contains(key))).await
}

/// `ListTagsForResource`
pub(super) async fn list(_: &Ssm, context: &Context, input: Tagged) -> Outcome<Value> {
    let parameter = load(&context.store().read()?, context, &input.name(context)?).map_err(no_resource)?;
    Ok(json!({ "TagList": tags::list(&parameter.tags) }))
}
