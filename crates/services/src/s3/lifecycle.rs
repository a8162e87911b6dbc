//! Lifecycle rules: objects, older versions and unfinished uploads that go when their time has come.
//!
//! A bucket with rules has a timer at the next midnight, UTC, when S3 looks too. Transitions to other storage classes change
//! nothing here, where all classes lie on one disk.

use super::bucket::{BUCKETS, Bucket, Versioning};
use super::multipart::{self, UPLOADS, Upload};
use super::object::{self, OBJECTS, Version};
use super::put::text;
use super::{error, listing};
use crate::storage::{Fault, decode};
use aloft_base::Timestamp;
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, StoreError, Transaction, key};
use serde_json::{Value, json};

/// What the names of the timers that look begin with.
pub(super) const TIMER: &str = "lifecycle/";
const DAY: i64 = 86_400_000;
/// How many objects one transaction looks at.
const BATCH: usize = 500;
const EVENT: &str = "LifecycleExpiration";

pub(super) fn check(value: &mut Value, _: &Bucket) -> Result<(), ServiceError> {
    let rules =
        value["Rules"].as_array().filter(|rules| !rules.is_empty()).ok_or_else(error::malformed_xml)?;
    if rules.len() > 1000 {
        return Err(error::malformed_xml());
    }
    for rule in rules {
        if !matches!(rule["Status"].as_str(), Some("Enabled" | "Disabled")) {
            return Err(error::malformed_xml());
        }
        let acts = [
            "Expiration",
            "Transitions",
            "NoncurrentVersionTransitions",
            "NoncurrentVersionExpiration",
            "AbortIncompleteMultipartUpload",
        ];
        if acts.iter().all(|name| rule[*name].is_null()) {
            return Err(error::invalid_request("At least one action needs to be specified in a rule."));
        }
        if rule["Expiration"]["Days"].as_i64().is_some_and(|days| days < 1) {
            let message = "'Days' for Expiration action must be a positive integer";
            return Err(ServiceError::new("InvalidArgument", 400, message));
        }
    }
    Ok(())
}

/// Sets or cancels the bucket's timer after its configuration has changed.
pub(super) fn plan(
    transaction: &mut Transaction<'_>,
    bucket: &Bucket,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !bucket.configurations.contains_key("lifecycle") {
        return cancel(transaction, &bucket.name);
    }
    let timer = Timer {
        service: "s3".to_owned(),
        name: format!("{TIMER}{}", bucket.name),
        due: Timestamp((now.millis().div_euclid(DAY) + 1) * DAY),
        account: bucket.account.clone(),
        region: bucket.region.clone(),
        payload: json!({ "bucket": bucket.name }),
    };
    timers::set(transaction, &timer)
}

pub(super) fn cancel(transaction: &mut Transaction<'_>, bucket: &str) -> Result<(), StoreError> {
    timers::cancel(transaction, "s3", &format!("{TIMER}{bucket}"))
}

/// Looks through a bucket, batch by batch, and plans the next look.
pub(super) async fn run(context: &Context, payload: &Value) -> Result<(), ServiceError> {
    let name = text(payload, "bucket").to_owned();
    let mut after = Some(Vec::new());
    while let Some(from) = after {
        let (name, for_transaction) = (name.clone(), context.clone());
        let look = move |transaction: &mut Transaction<'_>| -> Result<Option<Vec<u8>>, Fault> {
            let Some(bucket) = transaction.get_json::<Bucket>(BUCKETS, key([&name]))? else {
                return Ok(None);
            };
            look_at_batch(transaction, &for_transaction, &bucket, from)
        };
        after = context.store().write(look).await?;
    }
    let now = context.now();
    let finish = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let Some(bucket) = transaction.get_json::<Bucket>(BUCKETS, key([&name]))? else { return Ok(()) };
        for rule in enabled(&bucket) {
            abort_uploads(transaction, &bucket, &rule, now)?;
        }
        Ok(plan(transaction, &bucket, now)?)
    };
    Ok(context.store().write(finish).await?)
}

fn enabled(bucket: &Bucket) -> Vec<Value> {
    let rules =
        bucket.configurations.get("lifecycle").and_then(|configuration| configuration["Rules"].as_array());
    rules.into_iter().flatten().filter(|rule| rule["Status"] == "Enabled").cloned().collect()
}

/// Looks at the next keys; gives where to go on.
fn look_at_batch(
    transaction: &mut Transaction<'_>,
    context: &Context,
    bucket: &Bucket,
    from: Vec<u8>,
) -> Result<Option<Vec<u8>>, Fault> {
    use std::ops::Bound;
    let within = key([&bucket.name]).into_bytes();
    let mut end = within.clone();
    // The key of a bucket ends in a zero byte: this is the first one behind all of its objects.
    if let Some(last) = end.last_mut() {
        *last = 1;
    }
    let start = if from.is_empty() { Bound::Included(&within[..]) } else { Bound::Excluded(&from[..]) };
    let rows = transaction.range(OBJECTS, start, Bound::Excluded(&end), BATCH, false)?;
    let rules = enabled(bucket);
    for (row_key, row) in &rows {
        let object = listing::first_text(&row_key[within.len()..]);
        let current: Version = decode(OBJECTS, row)?;
        for rule in &rules {
            expire(transaction, context, bucket, &object, &current, rule)?;
        }
    }
    Ok(rows.last().filter(|_| rows.len() == BATCH).map(|(row_key, _)| row_key.clone()))
}

/// Applies one rule to one key.
fn expire(
    transaction: &mut Transaction<'_>,
    context: &Context,
    bucket: &Bucket,
    object: &str,
    current: &Version,
    rule: &Value,
) -> Result<(), Fault> {
    let now = context.now();
    let older = object::older(transaction, &bucket.name, object, usize::MAX)?;
    let noncurrent = &rule["NoncurrentVersionExpiration"];
    if let Some(days) = noncurrent["NoncurrentDays"].as_i64() {
        let kept = usize::try_from(noncurrent["NewerNoncurrentVersions"].as_u64().unwrap_or(0)).unwrap_or(0);
        // A version is as long noncurrent as the one that came after it is there.
        let since = std::iter::once(current).chain(&older).map(|version| version.modified);
        for (version, since) in older.iter().zip(since).skip(kept) {
            if applies(rule, object, version) && is_past(since, days, now) {
                object::delete(transaction, context, bucket, object, Some(&version.id), EVENT)?;
            }
        }
    }
    if current.delete_marker {
        if rule["Expiration"]["ExpiredObjectDeleteMarker"] == true
            && older.is_empty()
            && applies(rule, object, current)
        {
            object::delete(transaction, context, bucket, object, Some(&current.id), EVENT)?;
        }
        return Ok(());
    }
    let by_days =
        rule["Expiration"]["Days"].as_i64().is_some_and(|days| is_past(current.modified, days, now));
    let by_date =
        rule["Expiration"]["Date"].as_f64().is_some_and(|date| Timestamp::from_seconds_f64(date) <= now);
    let unchanged = object::current(transaction, &bucket.name, object)?
        .is_some_and(|there| there.sequence == current.sequence);
    if (by_days || by_date) && unchanged && applies(rule, object, current) {
        let id = (bucket.versioning() == Versioning::Off).then_some(current.id.as_str());
        object::delete(transaction, context, bucket, object, id, EVENT)?;
    }
    Ok(())
}

/// Whether so many days have passed; S3 rounds their end up to midnight.
fn is_past(since: Timestamp, days: i64, now: Timestamp) -> bool {
    let end = since.millis().saturating_add(days.saturating_mul(DAY));
    (end.div_euclid(DAY) + 1).saturating_mul(DAY) <= now.millis()
}

/// Whether the rule's filter lets the version through.
fn applies(rule: &Value, object: &str, version: &Version) -> bool {
    let filter = if rule["Filter"]["And"].is_object() { &rule["Filter"]["And"] } else { &rule["Filter"] };
    let prefix = filter["Prefix"].as_str().or(rule["Prefix"].as_str()).unwrap_or_default();
    let mut tags = filter["Tags"]
        .as_array()
        .into_iter()
        .flatten()
        .chain(filter.get("Tag").filter(|tag| tag.is_object()));
    object.starts_with(prefix)
        && tags.all(|tag| version.facts.tags.contains(tag))
        && filter["ObjectSizeGreaterThan"].as_u64().is_none_or(|size| version.size > size)
        && filter["ObjectSizeLessThan"].as_u64().is_none_or(|size| version.size < size)
}

fn abort_uploads(
    transaction: &mut Transaction<'_>,
    bucket: &Bucket,
    rule: &Value,
    now: Timestamp,
) -> Result<(), Fault> {
    let Some(days) = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"].as_i64() else {
        return Ok(());
    };
    let prefix = rule["Filter"]["Prefix"].as_str().or(rule["Prefix"].as_str()).unwrap_or_default();
    for (row_key, row) in transaction.scan(UPLOADS, key([&bucket.name]), usize::MAX)? {
        let upload: Upload = decode(UPLOADS, &row)?;
        if let [_, object, id] = &Key::texts(&row_key)[..]
            && object.starts_with(prefix)
            && is_past(upload.initiated, days, now)
        {
            multipart::drop_upload(transaction, &bucket.name, object, id)?;
        }
    }
    Ok(())
}
