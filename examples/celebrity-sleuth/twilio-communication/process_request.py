"""Checks a command that came as a text message, and hands it to the function that it is for."""

import json
import os
from xml.sax.saxutils import escape

import boto3

sns = boto3.client("sns")

USAGE = (
    "Commands: face addcol <collection> | face addimg <collection> <first>_<last> (with a picture) | "
    "face match <collection> (with a picture)"
)


class WrongCommand(Exception):
    """The command cannot be carried out as it is; the text says why."""


def parse(request):
    """The topic and the message for a request."""
    words = request["body"].split()
    if len(words) < 3 or words[0].lower() != "face":
        raise WrongCommand(USAGE)
    operation, collection = words[1].lower(), words[2]
    message = {"from": request["from"], "to": request["to"], "collection": collection}
    if operation == "addcol" and len(words) == 3:
        return "create_collection_request", message
    if operation not in ("addimg", "match"):
        raise WrongCommand(USAGE)
    if request.get("numMedia") in (None, "", "0") or not request.get("mediaUrl"):
        raise WrongCommand(f"face {operation} needs a picture.")
    message["picture"] = request["mediaUrl"]
    if operation == "match" and len(words) == 3:
        return "match_face_request", message
    if operation == "addimg" and len(words) == 4 and words[3].count("_") == 1:
        message["person"] = words[3].replace("_", " ").strip().title()
        return "add_face_request", message
    raise WrongCommand(USAGE)


def handle(event, context):
    try:
        topic, message = parse(event)
    except WrongCommand as wrong:
        print(f"refused {event['body']!r}")
        return {"message": escape(str(wrong))}
    sns.publish(TopicArn=os.environ["TOPIC_PREFIX"] + topic, Message=json.dumps(message))
    print(f"published to {topic}: {json.dumps(message)}")
    return {"message": escape("Working on it.")}
