//! `examples/nightly-report`: a schedule, whose time is made to come.

use super::deploy;
use aloft_testkit::{Project, TempCloud};

#[test]
fn a_night_later_there_is_a_report() {
    let (cloud, project) = (TempCloud::start(), Project::copy_of("examples/nightly-report"));
    deploy(&cloud, &project);
    cloud.clients().boto3(
        r#"
s3 = boto3.client("s3")
for name, body in [("a.txt", "12345"), ("b.txt", "1234567")]:
    s3.put_object(Bucket="nightly-report-dev-documents", Key=name, Body=body)
equal(s3.list_objects_v2(Bucket="nightly-report-dev-reports")["KeyCount"], 0)
"#,
    );
    cloud.advance(24 * 60 * 60);
    let report = cloud.clients().boto3(
        r#"
s3 = boto3.client("s3")
bucket = "nightly-report-dev-reports"
keys = lambda: [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
found = eventually(keys, lambda keys: keys)
equal(len(found), 1)
report = json.load(s3.get_object(Bucket=bucket, Key=found[0])["Body"])
del report["at"]
print(json.dumps(report))
"#,
    );
    assert_eq!(report, r#"{"kind": "nightly", "objects": 2, "bytes": 12}"#);
}
