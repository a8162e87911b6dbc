//! `aloft.toml`: honoured by a cloud that a command starts in the background, and its mistakes before anything is started.

use aloft_testkit::{CloudOptions, Finished, Project, TempCloud};

const SERVICE: &str = "service: set\nprovider: { name: aws, runtime: python3.11 }\nfunctions:\n  hello: { handler: hello.handle }\n";
const HELLO: &str = "import resource\n\ndef handle(event, context):\n    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]\n";
const SETTINGS: &str = "[cloud]\nidle-timeout = \"7s\"\n\n[limits]\nopen-files = 77\n";

#[test]
fn the_background_cloud_has_the_settings_of_the_directory_or_of_the_home() {
    let environment = vec![("ALOFT_PORT".to_owned(), "0".to_owned())];
    let home = TempCloud::stopped(CloudOptions { environment, ..CloudOptions::default() });
    let files = [("serverless.yml", SERVICE), ("hello.py", HELLO), ("aloft.toml", SETTINGS)];
    let project = Project::new(&files);
    let run = |arguments: &[&str]| -> Finished { home.aloft(project.path(), arguments) };
    let settings = || {
        let status = run(&["cloud", "status", "--json"]).success().stdout;
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        status["settings"].as_str().map(str::to_owned)
    };

    project.replace("aloft.toml", "idle-timeout", "idle-timout");
    let refused = run(&["deploy", "--local"]).failure().stdout;
    for part in [
        "error[INVALID_SETTINGS]: `idle-timout` is no setting of `[cloud]`",
        "aloft.toml:2:1",
        "did you mean `idle-timeout`?",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    assert_eq!(run(&["cloud", "status"]).success().stdout, "stopped\n");

    project.replace("aloft.toml", "idle-timout", "idle-timeout");
    run(&["deploy", "--local"]).success();
    let own = project.path().join("aloft.toml").display().to_string();
    assert_eq!(settings(), Some(own));
    assert_eq!(run(&["invoke", "--local", "-f", "hello"]).success().stdout, "77\n");
    assert!(run(&["cloud", "status"]).success().stdout.contains("\nsettings: "));

    // In another directory the settings of the home count; who finds others here says so and goes on.
    std::fs::write(home.home().join("aloft.toml"), "[limits]\nopen-files = 88\n").expect("a file");
    let elsewhere = Project::new(&[("serverless.yml", SERVICE), ("hello.py", HELLO)]);
    let told = home.aloft(elsewhere.path(), &["info", "--local"]).success().stderr;
    assert!(told.contains("The local cloud was not started with ") && told.contains("aloft.toml"), "{told}");
    run(&["cloud", "stop"]).success();
    home.aloft(elsewhere.path(), &["cloud", "start", "--detach", "--isolation", "none"]).success();
    let of_home = home.home().join("aloft.toml").display().to_string();
    assert_eq!(settings(), Some(of_home));
    assert_eq!(run(&["invoke", "--local", "-f", "hello"]).success().stdout, "88\n");
    run(&["cloud", "stop"]).success();
}
