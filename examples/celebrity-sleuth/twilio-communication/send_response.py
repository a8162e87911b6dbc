"""Sends answers as text messages, through Twilio's REST API."""

import json
import os

import vendored  # noqa: F401
from twilio.rest import Client

# The account and its token are what TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN say.
client = Client()
client.api.base_url = os.environ["TWILIO_API_BASE_URL"]


def handle(event, context):
    for record in event["Records"]:
        answer = json.loads(record["Sns"]["Message"])
        message = client.messages.create(to=answer["from"], from_=answer["to"], body=answer["body"])
        print(f"sent to {answer['from']}: {answer['body']} ({message.sid})")
