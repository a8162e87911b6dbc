//! Buckets, objects, versions, multipart uploads, configurations.

use super::{S3, check, cloud, put, read, send};
use crate::testing::{BEGINNING, Cloud};
use aloft_base::{Clock, Ids};
use aloft_store::Store;
use bytes::Bytes;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[tokio::test]
async fn buckets() {
    let cloud = cloud().await;
    for (operation, input, expected) in [
        ("CreateBucket", json!({}), json!({ "Location": "/bucket" })),
        (
            "CreateBucket",
            json!({ "Bucket": "No" }),
            json!("InvalidBucketName: The specified bucket is not valid."),
        ),
        ("CreateBucket", json!({ "Bucket": "127.0.0.1" }), json!("InvalidBucketName*")),
        (
            "CreateBucket",
            json!({ "Bucket": "far", "CreateBucketConfiguration": { "LocationConstraint": "eu-west-1" } }),
            json!("IllegalLocationConstraintException: The eu-west-1 location constraint is incompatible*"),
        ),
        ("HeadBucket", json!({}), json!({ "BucketRegion": "us-east-1" })),
        (
            "HeadBucket",
            json!({ "ExpectedBucketOwner": "111122223333" }),
            json!("AccessDenied: Access Denied"),
        ),
        (
            "HeadBucket",
            json!({ "Bucket": "other" }),
            json!("NoSuchBucket: The specified bucket does not exist"),
        ),
        ("GetBucketLocation", json!({}), json!({ "LocationConstraint": null })),
        (
            "ListBuckets",
            json!({}),
            json!({ "Buckets": [{ "Name": "bucket", "CreationDate": 1_795_406_706 }] }),
        ),
        ("GetBucketMetricsConfiguration", json!({}), json!("NotImplemented*")),
        ("DeleteBucket", json!({}), json!({})),
        ("DeleteBucket", json!({}), json!("NoSuchBucket*")),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    cloud.stop().await;
}

#[tokio::test]
async fn objects_keep_what_they_were_given() {
    let cloud = cloud().await;
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    let input = json!({ "Key": "a", "ContentType": "text/plain", "Metadata": { "x": "y" }, "Tagging": "k=v%201",
        "ChecksumAlgorithm": "CRC32", "ContentEncoding": "aws-chunked,gzip" });
    let put = send(&cloud, "PutObject", input, "hello").await;
    assert_eq!(
        put,
        json!({ "ServerSideEncryption": "AES256", "ETag": etag, "ChecksumCRC32": "NhCmhg==", "ChecksumType": "FULL_OBJECT" })
    );
    let whole = json!({ "ETag": etag, "ContentType": "text/plain", "ContentEncoding": "gzip", "Metadata": { "x": "y" },
        "TagCount": 1, "ContentLength": 5, "ChecksumCRC32": null, "VersionId": null, "LastModified": 1_795_406_706 });
    let key = |more: Value| {
        let mut input = json!({ "Key": "a" });
        more.as_object().into_iter().flatten().for_each(|(name, value)| input[name.as_str()] = value.clone());
        input
    };
    for (more, expected) in [
        (json!({}), whole),
        (json!({ "ChecksumMode": "ENABLED" }), json!({ "ChecksumCRC32": "NhCmhg==" })),
        (json!({ "Range": "bytes=1-2" }), json!({ "ContentLength": 2, "ContentRange": "bytes 1-2/5" })),
        (json!({ "Range": "bytes=5-" }), json!("InvalidRange: The requested range is not satisfiable")),
        (json!({ "IfMatch": "\"other\"" }), json!("PreconditionFailed: At least one of the pre-conditions*")),
        (json!({ "IfNoneMatch": etag }), json!({ "ContentLength": null, "ETag": etag })),
        (json!({ "IfModifiedSince": 1_795_406_706 }), json!({ "ContentLength": null })),
        (json!({ "IfUnmodifiedSince": 1_795_406_705 }), json!("PreconditionFailed*")),
        (
            json!({ "ResponseContentType": "a/b", "ResponseExpires": 0 }),
            json!({ "ContentType": "a/b", "Expires": "Thu, 01 Jan 1970*" }),
        ),
        (json!({ "VersionId": "nope" }), json!("NoSuchVersion: The specified version does not exist.")),
        (json!({ "SSECustomerAlgorithm": "AES256" }), json!("NotImplemented*")),
    ] {
        check(&cloud, "HeadObject", key(more), expected).await;
    }
    check(&cloud, "GetObjectTagging", key(json!({})), json!({ "TagSet": [{ "Key": "k", "Value": "v 1" }] }))
        .await;
    assert_eq!(read(&cloud, key(json!({ "Range": "bytes=-2" }))).await, Ok("lo".into()));
    assert_eq!(read(&cloud, json!({ "Key": "b" })).await, Err("NoSuchKey".to_owned()));
    for (input, error) in [
        (key(json!({ "IfNoneMatch": "*" })), "PreconditionFailed"),
        (key(json!({ "IfMatch": "\"other\"" })), "PreconditionFailed"),
        (json!({ "Key": "b", "IfMatch": etag }), "NoSuchKey"),
        (json!({ "Key": "b", "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA==" }), "BadDigest"),
        (json!({ "Key": "k".repeat(1025) }), "KeyTooLongError"),
        (json!({ "Key": "b", "Metadata": { "m": "v".repeat(2048) } }), "MetadataTooLarge"),
        (json!({ "Key": "b", "ObjectLockMode": "GOVERNANCE" }), "NotImplemented"),
        (json!({ "Key": "b", "StorageClass": "SOFT" }), "InvalidStorageClass"),
    ] {
        let answer = send(&cloud, "PutObject", input, "x").await;
        assert!(answer.as_str().is_some_and(|text| text.starts_with(error)), "{error}: {answer}");
    }
    cloud.stop().await;
}

#[tokio::test]
async fn copies() {
    let cloud = cloud().await;
    send(&cloud, "PutObject", json!({ "Key": "a/ü", "Metadata": { "x": "y" }, "Tagging": "k=v" }), "hello")
        .await;
    let source = "bucket/a/%C3%BC";
    for (input, expected) in [
        (
            json!({ "Key": "b", "CopySource": source }),
            json!({ "CopyObjectResult": { "ETag": "\"5d41402abc4b2a76b9719d911017c592\"" } }),
        ),
        (
            json!({ "Key": "a/ü", "CopySource": source }),
            json!("InvalidRequest: This copy request is illegal*"),
        ),
        (
            json!({ "Key": "c", "CopySource": source, "MetadataDirective": "REPLACE", "TaggingDirective": "REPLACE" }),
            json!({}),
        ),
        (json!({ "Key": "d", "CopySource": "bucket/none" }), json!("NoSuchKey*")),
        (
            json!({ "Key": "d", "CopySource": "bucket" }),
            json!("InvalidArgument: Invalid copy source object key"),
        ),
        (json!({ "Key": "d", "CopySource": source, "CopySourceIfMatch": "x" }), json!("PreconditionFailed*")),
    ] {
        check(&cloud, "CopyObject", input, expected).await;
    }
    check(&cloud, "HeadObject", json!({ "Key": "b" }), json!({ "Metadata": { "x": "y" }, "TagCount": 1 }))
        .await;
    check(
        &cloud,
        "HeadObject",
        json!({ "Key": "c" }),
        json!({ "Metadata": { "x": null }, "TagCount": null }),
    )
    .await;
    cloud.stop().await;
}

#[tokio::test]
async fn versions() {
    let cloud = cloud().await;
    let key = json!({ "Key": "k" });
    put(&cloud, "k", "0").await;
    check(
        &cloud,
        "PutBucketVersioning",
        json!({ "VersioningConfiguration": { "Status": "Enabled" } }),
        json!({}),
    )
    .await;
    let one = put(&cloud, "k", "1").await["VersionId"].clone();
    let marker = check(
        &cloud,
        "DeleteObject",
        key.clone(),
        json!({ "DeleteMarker": true, "VersionId": "*" }),
    )
    .await["VersionId"]
        .clone();
    assert_eq!(read(&cloud, key.clone()).await, Err("NoSuchKey".to_owned()));
    assert_eq!(
        read(&cloud, json!({ "Key": "k", "VersionId": marker })).await,
        Err("MethodNotAllowed".to_owned())
    );
    assert_eq!(read(&cloud, json!({ "Key": "k", "VersionId": one })).await, Ok("1".into()));
    let all = json!({ "Versions": [{ "VersionId": one, "IsLatest": false }, { "VersionId": "null", "IsLatest": false }],
        "DeleteMarkers": [{ "VersionId": marker, "IsLatest": true }], "IsTruncated": false });
    check(&cloud, "ListObjectVersions", json!({}), all).await;
    let page = json!({ "MaxKeys": 1, "KeyMarker": "k", "VersionIdMarker": marker });
    let expected = json!({ "Versions": [{ "VersionId": one }], "IsTruncated": true, "NextKeyMarker": "k", "NextVersionIdMarker": one });
    check(&cloud, "ListObjectVersions", page, expected).await;
    check(
        &cloud,
        "DeleteObject",
        json!({ "Key": "k", "VersionId": marker }),
        json!({ "DeleteMarker": true }),
    )
    .await;
    assert_eq!(read(&cloud, key.clone()).await, Ok("1".into()));
    // While versioning is suspended there is one version `null`, which each write replaces.
    check(
        &cloud,
        "PutBucketVersioning",
        json!({ "VersioningConfiguration": { "Status": "Suspended" } }),
        json!({}),
    )
    .await;
    assert_eq!(put(&cloud, "k", "2").await["VersionId"], "null");
    let expected = json!({ "Versions": [{ "VersionId": "null", "IsLatest": true }, { "VersionId": one, "IsLatest": false }] });
    check(&cloud, "ListObjectVersions", json!({}), expected).await;
    check(
        &cloud,
        "DeleteBucket",
        json!({}),
        json!("BucketNotEmpty: The bucket you tried to delete is not empty. You must*"),
    )
    .await;
    let both = json!({ "Delete": { "Objects": [{ "Key": "k", "VersionId": "null" }, { "Key": "k", "VersionId": one }] } });
    check(
        &cloud,
        "DeleteObjects",
        both,
        json!({ "Deleted": [{ "VersionId": "null" }, { "VersionId": one }], "Errors": [] }),
    )
    .await;
    check(&cloud, "DeleteBucket", json!({}), json!({})).await;
    cloud.stop().await;
}

#[tokio::test]
async fn multipart_uploads() {
    let cloud = cloud().await;
    let part = |byte: u8, size: usize| Bytes::from(vec![byte; size]);
    let (first, last) = (part(b'a', 5 * 1024 * 1024), part(b'b', 7));
    let created = json!({ "Key": "k", "ContentType": "x/y", "ChecksumAlgorithm": "CRC64NVME" });
    let created =
        check(&cloud, "CreateMultipartUpload", created, json!({ "ChecksumType": "FULL_OBJECT" })).await;
    let with = |more: Value| {
        let mut input = json!({ "Key": "k", "UploadId": created["UploadId"] });
        more.as_object().into_iter().flatten().for_each(|(name, value)| input[name.as_str()] = value.clone());
        input
    };
    let mut sent = Vec::new();
    for (number, body) in [(1, last.clone()), (3, last.clone()), (1, first.clone())] {
        let answer = send(&cloud, "UploadPart", with(json!({ "PartNumber": number })), body).await;
        sent.push(json!({ "PartNumber": number, "ETag": answer["ETag"] }));
    }
    let [replaced, end, begin] = &sent[..] else { panic!("three parts") };
    check(
        &cloud,
        "ListParts",
        with(json!({})),
        json!({ "Parts": [{ "PartNumber": 1, "Size": first.len() }, { "PartNumber": 3, "Size": 7 }] }),
    )
    .await;
    check(&cloud, "ListMultipartUploads", json!({}), json!({ "Uploads": [{ "Key": "k" }] })).await;
    let copied = with(json!({ "PartNumber": 4, "CopySource": "bucket/none" }));
    check(&cloud, "UploadPartCopy", copied, json!("NoSuchKey*")).await;
    let complete = |parts: Value| with(json!({ "MultipartUpload": { "Parts": parts } }));
    for (parts, expected) in [
        (json!([]), json!("MalformedXML*")),
        (json!([end, begin]), json!("InvalidPartOrder*")),
        (json!([replaced, end]), json!("InvalidPart: One or more*")),
        (json!([begin, end]), json!({ "ETag": "\"1b3a558ba7c78630b6d01ef764ede136-2\"" })),
    ] {
        check(&cloud, "CompleteMultipartUpload", complete(parts), expected).await;
    }
    check(&cloud, "ListParts", with(json!({})), json!("NoSuchUpload*")).await;
    let whole = [first.clone(), last.clone()].concat();
    let checksum = super::super::checksum::Algorithm::Crc64nvme.of(&whole).value;
    let expected =
        json!({ "ContentType": "x/y", "ContentLength": whole.len(), "ChecksumCRC64NVME": checksum });
    check(&cloud, "HeadObject", json!({ "Key": "k", "ChecksumMode": "ENABLED" }), expected).await;
    assert_eq!(read(&cloud, json!({ "Key": "k" })).await, Ok(whole.into()));
    let across = json!({ "Key": "k", "Range": format!("bytes={}-", first.len() - 2) });
    assert_eq!(read(&cloud, across).await, Ok("aabbbbbbb".into()));
    assert_eq!(read(&cloud, json!({ "Key": "k", "PartNumber": 2 })).await, Ok(last.clone()));
    // Of a copied part only the range.
    let other = check(&cloud, "CreateMultipartUpload", json!({ "Key": "small" }), json!({})).await;
    let small = |more: Value| {
        json!({ "Key": "small", "UploadId": other["UploadId"], "PartNumber": more["PartNumber"], "CopySource": "bucket/k",
        "CopySourceRange": "bytes=0-1", "MultipartUpload": more["MultipartUpload"] })
    };
    let mut parts = Vec::new();
    for number in [1, 2] {
        let answer = check(
            &cloud,
            "UploadPartCopy",
            small(json!({ "PartNumber": number })),
            json!({ "CopyPartResult": { "ETag": "*" } }),
        )
        .await;
        parts.push(json!({ "PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"] }));
    }
    let complete = small(json!({ "MultipartUpload": { "Parts": parts } }));
    check(&cloud, "CompleteMultipartUpload", complete, json!("EntityTooSmall*")).await;
    check(&cloud, "AbortMultipartUpload", small(json!({})), json!({})).await;
    check(&cloud, "AbortMultipartUpload", small(json!({})), json!("NoSuchUpload*")).await;
    cloud.stop().await;
}

fn directory() -> PathBuf {
    std::env::temp_dir().join(format!("aloft-s3-{}", Ids::random().hex(8)))
}

/// A cloud on disk, with the bucket.
async fn cloud_in(directory: &Path) -> Cloud {
    let store = Store::open(directory).expect("a store");
    let cloud = Cloud::start_on(store, Clock::fixed(BEGINNING), vec![Arc::new(S3)]).await;
    check(&cloud, "CreateBucket", json!({}), json!({})).await;
    cloud
}

#[tokio::test]
async fn a_large_object_can_be_replaced_while_it_is_sent() {
    let directory = directory();
    let cloud = cloud_in(&directory).await;
    let large = Bytes::from(vec![b'x'; 3 * 1024 * 1024]);
    put(&cloud, "k", large.clone()).await;
    let input = super::of_bucket(json!({ "Key": "k" }));
    let reply = cloud.context.call_with_body("s3", "GetObject", input, None).await.expect("an answer");
    put(&cloud, "k", "small").await;
    let body = reply.body.expect("a body").collect().await;
    assert_eq!(body.expect("all of it"), large);
    assert_eq!(read(&cloud, json!({ "Key": "k" })).await, Ok("small".into()));
    cloud.stop().await;
    drop(std::fs::remove_dir_all(&directory));
}

#[tokio::test]
async fn configurations_come_back_as_they_were_given() {
    let cloud = cloud().await;
    let rule =
        json!({ "ID": "r", "Status": "Enabled", "Filter": { "Prefix": "" }, "Expiration": { "Days": 3 } });
    let policy = json!({ "Statement": { "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/*" } }).to_string();
    let foreign = policy.replace(":::bucket", ":::other");
    for (put, get, delete, given, answer, missing) in [
        (
            "PutBucketCors",
            "GetBucketCors",
            "DeleteBucketCors",
            json!({ "CORSConfiguration": { "CORSRules": [{ "AllowedMethods": ["GET"], "AllowedOrigins": ["*"] }] } }),
            json!({ "CORSRules": [{ "AllowedMethods": ["GET"] }] }),
            json!("NoSuchCORSConfiguration*"),
        ),
        (
            "PutBucketLifecycleConfiguration",
            "GetBucketLifecycleConfiguration",
            "DeleteBucketLifecycle",
            json!({ "LifecycleConfiguration": { "Rules": [rule] } }),
            json!({ "Rules": [rule] }),
            json!("NoSuchLifecycleConfiguration*"),
        ),
        (
            "PutBucketPolicy",
            "GetBucketPolicy",
            "DeleteBucketPolicy",
            json!({ "Policy": policy }),
            json!({ "Policy": policy }),
            json!("NoSuchBucketPolicy: The bucket policy does not exist"),
        ),
        (
            "PutBucketTagging",
            "GetBucketTagging",
            "DeleteBucketTagging",
            json!({ "Tagging": { "TagSet": [{ "Key": "a", "Value": "b" }] } }),
            json!({ "TagSet": [{ "Key": "a" }] }),
            json!("NoSuchTagSet*"),
        ),
        (
            "PutPublicAccessBlock",
            "GetPublicAccessBlock",
            "DeletePublicAccessBlock",
            json!({ "PublicAccessBlockConfiguration": { "BlockPublicAcls": true } }),
            json!({ "PublicAccessBlockConfiguration": { "BlockPublicAcls": true, "BlockPublicPolicy": false } }),
            json!("NoSuchPublicAccessBlockConfiguration*"),
        ),
    ] {
        check(&cloud, put, given, json!({})).await;
        check(&cloud, get, json!({}), answer).await;
        check(&cloud, delete, json!({}), json!({})).await;
        check(&cloud, get, json!({}), missing).await;
    }
    for (put, given, error) in [
        (
            "PutBucketPolicy",
            json!({ "Policy": "{" }),
            "MalformedPolicy: Policies must be valid JSON and the first byte must be '{'",
        ),
        ("PutBucketPolicy", json!({ "Policy": foreign }), "MalformedPolicy: Policy has invalid resource"),
        ("PutBucketVersioning", json!({ "VersioningConfiguration": {} }), "MalformedXML*"),
        (
            "PutBucketCors",
            json!({ "CORSConfiguration": { "CORSRules": [{ "AllowedMethods": ["TRACE"] }] } }),
            "InvalidRequest: Found unsupported*",
        ),
        (
            "PutBucketAcl",
            json!({ "ACL": "public-read" }),
            "AccessControlListNotSupported: The bucket does not allow ACLs",
        ),
        ("PutBucketReplication", json!({}), "NotImplemented*"),
    ] {
        check(&cloud, put, given, json!(error)).await;
    }
    cloud.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_and_nothing_else_stays() {
    let directory = directory();
    let cloud = cloud_in(&directory).await;
    put(&cloud, "k", "old").await;
    put(&cloud, "k", "new").await;
    let refused = send(&cloud, "PutObject", json!({ "Key": "k", "IfNoneMatch": "*" }), "refused").await;
    assert!(refused.as_str().is_some_and(|text| text.starts_with("PreconditionFailed")));
    cloud.stop().await;
    let cloud = cloud_in(&directory).await;
    assert_eq!(read(&cloud, json!({ "Key": "k" })).await, Ok("new".into()));
    let folders = std::fs::read_dir(directory.join("blobs")).expect("blobs").flatten();
    let files: usize =
        folders.map(|folder| std::fs::read_dir(folder.path()).map_or(0, Iterator::count)).sum();
    assert_eq!(files, 1, "only the object's own body is left");
    cloud.stop().await;
    drop(std::fs::remove_dir_all(&directory));
}
