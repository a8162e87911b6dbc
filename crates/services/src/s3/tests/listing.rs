//! Listings, against a model that has all keys in memory.

use super::{cloud, put};
use crate::testing::Cloud;
use aloft_base::Ids;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What a listing gives from start to end: keys, and common prefixes.
fn expected(keys: &BTreeSet<String>, prefix: &str, delimiter: &str, after: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        let rest = &key[prefix.len()..];
        match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
            // A marker inside a group does not hide the group, unless the group is all before it.
            Some(at) => {
                let group = &key[..prefix.len() + at + delimiter.len()];
                if key.as_str() > after && group != after {
                    found.insert(group.to_owned());
                }
            }
            None if key.as_str() > after => drop(found.insert(key.clone())),
            None => {}
        }
    }
    found.into_iter().collect()
}

/// All pages of a listing, and the largest page.
async fn walk(cloud: &Cloud, mut input: Value) -> (Vec<String>, usize) {
    let (mut all, mut largest) = (Vec::new(), 0);
    loop {
        let page = cloud.call("s3", "ListObjectsV2", input.clone()).await;
        let texts = |list: &str, member: &str| -> Vec<String> {
            page[list]
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| entry[member].as_str().expect("a key").to_owned())
                .collect()
        };
        let mut both = [texts("Contents", "Key"), texts("CommonPrefixes", "Prefix")].concat();
        assert_eq!(page["KeyCount"], json!(both.len()), "{page}");
        both.sort();
        largest = largest.max(both.len());
        all.extend(both);
        if page["IsTruncated"] != true {
            return (all, largest);
        }
        input["ContinuationToken"] = page["NextContinuationToken"].clone();
    }
}

#[tokio::test]
async fn pages_join_to_what_is_there() {
    let cloud = cloud().await;
    let (ids, mut keys) = (Ids::seeded(7), BTreeSet::new());
    for _ in 0..60 {
        let length = 1 + ids.below(5);
        let key: String = (0..length)
            .map(|_| ["a", "b", "/", "é", "0"][usize::try_from(ids.below(5)).expect("small")])
            .collect();
        put(&cloud, &key, "").await;
        keys.insert(key);
    }
    for prefix in ["", "a", "a/", "/", "zz"] {
        for delimiter in ["", "/", "b", "a/"] {
            for after in ["", "a", "a/", "b/a", "é"] {
                for size in [1, 2, 7, 1000] {
                    let input = json!({ "Bucket": super::B, "Prefix": prefix, "Delimiter": delimiter, "StartAfter": after, "MaxKeys": size });
                    let (found, largest) = walk(&cloud, input.clone()).await;
                    assert_eq!(found, expected(&keys, prefix, delimiter, after), "{input}");
                    assert!(largest <= size, "{input}");
                }
            }
        }
    }
    cloud.stop().await;
}

#[tokio::test]
async fn the_old_listing_and_the_edges() {
    let cloud = cloud().await;
    for key in ["a b+c", "d/1", "d/2", "e"] {
        put(&cloud, key, "x").await;
    }
    for (operation, input, expected) in [
        (
            "ListObjects",
            json!({ "MaxKeys": 1 }),
            json!({ "IsTruncated": true, "NextMarker": null, "Contents": [{ "Key": "a b+c", "Owner": "*" }] }),
        ),
        (
            "ListObjects",
            json!({ "MaxKeys": 2, "Delimiter": "/" }),
            json!({ "NextMarker": "d/", "CommonPrefixes": [{ "Prefix": "d/" }], "Contents": [{}] }),
        ),
        (
            "ListObjects",
            json!({ "Marker": "d/", "Delimiter": "/" }),
            json!({ "Contents": [{ "Key": "e" }], "CommonPrefixes": [] }),
        ),
        (
            "ListObjectsV2",
            json!({ "EncodingType": "url", "MaxKeys": 1 }),
            json!({ "Contents": [{ "Key": "a+b%2Bc", "Owner": null }] }),
        ),
        (
            "ListObjectsV2",
            json!({ "EncodingType": "xml" }),
            json!("InvalidArgument: Invalid Encoding Method specified in Request"),
        ),
        ("ListObjectsV2", json!({ "MaxKeys": 0 }), json!({ "Contents": [], "IsTruncated": false })),
        ("ListObjectsV2", json!({ "MaxKeys": -1 }), json!("InvalidArgument*")),
        (
            "ListObjectsV2",
            json!({ "ContinuationToken": "?" }),
            json!("InvalidArgument: The continuation token provided is incorrect"),
        ),
        ("ListObjectsV2", json!({ "Bucket": "other" }), json!("NoSuchBucket*")),
    ] {
        super::check(&cloud, operation, input, expected).await;
    }
    cloud.stop().await;
}
