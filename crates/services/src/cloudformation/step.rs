//! One step: asks a resource's service to make, change or delete it.

use super::dynamic;
use super::records::{Made, Record, Stack};
use aloft_engine::{Context, Resource, ResourceContext, ResourceHandler, ServiceError, Update};
use serde_json::Value;

/// What is to be done to a resource, with all that it takes, so that many can be done at once.
pub struct Task {
    resource: ResourceContext,
    kind: String,
    made: Option<Made>,
    wanted: Value,
    /// Whether it takes a change back that did not come to its end.
    undoes: bool,
    /// Why it cannot be done at all.
    doomed: Option<ServiceError>,
}

/// Why it was not done.
pub struct Failed {
    /// What its service said.
    pub error: ServiceError,
    /// What is there all the same, where nothing was before.
    pub left: Option<Made>,
}

/// What became of it.
pub struct Done {
    /// What is there now.
    pub made: Made,
    /// Whether it stands beside what was there before.
    pub replaced: bool,
}

impl Task {
    /// A step for the resource of a record.
    pub fn new(context: &Context, stack: &Stack, record: &Record, wanted: Value, resuming: bool) -> Self {
        let resource = ResourceContext {
            context: context.clone(),
            stack_name: stack.name.clone(),
            stack_id: stack.id.clone(),
            logical_id: record.logical_id.clone(),
            tags: stack.version.tags.clone(),
            token: record.token.clone(),
            resuming,
        };
        Self {
            resource,
            kind: record.kind.clone(),
            made: record.made.clone(),
            wanted,
            undoes: false,
            doomed: None,
        }
    }

    /// The same step, as the way back from a change that failed. What would have to be replaced for it was not changed
    /// at all, or there would be a replacement to delete: it stays as it is.
    pub fn undoing(self) -> Self {
        Self { undoes: true, ..self }
    }

    /// The same step, which fails without being tried.
    pub fn doomed_by(self, error: ServiceError) -> Self {
        Self { doomed: Some(error), ..self }
    }

    fn handler(&self) -> Result<&'static dyn ResourceHandler, ServiceError> {
        handler(&self.resource.context.engine, &self.kind)
            .ok_or_else(|| super::template::invalid(format!("Unrecognized resource type {}", self.kind)))
    }
}

/// Who handles a type. Custom resources may be called anything behind `Custom::`.
pub fn handler(engine: &aloft_engine::Engine, kind: &str) -> Option<&'static dyn ResourceHandler> {
    let kind = if kind.starts_with("Custom::") { super::custom::KIND } else { kind };
    let types = engine.services().iter().flat_map(|service| service.resources());
    types.into_iter().find(|one| one.name == kind).map(|one| one.handler)
}

/// Makes the resource, or changes what is there into what is wanted.
pub async fn make(task: Task) -> (String, Result<Done, Failed>) {
    let id = task.resource.logical_id.clone();
    let result = make_or_change(task).await;
    (id, result)
}

async fn make_or_change(mut task: Task) -> Result<Done, Failed> {
    let plain = |error| Failed { error, left: None };
    if let Some(error) = task.doomed.take() {
        return Err(plain(error));
    }
    let handler = task.handler().map_err(plain)?;
    let Task { resource, made, wanted, undoes, .. } = task;
    let given = dynamic::resolve(&resource.context, &wanted).await.map_err(plain)?;
    let as_made = |made: Resource| Made {
        physical_id: made.physical_id,
        properties: wanted.clone(),
        attributes: made.attributes,
    };
    let done = |made: Resource, replaced| Done { made: as_made(made), replaced };
    let Some(old) = made else {
        let error = match handler.create(&resource, &given).await {
            Ok(made) => return Ok(done(made, false)),
            Err(error) => error,
        };
        let left = handler.left_behind(&resource).await.unwrap_or_default();
        return Err(Failed { error, left: left.map(as_made) });
    };
    // What has the old one's name is the old one, which must not be deleted afterwards.
    let beside = |made: Resource| {
        let replaced = made.physical_id != old.physical_id;
        done(made, replaced)
    };
    // What an old reference stood for may be gone.
    let before = dynamic::resolve(&resource.context, &old.properties).await;
    let before = before.unwrap_or_else(|_| old.properties.clone());
    match handler.update(&resource, &old.physical_id, &before, &given).await.map_err(plain)? {
        Update::InPlace(made) => Ok(done(made, false)),
        Update::Replaced(made) => Ok(beside(made)),
        Update::Replace if undoes => Ok(Done { made: Made { properties: wanted, ..old }, replaced: false }),
        Update::Replace => Ok(beside(handler.create(&resource, &given).await.map_err(plain)?)),
    }
}

/// Deletes the resource.
pub async fn delete(task: Task) -> (String, Result<(), ServiceError>) {
    let id = task.resource.logical_id.clone();
    let result = match (task.handler(), &task.made) {
        (Ok(handler), Some(made)) => {
            handler.delete(&task.resource, &made.physical_id, &made.properties).await
        }
        (Err(error), _) => Err(error),
        (_, None) => Ok(()),
    };
    (id, result)
}
