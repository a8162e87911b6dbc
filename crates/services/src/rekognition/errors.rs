//! What Rekognition answers when it cannot do what it was asked. All but its own failures have status 400.

use aloft_engine::ServiceError;
use aloft_faces::{EngineError, ImageError, LONGEST_SIDE};

fn error(code: &'static str, message: impl Into<String>) -> ServiceError {
    ServiceError::new(code, 400, message)
}

pub(super) fn invalid_parameters() -> ServiceError {
    error("InvalidParameterException", "Request has invalid parameters")
}

pub(super) fn no_face() -> ServiceError {
    error("InvalidParameterException", "There are no faces in the image. Should be at least 1.")
}

pub(super) fn unknown_face() -> ServiceError {
    error("InvalidParameterException", "faceId was not found in the collection.")
}

pub(super) fn unknown_collection(id: &str) -> ServiceError {
    error("ResourceNotFoundException", format!("The collection id: {id} does not exist"))
}

/// What has tags is named by an ARN.
pub(super) fn unknown_resource(arn: &str) -> ServiceError {
    error("ResourceNotFoundException", format!("The resource {arn} does not exist"))
}

pub(super) fn too_many_tags(limit: usize) -> ServiceError {
    error("ServiceQuotaExceededException", format!("A resource has at most {limit} tags"))
}

pub(super) fn unknown_user(id: &str) -> ServiceError {
    error("ResourceNotFoundException", format!("The user id: {id} does not exist"))
}

pub(super) fn user_exists(id: &str) -> ServiceError {
    error("ConflictException", format!("The user id: {id} already exists"))
}

pub(super) fn too_many_faces(limit: usize) -> ServiceError {
    error("ServiceQuotaExceededException", format!("A user has at most {limit} faces"))
}

pub(super) fn collection_exists(id: &str) -> ServiceError {
    error("ResourceAlreadyExistsException", format!("The collection id: {id} already exists"))
}

pub(super) fn bad_token() -> ServiceError {
    error("InvalidPaginationTokenException", "Invalid pagination token")
}

pub(super) fn no_object() -> ServiceError {
    error(
        "InvalidS3ObjectException",
        "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
    )
}

pub(super) fn too_large(limit: usize) -> ServiceError {
    error(
        "ImageTooLargeException",
        format!("Image size is too large. The maximum image size is {limit} bytes"),
    )
}

/// A picture that was indexed by another engine.
pub(super) fn other_model(version: &str) -> ServiceError {
    error(
        "InvalidParameterException",
        format!("The collection was made with face model {version}, which is not the one that runs now"),
    )
}

pub(super) fn not_built(what: &str) -> ServiceError {
    ServiceError::new("NotImplemented", 501, format!("the local cloud's Rekognition has not built {what}"))
}

pub(super) fn internal() -> ServiceError {
    ServiceError::new("InternalServerError", 500, "Internal server error")
}

/// What a failure of the engine means to the caller.
pub(super) fn engine(error: EngineError) -> ServiceError {
    tracing::error!(%error, "looking at a picture failed");
    internal()
}

/// What an unreadable picture means to the caller.
pub(super) fn picture(reason: &ImageError) -> ServiceError {
    match reason {
        ImageError::Format(_) => error("InvalidImageFormatException", "Request has invalid image format"),
        ImageError::TooSmall(..) => invalid_parameters(),
        ImageError::TooLarge(width, height) if *width.max(height) > LONGEST_SIDE => {
            let what = format!("exceed maximum dimension size of {LONGEST_SIDE} pixels");
            error("ImageTooLargeException", format!("Input image dimensions {width} x {height} {what}"))
        }
        ImageError::TooLarge(width, height) => error(
            "ImageTooLargeException",
            format!("Input image dimensions {width} x {height} are too large"),
        ),
    }
}
