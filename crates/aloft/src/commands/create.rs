//! `aloft create`: a new service, from a folder or from what is built in.
//!
//! Fetches nothing: what lies elsewhere is cloned with git. Keeps true: a folder that is there is not touched.

use crate::cli::Create;
use crate::failure::Mistakes;
use crate::terminal::Terminal;
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};

/// A service that is built in: its name, its runtime, the file of its code, the code.
type Template = (&'static str, &'static str, &'static str, &'static str);

const NODE: &str = "exports.hello = async (event) => ({\n  statusCode: 200,\n  body: JSON.stringify({ message: 'Hello!', input: event }),\n});\n";
const PYTHON: &str = "import json\n\n\ndef hello(event, context):\n    return {\"statusCode\": 200, \"body\": json.dumps({\"message\": \"Hello!\", \"input\": event})}\n";

const TEMPLATES: &[Template] = &[
    ("aws-nodejs", "nodejs20.x", "handler.js", NODE),
    ("aws-python", "python3.12", "handler.py", PYTHON),
    ("aws-python3", "python3.12", "handler.py", PYTHON),
    ("hello-world", "nodejs20.x", "handler.js", NODE),
];

pub fn run(options: &Create, terminal: &Terminal) -> anyhow::Result<()> {
    let here = std::env::current_dir()?;
    let directory = options.path.clone().or_else(|| options.name.clone().map(PathBuf::from));
    let target = directory.as_ref().map_or_else(|| here.clone(), |directory| here.join(directory));
    let folder = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = options.name.clone().unwrap_or(folder);
    if directory.is_some() && target.exists() {
        let message = format!(
            "The directory \"{}\" already exists, and serverless will not overwrite it. Rename or move the directory and try again if you want serverless to create it",
            target.display()
        );
        return Err(Mistakes::plain("TARGET_FOLDER_ALREADY_EXISTS", message, "name another with --path"));
    }
    let from = match (&options.template, &options.template_path) {
        (_, Some(path)) => {
            copy(&here.join(path), &target)?;
            rename(&target, &name)?;
            path.display().to_string()
        }
        (Some(template), None) => {
            write(template, &target, &name)?;
            template.clone()
        }
        (None, None) => {
            let message = "You must either pass a template name (--template), or a path (--template-path).";
            return Err(Mistakes::plain("MISSING_TEMPLATE_CLI_PARAM", message, known()));
        }
    };
    let shown = directory.map_or_else(|| ".".to_owned(), |directory| format!("./{}", directory.display()));
    terminal.success(&format!("Project successfully created in \"{shown}\" from \"{from}\" template"));
    Ok(())
}

fn known() -> String {
    let names: Vec<&str> = TEMPLATES.iter().map(|(name, ..)| *name).collect();
    format!("built in are {}; others: `git clone` one and name it with --template-path", names.join(", "))
}

fn write(template: &str, target: &Path, name: &str) -> anyhow::Result<()> {
    let Some((_, runtime, file, code)) = TEMPLATES.iter().find(|(known, ..)| *known == template) else {
        let message = format!("Template \"{template}\" is not supported.");
        return Err(Mistakes::plain("NOT_SUPPORTED_TEMPLATE", message, known()));
    };
    let configuration = format!(
        "service: {name}\nframeworkVersion: '3'\n\nprovider:\n  name: aws\n  runtime: {runtime}\n\nfunctions:\n  hello:\n    \
         handler: handler.hello\n    events:\n      - httpApi: GET /hello\n"
    );
    fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
    for (file, text) in
        [("serverless.yml", &*configuration), (file, code), (".gitignore", ".serverless\nnode_modules\n")]
    {
        let path = target.join(file);
        if path.exists() {
            let message = format!("{} is there already", path.display());
            return Err(Mistakes::plain(
                "TEMPLATE_FILE_ALREADY_EXISTS",
                message,
                "name another folder with --path",
            ));
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Copies a folder without what belongs to its history or was installed.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if [".git", "node_modules", ".serverless"].iter().any(|name| entry.file_name() == *name)
            || to == source
        {
            continue;
        }
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target).with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}

/// Gives the copied service its own name.
fn rename(target: &Path, name: &str) -> anyhow::Result<()> {
    for file in ["serverless.yml", "serverless.yaml"] {
        let path = target.join(file);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let line = |line: &str| match line.strip_prefix("service:") {
            Some(_) => format!("service: {name}\n"),
            None => line.to_owned(),
        };
        let text: String = text.split_inclusive('\n').map(line).collect();
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
