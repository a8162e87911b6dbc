//! `TableDescription`: what a table is, in the service's words.

use super::error::Result;
use super::rows::{Count, Counts, counts};
use super::table::{Index, Table, Throughput};
use crate::storage::Rows;
use serde_json::{Value, json};

/// Describes a table and counts its items.
pub(super) fn describe(source: &impl Rows, table: &Table) -> Result<Value> {
    let counts = counts(source, &table.id)?;
    let own = count(&counts, "");
    let mut out = json!({
        "AttributeDefinitions": table.attribute_definitions(),
        "TableName": table.name,
        "KeySchema": table.key.describe(),
        "TableStatus": "ACTIVE",
        "CreationDateTime": table.created.as_seconds_f64(),
        "ProvisionedThroughput": throughput(table.throughput),
        "TableSizeBytes": own.bytes,
        "ItemCount": own.items,
        "TableArn": table.arn,
        "TableId": table.id,
        "DeletionProtectionEnabled": table.deletion_protection,
    });
    if table.billing_named {
        out["BillingModeSummary"] = match table.on_demand_since {
            Some(since) => {
                json!({"BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": since.as_seconds_f64()})
            }
            None => json!({"BillingMode": "PROVISIONED"}),
        };
    }
    for (global, member) in [(false, "LocalSecondaryIndexes"), (true, "GlobalSecondaryIndexes")] {
        let indexes: Vec<Value> = (table.indexes.iter())
            .filter(|index| index.global == global)
            .map(|index| describe_index(table, index, count(&counts, &index.id)))
            .collect();
        if !indexes.is_empty() {
            out[member] = Value::Array(indexes);
        }
    }
    if let Some(stream) = &table.stream {
        out["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": stream.view});
    }
    if let Some(label) = &table.latest_stream_label {
        out["LatestStreamLabel"] = json!(label);
        out["LatestStreamArn"] = json!(format!("{}/stream/{label}", table.arn));
    }
    if let Some(encryption) = &table.encryption {
        out["SSEDescription"] = encryption.clone();
    }
    if let Some(class) = &table.class {
        out["TableClassSummary"] = json!({"TableClass": class});
    }
    if let Some(limits) = &table.on_demand_limits {
        out["OnDemandThroughput"] = limits.clone();
    }
    Ok(out)
}

fn count(counts: &Counts, part: &str) -> Count {
    counts.get(part).copied().unwrap_or_default()
}

fn throughput(throughput: Throughput) -> Value {
    json!({
        "NumberOfDecreasesToday": 0,
        "ReadCapacityUnits": throughput.read_capacity_units,
        "WriteCapacityUnits": throughput.write_capacity_units,
    })
}

fn describe_index(table: &Table, index: &Index, count: Count) -> Value {
    let mut out = json!({
        "IndexName": index.name,
        "KeySchema": index.key.describe(),
        "Projection": index.projection,
        "IndexSizeBytes": count.bytes,
        "ItemCount": count.items,
        "IndexArn": format!("{}/index/{}", table.arn, index.name),
    });
    if index.global {
        out["IndexStatus"] = json!(if index.active { "ACTIVE" } else { "CREATING" });
        if !index.active {
            out["Backfilling"] = json!(true);
        }
        out["ProvisionedThroughput"] = throughput(index.throughput);
        if let Some(limits) = &index.on_demand_limits {
            out["OnDemandThroughput"] = limits.clone();
        }
    }
    out
}
