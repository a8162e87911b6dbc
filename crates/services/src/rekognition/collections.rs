//! Collections: made, listed, described, deleted.

use super::rows::{COLLECTIONS, Collection, FACES, USERS, VECTORS, collection, collection_key};
use super::{Rekognition, errors};
use crate::storage::{Fault, decode};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::ops::Bound;

/// The most that a page of a list can hold.
pub(super) const LONGEST_PAGE: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    collection_id: String,
    #[serde(default)]
    tags: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    collection_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) async fn create(
    service: &Rekognition,
    context: &Context,
    input: Create,
) -> Result<Value, ServiceError> {
    let id = input.collection_id;
    let version = service.engine.version();
    let created = context.now().0;
    let new = Collection { version: version.to_owned(), created, faces: 0, users: 0, tags: input.tags };
    // AWS's own answer lacks the first part of the ARN here.
    let arn = format!(
        "{}:rekognition:{}:{}:collection/{id}",
        context.region.partition(),
        context.region,
        context.account
    );
    let row = collection_key(context, &id);
    context
        .store()
        .write(move |transaction| {
            if transaction.get(COLLECTIONS, &row)?.is_some() {
                return Err(Fault::from(errors::collection_exists(&id)));
            }
            Ok(transaction.put_json(COLLECTIONS, &row, &new)?)
        })
        .await?;
    Ok(json!({ "StatusCode": 200, "CollectionArn": arn, "FaceModelVersion": version }))
}

pub(super) async fn describe(
    _: &Rekognition,
    context: &Context,
    input: Named,
) -> Result<Value, ServiceError> {
    let id = input.collection_id;
    let snapshot = context.store().read().map_err(Fault::from)?;
    let found = collection(&snapshot, &collection_key(context, &id), &id)?;
    Ok(json!({
        "FaceCount": found.faces,
        "FaceModelVersion": found.version,
        "CollectionARN": context.arn("rekognition", format!("collection/{id}")).to_string(),
        "CreationTimestamp": found.created as f64 / 1000.0,
        "UserCount": found.users,
    }))
}

pub(super) async fn delete(_: &Rekognition, context: &Context, input: Named) -> Result<Value, ServiceError> {
    let id = input.collection_id;
    let row = collection_key(context, &id);
    context
        .store()
        .write(move |transaction| {
            collection(transaction, &row, &id)?;
            transaction.delete(COLLECTIONS, &row);
            transaction.delete_prefix(FACES, &row)?;
            transaction.delete_prefix(VECTORS, &row)?;
            transaction.delete_prefix(USERS, &row)?;
            Ok::<_, Fault>(())
        })
        .await?;
    Ok(json!({ "StatusCode": 200 }))
}

pub(super) async fn list(_: &Rekognition, context: &Context, input: List) -> Result<Value, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    let owner = key([context.account.as_str(), context.region.as_str()]);
    let page = Page::read(&snapshot, COLLECTIONS, &owner, input.max_results, input.next_token.as_deref())?;
    let (mut ids, mut versions) = (Vec::new(), Vec::new());
    for (row, value) in &page.rows {
        let found: Collection = decode(COLLECTIONS, value).map_err(Fault::from)?;
        ids.push(Key::texts(row).pop().unwrap_or_default());
        versions.push(found.version);
    }
    let mut answer = json!({ "CollectionIds": ids, "FaceModelVersions": versions });
    page.token_into(&mut answer);
    Ok(answer)
}

/// A part of a list of rows that share the beginning of their key.
pub(super) struct Page {
    pub rows: Vec<crate::storage::Row>,
    next: Option<String>,
}

impl Page {
    /// The rows after the one that the token names.
    pub fn read(
        snapshot: &aloft_store::Snapshot,
        keyspace: aloft_store::Keyspace,
        prefix: &Key,
        limit: Option<usize>,
        token: Option<&str>,
    ) -> Result<Self, ServiceError> {
        let limit = limit.filter(|limit| *limit > 0).unwrap_or(LONGEST_PAGE).min(LONGEST_PAGE);
        let last = token
            .map(|token| BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()))
            .map(|last| last.ok_or_else(errors::bad_token))
            .transpose()?;
        let (from, end) = (last.map(|last| prefix.clone().text(&last)), prefix.clone().raw(&[0xff; 8]));
        let from =
            from.as_ref().map_or(Bound::Included(prefix.as_ref()), |from| Bound::Excluded(from.as_ref()));
        let rows = snapshot.range(keyspace, from, Bound::Excluded(end.as_ref()), limit + 1, false);
        let mut rows = rows.map_err(Fault::from)?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more).and_then(|(row, _)| Key::texts(row).pop());
        Ok(Self { rows, next: last.map(|last| BASE64.encode(last)) })
    }

    /// Puts the token of the next page, if there is one, into an answer.
    pub fn token_into(&self, answer: &mut Value) {
        if let Some(next) = &self.next {
            answer["NextToken"] = next.as_str().into();
        }
    }
}
