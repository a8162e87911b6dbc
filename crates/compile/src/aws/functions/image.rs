//! Container images: which one a function runs, by its digest.

use crate::aws::context::Context;
use crate::aws::values::{at, display, get};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value};

/// An image.
pub struct Image {
    /// `<repository>@sha256:<digest>`
    pub uri: String,
    /// The hexadecimal part of the digest.
    pub sha256: String,
    /// `ImageConfig`.
    pub config: Option<Value>,
}

/// The image of a function.
///
/// # Errors
/// The original's for settings that contradict each other; `IMAGE_BUILD_NOT_SUPPORTED` for one that has to be built.
pub fn resolve(context: &Context<'_>, key: &str, image: &Value) -> Result<Image, Diagnostic> {
    let place = format!("functions.{key}.image");
    let (reference, config) = match image {
        Value::Object(settings) => {
            (function_reference(context, key, settings, &place)?, image_config(settings))
        }
        other => (display(other), None),
    };
    let named = image.as_object().is_some_and(|settings| get(settings, "name").is_some());
    let uri = if !named && (is_ecr_uri(&reference) || image.is_object()) {
        reference
    } else {
        provider_image(context, &reference, &place)?
    };
    let (uri, sha256) = digest(context, &uri, &place)?;
    Ok(Image { uri, sha256, config })
}

/// The images of the service's functions that are named by a tag, whose digests have to be looked up before compiling.
#[must_use]
pub fn tags(service: &aloft_config::Service) -> Vec<String> {
    let of_function = |function: &Value| {
        let image = function.get("image")?;
        let reference = |image: &Value| image.get("uri").or(image.as_str().map(|_| image)).map(display);
        let name = image.get("name").map(display).or_else(|| image.as_str().map(str::to_owned));
        let provided = name.and_then(|name| service.at(&["provider", "ecr", "images", &name]));
        provided.or(Some(image)).and_then(reference)
    };
    let mut found: Vec<String> = service
        .functions()
        .values()
        .filter_map(of_function)
        .filter(|image| is_ecr_uri(image) && !image.contains('@'))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn function_reference(
    context: &Context<'_>,
    key: &str,
    settings: &Map<String, Value>,
    place: &str,
) -> Result<String, Diagnostic> {
    match (get(settings, "uri"), get(settings, "name")) {
        (None, None) => Err(context
            .error(
                "FUNCTION_IMAGE_NEITHER_URI_NOR_NAME_DEFINED_ERROR",
                format!("Either \"uri\" or \"name\" property needs to be set on image for function: {key}"),
                place,
            )
            .help("add `uri:` with the address of an image in ECR, or `name:` of an image in `provider.ecr.images`")),
        (Some(_), Some(_)) => Err(context
            .error(
                "FUNCTION_IMAGE_BOTH_URI_AND_NAME_DEFINED_ERROR",
                format!("Either \"uri\" or \"name\" property (not both) needs to be set on image for function: {key}"),
                place,
            )
            .help("remove one of them")),
        (Some(one), None) | (None, Some(one)) => Ok(display(one)),
    }
}

fn image_config(settings: &Map<String, Value>) -> Option<Value> {
    let config: Map<String, Value> =
        [("command", "Command"), ("entryPoint", "EntryPoint"), ("workingDirectory", "WorkingDirectory")]
            .into_iter()
            .filter_map(|(setting, property)| Some((property.to_owned(), get(settings, setting)?.clone())))
            .collect();
    (!config.is_empty()).then_some(Value::Object(config))
}

/// The address of an image of `provider.ecr.images`.
fn provider_image(context: &Context<'_>, name: &str, place: &str) -> Result<String, Diagnostic> {
    let Some(image) = at(context.provider, &["ecr", "images", name]) else {
        return Err(context
            .error(
                "REFERENCED_FUNCTION_IMAGE_NOT_DEFINED_IN_PROVIDER",
                format!("Referenced \"{name}\" not defined in \"provider.ecr.images\""),
                place,
            )
            .help(format!("add `provider.ecr.images.{name}`, or name one that is there")));
    };
    let place = format!("provider.ecr.images.{name}");
    let settings = match image {
        Value::Object(settings) => settings,
        other if is_ecr_uri(&display(other)) => return Ok(display(other)),
        _ => return Err(build_needed(context, name, &place)),
    };
    let error = |code: &str, message: String| context.error(code, message, &place);
    let (uri, path) = (get(settings, "uri"), get(settings, "path"));
    match (uri, path) {
        (None, None) => Err(error(
            "ECR_IMAGE_NEITHER_URI_NOR_PATH_DEFINED_ERROR",
            format!("Either \"uri\" or \"path\" property needs to be set on image \"{name}\""),
        )),
        (Some(_), Some(_)) => Err(error(
            "ECR_IMAGE_BOTH_URI_AND_PATH_DEFINED_ERROR",
            format!("Either \"uri\" or \"path\" property (not both) needs to be set on image \"{name}\""),
        )),
        (None, Some(_)) => Err(build_needed(context, name, &place)),
        (Some(uri), None) => {
            let excluded = [("buildArgs", "BUILDARGS"), ("cacheFrom", "CACHEFROM"), ("platform", "PLATFORM")];
            match excluded.iter().find(|(key, _)| get(settings, key).is_some()) {
                Some((key, code)) => Err(error(
                    &format!("ECR_IMAGE_BOTH_URI_AND_{code}_DEFINED_ERROR"),
                    format!("The \"{key}\" property cannot be used with \"uri\" property \"{name}\""),
                )),
                None => Ok(display(uri)),
            }
        }
    }
}

fn build_needed(context: &Context<'_>, name: &str, place: &str) -> Diagnostic {
    context
        .error(
            "IMAGE_BUILD_NOT_SUPPORTED",
            format!("the image \"{name}\" has to be built, which is not supported yet"),
            place,
        )
        .help("build and push it yourself, and name it by `uri`")
}

/// The address with its digest, which is looked up when a tag is given.
fn digest(context: &Context<'_>, image: &str, place: &str) -> Result<(String, String), Diagnostic> {
    if let Some((_, digest)) = image.split_once('@') {
        return Ok((image.to_owned(), digest.trim_start_matches("sha256:").to_owned()));
    }
    let region = image.split('.').nth(3).unwrap_or_default();
    let wanted = &context.service.region;
    if region != wanted {
        let message = format!(
            "The region \"{region}\" of the ECR image \"{image}\" must match provider region \"{wanted}\"."
        );
        return Err(context
            .error("LAMBDA_ECR_REGION_MISMATCH_ERROR", message, place)
            .help("push the image to a repository in the service's region"));
    }
    let Some(digest) = context.options.image_digests.get(image) else {
        return Err(context
            .error("IMAGE_DIGEST_UNKNOWN", format!("the digest of the image \"{image}\" is not known"), place)
            .help("name the image by its digest: <repository>@sha256:<digest>"));
    };
    let repository = image.split(':').next().unwrap_or(image);
    Ok((format!("{repository}@{digest}"), digest.trim_start_matches("sha256:").to_owned()))
}

/// An address of the registry of an account, or anything with a digest.
fn is_ecr_uri(text: &str) -> bool {
    let with_digest = text
        .rsplit_once("@sha256:")
        .is_some_and(|(_, digest)| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let account = text.split(".dkr.ecr.").next().unwrap_or_default();
    with_digest
        || (text.contains(".dkr.ecr.")
            && text.contains(".amazonaws.com/")
            && !account.is_empty()
            && account.bytes().all(|byte| byte.is_ascii_digit()))
}
