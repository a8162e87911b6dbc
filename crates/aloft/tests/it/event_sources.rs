//! Streams that feed functions and answers that come in pieces, as the official clients see them.

use super::{SOON, deploy, logs};
use aloft_testkit::{Project, TempCloud, until};

const SERVICE: &str = r#"
service: flow
provider: { name: aws, runtime: python3.11 }
functions:
  read:
    handler: read.handle
    events:
      - stream:
          type: kinesis
          arn: { Fn::GetAtt: [Clicks, Arn] }
          startingPosition: TRIM_HORIZON
          batchSize: 3
          parallelizationFactor: 2
  talk:
    runtime: nodejs20.x
    handler: talk.handle
    url: { invokeMode: RESPONSE_STREAM }
resources:
  Resources:
    Clicks: { Type: AWS::Kinesis::Stream, Properties: { Name: clicks, ShardCount: 2 } }
"#;

const READ: &str = "import base64
def handle(event, context):
    for record in event['Records']:
        print('read', base64.b64decode(record['kinesis']['data']).decode())
";

const TALK: &str = "exports.handle = awslambda.streamifyResponse(async (event, stream) => {
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 200, headers: { 'Content-Type': 'text/plain' } });
    for (const word of ['one ', 'two ', 'three']) {
        stream.write(word);
        await new Promise((done) => setTimeout(done, 30));
    }
    stream.end();
});
";

#[test]
fn a_stream_is_read_on_after_a_kill_and_an_answer_comes_in_pieces() {
    let mut cloud = TempCloud::start();
    let files = [("serverless.yml", SERVICE), ("read.py", READ), ("talk.js", TALK)];
    deploy(&cloud, &Project::new(&files));
    let put = |cloud: &TempCloud, from: usize| {
        cloud.clients().boto3(&format!(
            r#"
kinesis, logs = boto3.client("kinesis"), boto3.client("logs")
records = [{{"Data": f"click-{{number}}", "PartitionKey": str(number % 4)}} for number in range({from}, {from} + 10)]
answer = kinesis.put_records(StreamName="clicks", Records=records)
equal((answer["FailedRecordCount"], len(answer["Records"])), (0, 10))
def seen():
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/flow-dev-read")
        return [event["message"].split()[1] for page in pages for event in page["events"] if event["message"].startswith("read ")]
    except logs.exceptions.ResourceNotFoundException:
        return []
all = eventually(seen, lambda all: len(set(all)) == {from} + 10)
equal(len(all), len(set(all)))
for key in range(4):
    of_key = [int(name.split("-")[1]) for name in all if int(name.split("-")[1]) % 4 == key]
    equal(of_key, sorted(of_key))
"#
        ))
    };
    put(&cloud, 0);
    cloud.restart();
    put(&cloud, 10);
    cloud.clients().boto3(
        r#"
import urllib.request
functions, kinesis = boto3.client("lambda"), boto3.client("kinesis")
events = list(functions.invoke_with_response_stream(FunctionName="flow-dev-talk", Payload="{}")["EventStream"])
chunks = [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
assert len(chunks) > 2 and "InvokeComplete" in events[-1], events
equal(b"".join(chunks).split(b"\0" * 8)[1], b"one two three")
url = functions.get_function_url_config(FunctionName="flow-dev-talk")
equal(url["InvokeMode"], "RESPONSE_STREAM")
host, id = url["FunctionUrl"].split("/")[2], url["FunctionUrl"].split("/")[2].split(".")[0]
with urllib.request.urlopen(functions.meta.endpoint_url + "/_aws/lambda-url/" + id + "/") as answer:
    equal((answer.status, answer.headers["Content-Type"], answer.read()), (200, "text/plain", b"one two three"))

import urllib.error
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
functions.update_function_url_config(FunctionName="flow-dev-talk", AuthType="AWS_IAM")
address = functions.meta.endpoint_url + "/_aws/lambda-url/" + id + "/"
try:
    urllib.request.urlopen(address)
    raise AssertionError("an unsigned request was answered")
except urllib.error.HTTPError as error:
    equal(error.code, 403)
signed = AWSRequest("GET", address)
SigV4Auth(boto3.Session().get_credentials(), "lambda", "us-east-1").add_auth(signed)
with urllib.request.urlopen(urllib.request.Request(address, headers=dict(signed.headers))) as answer:
    equal(answer.read(), b"one two three")

arn = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]["StreamARN"]
consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="watch")["Consumer"]
shards = kinesis.list_shards(StreamName="clicks")["Shards"]
sent = []
for shard in shards:
    stream = kinesis.subscribe_to_shard(ConsumerARN=consumer["ConsumerARN"], ShardId=shard["ShardId"], StartingPosition={"Type": "TRIM_HORIZON"})
    for event in stream["EventStream"]:
        sent += [record["Data"].decode() for record in event["SubscribeToShardEvent"]["Records"]]
        break
equal(sorted(sent), sorted(f"click-{number}" for number in range(20)))
fails("ResourceNotFoundException", kinesis.describe_stream, StreamName="none")
"#,
    );
}

const ORDERED: &str = r#"
service: ordered
provider: { name: aws, runtime: python3.11 }
functions:
  work:
    handler: work.handle
    events: [{ sqs: { arn: { Fn::GetAtt: [Queue, Arn] }, batchSize: 2 } }]
resources:
  Resources:
    Queue: { Type: AWS::SQS::Queue, Properties: { QueueName: ordered.fifo, FifoQueue: true, ContentBasedDeduplication: true, VisibilityTimeout: 30 } }
"#;

const WORK: &str = "import time
def handle(event, context):
    for record in event['Records']:
        print('done', record['body'] + '.')
        time.sleep(0.02)
";

/// Killed in the middle of the work, twice: all messages come, each group's in their order, and only what was at work comes
/// again.
#[test]
fn groups_keep_their_order_when_the_cloud_is_killed() {
    const GROUPS: usize = 3;
    const OF_A_GROUP: usize = 10;
    let mut cloud = TempCloud::start();
    let project = Project::new(&[("serverless.yml", ORDERED), ("work.py", WORK)]);
    deploy(&cloud, &project);
    cloud.clients().boto3(&format!(
        r#"
sqs = boto3.client("sqs")
url = sqs.get_queue_url(QueueName="ordered.fifo")["QueueUrl"]
for number in range({OF_A_GROUP}):
    entries = [{{"Id": str(group), "MessageBody": f"{{group}}-{{number}}", "MessageGroupId": str(group)}} for group in range({GROUPS})]
    equal(len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]), {GROUPS})
"#
    ));
    let done = |text: &str| -> Vec<(usize, usize)> {
        let lines = text.lines().filter_map(|line| line.split_once("done ")?.1.strip_suffix('.'));
        lines
            .filter_map(|it| it.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?))))
            .collect()
    };
    for count in [3, 14] {
        let begun = logs(&cloud, &project, "work", |text| done(text).len() >= count);
        assert!(done(&begun).len() < GROUPS * OF_A_GROUP, "it was too quick");
        cloud.restart();
        // What was at work at the kill is visible again after its time.
        cloud.advance(31);
    }
    let (mut all, mut before, mut jumps) = (Vec::new(), 0, 2);
    until("all messages are done", SOON, || {
        // What a jump of the clock took from who was at work comes again after its time, too.
        if before == all.len() {
            cloud.advance(31);
            jumps += 1;
        }
        before = all.len();
        all = done(&cloud.aloft(project.path(), &["logs", "--local", "--function", "work"]).success().stdout);
        (0..GROUPS).all(|group| all.contains(&(group, OF_A_GROUP - 1)))
    });
    for group in 0..GROUPS {
        let mut first: Vec<usize> = Vec::new();
        for (_, number) in all.iter().filter(|(of, _)| *of == group) {
            if !first.contains(number) {
                first.push(*number);
            }
        }
        assert_eq!(first, (0..OF_A_GROUP).collect::<Vec<_>>(), "{group}: {all:?}");
        for number in 0..OF_A_GROUP {
            let times = all.iter().filter(|it| **it == (group, number)).count();
            // Once more for each kill, and for each jump of the clock while it was at work.
            assert!(times <= 1 + 2 + jumps, "{group}-{number} {times} times");
        }
    }
}
