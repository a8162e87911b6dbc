//! The SDKs that Lambda's runtimes bring along: fetched when code asks for one for the first time, and not before.

use aloft_testkit::{CloudOptions, Project, TempCloud};
use std::os::unix::fs::PermissionsExt;
use std::{env, fs};

const SERVICE: &str = "service: sdks
frameworkVersion: '3'
provider: { name: aws, runtime: nodejs20.x }
functions: { answer: { handler: handler.answer } }
";

/// Installs an SDK that is all its own, when it may.
const NPM: &str = "#!/bin/sh
test -f \"$0.offline\" && { echo 'npm error network unreachable' >&2; exit 1; }
mkdir -p node_modules/@aws-sdk/client-x && echo 'exports.answer = 42;' > node_modules/@aws-sdk/client-x/index.js
echo \"$@\" >> \"$0.calls\"
";

#[test]
fn the_first_code_that_asks_for_an_sdk_fetches_it() {
    let tools = Project::new(&[("npm", NPM), ("npm.offline", "")]);
    let npm = tools.path().join("npm");
    fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.path().display(), env::var("PATH").unwrap_or_default());
    let runtimes = tools.path().join("runtimes").display().to_string();
    let environment = vec![("PATH".to_owned(), path), ("ALOFT_RUNTIMES".to_owned(), runtimes)];
    let cloud = TempCloud::with(CloudOptions { environment, ..CloudOptions::default() });
    let without = "exports.answer = async () => 41;\n";
    let service = Project::new(&[("serverless.yml", SERVICE), ("handler.js", without)]);
    let deploy = || cloud.aloft(service.path(), &["deploy", "--local"]).success();
    let invoke = || cloud.aloft(service.path(), &["invoke", "--local", "-f", "answer"]);

    let said = deploy().stderr;
    assert!(!said.contains("SDK"), "code that asks for none waits for none: {said}");
    assert_eq!(invoke().success().stdout.trim(), "41");

    let with = "exports.answer = async () => require('@aws-sdk/client-x').answer;\n";
    fs::write(service.path().join("handler.js"), with).unwrap();
    let said = deploy().stderr;
    assert!(said.contains("network unreachable") && said.contains("run `aloft cloud sdks`"), "{said}");
    let failed = invoke().failure();
    assert!(failed.stdout.contains("Cannot find module '@aws-sdk/client-x'"), "{failed}");
    assert!(failed.stderr.contains("run `aloft cloud sdks`"), "{failed}");

    fs::remove_file(tools.path().join("npm.offline")).unwrap();
    cloud.aloft(service.path(), &["deploy", "--local", "--force"]).success();
    assert_eq!(invoke().success().stdout.trim(), "42");
    cloud.aloft(service.path(), &["deploy", "--local", "--force"]).success();
    let calls = fs::read_to_string(tools.path().join("npm.calls")).unwrap();
    assert_eq!(calls.lines().count(), 1, "once is enough: {calls}");
    assert!(calls.starts_with("ci "), "what the lock file says: {calls}");
}
