"""boto3 against functions: code, configuration, versions, aliases, invocations, errors, logs, queues that call them."""

import base64
import json

import boto3

from check import equal, eventually, fails, zipped

functions, logs, sqs = boto3.client("lambda"), boto3.client("logs"), boto3.client("sqs")
HANDLER = """
import json, os

def handle(event, context):
    print("got", json.dumps(event))
    if event.get("fail"):
        raise ValueError("as asked")
    return {"event": event, "color": os.environ.get("COLOR"), "name": context.function_name, "version": context.function_version}
"""
made = functions.create_function(
    FunctionName="painter",
    Runtime="python3.11",
    Role="arn:aws:iam::000000000000:role/any",
    Handler="index.handle",
    Code={"ZipFile": zipped(index__py=HANDLER)},
    Environment={"Variables": {"COLOR": "blue"}},
    Timeout=5,
    Publish=True,
)
equal((made["FunctionArn"], made["Version"]), ("arn:aws:lambda:us-east-1:000000000000:function:painter:1", "1"))
functions.get_waiter("function_active_v2").wait(FunctionName="painter")
fails("ResourceNotFoundException", functions.invoke, FunctionName="nobody")
fails("ResourceConflictException", functions.create_function, FunctionName="painter", Runtime="python3.11",
      Role="arn:aws:iam::000000000000:role/any", Handler="index.handle", Code={"ZipFile": zipped(index__py=HANDLER)})


def invoke(payload, **options):
    answer = functions.invoke(FunctionName="painter", Payload=json.dumps(payload), **options)
    body = answer["Payload"].read()
    return answer, json.loads(body) if body else None


answer, body = invoke({"a": "ü"}, LogType="Tail")
equal(body, {"event": {"a": "ü"}, "color": "blue", "name": "painter", "version": "$LATEST"})
equal((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
tail = base64.b64decode(answer["LogResult"]).decode()
assert 'got {"a": "\\u00fc"}' in tail and "REPORT RequestId:" in tail, tail
answer, body = invoke({"fail": True})
equal((answer["FunctionError"], body["errorType"], body["errorMessage"]), ("Unhandled", "ValueError", "as asked"))
equal(invoke({}, InvocationType="DryRun")[0]["StatusCode"], 204)
equal(invoke({"later": 1}, InvocationType="Event")[0]["StatusCode"], 202)


def messages():
    events = logs.filter_log_events(logGroupName="/aws/lambda/painter")["events"]
    return [event["message"] for event in events]


lines = eventually(messages, lambda lines: any('{"later": 1}' in line for line in lines))
assert any(line.startswith("START RequestId: ") for line in lines), lines

# Versions stand still; an alias says which one is meant.
functions.update_function_configuration(FunctionName="painter", Environment={"Variables": {"COLOR": "red"}})
functions.get_waiter("function_updated_v2").wait(FunctionName="painter")
equal(invoke({})[1]["color"], "red")
equal(invoke({}, Qualifier="1")[1]["color"], "blue")
second = functions.publish_version(FunctionName="painter")["Version"]
equal(second, "2")
functions.create_alias(FunctionName="painter", Name="live", FunctionVersion="1")
equal(invoke({}, Qualifier="live")[1]["color"], "blue")
functions.update_alias(FunctionName="painter", Name="live", FunctionVersion="2")
equal(invoke({}, Qualifier="live")[1]["color"], "red")
functions.update_function_code(FunctionName="painter", ZipFile=zipped(index__py="def handle(event, context):\n    return 'new'\n"))
functions.get_waiter("function_updated_v2").wait(FunctionName="painter")
equal(invoke({})[1], "new")
equal([found["Version"] for found in functions.list_versions_by_function(FunctionName="painter")["Versions"]], ["$LATEST", "1", "2"])

# A queue calls it, and is empty afterwards.
url = sqs.create_queue(QueueName="paint")["QueueUrl"]
mapping = functions.create_event_source_mapping(FunctionName="painter:live", EventSourceArn="arn:aws:sqs:us-east-1:000000000000:paint", BatchSize=5)
sqs.send_message(QueueUrl=url, MessageBody="from the queue")
eventually(messages, lambda lines: any("from the queue" in line for line in lines))
names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
counts = lambda: set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values())
eventually(counts, lambda counts: counts == {"0"})
functions.delete_event_source_mapping(UUID=mapping["UUID"])

functions.add_permission(FunctionName="painter", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
equal(json.loads(functions.get_policy(FunctionName="painter")["Policy"])["Statement"][0]["Sid"], "s3")
functions.delete_function(FunctionName="painter")
fails("ResourceNotFoundException", functions.get_function, FunctionName="painter")
equal(functions.list_functions()["Functions"], [])
print("ok")
