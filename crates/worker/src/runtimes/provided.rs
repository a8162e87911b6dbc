//! `provided`, `provided.al2`, `provided.al2023`: an executable `bootstrap` in the package or in a layer.

use super::locate::is_executable;
use super::{Installed, Runtime, Start};
use crate::function::{FunctionSpec, InvokeError};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

pub(super) struct Provided;

impl Runtime for Provided {
    fn name(&self) -> &'static str {
        "provided"
    }

    fn serves(&self, identifier: &str) -> bool {
        identifier == "provided" || identifier.starts_with("provided.")
    }

    fn install(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }

    fn start(
        &self,
        spec: &FunctionSpec,
        directory: &Path,
        _installed: &Installed,
    ) -> Result<Start, InvokeError> {
        let directories = std::iter::once(&spec.code_directory).chain(spec.layer_directories.iter().rev());
        let candidates: Vec<_> = directories.map(|it| it.join("bootstrap")).collect();
        let program = candidates.iter().find(|it| it.is_file());
        let invalid = match program {
            // In Lambda's words, which name Lambda's places.
            None => Some("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned()),
            Some(program) if !is_executable(program) => {
                let root = if program.starts_with(&spec.code_directory) { "/var/task" } else { "/opt" };
                Some(format!("fork/exec {root}/bootstrap: permission denied"))
            }
            Some(_) => None,
        };
        Ok(Start {
            program: program.unwrap_or(&candidates[0]).clone(),
            arguments: Vec::new(),
            variables: BTreeMap::new(),
            runtime_directory: directory.to_owned(),
            execution_environment: None,
            channel: false,
            version: spec.runtime.clone(),
            invalid,
            wrapper: None,
            extensions: Vec::new(),
        })
    }
}
