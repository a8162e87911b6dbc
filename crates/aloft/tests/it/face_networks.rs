//! Networks for faces, as the command line names them. What they do is tested where they are run.

use aloft_testkit::{CloudOptions, Project, TempCloud};

#[test]
fn named_networks_reach_the_cloud_wherever_it_runs() {
    let project = Project::new(&[
        ("serverless.yml", "service: empty\nprovider:\n  name: aws\n"),
        ("detector.onnx", "no network"),
        ("embedder.onnx", "no network"),
    ]);
    // The file's whole path shows that a cloud in the background was told where to look.
    let expected = if cfg!(feature = "onnx") {
        format!(
            "{} cannot be the face detector: it is no ONNX file",
            project.path().join("detector.onnx").display()
        )
    } else {
        "this program was built without the Cargo feature `onnx`".to_owned()
    };
    let home = |variables: &[(&str, &str)]| {
        let variables = [&[("ALOFT_PORT", "0")], variables].concat();
        let environment =
            variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        TempCloud::stopped(CloudOptions { environment, ..CloudOptions::default() })
    };
    let (detector, embedder) = ("--face-detector=detector.onnx", "--face-embedder=embedder.onnx");
    let named = home(&[("ALOFT_FACE_DETECTOR", "detector.onnx"), ("ALOFT_FACE_EMBEDDER", "embedder.onnx")]);
    let unnamed = home(&[]);
    for (home, arguments, expected) in [
        (&unnamed, &["cloud", "start", "--detach", detector, embedder][..], &*expected),
        (&named, &["cloud", "start"], &expected),
        (&named, &["deploy", "--local"], &expected),
        (&unnamed, &["cloud", "start", detector], "only --face-detector is given"),
        (&unnamed, &["cloud", "start", "--detach", embedder], "name the other one with --face-detector"),
    ] {
        let said = home.aloft(project.path(), arguments).failure().all();
        // Lines are broken to the terminal's width.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(expected), "{arguments:?}: {said} instead of {expected}");
    }
}
