"""boto3 against queues: batches, attributes, order, dead letters, waiting."""

import json

import boto3

from check import equal, fails

sqs = boto3.client("sqs")
fails("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName="nothing")
dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
url = sqs.create_queue(QueueName="work", Attributes={"VisibilityTimeout": "0", "RedrivePolicy": policy})["QueueUrl"]
equal(sqs.get_queue_url(QueueName="work")["QueueUrl"], url)
assert url.endswith("/000000000000/work"), url

attribute = {"color": {"DataType": "String", "StringValue": "blue"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
sqs.send_message(QueueUrl=url, MessageBody="<&> ü", MessageAttributes=attribute)
message = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"], WaitTimeSeconds=5)["Messages"][0]
equal(message["Body"], "<&> ü")
equal(message["MessageAttributes"], attribute)
equal(message["Attributes"]["ApproximateReceiveCount"], "1")
# Seen once without being deleted, it is a dead letter the next time.
equal(sqs.receive_message(QueueUrl=url).get("Messages"), None)
letter = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5)["Messages"][0]
equal(letter["Body"], "<&> ü")
sqs.delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])

entries = [{"Id": str(number), "MessageBody": f"m{number}"} for number in range(10)]
equal(len(sqs.send_message_batch(QueueUrl=dead, Entries=entries)["Successful"]), 10)
fails("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", sqs.send_message_batch, QueueUrl=dead, Entries=entries[:1] * 2)
received = []
while len(received) < 10:
    received += sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, WaitTimeSeconds=1)["Messages"]
equal(sorted(message["Body"] for message in received), sorted(entry["MessageBody"] for entry in entries))
handles = [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(received)]
equal(len(sqs.delete_message_batch(QueueUrl=dead, Entries=handles)["Successful"]), 10)

fifo = sqs.create_queue(QueueName="line.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
for body in ["first", "second", "first"]:
    sqs.send_message(QueueUrl=fifo, MessageBody=body, MessageGroupId="one")
messages = sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10, WaitTimeSeconds=1)["Messages"]
equal([message["Body"] for message in messages], ["first", "second"])
equal(sqs.get_paginator("list_queues").paginate(QueueNamePrefix="d").build_full_result()["QueueUrls"], [dead])
sqs.purge_queue(QueueUrl=fifo)
sqs.delete_queue(QueueUrl=url)
fails("AWS.SimpleQueueService.NonExistentQueue", sqs.send_message, QueueUrl=url, MessageBody="late")
print("ok")
