"""boto3 against stacks: creation, change sets, events, outputs, what fails and is taken back."""

import json

import boto3
from botocore.exceptions import WaiterError

from check import equal, fails

stacks, sqs, sns = boto3.client("cloudformation"), boto3.client("sqs"), boto3.client("sns")
queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${AWS::StackName}-${Name}"}, "DelaySeconds": 1}}
template = {
    "Parameters": {"Name": {"Type": "String", "Default": "jobs"}},
    "Resources": {
        "Queue": queue,
        "Topic": {"Type": "AWS::SNS::Topic", "DependsOn": "Queue", "Properties": {"TopicName": {"Fn::Join": ["-", [{"Fn::GetAtt": ["Queue", "QueueName"]}, "topic"]]}}},
        "Nameless": {"Type": "AWS::SNS::Topic", "Properties": {}},
    },
    "Outputs": {"Url": {"Value": {"Ref": "Queue"}, "Export": {"Name": "jobs-url"}}, "Arn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}}},
}


def outputs(name):
    return {output["OutputKey"]: output["OutputValue"] for output in stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]}


error = fails("ValidationError", stacks.describe_stacks, StackName="shop")
equal(error["Error"]["Message"], "Stack with id shop does not exist")
stacks.create_stack(StackName="shop", TemplateBody=json.dumps(template), Tags=[{"Key": "team", "Value": "blue"}])
stacks.get_waiter("stack_create_complete").wait(StackName="shop", WaiterConfig={"Delay": 1})
equal(outputs("shop")["Arn"], "arn:aws:sqs:us-east-1:000000000000:shop-jobs")
equal(sqs.get_queue_url(QueueName="shop-jobs")["QueueUrl"], outputs("shop")["Url"])
events = stacks.describe_stack_events(StackName="shop")["StackEvents"]
equal((events[-1]["ResourceStatus"], events[0]["ResourceStatus"]), ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"))
equal(events[0]["ResourceType"], "AWS::CloudFormation::Stack")
fails("AlreadyExistsException", stacks.create_stack, StackName="shop", TemplateBody=json.dumps(template))
fails("ValidationError", stacks.update_stack, StackName="shop", TemplateBody=json.dumps(template))

# A change set says what will be done, and does it when it is executed.
queue["Properties"]["DelaySeconds"] = 7
stacks.create_change_set(StackName="shop", ChangeSetName="slower", TemplateBody=json.dumps(template))
stacks.get_waiter("change_set_create_complete").wait(StackName="shop", ChangeSetName="slower", WaiterConfig={"Delay": 1})
changes = stacks.describe_change_set(StackName="shop", ChangeSetName="slower")["Changes"]
equal([(change["ResourceChange"]["Action"], change["ResourceChange"]["LogicalResourceId"]) for change in changes], [("Modify", "Queue")])
stacks.execute_change_set(StackName="shop", ChangeSetName="slower")
stacks.get_waiter("stack_update_complete").wait(StackName="shop", WaiterConfig={"Delay": 1})
delay = lambda: sqs.get_queue_attributes(QueueUrl=outputs("shop")["Url"], AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"]
equal(delay(), "7")

# An update that fails goes back to what was.
queue["Properties"]["DelaySeconds"] = 3
template["Resources"]["Topic"]["Properties"]["TopicName"] = "not a name"
template["Resources"]["Nameless"]["Properties"] = {"TopicName": "no name either"}
topics = lambda: sorted(topic["TopicArn"] for topic in sns.list_topics()["Topics"])
before = topics()
stacks.update_stack(StackName="shop", TemplateBody=json.dumps(template))
try:
    stacks.get_waiter("stack_update_complete").wait(StackName="shop", WaiterConfig={"Delay": 1})
    raise AssertionError("the update should have failed")
except WaiterError as error:
    equal(error.last_response["Stacks"][0]["StackStatus"], "UPDATE_ROLLBACK_COMPLETE")
equal(delay(), "7")
equal(topics(), before)
equal((len(before), before[-1]), (2, "arn:aws:sns:us-east-1:000000000000:shop-jobs-topic"))

# Nothing is made for a template that refers to nothing.
broken = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "Nobody"}}}}}
error = fails("ValidationError", stacks.create_stack, StackName="broken", TemplateBody=json.dumps(broken))
equal(error["Error"]["Message"], "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template")
fails("ValidationError", stacks.describe_stacks, StackName="broken")

stacks.delete_stack(StackName="shop")
stacks.get_waiter("stack_delete_complete").wait(StackName="shop", WaiterConfig={"Delay": 1})
fails("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName="shop-jobs")
equal(sns.list_topics()["Topics"], [])
print("ok")
