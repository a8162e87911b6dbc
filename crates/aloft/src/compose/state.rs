//! The outputs that services had when they were last deployed, in a file beside the compose file: one a stage, and one for the
//! local cloud, whose outputs are not those of a deploy elsewhere.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The form of the file.
const VERSION: u32 = 1;

/// Outputs by name.
pub type Outputs = BTreeMap<String, String>;

/// The outputs of all services of a stage.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    content: Content,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    version: u32,
    /// By the services' names in the compose file.
    services: BTreeMap<String, Deployed>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Deployed {
    outputs: Outputs,
}

impl State {
    /// Reads the file, if it is there.
    pub fn load(directory: &Path, stage: &str, local: bool) -> anyhow::Result<Self> {
        let local = if local { ".local" } else { "" };
        let path = directory.join(".serverless").join(format!("compose.{stage}{local}.json"));
        let content = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Content::default(),
            read => {
                let bytes = read.with_context(|| format!("cannot read {}", path.display()))?;
                let content: Content = serde_json::from_slice(&bytes).with_context(|| {
                    format!(
                        "cannot understand {}: remove it, then run `aloft refresh-outputs`",
                        path.display()
                    )
                })?;
                anyhow::ensure!(
                    content.version <= VERSION,
                    "{} was written by a newer aloft",
                    path.display()
                );
                content
            }
        };
        Ok(Self { path, content })
    }

    /// The outputs of a service; nothing when it is not deployed, as far as is known.
    pub fn outputs(&self, service: &str) -> Option<&Outputs> {
        self.content.services.get(service).map(|deployed| &deployed.outputs)
    }

    /// Keeps the outputs of a service, or forgets it.
    pub fn set(&mut self, service: &str, outputs: Option<Outputs>) -> anyhow::Result<()> {
        match outputs {
            Some(outputs) => drop(self.content.services.insert(service.to_owned(), Deployed { outputs })),
            None => drop(self.content.services.remove(service)),
        }
        self.content.version = VERSION;
        let text = serde_json::to_string_pretty(&self.content)?;
        let part = self.path.with_extension("json.part");
        let write = || {
            fs::create_dir_all(self.path.parent().unwrap_or(&self.path))?;
            fs::write(&part, text)?;
            fs::rename(&part, &self.path)
        };
        write().with_context(|| format!("cannot write {}", self.path.display()))
    }
}
