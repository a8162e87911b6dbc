//! `examples/order-worker`: a queue's worker that fails for a part of its batches.

use super::{deploy, logs};
use aloft_testkit::{Project, TempCloud};

#[test]
fn only_the_bad_order_ends_in_the_dead_letter_queue() {
    let (cloud, project) = (TempCloud::start(), Project::copy_of("examples/order-worker"));
    deploy(&cloud, &project);
    cloud.clients().boto3(
        r#"
sqs = boto3.client("sqs")
url = sqs.get_queue_url(QueueName="order-worker-dev-orders")["QueueUrl"]
orders = [{"id": "a1", "product": "kite", "quantity": 2}, {"id": "a2", "product": "kite", "quantity": 0}, {"id": "a3", "product": "ball", "quantity": 1}]
entries = [{"Id": order["id"], "MessageBody": json.dumps(order)} for order in orders]
equal(len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]), 3)
"#,
    );
    let complaint = "order a2: the quantity must be a positive whole number";
    let seen = |logs: &str, count: usize| logs.matches(complaint).count() == count;
    let first = logs(&cloud, &project, "work", |logs| seen(logs, 1) && logs.contains("order a3: 1 x ball"));
    assert!(first.contains("order a1: 2 x kite"), "{first}");
    // It comes back when its visibility timeout is over, alone, and is dead after the second time.
    cloud.advance(31);
    let second = logs(&cloud, &project, "work", |logs| seen(logs, 2));
    assert_eq!(
        (second.matches("order a1:").count(), second.matches("order a3:").count()),
        (1, 1),
        "{second}"
    );
    cloud.advance(31);
    let dead = cloud.clients().boto3(
        r#"
sqs = boto3.client("sqs")
url = lambda name: sqs.get_queue_url(QueueName="order-worker-dev-" + name)["QueueUrl"]
receive = lambda: sqs.receive_message(QueueUrl=url("orders-failed"), MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages")
messages = eventually(receive, lambda messages: messages)
names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
counts = sqs.get_queue_attributes(QueueUrl=url("orders"), AttributeNames=names)["Attributes"]
equal(set(counts.values()), {"0"})
print(json.dumps([json.loads(message["Body"])["id"] for message in messages]))
"#,
    );
    assert_eq!(dead, r#"["a2"]"#);
    assert!(seen(&logs(&cloud, &project, "work", |_| true), 2));
}
