"""boto3 against Rekognition: collections, faces from bytes and from S3, and what is answered to wrong pictures and names."""

import sys
from pathlib import Path

import boto3

from check import equal, fails

rekognition, s3 = boto3.client("rekognition"), boto3.client("s3")
pictures = Path(sys.argv[1])
picture = lambda name: {"Bytes": (pictures / f"{name}.jpg").read_bytes()}
stored = lambda name: {"S3Object": {"Bucket": "album", "Name": name}}

# Collections.
made = rekognition.create_collection(CollectionId="actors", Tags={"stage": "test"})
equal((made["StatusCode"], made["FaceModelVersion"]), (200, "1.0"))
equal(made["CollectionArn"], "aws:rekognition:us-east-1:000000000000:collection/actors")
arn = rekognition.describe_collection(CollectionId="actors")["CollectionARN"]
rekognition.tag_resource(ResourceArn=arn, Tags={"stage": "prod", "team": "faces"})
rekognition.untag_resource(ResourceArn=arn, TagKeys=["team", "unknown"])
equal(rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"], {"stage": "prod"})
fails("ResourceNotFoundException", rekognition.list_tags_for_resource, ResourceArn=arn + "s")
fails("ServiceQuotaExceededException", rekognition.tag_resource, ResourceArn=arn, Tags={str(number): "" for number in range(200)})
rekognition.create_collection(CollectionId="nobody")
fails("ResourceAlreadyExistsException", rekognition.create_collection, CollectionId="actors")
first = rekognition.list_collections(MaxResults=1)
rest = rekognition.list_collections(NextToken=first["NextToken"])
equal((first["CollectionIds"], rest["CollectionIds"], rest.get("NextToken")), (["actors"], ["nobody"], None))
fails("InvalidPaginationTokenException", rekognition.list_collections, NextToken="nonsense!")

# Faces from bytes and from S3.
s3.create_bucket(Bucket="album")
s3.put_object(Bucket="album", Key="bruno.jpg", Body=picture("bruno_vale-1")["Bytes"])
s3.put_object(Bucket="album", Key="notes.txt", Body=b"no picture")
s3.put_object(Bucket="album", Key="huge.jpg", Body=bytes(15 * 1024 * 1024 + 1))
indexed = rekognition.index_faces(CollectionId="actors", Image=picture("ada_quill-1"), ExternalImageId="ada_quill", MaxFaces=1)
(ada,) = indexed["FaceRecords"]
equal((ada["Face"]["ExternalImageId"], indexed["UnindexedFaces"]), ("ada_quill", []))
box = ada["Face"]["BoundingBox"]
assert 0.2 < box["Width"] < 0.8 and 0 < box["Left"] < 0.5 and ada["FaceDetail"]["Confidence"] > 90, ada
indexed = rekognition.index_faces(CollectionId="actors", Image=stored("bruno.jpg"), ExternalImageId="bruno_vale")
bruno = indexed["FaceRecords"][0]["Face"]["FaceId"]
equal(rekognition.describe_collection(CollectionId="actors")["FaceCount"], 2)
equal(sorted(face["ExternalImageId"] for face in rekognition.list_faces(CollectionId="actors")["Faces"]), ["ada_quill", "bruno_vale"])

# Other photographs of the same people are found, a stranger is not.
search = lambda image, **more: rekognition.search_faces_by_image(CollectionId="actors", Image=image, **more)["FaceMatches"]
for name in ["ada_quill", "bruno_vale"]:
    (match,) = search(picture(f"{name}-2"), FaceMatchThreshold=80)
    equal(match["Face"]["ExternalImageId"], name)
    assert 80 <= match["Similarity"] <= 100, match
equal(search(picture("cleo_marsh-1")), [])
equal(len(search(picture("cleo_marsh-1"), FaceMatchThreshold=0)), 2)
equal(rekognition.search_faces(CollectionId="actors", FaceId=bruno)["FaceMatches"], [])

# Users: a person by several faces.
rekognition.create_user(CollectionId="actors", UserId="bruno")
associated = rekognition.associate_faces(CollectionId="actors", UserId="bruno", FaceIds=[bruno])
equal((associated["AssociatedFaces"], associated["UserStatus"]), ([{"FaceId": bruno}], "ACTIVE"))
(match,) = rekognition.search_users_by_image(CollectionId="actors", Image=picture("bruno_vale-2"))["UserMatches"]
equal(match["User"], {"UserId": "bruno", "UserStatus": "ACTIVE"})
equal(rekognition.search_users(CollectionId="actors", FaceId=ada["Face"]["FaceId"])["UserMatches"], [])
fails("ConflictException", rekognition.create_user, CollectionId="actors", UserId="bruno")
fails("ResourceNotFoundException", rekognition.search_users, CollectionId="actors", UserId="unknown")
rekognition.delete_user(CollectionId="actors", UserId="bruno")
equal(rekognition.list_users(CollectionId="actors")["Users"], [])

# Faces that are only looked at.
(detail,) = rekognition.detect_faces(Image=picture("cleo_marsh-2"))["FaceDetails"]
equal(sorted(mark["Type"] for mark in detail["Landmarks"]), ["eyeLeft", "eyeRight", "mouthLeft", "mouthRight", "nose"])
equal(rekognition.detect_faces(Image=picture("nobody"))["FaceDetails"], [])
same = rekognition.compare_faces(SourceImage=picture("ada_quill-1"), TargetImage=picture("ada_quill-2"))
equal((len(same["FaceMatches"]), same["UnmatchedFaces"]), (1, []))
other = rekognition.compare_faces(SourceImage=picture("ada_quill-1"), TargetImage=stored("bruno.jpg"))
equal((other["FaceMatches"], len(other["UnmatchedFaces"])), ([], 1))

# What cannot be done.
broken = {"Bytes": picture("ada_quill-1")["Bytes"][:300]}
index = lambda **more: dict(CollectionId="actors", Image=picture("ada_quill-1")) | more
for code, call, arguments in [
    ("ResourceNotFoundException", rekognition.index_faces, index(CollectionId="unknown")),
    ("ResourceNotFoundException", rekognition.search_faces_by_image, index(CollectionId="unknown")),
    ("ResourceNotFoundException", rekognition.describe_collection, {"CollectionId": "unknown"}),
    ("InvalidImageFormatException", rekognition.index_faces, index(Image=broken)),
    ("InvalidImageFormatException", rekognition.detect_faces, {"Image": {"Bytes": b"no picture at all"}}),
    ("InvalidImageFormatException", rekognition.detect_faces, {"Image": stored("notes.txt")}),
    ("InvalidS3ObjectException", rekognition.detect_faces, {"Image": stored("missing.jpg")}),
    ("ImageTooLargeException", rekognition.detect_faces, {"Image": stored("huge.jpg")}),
    ("ValidationException", rekognition.detect_faces, {"Image": {"Bytes": bytes(5 * 1024 * 1024 + 1)}}),
    ("InvalidParameterException", rekognition.detect_faces, {"Image": {}}),
    ("InvalidParameterException", rekognition.search_faces_by_image, index(Image=picture("nobody"))),
    ("InvalidParameterException", rekognition.compare_faces, {"SourceImage": picture("nobody"), "TargetImage": picture("ada_quill-1")}),
    ("InvalidParameterException", rekognition.search_faces, {"CollectionId": "actors", "FaceId": "11111111-1111-1111-1111-111111111111"}),
    ("ValidationException", rekognition.create_collection, {"CollectionId": "a space"}),
]:
    fails(code, call, **arguments)
equal(rekognition.index_faces(**index(Image=picture("nobody")))["FaceRecords"], [])

# Gone.
gone = rekognition.delete_faces(CollectionId="actors", FaceIds=[bruno])
equal(gone["DeletedFaces"], [bruno])
equal(search(picture("bruno_vale-2")), [])
rekognition.delete_collection(CollectionId="actors")
fails("ResourceNotFoundException", rekognition.list_faces, CollectionId="actors")
print("ok")
