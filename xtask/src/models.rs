//! `cargo xtask models`: regenerates `models/` from the public API models that botocore publishes on PyPI.
//!
//! Keeps what the wire protocols and validation need, and drops documentation, examples, endpoint rules and waiters.
//! SQS lost its query names when its published model moved to JSON; they are put back from the tables below.
//! Not a build step: its output is checked in, so that a build needs neither Python nor a network.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

/// The release that `models/` was made from.
const BOTOCORE: &str = "botocore==1.44.5";

/// Services, by the names of botocore's folders.
const SERVICES: &[&str] = &[
    "apigateway",
    "apigatewayv2",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "dynamodbstreams",
    "ecr",
    "events",
    "iam",
    "kinesis",
    "lambda",
    "logs",
    "rekognition",
    "s3",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
];

const METADATA: &[&str] = &[
    "apiVersion",
    "awsQueryCompatible",
    "endpointPrefix",
    "jsonVersion",
    "protocol",
    "protocols",
    "serviceId",
    "signingName",
    "targetPrefix",
    "xmlNamespace",
];

const SHAPE: &[&str] = &[
    "type",
    "enum",
    "max",
    "min",
    "pattern",
    "payload",
    "error",
    "exception",
    "fault",
    "flattened",
    "union",
    "document",
    "event",
    "eventstream",
    "locationName",
    "streaming",
    "timestampFormat",
    "xmlNamespace",
];

const REFERENCE: &[&str] = &[
    "shape",
    "enum",
    "eventheader",
    "eventpayload",
    "flattened",
    "idempotencyToken",
    "jsonvalue",
    "location",
    "locationName",
    "queryName",
    "resultWrapper",
    "streaming",
    "timestampFormat",
    "xmlAttribute",
    "xmlNamespace",
];

/// Names of SQS members in the query protocol where they differ from the JSON ones, for any structure.
const SQS_QUERY_NAMES: &[(&str, &str)] = &[
    ("AWSAccountIds", "AWSAccountId"),
    ("Actions", "ActionName"),
    ("AttributeNames", "AttributeName"),
    ("Attributes", "Attribute"),
    ("BinaryListValues", "BinaryListValue"),
    ("MessageAttributeNames", "MessageAttributeName"),
    ("MessageAttributes", "MessageAttribute"),
    ("MessageSystemAttributeNames", "MessageSystemAttributeName"),
    ("MessageSystemAttributes", "MessageSystemAttribute"),
    ("QueueUrls", "QueueUrl"),
    ("StringListValues", "StringListValue"),
    ("TagKeys", "TagKey"),
    ("Tags", "Tag"),
    ("queueUrls", "QueueUrl"),
    ("tags", "Tag"),
];

/// SQS error codes in the query protocol, by exception: what `x-amzn-query-error` carries.
const SQS_QUERY_ERRORS: &[(&str, &str)] = &[
    ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
    ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong"),
    ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
    ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ("KmsAccessDenied", "KMS.AccessDeniedException"),
    ("KmsDisabled", "KMS.DisabledException"),
    ("KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException"),
    ("KmsInvalidState", "KMS.InvalidStateException"),
    ("KmsNotFound", "KMS.NotFoundException"),
    ("KmsOptInRequired", "KMS.OptInRequired"),
    ("KmsThrottled", "KMS.ThrottlingException"),
    ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
    ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress"),
    ("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently"),
    ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
    ("QueueNameExists", "QueueAlreadyExists"),
    ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
    ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
];

/// Downloads botocore's data into a temporary folder and writes one minified file a service.
pub fn run() -> Result<()> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has a root")?.join("models");
    let temporary = env::temp_dir().join(format!("aloft-models-{}", process::id()));
    fs::create_dir_all(&temporary)?;
    let written =
        download(BOTOCORE, &temporary).and_then(|()| write_all(&temporary.join("botocore/data"), &root));
    fs::remove_dir_all(&temporary)?;
    written
}

/// Unpacks a package of PyPI in a folder.
pub(crate) fn download(package: &str, folder: &Path) -> Result<()> {
    python(&["-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", package], folder)?;
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    let mut entries = fs::read_dir(folder)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let wheel = entries.find(is_wheel).context("pip brought no wheel")?;
    python(&["-m", "zipfile", "-e", &wheel.to_string_lossy(), "."], folder)
}

fn python(arguments: &[&str], folder: &Path) -> Result<()> {
    let status =
        Command::new("python3").args(arguments).current_dir(folder).status().context("python3 is needed")?;
    ensure!(status.success(), "python3 {} failed", arguments.join(" "));
    Ok(())
}

fn write_all(data: &Path, models: &Path) -> Result<()> {
    fs::create_dir_all(models)?;
    for service in SERVICES {
        let full =
            read_latest(&data.join(service)).with_context(|| format!("reading the model of {service}"))?;
        let mut model = reduce(service, &full)?;
        if *service == "sqs" {
            restore_query_names(&mut model)?;
        }
        fs::write(models.join(format!("{service}.json")), serde_json::to_string(&model)? + "\n")?;
    }
    Ok(())
}

/// The newest API version's `service-2.json`, gzipped or not.
fn read_latest(service: &Path) -> Result<Value> {
    let mut versions: Vec<PathBuf> =
        fs::read_dir(service)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    versions.sort();
    let version = versions.pop().context("no version")?;
    let plain = version.join("service-2.json");
    if !plain.exists() {
        python(
            &["-c", "import gzip; open('service-2.json', 'wb').write(gzip.open('service-2.json.gz').read())"],
            &version,
        )?;
    }
    Ok(serde_json::from_slice(&fs::read(plain)?)?)
}

fn reduce(service: &str, full: &Value) -> Result<Value> {
    let mut operations = Map::new();
    for (name, operation) in object(&full["operations"])? {
        let mut kept = pick(operation, &["http", "deprecated"]);
        for side in ["input", "output"] {
            if operation.get(side).is_some() {
                kept.insert(side.into(), reference(&operation[side]));
            }
        }
        operations.insert(name.clone(), kept.into());
    }
    let mut shapes = Map::new();
    for (name, shape) in object(&full["shapes"])? {
        shapes.insert(name.clone(), reduce_shape(shape)?);
    }
    let metadata = pick(&full["metadata"], METADATA);
    Ok(json!({ "name": service, "metadata": metadata, "operations": operations, "shapes": shapes }))
}

fn reduce_shape(shape: &Value) -> Result<Value> {
    let mut kept = pick(shape, SHAPE);
    for part in ["member", "key", "value"] {
        if shape.get(part).is_some() {
            kept.insert(part.into(), reference(&shape[part]));
        }
    }
    if shape.get("members").is_some() {
        let members = object(&shape["members"])?.iter();
        kept.insert(
            "members".into(),
            members.map(|(name, member)| (name.clone(), reference(member))).collect(),
        );
    }
    if shape["required"].as_array().is_some_and(|required| !required.is_empty()) {
        kept.insert("required".into(), shape["required"].clone());
    }
    Ok(kept.into())
}

fn reference(full: &Value) -> Value {
    pick(full, REFERENCE).into()
}

fn pick(full: &Value, keys: &[&str]) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), full.get(key)?.clone()))).collect()
}

fn object(value: &Value) -> Result<&Map<String, Value>> {
    value.as_object().context("not an object")
}

fn restore_query_names(model: &mut Value) -> Result<()> {
    let Some(shapes) = model["shapes"].as_object_mut() else { bail!("the model has no shapes") };
    let entries: Vec<(String, String)> = shapes
        .iter()
        .filter_map(|(name, shape)| Some((name.clone(), shape["member"]["shape"].as_str()?.to_owned())))
        .collect();
    for (name, shape) in shapes.iter_mut() {
        if shape["type"] == "map" {
            shape["key"]["locationName"] = if name == "TagMap" { "Key" } else { "Name" }.into();
            shape["value"]["locationName"] = "Value".into();
        }
        for (member, target) in shape.get_mut("members").and_then(Value::as_object_mut).into_iter().flatten()
        {
            // A list of structures is named after its element: `SendMessageBatchRequestEntry.1.Id`.
            let element =
                entries.iter().find(|(list, element)| target["shape"] == **list && element != "String");
            let named = SQS_QUERY_NAMES.iter().find(|(from, _)| from == member).map(|(_, to)| *to);
            if let Some(query_name) = named.or(element.map(|(_, element)| element.as_str())) {
                target["queryName"] = query_name.into();
            }
        }
    }
    for (exception, code) in SQS_QUERY_ERRORS {
        shapes[*exception]["error"] = json!({ "code": code, "httpStatusCode": 400, "senderFault": true });
    }
    Ok(())
}
