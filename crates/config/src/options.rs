//! Which options each command knows: `${opt:}` tells apart an option that was not given from one that nobody knows yet.

use serde_json::{Map, Value};

/// What every command on a service takes.
const COMMON: &[&str] = &[
    "region",
    "aws-profile",
    "app",
    "org",
    "use-local-credentials",
    "config",
    "stage",
    "param",
    "help",
    "version",
    "verbose",
    "debug",
];

/// What a command takes beyond the common ones.
const COMMANDS: &[(&str, &[&str])] = &[
    (
        "deploy",
        &["conceal", "package", "force", "aws-s3-accelerate", "enforce-hash-update", "minify-template"],
    ),
    ("deploy function", &["function", "force", "update-config"]),
    ("info", &["conceal"]),
    ("invoke", &["function", "qualifier", "path", "type", "log", "data", "raw", "context", "contextPath"]),
    (
        "invoke local",
        &["function", "path", "data", "raw", "context", "contextPath", "env", "docker", "docker-arg"],
    ),
    ("logs", &["function", "tail", "startTime", "filter", "interval"]),
    ("metrics", &["function", "startTime", "endTime"]),
    ("package", &["package", "minify-template"]),
    ("plan", &["package"]),
    ("print", &["format", "path", "transform"]),
    ("rollback", &["timestamp"]),
    ("rollback function", &["function", "function-version"]),
    ("test", &["function", "test"]),
];

/// The options that a command knows, in its order, those not given as null.
pub(crate) fn known(command: &str, given: &Map<String, Value>) -> Map<String, Value> {
    let own = COMMANDS.iter().find(|(name, _)| *name == command).map_or(&[][..], |(_, own)| own);
    let names = own.iter().chain(COMMON).copied();
    names.map(|name| (name.to_owned(), given.get(name).cloned().unwrap_or_default())).collect()
}
