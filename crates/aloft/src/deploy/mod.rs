//! The deployment of a service to AWS, or to what speaks its APIs: the steps that `package` and `deploy` share.

mod api_gateway_stage;
mod custom_resources;
pub mod history;
mod remote;
pub mod stack;
mod unbuilt;
pub mod upload;

use crate::failure::{Mistakes, warn};
use crate::lifecycle::Step;
use crate::session::Session;
use crate::steps;
use aloft_compile::aws::state::WholeState;
use aloft_compile::{CompileOptions, Compiled};
use aloft_diag::{Diagnostic, Severity};
use aloft_package::Artifacts;
use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const CREATE_TEMPLATE: &str = "cloudformation-template-create-stack.json";
const UPDATE_TEMPLATE: &str = "cloudformation-template-update-stack.json";
const STATE: &str = "serverless-state.json";

/// A deployment on its way.
pub struct Deployment {
    /// The service and its cloud.
    pub session: Session,
    /// `--force`
    pub force: bool,
    /// `--enforce-hash-update`
    pub enforce_hash_update: bool,
    /// A function without its handler's file is not deployed: the local cloud could only fail to run it. The original
    /// does not look, so elsewhere it is a warning.
    pub refuses_missing_handlers: bool,
    /// `--aws-s3-accelerate` or `--no-aws-s3-accelerate`
    pub s3_accelerate: Option<bool>,
    /// Nothing had to be done.
    pub unchanged: bool,
    /// Uploads take the bucket's fast way.
    is_accelerated: bool,
    is_uploaded: bool,
    /// Where the package is.
    directory: PathBuf,
    minify: bool,
    artifacts: Artifacts,
    package: Option<Package>,
    /// The deployment bucket.
    bucket: String,
}

/// What is uploaded.
struct Package {
    /// Null when the service names its bucket: there is nothing to create before everything else.
    create_template: Value,
    update_template: Value,
    state: Value,
    artifact_directory: String,
    /// The zips.
    files: Vec<PathBuf>,
}

impl Package {
    /// The state with the templates in it.
    fn whole_state(&self) -> WholeState<'_> {
        let Self { state, create_template, update_template, .. } = self;
        WholeState { state, create_template, update_template }
    }
}

/// What `package` does.
pub static PACKAGE: &[Step<Deployment>] = steps![Deployment;
    "package:cleanup" => clean,
    "package:createDeploymentArtifacts" => make_artifacts,
    "package:compileFunctions" => compile,
    "package:finalize" => write_package,
];

/// What `deploy` does with a package.
pub static DEPLOY: &[Step<Deployment>] = steps![Deployment;
    "before:aws:deploy:deploy:createStack" => unbuilt::refuse,
    "aws:deploy:deploy:createStack" => stack::create,
    "aws:deploy:deploy:checkForChanges" => upload::check_for_changes,
    "before:aws:deploy:deploy:uploadArtifacts" => crate::sdks::provide,
    "aws:deploy:deploy:uploadArtifacts" => upload::upload,
    "aws:deploy:deploy:validateTemplate" => stack::validate,
    "aws:deploy:deploy:updateStack" => stack::update,
    "after:deploy:deploy" => api_gateway_stage::update,
    "aws:deploy:finalize:cleanup" => upload::remove_old,
];

impl Deployment {
    /// A deployment that packages into a directory.
    pub fn new(session: Session, directory: PathBuf, minify: bool) -> Self {
        // Without a bucket of its own choice, the stack makes one.
        let bucket =
            session.service.provider().get("deploymentBucket").and_then(bucket_name).unwrap_or_default();
        Self {
            session,
            force: false,
            enforce_hash_update: false,
            refuses_missing_handlers: false,
            s3_accelerate: None,
            unchanged: false,
            is_accelerated: false,
            is_uploaded: false,
            directory,
            minify,
            artifacts: Artifacts::default(),
            package: None,
            bucket,
        }
    }

    /// Bytes of a function's zip.
    pub fn size_of(&self, function: &str) -> Option<u64> {
        self.artifacts.functions.get(function).map(|artifact| artifact.size)
    }

    /// The whole stack, once it is packaged.
    pub fn template(&self) -> anyhow::Result<&Value> {
        Ok(&self.package()?.update_template)
    }

    /// The zips, once they are made.
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// The zips of the package.
    pub fn files(&self) -> anyhow::Result<&[PathBuf]> {
        Ok(&self.package()?.files)
    }

    fn package(&self) -> anyhow::Result<&Package> {
        self.package.as_ref().context("there is no package")
    }

    /// Takes what an earlier `package --package` made.
    pub fn read_package(&mut self) -> anyhow::Result<()> {
        let read = |name: &str| -> anyhow::Result<Value> {
            let path = self.directory.join(name);
            let text = fs::read_to_string(&path).map_err(|error| {
                let message = format!("cannot read {}: {error}", path.display());
                Mistakes::plain("PACKAGE_NOT_FOUND", message, "make it with `aloft package --package DIR`")
            })?;
            serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
        };
        let create_template = match self.directory.join(CREATE_TEMPLATE).exists() {
            true => read(CREATE_TEMPLATE)?,
            false => Value::Null,
        };
        let (update_template, state) = (read(UPDATE_TEMPLATE)?, read(STATE)?);
        let artifact_directory = state["package"]["artifactDirectoryName"]
            .as_str()
            .context("the package's state names no directory")?;
        let artifact_directory = artifact_directory.to_owned();
        let is_zip = |path: &PathBuf| {
            path.extension().is_some_and(|extension| extension == "zip" || extension == "jar")
        };
        let mut files: Vec<PathBuf> =
            fs::read_dir(&self.directory)?.flatten().map(|entry| entry.path()).filter(is_zip).collect();
        files.sort();
        self.package = Some(Package { create_template, update_template, state, artifact_directory, files });
        Ok(())
    }

    /// Takes an earlier deployment from the bucket, to deploy it again.
    pub async fn restore(&mut self, bucket: String, directory: &str) -> anyhow::Result<()> {
        let client = self.session.client()?;
        let directory = format!("{}{directory}", history::prefix(&self.session));
        let read = async |name: &str| -> anyhow::Result<Value> {
            let params = json!({ "Bucket": bucket, "Key": format!("{directory}/{name}") });
            let found = client.call_with_body("s3", "GetObject", params, None).await?.body;
            serde_json::from_slice(&found.unwrap_or_default()).with_context(|| format!("{name} is no JSON"))
        };
        let update_template = read(upload::TEMPLATE_NAME).await?;
        let (create_template, state, files) = (Value::Null, Value::Null, Vec::new());
        self.package =
            Some(Package { create_template, update_template, state, artifact_directory: directory, files });
        self.bucket = bucket;
        Ok(())
    }

    fn mistakes(&self, diagnostics: Vec<Diagnostic>) -> anyhow::Error {
        Mistakes { diagnostics, sources: self.session.service.sources.clone() }.into()
    }
}

/// Removes an earlier package: only the files that a package has.
async fn clean(deployment: &mut Deployment) -> anyhow::Result<()> {
    let directory = &deployment.directory;
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    // What lies beside the service's own files may be theirs.
    let is_apart =
        fs::canonicalize(directory).ok() != fs::canonicalize(&deployment.session.service.directory).ok();
    for entry in fs::read_dir(directory)?.flatten().filter(|_| is_apart) {
        let path = entry.path();
        let name = entry.file_name();
        let is_ours = [CREATE_TEMPLATE, UPDATE_TEMPLATE, STATE].iter().any(|ours| name == *ours);
        if is_ours || path.extension().is_some_and(|extension| extension == "zip") {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

async fn make_artifacts(deployment: &mut Deployment) -> anyhow::Result<()> {
    deployment.session.terminal.progress("Packaging");
    let packed = aloft_package::package(&deployment.session.service, &deployment.directory);
    let artifacts = packed.map_err(|errors| deployment.mistakes(errors))?;
    let is_missing = |warning: &&Diagnostic| warning.code == "HANDLER_FILE_NOT_FOUND";
    let missing: Vec<Diagnostic> = artifacts.warnings.iter().filter(is_missing).cloned().collect();
    if deployment.refuses_missing_handlers && !missing.is_empty() {
        let error = |warning| Diagnostic { severity: Severity::Error, ..warning };
        return Err(deployment.mistakes(missing.into_iter().map(error).collect()));
    }
    warn(deployment.session.terminal, &artifacts.warnings, &deployment.session.service.sources);
    deployment.artifacts = artifacts;
    remote::fetch_artifacts(deployment).await
}

async fn compile(deployment: &mut Deployment) -> anyhow::Result<()> {
    let options = CompileOptions {
        now: deployment.session.clock.now(),
        enforce_hash_update: deployment.enforce_hash_update,
        s3_accelerate: deployment.s3_accelerate,
        previous_outputs: remote::previous_outputs(deployment).await,
        ..CompileOptions::default()
    };
    let service = &deployment.session.service;
    let compiled = aloft_compile::aws::compile(service, &deployment.artifacts, &options);
    let compiled: Compiled = compiled.map_err(|errors| deployment.mistakes(errors))?;
    warn(deployment.session.terminal, &compiled.warnings, &deployment.session.service.sources);
    let Artifacts { functions, service, layers, .. } = &deployment.artifacts;
    let is_new = |(name, _): &(&String, &aloft_package::Artifact)| !compiled.unchanged_layers.contains(*name);
    let changed_layers = layers.iter().filter(is_new).map(|(_, artifact)| artifact);
    let all = functions.values().chain(service).chain(changed_layers);
    let mut files: Vec<PathBuf> = all.map(|artifact| artifact.path.clone()).collect();
    if compiled.needs_custom_resources {
        let zip = custom_resources::write(&deployment.directory);
        files.push(zip.map_err(|error| deployment.mistakes(vec![error]))?.path);
    }
    files.sort();
    files.dedup();
    deployment.package = Some(Package {
        create_template: if compiled.deployment_bucket.is_some() {
            Value::Null
        } else {
            compiled.create_template
        },
        update_template: compiled.update_template,
        state: compiled.state,
        artifact_directory: compiled.artifact_directory,
        files,
    });
    Ok(())
}

fn bucket_name(setting: &Value) -> Option<String> {
    setting.as_str().or_else(|| setting.get("name")?.as_str()).map(str::to_owned)
}

async fn write_package(deployment: &mut Deployment) -> anyhow::Result<()> {
    let package = deployment.package()?;
    let (directory, minify) = (&deployment.directory, deployment.minify);
    let write_template = |name: &str, template: &Value| {
        if template.is_null() { Ok(()) } else { write_json(&directory.join(name), template, minify) }
    };
    // The state holds the template, too: with 500 functions both are megabytes, so each gets a processor.
    std::thread::scope(|scope| {
        let state = scope.spawn(|| write_json(&directory.join(STATE), &package.whole_state(), minify));
        write_template(CREATE_TEMPLATE, &package.create_template)?;
        write_template(UPDATE_TEMPLATE, &package.update_template)?;
        state.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn write_json(path: &Path, value: &impl Serialize, minify: bool) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 16, fs::File::create(path)?);
        let written = if minify {
            serde_json::to_writer(&mut file, value)
        } else {
            serde_json::to_writer_pretty(&mut file, value)
        };
        written.map_err(std::io::Error::from)?;
        file.flush()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The stack's tags: the provider's, and the stage.
fn stack_tags(session: &Session) -> Value {
    let provider = session.service.provider();
    let mut tags = serde_json::Map::new();
    tags.insert("STAGE".to_owned(), json!(session.service.stage));
    for section in ["tags", "stackTags"] {
        for (key, value) in provider.get(section).and_then(Value::as_object).into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            tags.insert(key.clone(), json!(text));
        }
    }
    tags.into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
