//! `examples/word-count`: a Python function that an upload wakes, which writes a result back.

use super::deploy;
use aloft_testkit::{Project, TempCloud};

#[test]
fn an_upload_is_counted() {
    let (cloud, project) = (TempCloud::start(), Project::copy_of("examples/word-count"));
    deploy(&cloud, &project);
    let printed = cloud.clients().boto3(
        r#"
s3 = boto3.client("s3")
bucket = "word-count-dev-texts"
s3.put_object(Bucket=bucket, Key="texts/a b+ü.txt", Body="The cat and the hat and the bat")
# Neither the prefix nor the suffix of this one is asked for.
s3.put_object(Bucket=bucket, Key="texts/readme.md", Body="no no no")
s3.put_object(Bucket=bucket, Key="elsewhere.txt", Body="no no no")
keys = lambda: [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="counts/").get("Contents", [])]
found = eventually(keys, lambda keys: keys)
equal(found, ["counts/a b+ü.json"])
answer = s3.get_object(Bucket=bucket, Key=found[0])
equal(answer["ContentType"], "application/json")
print(json.dumps(json.load(answer["Body"]), ensure_ascii=False))
"#,
    );
    let result: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(
        (&result["source"], &result["words"], &result["different"]),
        (&"texts/a b+ü.txt".into(), &8.into(), &5.into())
    );
    assert_eq!(result["most_common"][0], serde_json::json!(["the", 3]));
}
