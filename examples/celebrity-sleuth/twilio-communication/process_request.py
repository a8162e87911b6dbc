"""Checks a command that came as a text message, and hands it to the function that it is for."""

import itertools
import json
import os
import re
from urllib.parse import parse_qsl, quote, quote_plus, urlencode
from xml.sax.saxutils import escape

import boto3
import vendored  # noqa: F401
from twilio.request_validator import RequestValidator

sns = boto3.client("sns")

USAGE = (
    "Commands: face addcol <collection> | face addimg <collection> <first>_<last> (with a picture) | "
    "face match <collection> (with a picture)"
)
# What Rekognition takes as a name.
NAME = re.compile(r"[A-Za-z0-9_.\-]{1,255}")


class WrongCommand(Exception):
    """The command cannot be carried out as it is; the text says why."""


class ForgedRequest(Exception):
    """The request does not come from Twilio. API Gateway makes the status of the text's beginning."""


def verified(event):
    """The parameters of the request, if Twilio signed it."""
    validator = RequestValidator(os.environ["TWILIO_AUTH_TOKEN"])
    query = event["query"]
    form = dict(parse_qsl(event["form"], keep_blank_values=True)) if event["method"] == "POST" else {}
    # The signature covers the query as it was sent, of which the gateway hands on names and values: they are put together
    # again in the order that they came in and in that of the alphabet, with spaces as `+` and as `%20`.
    for names, encode in itertools.product((list(query), sorted(query)), (quote_plus, quote)):
        address = event["address"]
        if names:
            address += "?" + urlencode([(name, query[name]) for name in names], quote_via=encode)
        if validator.validate(address, form, event["signature"]):
            return query | form
    raise ForgedRequest("[403] the signature is not Twilio's")


def parse(request):
    """The topic and the message for a request."""
    words = request.get("Body", "").split()
    if len(words) < 3 or words[0].lower() != "face" or not NAME.fullmatch(words[2]):
        raise WrongCommand(USAGE)
    operation, collection = words[1].lower(), words[2]
    message = {"sid": request["MessageSid"], "from": request["From"], "to": request["To"], "collection": collection}
    if operation == "addcol" and len(words) == 3:
        return "create_collection_request", message
    if operation == "match" and len(words) == 3:
        topic = "match_face_request"
    elif operation == "addimg" and len(words) == 4 and NAME.fullmatch(words[3]) and words[3].strip("_").count("_") == 1:
        topic = "add_face_request"
        message["person"] = words[3].strip("_").lower()
    else:
        raise WrongCommand(USAGE)
    if request.get("NumMedia") in (None, "", "0") or not request.get("MediaUrl0"):
        raise WrongCommand(f"face {operation} needs a picture.")
    return topic, message | {"picture": request["MediaUrl0"]}


def handle(event, context):
    request = verified(event)
    try:
        topic, message = parse(request)
    except WrongCommand as wrong:
        print(f"refuses {request.get('Body')!r}")
        return {"message": escape(str(wrong))}
    print(f"publishes to {topic}: {json.dumps(message)}")
    sns.publish(TopicArn=os.environ["TOPIC_PREFIX"] + topic, Message=json.dumps(message))
    return {"message": "Working on it."}
