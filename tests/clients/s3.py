"""boto3 against buckets and objects: resources, transfers, presigned addresses, versions, errors."""

import io
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig

from check import equal, fails

s3 = boto3.client("s3")
s3.create_bucket(Bucket="shelf")
equal([bucket["Name"] for bucket in s3.list_buckets()["Buckets"]], ["shelf"])
fails("NoSuchBucket", s3.list_objects_v2, Bucket="elsewhere")
fails("NoSuchKey", s3.get_object, Bucket="shelf", Key="nothing")
fails("404", s3.head_object, Bucket="shelf", Key="nothing")

# Keys of all kinds, metadata, and what a GET gives back.
for key in ["a/1.txt", "a/2.txt", "b c+d.txt", "ünï/çödé.txt"]:
    s3.put_object(Bucket="shelf", Key=key, Body=key.encode(), ContentType="text/plain", Metadata={"origin": "test"})
answer = s3.get_object(Bucket="shelf", Key="ünï/çödé.txt")
equal(answer["Body"].read().decode(), "ünï/çödé.txt")
equal((answer["ContentType"], answer["Metadata"]), ("text/plain", {"origin": "test"}))
equal(s3.get_object(Bucket="shelf", Key="a/1.txt", Range="bytes=2-4")["Body"].read(), b"1.t")
listing = s3.list_objects_v2(Bucket="shelf", Delimiter="/")
equal([prefix["Prefix"] for prefix in listing["CommonPrefixes"]], ["a/", "ünï/"])
equal([item["Key"] for item in listing["Contents"]], ["b c+d.txt"])
pages = s3.get_paginator("list_objects_v2").paginate(Bucket="shelf", PaginationConfig={"PageSize": 1})
equal([item["Key"] for page in pages for item in page["Contents"]], ["a/1.txt", "a/2.txt", "b c+d.txt", "ünï/çödé.txt"])

# The managed transfer splits what is large.
large = bytes(range(256)) * (12 * 1024 * 4)
config = TransferConfig(multipart_threshold=5 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024)
s3.upload_fileobj(io.BytesIO(large), "shelf", "large.bin", Config=config)
target = io.BytesIO()
s3.download_fileobj("shelf", "large.bin", target, Config=config)
assert target.getvalue() == large, "what came back is not what was sent"
assert s3.head_object(Bucket="shelf", Key="large.bin")["ETag"].endswith('-3"')
s3.copy_object(Bucket="shelf", Key="copy.txt", CopySource={"Bucket": "shelf", "Key": "b c+d.txt"})
equal(s3.get_object(Bucket="shelf", Key="copy.txt")["Body"].read(), b"b c+d.txt")

# Who has the address needs no key of his own, until it is changed.
address = s3.generate_presigned_url("get_object", Params={"Bucket": "shelf", "Key": "a/2.txt"}, ExpiresIn=60)
equal(urllib.request.urlopen(address).read(), b"a/2.txt")
address = s3.generate_presigned_url("put_object", Params={"Bucket": "shelf", "Key": "sent.txt"}, ExpiresIn=60)
urllib.request.urlopen(urllib.request.Request(address, data=b"sent", method="PUT"))
equal(s3.get_object(Bucket="shelf", Key="sent.txt")["Body"].read(), b"sent")

# Conditions.
tag = s3.head_object(Bucket="shelf", Key="a/1.txt")["ETag"]
fails("304", s3.head_object, Bucket="shelf", Key="a/1.txt", IfNoneMatch=tag)
fails("PreconditionFailed", s3.get_object, Bucket="shelf", Key="a/1.txt", IfMatch='"other"')
fails("PreconditionFailed", s3.put_object, Bucket="shelf", Key="a/1.txt", Body=b"", IfNoneMatch="*")

# Versions.
s3.create_bucket(Bucket="history")
s3.put_bucket_versioning(Bucket="history", VersioningConfiguration={"Status": "Enabled"})
first = s3.put_object(Bucket="history", Key="x", Body=b"1")["VersionId"]
s3.put_object(Bucket="history", Key="x", Body=b"2")
s3.delete_object(Bucket="history", Key="x")
fails("NoSuchKey", s3.get_object, Bucket="history", Key="x")
equal(s3.get_object(Bucket="history", Key="x", VersionId=first)["Body"].read(), b"1")
versions = s3.list_object_versions(Bucket="history")
equal((len(versions["Versions"]), len(versions["DeleteMarkers"])), (2, 1))

fails("BucketNotEmpty", s3.delete_bucket, Bucket="shelf")
boto3.resource("s3").Bucket("shelf").objects.all().delete()
s3.delete_bucket(Bucket="shelf")
fails("NoSuchBucket", s3.list_objects_v2, Bucket="shelf")
print("ok")
