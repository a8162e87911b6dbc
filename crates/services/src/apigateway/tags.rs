//! Tags, by ARN: `arn:aws:apigateway:us-east-1::/restapis/<id>[/stages/<name>]`, `/apikeys/<id>`, `/usageplans/<id>`.

use super::errors::{bad_request, not_found};
use super::{ApiGateway, DOCUMENTS, parts};
use crate::gateway::documents::{list, map, text};
use crate::gateway::{Document, Place};
use crate::storage::{Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use serde_json::{Value, json};

/// The document that an ARN names: where it is, its kind and its id.
fn read_arn(context: &Context, arn: &str) -> Outcome<(Place, &'static str, String)> {
    let path = arn.split_once("::/").map(|(_, path)| path.split('/').collect::<Vec<_>>()).unwrap_or_default();
    match path.as_slice() {
        ["restapis", api] => Ok((Place::new(context, api), "api", String::new())),
        ["restapis", api, "stages", stage] => Ok((Place::new(context, api), "stage", (*stage).to_owned())),
        ["apikeys", id] => Ok((Place::new(context, ""), "key", (*id).to_owned())),
        ["usageplans", id] => Ok((Place::new(context, ""), "plan", (*id).to_owned())),
        _ => Err(bad_request("Invalid ARN specified in the request")),
    }
}

fn find(rows: &impl Rows, (place, kind, id): &(Place, &'static str, String)) -> Outcome<Document> {
    DOCUMENTS.get(rows, place, kind, id)?.ok_or_else(|| not_found("Invalid ARN specified in the request"))
}

pub(super) async fn get(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        let named = read_arn(context, text(&input, "resourceArn"))?;
        Ok(json!({ "tags": map(&find(snapshot, &named)?, "tags") }))
    })
}

async fn change(
    context: &Context,
    arn: &str,
    work: impl FnOnce(&mut Document) + Send + 'static,
) -> Result<(), ServiceError> {
    let named = read_arn(context, arn)?;
    let place = named.0.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            let mut document = find(transaction, &named)?;
            let mut tags = map(&document, "tags");
            work(&mut tags);
            document.insert("tags".to_owned(), tags.into());
            Ok(DOCUMENTS.put(transaction, &named.0, named.1, &named.2, &document)?)
        })
        .await
}

pub(super) async fn tag(_: &ApiGateway, context: &Context, input: Document) -> Result<(), ServiceError> {
    let added = map(&input, "tags");
    change(context, text(&input, "resourceArn"), |tags| tags.extend(added)).await
}

pub(super) async fn untag(_: &ApiGateway, context: &Context, input: Document) -> Result<(), ServiceError> {
    let gone = list(&input, "tagKeys");
    change(context, text(&input, "resourceArn"), move |tags| tags.retain(|key, _| !gone.contains(key))).await
}
