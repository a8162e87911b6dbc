"""Writes what a bucket holds into a report, once a night."""

import json
import os
from datetime import datetime, timezone

import boto3

s3 = boto3.client("s3")


def run(event, context):
    count, size = 0, 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=os.environ["SOURCE_BUCKET"]):
        for item in page.get("Contents", []):
            count += 1
            size += item["Size"]
    now = datetime.now(timezone.utc)
    report = {"kind": event["kind"], "at": now.isoformat(), "objects": count, "bytes": size}
    key = f"{now:%Y-%m-%d}/{context.aws_request_id}.json"
    s3.put_object(Bucket=os.environ["REPORT_BUCKET"], Key=key, Body=json.dumps(report), ContentType="application/json")
    print(f"wrote {key}: {count} objects, {size} bytes")
    return {"key": key}
