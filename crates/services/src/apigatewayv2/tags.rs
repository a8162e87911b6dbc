//! Tags of APIs and stages, by ARN: `arn:aws:apigateway:us-east-1::/apis/<id>[/stages/<name>]`.

use super::kinds::{self, bad_request};
use super::{ApiGatewayV2, DOCUMENTS, stages};
use crate::gateway::documents::{list, map, text};
use crate::gateway::{Document, Place};
use crate::storage::{Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use serde_json::{Value, json};

/// The kind, the id and the document that an ARN names.
fn find(rows: &impl Rows, place: &Place, stage: Option<&str>) -> Outcome<(&'static str, String, Document)> {
    match stage {
        Some(name) => {
            Ok((stages::KIND.name, name.to_owned(), kinds::part(rows, place, &stages::KIND, name)?))
        }
        None => Ok(("Api", String::new(), kinds::api(rows, place)?)),
    }
}

fn read_arn(context: &Context, arn: &str) -> Outcome<(Place, Option<String>)> {
    let invalid = || bad_request("Invalid resource ARN");
    let (_, path) = arn.split_once("/apis/").ok_or_else(invalid)?;
    let mut parts = path.split('/');
    let api = parts.next().filter(|api| !api.is_empty()).ok_or_else(invalid)?;
    let stage = match (parts.next(), parts.next()) {
        (None, _) => None,
        (Some("stages"), Some(name)) => Some(name.to_owned()),
        _ => return Err(invalid()),
    };
    Ok((Place::new(context, api), stage))
}

pub(super) async fn get(_: &ApiGatewayV2, context: &Context, input: Document) -> Result<Value, ServiceError> {
    let read = || -> Outcome<Document> {
        let (place, stage) = read_arn(context, text(&input, "ResourceArn"))?;
        Ok(find(&context.store().read()?, &place, stage.as_deref())?.2)
    };
    Ok(json!({ "Tags": map(&read()?, "Tags") }))
}

async fn change(
    context: &Context,
    arn: &str,
    work: impl FnOnce(&mut Document) + Send + 'static,
) -> Result<(), ServiceError> {
    let (place, stage) = read_arn(context, arn)?;
    let within = place.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            let (kind, id, mut document) = find(transaction, &within, stage.as_deref())?;
            let mut tags = map(&document, "Tags");
            work(&mut tags);
            document.insert("Tags".to_owned(), tags.into());
            Ok(DOCUMENTS.put(transaction, &within, kind, &id, &document)?)
        })
        .await
}

pub(super) async fn tag(_: &ApiGatewayV2, context: &Context, input: Document) -> Result<Value, ServiceError> {
    let added = map(&input, "Tags");
    change(context, text(&input, "ResourceArn"), |tags| tags.extend(added)).await?;
    Ok(json!({}))
}

pub(super) async fn untag(_: &ApiGatewayV2, context: &Context, input: Document) -> Result<(), ServiceError> {
    let gone = list(&input, "TagKeys");
    change(context, text(&input, "ResourceArn"), move |tags| tags.retain(|key, _| !gone.contains(key))).await
}
