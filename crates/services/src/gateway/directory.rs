//! The APIs in memory: which ids are ours, and each API made ready for requests.
//!
//! A cache only. Keeps true: a request never runs on an API of another revision than the store's.

use super::{Documents, Place};
use aloft_engine::{Engine, ServiceError, storage_failed};
use aloft_store::{Snapshot, Store, StoreError};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio::sync::watch;

/// APIs, ready as `T`.
pub(crate) struct Directory<T> {
    documents: &'static Documents,
    ids: RwLock<HashSet<String>>,
    ready: RwLock<HashMap<String, Ready<T>>>,
    /// Counts the changes of any API.
    changes: OnceLock<watch::Receiver<u64>>,
}

struct Ready<T> {
    revision: String,
    /// The last change at which that was its revision.
    change: u64,
    api: Arc<T>,
}

impl<T> Directory<T> {
    /// Knows none yet.
    pub fn new(documents: &'static Documents) -> Self {
        Self { documents, ids: RwLock::default(), ready: RwLock::default(), changes: OnceLock::new() }
    }

    /// Whether an API is ours.
    pub fn contains(&self, api: &str) -> bool {
        self.ids.read().unwrap_or_else(PoisonError::into_inner).contains(api)
    }

    /// A new API.
    pub fn insert(&self, api: &str) {
        self.ids.write().unwrap_or_else(PoisonError::into_inner).insert(api.to_owned());
    }

    /// An API is gone.
    pub fn remove(&self, api: &str) {
        self.ids.write().unwrap_or_else(PoisonError::into_inner).remove(api);
        self.ready.write().unwrap_or_else(PoisonError::into_inner).remove(api);
    }

    /// Reads anew which APIs there are.
    pub fn load(&self, engine: &Engine) -> Result<(), ServiceError> {
        let places = engine.store().read().and_then(|snapshot| self.documents.places(&snapshot));
        let places = places.map_err(|error| storage_failed(&error))?;
        *self.ids.write().unwrap_or_else(PoisonError::into_inner) =
            places.into_iter().map(|place| place.api).collect();
        self.ready.write().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// The API as it is now, made ready by `prepare` when it has changed; nothing when it is gone.
    pub fn find(
        &self,
        store: &Store,
        api: &str,
        prepare: impl FnOnce(&Snapshot, &Place) -> Result<T, StoreError>,
    ) -> Result<Option<Arc<T>>, StoreError> {
        let changes = self.changes.get_or_init(|| store.watch(self.documents.revisions));
        // Before the store is read: what changes meanwhile is seen the next time.
        let change = *changes.borrow();
        let known = |is_it: &dyn Fn(&Ready<T>) -> bool| {
            let ready = self.ready.read().unwrap_or_else(PoisonError::into_inner);
            ready.get(api).filter(|it| is_it(it)).map(|it| it.api.clone())
        };
        if let Some(api) = known(&|it| it.change == change) {
            return Ok(Some(api));
        }
        let snapshot = store.read()?;
        let Some((place, revision)) = self.documents.revision(&snapshot, api)? else { return Ok(None) };
        let ready = match known(&|it| it.revision == revision) {
            Some(ready) => ready,
            None => Arc::new(prepare(&snapshot, &place)?),
        };
        let entry = Ready { revision, change, api: ready.clone() };
        self.ready.write().unwrap_or_else(PoisonError::into_inner).insert(api.to_owned(), entry);
        Ok(Some(ready))
    }
}
