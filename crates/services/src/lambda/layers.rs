//! Layers: versions of shared code that functions are laid over.

use super::code::Uploaded;
use super::errors::{invalid, nothing_there};
use super::functions::{scope, with_marker};
use super::policy::Policy;
use super::rows::Code;
use super::{Lambda, code};
use crate::page;
use crate::storage::{Fault, Rows, decode};
use aloft_base::{AccountId, Arn, Region, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Versions by account, region, layer and number.
const LAYERS: Keyspace = "lambda.layers";
/// The highest number that a version of a layer ever had.
const NUMBERS: Keyspace = "lambda.layer-numbers";
/// Policies by account, region, layer and number.
const POLICIES: Keyspace = "lambda.layer-policies";

/// Which layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LayerKey {
    account: AccountId,
    region: Region,
    name: String,
}

impl LayerKey {
    fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.name])
    }

    fn arn(&self) -> String {
        Arn::new("lambda", &self.region, &self.account, format!("layer:{}", self.name)).to_string()
    }

    /// From a name or an ARN.
    fn parse(context: &Context, text: &str) -> Result<Self, ServiceError> {
        if let Ok(arn) = text.parse::<Arn>() {
            let name = arn.resource.strip_prefix("layer:").unwrap_or(&arn.resource).to_owned();
            let within = context.within(&arn);
            return Ok(Self { account: within.account, region: within.region, name });
        }
        let fits = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
        if text.is_empty() || text.len() > 140 || !text.chars().all(fits) {
            return Err(invalid(format!("{text} is not the name of a layer.")));
        }
        Ok(Self { account: context.account.clone(), region: context.region.clone(), name: text.to_owned() })
    }
}

/// The layer and number of a layer version's ARN.
pub(super) fn parse_version(text: &str) -> Option<(LayerKey, u64)> {
    let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service == "lambda")?;
    let (name, number) = arn.resource.strip_prefix("layer:")?.split_once(':')?;
    let layer = LayerKey {
        account: AccountId::new(&arn.account)?,
        region: Region::new(&arn.region)?,
        name: name.to_owned(),
    };
    Some((layer, number.parse().ok()?))
}

/// A version of a layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LayerVersion {
    pub code: Code,
    description: String,
    created: Timestamp,
    license: Option<String>,
    runtimes: Vec<String>,
    architectures: Vec<String>,
}

/// A version as it is in the store.
pub(super) fn find(
    rows: &impl Rows,
    layer: &LayerKey,
    number: u64,
) -> Result<Option<LayerVersion>, StoreError> {
    rows.row(LAYERS, layer.key().number(number).as_ref())
}

impl LayerVersion {
    fn tell(&self, layer: &LayerKey, number: u64) -> Value {
        let mut told = json!({
            "LayerVersionArn": format!("{}:{number}", layer.arn()),
            "Version": number,
            "Description": self.description,
            "CreatedDate": self.created.format("%Y-%m-%dT%H:%M:%S%.3f+0000"),
        });
        for (name, list) in
            [("CompatibleRuntimes", &self.runtimes), ("CompatibleArchitectures", &self.architectures)]
        {
            if !list.is_empty() {
                told[name] = json!(list);
            }
        }
        if let Some(license) = &self.license {
            told["LicenseInfo"] = license.clone().into();
        }
        told
    }

    fn tell_all(&self, context: &Context, layer: &LayerKey, number: u64) -> Value {
        let mut told = self.tell(layer, number);
        told["LayerArn"] = layer.arn().into();
        told["Content"] = json!({
            "Location": format!("{}/_aws/lambda-code/{}", context.engine.endpoint(), self.code.sha256),
            "CodeSha256": self.code.base64(),
            "CodeSize": self.code.size,
        });
        told
    }

    fn fits(&self, list: &List) -> bool {
        let has =
            |list: &[String], wanted: &Option<String>| wanted.as_ref().is_none_or(|it| list.contains(it));
        has(&self.runtimes, &list.compatible_runtime)
            && (self.architectures.is_empty() || has(&self.architectures, &list.compatible_architecture))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Publish {
    layer_name: String,
    #[serde(default)]
    description: String,
    content: Value,
    license_info: Option<String>,
    #[serde(default)]
    compatible_runtimes: Vec<String>,
    #[serde(default)]
    compatible_architectures: Vec<String>,
}

/// `PublishLayerVersion`
pub(super) async fn publish(
    lambda: &Lambda,
    context: &Context,
    input: Publish,
) -> Result<Value, ServiceError> {
    let layer = LayerKey::parse(context, &input.layer_name)?;
    let zip = code::fetch(context, &input.content).await?;
    let uploaded: Uploaded = code::store(context, &lambda.running()?.code, zip).await?;
    let version = LayerVersion {
        code: uploaded.code.clone(),
        description: input.description,
        created: context.now(),
        license: input.license_info,
        runtimes: input.compatible_runtimes,
        architectures: input.compatible_architectures,
    };
    let context_ = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        let last: Option<u64> = transaction.get_json(NUMBERS, layer.key())?;
        let number = last.unwrap_or(0) + 1;
        uploaded.claim(transaction)?;
        transaction.put_json(NUMBERS, layer.key(), &number)?;
        transaction.put_json(LAYERS, layer.key().number(number), &version)?;
        Ok(version.tell_all(&context_, &layer, number))
    };
    Ok(context.store().write(write).await?)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Which {
    layer_name: String,
    version_number: u64,
}

/// `GetLayerVersion`
pub(super) async fn get(_: &Lambda, context: &Context, input: Which) -> Result<Value, Fault> {
    let layer = LayerKey::parse(context, &input.layer_name)?;
    let found = find(&context.store().read()?, &layer, input.version_number)?;
    Ok(found.ok_or_else(nothing_there)?.tell_all(context, &layer, input.version_number))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByArn {
    arn: String,
}

/// `GetLayerVersionByArn`
pub(super) async fn get_by_arn(_: &Lambda, context: &Context, input: ByArn) -> Result<Value, Fault> {
    let (layer, number) = parse_version(&input.arn)
        .ok_or_else(|| invalid(format!("{} is not the ARN of a layer version.", input.arn)))?;
    let found = find(&context.store().read()?, &layer, number)?;
    Ok(found.ok_or_else(nothing_there)?.tell_all(context, &layer, number))
}

/// `DeleteLayerVersion`: functions that use it keep it; one that is not there is no error.
pub(super) async fn delete(_: &Lambda, context: &Context, input: Which) -> Result<(), Fault> {
    let layer = LayerKey::parse(context, &input.layer_name)?;
    let (context_, now) = (context.clone(), context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let place = layer.key().number(input.version_number);
        if let Some(version) = find(transaction, &layer, input.version_number)? {
            transaction.delete(LAYERS, &place);
            transaction.delete(POLICIES, &place);
            code::release(transaction, &context_, &version.code.sha256, now)?;
        }
        Ok(())
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    layer_name: Option<String>,
    compatible_runtime: Option<String>,
    compatible_architecture: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

fn number_of(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// `ListLayerVersions`: the newest first.
pub(super) async fn list_versions(_: &Lambda, context: &Context, input: List) -> Result<Value, Fault> {
    let layer = LayerKey::parse(context, input.layer_name.as_deref().unwrap_or_default())?;
    let mut told = Vec::new();
    for (row, value) in context.store().read()?.scan(LAYERS, layer.key(), usize::MAX)? {
        let version: LayerVersion = decode(LAYERS, &value)?;
        if version.fits(&input) {
            told.push(version.tell(&layer, number_of(&row)));
        }
    }
    told.reverse();
    let (page, next) = page::of(told, input.max_items.unwrap_or(50).min(50), input.marker.as_deref());
    Ok(with_marker(json!({ "LayerVersions": page }), next))
}

/// `ListLayers`: each with its newest version.
pub(super) async fn list(_: &Lambda, context: &Context, input: List) -> Result<Value, Fault> {
    let mut told: Vec<Value> = Vec::new();
    for (row, value) in context.store().read()?.scan(LAYERS, scope(context), usize::MAX)? {
        let version: LayerVersion = decode(LAYERS, &value)?;
        let name = Key::texts(&row[..row.len().saturating_sub(8)]).pop().unwrap_or_default();
        let layer = LayerKey::parse(context, &name)?;
        if !version.fits(&input) {
            continue;
        }
        let item = json!({
            "LayerName": name,
            "LayerArn": layer.arn(),
            "LatestMatchingVersion": version.tell(&layer, number_of(&row)),
        });
        match told.last_mut() {
            Some(last) if last["LayerName"] == item["LayerName"] => *last = item,
            _ => told.push(item),
        }
    }
    let (page, next) = page::of(told, input.max_items.unwrap_or(50).min(50), input.marker.as_deref());
    Ok(with_marker(json!({ "Layers": page }), next))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Permission {
    layer_name: String,
    version_number: u64,
    statement_id: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    organization_id: Option<String>,
    revision_id: Option<String>,
}

/// Changes the policy of a layer version.
async fn change<T: Send + 'static>(
    context: &Context,
    layer: LayerKey,
    number: u64,
    work: impl FnOnce(&mut Policy) -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, Fault> {
    let write = move |transaction: &mut Transaction<'_>| -> Result<T, Fault> {
        find(transaction, &layer, number)?.ok_or_else(nothing_there)?;
        let place = layer.key().number(number);
        let mut policy: Policy = transaction.get_json(POLICIES, &place)?.unwrap_or_default();
        let told = work(&mut policy)?;
        if policy.statements.is_empty() {
            transaction.delete(POLICIES, &place);
        } else {
            transaction.put_json(POLICIES, &place, &policy)?;
        }
        Ok(told)
    };
    context.store().write(write).await
}

/// `AddLayerVersionPermission`
pub(super) async fn add_permission(_: &Lambda, context: &Context, input: Permission) -> Result<Value, Fault> {
    let layer = LayerKey::parse(context, &input.layer_name)?;
    let (number, revision_id) = (input.version_number, context.ids().uuid());
    let arn = format!("{}:{number}", layer.arn());
    let work = move |policy: &mut Policy| -> Result<Value, ServiceError> {
        policy.check_revision(input.revision_id.as_deref())?;
        let principal = match input.principal.unwrap_or_default() {
            all if all == "*" => json!("*"),
            account => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
        };
        let mut statement = json!({
            "Sid": input.statement_id,
            "Effect": "Allow",
            "Principal": principal,
            "Action": input.action,
            "Resource": arn,
        });
        if let Some(organization) = input.organization_id {
            statement["Condition"] = json!({ "StringEquals": { "aws:PrincipalOrgID": organization } });
        }
        policy.add(statement.clone(), revision_id)?;
        Ok(json!({ "Statement": statement.to_string(), "RevisionId": policy.revision_id }))
    };
    change(context, layer, number, work).await
}

/// `RemoveLayerVersionPermission`
pub(super) async fn remove_permission(_: &Lambda, context: &Context, input: Permission) -> Result<(), Fault> {
    let layer = LayerKey::parse(context, &input.layer_name)?;
    let revision_id = context.ids().uuid();
    let work = move |policy: &mut Policy| -> Result<(), ServiceError> {
        policy.check_revision(input.revision_id.as_deref())?;
        policy.remove(&input.statement_id.unwrap_or_default(), revision_id)
    };
    change(context, layer, input.version_number, work).await
}

/// `GetLayerVersionPolicy`
pub(super) async fn get_policy(_: &Lambda, context: &Context, input: Which) -> Result<Value, Fault> {
    let layer = LayerKey::parse(context, &input.layer_name)?;
    let place = layer.key().number(input.version_number);
    let policy: Option<Policy> = context.store().read()?.get_json(POLICIES, place)?;
    Ok(policy.ok_or_else(nothing_there)?.tell())
}
