//! Managed policies, their versions, and who has them attached.

use super::entity::{self, ATTACHED_LIMIT, Entity, Kind, Role, User, change, find};
use super::{Iam, already_exists, aws_managed, delete_conflict, document, no_such_entity, paging, text};
use crate::storage::{Fault, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Keyspace, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// By account and ARN.
const POLICIES: Keyspace = "iam.policies";
/// The most versions of a policy.
const VERSION_LIMIT: usize = 5;

#[derive(Clone, Serialize, Deserialize)]
struct Policy {
    name: String,
    id: String,
    arn: String,
    path: String,
    description: Option<String>,
    created: Timestamp,
    updated: Timestamp,
    tags: BTreeMap<String, String>,
    default: u32,
    latest: u32,
    versions: Vec<Version>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Version {
    number: u32,
    document: String,
    created: Timestamp,
}

fn not_found(arn: &str) -> ServiceError {
    no_such_entity(format!("Policy {arn} was not found."))
}

fn no_such_version(arn: &str, version: &str) -> ServiceError {
    no_such_entity(format!("Policy {arn} version {version} does not exist or is not attachable."))
}

/// `3` of `v3`.
fn number_of(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.parse().ok()
}

impl Policy {
    fn find(rows: &impl Rows, context: &Context, arn: &str) -> Result<Option<Self>, Fault> {
        Ok(rows.row(POLICIES, key([context.account.as_str(), arn]).as_ref())?)
    }

    fn load(rows: &impl Rows, context: &Context, arn: &str) -> Result<Self, Fault> {
        Ok(Self::find(rows, context, arn)?.ok_or_else(|| not_found(arn))?)
    }

    fn save(&self, transaction: &mut Transaction<'_>, context: &Context) -> Result<(), Fault> {
        Ok(transaction.put_json(POLICIES, key([context.account.as_str(), &self.arn]), self)?)
    }

    fn version(&self, name: &str) -> Result<&Version, ServiceError> {
        let found =
            number_of(name).and_then(|number| self.versions.iter().find(|version| version.number == number));
        found.ok_or_else(|| no_such_version(&self.arn, name))
    }

    fn shown(&self, uses: (usize, usize)) -> Value {
        let mut shown = json!({ "PolicyName": self.name, "PolicyId": self.id, "Arn": self.arn, "Path": self.path,
            "DefaultVersionId": format!("v{}", self.default), "AttachmentCount": uses.0,
            "PermissionsBoundaryUsageCount": uses.1, "IsAttachable": true, "CreateDate": self.created.seconds(),
            "UpdateDate": self.updated.seconds() });
        if !self.tags.is_empty() {
            shown["Tags"] = entity::tag_list(&self.tags);
        }
        shown
    }

    fn shown_version(&self, version: &Version, with_document: bool) -> Value {
        let document = with_document.then(|| document::encoded(&version.document));
        json!({ "VersionId": format!("v{}", version.number), "IsDefaultVersion": version.number == self.default,
            "CreateDate": version.created.seconds(), "Document": document })
    }
}

/// How many have the policy attached, and how many as their boundary.
fn uses(rows: &impl Rows, context: &Context, arn: &str) -> Result<(usize, usize), Fault> {
    let (mut attached, mut bounds) = (0, 0);
    for entity in entity::all::<Role>(rows, context)?.into_iter().chain(entity::all::<User>(rows, context)?) {
        attached += usize::from(entity.attached.iter().any(|policy| policy == arn));
        bounds += usize::from(entity.boundary.as_deref() == Some(arn));
    }
    Ok((attached, bounds))
}

/// Whether a policy can be attached or used as a boundary: it is here, or AWS's.
pub(super) fn check_there(context: &Context, arn: &str) -> Result<(), ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    if aws_managed::path_and_name(arn).is_some() || Policy::find(&snapshot, context, arn)?.is_some() {
        return Ok(());
    }
    Err(no_such_entity(format!("Policy {arn} does not exist or is not attachable.")))
}

pub(super) async fn create(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let (name, document) = (text(&params, "PolicyName"), text(&params, "PolicyDocument"));
    document::check_permissions(document)?;
    let (path, now) = (params["Path"].as_str().unwrap_or("/"), context.now());
    let policy = Policy {
        name: name.to_owned(),
        id: entity::unique_id(context, "ANPA"),
        arn: entity::arn(context, "policy", path, name),
        path: path.to_owned(),
        description: params["Description"].as_str().map(str::to_owned),
        created: now,
        updated: now,
        tags: entity::with_tags(BTreeMap::new(), &params["Tags"])?,
        default: 1,
        latest: 1,
        versions: vec![Version { number: 1, document: document.to_owned(), created: now }],
    };
    let shown = policy.shown((0, 0));
    let for_transaction = context.clone();
    let create = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        if Policy::find(transaction, &for_transaction, &policy.arn)?.is_some() {
            return Err(already_exists(format!(
                "A policy called {} already exists. Duplicate names are not allowed.",
                policy.name
            ))
            .into());
        }
        policy.save(transaction, &for_transaction)
    };
    context.store().write(create).await?;
    Ok(json!({ "Policy": shown }))
}

pub(super) async fn get(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let arn = text(&params, "PolicyArn");
    let snapshot = context.store().read().map_err(Fault::from)?;
    let uses = uses(&snapshot, context, arn)?;
    if let Some(shown) = shown_of_aws(arn, uses.0) {
        return Ok(json!({ "Policy": shown }));
    }
    let policy = Policy::load(&snapshot, context, arn)?;
    let mut shown = policy.shown(uses);
    shown["Description"] = json!(policy.description);
    Ok(json!({ "Policy": shown }))
}

/// A policy of AWS's, as `GetPolicy` shows it.
fn shown_of_aws(arn: &str, attached: usize) -> Option<Value> {
    let (path, name) = aws_managed::path_and_name(arn)?;
    Some(
        json!({ "PolicyName": name, "PolicyId": format!("ANPA{:0>17}", name.len()), "Arn": arn, "Path": path,
        "DefaultVersionId": "v1", "AttachmentCount": attached, "PermissionsBoundaryUsageCount": 0, "IsAttachable": true }),
    )
}

pub(super) async fn list(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    let (scope, prefix) =
        (params["Scope"].as_str().unwrap_or("All"), params["PathPrefix"].as_str().unwrap_or("/"));
    let mut found = Vec::new();
    if scope != "AWS" {
        for (_, row) in
            snapshot.scan(POLICIES, key([context.account.as_str()]), usize::MAX).map_err(Fault::from)?
        {
            let policy: Policy = decode(POLICIES, &row).map_err(Fault::from)?;
            found.push((
                policy.arn.clone(),
                policy.path.clone(),
                policy.shown(uses(&snapshot, context, &policy.arn)?),
            ));
        }
    }
    if scope != "Local" {
        for (name, _) in aws_managed::KNOWN {
            let arn = format!("arn:{}:iam::aws:policy/{name}", context.region.partition());
            let shown = shown_of_aws(&arn, uses(&snapshot, context, &arn)?.0);
            found.extend(shown.map(|shown| (arn, text(&shown, "Path").to_owned(), shown)));
        }
    }
    found.retain(|(_, path, shown)| {
        path.starts_with(prefix) && (params["OnlyAttached"] != true || shown["AttachmentCount"] != 0)
    });
    found.sort_by(|a, b| a.0.cmp(&b.0));
    paging::page("Policies", found.into_iter().map(|(arn, _, shown)| (arn, shown)).collect(), &params)
}

/// Changes the policy that the input names; gives what the change gives.
async fn change_policy<T: Send + 'static>(
    context: &Context,
    params: &Value,
    change: impl FnOnce(&mut Policy, Timestamp) -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    let (for_transaction, arn) = (context.clone(), text(params, "PolicyArn").to_owned());
    let change = move |transaction: &mut Transaction<'_>| -> Result<T, Fault> {
        let mut policy = Policy::load(transaction, &for_transaction, &arn)?;
        let answer = change(&mut policy, for_transaction.now())?;
        policy.save(transaction, &for_transaction)?;
        Ok(answer)
    };
    Ok(context.store().write(change).await?)
}

pub(super) async fn create_version(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let (document, as_default) = (text(&params, "PolicyDocument").to_owned(), params["SetAsDefault"] == true);
    document::check_permissions(&document)?;
    let create = move |policy: &mut Policy, now| {
        if policy.versions.len() >= VERSION_LIMIT {
            let message = format!(
                "A managed policy can have up to {VERSION_LIMIT} versions. Before you create a new version, you must delete an existing version."
            );
            return Err(ServiceError::new("LimitExceeded", 409, message));
        }
        policy.latest += 1;
        policy.updated = now;
        let version = Version { number: policy.latest, document, created: now };
        if as_default {
            policy.default = version.number;
        }
        policy.versions.push(version.clone());
        Ok(policy.shown_version(&version, false))
    };
    Ok(json!({ "PolicyVersion": change_policy(context, &params, create).await? }))
}

pub(super) async fn get_version(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let (arn, version) = (text(&params, "PolicyArn"), text(&params, "VersionId"));
    if aws_managed::path_and_name(arn).is_some() {
        let document = aws_managed::document(arn)
            .filter(|_| version == "v1")
            .ok_or_else(|| no_such_version(arn, version))?;
        let document = document::encoded(&document.to_string());
        return Ok(
            json!({ "PolicyVersion": { "VersionId": "v1", "IsDefaultVersion": true, "Document": document, "CreateDate": 0 } }),
        );
    }
    let snapshot = context.store().read().map_err(Fault::from)?;
    let policy = Policy::load(&snapshot, context, arn)?;
    Ok(json!({ "PolicyVersion": policy.shown_version(policy.version(version)?, true) }))
}

pub(super) async fn list_versions(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let arn = text(&params, "PolicyArn");
    if aws_managed::path_and_name(arn).is_some() {
        return Ok(
            json!({ "Versions": [{ "VersionId": "v1", "IsDefaultVersion": true, "CreateDate": 0 }], "IsTruncated": false }),
        );
    }
    let snapshot = context.store().read().map_err(Fault::from)?;
    let policy = Policy::load(&snapshot, context, arn)?;
    let newest_first = policy.versions.iter().rev();
    // The names of pages sort as the list does: the newest first.
    let items = newest_first
        .map(|version| (format!("{:010}", u32::MAX - version.number), policy.shown_version(version, false)));
    paging::page("Versions", items.collect(), &params)
}

pub(super) async fn delete_version(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let version = text(&params, "VersionId").to_owned();
    let delete = move |policy: &mut Policy, _| {
        let number = policy.version(&version)?.number;
        if number == policy.default {
            return Err(delete_conflict("Cannot delete the default version of a policy."));
        }
        policy.versions.retain(|version| version.number != number);
        Ok(())
    };
    change_policy(context, &params, delete).await
}

pub(super) async fn set_default_version(
    _: &Iam,
    context: &Context,
    params: Value,
) -> Result<(), ServiceError> {
    let version = text(&params, "VersionId").to_owned();
    let set = move |policy: &mut Policy, now| {
        policy.default = policy.version(&version)?.number;
        policy.updated = now;
        Ok(())
    };
    change_policy(context, &params, set).await
}

pub(super) async fn tag(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let added = params["Tags"].clone();
    let tag = move |policy: &mut Policy, _| {
        policy.tags = entity::with_tags(policy.tags.clone(), &added)?;
        Ok(())
    };
    change_policy(context, &params, tag).await
}

pub(super) async fn untag(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let removed = params["TagKeys"].clone();
    let untag = move |policy: &mut Policy, _| {
        removed
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .for_each(|name| drop(policy.tags.remove(name)));
        Ok(())
    };
    change_policy(context, &params, untag).await
}

pub(super) async fn list_tags(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    let policy = Policy::load(&snapshot, context, text(&params, "PolicyArn"))?;
    let tags = policy
        .tags
        .iter()
        .map(|(name, value)| (name.clone(), json!({ "Key": name, "Value": value })))
        .collect();
    paging::page("Tags", tags, &params)
}

pub(super) async fn delete(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let for_transaction = context.clone();
    let delete = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let arn = text(&params, "PolicyArn");
        let policy = Policy::load(transaction, &for_transaction, arn)?;
        if uses(transaction, &for_transaction, arn)? != (0, 0) {
            return Err(delete_conflict("Cannot delete a policy attached to entities.").into());
        }
        if policy.versions.len() > 1 {
            let message = "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                versions. The default version is deleted with the policy.";
            return Err(delete_conflict(message).into());
        }
        transaction.delete(POLICIES, key([for_transaction.account.as_str(), arn]));
        Ok(())
    };
    Ok(context.store().write(delete).await?)
}

pub(super) async fn attach<K: Kind>(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let (arn, for_transaction) = (text(&params, "PolicyArn").to_owned(), context.clone());
    let attach = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut holder = Entity::load::<K>(transaction, &for_transaction, K::name_in(&params))?;
        if aws_managed::path_and_name(&arn).is_none()
            && Policy::find(transaction, &for_transaction, &arn)?.is_none()
        {
            return Err(no_such_entity(format!("Policy {arn} does not exist or is not attachable.")).into());
        }
        if holder.attached.contains(&arn) {
            return Ok(());
        }
        if holder.attached.len() >= ATTACHED_LIMIT {
            let message = format!("Cannot exceed quota for PoliciesPer{}: {ATTACHED_LIMIT}", K::CAPITAL);
            return Err(ServiceError::new("LimitExceeded", 409, message).into());
        }
        holder.attached.push(arn);
        holder.save::<K>(transaction, &for_transaction)
    };
    Ok(context.store().write(attach).await?)
}

pub(super) async fn detach<K: Kind>(_: &Iam, context: &Context, params: Value) -> Result<(), ServiceError> {
    let arn = text(&params, "PolicyArn").to_owned();
    let detach = move |holder: &mut Entity| {
        let at =
            holder.attached.iter().position(|attached| *attached == arn).ok_or_else(|| not_found(&arn))?;
        holder.attached.remove(at);
        Ok(())
    };
    change::<K, _>(context, &params, detach).await
}

/// The name of a policy: what its ARN ends with.
fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

pub(super) async fn list_attached<K: Kind>(
    _: &Iam,
    context: &Context,
    params: Value,
) -> Result<Value, ServiceError> {
    let mut attached = find::<K>(context, K::name_in(&params))?.attached;
    attached.sort();
    let items = attached.into_iter().map(|arn| {
        let shown = json!({ "PolicyName": name_of(&arn), "PolicyArn": arn });
        (arn, shown)
    });
    paging::page("AttachedPolicies", items.collect(), &params)
}

pub(super) async fn list_entities(_: &Iam, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let arn = text(&params, "PolicyArn");
    let snapshot = context.store().read().map_err(Fault::from)?;
    if aws_managed::path_and_name(arn).is_none() {
        Policy::load(&snapshot, context, arn)?;
    }
    let as_boundary = params["PolicyUsageFilter"] == "PermissionsBoundary";
    let has = |entity: &Entity| match as_boundary {
        true => entity.boundary.as_deref() == Some(arn),
        false => entity.attached.iter().any(|attached| attached == arn),
    };
    let wanted = |kind: &str| params["EntityFilter"].as_str().is_none_or(|filter| filter == kind);
    let (mut roles, mut users) =
        (entity::all::<Role>(&snapshot, context)?, entity::all::<User>(&snapshot, context)?);
    roles.retain(|role| wanted("Role") && has(role));
    users.retain(|user| wanted("User") && has(user));
    let roles: Vec<Value> =
        roles.iter().map(|role| json!({ "RoleName": role.name, "RoleId": role.id })).collect();
    let users: Vec<Value> =
        users.iter().map(|user| json!({ "UserName": user.name, "UserId": user.id })).collect();
    Ok(json!({ "PolicyRoles": roles, "PolicyUsers": users, "PolicyGroups": [], "IsTruncated": false }))
}
