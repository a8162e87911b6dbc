//! The tasks of event source mappings: one for each that is enabled.

use super::mapping::{MAPPINGS, Mapping};
use super::queue_poller::Poller;
use super::rows::Version;
use super::running::Running;
use super::stream_poller::StreamPoller;
use super::stream_source::Source;
use crate::storage::{Fault, decode};
use aloft_base::Arn;
use aloft_engine::{Context, Engine};
use aloft_store::StoreError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The tasks, by mapping; each ends when its sender is dropped.
#[derive(Default)]
pub(super) struct Pollers(Mutex<HashMap<String, watch::Sender<()>>>);

impl Pollers {
    /// Starts the tasks of all mappings.
    pub fn take_up(&self, engine: &Engine, running: &Arc<Running>) -> Result<(), StoreError> {
        for (_, row) in engine.store().read()?.scan(MAPPINGS, [], usize::MAX)? {
            self.start(engine, running, &decode(MAPPINGS, &row)?);
        }
        Ok(())
    }

    /// Starts the task of a mapping as it is now, instead of the one that it had.
    pub async fn set(&self, engine: &Engine, running: &Arc<Running>, mapping: &Mapping) {
        self.stop(&mapping.id).await;
        self.start(engine, running, mapping);
    }

    fn start(&self, engine: &Engine, running: &Arc<Running>, mapping: &Mapping) {
        let Ok(source) = mapping.source.parse::<Arn>() else { return };
        if !mapping.enabled {
            return;
        }
        let (sender, stop) = watch::channel(());
        self.lock().insert(mapping.id.clone(), sender);
        let context = Context::service(engine, "lambda", mapping.account.clone(), mapping.region.clone())
            .within(&source);
        let name = &mapping.function;
        let role = engine.store().read().map_err(Fault::from).and_then(|it| Version::named(&it, name));
        let role = role.map(|version| version.settings.role).unwrap_or_default();
        if let Some(source) = Source::of(&mapping.source, &role) {
            engine.spawn(StreamPoller::new(context, running, mapping, source).work(stop));
        } else {
            engine.spawn(Arc::new(Poller::new(context, running, mapping)).work(stop));
        }
    }

    /// Stops the task of a mapping, and waits until it takes nothing any more. What it has taken already goes on.
    pub async fn stop(&self, id: &str) {
        let sender = self.lock().remove(id);
        if let Some(sender) = sender {
            sender.send_replace(());
            sender.closed().await;
        }
    }

    pub fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
