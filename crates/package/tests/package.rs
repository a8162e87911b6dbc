//! What goes into zips, seen from outside: services on disk, and the names in their zips.

use aloft_config::Service;
use aloft_package::{Artifacts, package};
use serde_json::{Value, json};
use std::path::Path;

/// A service in a directory of its own.
struct Project {
    directory: tempfile::TempDir,
    service: Service,
}

impl Project {
    fn new(config: Value, files: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config;
        if config.get("functions").is_none() {
            config["functions"] = json!({ "hello": { "handler": "index.handler" } });
        }
        let service = Service {
            name: "demo".to_owned(),
            directory: directory.path().join("service"),
            file_name: "serverless.yml".to_owned(),
            config: config.as_object().cloned().unwrap(),
            ..Service::default()
        };
        let project = Self { directory, service };
        project.write("serverless.yml", "");
        for file in files {
            project.write(file, file);
        }
        project
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.service.directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn package(&self) -> Result<Artifacts, Vec<aloft_diag::Diagnostic>> {
        package(&self.service, &self.directory.path().join("out"))
    }
}

fn names(zip: &Path) -> Vec<String> {
    let archive = zip::ZipArchive::new(std::fs::File::open(zip).unwrap()).unwrap();
    archive.file_names().map(|name| name.unwrap().into_owned()).collect()
}

/// The names in the service's zip, separated by spaces.
fn check(config: Value, files: &[&str], expected: &str) {
    let project = Project::new(config.clone(), files);
    let artifacts = project.package().unwrap();
    assert_eq!(names(&artifacts.service.unwrap().path).join(" "), expected, "{config}");
}

#[test]
fn patterns_apply_in_order() {
    let files = ["a/one.js", "a/b/two.js", "a/b/three.py", "index.js"];
    let patterns = |patterns: &[&str]| json!({ "package": { "patterns": patterns } });
    check(
        json!({}),
        &["index.js", ".git/config", ".DS_Store", "yarn-error.log", ".hidden"],
        ".hidden index.js",
    );
    check(json!({ "useDotenv": true }), &["index.js", ".env", ".env.dev"], "index.js");
    check(patterns(&["!**", "a/**/*.js"]), &files, "a/b/two.js a/one.js");
    check(patterns(&["!a/**", "a/b/two.js"]), &files, "a/b/two.js index.js");
    check(patterns(&["!a"]), &files, "index.js");
    check(patterns(&["!a", "a/b/**", "!a/b"]), &files, "a/b/three.py a/b/two.js index.js");
    check(patterns(&["!a/b/!(three).*"]), &files, "a/b/three.py a/one.js index.js");
    check(patterns(&["!**/*.{py,js}", "index.js"]), &files, "index.js");
    check(
        json!({ "package": { "exclude": ["a/**"], "include": ["a/one.js"] } }),
        &files,
        "a/one.js index.js",
    );
    check(patterns(&["!**", "../shared/*"]), &["../shared/x.js", "index.js"], "shared/x.js");
}

#[test]
fn development_dependencies_stay_out() {
    let manifest = |name: &str, rest: Value| {
        let mut manifest = json!({ "name": name, "version": "1.0.0" });
        manifest.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap());
        manifest.to_string()
    };
    let make = |config: Value| {
        let project =
            Project::new(config, &["index.js", "node_modules/.bin/tool", "node_modules/.bin/other"]);
        project.write(
            "package.json",
            &manifest("service", json!({ "dependencies": { "a": "*", "f": "*" }, "devDependencies": { "tool": "*", "f": "*" } })),
        );
        for (name, rest) in [
            ("a", json!({ "dependencies": { "shared": "*" } })),
            ("tool", json!({ "bin": "x.js", "dependencies": { "only-tool": "*", "shared": "*" } })),
            ("only-tool", json!({})),
            ("shared", json!({})),
            ("extraneous", json!({})),
            ("f", json!({})),
        ] {
            project.write(&format!("node_modules/{name}/package.json"), &manifest(name, rest));
        }
        project.write("node_modules/a/node_modules/deep/index.js", "");
        names(&project.package().unwrap().service.unwrap().path).join(" ")
    };
    assert_eq!(
        make(json!({})),
        "index.js node_modules/.bin/other node_modules/a/node_modules/deep/index.js node_modules/a/package.json \
         node_modules/extraneous/package.json node_modules/shared/package.json package.json"
    );
    assert!(
        make(json!({ "package": { "excludeDevDependencies": false } }))
            .contains("node_modules/only-tool/package.json")
    );
}

#[cfg(unix)]
#[test]
fn development_dependencies_of_pnpm_are_left_out() {
    let project = Project::new(json!({ "package": { "patterns": ["!**/package.json"] } }), &["index.js"]);
    project
        .write("package.json", r#"{ "dependencies": { "prod": "1" }, "devDependencies": { "dev": "1" } }"#);
    let all = [
        ("prod", vec!["shared"]),
        ("dev", vec!["shared", "only-dev"]),
        ("shared", vec![]),
        ("only-dev", vec![]),
    ];
    for (name, dependencies) in &all {
        let package = format!("node_modules/.pnpm/{name}@1.0.0/node_modules/{name}");
        let list: serde_json::Map<String, Value> =
            dependencies.iter().map(|name| ((*name).to_owned(), json!("1"))).collect();
        project.write(
            &format!("{package}/package.json"),
            &json!({ "name": name, "dependencies": list }).to_string(),
        );
        project.write(&format!("{package}/{name}.js"), "");
    }
    let link = |target: &str, at: &str| {
        std::os::unix::fs::symlink(target, project.service.directory.join("node_modules").join(at)).unwrap();
    };
    for name in ["prod", "dev"] {
        link(&format!(".pnpm/{name}@1.0.0/node_modules/{name}"), name);
        link("../../shared@1.0.0/node_modules/shared", &format!(".pnpm/{name}@1.0.0/node_modules/shared"));
    }
    link("../../only-dev@1.0.0/node_modules/only-dev", ".pnpm/dev@1.0.0/node_modules/only-dev");
    assert_eq!(
        names(&project.package().unwrap().service.unwrap().path).join(" "),
        "index.js node_modules/.pnpm/prod@1.0.0/node_modules/prod/prod.js \
         node_modules/.pnpm/prod@1.0.0/node_modules/shared/shared.js \
         node_modules/.pnpm/shared@1.0.0/node_modules/shared/shared.js node_modules/prod/prod.js"
    );
}

#[cfg(unix)]
#[test]
fn packages_of_a_workspace_stay_and_keep_what_any_of_them_needs() {
    let project = Project::new(json!({}), &["index.js", "packages/a/a.js", "packages/b/b.js"]);
    let root = r#"{ "workspaces": ["packages/*"], "dependencies": { "a": "1" }, "devDependencies": { "b": "1", "left": "1" } }"#;
    project.write("package.json", root);
    project.write(
        "packages/a/package.json",
        r#"{ "dependencies": { "left": "1" }, "devDependencies": { "tool": "1" } }"#,
    );
    project.write("packages/b/package.json", r#"{ "dependencies": { "right": "1" } }"#);
    for name in ["left", "right", "tool"] {
        project.write(&format!("node_modules/{name}/package.json"), "{}");
    }
    for name in ["a", "b"] {
        let link = project.service.directory.join("node_modules").join(name);
        std::os::unix::fs::symlink(format!("../packages/{name}"), link).unwrap();
    }
    assert_eq!(
        names(&project.package().unwrap().service.unwrap().path).join(" "),
        "index.js node_modules/a/a.js node_modules/a/package.json node_modules/b/b.js node_modules/b/package.json \
         node_modules/left/package.json node_modules/right/package.json package.json packages/a/a.js packages/a/package.json \
         packages/b/b.js packages/b/package.json"
    );
}

#[test]
fn functions_and_layers_get_their_own_zips() {
    let config = json!({
        "functions": {
            "one": { "handler": "one.handler", "package": { "individually": true, "patterns": ["!two.js"] } },
            "two": { "handler": "two.handler" },
            "image": { "image": "x" },
            "made": { "handler": "m.handler", "package": { "artifact": "made.zip" } },
        },
        "layers": { "lib": { "path": "layer" } },
    });
    let project = Project::new(config, &["one.js", "two.js", "made.zip", "layer/nodejs/lib.js"]);
    let artifacts = project.package().unwrap();
    assert_eq!(names(&artifacts.functions["one"].path), ["made.zip", "one.js"]);
    assert_eq!(names(&artifacts.functions["two"].path), ["made.zip", "one.js", "two.js"]);
    assert_eq!(artifacts.functions["made"].path, project.service.directory.join("made.zip"));
    assert_eq!(names(&artifacts.layers["lib"].path), ["nodejs/lib.js"]);
    assert!(!artifacts.functions.contains_key("image"));
    assert!(artifacts.warnings.is_empty(), "{:?}", artifacts.warnings);
}

#[cfg(unix)]
#[test]
fn equal_files_give_equal_bytes() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let hash = |touched: bool| {
        let project = Project::new(json!({}), &["index.js", "bin/run", "lib/x.js"]);
        let run = project.service.directory.join("bin/run");
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o750)).unwrap();
        symlink("lib", project.service.directory.join("linked")).unwrap();
        symlink("nowhere", project.service.directory.join("broken")).unwrap();
        symlink("..", project.service.directory.join("lib/circle")).unwrap();
        if touched {
            project.write("index.js", "index.js");
            std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        let artifact = project.package().unwrap().service.unwrap();
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&artifact.path).unwrap()).unwrap();
        assert_eq!(names(&artifact.path), ["bin/run", "index.js", "lib/x.js", "linked/x.js"]);
        assert_eq!(archive.by_name("bin/run").unwrap().unix_mode().map(|mode| mode & 0o777), Some(0o755));
        assert_eq!(archive.by_name("index.js").unwrap().unix_mode().map(|mode| mode & 0o777), Some(0o644));
        assert_eq!(artifact.size, std::fs::metadata(&artifact.path).unwrap().len());
        artifact.sha256
    };
    assert_eq!(hash(false), hash(true));
}

#[test]
fn mistakes() {
    let first = |config: Value, files: &[&str]| {
        let error = Project::new(config, files).package().unwrap_err().remove(0);
        format!("{}: {}", error.code, error.message)
    };
    assert_eq!(
        first(json!({ "package": { "patterns": ["!**"] } }), &["index.js"]),
        "NO_MATCHED_FILES: No file matches include / exclude patterns"
    );
    let missing = first(json!({ "package": { "artifact": "none.zip" } }), &["index.js"]);
    assert!(missing.starts_with(
        "INVALID_PACKAGE_ARTIFACT_PATH: Cannot access package artifact at \"none.zip\": ENOENT: no such file"
    ));
    let warnings = |handler: &str, runtime: &str, files: &[&str]| -> Vec<String> {
        let config =
            json!({ "provider": { "runtime": runtime }, "functions": { "f": { "handler": handler } } });
        Project::new(config, files)
            .package()
            .unwrap()
            .warnings
            .into_iter()
            .map(|warning| warning.message)
            .collect()
    };
    assert_eq!(
        warnings("src/app.main", "nodejs20.x", &["index.js"]),
        ["function \"f\": there is no file src/app.js for the handler \"src/app.main\""]
    );
    assert!(warnings("src/app.main", "python3.12", &["src/app.py"]).is_empty());
    assert!(warnings("src/app.main", "nodejs20.x", &["src/app.mjs"]).is_empty());
    assert!(warnings("bootstrap", "provided.al2023", &["bootstrap"]).is_empty());
}
