"""Counts the words of texts in S3 and writes the counts beside them."""

import json
import re
from collections import Counter
from urllib.parse import unquote_plus

import boto3

s3 = boto3.client("s3")


def count(event, context):
    results = []
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        # Keys in notifications are encoded as in a form.
        key = unquote_plus(record["s3"]["object"]["key"])
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8", errors="replace")
        words = Counter(re.findall(r"\w+", text.lower()))
        result = {
            "source": key,
            "words": sum(words.values()),
            "different": len(words),
            "most_common": words.most_common(5),
        }
        name = key.removeprefix("texts/").removesuffix(".txt")
        target = f"counts/{name}.json"
        s3.put_object(Bucket=bucket, Key=target, Body=json.dumps(result), ContentType="application/json")
        print(f"counted {result['words']} words of {key} into {target}")
        results.append(target)
    return {"written": results}
