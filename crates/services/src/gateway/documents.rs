//! What gateways keep: documents with the API's own member names, and for each API a revision that changes with them.
//!
//! Keeps true: a change of anything in an API changes its revision in the same transaction.

use crate::storage::{Outcome, Rows, decode};
use aloft_base::{AccountId, Region};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, Snapshot, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A resource as its service describes it.
pub(crate) type Document = Map<String, Value>;

/// Where an API is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub account: AccountId,
    pub region: Region,
    /// The API's id; empty for what belongs to the whole account.
    pub api: String,
}

impl Place {
    pub fn new(context: &Context, api: &str) -> Self {
        Self { account: context.account.clone(), region: context.region.clone(), api: api.to_owned() }
    }

    /// The context that works in this place.
    pub fn enter(&self, context: &Context) -> Context {
        Context { account: self.account.clone(), region: self.region.clone(), ..context.clone() }
    }
}

#[derive(Serialize, Deserialize)]
struct Revision {
    place: Place,
    revision: String,
}

/// The keyspaces of one service.
pub(crate) struct Documents {
    /// Documents by account, region, kind, API and id.
    pub documents: Keyspace,
    /// Revisions by API.
    pub revisions: Keyspace,
}

impl Documents {
    fn key(place: &Place, kind: &str, id: &str) -> Key {
        Self::prefix(place, kind).text(id)
    }

    fn prefix(place: &Place, kind: &str) -> Key {
        key([place.account.as_str(), place.region.as_str(), kind, &place.api])
    }

    /// The document of that kind and id.
    pub fn get(
        &self,
        rows: &impl Rows,
        place: &Place,
        kind: &str,
        id: &str,
    ) -> Result<Option<Document>, StoreError> {
        rows.row(self.documents, Self::key(place, kind, id).as_ref())
    }

    /// All documents of a kind in an API, in order of their ids.
    pub fn list(&self, rows: &impl Rows, place: &Place, kind: &str) -> Result<Vec<Document>, StoreError> {
        self.read(rows, Self::prefix(place, kind))
    }

    /// All documents of a kind in an account and region, whatever the API.
    pub fn list_all(&self, rows: &impl Rows, place: &Place, kind: &str) -> Result<Vec<Document>, StoreError> {
        self.read(rows, key([place.account.as_str(), place.region.as_str(), kind]))
    }

    fn read(&self, rows: &impl Rows, prefix: Key) -> Result<Vec<Document>, StoreError> {
        let rows = rows.rows(self.documents, prefix.as_ref(), usize::MAX)?;
        rows.iter().map(|(_, row)| decode(self.documents, row)).collect()
    }

    /// Writes a document.
    pub fn put(
        &self,
        transaction: &mut Transaction<'_>,
        place: &Place,
        kind: &str,
        id: &str,
        document: &Document,
    ) -> Result<(), StoreError> {
        transaction.put_json(self.documents, Self::key(place, kind, id), document)
    }

    /// Removes a document.
    pub fn delete(&self, transaction: &mut Transaction<'_>, place: &Place, kind: &str, id: &str) {
        transaction.delete(self.documents, Self::key(place, kind, id));
    }

    /// Removes all documents of a kind in an API.
    pub fn delete_all(
        &self,
        transaction: &mut Transaction<'_>,
        place: &Place,
        kind: &str,
    ) -> Result<(), StoreError> {
        transaction.delete_prefix(self.documents, Self::prefix(place, kind)).map(drop)
    }

    /// Says that the API is another now. `revision` is new and random.
    pub fn revise(
        &self,
        transaction: &mut Transaction<'_>,
        place: &Place,
        revision: String,
    ) -> Result<(), StoreError> {
        let row = Revision { place: place.clone(), revision };
        transaction.put_json(self.revisions, key([&place.api]), &row)
    }

    /// Forgets the revision of an API that is gone.
    pub fn forget(&self, transaction: &mut Transaction<'_>, place: &Place) {
        transaction.delete(self.revisions, key([&place.api]));
    }

    /// The revision of an API; nothing when there is no such API.
    pub fn revision(&self, snapshot: &Snapshot, api: &str) -> Result<Option<(Place, String)>, StoreError> {
        let row: Option<Revision> = snapshot.get_json(self.revisions, key([api]))?;
        Ok(row.map(|row| (row.place, row.revision)))
    }

    /// Where all APIs are.
    pub fn places(&self, snapshot: &Snapshot) -> Result<Vec<Place>, StoreError> {
        let rows: Vec<(_, Revision)> = snapshot.scan_json(self.revisions, [], usize::MAX)?;
        Ok(rows.into_iter().map(|(_, row)| row.place).collect())
    }

    /// Changes an API in one transaction, which revises it when `work` ends well.
    pub async fn change<T, F>(&self, context: &Context, place: &Place, work: F) -> Result<T, ServiceError>
    where
        F: FnOnce(&mut Transaction<'_>) -> Outcome<T> + Send + 'static,
        T: Send + 'static,
    {
        let (place, revision) = (place.clone(), context.ids().hex(16));
        let this = Self { documents: self.documents, revisions: self.revisions };
        let outcome: Outcome<T> = context
            .store()
            .write(move |transaction| {
                let done = work(transaction)?;
                if !place.api.is_empty() {
                    this.revise(transaction, &place, revision)?;
                }
                Ok(done)
            })
            .await;
        Ok(outcome?)
    }
}

/// A member's text; empty when it is missing.
pub(crate) fn text<'a>(document: &'a Document, name: &str) -> &'a str {
    document.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member that is a map; empty when it is missing.
pub(crate) fn map(document: &Document, name: &str) -> Document {
    document.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// A map's values as texts.
pub(crate) fn texts(document: &Document, name: &str) -> Vec<(String, String)> {
    let members = document.get(name).and_then(Value::as_object);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    members.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// A list's texts.
pub(crate) fn list(document: &Document, name: &str) -> Vec<String> {
    let items = document.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Whether a member says true.
pub(crate) fn truth(document: &Document, name: &str) -> bool {
    document.get(name).and_then(Value::as_bool).unwrap_or_default()
}
