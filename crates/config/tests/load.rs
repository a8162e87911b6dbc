//! Loading as a user meets it: what comes out of a directory, and the mistakes with their places.

use aloft_base::{Clock, Timestamp};
use aloft_config::{CloudVariables, LoadError, LoadRequest, Loaded, SsmParameter, load, print};
use aloft_diag::render;
use serde_json::{Value, json};

/// A cloud with one of everything.
struct Cloud;

impl CloudVariables for Cloud {
    fn account_id(&self) -> Result<String, String> {
        Ok("000000000000".to_owned())
    }

    fn stack_output(&self, region: Option<&str>, stack: &str, output: &str) -> Result<Option<Value>, String> {
        Ok((stack == "stack").then(|| json!(format!("{}/{output}", region.unwrap_or("here")))))
    }

    fn s3_object(&self, bucket: &str, key: &str) -> Result<Option<String>, String> {
        if bucket == "closed" { Err("Access Denied".to_owned()) } else { Ok(Some(format!("{bucket} {key}"))) }
    }

    fn ssm_parameter(
        &self,
        _: Option<&str>,
        name: &str,
        decrypt: bool,
    ) -> Result<Option<SsmParameter>, String> {
        let (kind, value) = match name {
            "/list" => ("StringList", "a,b"),
            "/secret" if decrypt => ("SecureString", r#"{"user": "u"}"#),
            "/secret" => ("SecureString", "AQICAH"),
            _ => return Ok(None),
        };
        Ok(Some(SsmParameter { kind: kind.to_owned(), value: value.to_owned() }))
    }
}

/// Loads a service of these files; the first is the configuration.
fn loaded(files: &[(&str, &str)], options: Value) -> Result<Loaded, LoadError> {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).expect("a file");
    }
    let mut request = LoadRequest::new(directory.path(), "package");
    request.options = options.as_object().cloned().unwrap_or_default();
    request.environment.insert("FOO".to_owned(), "foo".to_owned());
    if let Ok(path) = std::env::var("PATH") {
        request.environment.insert("PATH".to_owned(), path);
    }
    request.cloud = Some(&Cloud);
    request.clock = Clock::fixed(Timestamp(1_700_000_000_000));
    load(request)
}

const HEAD: &str = "service: svc\nprovider: {name: aws, runtime: nodejs20.x}\n";

/// What `custom` resolves to, or the mistakes as a terminal shows them.
fn check(custom: &str, more: &[(&str, &str)]) -> Result<Value, String> {
    let text = format!("{HEAD}custom:\n{custom}\n");
    let files: Vec<(&str, &str)> =
        [("serverless.yml", text.as_str())].into_iter().chain(more.iter().copied()).collect();
    match loaded(&files, json!({"param": ["p=cli"]})) {
        Ok(loaded) => Ok(loaded.service.config["custom"].clone()),
        Err(error) => {
            let shown = error.diagnostics.iter().map(|diagnostic| render(diagnostic, &error.sources, false));
            Err(shown.collect::<Vec<_>>().join("\n"))
        }
    }
}

#[test]
fn every_source_has_its_say() {
    let custom = "  a: ${aws:accountId} ${aws:region}\n  b: ${cf:stack.Out} ${cf(eu-west-1):stack.Out}\n  c: ${cf:none.Out, 'x'}\n  \
                  d: ${s3:bucket/key}\n  e: ${ssm:/list}\n  f: ${ssm(raw):/list}\n  g: ${ssm:/secret}\n  h: ${ssm(noDecrypt):/secret}\n  \
                  i: ${ssm:/none, 'x'}\n  j: ${sls:instanceId}\n  k: ${param:p}\n  l: ${env:FOO}\n  m: ${strToBool(${env:NO, '1'})}\n  \
                  n: ${file(x.tfstate):v}";
    let expected = json!({
        "a": "000000000000 us-east-1", "b": "here/Out eu-west-1/Out", "c": "x", "d": "bucket key", "e": ["a", "b"], "f": "a,b",
        "g": {"user": "u"}, "h": "AQICAH", "i": "x", "j": "1700000000000", "k": "cli", "l": "foo", "m": true, "n": 7,
    });
    assert_eq!(check(custom, &[("x.tfstate", r#"{"v": 7}"#)]), Ok(expected));
}

#[test]
fn scripts_are_run() {
    let script = "module.exports = async ({ options, resolveConfigurationProperty, resolveVariable }) => {\n\
                  console.log('noise');\n\
                  return { s: await resolveConfigurationProperty(['service']), v: await resolveVariable('env:FOO'), o: options.stage };\n};\n\
                  module.exports.f = () => 3;";
    let more = [
        ("x.js", script),
        ("y.cjs", "module.exports = { a: { b: Promise.resolve([1]) } }"),
        ("bad.js", "throw new Error('no')"),
    ];
    let custom = "  a: ${file(x.js)}\n  b: ${file(./y.cjs):a.b.0}\n  c: ${file(y.cjs):none, 'x'}\n  d: ${file(none.js), 'x'}";
    assert_eq!(
        check(custom, &more),
        Ok(json!({"a": {"s": "svc", "v": "foo", "o": null}, "b": 1, "c": "x", "d": "x"}))
    );
    let told = check("  a: ${file(bad.js)}", &more).expect_err("a mistake");
    assert!(told.contains("Cannot load \"bad.js\": Initialization error: Error: no"), "{told}");

    let config = "module.exports = Promise.resolve({ service: 'js', provider: { name: 'aws' }, custom: { a: '${env:FOO}' } });";
    let service = loaded(&[("serverless.js", config)], Value::Null).expect("a service").service;
    assert_eq!((service.name.as_str(), &service.config["custom"]["a"]), ("js", &json!("foo")));
}

#[test]
fn mistakes_point_at_the_text() {
    let cases = [
        (
            "  a: ${self:custom.nope}\n  b:\n    - ${env:NOPE}",
            &[
                "Cannot resolve variable at \"custom.a\": Value not found at \"self\" source",
                "serverless.yml:4:6",
                "serverless.yml:6:7",
                "fall back",
            ][..],
        ),
        (
            "  a: ${foo:x}",
            &[
                "Unrecognized configuration variable sources: \"foo\"",
                "no source is called `foo`",
                "serverless.yml:4:6",
            ],
        ),
        ("  a: ${env:X, {}}", &["Variable syntax error at \"custom.a\": Invalid variable source at index 9"]),
        ("  a: ${s3:closed/x}", &["Cannot resolve variable at \"custom.a\": Access Denied"]),
        ("  a: ${self:custom}", &["Circular reference. \"custom.a\" refers to itself"]),
        (
            "  a: ${self:custom.b}\n  b: ${self:custom.c}\n  c: x${self:custom.a}",
            &["Circular reference among \"custom.c\" and \"custom.b\""],
        ),
        (
            "  a: [1, 2\n  b: 3",
            &["CONFIGURATION_PARSE_ERROR", "Cannot parse \"serverless.yml\":", "serverless.yml:5"],
        ),
        ("  a: 1\n  a: 2", &["duplicated mapping key", "serverless.yml:5:3"]),
        ("  a: !Nope x", &["unknown tag !<!Nope>", "serverless.yml:4:"]),
        (
            "  a: 1\nconfigValidationMode: error\nfunctions: {f: {handelr: x}}",
            &["unrecognized property 'handelr'", "serverless.yml:6:17", "did you mean `handler`?"],
        ),
        (
            "  a: 1\nfunctions: nope",
            &[
                "Unexpected \"functions\" configuration: Expected object received: 'nope'",
                "serverless.yml:5:12",
            ],
        ),
    ];
    for (custom, parts) in cases {
        let told = check(custom, &[]).expect_err(custom);
        for part in parts {
            assert!(told.contains(part), "{custom}: {part} is not in\n{told}");
        }
    }
}

#[test]
fn what_only_grows_is_refused() {
    let mut doubling = "  a0: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".to_owned();
    for level in 1..40 {
        let before = format!("${{self:custom.a{}}}", level - 1);
        doubling += &format!("  a{level}: {before}{before}\n");
    }
    assert!(check(&doubling, &[]).expect_err("too much").contains("too large"));
    assert!(
        check("  a: ${file(x.txt)}", &[("x.txt", "${file(x.txt)}x")])
            .expect_err("no end")
            .contains("Excessive")
    );
}

#[test]
fn defaults_and_options() {
    let text = "service: svc\nuseDotenv: true\nprovider: {name: aws, stage: \"${opt:stage, 'test'}\", deploymentBucket: {name: b}}\n\
                custom: {e: \"${env:E}\"}\nfunctions:\n  - a: {handler: a.b}\n  - a: {timeout: 5}\n    b: {handler: b.b, name: own}\n    c: null\n\
                resources:\n  - Resources: {A: {Type: T}}\n  - {}\n  - Resources: {A: {Properties: {x: 1}}}\n";
    let files = [
        ("serverless.yml", text),
        (".env.test", "E=stage\n"),
        (".env.prod", "E=prod\n"),
        (".env", "E=base\n"),
    ];
    let service = loaded(&files, Value::Null).expect("a service").service;
    let provider = json!({"name": "aws", "stage": "test", "deploymentBucket": "b", "region": "us-east-1", "versionFunctions": true, "deploymentBucketObject": {"name": "b"}});
    assert_eq!(Value::Object(service.provider().clone()), provider);
    let functions = json!({"a": {"handler": "a.b", "timeout": 5, "events": [], "name": "svc-test-a"}, "b": {"handler": "b.b", "name": "own", "events": []}});
    assert_eq!(Value::Object(service.functions().clone()), functions);
    assert_eq!(
        service.config["resources"],
        json!({"Resources": {"A": {"Type": "T", "Properties": {"x": 1}}}})
    );
    assert_eq!(service.config["custom"]["e"], "stage");
    let place = service.span("functions.a.timeout").expect("a place");
    assert_eq!(&service.sources.text(place.source)[place.start..place.end], "5");

    let service = loaded(&files, json!({"stage": "prod", "region": "eu-west-1"})).expect("a service").service;
    assert_eq!((service.stage.as_str(), service.region.as_str()), ("prod", "eu-west-1"));
    assert_eq!(service.config["custom"]["e"], "prod");
    assert_eq!(service.config["functions"]["a"]["name"], "svc-prod-a");
}

#[test]
fn printing_picks_and_formats() {
    let value = json!({"a": {"b": [1, null, "x"], "c": false}});
    let cases = [
        (None, Some("a.b"), None, Ok("- 1\n- null\n- x\n")),
        (Some("text"), Some("a.b"), None, Ok("1\n\nx")),
        (Some("text"), Some("a"), Some("keys"), Ok("b\nc")),
        (Some("json"), Some("a.b.2"), None, Ok("\"x\"")),
        (None, Some("a.c"), None, Err("INVALID_PATH_ARGUMENT")),
        (Some("text"), None, None, Err("PRINT_INVALID_OBJECT_AS_TEXT")),
        (Some("xml"), None, None, Err("PRINT_INVALID_FORMAT")),
        (None, None, Some("values"), Err("INVALID_TRANSFORM")),
    ];
    for (format, path, transform, expected) in cases {
        let printed = print::format(&value, format, path, transform);
        assert_eq!(printed.as_deref().map_err(|error| error.code.as_str()), expected, "{format:?} {path:?}");
    }
}

#[test]
fn files_that_are_no_configuration() {
    type Files = &'static [(&'static str, &'static str)];
    let cases: &[(Files, Value, &str)] = &[
        (&[], Value::Null, "MISSING_SERVICE_CONTEXT"),
        (&[("serverless.yml", "")], Value::Null, "INVALID_CONFIGURATION_EXPORT"),
        (&[("serverless.yml", "- a")], Value::Null, "INVALID_CONFIGURATION_EXPORT"),
        (&[("serverless.json", "{")], Value::Null, "CONFIGURATION_PARSE_ERROR"),
        (&[("serverless.yml", "service: x")], Value::Null, "INVALID_CONFIGURATION_PROVIDER_NAME_MISSING"),
        (&[("serverless.yml", "provider: aws")], Value::Null, "SERVICE_NAME_MISSING"),
        (&[("serverless.yml", "service: {name: x}\nprovider: aws")], Value::Null, "SERVICE_OBJECT_NOTATION"),
        (
            &[("serverless.yml", "service: x\nframeworkVersion: '2'\nprovider: aws")],
            Value::Null,
            "FRAMEWORK_VERSION_MISMATCH",
        ),
        (
            &[("serverless.yml", "service: x\nprovider: aws\nfunctions: [1]")],
            Value::Null,
            "LEGACY_CONFIGURATION_PROPERTY_MERGE_INVALID_INPUT",
        ),
    ];
    for (files, options, code) in cases {
        let error = loaded(files, options.clone()).expect_err(code);
        assert_eq!(error.code(), *code, "{error}");
    }
    assert!(
        loaded(&[("serverless.json", "{\"service\": \"x\", \"provider\": \"aws\"}")], Value::Null).is_ok()
    );
}

#[test]
fn nothing_panics() {
    let pieces = [
        "${",
        "}",
        "self:",
        "custom",
        "\n  ",
        ": ",
        "- ",
        "[",
        "{",
        "&a ",
        "*a",
        "<<",
        "!Ref ",
        "functions",
        "é",
        "\u{0}",
        "file(.)",
        "events",
        "\\",
        "null",
    ];
    let mut state = 3_u64;
    for _ in 0..300 {
        let mut text = HEAD.to_owned();
        for _ in 0..40 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text += pieces[usize::try_from(state >> 33).unwrap_or(0) % pieces.len()];
        }
        let _ = loaded(&[("serverless.yml", &text)], Value::Null);
    }
    let deep = format!("{HEAD}custom: {}1{}\n", "[".repeat(90), "]".repeat(90));
    assert!(loaded(&[("serverless.yml", &deep)], Value::Null).is_ok());
}

#[test]
fn what_goes_away_is_told_or_refused() {
    let text = |extra: &str| {
        format!(
            "service: svc\nprovider: {{name: aws, role: 'arn:x', cfnRole: 'arn:y'}}\npackage: {{include: [a]}}\n{extra}\n"
        )
    };
    let codes = |extra: &str| match loaded(&[("serverless.yml", &text(extra))], Value::Null) {
        Ok(loaded) => loaded.deprecations.iter().map(|deprecation| deprecation.code.clone()).collect(),
        Err(error) => vec![error.code().to_owned()],
    };
    assert_eq!(codes("custom: {}"), ["PACKAGE_PATTERNS", "PROVIDER_IAM_SETTINGS_V3"]);
    assert_eq!(codes("disabledDeprecations: [PACKAGE_PATTERNS]"), ["PROVIDER_IAM_SETTINGS_V3"]);
    assert_eq!(codes("disabledDeprecations: '*'"), [""; 0]);
    assert_eq!(codes("deprecationNotificationMode: error"), ["REJECTED_DEPRECATION_PACKAGE_PATTERNS"]);
    assert_eq!(codes("unknown: 1")[0], "CONFIG_VALIDATION_MODE_DEFAULT_V3");
}
