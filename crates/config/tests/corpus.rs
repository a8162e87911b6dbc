//! Every case of the conformance corpus, as far as it is decided before anything is packaged: what loads, what `print`
//! shows, and which mistakes are told with which code.
//!
//! Absent corpus: the test says so and passes. Differences that are meant stand in `MEANT`, each with its reason.

use aloft_config::{CloudVariables, LoadRequest, SsmParameter, load, print};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Codes that belong to this stage.
const OURS: &[&str] = &[
    "CONFIGURATION_PARSE_ERROR",
    "FRAMEWORK_VERSION_MISMATCH",
    "INACCESSIBLE_CONFIGURATION_PROPERTY",
    "INVALID_CONFIGURATION_PROVIDER_NAME_MISSING",
    "INVALID_NON_SCHEMA_COMPLIANT_CONFIGURATION",
    "NON_OBJECT_FUNCTIONS_CONFIGURATION",
    "NON_OBJECT_FUNCTION_CONFIGURATION_ERROR",
    "SERVICE_OBJECT_NOTATION",
    "UNRECOGNIZED_VARIABLE_SOURCES",
    "VARIABLES_RESOLUTION_ERROR",
];

/// Cases whose outcome differs on purpose: what the case's path or the expected message holds, and why.
const MEANT: &[(&str, &str)] = &[
    ("unrecognized property 'buildOptions'", FORK),
    ("unrecognized property 'ipv6AllowedForDualStack'", FORK),
    ("unrecognized property 'logs'", FORK),
    ("unrecognized property 'maxImageCount'", FORK),
    ("unrecognized property 'onFailureDestination'", FORK),
    ("unrecognized property 'provisionedPollerConfig'", FORK),
    ("unrecognized property 'recursiveLoop'", FORK),
    ("unrecognized property 'roleArn'", FORK),
    ("unrecognized property 'transferMode'", FORK),
    (
        "'provider': unrecognized property 'eventBridge'",
        "meant: version 4 of the fork refuses what the original takes",
    ),
    ("untime': must be equal to one of the allowed values", "meant: an unknown runtime is only warned about"),
    (
        "AWS profile \"personal\" doesn't seem to be configured",
        "meant: profiles belong to who asks the cloud",
    ),
];

const FORK: &str = "meant: a property that the original's fork knows";

/// The answers that the corpus was made with.
struct Stub;

impl CloudVariables for Stub {
    fn account_id(&self) -> Result<String, String> {
        Ok("999999999999".to_owned())
    }

    fn stack_output(&self, _: Option<&str>, _: &str, _: &str) -> Result<Option<Value>, String> {
        Ok(None)
    }

    fn s3_object(&self, _: &str, _: &str) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn ssm_parameter(&self, _: Option<&str>, name: &str, _: bool) -> Result<Option<SsmParameter>, String> {
        Ok(Some(SsmParameter { kind: "String".to_owned(), value: format!("ssm-value-of-{name}") }))
    }
}

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("ALOFT_SHARED").map_or_else(beside, PathBuf::from);
    Some(shared.join("corpus")).filter(|corpus| corpus.is_dir())
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_str(&read(path)?).ok()
}

/// Only what variables can read; handlers are not looked at.
fn lay_out(case: &Path, files: &Map<String, Value>, directory: &Path) {
    for (name, content) in files {
        let Some(text) = content.as_str() else { continue };
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    std::fs::copy(case.join("serverless.yml"), directory.join("serverless.yml")).expect("a configuration");
}

/// Command and options of a command line.
fn command_line(args: &[String]) -> (String, Map<String, Value>) {
    let options_at = args.iter().position(|arg| arg.starts_with("--")).unwrap_or(args.len());
    let mut options = Map::new();
    let mut rest = args[options_at..].iter().peekable();
    while let Some(name) = rest.next() {
        let name = name.trim_start_matches('-').to_owned();
        let value = rest
            .next_if(|value| !value.starts_with("--"))
            .map_or(Value::Bool(true), |value| Value::from(value.as_str()));
        match name.as_str() {
            "param" => options
                .entry(name)
                .or_insert_with(|| Value::Array(Vec::new()))
                .as_array_mut()
                .expect("a list")
                .push(value),
            _ => {
                options.insert(name, value);
            }
        }
    }
    (args[..options_at].join(" "), options)
}

/// What went wrong with a case, or nothing.
fn run(case: &Path, directory: &Path) -> Result<&'static str, String> {
    let described = json(&case.join("case.json")).expect("a description");
    lay_out(case, described["files"].as_object().expect("files"), directory);
    let args: Vec<String> = serde_json::from_value(described["args"].clone()).expect("arguments");
    let (command, options) = command_line(&args);
    let mut request = LoadRequest::new(directory, &command);
    request.environment = serde_json::from_value(described["env"].clone()).expect("an environment");
    request.environment.insert("AWS_REGION".to_owned(), "us-east-1".to_owned());
    request.cloud = Some(&Stub);
    let option = |name: &str| options.get(name).and_then(Value::as_str).map(str::to_owned);
    let (format, path, transform) = (option("format"), option("path"), option("transform"));
    request.options = options;
    let loaded = load(request);
    let expected = json(&case.join("expected-error.json"));
    let code = expected.as_ref().and_then(|expected| expected["code"].as_str()).unwrap_or_default();
    if OURS.contains(&code) {
        let message = expected.as_ref().and_then(|expected| expected["message"].as_str()).unwrap_or_default();
        return match loaded {
            Ok(_) => Err(format!("loaded, expected {code}: {message}")),
            Err(error) if error.code() != code => {
                Err(format!("{}: {error}, expected {code}: {message}", error.code()))
            }
            // The parsers word their mistakes differently, and so do the parsers of JSON.
            Err(_) if code == "CONFIGURATION_PARSE_ERROR" || message.contains("JSON parse error") => {
                Ok("error")
            }
            Err(error) if error.to_string().trim() != message.trim() => {
                Err(format!("message\n{error}\nexpected\n{message}"))
            }
            Err(_) => Ok("error"),
        };
    }
    let loaded = loaded.map_err(|error| format!("{}: {error}", error.code()))?;
    let stderr = described["stderr"].as_str();
    let told = |line: &&str| line.starts_with("  at ");
    // Runtimes that only the fork knows are listed too.
    let until_list = |message: &str| message.trim().split(" [dotnet6").next().unwrap_or_default().to_owned();
    let wanted: Vec<String> = stderr.into_iter().flat_map(str::lines).filter(told).map(until_list).collect();
    let warned: Vec<String> = loaded.warnings.iter().map(|warning| until_list(&warning.message)).collect();
    if stderr.is_some() && wanted != warned {
        return Err(format!("warnings {warned:#?}, expected {wanted:#?}"));
    }
    if let Some(wanted) = read(&case.join("expected-print.txt")) {
        let printed = print::format(
            &print::print(&loaded.service),
            format.as_deref(),
            path.as_deref(),
            transform.as_deref(),
        );
        let printed = printed.map_err(|error| error.message)?;
        if printed.trim() != wanted.trim() {
            return Err(format!("printed\n{printed}\nexpected\n{wanted}"));
        }
        return Ok("print");
    }
    Ok("load")
}

#[test]
fn the_corpus_loads_prints_and_fails_as_it_should() {
    let Some(corpus) = corpus() else {
        eprintln!("the corpus is absent: nothing is compared");
        return;
    };
    let index = json(&corpus.join("index.json")).expect("an index");
    let mut table: BTreeMap<&str, usize> = BTreeMap::new();
    let mut differences = Vec::new();
    for entry in index.as_array().expect("cases") {
        let path = entry["path"].as_str().expect("a path");
        if !corpus.join(path).is_dir() {
            continue;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let outcome = match run(&corpus.join(path), directory.path()) {
            Ok(outcome) => outcome,
            Err(difference) => {
                match MEANT.iter().find(|(part, _)| path.contains(part) || difference.contains(part)) {
                    Some((_, reason)) => reason,
                    None => {
                        differences.push(format!("== {path}\n{difference}"));
                        "DIFFERENT"
                    }
                }
            }
        };
        *table.entry(outcome).or_default() += 1;
    }
    for (outcome, count) in &table {
        eprintln!("{count:5} {outcome}");
    }
    assert!(differences.is_empty(), "{} cases differ:\n{}", differences.len(), differences.join("\n"));
}
