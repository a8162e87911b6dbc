//! Where data would be lost.

use super::identity::Resource;
use super::replacement;
use super::{Action, Change, Hazard, HazardKind};
use serde_json::Value;

/// Types that hold data, and what they hold.
const HOLDERS: &[(&str, &str)] = &[
    ("AWS::AmazonMQ::Broker", "the messages in it"),
    ("AWS::Backup::BackupVault", "the backups in it"),
    ("AWS::Cognito::IdentityPool", "its identities"),
    ("AWS::Cognito::UserPool", "its users"),
    ("AWS::DocDB::DBCluster", "its documents"),
    ("AWS::DynamoDB::GlobalTable", "its items"),
    ("AWS::DynamoDB::Table", "its items"),
    ("AWS::EC2::Volume", "what is on it"),
    ("AWS::ECR::Repository", "its images"),
    ("AWS::EFS::FileSystem", "its files"),
    ("AWS::ElastiCache::CacheCluster", "what it caches"),
    ("AWS::ElastiCache::ReplicationGroup", "what it caches"),
    ("AWS::ElastiCache::ServerlessCache", "what it caches"),
    ("AWS::Elasticsearch::Domain", "its indexes"),
    ("AWS::Events::Archive", "the events in it"),
    ("AWS::FSx::FileSystem", "its files"),
    ("AWS::KMS::Key", "everything that only it can decrypt"),
    ("AWS::Kinesis::Stream", "its records"),
    ("AWS::KinesisVideo::Stream", "its recordings"),
    ("AWS::Logs::LogGroup", "its log lines"),
    ("AWS::MSK::Cluster", "its records"),
    ("AWS::MSK::ServerlessCluster", "its records"),
    ("AWS::MemoryDB::Cluster", "its data"),
    ("AWS::Neptune::DBCluster", "its data"),
    ("AWS::OpenSearchServerless::Collection", "its indexes"),
    ("AWS::OpenSearchService::Domain", "its indexes"),
    ("AWS::RDS::DBCluster", "its database"),
    ("AWS::RDS::DBInstance", "its database"),
    ("AWS::Redshift::Cluster", "its database"),
    ("AWS::S3::Bucket", "its objects"),
    ("AWS::S3Express::DirectoryBucket", "its objects"),
    ("AWS::S3Vectors::VectorBucket", "its vectors"),
    ("AWS::SQS::Queue", "its messages"),
    ("AWS::SSM::Parameter", "its value"),
    ("AWS::SecretsManager::Secret", "its value"),
    ("AWS::Timestream::Database", "its records"),
    ("AWS::Timestream::Table", "its records"),
];

/// How long data is kept: what falls out when the number is lowered, or is set where nothing was.
const RETENTIONS: &[(&str, &str, &str)] = &[
    ("AWS::Kinesis::Stream", "RetentionPeriodHours", "older records"),
    ("AWS::Logs::LogGroup", "RetentionInDays", "older log lines"),
    ("AWS::SQS::Queue", "MessageRetentionPeriod", "older messages"),
];

fn held(kind: &str) -> Option<&'static str> {
    HOLDERS.iter().find(|(holder, _)| *holder == kind).map(|(_, what)| *what)
}

fn policy(resource: &Resource<'_>, name: &str) -> Option<String> {
    resource.value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn is_kept(policy: Option<&str>) -> bool {
    policy.is_some_and(|policy| policy.starts_with("Retain") || policy == "Snapshot")
}

/// Databases leave a snapshot behind unless they are told not to.
fn snapshots_by_default(resource: &Resource<'_>) -> bool {
    match resource.kind {
        "AWS::RDS::DBCluster" => true,
        "AWS::RDS::DBInstance" => replacement::at(resource.value, "Properties.DBClusterIdentifier").is_none(),
        _ => false,
    }
}

/// Whether a resource stays where it is when it leaves the stack.
pub fn keeps(resource: &Resource<'_>) -> bool {
    policy(resource, "DeletionPolicy").is_some_and(|policy| policy.starts_with("Retain"))
}

/// What the change loses. What goes follows the deployed template's policy, what is replaced the new one's.
pub fn of(change: &Change, old: Option<&Resource<'_>>, new: Option<&Resource<'_>>) -> Vec<Hazard> {
    let Some(old) = old else { return Vec::new() };
    let Some(what) = held(old.kind) else { return Vec::new() };
    let hazard = |text: String| Hazard { kind: HazardKind::DataLoss, text };
    let mut hazards = Vec::new();
    match change.action {
        Action::Create => {}
        Action::Delete => {
            let policy = policy(old, "DeletionPolicy");
            if !(is_kept(policy.as_deref()) || policy.is_none() && snapshots_by_default(old)) {
                let bucket = " (CloudFormation refuses as long as there are any)";
                let more = if old.kind == "AWS::S3::Bucket" { bucket } else { "" };
                hazards.push(hazard(format!("{what} would be lost{more}")));
            }
        }
        Action::Replace | Action::MayReplace => {
            let policy = new.and_then(|new| policy(new, "UpdateReplacePolicy"));
            if !is_kept(policy.as_deref()) {
                let would = if change.action == Action::Replace { "would" } else { "might" };
                hazards.push(hazard(format!("{what} {would} be lost: an empty one takes its place")));
            }
        }
        Action::Update => {}
    }
    let Some(new) = new else { return hazards };
    for (kind, property, what) in RETENTIONS.iter().filter(|(kind, ..)| *kind == old.kind) {
        let days = |resource: &Resource<'_>| {
            let value = resource.value.get("Properties")?.get(property)?;
            value.as_f64().or_else(|| value.as_str()?.parse().ok())
        };
        let is_shorter = match (days(old), days(new)) {
            (Some(before), Some(after)) => after < before,
            // Log groups keep their lines for ever unless told otherwise; the others have a default.
            (None, Some(_)) => *kind == "AWS::Logs::LogGroup",
            _ => false,
        };
        if is_shorter && change.action == Action::Update {
            hazards.push(hazard(format!("{what} would be lost: `{property}` is shorter")));
        }
    }
    if keeps(old) && !keeps(new) && change.action == Action::Update {
        hazards
            .push(hazard(format!("{what} would be lost once it leaves the stack: it is no longer retained")));
    }
    hazards
}
