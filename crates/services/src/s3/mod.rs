//! Amazon S3: buckets, objects and their versions, multipart uploads, notifications.
//!
//! No storage classes and no encryption behind the names: what is asked for is kept and given back, and everything lies on
//! the same disk. Keeps true: an object's row, its blobs' belonging and its events change in one transaction.

mod acl;
mod body;
mod bucket;
mod checksum;
mod cloudformation;
mod conditions;
mod configuration;
mod cors;
mod crc;
mod delete;
mod error;
mod event;
mod facts;
mod get;
mod lifecycle;
mod list;
mod listing;
mod multipart;
mod multipart_list;
mod notification;
mod object;
mod properties;
mod put;
mod tagging;
mod versions;

use crate::storage::Fault;
use aloft_engine::timers::Timer;
use aloft_engine::{
    Context, Engine, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait, operations,
};
use aloft_wire::Request;
use bucket::Bucket;
use http::HeaderMap;

/// The service.
pub struct S3;

operations! { S3;
    AbortMultipartUpload => multipart::abort,
    CompleteMultipartUpload => multipart::complete,
    CopyObject => put::copy,
    CreateBucket => bucket::create,
    CreateMultipartUpload => multipart::create,
    DeleteBucket => bucket::delete,
    DeleteObject => delete::one,
    DeleteObjectTagging => tagging::delete,
    DeleteObjects => delete::many,
    GetBucketAcl => acl::get_bucket,
    GetBucketLocation => bucket::location,
    GetBucketNotificationConfiguration => notification::get,
    GetBucketPolicyStatus => acl::policy_status,
    GetObject => get::get,
    GetObjectAcl => acl::get_object,
    GetObjectAttributes => get::attributes,
    GetObjectTagging => tagging::get,
    HeadBucket => bucket::head,
    HeadObject => get::head,
    ListBuckets => bucket::list,
    ListMultipartUploads => multipart_list::uploads,
    ListObjectVersions => versions::list,
    ListObjects => list::v1,
    ListObjectsV2 => list::v2,
    ListParts => multipart_list::parts,
    PutBucketAcl => acl::put_bucket,
    PutBucketNotificationConfiguration => notification::put,
    PutObject => put::put,
    PutObjectAcl => acl::put_object,
    PutObjectTagging => tagging::put,
    UploadPart => multipart::upload_part,
    UploadPartCopy => multipart::upload_part_copy,
}

#[async_trait]
impl Service for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    async fn call(
        &self,
        context: &Context,
        operation: &str,
        input: Input,
    ) -> Option<Result<Reply, ServiceError>> {
        if let Err(error) = check_owner(context, &input) {
            return Some(Err(error));
        }
        match configuration::call(context, operation, &input.params).await {
            Some(answer) => Some(answer),
            None => Operation::dispatch(OPERATIONS, self, context, operation, input).await,
        }
    }

    fn operation_names(&self) -> Vec<&'static str> {
        OPERATIONS.iter().map(|operation| operation.name).chain(configuration::operation_names()).collect()
    }

    fn resources(&self) -> &'static [ResourceType] {
        cloudformation::RESOURCES
    }

    fn cross_origin(&self, engine: &Engine, request: &Request) -> Result<HeaderMap, ServiceError> {
        cors::headers(engine, request)
    }

    async fn timer(&self, context: &Context, timer: &Timer) -> Result<(), ServiceError> {
        if timer.name.starts_with(event::TIMER) {
            return event::deliver(context, &timer.payload).await;
        }
        if timer.name.starts_with(lifecycle::TIMER) {
            return lifecycle::run(context, &timer.payload).await;
        }
        tracing::warn!(name = timer.name, "a timer that S3 does not know");
        Ok(())
    }
}

/// Holds the caller's idea of who owns the bucket against the truth.
fn check_owner(context: &Context, input: &Input) -> Result<(), ServiceError> {
    let Some(expected) = input.params["ExpectedBucketOwner"].as_str() else { return Ok(()) };
    let snapshot = context.store().read().map_err(Fault::from)?;
    let bucket = Bucket::find(&snapshot, put::text(&input.params, "Bucket"))?;
    if bucket.account.as_str() == expected { Ok(()) } else { Err(error::access_denied()) }
}

#[cfg(test)]
mod tests;
