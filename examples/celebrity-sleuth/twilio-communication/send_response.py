"""Sends answers as text messages, through Twilio's REST API."""

import base64
import json
import os
import urllib.parse
import urllib.request


def handle(event, context):
    for record in event["Records"]:
        answer = json.loads(record["Sns"]["Message"])
        send(answer["to"], answer["from"], answer["body"])


def send(sender, recipient, body):
    account, token = os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"]
    if not account:
        print(f"to {recipient}: {body}")
        return
    url = f"{os.environ['TWILIO_API_BASE_URL']}/2010-04-01/Accounts/{account}/Messages.json"
    form = urllib.parse.urlencode({"From": sender, "To": recipient, "Body": body}).encode()
    request = urllib.request.Request(url, data=form)
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{account}:{token}".encode()).decode())
    with urllib.request.urlopen(request, timeout=5) as response:
        print(f"sent to {recipient}: {body} ({response.status})")
