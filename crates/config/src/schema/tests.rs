//! What is coerced, and the sentences about what does not fit. The cases were compared with Ajv's results.

use super::*;

fn check(section: &str, value: Value) -> (Value, Vec<String>) {
    let mut config =
        json!({"service": "abc", "provider": {"name": "aws"}, "functions": {"a": {"handler": "a.b"}}});
    match section.split_once('.') {
        Some((outer, inner)) => config[outer][inner] = value,
        None => config["functions"]["a"][section] = value,
    }
    let issues = validate(&mut config, "aws");
    let section = section
        .split_once('.')
        .map_or_else(|| &config["functions"]["a"][section], |(outer, inner)| &config[outer][inner]);
    let help = |issue: &Issue| issue.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    (section.clone(), issues.iter().map(|issue| format!("{}{}", issue.message, help(issue))).collect())
}

#[test]
fn values_become_what_the_schema_asks_for() {
    let cases = [
        ("timeout", json!("30"), json!(30)),
        ("timeout", json!(["30"]), json!(30)),
        ("description", json!(12), json!("12")),
        ("description", json!(["x"]), json!("x")),
        ("tracing", json!("Active"), json!("Active")),
        ("layers", json!("arn:x"), json!(["arn:x"])),
        (
            "provider.environment",
            json!({"A": 1, "B": true, "C": null}),
            json!({"A": "1", "B": "true", "C": null}),
        ),
        ("provider.stackTags", json!({"N": null, "T": 5}), json!({"T": "5", "N": null})),
        ("provider.versionFunctions", json!("false"), json!(false)),
        (
            "events",
            json!([{"sqs": {"arn": {"Ref": "Q"}, "batchSize": "5"}}]),
            json!([{"sqs": {"arn": {"Ref": "Q"}, "batchSize": 5}}]),
        ),
    ];
    for (section, value, expected) in cases {
        assert_eq!(check(section, value.clone()).0, expected, "{section}: {value}");
    }
}

#[test]
fn sentences() {
    let cases = [
        (
            "memorysize",
            json!(128),
            "at 'functions.a': unrecognized property 'memorysize' (did you mean `memorySize`?)",
        ),
        ("timeout", json!(901), "at 'functions.a.timeout': must be <= 900"),
        ("timeout", json!({}), "at 'functions.a.timeout': must be integer"),
        (
            "events",
            json!([{"htp": "GET /"}]),
            "at 'functions.a.events.0': unsupported function event (did you mean `http`?)",
        ),
        (
            "events",
            json!([{"http": "GET x"}]),
            r"at 'functions.a.events.0.http': value 'GET x' does not satisfy pattern /^(?:\*|(GET|POST|PUT|PATCH|OPTIONS|HEAD|DELETE|ANY) (\/\S*))$/i (write a method and a path, such as `GET /items/{id}`, or `*` for all)",
        ),
        ("events", json!([{"sqs": {}}]), "at 'functions.a.events.0.sqs': must have required property 'arn'"),
        (
            "events",
            json!([{"http": "GET /", "sqs": "arn:x"}]),
            "at 'functions.a.events.0': unrecognized property 'sqs'",
        ),
        (
            "provider.iam",
            json!({"role": {"managedPolicies": ["x"]}}),
            "at 'provider.iam.role.managedPolicies.0': unsupported string format (write an ARN (`arn:aws:...`), or a function of CloudFormation such as `Ref` or `Fn::GetAtt`)",
        ),
        (
            "provider.iam",
            json!({"role": {"statemnts": []}}),
            "at 'provider.iam.role': unsupported object format (did you mean `statements`?)",
        ),
        (
            "events",
            json!(["httpApi"]),
            "at 'functions.a.events.0': must be object (write a map, such as `- httpApi: ...`)",
        ),
        (
            "events",
            json!([{"schedule": "rat(1 hour)"}]),
            r#"at 'functions.a.events.0.schedule': must match pattern "^rate\((?:1 (?:minute|hour|day)|(?:1\d+|[2-9]\d*) (?:minute|hour|day)s)\)$|^cron\(\S+ \S+ \S+ \S+ \S+ \S+\)$" (write `rate(1 hour)`, `rate(5 minutes)` or `cron(0 12 * * ? *)`)"#,
        ),
        (
            "provider.deploymentBucket",
            json!("A"),
            "at 'provider.deploymentBucket': must NOT have fewer than 3 characters",
        ),
        ("functions.a/b", json!({}), "at 'functions': name 'a/b' must be alphanumeric"),
    ];
    for (section, value, expected) in cases {
        let told = check(section, value.clone()).1;
        assert!(told.iter().any(|told| told == expected), "{section}: {value}\n{told:#?}");
    }
}

#[test]
fn new_runtimes_and_regions_never_refuse() {
    for (section, value) in
        [("runtime", "nodejs99.x"), ("provider.runtime", "zig1"), ("provider.region", "mars-1")]
    {
        let mut config =
            json!({"service": "abc", "provider": {"name": "aws"}, "functions": {"a": {"handler": "a.b"}}});
        match section.split_once('.') {
            Some((outer, inner)) => config[outer][inner] = Value::from(value),
            None => config["functions"]["a"][section] = Value::from(value),
        }
        let issues = validate(&mut config, "aws");
        assert!(issues.len() == 1 && issues[0].is_lenient, "{issues:#?}");
    }
}

#[test]
fn other_providers_have_sections_of_their_own() {
    let mut config = json!({"service": "abc", "provider": {"name": "google", "project": "p"}, "functions": {"a": {"events": [{"x": 1}]}}});
    assert_eq!(validate(&mut config, "google"), []);
}
