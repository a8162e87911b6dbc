"""Takes requests about faces, and answers with what it received."""

import json
import os

import boto3

sns = boto3.client("sns")


def create_collection(event, context):
    answer_each(event, lambda request: f"Received: create the collection {request['collection']}.")


def add_face(event, context):
    answer_each(event, lambda request: f"Received: add {request['person']} to {request['collection']} from {request['picture']}.")


def match_face(event, context):
    answer_each(event, lambda request: f"Received: find {request['picture']} in {request['collection']}.")


def answer_each(event, answer_to):
    for record in event["Records"]:
        request = json.loads(record["Sns"]["Message"])
        answer = {"from": request["from"], "to": request["to"], "body": answer_to(request)}
        sns.publish(TopicArn=os.environ["RESPONSE_TOPIC"], Message=json.dumps(answer))
        print(f"answered: {answer['body']}")
