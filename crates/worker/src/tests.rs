//! Real node, real python and real shells as black boxes behind [`Workers`].

use crate::FunctionSpec;
use aloft_base::{AccountId, Ids, Region};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A directory that is removed with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("aloft-worker-test-{}", Ids::random().hex(16)));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A function as most tests want it.
pub(crate) fn function(runtime: &str, handler: &str, code: impl Into<PathBuf>) -> FunctionSpec {
    FunctionSpec {
        account: AccountId::local(),
        region: Region::us_east_1(),
        name: "greeter".to_owned(),
        version: "$LATEST".to_owned(),
        revision: "1".to_owned(),
        runtime: runtime.to_owned(),
        handler: handler.to_owned(),
        memory_mb: 256,
        timeout: Duration::from_secs(10),
        environment: [("GREETING".to_owned(), "hello".to_owned())].into(),
        code_directory: code.into(),
        layer_directories: Vec::new(),
        role_arn: "arn:aws:iam::000000000000:role/greeter".to_owned(),
        log_group: "/aws/lambda/greeter".to_owned(),
        ephemeral_storage_mb: 512,
    }
}
