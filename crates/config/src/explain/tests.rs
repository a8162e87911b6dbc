//! Explanations as lines, from a service in a folder of its own.

use super::*;
use crate::LoadRequest;
use std::fs;

/// `what = value (notes) @ file:line`, indented by depth.
fn lines(step: &Step, depth: usize, found: &mut Vec<String>) {
    let gives = match &step.gives {
        Gives::Value(value) => format!(" = {value}"),
        Gives::Nothing => String::new(),
        Gives::Failed(_) => " failed".to_owned(),
    };
    let notes = if step.notes.is_empty() { String::new() } else { format!(" ({})", step.notes.join("; ")) };
    let place =
        step.place.as_ref().map(|place| format!(" @ {}:{}", place.file, place.line)).unwrap_or_default();
    found.push(format!("{}{}{gives}{notes}{place}", "  ".repeat(depth), step.what));
    step.below.iter().for_each(|below| lines(below, depth + 1, found));
}

const SERVICE: &str = "\
service: shop
provider:
  name: aws
  stage: ${opt:stage, 'dev'}
  timeout: 20
  environment:
    TABLE: ${self:custom.tables.${sls:stage}, 'none'}
    REGION: ${env:NOT_SET, env:HOME_REGION, 'eu-west-1'}
    KEY: ${param:key}
    NAME: pre-${self:service}-${file(./names.yml):inner.name}
custom:
  tables:
    dev: notes-dev
  names: ${file(./names.yml)}
params:
  default:
    key: abc
functions:
  hello:
    handler: a.b
    memorySize: '512'
";

fn request(directory: &std::path::Path) -> LoadRequest<'static> {
    fs::write(directory.join("serverless.yml"), SERVICE).unwrap();
    fs::write(directory.join("names.yml"), "outer: 1\ninner:\n  name: bob\n  stage: ${sls:stage}\n").unwrap();
    LoadRequest::new(directory, "explain")
}

fn check(change: impl Fn(&mut LoadRequest<'static>), path: &str, expected: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let mut request = request(place.path());
    change(&mut request);
    let explanation = explain(request, path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut found = Vec::new();
    lines(&explanation.origin, 0, &mut found);
    assert_eq!(found, expected, "{path}");
    assert_eq!(explanation.json()["path"], path);
}

#[test]
fn values_and_where_they_come_from() {
    let plain = |_: &mut LoadRequest<'static>| {};
    check(plain, "service", &["service = \"shop\" @ serverless.yml:1"]);
    check(
        plain,
        "provider.environment.TABLE",
        &[
            "provider.environment.TABLE = \"notes-dev\" @ serverless.yml:7",
            "  ${self:custom.tables.${sls:stage}, 'none'} = \"notes-dev\"",
            "    self:custom.tables.dev = \"notes-dev\"",
            "      ${sls:stage} = \"dev\"",
            "        sls:stage = \"dev\"",
            "          provider.stage @ serverless.yml:4",
            "            ${opt:stage, 'dev'} = \"dev\" (a fallback was taken)",
            "              opt:stage",
            "              written here = \"dev\"",
            "      custom.tables.dev @ serverless.yml:13",
        ],
    );
    check(
        plain,
        "provider.environment.REGION",
        &[
            "provider.environment.REGION = \"eu-west-1\" @ serverless.yml:8",
            "  ${env:NOT_SET, env:HOME_REGION, 'eu-west-1'} = \"eu-west-1\" (a fallback was taken)",
            "    env:NOT_SET",
            "    env:HOME_REGION",
            "    written here = \"eu-west-1\"",
        ],
    );
    let with_region = |request: &mut LoadRequest<'static>| {
        request.environment.insert("HOME_REGION".to_owned(), "us-west-2".to_owned());
    };
    check(
        with_region,
        "provider.environment.REGION",
        &[
            "provider.environment.REGION = \"us-west-2\" @ serverless.yml:8",
            "  ${env:NOT_SET, env:HOME_REGION, 'eu-west-1'} = \"us-west-2\" (a fallback was taken)",
            "    env:NOT_SET",
            "    env:HOME_REGION = \"us-west-2\" (from the environment)",
        ],
    );
    check(
        plain,
        "provider.environment.KEY",
        &[
            "provider.environment.KEY = \"abc\" @ serverless.yml:9",
            "  ${param:key} = \"abc\"",
            "    param:key = \"abc\"",
            "      params.default.key @ serverless.yml:17",
        ],
    );
    let with_param = |request: &mut LoadRequest<'static>| {
        request.options.insert("param".to_owned(), json!(["key=given"]));
    };
    check(
        with_param,
        "provider.environment.KEY",
        &[
            "provider.environment.KEY = \"given\" @ serverless.yml:9",
            "  ${param:key} = \"given\"",
            "    param:key = \"given\" (from --param)",
        ],
    );
}

#[test]
fn values_of_files() {
    let plain = |_: &mut LoadRequest<'static>| {};
    check(
        plain,
        "provider.environment.NAME",
        &[
            "provider.environment.NAME = \"pre-shop-bob\" @ serverless.yml:10",
            "  ${self:service} = \"shop\"",
            "    self:service = \"shop\"",
            "      service @ serverless.yml:1",
            "  ${file(./names.yml):inner.name} = \"bob\"",
            "    file(./names.yml):inner.name = \"bob\" @ names.yml:3",
        ],
    );
    check(
        plain,
        "custom.names.inner.stage",
        &[
            "custom.names.inner.stage = \"dev\"",
            "  ${sls:stage} = \"dev\"",
            "    sls:stage = \"dev\"",
            "      provider.stage @ serverless.yml:4",
            "        ${opt:stage, 'dev'} = \"dev\" (a fallback was taken)",
            "          opt:stage",
            "          written here = \"dev\"",
        ],
    );
    check(
        plain,
        "custom.names.outer",
        &[
            "custom.names.outer = 1 (a part of what `custom.names` resolves to) @ names.yml:1",
            "  custom.names @ serverless.yml:14",
            "    ${file(./names.yml)} = {\"outer\":1,\"inner\":{\"name\":\"bob\",\"stage\":\"${sls:stage}\"}}",
            "      file(./names.yml) = {\"outer\":1,\"inner\":{\"name\":\"bob\",\"stage\":\"${sls:stage}\"}} @ names.yml:1",
        ],
    );
}

#[test]
fn values_that_nobody_wrote() {
    let plain = |_: &mut LoadRequest<'static>| {};
    check(
        plain,
        "functions.hello.timeout",
        &[
            "functions.hello.timeout = 20 (the function does not say: `provider.timeout` applies)",
            "  provider.timeout = 20 @ serverless.yml:5",
        ],
    );
    check(
        plain,
        "functions.hello.memorySize",
        &["functions.hello.memorySize = 512 (written as \"512\") @ serverless.yml:21"],
    );
    check(
        plain,
        "functions.hello.versionFunction",
        &[
            "functions.hello.versionFunction = true (the function does not say: `provider.versionFunctions` applies)",
            "  provider.versionFunctions = true (stands in no file: filled in)",
        ],
    );
    check(
        plain,
        "functions.hello.name",
        &["functions.hello.name = \"shop-dev-hello\" (stands in no file: filled in)"],
    );
    let staged = |request: &mut LoadRequest<'static>| {
        request.options.insert("region".to_owned(), json!("eu-north-1"));
    };
    check(
        staged,
        "provider.region",
        &[
            "provider.region = \"eu-north-1\" (stands in no file: filled in; --region eu-north-1 goes before it)",
        ],
    );
}

#[test]
fn what_is_not_there_and_what_cannot_be_resolved() {
    let place = tempfile::tempdir().unwrap();
    let error = explain(request(place.path()), "provider.enviroment").unwrap_err();
    assert_eq!(error.code(), "INVALID_PATH_ARGUMENT");
    assert_eq!(error.diagnostics[0].help.as_deref(), Some("did you mean `provider.environment`?"));
    let text = SERVICE.replace("'eu-west-1'}", "env:NOR_THIS}");
    let request = request(place.path());
    fs::write(place.path().join("serverless.yml"), text).unwrap();
    let explanation = explain(request, "provider.environment.REGION").unwrap();
    assert_eq!(explanation.value, None);
    assert_eq!(explanation.mistakes[0].code, "VARIABLES_RESOLUTION_ERROR");
    let mut found = Vec::new();
    lines(&explanation.origin, 0, &mut found);
    assert_eq!(
        found,
        [
            "provider.environment.REGION @ serverless.yml:8",
            "  ${env:NOT_SET, env:HOME_REGION, env:NOR_THIS}",
            "    env:NOT_SET",
            "    env:HOME_REGION",
            "    env:NOR_THIS",
        ]
    );
}
