//! `CreateTable`, `DescribeTable`, `ListTables`, `DeleteTable`.
//!
//! Keeps true: a table is there, and ready, when `CreateTable` has answered; gone when `DeleteTable` has.

use super::description::describe;
use super::error::{Result, invalid, invalid_values};
use super::schema::{self, AttributeDefinition, IndexInput, KeySchemaElement};
use super::stream;
use super::table::{Address, TABLES, Table, Throughput};
use super::tags::{self, Tag};
use super::work;
use super::{DynamoDb, NAME};
use crate::storage::Fault;
use aloft_base::Arn;
use aloft_engine::timers;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Transaction, key};
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::Bound;

/// How many names one answer has at most.
const MOST_NAMES: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateInput {
    table_name: String,
    #[serde(default)]
    attribute_definitions: Vec<AttributeDefinition>,
    #[serde(default)]
    key_schema: Vec<KeySchemaElement>,
    local_secondary_indexes: Option<Vec<IndexInput>>,
    global_secondary_indexes: Option<Vec<IndexInput>>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<Throughput>,
    stream_specification: Option<StreamSpecification>,
    #[serde(rename = "SSESpecification")]
    encryption: Option<Encryption>,
    #[serde(default)]
    tags: Vec<Tag>,
    table_class: Option<String>,
    deletion_protection_enabled: Option<bool>,
    on_demand_throughput: Option<Value>,
    resource_policy: Option<String>,
    vector_indexes: Option<Value>,
    global_table_source_arn: Option<String>,
}

/// `StreamSpecification`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamSpecification {
    pub stream_enabled: bool,
    pub stream_view_type: Option<String>,
}

impl StreamSpecification {
    /// The view of the stream that is wanted, if one is.
    pub fn view(&self) -> Result<Option<&str>> {
        match (self.stream_enabled, self.stream_view_type.as_deref()) {
            (false, None) => Ok(None),
            (false, Some(_)) => {
                Err(invalid_values("StreamViewType cannot be specified when StreamEnabled is set to false"))
            }
            (true, None) => {
                Err(invalid_values("StreamViewType must be specified when StreamEnabled is set to true"))
            }
            (true, Some(view)) => Ok(Some(view)),
        }
    }
}

/// `SSESpecification`: kept and told; the store's files are not encrypted by it.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Encryption {
    enabled: Option<bool>,
    #[serde(rename = "KMSMasterKeyId")]
    key: Option<String>,
}

impl Encryption {
    /// `SSEDescription`
    pub fn describe(&self, context: &Context) -> Option<Value> {
        let key = self.key.as_deref().unwrap_or("alias/aws/dynamodb");
        let resource = if key.starts_with("alias/") || key.starts_with("key/") {
            key.to_owned()
        } else {
            format!("key/{key}")
        };
        let arn =
            if key.starts_with("arn:") { key.to_owned() } else { context.arn("kms", resource).to_string() };
        self.enabled?.then(|| json!({"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": arn}))
    }
}

pub(super) async fn create(_: &DynamoDb, context: &Context, input: CreateInput) -> Result<Value> {
    let address = Address::of(context, &input.table_name)?;
    let mut table = new_table(context, &address, &input)?;
    let view = input
        .stream_specification
        .as_ref()
        .map(StreamSpecification::view)
        .transpose()?
        .flatten()
        .map(str::to_owned);
    let create = move |transaction: &mut Transaction<'_>| {
        if address.find(transaction)?.is_some() {
            let message = format!("Table already exists: {}", address.name);
            return Err(ServiceError::new("ResourceInUseException", 400, message).into());
        }
        if let Some(view) = view {
            let now = table.created;
            stream::begin(transaction, &address, &mut table, &view, now)?;
        }
        address.save(transaction, &table)?;
        Ok::<_, Fault>(json!({"TableDescription": describe(transaction, &table)?}))
    };
    context.store().write(create).await
}

fn new_table(context: &Context, address: &Address, input: &CreateInput) -> Result<Table> {
    let not_built = [
        ("ResourcePolicy", input.resource_policy.is_some()),
        ("VectorIndexes", input.vector_indexes.is_some()),
        ("GlobalTableSourceArn", input.global_table_source_arn.is_some()),
    ];
    if let Some((name, _)) = not_built.iter().find(|(_, given)| *given) {
        return Err(invalid(format!("{name} is not supported by the local cloud")));
    }
    let on_demand = schema::on_demand(input.billing_mode.as_deref(), input.provisioned_throughput.as_ref())?;
    let definitions = &input.attribute_definitions;
    let key = schema::table_key(&input.key_schema, definitions)?;
    let mut indexes = Vec::new();
    if let Some(local) = &input.local_secondary_indexes {
        indexes.extend(schema::local_indexes(local, definitions, &key, context.ids())?);
    }
    if let Some(global) = &input.global_secondary_indexes {
        indexes.extend(schema::global_indexes(global, definitions, on_demand, context.ids())?);
    }
    schema::check_indexes(&indexes)?;
    schema::check_definitions(definitions, &key, &indexes)?;
    Ok(Table {
        id: context.ids().uuid(),
        name: address.name.clone(),
        arn: Arn::new(NAME, &address.region, &address.account, format!("table/{}", address.name)).to_string(),
        created: context.now(),
        key,
        indexes,
        on_demand_since: on_demand.then(|| context.now()),
        billing_named: on_demand,
        throughput: input.provisioned_throughput.unwrap_or_default(),
        on_demand_limits: input.on_demand_throughput.clone(),
        stream: None,
        latest_stream_label: None,
        expiry: None,
        tags: tags::checked(&input.tags)?,
        encryption: input.encryption.as_ref().and_then(|encryption| encryption.describe(context)),
        class: input.table_class.clone(),
        deletion_protection: input.deletion_protection_enabled.unwrap_or_default(),
        recovery_since: None,
    })
}

/// An input that is only a table's name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TableInput {
    pub table_name: String,
}

pub(super) async fn describe_one(_: &DynamoDb, context: &Context, input: TableInput) -> Result<Value> {
    let snapshot = context.store().read()?;
    let table = Address::of(context, &input.table_name)?.table(&snapshot)?;
    Ok(json!({"Table": describe(&snapshot, &table)?}))
}

pub(super) async fn delete(_: &DynamoDb, context: &Context, input: TableInput) -> Result<Value> {
    let (address, now) = (Address::of(context, &input.table_name)?, context.now());
    let delete = move |transaction: &mut Transaction<'_>| {
        let mut table = address.table(transaction)?;
        if table.deletion_protection {
            return Err(invalid(
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
            ));
        }
        let mut description = describe(transaction, &table)?;
        description["TableStatus"] = json!("DELETING");
        stream::end(transaction, &address, &mut table, now)?;
        transaction.delete(TABLES, address.key());
        for work in ["expire", "fill"] {
            timers::cancel(transaction, NAME, &format!("{work}/{}", table.id))?;
        }
        work::begin_sweep(transaction, &address, &table, None, now)?;
        Ok(json!({"TableDescription": description}))
    };
    context.store().write(delete).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListInput {
    exclusive_start_table_name: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(_: &DynamoDb, context: &Context, input: ListInput) -> Result<Value> {
    let all = key([context.account.as_str(), context.region.as_str()]);
    let limit = input.limit.unwrap_or(MOST_NAMES).clamp(1, MOST_NAMES);
    let start = input.exclusive_start_table_name.map(|name| all.clone().text(&name));
    let from = start.as_ref().map_or(Bound::Included(all.as_ref()), |start| Bound::Excluded(start.as_ref()));
    let end = work::after_prefix(all.as_ref());
    let found = context.store().read()?.range(TABLES, from, Bound::Excluded(&end), limit + 1, false)?;
    let mut names: Vec<String> = found.iter().filter_map(|(row, _)| Key::texts(row).pop()).collect();
    let is_more = names.len() > limit;
    names.truncate(limit);
    let mut out = json!({"TableNames": names});
    if is_more {
        out["LastEvaluatedTableName"] = json!(names.last());
    }
    Ok(out)
}
