//! A service compiled to its provider's own document.
//!
//! Pure but for the hashing of artifacts that lie on disk: no network, no cloud. What needs a cloud is passed in with the
//! options. Keeps true: the document equals the one that the original framework (3.40.0) makes, logical ids included.

pub mod aws;
#[doc(hidden)]
pub mod parity;

use aloft_base::Timestamp;
use aloft_diag::Diagnostic;
use serde_json::Value;
use std::collections::BTreeMap;

/// The providers that a service can be compiled for, as `provider.name` says them.
pub const PROVIDERS: &[&str] = &["aws"];

/// What compiling depends on beside the service and its artifacts.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// Names the folder of the artifacts in the deployment bucket.
    pub now: Timestamp,
    /// `--enforce-hash-update`: every function gets a new version.
    pub enforce_hash_update: bool,
    /// `--aws-s3-accelerate` or `--no-aws-s3-accelerate`.
    pub s3_accelerate: Option<bool>,
    /// Digests (`sha256:...`) of container images that are named by a tag, by the name as written.
    pub image_digests: BTreeMap<String, String>,
    /// The outputs of the deployed stack: a layer that has not changed keeps its object, and so its version.
    pub previous_outputs: BTreeMap<String, String>,
}

/// What compiling made.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The stack with nothing but the deployment bucket.
    pub create_template: Value,
    /// The whole stack.
    pub update_template: Value,
    /// What `serverless-state.json` holds, but for the templates: [`aws::state::WholeState`] has all.
    pub state: Value,
    /// The prefix of the artifacts in the deployment bucket: `serverless/<service>/<stage>/<milliseconds>-<time>`.
    pub artifact_directory: String,
    /// `provider.deploymentBucket`; with none the stack makes its own.
    pub deployment_bucket: Option<Value>,
    /// The stack refers to `custom-resources.zip` in the artifact directory.
    pub needs_custom_resources: bool,
    /// Layers that are as they were at the last deploy, whose zips need no upload.
    pub unchanged_layers: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}
