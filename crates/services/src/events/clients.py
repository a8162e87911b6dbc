"""What boto3 makes of queues, topics and rules: it checks digests itself, and maps errors to its own exceptions."""
import json
import os

import boto3
from botocore.exceptions import ClientError

keys = dict(region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
sqs, sns, events = (boto3.client(name, endpoint_url=os.environ["ENDPOINT"], **keys) for name in ("sqs", "sns", "events"))


def refused(call, code, exception, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert (error.response["Error"]["Code"], type(error).__name__) == (code, exception), error
    else:
        raise AssertionError(f"{code} was expected")


url = sqs.create_queue(QueueName="q")["QueueUrl"]
attributes = {
    "number": {"DataType": "Number", "StringValue": "5"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
}
sqs.send_message(QueueUrl=url, MessageBody="h\u00e9llo", MessageAttributes=attributes)
message = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"][0]
assert message["Body"] == "h\u00e9llo" and message["MessageAttributes"] == attributes, message
sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
missing = "AWS.SimpleQueueService.NonExistentQueue"
refused(sqs.get_queue_url, missing, "QueueDoesNotExist", QueueName="none")
refused(sqs.create_queue, "QueueAlreadyExists", "QueueNameExists", QueueName="q", Attributes={"DelaySeconds": "4"})
refused(sqs.receive_message, "InvalidParameterValue", "ClientError", QueueUrl=url, MaxNumberOfMessages=11)

topic = sns.create_topic(Name="t", Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
sns.publish(TopicArn=topic, Message="news", MessageAttributes=attributes)
message = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"][0]
envelope = json.loads(message["Body"])
assert envelope["Message"] == "news" and envelope["MessageAttributes"]["bytes"] == {"Type": "Binary", "Value": "AAE="}
sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
refused(sns.publish, "NotFound", "NotFoundException", TopicArn=topic + "x", Message="x")

events.put_rule(Name="r", EventPattern=json.dumps({"source": ["shop"]}))
assert events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": queue}])["FailedEntryCount"] == 0
entries = [{"Source": "shop", "DetailType": "t", "Detail": detail} for detail in ('{"n": 1}', "nonsense")]
assert events.put_events(Entries=entries)["FailedEntryCount"] == 1
event = json.loads(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"][0]["Body"])
assert event["detail"] == {"n": 1} and event["detail-type"] == "t", event
refused(events.describe_rule, "ResourceNotFoundException", "ResourceNotFoundException", Name="none")
