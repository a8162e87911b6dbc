//! Node.js: `nodejs<major>.x` on the Node that is installed.

use super::locate::Search;
use super::{Installed, Runtime, Start, Waiting, search_path};
use crate::function::{FunctionSpec, InvokeError};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const BOOTSTRAP: &str = "bootstrap.cjs";
const WAITING: &str = "waiting.cjs";

pub(super) struct NodeJs;

impl Runtime for NodeJs {
    fn name(&self) -> &'static str {
        "nodejs"
    }

    fn serves(&self, identifier: &str) -> bool {
        identifier.starts_with("nodejs")
    }

    fn install(&self, directory: &Path) -> io::Result<()> {
        fs::write(directory.join("endpoint.cjs"), include_str!("endpoint.cjs"))?;
        fs::write(directory.join(WAITING), include_str!("waiting.cjs"))?;
        fs::write(directory.join("rehearsal.js"), include_str!("rehearsal.js"))?;
        fs::write(directory.join(BOOTSTRAP), include_str!("bootstrap.cjs"))
    }

    fn waiting(&self, _: &FunctionSpec, start: &Start) -> Option<Waiting> {
        let (last, others) = start.arguments.split_last()?;
        let last = Path::new(last);
        // Not what a wrapper starts.
        let ours =
            last.file_name()? == BOOTSTRAP && others.iter().all(|it| it.to_string_lossy().starts_with("--"));
        let arguments = others.iter().cloned().chain([last.with_file_name(WAITING).into()]);
        ours.then(|| Waiting { arguments: arguments.collect(), sdk: None })
    }

    fn start(
        &self,
        spec: &FunctionSpec,
        directory: &Path,
        installed: &Installed,
    ) -> Result<Start, InvokeError> {
        let search = Search {
            language: "Node.js",
            names: &["node".to_owned(), "nodejs".to_owned()],
            question: &["-p", "process.execPath + '\\n' + process.versions.node"],
            advice: "install the package `nodejs` (Debian, Ubuntu, Fedora), `node` (Homebrew), or from https://nodejs.org",
        };
        let found = installed.find(&spec.runtime, &search)?;
        let major = found.version.split('.').next().unwrap_or_default();
        let layers = spec.layer_directories.iter().rev();
        let modules: Vec<PathBuf> = layers
            .flat_map(|layer| {
                [layer.join(format!("nodejs/node{major}/node_modules")), layer.join("nodejs/node_modules")]
            })
            .chain([directory.join("node_modules")])
            .collect();
        let arguments = vec![
            // The collector must know how little there is: it would rather grow the heap than clean it up.
            format!("--max-old-space-size={}", (spec.memory_mb * 9 / 10).max(64)).into(),
            "--max-http-header-size=81920".into(),
            directory.join(BOOTSTRAP).into(),
        ];
        let variables = BTreeMap::from([("NODE_PATH".to_owned(), search_path(modules))]);
        Ok(Start {
            program: found.program,
            arguments,
            variables,
            runtime_directory: directory.to_owned(),
            execution_environment: Some(format!("AWS_Lambda_{}", spec.runtime)),
            channel: true,
            version: format!("nodejs:{}", found.version),
            invalid: None,
            wrapper: None,
            extensions: Vec::new(),
        })
    }
}
