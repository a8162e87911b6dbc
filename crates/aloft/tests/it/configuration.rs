//! Configurations in TypeScript, new services, profiles: what needs no cloud.

use super::same;
use aloft_testkit::{Project, TempCloud, cache};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// Prints the function's timeout of a service in TypeScript which has only this package installed.
#[track_caller]
fn check(package: &str, text: &str) {
    let project = Project::new(&[
        ("serverless.ts", text),
        (
            "functions.ts",
            "export interface Limits { timeout: number }\nexport const limits: Limits = { timeout: 17 };\n",
        ),
        ("package.json", "{}"),
    ]);
    let modules = project.path().join("node_modules");
    fs::create_dir(&modules).expect("a folder");
    // A package of its own folder finds what it depends on beside itself.
    let installed = cache().join("fork/node_modules").join(package);
    symlink(installed, modules.join(package)).expect("a link");
    let home = TempCloud::stopped(Default::default());
    let printed = home.aloft(project.path(), &["print", "--path", "functions.hello.timeout"]).success();
    same(&printed.stdout, "17");
}

const COMMONJS: &str = "import { limits, type Limits } from './functions';\nconst hello: Limits & { handler: string } = \
    { handler: 'h.hello', ...limits };\nmodule.exports = { service: 'typed', provider: { name: 'aws' }, functions: { hello } };\n";
const MODULE: &str = "import { limits } from './functions';\nenum Name { Aws = 'aws' }\n\
    export default { service: 'typed', provider: { name: Name.Aws }, functions: { hello: { handler: 'h.hello', ...limits } } };\n";

#[test]
fn typescript_is_read_by_what_the_service_has() {
    check("tsx", COMMONJS);
    check("tsx", MODULE);
    check("esbuild", COMMONJS);
    check("esbuild", MODULE);
}

#[test]
fn a_new_service_is_made_and_packaged() {
    let (home, folder) = (TempCloud::stopped(Default::default()), Project::new(&[]));
    let run = |arguments: &[&str]| home.aloft(folder.path(), arguments);
    run(&["create", "--template", "aws-nodejs", "--path", "one", "--name", "first"]).success();
    home.aloft(&folder.path().join("one"), &["package"]).success();
    run(&["create", "--template-path", "one", "--name", "second"]).success();
    assert!(folder.read("second/serverless.yml").starts_with("service: second\n"));
    let taken = run(&["create", "--template", "aws-nodejs", "--path", "one"]).failure();
    assert!(taken.all().contains("TARGET_FOLDER_ALREADY_EXISTS"), "{taken}");
    let unknown = run(&["create", "--template", "aws-cobol", "--path", "two"]).failure();
    assert!(unknown.all().contains("built in are aws-nodejs"), "{unknown}");
}

#[test]
fn a_profile_is_written_and_only_replaced_when_told() {
    let (home, folder) = (TempCloud::stopped(Default::default()), Project::new(&[]));
    let keys = |secret: &'static str| {
        ["config", "credentials", "--provider", "aws", "--key", "AK", "--secret", secret, "--profile", "work"]
    };
    home.aloft(folder.path(), &keys("one")).success();
    home.aloft(folder.path(), &keys("two")).failure();
    let file = home.home().join(".aws/credentials");
    let text = || fs::read_to_string(&file).expect("a file");
    same(&text(), "[work]\naws_access_key_id=AK\naws_secret_access_key=one");
    home.aloft(folder.path(), &[&keys("two")[..], &["--overwrite"]].concat()).success();
    same(&text(), "[work]\naws_access_key_id=AK\naws_secret_access_key=two");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_package_in_its_own_place_for_a_bucket_that_is_there() {
    let home = TempCloud::stopped(Default::default());
    let project = Project::new(&[
        (
            "serverless.yml",
            "service: apart\npackage:\n  path: build\nprovider:\n  name: aws\n  deploymentBucket: a-bucket\nfunctions:\n  a:\n    handler: a.h\n",
        ),
        ("a.js", ""),
    ]);
    home.aloft(project.path(), &["package"]).success();
    let build = project.path().join("build");
    assert!(build.join("apart.zip").exists() && !project.path().join(".serverless/apart.zip").exists());
    // There is nothing to create before the service itself, so the original writes no template for that.
    assert!(!build.join("cloudformation-template-create-stack.json").exists());
    let state = fs::read_to_string(build.join("serverless-state.json")).unwrap();
    assert!(
        state.contains("compiledCloudFormationTemplate") && !state.contains("coreCloudFormationTemplate")
    );
}
