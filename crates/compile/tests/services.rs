//! Whole services: `services/<name>.yml` compiles to `services/<name>.json`.
//!
//! The expectations are the update templates that the original framework, 3.40.0, wrote. Each service holds many forms of one part
//! of the configuration, so that a rule that goes astray shows here beside its neighbours.

use aloft_compile::{CompileOptions, aws, parity};
use aloft_config::LoadRequest;
use serde_json::Value;
use std::path::Path;

fn compile(text: &str) -> Value {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("serverless.yml"), text).unwrap();
    std::fs::write(place.path().join("index.js"), "exports.handler = async () => 1;\n").unwrap();
    let service = aloft_config::load(LoadRequest::new(place.path(), "package")).unwrap().service;
    let artifacts = aloft_package::package(&service, &place.path().join(".serverless")).unwrap();
    let options =
        CompileOptions { now: aloft_base::Timestamp(1_795_406_706_789), ..CompileOptions::default() };
    aws::compile(&service, &artifacts, &options).unwrap().update_template
}

#[test]
fn whole_services_compile_as_the_original_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        seen += 1;
        let actual = compile(&std::fs::read_to_string(&path).unwrap());
        let expected = std::fs::read(path.with_extension("json")).unwrap();
        let differences = parity::differences(&serde_json::from_slice(&expected).unwrap(), &actual);
        if !differences.is_empty() {
            wrong.push(format!("{}:\n  {}", path.display(), differences.join("\n  ")));
        }
    }
    assert!(seen > 0, "no services in {}", folder.display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
