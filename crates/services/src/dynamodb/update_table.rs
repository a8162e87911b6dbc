//! `UpdateTable`: throughput, billing, global indexes, the stream and the rest of what can change.
//!
//! Keeps true: a new index answers queries only once every item that belongs in it is there; when the operation has
//! answered, it does.

use super::DynamoDb;
use super::description::describe;
use super::error::{Result, invalid, invalid_values};
use super::schema::{self, AttributeDefinition, IndexInput};
use super::stream;
use super::table::{Address, Table, Throughput};
use super::tables::{Encryption, StreamSpecification};
use super::work;
use crate::storage::Fault;
use aloft_base::{Ids, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateInput {
    table_name: String,
    #[serde(default)]
    attribute_definitions: Vec<AttributeDefinition>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<Throughput>,
    #[serde(default)]
    global_secondary_index_updates: Vec<IndexUpdate>,
    stream_specification: Option<StreamSpecification>,
    #[serde(rename = "SSESpecification")]
    encryption: Option<Encryption>,
    table_class: Option<String>,
    deletion_protection_enabled: Option<bool>,
    on_demand_throughput: Option<Value>,
    warm_throughput: Option<Value>,
    replica_updates: Option<Value>,
    global_table_witness_updates: Option<Value>,
    vector_index_updates: Option<Value>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexUpdate {
    create: Option<IndexInput>,
    update: Option<IndexChange>,
    delete: Option<IndexName>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexChange {
    index_name: String,
    provisioned_throughput: Option<Throughput>,
    on_demand_throughput: Option<Value>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexName {
    index_name: String,
}

pub(super) async fn update(_: &DynamoDb, context: &Context, input: UpdateInput) -> Result<Value> {
    input.check()?;
    let address = Address::of(context, &input.table_name)?;
    let encryption = input.encryption.as_ref().map(|encryption| encryption.describe(context));
    let (there, ids, now) = (address.clone(), context.ids().clone(), context.now());
    let update = move |transaction: &mut Transaction<'_>| {
        let mut table = there.table(transaction)?;
        schema::check_against(&input.attribute_definitions, &table)?;
        input.apply_billing(&mut table, now)?;
        for update in &input.global_secondary_index_updates {
            update.apply(transaction, &there, &mut table, &input.attribute_definitions, &ids, now)?;
        }
        schema::check_indexes(&table.indexes)?;
        if let Some(specification) = &input.stream_specification {
            apply_stream(transaction, &there, &mut table, specification, now)?;
        }
        if let Some(encryption) = encryption {
            table.encryption = encryption;
        }
        table.class = input.table_class.clone().or(table.class);
        table.deletion_protection = input.deletion_protection_enabled.unwrap_or(table.deletion_protection);
        table.on_demand_limits = input.on_demand_throughput.clone().or(table.on_demand_limits);
        there.save(transaction, &table)?;
        Ok::<_, Fault>(table)
    };
    let table = context.store().write(update).await?;
    if table.indexes.iter().any(|index| !index.active) {
        work::fill(context, &address, &table.id).await?;
    }
    let snapshot = context.store().read()?;
    let table = address.find(&snapshot)?.unwrap_or(table);
    Ok(json!({"TableDescription": describe(&snapshot, &table)?}))
}

impl UpdateInput {
    fn check(&self) -> Result<()> {
        let not_built = [
            ("ReplicaUpdates", &self.replica_updates),
            ("GlobalTableWitnessUpdates", &self.global_table_witness_updates),
            ("VectorIndexUpdates", &self.vector_index_updates),
        ];
        if let Some((name, _)) = not_built.iter().find(|(_, given)| given.is_some()) {
            return Err(invalid(format!("{name} is not supported by the local cloud")));
        }
        let is_empty = self.provisioned_throughput.is_none()
            && self.billing_mode.is_none()
            && self.global_secondary_index_updates.is_empty()
            && self.stream_specification.is_none()
            && self.encryption.is_none()
            && self.table_class.is_none()
            && self.deletion_protection_enabled.is_none()
            && self.on_demand_throughput.is_none()
            && self.warm_throughput.is_none();
        if is_empty {
            return Err(invalid(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
                 SSESpecification or ReplicaUpdates is required",
            ));
        }
        if self.billing_mode.as_deref() == Some("PROVISIONED") && self.provisioned_throughput.is_none() {
            return Err(invalid_values(
                "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
            ));
        }
        schema::check_throughput(self.provisioned_throughput.as_ref())?;
        let mut names = Vec::new();
        let mut remakes = 0;
        for update in &self.global_secondary_index_updates {
            let name = update.name().ok_or_else(|| {
                invalid_values(
                    "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
                     GlobalSecondaryIndexUpdate.Delete must not be null",
                )
            })?;
            if names.contains(&name) {
                return Err(invalid_values(format!(
                    "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
                )));
            }
            names.push(name);
            remakes += usize::from(update.create.is_some()) + usize::from(update.delete.is_some());
        }
        if remakes > 1 {
            let message = "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table";
            return Err(ServiceError::new("LimitExceededException", 400, message).into());
        }
        Ok(())
    }

    fn apply_billing(&self, table: &mut Table, now: Timestamp) -> Result<()> {
        let was_on_demand = table.on_demand();
        match self.billing_mode.as_deref() {
            Some("PAY_PER_REQUEST") => {
                table.billing_named = true;
                table.on_demand_since.get_or_insert(now);
            }
            Some("PROVISIONED") => (table.billing_named, table.on_demand_since) = (true, None),
            Some(other) => return Err(invalid_values(format!("Unknown BillingMode: {other}"))),
            None => {}
        }
        if table.on_demand() {
            schema::on_demand(Some("PAY_PER_REQUEST"), self.provisioned_throughput.as_ref())?;
            table.throughput = Throughput::default();
            table.indexes.iter_mut().for_each(|index| index.throughput = Throughput::default());
            return Ok(());
        }
        if was_on_demand {
            let given = |name: &str| {
                self.global_secondary_index_updates.iter().any(|update| update.name() == Some(name))
            };
            let missing: Vec<&str> = table
                .indexes
                .iter()
                .filter(|index| index.global && !given(&index.name))
                .map(|index| index.name.as_str())
                .collect();
            if !missing.is_empty() {
                let message =
                    format!("ProvisionedThroughput must be specified for index: {}", missing.join(","));
                return Err(invalid_values(message));
            }
        }
        let Some(wanted) = self.provisioned_throughput else { return Ok(()) };
        if wanted == table.throughput && !was_on_demand {
            return Err(unchanged(wanted));
        }
        table.throughput = wanted;
        Ok(())
    }
}

fn unchanged(throughput: Throughput) -> Fault {
    let Throughput { read_capacity_units: read, write_capacity_units: write } = throughput;
    invalid(format!(
        "The provisioned throughput for the table will not change. The requested value equals the current value. \
         Current ReadCapacityUnits provisioned for the table: {read}. Requested ReadCapacityUnits: {read}. \
         Current WriteCapacityUnits provisioned for the table: {write}. Requested WriteCapacityUnits: {write}. \
         Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
    ))
}

impl IndexUpdate {
    fn name(&self) -> Option<&str> {
        let create = self.create.as_ref().map(|create| &create.index_name);
        let update = self.update.as_ref().map(|update| &update.index_name);
        let delete = self.delete.as_ref().map(|delete| &delete.index_name);
        create.or(update).or(delete).map(String::as_str)
    }

    fn apply(
        &self,
        transaction: &mut Transaction<'_>,
        address: &Address,
        table: &mut Table,
        definitions: &[AttributeDefinition],
        ids: &Ids,
        now: Timestamp,
    ) -> Result<()> {
        let at = |table: &Table, name: &str| {
            let found = table.indexes.iter().position(|index| index.name == name && index.global);
            found.ok_or_else(|| {
                let message = format!(
                    "Requested resource not found: Index: {name} not found for table: {}",
                    table.name
                );
                Fault::from(ServiceError::new("ResourceNotFoundException", 400, message))
            })
        };
        if let Some(create) = &self.create {
            if table.index(&create.index_name).is_some() {
                return Err(invalid_values(format!("Duplicate index name: {}", create.index_name)));
            }
            let mut index = schema::global_index(create, definitions, table.on_demand(), ids)?;
            index.active = false;
            table.indexes.push(index);
            work::begin_fill(transaction, address, table, now)?;
        }
        if let Some(change) = &self.update {
            let at = at(table, &change.index_name)?;
            schema::check_throughput(change.provisioned_throughput.as_ref())?;
            let index = &mut table.indexes[at];
            index.throughput = change.provisioned_throughput.unwrap_or(index.throughput);
            index.on_demand_limits = change.on_demand_throughput.clone().or(index.on_demand_limits.take());
        }
        if let Some(delete) = &self.delete {
            let index = table.indexes.remove(at(table, &delete.index_name)?);
            work::begin_sweep(transaction, address, table, Some(&index.id), now)?;
        }
        Ok(())
    }
}

fn apply_stream(
    transaction: &mut Transaction<'_>,
    address: &Address,
    table: &mut Table,
    specification: &StreamSpecification,
    now: Timestamp,
) -> Result<()> {
    match (specification.view()?, table.stream.is_some()) {
        (Some(_), true) => {
            Err(invalid(format!("Table already has an enabled stream: TableName: {}", table.name)))
        }
        (Some(view), false) => stream::begin(transaction, address, table, view, now),
        (None, true) => stream::end(transaction, address, table, now),
        (None, false) => Err(invalid(format!("Table is already disabled stream: TableName: {}", table.name))),
    }
}
