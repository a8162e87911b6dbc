//! Buckets: their row, their names, and the operations that make, find and remove them.

use super::{S3, error};
use crate::storage::{Fault, Rows, decode};
use aloft_base::{AccountId, Region, Timestamp};
use aloft_engine::{Context, Principal, Reply, ServiceError};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Buckets by name: names are shared by all accounts and regions.
pub(super) const BUCKETS: Keyspace = "s3.buckets";

/// A bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Bucket {
    pub name: String,
    pub account: AccountId,
    pub region: Region,
    pub created: Timestamp,
    /// What was configured, as it was given, by the names in [`super::configuration`].
    pub configurations: BTreeMap<String, Value>,
}

/// Whether new versions push older ones aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versioning {
    Off,
    Enabled,
    /// New objects have the version `null`, which only the next `null` replaces.
    Suspended,
}

impl Bucket {
    pub fn find(rows: &impl Rows, name: &str) -> Result<Self, Fault> {
        Ok(rows.row(BUCKETS, key([name]).as_ref())?.ok_or_else(|| error::no_such_bucket(name))?)
    }

    pub fn save(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.put_json(BUCKETS, key([&self.name]), self)
    }

    pub fn versioning(&self) -> Versioning {
        match self.configurations.get("versioning").and_then(|versioning| versioning["Status"].as_str()) {
            Some("Enabled") => Versioning::Enabled,
            Some("Suspended") => Versioning::Suspended,
            _ => Versioning::Off,
        }
    }

    pub fn arn(&self) -> String {
        arn(&self.region, &self.name)
    }

    /// The canonical id and name of the owner, as S3 shows them.
    pub fn owner(&self) -> Value {
        owner(&self.account)
    }

    /// The encryption of objects that ask for none.
    pub fn default_encryption(&self) -> Map<String, Value> {
        let rule = self.configurations.get("encryption").map(|encryption| &encryption["Rules"][0]);
        let by_default = rule.map(|rule| &rule["ApplyServerSideEncryptionByDefault"]);
        let algorithm =
            by_default.and_then(|by_default| by_default["SSEAlgorithm"].as_str()).unwrap_or("AES256");
        let mut encryption = Map::from_iter([("ServerSideEncryption".to_owned(), json!(algorithm))]);
        if let Some(kms_key) = by_default.and_then(|by_default| by_default["KMSMasterKeyID"].as_str()) {
            encryption.insert("SSEKMSKeyId".to_owned(), json!(kms_key));
        }
        if rule.is_some_and(|rule| rule["BucketKeyEnabled"] == true) && algorithm.starts_with("aws:kms") {
            encryption.insert("BucketKeyEnabled".to_owned(), json!(true));
        }
        encryption
    }
}

pub(super) fn arn(region: &Region, bucket: &str) -> String {
    format!("arn:{}:s3:::{bucket}", region.partition())
}

/// An account's canonical user: S3 knows accounts by 64 hex digits, which are made from the account's number here.
pub(super) fn owner(account: &AccountId) -> Value {
    use sha2::Digest;
    let id = super::checksum::hex(&sha2::Sha256::digest(account.as_str()));
    json!({ "ID": id, "DisplayName": account.as_str() })
}

/// Whether a new bucket may have the name.
fn is_valid_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let alphanumeric =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| fits(*byte))
        && alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    bucket: String,
    #[serde(default)]
    create_bucket_configuration: Value,
    #[serde(default)]
    object_lock_enabled_for_bucket: bool,
    object_ownership: Option<String>,
}

pub(super) async fn create(_: &S3, context: &Context, input: Create) -> Result<Value, ServiceError> {
    let name = input.bucket;
    if !is_valid_name(&name) {
        let error = ServiceError::new("InvalidBucketName", 400, "The specified bucket is not valid.");
        return Err(error.with_field("BucketName", name));
    }
    if input.object_lock_enabled_for_bucket {
        return Err(error::not_built("object lock"));
    }
    check_location(context, &input.create_bucket_configuration)?;
    let ownership = input.object_ownership.unwrap_or_else(|| "BucketOwnerEnforced".to_owned());
    let mut configurations =
        BTreeMap::from([("ownership".to_owned(), json!({ "Rules": [{ "ObjectOwnership": ownership }] }))]);
    if let Some(tags) = input.create_bucket_configuration["Tags"].as_array().filter(|tags| !tags.is_empty()) {
        configurations.insert("tagging".to_owned(), json!({ "TagSet": tags }));
    }
    let bucket = Bucket {
        name: name.clone(),
        account: context.account.clone(),
        region: context.region.clone(),
        created: context.now(),
        configurations,
    };
    let create = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let Some(there) = transaction.get_json::<Bucket>(BUCKETS, key([&bucket.name]))? else {
            return Ok(bucket.save(transaction)?);
        };
        if there.account != bucket.account {
            let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. \
                Please select a different name and try again.";
            let error = ServiceError::new("BucketAlreadyExists", 409, message);
            return Err(error.with_field("BucketName", there.name).into());
        }
        // The oldest region keeps its oldest habit: creating a bucket again is fine there.
        if there.region.as_str() == "us-east-1" && bucket.region.as_str() == "us-east-1" {
            return Ok(());
        }
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        Err(ServiceError::new("BucketAlreadyOwnedByYou", 409, message)
            .with_field("BucketName", there.name)
            .into())
    };
    context.store().write(create).await?;
    Ok(json!({ "Location": format!("/{name}"), "BucketArn": arn(&context.region, &name) }))
}

/// The constraint must name the region that was asked, and must not be there in us-east-1.
fn check_location(context: &Context, configuration: &Value) -> Result<(), ServiceError> {
    let region = context.region.as_str();
    let illegal = |constraint: &str| {
        let message = format!(
            "The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to."
        );
        Err(ServiceError::new("IllegalLocationConstraintException", 400, message))
    };
    match configuration["LocationConstraint"].as_str() {
        Some("us-east-1") => {
            let error = ServiceError::new(
                "InvalidLocationConstraint",
                400,
                "The specified location-constraint is not valid",
            );
            Err(error.with_field("LocationConstraint", "us-east-1"))
        }
        Some("EU") if region == "eu-west-1" => Ok(()),
        Some(constraint) if constraint != region => illegal(constraint),
        None if region != "us-east-1" => illegal("unspecified"),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    pub bucket: String,
}

pub(super) async fn delete(_: &S3, context: &Context, input: Named) -> Result<Reply, ServiceError> {
    let delete = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let bucket = Bucket::find(transaction, &input.bucket)?;
        let within = key([&bucket.name]);
        if !transaction.scan(super::object::OBJECTS, &within, 1)?.is_empty() {
            let versioned = bucket.versioning() != Versioning::Off;
            let more = if versioned { ". You must delete all versions in the bucket." } else { "" };
            let message = format!("The bucket you tried to delete is not empty{more}");
            Err(ServiceError::new("BucketNotEmpty", 409, message).with_field("BucketName", &*bucket.name))?;
        }
        // Uploads that were begun do not keep a bucket alive.
        super::multipart::abort_all(transaction, &bucket.name)?;
        transaction.delete(BUCKETS, within);
        super::lifecycle::cancel(transaction, &bucket.name)?;
        Ok(())
    };
    context.store().write(delete).await?;
    Ok(no_content())
}

/// 204, where the model has 200 or nothing.
pub(super) fn no_content() -> Reply {
    Reply { status: Some(http::StatusCode::NO_CONTENT), ..Reply::new(json!({})) }
}

/// A bucket as the caller may see it.
pub(super) fn find(context: &Context, name: &str) -> Result<Bucket, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    Ok(Bucket::find(&snapshot, name)?)
}

pub(super) async fn head(_: &S3, context: &Context, input: Named) -> Result<Value, ServiceError> {
    let bucket = find(context, &input.bucket)?;
    Ok(json!({ "BucketRegion": bucket.region, "AccessPointAlias": false, "BucketArn": bucket.arn() }))
}

pub(super) async fn location(_: &S3, context: &Context, input: Named) -> Result<Value, ServiceError> {
    let bucket = find(context, &input.bucket)?;
    let constraint = Some(bucket.region.as_str()).filter(|region| *region != "us-east-1");
    Ok(json!({ "LocationConstraint": constraint }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    max_buckets: Option<usize>,
    continuation_token: Option<String>,
    prefix: Option<String>,
    bucket_region: Option<String>,
}

pub(super) async fn list(_: &S3, context: &Context, input: List) -> Result<Value, ServiceError> {
    if context.principal == Principal::Anonymous && context.engine.options().require_credentials {
        return Err(error::access_denied());
    }
    let snapshot = context.store().read().map_err(Fault::from)?;
    let from = input.continuation_token.unwrap_or_default();
    let mut buckets = Vec::new();
    for (_, row) in snapshot.rows(BUCKETS, &[], usize::MAX).map_err(Fault::from)? {
        let bucket: Bucket = decode(BUCKETS, &row).map_err(Fault::from)?;
        let wanted = bucket.account == context.account
            && input.prefix.as_ref().is_none_or(|prefix| bucket.name.starts_with(prefix))
            && input.bucket_region.as_ref().is_none_or(|region| bucket.region.as_str() == region)
            && bucket.name > from;
        if wanted {
            buckets.push(bucket);
        }
    }
    let limit = input.max_buckets.unwrap_or(10_000).clamp(1, 10_000);
    let token = if buckets.len() > limit { Some(buckets[limit - 1].name.clone()) } else { None };
    buckets.truncate(limit);
    let shown: Vec<Value> = buckets
        .iter()
        .map(|bucket| {
            json!({ "Name": bucket.name, "CreationDate": bucket.created.seconds(), "BucketRegion": bucket.region,
                "BucketArn": bucket.arn() })
        })
        .collect();
    Ok(
        json!({ "Buckets": shown, "Owner": owner(&context.account), "ContinuationToken": token, "Prefix": input.prefix }),
    )
}

/// The key of an object's rows.
pub(super) fn object_key(bucket: &str, object: &str) -> Key {
    key([bucket, object])
}
