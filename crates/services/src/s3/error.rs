//! S3's errors, with AWS's codes, statuses and sentences.

use aloft_engine::ServiceError;
use serde_json::json;

pub(super) fn no_such_bucket(bucket: &str) -> ServiceError {
    ServiceError::new("NoSuchBucket", 404, "The specified bucket does not exist")
        .with_field("BucketName", bucket)
}

pub(super) fn no_such_key(key: &str) -> ServiceError {
    ServiceError::new("NoSuchKey", 404, "The specified key does not exist.").with_field("Key", key)
}

pub(super) fn no_such_version(key: &str, version: &str) -> ServiceError {
    ServiceError::new("NoSuchVersion", 404, "The specified version does not exist.")
        .with_field("Key", key)
        .with_field("VersionId", version)
}

pub(super) fn no_such_upload(upload: &str) -> ServiceError {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    ServiceError::new("NoSuchUpload", 404, message).with_field("UploadId", upload)
}

pub(super) fn precondition_failed(condition: &str) -> ServiceError {
    let message = "At least one of the pre-conditions you specified did not hold";
    ServiceError::new("PreconditionFailed", 412, message).with_field("Condition", condition)
}

pub(super) fn invalid_range(range: &str, size: u64) -> ServiceError {
    ServiceError::new("InvalidRange", 416, "The requested range is not satisfiable")
        .with_field("RangeRequested", range)
        .with_field("ActualObjectSize", json!(size))
}

pub(super) fn invalid_argument(message: impl Into<String>, name: &str, value: &str) -> ServiceError {
    ServiceError::new("InvalidArgument", 400, message)
        .with_field("ArgumentName", name)
        .with_field("ArgumentValue", value)
}

pub(super) fn invalid_request(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidRequest", 400, message)
}

pub(super) fn malformed_xml() -> ServiceError {
    let message = "The XML you provided was not well-formed or did not validate against our published schema";
    ServiceError::new("MalformedXML", 400, message)
}

pub(super) fn bad_digest(message: impl Into<String>) -> ServiceError {
    ServiceError::new("BadDigest", 400, message)
}

pub(super) fn method_not_allowed(method: &str, resource: &str) -> ServiceError {
    ServiceError::new("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")
        .with_field("Method", method)
        .with_field("ResourceType", resource)
}

pub(super) fn access_denied() -> ServiceError {
    ServiceError::new("AccessDenied", 403, "Access Denied")
}

/// For options that change what S3 does and that the local cloud has not built: better refused than forgotten.
pub(super) fn not_built(what: &str) -> ServiceError {
    ServiceError::new("NotImplemented", 501, format!("the local cloud has not built {what}"))
}
