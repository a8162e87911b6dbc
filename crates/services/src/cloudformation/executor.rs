//! Takes a stack from one version to the next, resource by resource, as many at once as their dependencies let.
//!
//! Every step is written down before it is begun and after it is done, so that a stack that was being worked on when the cloud
//! died is taken up where it was. Keeps true: a failed update ends at the last good version; a failed creation leaves nothing.

use super::plan::{self, Plan};
use super::records::{self, Made, OnFailure, Phase, Record, Stack, put_event, put_exports};
use super::step::{self, Task};
use aloft_engine::{Context, Engine, Principal, ServiceError, storage_failed};
use aloft_store::StoreError;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, BTreeSet};

/// How many resources are worked on at once.
const AT_ONCE: usize = 16;

/// The code of the error that says that the cloud was emptied meanwhile.
const FORGOTTEN: &str = "StackForgotten";

/// Works on a stack until nothing is left to be done.
pub async fn run(engine: Engine, stack_id: String) {
    let Some(mut executor) = Executor::load(&engine, &stack_id) else { return };
    executor.resuming = true;
    while let Some(phase) = executor.stack.phase {
        if let Err(error) = executor.phase(phase).await {
            if error.code == FORGOTTEN {
                return;
            }
            // The store failed: nothing more can be promised. The stack is taken up again at the next start.
            tracing::error!(stack = executor.stack.name, %error, "a stack could not be worked on");
            return;
        }
        executor.resuming = false;
    }
}

/// A stack that is being worked on, and what is known of its resources.
struct Executor {
    context: Context,
    stack: Stack,
    records: BTreeMap<String, Record>,
    /// Whether an earlier run may have begun what this one does first.
    resuming: bool,
}

impl Executor {
    fn load(engine: &Engine, stack_id: &str) -> Option<Self> {
        let mut context = engine.root_context();
        if let Ok(arn) = stack_id.parse::<aloft_base::Arn>() {
            context = context.within(&arn);
        }
        let loaded = records::existing(&context, stack_id).and_then(|stack| {
            let records = records::resources(&context, &stack.id)?;
            Ok((stack, records))
        });
        match loaded {
            Ok((stack, records)) => {
                if let Some(role) = &stack.version.role_arn {
                    context.principal = Principal::Arn(role.clone());
                }
                Some(Self { context, stack, records, resuming: false })
            }
            Err(error) => {
                tracing::error!(stack_id, %error, "a stack could not be read");
                None
            }
        }
    }

    async fn phase(&mut self, phase: Phase) -> Result<(), ServiceError> {
        match phase {
            Phase::Create => self.create().await,
            Phase::Update => self.update().await,
            Phase::UpdateCleanup => self.clean_up("UPDATE_COMPLETE").await,
            Phase::UpdateRollback => self.roll_back_update().await,
            Phase::RollbackCleanup => self.clean_up("UPDATE_ROLLBACK_COMPLETE").await,
            Phase::CreateRollback | Phase::Delete => self.delete_all(phase).await,
        }
    }

    async fn create(&mut self) -> Result<(), ServiceError> {
        match self.forwards().await? {
            Ok(()) => self.settle("CREATE_COMPLETE", None, None).await,
            Err(reason) => match self.stack.on_failure {
                OnFailure::DoNothing => self.settle("CREATE_FAILED", Some(reason), None).await,
                OnFailure::Rollback => {
                    let reason = format!("{reason} Rollback requested by user.");
                    self.settle("ROLLBACK_IN_PROGRESS", Some(reason), Some(Phase::CreateRollback)).await
                }
                OnFailure::Delete => {
                    self.settle("DELETE_IN_PROGRESS", Some(reason), Some(Phase::Delete)).await
                }
            },
        }
    }

    async fn update(&mut self) -> Result<(), ServiceError> {
        match self.forwards().await? {
            Ok(()) => {
                self.settle("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None, Some(Phase::UpdateCleanup)).await
            }
            Err(reason) => {
                self.settle("UPDATE_ROLLBACK_IN_PROGRESS", Some(reason), Some(Phase::UpdateRollback)).await
            }
        }
    }

    /// Makes and changes resources towards the wanted version. The inner error is the stack's reason for having failed.
    async fn forwards(&mut self) -> Result<Result<(), String>, ServiceError> {
        let plan = match Plan::of(&self.context, &self.stack.name, &self.stack.id, &self.stack.version) {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(error.message)),
        };
        let mut waiting: BTreeSet<String> = plan.declared.keys().cloned().collect();
        // What an earlier run began may be there without anybody knowing: it is brought to an end even after a failure, so
        // that there is something to take back.
        let mut begun: BTreeSet<String> = BTreeSet::new();
        if self.resuming {
            let is_begun = |record: &&Record| record.status.ends_with("_IN_PROGRESS");
            begun.extend(self.records.values().filter(is_begun).map(|record| record.logical_id.clone()));
        }
        let (mut done, mut failed): (BTreeSet<String>, Vec<String>) = Default::default();
        let mut at_work = FuturesUnordered::new();
        loop {
            let ready: Vec<String> = waiting
                .iter()
                .filter(|id| {
                    (failed.is_empty() || begun.contains(*id))
                        && plan.declared[*id].depends_on.iter().all(|need| done.contains(need))
                })
                .take(AT_ONCE - at_work.len().min(AT_ONCE))
                .cloned()
                .collect();
            for id in ready {
                waiting.remove(&id);
                match self.prepare(&plan, &id).await? {
                    Some(task) => at_work.push(step::make(task)),
                    None => drop(done.insert(id)),
                }
            }
            if at_work.is_empty() {
                let can_go_on = failed.is_empty()
                    && waiting
                        .iter()
                        .any(|id| plan.declared[id].depends_on.iter().all(|need| done.contains(need)));
                if can_go_on {
                    continue;
                }
                break;
            }
            let Some((id, result)) = at_work.next().await else { break };
            let record = self.records.get_mut(&id).expect("what is at work has a record");
            let verb = if record.status.starts_with("UPDATE") { "UPDATE" } else { "CREATE" };
            match result {
                Ok(result) => {
                    if result.replaced {
                        record.replaced.extend(record.made.take());
                    }
                    record.made = Some(result.made);
                    record.wanted = None;
                    record.status = format!("{verb}_COMPLETE");
                    record.reason = None;
                    done.insert(id.clone());
                }
                Err(step::Failed { error, left }) => {
                    record.made = record.made.take().or(left);
                    record.status = format!("{verb}_FAILED");
                    record.reason = Some(reason_of(&error));
                    failed.push(id.clone());
                }
            }
            self.save_record(&id).await?;
        }
        if !failed.is_empty() {
            let verb = if self.stack.phase == Some(Phase::Create) { "create" } else { "update" };
            return Ok(Err(format!("The following resource(s) failed to {verb}: [{}].", failed.join(", "))));
        }
        match plan
            .outputs(&plan::made(&self.records))
            .and_then(|outputs| self.check_exports(&outputs).map(|()| outputs))
        {
            Ok(outputs) => {
                self.stack.outputs = outputs;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error.message)),
        }
    }

    /// Writes down what will be done to a resource; nothing when nothing needs to be.
    async fn prepare(&mut self, plan: &Plan, id: &str) -> Result<Option<Task>, ServiceError> {
        let declared = &plan.declared[id];
        let known = self.records.get(id).cloned();
        let in_progress = known.as_ref().is_some_and(|record| record.status.ends_with("_IN_PROGRESS"));
        let mut record = known.unwrap_or_else(|| Record {
            logical_id: id.to_owned(),
            kind: declared.kind.clone(),
            status: String::new(),
            reason: None,
            made: None,
            wanted: None,
            before: None,
            replaced: Vec::new(),
            token: self.context.ids().upper(12),
            depends_on: BTreeSet::new(),
            deletion_policy: String::new(),
            update_replace_policy: String::new(),
            changed: self.context.now(),
        });
        record.depends_on.clone_from(&declared.depends_on);
        record.deletion_policy.clone_from(&declared.deletion_policy);
        record.update_replace_policy.clone_from(&declared.update_replace_policy);
        let wanted = match plan.properties(declared, &plan::made(&self.records)) {
            Ok(wanted) => wanted,
            Err(error) => return Ok(Some(self.doomed(record, error).await?)),
        };
        let is_there = record.made.as_ref().is_some_and(|made| made.properties == wanted);
        if is_there && !in_progress {
            self.records.insert(id.to_owned(), record);
            return Ok(None);
        }
        let (verb, reason) = match &record.made {
            Some(made) => {
                if record.before.is_none() {
                    record.before = Some(made.clone());
                }
                // A replacement, should one be needed, gets a name of its own; a retry keeps it.
                if !(self.resuming && in_progress) {
                    record.token = self.context.ids().upper(12);
                }
                ("UPDATE", None)
            }
            None => ("CREATE", None),
        };
        record.status = format!("{verb}_IN_PROGRESS");
        record.reason = reason;
        record.wanted = Some(wanted.clone());
        let task = self.task(&record, wanted, self.resuming && in_progress);
        self.records.insert(id.to_owned(), record);
        self.save_record(id).await?;
        Ok(Some(task))
    }

    /// A resource whose properties cannot be worked out fails like one that cannot be made.
    async fn doomed(&mut self, mut record: Record, error: ServiceError) -> Result<Task, ServiceError> {
        record.status = format!("{}_IN_PROGRESS", if record.made.is_some() { "UPDATE" } else { "CREATE" });
        let id = record.logical_id.clone();
        let task = self.task(&record, serde_json::Value::Null, false).doomed_by(error);
        self.records.insert(id.clone(), record);
        self.save_record(&id).await?;
        Ok(task)
    }

    fn task(&self, record: &Record, wanted: serde_json::Value, resuming: bool) -> Task {
        Task::new(&self.context, &self.stack, record, wanted, resuming)
    }

    /// Brings what an update changed back to what it was.
    async fn roll_back_update(&mut self) -> Result<(), ServiceError> {
        let touched: Vec<String> = self
            .records
            .iter()
            .filter(|(_, record)| record.before.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        let mut failed = Vec::new();
        for id in touched {
            let record = self.records.get_mut(&id).expect("the id is a key");
            let Some(before) = record.before.clone() else { continue };
            let now = record.made.clone().unwrap_or_else(|| before.clone());
            if now.physical_id != before.physical_id {
                // The old one is still there: the new one goes in the clean-up.
                record.replaced.retain(|made| made.physical_id != before.physical_id);
                record.replaced.push(now);
                record.made = Some(before);
                record.status = "UPDATE_COMPLETE".to_owned();
                self.save_record(&id).await?;
                continue;
            }
            let from = record.wanted.take().unwrap_or_else(|| now.properties.clone());
            if from != before.properties {
                record.status = "UPDATE_IN_PROGRESS".to_owned();
                record.made = Some(Made { properties: from, ..now });
                let task =
                    Task::new(&self.context, &self.stack, record, before.properties.clone(), true).undoing();
                self.save_record(&id).await?;
                let (_, result) = step::make(task).await;
                let record = self.records.get_mut(&id).expect("the id is a key");
                match result {
                    Ok(result) => {
                        let before = record.made.replace(result.made);
                        record.replaced.extend(before.filter(|_| result.replaced));
                    }
                    Err(step::Failed { error, .. }) => {
                        record.status = "UPDATE_FAILED".to_owned();
                        record.reason = Some(reason_of(&error));
                        failed.push(id.clone());
                        self.save_record(&id).await?;
                        continue;
                    }
                }
            }
            let record = self.records.get_mut(&id).expect("the id is a key");
            record.status = "UPDATE_COMPLETE".to_owned();
            record.reason = None;
            self.save_record(&id).await?;
        }
        if !failed.is_empty() {
            let reason = format!("The following resource(s) failed to update: [{}].", failed.join(", "));
            return self.settle("UPDATE_ROLLBACK_FAILED", Some(reason), None).await;
        }
        if let Some(before) = self.stack.before.take() {
            self.stack.version = before;
        }
        self.settle("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None, Some(Phase::RollbackCleanup)).await
    }

    /// Deletes what the stack no longer has: resources that are not declared any more, and those that were replaced.
    async fn clean_up(&mut self, end: &str) -> Result<(), ServiceError> {
        let declared =
            Plan::of(&self.context, &self.stack.name, &self.stack.id, &self.stack.version)?.declared;
        for id in self.records.keys().cloned().collect::<Vec<_>>() {
            let record = self.records.get_mut(&id).expect("the id is a key");
            let keeps = record.update_replace_policy == "Retain" && end == "UPDATE_COMPLETE";
            for replaced in std::mem::take(&mut record.replaced).into_iter().filter(|_| !keeps) {
                let gone = Record { made: Some(replaced), ..record.clone() };
                let task = Task::new(&self.context, &self.stack, &gone, serde_json::Value::Null, true);
                if let (_, Err(error)) = step::delete(task).await {
                    tracing::warn!(resource = id, %error, "what was replaced could not be deleted");
                }
            }
            record.before = None;
            record.wanted = None;
        }
        let gone: BTreeSet<String> =
            self.records.keys().filter(|id| !declared.contains_key(*id)).cloned().collect();
        self.delete_resources(gone).await?;
        self.stack.before = None;
        self.settle(end, None, None).await
    }

    async fn delete_all(&mut self, phase: Phase) -> Result<(), ServiceError> {
        let all = self.records.keys().cloned().collect();
        let failed = self.delete_resources(all).await?;
        let rolled_back = phase == Phase::CreateRollback;
        if !failed.is_empty() {
            let reason = format!("The following resource(s) failed to delete: [{}]. ", failed.join(", "));
            return self
                .settle(if rolled_back { "ROLLBACK_FAILED" } else { "DELETE_FAILED" }, Some(reason), None)
                .await;
        }
        self.stack.outputs.clear();
        if rolled_back {
            return self.settle("ROLLBACK_COMPLETE", None, None).await;
        }
        self.stack.deleted = Some(self.context.now());
        self.settle("DELETE_COMPLETE", None, None).await
    }

    /// Deletes resources, those that others needed last; gives those that could not be.
    async fn delete_resources(&mut self, mut waiting: BTreeSet<String>) -> Result<Vec<String>, ServiceError> {
        let (mut failed, mut at_work) = (Vec::new(), FuturesUnordered::new());
        loop {
            let needed: BTreeSet<String> =
                self.records.values().flat_map(|record| record.depends_on.iter().cloned()).collect();
            let ready: Vec<String> = waiting
                .iter()
                .filter(|id| !needed.contains(*id))
                .take(AT_ONCE - at_work.len().min(AT_ONCE))
                .cloned()
                .collect();
            for id in ready {
                waiting.remove(&id);
                let stack_retains = self.stack.retain.contains(&id);
                let record = self.records.get_mut(&id).expect("the id is a key");
                let is_create_rollback = self.stack.phase == Some(Phase::CreateRollback);
                let policy_retains = match record.deletion_policy.as_str() {
                    "Retain" => true,
                    "RetainExceptOnCreate" => !is_create_rollback,
                    _ => false,
                };
                if record.made.is_none() {
                    self.remove_record(&id).await?;
                } else if stack_retains || policy_retains {
                    record.status = "DELETE_SKIPPED".to_owned();
                    self.save_record(&id).await?;
                    self.remove_record(&id).await?;
                } else {
                    record.status = "DELETE_IN_PROGRESS".to_owned();
                    record.reason = None;
                    let task =
                        Task::new(&self.context, &self.stack, record, serde_json::Value::Null, self.resuming);
                    self.save_record(&id).await?;
                    at_work.push(step::delete(task));
                }
            }
            if at_work.is_empty() {
                let still_needed: BTreeSet<&String> =
                    self.records.values().flat_map(|record| &record.depends_on).collect();
                if waiting.iter().any(|id| !still_needed.contains(id)) {
                    continue;
                }
                break;
            }
            let Some((id, result)) = at_work.next().await else { break };
            let record = self.records.get_mut(&id).expect("what is at work has a record");
            match result {
                Ok(()) => {
                    record.status = "DELETE_COMPLETE".to_owned();
                    self.save_record(&id).await?;
                    self.remove_record(&id).await?;
                }
                Err(error) => {
                    record.status = "DELETE_FAILED".to_owned();
                    record.reason = Some(reason_of(&error));
                    failed.push(id.clone());
                    self.save_record(&id).await?;
                }
            }
        }
        Ok(failed)
    }

    /// An export has one owner.
    fn check_exports(&self, outputs: &[records::Output]) -> Result<(), ServiceError> {
        let taken = records::exports(&self.context)?;
        for name in outputs.iter().filter_map(|output| output.export.as_ref()) {
            if let Some((_, owner, _)) =
                taken.iter().find(|(export, owner, _)| export == name && *owner != self.stack.id)
            {
                let owner = owner.split('/').nth(1).unwrap_or(owner);
                return Err(super::template::invalid(format!(
                    "Export with name {name} is already exported by stack {owner}. Rollback requested by user."
                )));
            }
        }
        Ok(())
    }

    /// Writes the resource's record and the event of its new status.
    async fn save_record(&mut self, id: &str) -> Result<(), ServiceError> {
        let record = self.records.get_mut(id).expect("the caller has the record");
        record.changed = self.context.now();
        let mut event = record.event(self.context.ids().uuid(), self.stack.client_token.clone());
        self.conceal(&mut event)?;
        let record = &self.records[id];
        let (record, stack_id) = (record.clone(), self.stack.id.clone());
        self.write(move |transaction| {
            record.put(transaction, &stack_id)?;
            put_event(transaction, &stack_id, &event)
        })
        .await
    }

    /// Masks what custom resources gave and asked not to be shown.
    fn conceal(&self, event: &mut records::Event) -> Result<(), ServiceError> {
        let Some(text) = event.properties.as_mut() else { return Ok(()) };
        for record in self.records.values().filter(|record| super::custom::is_custom(&record.kind)) {
            for secret in super::requests::secrets(&self.context, &self.stack.id, &record.logical_id)? {
                // As it stands within JSON text.
                let written = serde_json::Value::from(secret).to_string();
                *text = text.replace(written.trim_matches('"'), "*****");
            }
        }
        Ok(())
    }

    async fn remove_record(&mut self, id: &str) -> Result<(), ServiceError> {
        let Some(record) = self.records.remove(id) else { return Ok(()) };
        let stack_id = self.stack.id.clone();
        self.write(move |transaction| record.delete(transaction, &stack_id)).await
    }

    /// Writes the stack's new status, what comes next, and all resources as they are.
    async fn settle(
        &mut self,
        status: &str,
        reason: Option<String>,
        next: Option<Phase>,
    ) -> Result<(), ServiceError> {
        self.stack.status = status.to_owned();
        self.stack.reason = reason;
        self.stack.phase = next;
        if next.is_none() {
            self.stack.before = None;
            for record in self.records.values_mut() {
                record.before = None;
            }
        }
        let (stack, records) = (self.stack.clone(), self.records.values().cloned().collect::<Vec<_>>());
        let (id, now) = (self.context.ids().uuid(), self.context.now());
        self.write(move |transaction| {
            for record in records {
                record.put(transaction, &stack.id)?;
            }
            stack.put(transaction)?;
            put_exports(transaction, &stack)?;
            stack.record_event(transaction, id, now)
        })
        .await
    }

    /// Writes unless the stack is no longer there: the cloud may have been emptied meanwhile.
    async fn write<F>(&self, work: F) -> Result<(), ServiceError>
    where
        F: FnOnce(&mut aloft_store::Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let row = self.stack.row();
        let write = move |transaction: &mut aloft_store::Transaction<'_>| -> Result<bool, StoreError> {
            let is_there = transaction.get(records::STACKS, row)?.is_some();
            if is_there {
                work(transaction)?;
            }
            Ok(is_there)
        };
        match self.context.store().write(write).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ServiceError::new(FORGOTTEN, 500, "the stack is no longer there")),
            Err(error) => Err(storage_failed(&error)),
        }
    }
}

/// A service's error as the reason of a resource.
fn reason_of(error: &ServiceError) -> String {
    if error.code.is_empty() || error.code == "ValidationError" {
        return error.message.clone();
    }
    format!("{} (Status Code: {}; Error Code: {})", error.message, error.status, error.code)
}
