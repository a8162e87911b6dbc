//! The corpus of services that the original framework compiled: the same template, or the same error, has to come out here.
//!
//! Prints a table by feature. Cases that are known to differ stand in `corpus-differing.txt` with their reason; any other
//! difference fails, and so does a listed case that has become equal. Without the corpus the test says so and passes.

use aloft_compile::{CompileOptions, aws, parity};
use aloft_config::LoadRequest;
use base64::Engine;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("ALOFT_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let corpus = shared.join("corpus");
    corpus.join("index.json").is_file().then_some(corpus)
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What came of a case.
enum Outcome {
    Equal,
    Differs(Vec<String>),
    /// It is about something else than compiling: another command, another framework, an answer of a cloud.
    Elsewhere,
}

#[test]
fn templates_and_errors_equal_the_original() {
    let Some(corpus) = corpus() else {
        eprintln!("the corpus is absent: set ALOFT_SHARED to the folder that holds it");
        return;
    };
    let filter = std::env::var("CORPUS_FILTER").unwrap_or_default();
    let index = json_file(&corpus.join("index.json"));
    let cases: Vec<&Value> = index
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["path"].as_str().unwrap().contains(&filter))
        .collect();
    let results = run_all(&corpus, &cases);
    let listed = listed();
    let mut table: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let (mut equal, mut wrong, mut stale) = (0, Vec::new(), Vec::new());
    for (case, outcome) in cases.iter().zip(&results) {
        let path = case["path"].as_str().unwrap();
        let column = match outcome {
            Outcome::Elsewhere => continue,
            Outcome::Equal => {
                equal += 1;
                if listed.contains(path) {
                    stale.push(path);
                }
                0
            }
            Outcome::Differs(lines) => {
                if !listed.contains(path) {
                    wrong.push(format!("{path}\n    {}", lines[..lines.len().min(6)].join("\n    ")));
                }
                1
            }
        };
        let group = path.split('/').next().unwrap_or_default();
        let events = case["events"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for feature in
            events.map(|event| format!("event {event}")).chain([format!("group {group}"), "all".to_owned()])
        {
            table.entry(feature).or_default()[column] += 1;
        }
    }
    eprintln!("{:<34}{:>7}{:>7}{:>10}", "feature", "cases", "equal", "differing");
    for (feature, [equal, differing]) in &table {
        eprintln!("{feature:<34}{:>7}{equal:>7}{differing:>10}", equal + differing);
    }
    assert!(
        wrong.is_empty(),
        "{equal} equal, {} differ without being listed:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(stale.is_empty(), "equal now, take them off the list: {stale:?}");
}

fn listed() -> BTreeSet<String> {
    include_str!("corpus-differing.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn run_all(corpus: &Path, cases: &[&Value]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Outcome>>> = Mutex::new(cases.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return };
                    let outcome = run(&corpus.join(case["path"].as_str().unwrap()), case);
                    results.lock().unwrap()[index] = Some(outcome);
                }
            });
        }
    });
    results.into_inner().unwrap().into_iter().map(Option::unwrap).collect()
}

fn run(folder: &Path, entry: &Value) -> Outcome {
    if entry["fw"] != "serverless@3.40.0" {
        return Outcome::Elsewhere;
    }
    let case = json_file(&folder.join("case.json"));
    let arguments: Vec<&str> = case["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    if arguments.first() != Some(&"package") {
        return Outcome::Elsewhere;
    }
    let expected_error =
        (entry["outcome"] == "error").then(|| json_file(&folder.join("expected-error.json")));
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().canonicalize().unwrap();
    lay_out(folder, &case, &directory);
    let (stage, result) = compile(&directory, &case, &arguments);
    // The schema is the loader's.
    if expected_error
        .as_ref()
        .is_some_and(|error| error["code"] == "INVALID_NON_SCHEMA_COMPLIANT_CONFIGURATION")
    {
        return Outcome::Elsewhere;
    }
    match (expected_error, result) {
        // What fails while loading is tried with the loader.
        (Some(_), Err(_)) if stage == "load" => Outcome::Elsewhere,
        (Some(expected), Err((code, message))) => {
            let message = message.replace(&*directory.to_string_lossy(), "<DIR>");
            let user = expected["kind"] == "user";
            let wanted = expected["message"].as_str().unwrap_or_default();
            if !user || (expected["code"] == code.as_str() && squeeze(&message) == squeeze(wanted)) {
                Outcome::Equal
            } else {
                Outcome::Differs(vec![
                    format!("expected {} {wanted}", expected["code"]),
                    format!("actual {code} {message}"),
                ])
            }
        }
        (Some(expected), Ok(_)) if expected["kind"] != "user" => Outcome::Elsewhere,
        (Some(expected), Ok(_)) => {
            Outcome::Differs(vec![format!("expected the error {} {}", expected["code"], expected["message"])])
        }
        (None, Err((code, message))) => Outcome::Differs(vec![format!("{stage}: {code} {message}")]),
        (None, Ok([create, update])) => {
            let mut lines = parity::differences(&json_file(&folder.join("expected-template.json")), &update);
            let core = folder.join("expected-create.json");
            if core.is_file() {
                lines.extend(
                    parity::differences(&json_file(&core), &create)
                        .into_iter()
                        .map(|line| format!("create {line}")),
                );
            }
            lines.extend(parity::version_differences(
                &json_file(&folder.join("expected-template.json")),
                &update,
            ));
            lines.extend(zip_differences(&case, &directory));
            if lines.is_empty() { Outcome::Equal } else { Outcome::Differs(lines) }
        }
    }
}

/// Each zip has to hold the files that the original's holds.
fn zip_differences(case: &Value, directory: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, files) in case["artifacts"].as_object().into_iter().flatten() {
        let expected: BTreeSet<String> =
            files.as_array().unwrap().iter().map(|file| file.as_str().unwrap().to_owned()).collect();
        let Ok(zip) = std::fs::File::open(directory.join(".serverless").join(name)) else { continue };
        let archive = zip::ZipArchive::new(zip).unwrap();
        let actual: BTreeSet<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        lines.extend(expected.difference(&actual).map(|file| format!("- {name} lacks {file}")));
        lines.extend(actual.difference(&expected).map(|file| format!("+ {name} holds {file}")));
    }
    lines
}

/// The answers that the original got when the corpus was made.
struct Cloud;

impl aloft_config::CloudVariables for Cloud {
    fn account_id(&self) -> Result<String, String> {
        Ok("999999999999".to_owned())
    }

    fn stack_output(&self, _: Option<&str>, _: &str, _: &str) -> Result<Option<Value>, String> {
        Ok(None)
    }

    fn s3_object(&self, _: &str, _: &str) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn ssm_parameter(
        &self,
        _: Option<&str>,
        name: &str,
        _: bool,
    ) -> Result<Option<aloft_config::SsmParameter>, String> {
        Ok(Some(aloft_config::SsmParameter {
            kind: "String".to_owned(),
            value: format!("ssm-value-of-{name}"),
        }))
    }
}

const IMAGES: [&str; 2] = [
    "000000000000.dkr.ecr.us-east-1.amazonaws.com/test-lambda-docker:stable",
    "000000000000.dkr.ecr.us-east-1.amazonaws.com/test-lambda/repo-docker:stable",
];
const IMAGE_DIGEST: &str = "sha256:6bb600b4d6e1d7cf521097177dd0c4e9ea373edb91984a505333be8ac9455d38";

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lay_out(folder: &Path, case: &Value, directory: &Path) {
    for (name, content) in case["files"].as_object().into_iter().flatten() {
        let file = directory.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let bytes = match content {
            Value::String(text) => text.clone().into_bytes(),
            other => {
                base64::engine::general_purpose::STANDARD.decode(other["b64"].as_str().unwrap()).unwrap()
            }
        };
        std::fs::write(file, bytes).unwrap();
    }
    std::fs::copy(folder.join("serverless.yml"), directory.join("serverless.yml")).unwrap();
}

type Failure = (String, String);

/// The templates, or the first error and in which step it came.
fn compile(
    directory: &Path,
    case: &Value,
    arguments: &[&str],
) -> (&'static str, Result<[Value; 2], Failure>) {
    let mut request = LoadRequest::new(directory, "package");
    request.cloud = Some(&Cloud);
    request.options = options(&arguments[1..]);
    request.config = request.options.get("config").and_then(Value::as_str).map(PathBuf::from);
    request.environment = environment(case, directory);
    let service = match aloft_config::load(request) {
        Ok(loaded) => loaded.service,
        Err(error) => return ("load", Err((error.code().to_owned(), error.summary))),
    };
    let first = |errors: Vec<aloft_diag::Diagnostic>| {
        let error = errors.into_iter().next().unwrap();
        (error.code, error.message)
    };
    let artifacts = match aloft_package::package(&service, &directory.join(".serverless")) {
        Ok(artifacts) => artifacts,
        Err(errors) => return ("package", Err(first(errors))),
    };
    let options = CompileOptions {
        now: aloft_base::Timestamp(1_795_406_706_789),
        image_digests: IMAGES.map(|image| (image.to_owned(), IMAGE_DIGEST.to_owned())).into(),
        ..CompileOptions::default()
    };
    match aws::compile(&service, &artifacts, &options) {
        Ok(compiled) => ("compile", Ok([compiled.create_template, compiled.update_template])),
        Err(errors) => ("compile", Err(first(errors))),
    }
}

fn environment(case: &Value, directory: &Path) -> HashMap<String, String> {
    let fixed = [
        ("PATH", "/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "y"),
        ("AWS_REGION", "us-east-1"),
        ("SLS_TELEMETRY_DISABLED", "1"),
        ("SLS_NOTIFICATIONS_MODE", "off"),
    ];
    let own = case["env"].as_object().into_iter().flatten();
    fixed
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .chain([("HOME".to_owned(), directory.to_string_lossy().into_owned())])
        .chain(own.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())))
        .collect()
}

fn options(arguments: &[&str]) -> Map<String, Value> {
    let mut options = Map::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(name) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else { continue };
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, value),
            None if matches!(name, "verbose" | "minify-template") => (name, ""),
            None => (name, rest.next().copied().unwrap_or_default()),
        };
        let name = match name {
            "s" => "stage",
            "r" => "region",
            "c" => "config",
            other => other,
        };
        if name == "param" {
            let list = options.entry("param").or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut().unwrap().push(value.into());
        } else {
            options.insert(name.to_owned(), value.into());
        }
    }
    options
}
