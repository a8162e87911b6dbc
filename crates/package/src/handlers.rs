//! Whether the file that a handler names is there.
//!
//! The original does not look; a function without it fails at its first call. A warning only: a build step that runs
//! later may make the file.

use crate::{flag, object, text};
use aloft_config::Service;
use aloft_diag::Diagnostic;
use serde_json::{Map, Value};

/// `HANDLER_FILE_NOT_FOUND` when the function's runtime is Node or Python and no file of the service fits its handler.
pub fn missing_handler(service: &Service, name: &str, function: &Map<String, Value>) -> Option<Diagnostic> {
    let handler = text(function, "handler")?;
    let package = object(function, "package");
    let ready_made =
        |package: &Map<String, Value>| package.contains_key("artifact") || flag(package, "disable");
    if package.is_some_and(ready_made) || service.package().contains_key("artifact") {
        return None;
    }
    let runtime =
        text(function, "runtime").or_else(|| text(service.provider(), "runtime")).unwrap_or("nodejs16.x");
    let extensions: &[&str] = match runtime {
        _ if runtime.starts_with("nodejs") => &["js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx"],
        _ if runtime.starts_with("python") => &["py"],
        _ => return None,
    };
    let module = module_of(handler)?;
    let base = service.directory.join(&module);
    let there = |extension: &&str| {
        base.with_file_name(format!("{}.{extension}", base.file_name().unwrap_or_default().to_string_lossy()))
            .exists()
    };
    if extensions.iter().any(there) || base.is_dir() {
        return None;
    }
    let file = format!("{module}.{}", extensions[0]);
    Some(
        Diagnostic::warning("HANDLER_FILE_NOT_FOUND", format!("function \"{name}\": there is no file {file} for the handler \"{handler}\""))
            .at_opt(service.span(&format!("functions.{name}.handler")), "names a file that is not there")
            .help(format!("create {file}, or write the handler as <path of the file without its ending>.<name of the function in it>")),
    )
}

/// `src/app.handler` is in the module `src/app`.
fn module_of(handler: &str) -> Option<String> {
    let (folder, last) = handler.rsplit_once('/').map_or(("", handler), |(folder, last)| (folder, last));
    let (module, _) = last.split_once('.')?;
    Some(if folder.is_empty() { module.to_owned() } else { format!("{folder}/{module}") })
}
