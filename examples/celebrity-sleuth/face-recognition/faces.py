"""Makes collections, adds faces to them, and finds whose face is in a picture."""

import json
import os
import urllib.error
import urllib.request

import biography
import boto3
from botocore.exceptions import ClientError

sns, rekognition = boto3.client("sns"), boto3.client("rekognition")

# What Rekognition takes in a request.
LARGEST_PICTURE = 5 * 1024 * 1024
# How sure it has to be that something is a face, and that two are of one person.
CONFIDENCE, SIMILARITY = 90, 80


class Unanswerable(Exception):
    """The request cannot be carried out; the text is the answer."""


def create_collection(event, context):
    answer_each(event, create)


def add_face(event, context):
    answer_each(event, add)


def match_face(event, context):
    answer_each(event, match)


def answer_each(event, answer_to):
    """Answers every request. What Rekognition says of a request is an answer; anything else fails, and is tried again."""
    for record in event["Records"]:
        request = json.loads(record["Sns"]["Message"])
        try:
            body = answer_to(request)
        except Unanswerable as reason:
            body = str(reason)
        except ClientError as error:
            body = explain(error.response["Error"]["Code"], request)
            if not body:
                raise
        answer = {"from": request["from"], "to": request["to"], "body": body}
        print(f"answers: {body}")
        sns.publish(TopicArn=os.environ["RESPONSE_TOPIC"], Message=json.dumps(answer))


def explain(code, request):
    """What an error of Rekognition means to the sender; nothing when it is none of theirs."""
    return {
        "ResourceAlreadyExistsException": f"There is a collection {request['collection']} already.",
        "ResourceNotFoundException": f"There is no collection {request['collection']}. Make it with: face addcol {request['collection']}",
        "InvalidImageFormatException": "That is no picture that I can read: send a JPEG or PNG.",
        "ImageTooLargeException": "That picture is too large.",
        "InvalidParameterException": "There is no face in that picture.",
    }.get(code)


def create(request):
    collection, tags = request["collection"], {"MessageSid": request["sid"]}
    try:
        rekognition.create_collection(CollectionId=collection, Tags=tags)
    except rekognition.exceptions.ResourceAlreadyExistsException:
        # What is tried again may have made it the first time.
        made = rekognition.describe_collection(CollectionId=collection)
        if rekognition.list_tags_for_resource(ResourceArn=made["CollectionARN"])["Tags"] != tags:
            raise
    return f"Made the collection {collection}."


def add(request):
    picture = fetch(request["picture"])
    prominent(picture)
    indexed = rekognition.index_faces(
        CollectionId=request["collection"], Image={"Bytes": picture}, ExternalImageId=request["person"], MaxFaces=1
    )
    if not indexed["FaceRecords"]:
        raise Unanswerable("The face in that picture cannot be seen well enough.")
    return f"Added {name_of(request['person'])} to {request['collection']}."


def match(request):
    picture = fetch(request["picture"])
    face = prominent(picture)
    found = rekognition.search_faces_by_image(
        CollectionId=request["collection"], Image={"Bytes": picture}, FaceMatchThreshold=SIMILARITY, MaxFaces=1
    )
    if not found["FaceMatches"]:
        raise Unanswerable(f"Nobody in {request['collection']} looks like that.")
    best = found["FaceMatches"][0]
    name = name_of(best["Face"]["ExternalImageId"])
    about = biography.of(name) or "Nothing is known about them."
    return f"{name} (similarity {best['Similarity']:.1f}%, a face with confidence {face['Confidence']:.1f}%). {about}"


def fetch(address):
    """The picture that a message brought."""
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            picture = response.read(LARGEST_PICTURE + 1)
    except urllib.error.HTTPError as error:
        raise Unanswerable(f"The picture cannot be fetched ({error.code}).") from error
    if not 0 < len(picture) <= LARGEST_PICTURE:
        raise Unanswerable("That picture is empty, or larger than 5 MB.")
    return picture


def prominent(picture):
    """The most prominent face: the largest of those that surely are faces."""
    faces = rekognition.detect_faces(Image={"Bytes": picture})["FaceDetails"]
    sure = [face for face in faces if face["Confidence"] >= CONFIDENCE]
    if not sure:
        raise Unanswerable("There is no face in that picture.")
    return max(sure, key=lambda face: face["BoundingBox"]["Width"] * face["BoundingBox"]["Height"])


def name_of(person):
    """`Ada Quill` of `ada_quill`."""
    return person.replace("_", " ").title()
