//! Ruby: `ruby3.2`, `ruby3.3`, `ruby3.4` on that version where it is installed, otherwise on the Ruby that is.

use super::locate::{Search, wanted_version};
use super::{Installed, Runtime, Start, search_path};
use crate::function::{FunctionSpec, InvokeError};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Fails in Ruby 2.
const QUESTION: &str = "exit 1 if RUBY_VERSION < '3'; puts RbConfig.ruby; puts RUBY_VERSION";

pub(super) struct Ruby;

impl Runtime for Ruby {
    fn name(&self) -> &'static str {
        "ruby"
    }

    fn serves(&self, identifier: &str) -> bool {
        identifier.starts_with("ruby")
    }

    fn install(&self, directory: &Path) -> io::Result<()> {
        fs::write(directory.join("bootstrap.rb"), include_str!("bootstrap.rb"))
    }

    fn start(
        &self,
        spec: &FunctionSpec,
        directory: &Path,
        installed: &Installed,
    ) -> Result<Start, InvokeError> {
        let wanted = wanted_version(&spec.runtime);
        let search = Search {
            language: "Ruby",
            names: &[format!("ruby{wanted}"), "ruby".to_owned()],
            question: &["--disable=gems", "-rrbconfig", "-e", QUESTION],
            advice: "install the package `ruby` 3 or later (`apt-get install ruby` on Debian and Ubuntu, `dnf install ruby` on Fedora, `brew install ruby`)",
        };
        let found = installed.find(&spec.runtime, &search)?;
        // Gems are kept by the version that they were built for, whose last number is always 0.
        let minor: Vec<&str> = found.version.splitn(3, '.').take(2).collect();
        let minor = format!("{}.0", minor.join("."));
        let layers = || spec.layer_directories.iter().rev();
        let gems = [spec.code_directory.join(format!("vendor/bundle/ruby/{minor}"))];
        let gems = gems.into_iter().chain(layers().map(|it| it.join(format!("ruby/gems/{minor}"))));
        let libraries: Vec<PathBuf> = std::iter::once(spec.code_directory.clone())
            .chain(layers().map(|it| it.join("ruby/lib")))
            .collect();
        Ok(Start {
            program: found.program,
            arguments: vec![directory.join("bootstrap.rb").into()],
            variables: BTreeMap::from([
                ("GEM_PATH".to_owned(), search_path(gems)),
                ("RUBYLIB".to_owned(), search_path(libraries)),
            ]),
            runtime_directory: directory.to_owned(),
            execution_environment: Some(format!("AWS_Lambda_{}", spec.runtime)),
            channel: false,
            version: format!("ruby:{}", found.version),
            invalid: None,
            wrapper: None,
            extensions: Vec::new(),
        })
    }
}
