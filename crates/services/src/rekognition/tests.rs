//! Collections and people as their users see them.

use super::Rekognition;
use super::rows::{COLLECTIONS, FACES, USERS, VECTORS};
use crate::s3::S3;
use crate::testing::Cloud;
use aloft_faces::portraits::{CONDITIONS, Scenery, View, portrait, reference, scenery};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::sync::Arc;

async fn cloud() -> Cloud {
    let cloud = Cloud::start(vec![Arc::new(Rekognition::default()), Arc::new(S3)]).await;
    let created = json!({
        "StatusCode": 200,
        "CollectionArn": "aws:rekognition:us-east-1:000000000000:collection/people",
        "FaceModelVersion": "1.0",
    });
    check(&cloud, "CreateCollection", json!({ "CollectionId": "people" }), created).await;
    cloud
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("rekognition", operation, input, expected).await
}

fn bytes(file: &[u8]) -> Value {
    json!({ "Bytes": BASE64.encode(file) })
}

/// The first photograph of a person.
fn first(person: u64) -> Value {
    bytes(&reference(person).to_jpeg(90))
}

/// Another photograph of the same person.
fn second(person: u64) -> Value {
    let (_, view, quality) = CONDITIONS[CONDITIONS.len() - 1];
    bytes(&portrait(person, &view(person)).to_jpeg(quality))
}

fn nobody() -> Value {
    bytes(&scenery(Scenery::Landscape, 3, 320, 240).to_png())
}

async fn add(cloud: &Cloud, person: u64, name: &str) -> String {
    let input = json!({ "CollectionId": "people", "Image": first(person), "ExternalImageId": name });
    let face = json!({ "FaceId": "*", "ImageId": "*", "ExternalImageId": name });
    let expected = json!({ "FaceRecords": [{ "Face": face }], "UnindexedFaces": [] });
    let answer = check(cloud, "IndexFaces", input, expected).await;
    answer["FaceRecords"][0]["Face"]["FaceId"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_recognised() {
    let cloud = cloud().await;
    let ada = add(&cloud, 1001, "Ada_Lovelace").await;
    let grace = add(&cloud, 1002, "Grace_Hopper").await;
    let search = |image: Value| json!({ "CollectionId": "people", "Image": image });
    let found =
        |name: &str| json!({ "FaceMatches": [{ "Similarity": "*", "Face": { "ExternalImageId": name } }] });
    for (image, expected) in [
        (second(1001), found("Ada_Lovelace")),
        (second(1002), found("Grace_Hopper")),
        (
            second(1003),
            json!({ "FaceMatches": [], "SearchedFaceConfidence": "*", "FaceModelVersion": "1.0" }),
        ),
        (
            nobody(),
            "InvalidParameterException: There are no faces in the image. Should be at least 1.".into(),
        ),
    ] {
        check(&cloud, "SearchFacesByImage", search(image), expected).await;
    }
    let all =
        json!({ "CollectionId": "people", "Image": second(1002), "FaceMatchThreshold": 0, "MaxFaces": 2 });
    let both = json!({ "FaceMatches": [{ "Face": { "FaceId": grace } }, { "Face": { "FaceId": ada } }] });
    check(&cloud, "SearchFacesByImage", all, both).await;
    let by_face = json!({ "CollectionId": "people", "FaceId": ada, "FaceMatchThreshold": 0 });
    let other = json!({ "SearchedFaceId": ada, "FaceMatches": [{ "Face": { "FaceId": grace } }] });
    check(&cloud, "SearchFaces", by_face, other).await;
    let unknown = json!({ "CollectionId": "people", "FaceId": "11111111-1111-1111-1111-111111111111" });
    let answer = "InvalidParameterException: faceId was not found in the collection.";
    check(&cloud, "SearchFaces", unknown, answer.into()).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_hold_faces_until_they_go() {
    let cloud = cloud().await;
    let (ada, grace) = (add(&cloud, 1001, "Ada").await, add(&cloud, 1002, "Grace").await);
    let people = json!({ "CollectionId": "people" });
    let described = json!({
        "FaceCount": 2,
        "UserCount": 0,
        "FaceModelVersion": "1.0",
        "CollectionARN": "arn:aws:rekognition:us-east-1:000000000000:collection/people",
        "CreationTimestamp": 1_795_406_706.0,
    });
    check(&cloud, "DescribeCollection", people.clone(), described).await;
    let page = json!({ "CollectionId": "people", "MaxResults": 1 });
    let one = check(&cloud, "ListFaces", page, json!({ "Faces": ["*"], "NextToken": "*" })).await;
    let next = json!({ "CollectionId": "people", "MaxResults": 1, "NextToken": one["NextToken"] });
    let two = check(&cloud, "ListFaces", next, json!({ "Faces": ["*"], "NextToken": null })).await;
    let mut listed = [&one, &two].map(|page| page["Faces"][0]["FaceId"].as_str().expect("an id").to_owned());
    let mut expected = [ada.clone(), grace.clone()];
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    let missing = "22222222-2222-2222-2222-222222222222";
    for (operation, input, expected) in [
        (
            "ListFaces",
            json!({ "CollectionId": "people", "FaceIds": [grace] }),
            json!({ "Faces": [{ "FaceId": grace }] }),
        ),
        (
            "DeleteFaces",
            json!({ "CollectionId": "people", "FaceIds": [ada, missing] }),
            json!({
                "DeletedFaces": [ada],
                "UnsuccessfulFaceDeletions": [{ "FaceId": missing, "Reasons": ["FACE_NOT_FOUND"] }],
            }),
        ),
        ("DescribeCollection", people.clone(), json!({ "FaceCount": 1 })),
        (
            "CreateCollection",
            people.clone(),
            "ResourceAlreadyExistsException: The collection id: people already exists".into(),
        ),
        ("CreateCollection", json!({ "CollectionId": "peoples" }), json!({ "StatusCode": 200 })),
        (
            "ListCollections",
            json!({}),
            json!({ "CollectionIds": ["people", "peoples"], "FaceModelVersions": ["1.0", "1.0"] }),
        ),
        (
            "ListCollections",
            json!({ "MaxResults": 1 }),
            json!({ "CollectionIds": ["people"], "NextToken": "*" }),
        ),
        ("ListCollections", json!({ "NextToken": "%" }), "InvalidPaginationTokenException: *".into()),
        ("CreateUser", json!({ "CollectionId": "people", "UserId": "gone" }), json!({})),
        ("DeleteCollection", people.clone(), json!({ "StatusCode": 200 })),
        (
            "DescribeCollection",
            people.clone(),
            "ResourceNotFoundException: The collection id: people does not exist".into(),
        ),
        ("DeleteCollection", people.clone(), "ResourceNotFoundException: *".into()),
        ("ListFaces", people.clone(), "ResourceNotFoundException: *".into()),
        ("ListFaces", json!({ "CollectionId": "peoples" }), json!({ "Faces": [] })),
        (
            "IndexFaces",
            json!({ "CollectionId": "people", "Image": nobody() }),
            "ResourceNotFoundException: *".into(),
        ),
        (
            "SearchFacesByImage",
            json!({ "CollectionId": "people", "Image": nobody() }),
            "ResourceNotFoundException: *".into(),
        ),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    let snapshot = cloud.engine.store().read().expect("a snapshot");
    let left =
        [COLLECTIONS, FACES, VECTORS, USERS].map(|space| snapshot.scan(space, [], 9).expect("rows").len());
    assert_eq!(left, [1, 0, 0, 0], "nothing of a deleted collection stays");
    drop(snapshot);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_bytes_or_objects_and_may_be_bad() {
    let cloud = cloud().await;
    cloud.check("s3", "CreateBucket", json!({ "Bucket": "album" }), json!({})).await;
    let body = Some(reference(1001).to_jpeg(90).into());
    let put =
        cloud.context.call_with_body("s3", "PutObject", json!({ "Bucket": "album", "Key": "a.jpg" }), body);
    put.await.expect("an object");
    let object = |bucket: &str, key: &str| json!({ "S3Object": { "Bucket": bucket, "Name": key } });
    let no_object = "InvalidS3ObjectException: Unable to get object metadata from S3. Check object key, region and/or access permissions.";
    let landmarks: Vec<Value> = ["eyeLeft", "eyeRight", "mouthLeft", "mouthRight", "nose"]
        .map(|kind| json!({ "Type": kind, "X": "*", "Y": "*" }))
        .into();
    let face = json!({
        "BoundingBox": { "Width": "*", "Height": "*", "Left": "*", "Top": "*" },
        "Confidence": "*",
        "Quality": { "Brightness": "*", "Sharpness": "*" },
        "Pose": { "Roll": "*", "Yaw": "*", "Pitch": "*" },
        "Landmarks": landmarks,
    });
    let small = scenery(Scenery::Room, 1, 79, 90).to_png();
    let wide = scenery(Scenery::Gradient, 1, 10_001, 80).to_png();
    for (image, expected) in [
        (object("album", "a.jpg"), json!({ "FaceDetails": [face] })),
        (object("album", "b.jpg"), no_object.into()),
        (object("nowhere", "a.jpg"), no_object.into()),
        (nobody(), json!({ "FaceDetails": [] })),
        (bytes(b"GIF89a"), "InvalidImageFormatException: Request has invalid image format".into()),
        (bytes(&reference(1001).to_jpeg(90)[..300]), "InvalidImageFormatException: *".into()),
        (bytes(&small), "InvalidParameterException: Request has invalid parameters".into()),
        (
            bytes(&wide),
            "ImageTooLargeException: Input image dimensions 10001 x 80 exceed maximum dimension size of 10000 pixels".into(),
        ),
        (json!({}), "InvalidParameterException: Request has invalid parameters".into()),
    ] {
        check(&cloud, "DetectFaces", json!({ "Image": image }), expected).await;
    }
    let all = json!({ "Image": nobody(), "Attributes": ["ALL"] });
    check(&cloud, "DetectFaces", all, "NotImplemented: *".into()).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faces_are_chosen_and_compared() {
    let cloud = cloud().await;
    let view = View { width: 240, background: 8, ..View::default() };
    let pair = portrait(1002, &View { size: 0.42, ..view }).beside(&portrait(1001, &view));
    let both = bytes(&pair.to_jpeg(90));
    let tiny = bytes(&portrait(1001, &View { width: 128, size: 0.42, ..view }).to_jpeg(90));
    let compare = |source: &Value, target: &Value| json!({ "SourceImage": source, "TargetImage": target });
    let index = |image: &Value, more: Value| {
        let mut input = json!({ "CollectionId": "people", "Image": image });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        input
    };
    let matched = json!({ "SourceImageFace": { "Confidence": "*" }, "FaceMatches": [{ "Similarity": "*" }], "UnmatchedFaces": ["*"] });
    let invalid = "InvalidParameterException: Request has invalid parameters";
    for (operation, input, expected) in [
        ("CompareFaces", compare(&second(1001), &both), matched.clone()),
        ("CompareFaces", compare(&second(1002), &both), matched),
        (
            "CompareFaces",
            compare(&second(1003), &both),
            json!({ "FaceMatches": [], "UnmatchedFaces": ["*", "*"] }),
        ),
        ("CompareFaces", compare(&nobody(), &both), invalid.into()),
        ("CompareFaces", compare(&both, &nobody()), invalid.into()),
        (
            "IndexFaces",
            index(&both, json!({ "MaxFaces": 1 })),
            json!({ "FaceRecords": ["*"], "UnindexedFaces": [{ "Reasons": ["EXCEEDS_MAX_FACES"], "FaceDetail": "*" }] }),
        ),
        ("IndexFaces", index(&both, json!({})), json!({ "FaceRecords": ["*", "*"], "UnindexedFaces": [] })),
        ("IndexFaces", index(&nobody(), json!({})), json!({ "FaceRecords": [], "UnindexedFaces": [] })),
        (
            "IndexFaces",
            index(&tiny, json!({ "QualityFilter": "HIGH" })),
            json!({ "FaceRecords": [], "UnindexedFaces": [{ "Reasons": ["LOW_SHARPNESS", "SMALL_BOUNDING_BOX"] }] }),
        ),
        ("IndexFaces", index(&tiny, json!({ "QualityFilter": "NONE" })), json!({ "FaceRecords": ["*"] })),
        ("DescribeCollection", json!({ "CollectionId": "people" }), json!({ "FaceCount": 4 })),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_faces_are_one_user() {
    let cloud = cloud().await;
    let (ada, grace) = (add(&cloud, 1001, "Ada").await, add(&cloud, 1002, "Grace").await);
    let again = json!({ "CollectionId": "people", "Image": second(1001) });
    let again = check(&cloud, "IndexFaces", again, json!({ "FaceRecords": ["*"] })).await;
    let again = again["FaceRecords"][0]["Face"]["FaceId"].clone();
    let of = |id: &str, more: Value| {
        let mut input = json!({ "CollectionId": "people", "UserId": id });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        input
    };
    let by = |more: Value| {
        let mut input = of("", more);
        input.as_object_mut().expect("an object").remove("UserId");
        input
    };
    let user = |id: &str| json!({ "Similarity": "*", "User": { "UserId": id, "UserStatus": "ACTIVE" } });
    let missing = "22222222-2222-2222-2222-222222222222";
    for (operation, input, expected) in [
        ("CreateUser", of("ada", json!({ "ClientRequestToken": "one" })), json!({})),
        ("CreateUser", of("ada", json!({ "ClientRequestToken": "one" })), json!({})),
        ("CreateUser", of("ada", json!({})), "ConflictException: The user id: ada already exists".into()),
        ("CreateUser", of("grace", json!({})), json!({})),
        (
            "ListUsers",
            by(json!({})),
            json!({ "Users": [{ "UserId": "ada", "UserStatus": "CREATED" }, { "UserId": "grace" }] }),
        ),
        ("ListUsers", by(json!({ "MaxResults": 1 })), json!({ "Users": ["*"], "NextToken": "*" })),
        // The first face may be anyone's; the others have to be alike.
        (
            "AssociateFaces",
            of("ada", json!({ "FaceIds": [ada, again, grace, missing] })),
            json!({
                "AssociatedFaces": [{ "FaceId": ada }, { "FaceId": again }],
                "UnsuccessfulFaceAssociations": [
                    { "FaceId": grace, "Confidence": "*", "Reasons": ["LOW_MATCH_CONFIDENCE"] },
                    { "FaceId": missing, "Reasons": ["FACE_NOT_FOUND"] },
                ],
                "UserStatus": "ACTIVE",
            }),
        ),
        (
            "AssociateFaces",
            of("grace", json!({ "FaceIds": [ada, grace] })),
            json!({
                "AssociatedFaces": [{ "FaceId": grace }],
                "UnsuccessfulFaceAssociations": [
                    { "FaceId": ada, "UserId": "ada", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"] },
                ],
            }),
        ),
        (
            "SearchUsers",
            by(json!({ "FaceId": again })),
            json!({ "UserMatches": [user("ada")], "SearchedFace": { "FaceId": again } }),
        ),
        (
            "SearchUsers",
            of("ada", json!({ "UserMatchThreshold": 0 })),
            json!({ "UserMatches": [user("grace")], "SearchedUser": { "UserId": "ada" } }),
        ),
        ("SearchUsers", by(json!({})), "InvalidParameterException: Request has invalid parameters".into()),
        (
            "SearchUsersByImage",
            by(json!({ "Image": second(1002) })),
            json!({
                "UserMatches": [user("grace")],
                "SearchedFace": { "FaceDetail": { "Confidence": "*" } },
                "UnsearchedFaces": [],
            }),
        ),
        (
            "SearchUsersByImage",
            by(json!({ "Image": second(1002), "UserMatchThreshold": 0, "MaxUsers": 1 })),
            json!({ "UserMatches": [user("grace")] }),
        ),
        ("SearchUsersByImage", by(json!({ "Image": second(1003) })), json!({ "UserMatches": [] })),
        ("SearchUsersByImage", by(json!({ "Image": nobody() })), "InvalidParameterException: *".into()),
        (
            "ListFaces",
            of("grace", json!({})),
            json!({ "Faces": [{ "FaceId": grace, "UserId": "grace" }], "NextToken": null }),
        ),
        (
            "DeleteFaces",
            by(json!({ "FaceIds": [grace] })),
            json!({
                "DeletedFaces": [],
                "UnsuccessfulFaceDeletions": [
                    { "FaceId": grace, "UserId": "grace", "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"] },
                ],
            }),
        ),
        (
            "DisassociateFaces",
            of("ada", json!({ "FaceIds": [grace, again, missing] })),
            json!({
                "DisassociatedFaces": [{ "FaceId": again }],
                "UnsuccessfulFaceDisassociations": [
                    { "FaceId": grace, "UserId": "grace", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"] },
                    { "FaceId": missing, "Reasons": ["FACE_NOT_FOUND"] },
                ],
                "UserStatus": "ACTIVE",
            }),
        ),
        ("DescribeCollection", by(json!({})), json!({ "UserCount": 2, "FaceCount": 3 })),
        ("DeleteUser", of("grace", json!({})), json!({})),
        (
            "DeleteUser",
            of("grace", json!({})),
            "ResourceNotFoundException: The user id: grace does not exist".into(),
        ),
        ("DeleteFaces", by(json!({ "FaceIds": [grace] })), json!({ "DeletedFaces": [grace] })),
        ("DescribeCollection", by(json!({})), json!({ "UserCount": 1, "FaceCount": 2 })),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    cloud.stop().await;
}
