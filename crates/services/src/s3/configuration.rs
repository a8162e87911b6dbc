//! What a bucket can be configured with and gives back as it was given: a kind is a row of [`KINDS`].
//!
//! Notifications have operations of their own, in [`super::notification`]: their destinations are asked.

use super::bucket::{Bucket, no_content};
use super::put::text;
use super::{error, lifecycle, tagging};
use crate::storage::Fault;
use aloft_base::Timestamp;
use aloft_engine::{Context, Reply, ServiceError};
use aloft_store::{StoreError, Transaction};
use serde_json::{Value, json};

/// What a bucket without the configuration answers.
enum Without {
    /// An error, of status 404.
    Error(&'static str, &'static str),
    /// A default, in JSON.
    Answer(&'static str),
}

/// A kind of configuration.
pub(super) struct Kind {
    /// Its name in the bucket's row.
    pub name: &'static str,
    put: Option<&'static str>,
    get: &'static str,
    delete: Option<&'static str>,
    /// The member of the input that carries it.
    member: &'static str,
    /// Whether the answer has the same member, or the configuration's own members.
    wrapped: bool,
    without: Without,
    /// Refuses what S3 does not take, and completes the rest.
    check: fn(&mut Value, &Bucket) -> Result<(), ServiceError>,
    /// What else a change means.
    changed: fn(&mut Transaction<'_>, &Bucket, Timestamp) -> Result<(), StoreError>,
}

const KIND: Kind = Kind {
    name: "",
    put: None,
    get: "",
    delete: None,
    member: "",
    wrapped: false,
    without: Without::Answer("{}"),
    check: |_, _| Ok(()),
    changed: |_, _, _| Ok(()),
};

/// All kinds, alphabetically.
pub(super) static KINDS: &[Kind] = &[
    Kind {
        name: "accelerate",
        put: Some("PutBucketAccelerateConfiguration"),
        get: "GetBucketAccelerateConfiguration",
        member: "AccelerateConfiguration",
        ..KIND
    },
    Kind {
        name: "cors",
        put: Some("PutBucketCors"),
        get: "GetBucketCors",
        delete: Some("DeleteBucketCors"),
        member: "CORSConfiguration",
        without: Without::Error("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        check: check_cors,
        ..KIND
    },
    Kind {
        name: "encryption",
        put: Some("PutBucketEncryption"),
        get: "GetBucketEncryption",
        delete: Some("DeleteBucketEncryption"),
        member: "ServerSideEncryptionConfiguration",
        wrapped: true,
        without: Without::Answer(
            r#"{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"},"BucketKeyEnabled":false}]}"#,
        ),
        check: check_encryption,
        ..KIND
    },
    Kind {
        name: "lifecycle",
        put: Some("PutBucketLifecycleConfiguration"),
        get: "GetBucketLifecycleConfiguration",
        delete: Some("DeleteBucketLifecycle"),
        member: "LifecycleConfiguration",
        without: Without::Error("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
        check: lifecycle::check,
        changed: lifecycle::plan,
        ..KIND
    },
    Kind {
        name: "logging",
        put: Some("PutBucketLogging"),
        get: "GetBucketLogging",
        member: "BucketLoggingStatus",
        check: |value, _| match value["LoggingEnabled"].is_object() {
            true => Err(error::not_built("server access logging")),
            false => Ok(()),
        },
        ..KIND
    },
    Kind {
        name: "object-lock",
        get: "GetObjectLockConfiguration",
        member: "ObjectLockConfiguration",
        wrapped: true,
        without: Without::Error(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ),
        ..KIND
    },
    Kind {
        name: "ownership",
        put: Some("PutBucketOwnershipControls"),
        get: "GetBucketOwnershipControls",
        delete: Some("DeleteBucketOwnershipControls"),
        member: "OwnershipControls",
        wrapped: true,
        without: Without::Error(
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
        ),
        ..KIND
    },
    Kind {
        name: "policy",
        put: Some("PutBucketPolicy"),
        get: "GetBucketPolicy",
        delete: Some("DeleteBucketPolicy"),
        member: "Policy",
        wrapped: true,
        without: Without::Error("NoSuchBucketPolicy", "The bucket policy does not exist"),
        check: check_policy,
        ..KIND
    },
    Kind {
        name: "public-access-block",
        put: Some("PutPublicAccessBlock"),
        get: "GetPublicAccessBlock",
        delete: Some("DeletePublicAccessBlock"),
        member: "PublicAccessBlockConfiguration",
        wrapped: true,
        without: Without::Error(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        ),
        check: |value, _| {
            for name in ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
            {
                value[name] = json!(value[name] == true);
            }
            Ok(())
        },
        ..KIND
    },
    Kind {
        name: "replication",
        get: "GetBucketReplication",
        delete: Some("DeleteBucketReplication"),
        member: "ReplicationConfiguration",
        wrapped: true,
        without: Without::Error(
            "ReplicationConfigurationNotFoundError",
            "The replication configuration was not found",
        ),
        ..KIND
    },
    Kind {
        name: "request-payment",
        put: Some("PutBucketRequestPayment"),
        get: "GetBucketRequestPayment",
        member: "RequestPaymentConfiguration",
        without: Without::Answer(r#"{"Payer":"BucketOwner"}"#),
        ..KIND
    },
    Kind {
        name: "tagging",
        put: Some("PutBucketTagging"),
        get: "GetBucketTagging",
        delete: Some("DeleteBucketTagging"),
        member: "Tagging",
        without: Without::Error("NoSuchTagSet", "The TagSet does not exist"),
        check: |value, _| {
            tagging::check(value["TagSet"].as_array().map_or(&[], Vec::as_slice), tagging::BUCKET_LIMIT)
        },
        ..KIND
    },
    Kind {
        name: "versioning",
        put: Some("PutBucketVersioning"),
        get: "GetBucketVersioning",
        member: "VersioningConfiguration",
        check: check_versioning,
        ..KIND
    },
    Kind {
        name: "website",
        put: Some("PutBucketWebsite"),
        get: "GetBucketWebsite",
        delete: Some("DeleteBucketWebsite"),
        member: "WebsiteConfiguration",
        without: Without::Error(
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
        ),
        ..KIND
    },
];

enum Action {
    Put,
    Get,
    Delete,
}

fn find(operation: &str) -> Option<(&'static Kind, Action)> {
    KINDS.iter().find_map(|kind| {
        let action = match operation {
            name if kind.put == Some(name) => Action::Put,
            name if kind.get == name => Action::Get,
            name if kind.delete == Some(name) => Action::Delete,
            _ => return None,
        };
        Some((kind, action))
    })
}

/// The operations of all kinds.
pub(super) fn operation_names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().flat_map(|kind| [kind.put, Some(kind.get), kind.delete]).flatten()
}

/// Does an operation on a configuration; nothing when it is none.
pub(super) async fn call(
    context: &Context,
    operation: &str,
    params: &Value,
) -> Option<Result<Reply, ServiceError>> {
    let (kind, action) = find(operation)?;
    let name = text(params, "Bucket").to_owned();
    Some(match action {
        Action::Put if !params[kind.member].is_object() && kind.name != "policy" => {
            Err(error::malformed_xml())
        }
        Action::Get => get(context, kind, &name),
        Action::Delete => change(context, kind, name, None).await.map(|()| no_content()),
        Action::Put => {
            let reply = change(context, kind, name, Some(params[kind.member].clone())).await;
            // The policy's is the one that answers without content.
            reply.map(|()| if kind.name == "policy" { no_content() } else { Reply::new(json!({})) })
        }
    })
}

fn get(context: &Context, kind: &Kind, name: &str) -> Result<Reply, ServiceError> {
    let bucket = super::bucket::find(context, name)?;
    let value = match (bucket.configurations.get(kind.name), &kind.without) {
        (Some(value), _) => value.clone(),
        (None, Without::Error(code, message)) => {
            return Err(ServiceError::new(*code, 404, *message).with_field("BucketName", name));
        }
        (None, Without::Answer(json)) => serde_json::from_str(json).unwrap_or_default(),
    };
    Ok(Reply::new(if kind.wrapped { json!({ (kind.member): value }) } else { value }))
}

async fn change(
    context: &Context,
    kind: &'static Kind,
    name: String,
    value: Option<Value>,
) -> Result<(), ServiceError> {
    let now = context.now();
    let change = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut bucket = Bucket::find(transaction, &name)?;
        match value {
            Some(mut value) => {
                (kind.check)(&mut value, &bucket)?;
                bucket.configurations.insert(kind.name.to_owned(), value);
            }
            None => drop(bucket.configurations.remove(kind.name)),
        }
        (kind.changed)(transaction, &bucket, now)?;
        Ok(bucket.save(transaction)?)
    };
    Ok(context.store().write(change).await?)
}

fn check_versioning(value: &mut Value, _: &Bucket) -> Result<(), ServiceError> {
    if value["MFADelete"] == "Enabled" {
        return Err(error::not_built("MFA delete"));
    }
    match value["Status"].as_str() {
        Some("Enabled" | "Suspended") => Ok(()),
        _ => Err(error::malformed_xml()),
    }
}

fn check_cors(value: &mut Value, _: &Bucket) -> Result<(), ServiceError> {
    let rules =
        value["CORSRules"].as_array().filter(|rules| !rules.is_empty()).ok_or_else(error::malformed_xml)?;
    for method in rules.iter().flat_map(|rule| rule["AllowedMethods"].as_array().into_iter().flatten()) {
        let method = method.as_str().unwrap_or_default();
        if !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method) {
            let message =
                format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}");
            return Err(error::invalid_request(message));
        }
    }
    Ok(())
}

fn check_encryption(value: &mut Value, _: &Bucket) -> Result<(), ServiceError> {
    let rules =
        value["Rules"].as_array().filter(|rules| rules.len() == 1).ok_or_else(error::malformed_xml)?;
    let by_default = &rules[0]["ApplyServerSideEncryptionByDefault"];
    match by_default["SSEAlgorithm"].as_str() {
        Some("AES256") if by_default["KMSMasterKeyID"].is_string() => Err(error::invalid_argument(
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            "ApplyServerSideEncryptionByDefault",
            "AES256",
        )),
        Some("AES256" | "aws:kms" | "aws:kms:dsse") | None => Ok(()),
        Some(_) => Err(error::malformed_xml()),
    }
}

fn check_policy(value: &mut Value, bucket: &Bucket) -> Result<(), ServiceError> {
    let malformed = |message: &str| Err(ServiceError::new("MalformedPolicy", 400, message));
    let Some(policy) =
        value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object)
    else {
        return malformed("Policies must be valid JSON and the first byte must be '{'");
    };
    let statements = match &policy["Statement"] {
        Value::Array(statements) if !statements.is_empty() => statements.iter().collect(),
        statement @ Value::Object(_) => vec![statement],
        _ => return malformed("Missing required field Statement"),
    };
    let arn = bucket.arn();
    for statement in statements {
        if !matches!(statement["Effect"].as_str(), Some("Allow" | "Deny")) {
            return malformed("Invalid effect");
        }
        for (field, negated) in
            [("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")]
        {
            if statement[field].is_null() && statement[negated].is_null() {
                return malformed(&format!("Missing required field {field}"));
            }
        }
        let of_bucket = |resource: &Value| {
            let rest = resource.as_str().and_then(|resource| resource.strip_prefix(&arn));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with('*'))
        };
        let resource = &statement["Resource"];
        let fits = resource.as_array().map_or_else(|| of_bucket(resource), |all| all.iter().all(of_bucket));
        if !resource.is_null() && !fits {
            return malformed("Policy has invalid resource");
        }
    }
    Ok(())
}
