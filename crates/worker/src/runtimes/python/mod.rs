//! Python: `python3.<minor>` on that version where it is installed, otherwise on the Python 3 that is.

use super::locate::{Search, wanted_version};
use super::{Installed, Runtime, Start, search_path};
use crate::function::{FunctionSpec, InvokeError};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Fails in Python 2.
const QUESTION: &str = "import sys; sys.version_info < (3, 8) and sys.exit(1); print(sys.executable); print('%d.%d.%d' % sys.version_info[:3])";

pub(super) struct Python;

impl Runtime for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn serves(&self, identifier: &str) -> bool {
        identifier.starts_with("python3.")
    }

    fn install(&self, directory: &Path) -> io::Result<()> {
        fs::write(directory.join("_aloft_bootstrap.py"), include_str!("bootstrap.py"))
    }

    fn start(
        &self,
        spec: &FunctionSpec,
        directory: &Path,
        installed: &Installed,
    ) -> Result<Start, InvokeError> {
        let wanted = wanted_version(&spec.runtime);
        let search = Search {
            language: "Python 3",
            names: &[format!("python{wanted}"), "python3".to_owned(), "python".to_owned()],
            question: &["-c", QUESTION],
            advice: "install the package `python3` (Debian, Ubuntu, Fedora), `python` (Homebrew), or from https://python.org",
        };
        let found = installed.find(&spec.runtime, &search)?;
        let minor: Vec<&str> = found.version.splitn(3, '.').take(2).collect();
        let minor = minor.join(".");
        let layers = spec.layer_directories.iter().rev();
        let modules: Vec<PathBuf> = layers
            .flat_map(|layer| {
                [layer.join("python"), layer.join(format!("python/lib/python{minor}/site-packages"))]
            })
            .chain([directory.to_owned()])
            .collect();
        // Imported rather than run, so that its compiled form is kept beside it.
        let import = "import sys; sys.path[0] = sys.argv.pop(); import _aloft_bootstrap as it; it.main()";
        Ok(Start {
            program: found.program,
            arguments: vec!["-u".into(), "-c".into(), import.into(), directory.into()],
            variables: BTreeMap::from([("PYTHONPATH".to_owned(), search_path(modules))]),
            runtime_directory: directory.to_owned(),
            execution_environment: Some(format!("AWS_Lambda_{}", spec.runtime)),
            version: format!("python:{}", found.version),
            invalid: None,
        })
    }
}
