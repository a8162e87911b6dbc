"""boto3 against CloudWatch: values in and out, a large call that the SDK compresses, alarms."""

import datetime
import json

import boto3
from botocore.config import Config

from check import equal, fails

cloudwatch, sqs, sns = boto3.client("cloudwatch"), boto3.client("sqs"), boto3.client("sns")
now = datetime.datetime.now(datetime.timezone.utc)
window = {"StartTime": now - datetime.timedelta(minutes=10), "EndTime": now + datetime.timedelta(minutes=2)}
shop = [{"Name": "Shop", "Value": "a"}]

cloudwatch.put_metric_data(Namespace="Shop", MetricData=[
    {"MetricName": "Orders", "Dimensions": shop, "Value": 3, "Unit": "Count"},
    {"MetricName": "Orders", "Dimensions": shop, "Values": [1, 2], "Counts": [1, 2], "Unit": "Count"},
])
# Larger than 10 KB: it comes compressed.
sent = []
cloudwatch.meta.events.register("before-send.cloudwatch.PutMetricData", lambda request, **_: sent.append(request.headers.get("Content-Encoding")))
cloudwatch.put_metric_data(Namespace="Many", MetricData=[
    {"MetricName": f"metric-{number}", "Dimensions": shop, "Value": number, "Timestamp": now} for number in range(800)
])
equal(sent[-1] in ("gzip", b"gzip"), True)
metrics = [metric["MetricName"] for page in cloudwatch.get_paginator("list_metrics").paginate(Namespace="Many") for metric in page["Metrics"]]
equal(len(metrics), 800)

points = cloudwatch.get_metric_statistics(Namespace="Shop", MetricName="Orders", Dimensions=shop, Period=86400, Statistics=["Sum", "Maximum"], ExtendedStatistics=["p99"], **window)["Datapoints"]
equal([(point["Sum"], point["Maximum"], point["Unit"]) for point in points], [(8.0, 3.0, "Count")])
equal(round(points[0]["ExtendedStatistics"]["p99"], 1), 3.0)
stat = {"Metric": {"Namespace": "Shop", "MetricName": "Orders", "Dimensions": shop}, "Period": 86400, "Stat": "Sum"}
answer = cloudwatch.get_metric_data(MetricDataQueries=[
    {"Id": "orders", "MetricStat": stat, "ReturnData": False},
    {"Id": "dozens", "Expression": "orders / 12", "Label": "Dozens"},
], **window)["MetricDataResults"]
equal([(one["Id"], one["Label"]) for one in answer], [("dozens", "Dozens")])
equal(round(sum(answer[0]["Values"]), 3), 0.667)
fails("InvalidParameterValue", cloudwatch.put_metric_data, Namespace="AWS/Mine", MetricData=[{"MetricName": "x", "Value": 1}])

queue = sqs.create_queue(QueueName="told")["QueueUrl"]
topic = sns.create_topic(Name="alarms")["TopicArn"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:told", Attributes={"RawMessageDelivery": "true"})
cloudwatch.put_metric_alarm(
    AlarmName="busy", Namespace="Shop", MetricName="Orders", Dimensions=shop, Statistic="Sum", Period=60, EvaluationPeriods=1,
    Threshold=1, ComparisonOperator="GreaterThanThreshold", AlarmActions=[topic], TreatMissingData="ignore")
cloudwatch.set_alarm_state(AlarmName="busy", StateValue="ALARM", StateReason="a test")
alarm = cloudwatch.describe_alarms(AlarmNames=["busy"])["MetricAlarms"][0]
equal((alarm["StateValue"], alarm["Threshold"], alarm["Period"]), ("ALARM", 1.0, 60))
message = json.loads(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"][0]["Body"])
equal((message["AlarmName"], message["NewStateValue"]), ("busy", "ALARM"))
history = cloudwatch.describe_alarm_history(AlarmName="busy", HistoryItemType="StateUpdate")["AlarmHistoryItems"]
equal(history[-1]["HistorySummary"], "Alarm updated from INSUFFICIENT_DATA to ALARM")
fails("ResourceNotFound", cloudwatch.set_alarm_state, AlarmName="nobody", StateValue="OK", StateReason="")
cloudwatch.delete_alarms(AlarmNames=["busy"])
equal(cloudwatch.describe_alarms()["MetricAlarms"], [])
print("ok")
