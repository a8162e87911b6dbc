//! Other people's clients against the cloud: boto3, `@aws-sdk` v3 and the AWS CLI. The scripts are in `tests/clients`.

use aloft_testkit::{Finished, TempCloud};

#[track_caller]
fn check(run: impl FnOnce(&TempCloud) -> Finished) {
    let finished = run(&TempCloud::start()).success();
    assert_eq!(finished.stdout.lines().last(), Some("ok"), "{finished}");
}

macro_rules! python {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(|cloud| cloud.clients().python(concat!(stringify!($name), ".py"), &[]));
        })*
    };
}

mod boto3 {
    use super::check;

    python! { cloudformation cloudwatch dynamodb events functions gateways identity parameters s3 sns sqs }
}

#[test]
fn rekognition_of_boto3() {
    let pictures = aloft_testkit::workspace().join("examples/celebrity-sleuth/pictures");
    check(|cloud| cloud.clients().python("rekognition.py", &[&pictures.to_string_lossy()]));
}

#[test]
fn twilio_for_python() {
    let packages = aloft_testkit::cache().join("sleuth");
    check(|cloud| cloud.clients().python("twilio_rest.py", &[cloud.endpoint(), &packages.to_string_lossy()]));
}

#[test]
fn sdk_for_javascript_and_data() {
    check(|cloud| cloud.clients().node("data.js", &[]));
}

#[test]
fn sdk_for_javascript_and_functions() {
    check(|cloud| cloud.clients().node("functions.js", &[]));
}

#[test]
fn command_line() {
    check(|cloud| cloud.clients().shell("cli.sh"));
}
