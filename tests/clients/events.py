"""boto3 against event rules and log groups: a rule that matches, a rule that does not, a schedule, log lines by hand."""

import json
import time

import boto3

from check import equal, eventually, fails

events, sqs, logs = boto3.client("events"), boto3.client("sqs"), boto3.client("logs")
url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
arn = "arn:aws:sqs:us-east-1:000000000000:inbox"
events.put_rule(Name="orders", EventPattern=json.dumps({"source": ["shop"], "detail": {"total": [{"numeric": [">", 100]}]}}))
equal(events.put_targets(Rule="orders", Targets=[{"Id": "1", "Arn": arn, "InputPath": "$.detail"}])["FailedEntryCount"], 0)
entry = lambda total: {"Source": "shop", "DetailType": "order", "Detail": json.dumps({"total": total})}
answer = events.put_events(Entries=[entry(50), entry(150)])
equal((answer["FailedEntryCount"], len(answer["Entries"])), (0, 2))
message = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"][0]
equal(json.loads(message["Body"]), {"total": 150})
fails("ValidationException", events.put_rule, Name="wrong", ScheduleExpression="now and then")
fails("ResourceNotFoundException", events.describe_rule, Name="nothing")
events.put_rule(Name="nightly", ScheduleExpression="cron(0 2 * * ? *)")
equal(sorted(rule["Name"] for rule in events.list_rules()["Rules"]), ["nightly", "orders"])
events.remove_targets(Rule="orders", Ids=["1"])
events.delete_rule(Name="orders")
events.delete_rule(Name="nightly")
equal(events.list_rules()["Rules"], [])

logs.create_log_group(logGroupName="/app")
fails("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="/app")
logs.create_log_stream(logGroupName="/app", logStreamName="one")
now = time.time_ns() // 1_000_000
logs.put_log_events(logGroupName="/app", logStreamName="one", logEvents=[
    {"timestamp": now, "message": "INFO started"},
    {"timestamp": now + 1, "message": "ERROR it broke"},
])
found = eventually(lambda: logs.filter_log_events(logGroupName="/app", filterPattern="ERROR")["events"], lambda found: found)
equal([event["message"] for event in found], ["ERROR it broke"])
read = logs.get_log_events(logGroupName="/app", logStreamName="one", startFromHead=True)["events"]
equal([event["message"] for event in read], ["INFO started", "ERROR it broke"])
equal([stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName="/app")["logStreams"]], ["one"])
logs.delete_log_group(logGroupName="/app")
fails("ResourceNotFoundException", logs.get_log_events, logGroupName="/app", logStreamName="one")
print("ok")
