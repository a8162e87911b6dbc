"""boto3 against topics: a queue that subscribes, filters, batches."""

import json

import boto3

from check import equal, fails

sns, sqs = boto3.client("sns"), boto3.client("sqs")
topic = sns.create_topic(Name="news")["TopicArn"]
equal(topic, "arn:aws:sns:us-east-1:000000000000:news")
equal(sns.create_topic(Name="news")["TopicArn"], topic)
fails("NotFound", sns.publish, TopicArn=topic + "-other", Message="x")


def queue(name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def bodies(url, count):
    found = []
    while len(found) < count:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=10).get("Messages", [])
        assert messages, f"{len(found)} of {count} messages came"
        found += messages
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in found]


(all_url, all_arn), (few_url, few_arn) = queue("all"), queue("few")
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=all_arn)
few = sns.subscribe(
    TopicArn=topic,
    Protocol="sqs",
    Endpoint=few_arn,
    Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"kind": ["sports"]})},
    ReturnSubscriptionArn=True,
)["SubscriptionArn"]
kind = lambda value: {"kind": {"DataType": "String", "StringValue": value}}
sns.publish(TopicArn=topic, Message="rain", Subject="weather", MessageAttributes=kind("weather"))
sns.publish(TopicArn=topic, Message="goal", MessageAttributes=kind("sports"))
envelopes = sorted((json.loads(body) for body in bodies(all_url, 2)), key=lambda envelope: envelope["Message"])
equal([envelope["Message"] for envelope in envelopes], ["goal", "rain"])
equal(envelopes[1]["Subject"], "weather")
equal(envelopes[1]["TopicArn"], topic)
equal(envelopes[1]["MessageAttributes"], {"kind": {"Type": "String", "Value": "weather"}})
equal(bodies(few_url, 1), ["goal"])
entries = [{"Id": str(number), "Message": f"n{number}"} for number in range(3)]
equal(len(sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)["Successful"]), 3)
equal(sorted(json.loads(body)["Message"] for body in bodies(all_url, 3)), ["n0", "n1", "n2"])
equal(len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]), 2)
sns.unsubscribe(SubscriptionArn=few)
equal(len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]), 1)
sns.delete_topic(TopicArn=topic)
equal(sns.list_topics()["Topics"], [])
print("ok")
