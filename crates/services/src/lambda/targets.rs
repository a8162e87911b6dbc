//! From a name to what runs: the version's specification with its code unpacked, kept in memory until something changes.
//!
//! Keeps true: what is kept was read after the last change that was told of; a reader that a change overtakes keeps nothing.

use super::concurrency::taken_in_all;
use super::gates::{Gate, Numbers};
use super::name::{FunctionKey, LATEST, Name};
use super::rows::{Alias, Function, Version};
use super::running::Running;
use super::{code, provisioned, recursion};
use crate::storage::Fault;
use aloft_base::Ids;
use aloft_engine::{Context, ServiceError, metering};
use aloft_worker::FunctionSpec;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One version, ready to run.
pub(super) struct Target {
    pub spec: Arc<FunctionSpec>,
    pub gate: Gate,
    pub reserved: Option<u32>,
    /// Names the function in chains of requests; nothing when it may be part of a loop.
    pub mark: Option<String>,
    pub dead_letter: Option<String>,
    /// What the ledger calls it.
    pub metered: Arc<metering::Function>,
    /// Until when the credentials in the cache are good enough, in milliseconds since 1970.
    pub credentials_until: AtomicI64,
}

/// What a qualifier means: one version, or two with their shares.
struct Choice {
    main: Arc<Target>,
    /// The other one, and its share of a million.
    other: Option<(Arc<Target>, u64)>,
}

impl Choice {
    fn pick(&self, ids: &Ids) -> Arc<Target> {
        match &self.other {
            Some((other, share)) if ids.below(1_000_000) < *share => other.clone(),
            _ => self.main.clone(),
        }
    }
}

/// What has been looked up.
#[derive(Default)]
pub(super) struct Targets {
    known: Mutex<HashMap<FunctionKey, HashMap<String, Arc<Choice>>>>,
    /// How often something changed.
    changes: AtomicU64,
}

impl Targets {
    /// What to run for a name.
    pub async fn find(
        &self,
        running: &Running,
        context: &Context,
        name: &Name,
    ) -> Result<Arc<Target>, ServiceError> {
        let known = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(&name.function).and_then(|qualifiers| qualifiers.get(name.qualifier()).cloned())
        };
        if let Some(choice) = known {
            return Ok(choice.pick(context.ids()));
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let choice = Arc::new(Box::pin(look_up(running, context, name)).await?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if self.changes.load(Ordering::SeqCst) == changes {
            let qualifiers = known.entry(name.function.clone()).or_default();
            qualifiers.insert(name.qualifier().to_owned(), choice.clone());
        }
        Ok(choice.pick(context.ids()))
    }

    pub fn forget(&self, function: &FunctionKey) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::SeqCst);
        known.remove(function);
    }

    pub fn forget_all(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::SeqCst);
        known.clear();
    }
}

async fn look_up(running: &Running, context: &Context, name: &Name) -> Result<Choice, Fault> {
    let (function, numbers, main, other) = {
        let snapshot = context.store().read()?;
        let main = Version::named(&snapshot, name)?;
        let function = Function::find(&snapshot, &name.function)?;
        let alias = match name.qualifier() {
            LATEST => None,
            text if text.bytes().all(|it| it.is_ascii_digit()) => None,
            text => Alias::find(&snapshot, &name.function, text)?,
        };
        let share = alias.and_then(|alias| alias.weights.into_iter().next());
        let other = match share {
            Some((version, weight)) => {
                let number = version.parse().unwrap_or(0);
                Version::find(&snapshot, &name.function, number)?
                    .map(|it| (it, (weight * 1e6).round() as u64))
            }
            None => None,
        };
        let numbers = provisioned::numbers(&snapshot, &name.function, &function)?;
        let (account, region) = (&name.function.account, &name.function.region);
        if !running.gates.knows(account, region) {
            let there = Context { account: account.clone(), region: region.clone(), ..context.clone() };
            running.gates.set_taken(account, region, taken_in_all(&snapshot, &there)?);
        }
        (function, numbers, main, other)
    };
    let function = (&function, &numbers);
    let main = target(running, context, &name.function, function, main).await?;
    let other = match other {
        Some((version, share)) => {
            Some((target(running, context, &name.function, function, version).await?, share))
        }
        None => None,
    };
    Ok(Choice { main, other })
}

async fn target(
    running: &Running,
    context: &Context,
    key: &FunctionKey,
    (function, numbers): (&Function, &Numbers),
    version: Version,
) -> Result<Arc<Target>, Fault> {
    let (store, ids) = (context.store(), context.ids());
    let code_directory = code::directory(store, &running.code, &version.code.sha256, ids).await?;
    // What the runtimes bring along has the form of a layer. Behind all others: a layer's own libraries come first.
    let mut layer_directories = vec![running.libraries.clone()];
    for layer in &version.settings.layers {
        layer_directories.push(code::directory(store, &running.code, &layer.sha256, ids).await?);
    }
    let (log_group, label) = (version.settings.log_group(key), version.label());
    let gate = running.gates.of(key, &label, numbers, context.clock());
    let settings = version.settings;
    let architecture =
        settings.others.get("Architectures").and_then(|all| all[0].as_str()).unwrap_or("x86_64");
    let metered = metering::Function {
        account: key.account.clone(),
        region: key.region.clone(),
        name: key.name.as_str().into(),
        version: label.clone(),
        memory_mb: settings.memory,
        architecture: architecture.to_owned(),
    };
    let spec = FunctionSpec {
        account: key.account.clone(),
        region: key.region.clone(),
        name: key.name.clone(),
        version: label,
        revision: version.generation,
        runtime: settings.runtime,
        handler: settings.handler,
        memory_mb: settings.memory,
        timeout: Duration::from_secs(u64::from(settings.timeout)),
        environment: settings.environment.unwrap_or_default(),
        code_directory,
        layer_directories,
        role_arn: settings.role,
        log_group,
        ephemeral_storage_mb: settings.storage,
    };
    Ok(Arc::new(Target {
        spec: Arc::new(spec),
        gate,
        reserved: function.reserved,
        mark: (!function.may_recur).then(|| recursion::mark(key)),
        dead_letter: settings.dead_letter,
        metered: Arc::new(metered),
        credentials_until: AtomicI64::new(i64::MIN),
    }))
}
