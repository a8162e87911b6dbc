//! Access control lists, from before there were policies: everything belongs to the bucket's owner, and nobody else has a grant.
//!
//! A list that says more is refused as S3 refuses it where the owner is enforced, which is every new bucket's state.

use super::bucket::{self, Bucket};
use super::object;
use super::put::text;
use super::{S3, error};
use crate::storage::Fault;
use aloft_engine::{Context, ServiceError};
use serde_json::{Value, json};

fn owners(bucket: &Bucket) -> Value {
    let owner = bucket.owner();
    let grantee = json!({ "Type": "CanonicalUser", "ID": owner["ID"], "DisplayName": owner["DisplayName"] });
    json!({ "Owner": owner, "Grants": [{ "Grantee": grantee, "Permission": "FULL_CONTROL" }] })
}

/// Lets pass only what says that the owner has full control.
fn check(params: &Value, bucket: &Bucket) -> Result<(), ServiceError> {
    let canned =
        params["ACL"].as_str().is_none_or(|acl| matches!(acl, "private" | "bucket-owner-full-control"));
    let headers = params.as_object().into_iter().flatten().all(|(name, _)| !name.starts_with("Grant"));
    let owner = bucket.owner();
    let grants = params["AccessControlPolicy"]["Grants"].as_array().into_iter().flatten();
    let list = grants.into_iter().all(|grant| grant["Grantee"]["ID"] == owner["ID"]);
    if canned && headers && list {
        return Ok(());
    }
    Err(ServiceError::new("AccessControlListNotSupported", 400, "The bucket does not allow ACLs"))
}

pub(super) async fn get_bucket(
    _: &S3,
    context: &Context,
    input: bucket::Named,
) -> Result<Value, ServiceError> {
    Ok(owners(&bucket::find(context, &input.bucket)?))
}

pub(super) async fn put_bucket(_: &S3, context: &Context, params: Value) -> Result<(), ServiceError> {
    check(&params, &bucket::find(context, text(&params, "Bucket"))?)
}

fn find_object(context: &Context, params: &Value) -> Result<Bucket, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    let bucket = Bucket::find(&snapshot, text(params, "Bucket"))?;
    object::find(&snapshot, &bucket.name, text(params, "Key"), params["VersionId"].as_str())?;
    Ok(bucket)
}

pub(super) async fn get_object(_: &S3, context: &Context, params: Value) -> Result<Value, ServiceError> {
    Ok(owners(&find_object(context, &params)?))
}

pub(super) async fn put_object(_: &S3, context: &Context, params: Value) -> Result<(), ServiceError> {
    check(&params, &find_object(context, &params)?)
}

/// Whether a bucket's policy lets everybody in.
pub(super) async fn policy_status(
    _: &S3,
    context: &Context,
    input: bucket::Named,
) -> Result<Value, ServiceError> {
    let bucket = bucket::find(context, &input.bucket)?;
    let policy = bucket.configurations.get("policy").and_then(Value::as_str);
    let policy = policy.ok_or_else(|| {
        ServiceError::new("NoSuchBucketPolicy", 404, "The bucket policy does not exist")
            .with_field("BucketName", &*bucket.name)
    })?;
    let policy: Value = serde_json::from_str(policy).map_err(|_| error::malformed_xml())?;
    let statements =
        policy["Statement"].as_array().cloned().unwrap_or_else(|| vec![policy["Statement"].clone()]);
    let everybody = |principal: &Value| *principal == json!("*") || principal["AWS"] == json!("*");
    let is_public = |statement: &Value| {
        statement["Effect"] == "Allow"
            && everybody(&statement["Principal"])
            && statement["Condition"].is_null()
    };
    Ok(json!({ "PolicyStatus": { "IsPublic": statements.iter().any(is_public) } }))
}
