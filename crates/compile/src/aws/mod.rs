//! A service compiled to CloudFormation.
//!
//! The steps are the original's, in its order, since the order of statements and lists is part of the document.

mod bucket;
mod context;
mod custom_resources;
mod events;
mod functions;
mod layers;
mod log_groups;
mod merge;
pub mod naming;
pub mod origin;
mod outputs;
pub mod plan;
mod requirements;
mod role;
pub mod state;
mod values;
mod version;

pub use events::EVENTS;
pub use functions::image_tags;

use crate::{CompileOptions, Compiled};
use aloft_config::Service;
use aloft_diag::Diagnostic;
use aloft_package::Artifacts;
use context::Context;
use serde_json::{Map, Value};

/// Compiles the service.
///
/// # Errors
/// The original's codes and messages, each with the place in the configuration. The first is the one that the original
/// stops at.
pub fn compile(
    service: &Service,
    artifacts: &Artifacts,
    options: &CompileOptions,
) -> Result<Compiled, Vec<Diagnostic>> {
    let mut context = Context::new(service, artifacts, options).map_err(|error| vec![error])?;
    let one = |error: Diagnostic| vec![error];
    requirements::check_kinds(&context)?;
    bucket::add(&mut context).map_err(one)?;
    let create_template = template(context.resources.clone(), context.outputs.clone());
    log_groups::add(&mut context);
    role::add(&mut context);
    layers::add(&mut context).map_err(one)?;
    functions::add(&mut context)?;
    requirements::check_events(&context)?;
    events::add(&mut context)?;
    outputs::export(&mut context);
    let resources = std::mem::take(&mut context.resources);
    let mut update_template = template(resources, std::mem::take(&mut context.outputs));
    merge::add_resources(service, &mut update_template).map_err(one)?;
    merge::strip_nulls(&mut update_template);
    let state = state::state(&context);
    Ok(Compiled {
        create_template,
        update_template,
        state,
        artifact_directory: context.artifact_directory,
        deployment_bucket: context.deployment_bucket,
        needs_custom_resources: context.needs_custom_resources,
        unchanged_layers: context.unchanged_layers,
        warnings: context.warnings,
    })
}

/// Takes the parts: a large service has tens of thousands of resources, which are not to be copied for each document.
fn template(resources: Map<String, Value>, outputs: Map<String, Value>) -> Value {
    let mut made = Map::new();
    made.insert("AWSTemplateFormatVersion".to_owned(), "2010-09-09".into());
    made.insert(
        "Description".to_owned(),
        "The AWS CloudFormation template for this Serverless application".into(),
    );
    made.insert("Resources".to_owned(), Value::Object(resources));
    made.insert("Outputs".to_owned(), Value::Object(outputs));
    Value::Object(made)
}
