//! What `CreateTable` and `UpdateTable` say of keys, indexes and throughput, checked as the service checks it.
//!
//! Keeps true: what comes out of here is whole: every key attribute has a type, every index a name of its own.

use super::error::{Result, invalid, invalid_values};
use super::table::{Index, IndexProjection, KeyAttribute, KeySchema, Table, Throughput, check_name};
use aloft_base::Ids;
use serde::Deserialize;
use serde_json::Value;

const MOST_UNITS: u64 = 1_000_000_000_000;
const MOST_LOCAL_INDEXES: usize = 5;
const MOST_GLOBAL_INDEXES: usize = 20;
const MOST_PROJECTED: usize = 100;

/// `AttributeDefinition`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttributeDefinition {
    pub attribute_name: String,
    pub attribute_type: String,
}

/// `KeySchemaElement`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeySchemaElement {
    pub attribute_name: String,
    pub key_type: String,
}

/// A secondary index as a request describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IndexInput {
    pub index_name: String,
    pub key_schema: Vec<KeySchemaElement>,
    pub projection: IndexProjection,
    pub provisioned_throughput: Option<Throughput>,
    pub on_demand_throughput: Option<Value>,
}

/// Makes the table's key out of the request's lists.
pub(super) fn table_key(
    elements: &[KeySchemaElement],
    definitions: &[AttributeDefinition],
) -> Result<KeySchema> {
    if elements.len() > definitions.len() {
        return Err(invalid("Invalid KeySchema: Some index key attribute have no definition"));
    }
    key_schema(elements, definitions)
}

fn key_schema(elements: &[KeySchemaElement], definitions: &[AttributeDefinition]) -> Result<KeySchema> {
    let names = |all: &mut dyn Iterator<Item = &String>| all.cloned().collect::<Vec<_>>().join(", ");
    let define = |element: &KeySchemaElement| {
        let found = definitions.iter().find(|definition| definition.attribute_name == element.attribute_name);
        let kind = found.map(|definition| definition.attribute_type.clone()).ok_or_else(|| {
            invalid_values(format!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
                names(&mut elements.iter().map(|element| &element.attribute_name)),
                names(&mut definitions.iter().map(|definition| &definition.attribute_name)),
            ))
        })?;
        Ok(KeyAttribute { name: element.attribute_name.clone(), kind })
    };
    let attributes: Vec<KeyAttribute> = elements.iter().map(define).collect::<Result<_>>()?;
    if let [one, two, ..] = elements
        && one.attribute_name == two.attribute_name
    {
        return Err(invalid(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    if elements.first().is_none_or(|element| element.key_type != "HASH") {
        return Err(invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    }
    if elements.get(1).is_some_and(|element| element.key_type != "RANGE") {
        return Err(invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"));
    }
    let mut attributes = attributes.into_iter();
    match (attributes.next(), attributes.next(), attributes.next()) {
        (Some(partition), sort, None) => Ok(KeySchema { partition, sort }),
        _ => Err(invalid(
            "Invalid KeySchema: a key of more than two attributes is not supported by the local cloud",
        )),
    }
}

/// Refuses definitions given twice, or that no key uses.
pub(super) fn check_definitions(
    definitions: &[AttributeDefinition],
    key: &KeySchema,
    indexes: &[Index],
) -> Result<()> {
    for (at, definition) in definitions.iter().enumerate() {
        if definitions[..at].iter().any(|other| other.attribute_name == definition.attribute_name) {
            return Err(invalid_values(format!(
                "Duplicate AttributeName in AttributeDefinitions: {}",
                definition.attribute_name
            )));
        }
        if !matches!(definition.attribute_type.as_str(), "S" | "N" | "B") {
            return Err(invalid_values(format!("Unknown AttributeType: {}", definition.attribute_type)));
        }
    }
    let is_used = |name: &str| key.has(name) || indexes.iter().any(|index| index.key.has(name));
    if definitions.iter().all(|definition| is_used(&definition.attribute_name)) {
        return Ok(());
    }
    if indexes.is_empty() {
        return Err(invalid_values(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
        ));
    }
    let mut used: Vec<&str> = Vec::new();
    for attribute in key.attributes().chain(indexes.iter().flat_map(|index| index.key.attributes())) {
        if !used.contains(&attribute.name.as_str()) {
            used.push(&attribute.name);
        }
    }
    let defined: Vec<&str> =
        definitions.iter().map(|definition| definition.attribute_name.as_str()).collect();
    Err(invalid_values(format!(
        "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
        defined.join(", "),
        used.join(", ")
    )))
}

/// Refuses definitions that give an attribute of the table's keys another type.
pub(super) fn check_against(definitions: &[AttributeDefinition], table: &Table) -> Result<()> {
    let known =
        || table.key.attributes().chain(table.indexes.iter().flat_map(|index| index.key.attributes()));
    let differs = |definition: &&AttributeDefinition| {
        known().any(|key| key.name == definition.attribute_name && key.kind != definition.attribute_type)
    };
    match definitions.iter().find(differs) {
        Some(definition) => {
            let name = &definition.attribute_name;
            Err(invalid_values(format!(
                "Cannot change the type of attribute {name}, which is part of a key already"
            )))
        }
        None => Ok(()),
    }
}

/// Makes the local indexes.
pub(super) fn local_indexes(
    inputs: &[IndexInput],
    definitions: &[AttributeDefinition],
    key: &KeySchema,
    ids: &Ids,
) -> Result<Vec<Index>> {
    if inputs.is_empty() {
        return Err(invalid_values("List of LocalSecondaryIndexes is empty"));
    }
    if key.sort.is_none() {
        return Err(invalid_values(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    let mut indexes = Vec::new();
    for input in inputs {
        let index = index(input, definitions, false, ids)?;
        let name = &index.name;
        if index.key.sort.is_none() {
            return Err(invalid_values(format!(
                "Index KeySchema does not have a range key for index: {name}"
            )));
        }
        let (own, table) = (&index.key.partition.name, &key.partition.name);
        if own != table {
            return Err(invalid_values(format!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. \
                 index hash key: {own}, table hash key: {table}"
            )));
        }
        indexes.push(index);
    }
    if indexes.len() > MOST_LOCAL_INDEXES {
        return Err(invalid_values("Number of LocalSecondaryIndexes exceeds per-table limit of 5"));
    }
    Ok(indexes)
}

/// Makes the global indexes.
pub(super) fn global_indexes(
    inputs: &[IndexInput],
    definitions: &[AttributeDefinition],
    on_demand: bool,
    ids: &Ids,
) -> Result<Vec<Index>> {
    if inputs.is_empty() {
        return Err(invalid_values("List of GlobalSecondaryIndexes is empty"));
    }
    let indexes = inputs
        .iter()
        .map(|input| global_index(input, definitions, on_demand, ids))
        .collect::<Result<Vec<_>>>()?;
    if indexes.len() > MOST_GLOBAL_INDEXES {
        return Err(invalid_values("GlobalSecondaryIndex count exceeds the per-table limit of 20"));
    }
    Ok(indexes)
}

/// Makes one global index.
pub(super) fn global_index(
    input: &IndexInput,
    definitions: &[AttributeDefinition],
    on_demand: bool,
    ids: &Ids,
) -> Result<Index> {
    let index = index(input, definitions, true, ids)?;
    match (on_demand, input.provisioned_throughput) {
        (true, Some(_)) => Err(invalid_values(format!(
            "ProvisionedThroughput should not be specified for index: {} when BillingMode is PAY_PER_REQUEST",
            index.name
        ))),
        (false, None) => {
            Err(invalid_values(format!("ProvisionedThroughput must be specified for index: {}", index.name)))
        }
        (_, throughput) => {
            check_throughput(throughput.as_ref())?;
            Ok(index)
        }
    }
}

fn index(input: &IndexInput, definitions: &[AttributeDefinition], global: bool, ids: &Ids) -> Result<Index> {
    if !(3..=255).contains(&input.index_name.len()) {
        return Err(invalid("IndexName must be at least 3 characters long and at most 255 characters long"));
    }
    check_name("indexName", &input.index_name)?;
    let key = key_schema(&input.key_schema, definitions)?;
    let projection = &input.projection;
    match (projection.projection_type.as_deref(), &projection.non_key_attributes) {
        (None, _) => return Err(invalid_values("Unknown ProjectionType: null")),
        (Some("INCLUDE"), None) => {
            return Err(invalid_values("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"));
        }
        (Some("ALL" | "KEYS_ONLY"), None) | (Some("INCLUDE"), Some(_)) => {}
        (Some(kind @ ("ALL" | "KEYS_ONLY")), Some(_)) => {
            return Err(invalid_values(format!(
                "ProjectionType is {kind}, but NonKeyAttributes is specified"
            )));
        }
        (Some(other), _) => return Err(invalid_values(format!("Unknown ProjectionType: {other}"))),
    }
    Ok(Index {
        id: ids.hex(8),
        name: input.index_name.clone(),
        global,
        key,
        projection: projection.clone(),
        throughput: input.provisioned_throughput.unwrap_or_default(),
        on_demand_limits: input.on_demand_throughput.clone(),
        active: true,
    })
}

/// Refuses two indexes of one name, and more projected attributes than a table may have.
pub(super) fn check_indexes(indexes: &[Index]) -> Result<()> {
    for (at, index) in indexes.iter().enumerate() {
        if indexes[..at].iter().any(|other| other.name == index.name) {
            return Err(invalid_values(format!("Duplicate index name: {}", index.name)));
        }
    }
    let projected: usize =
        indexes.iter().map(|index| index.projection.non_key_attributes.as_ref().map_or(0, Vec::len)).sum();
    if projected > MOST_PROJECTED {
        return Err(invalid_values(format!(
            "Sum of NonKeyAttributes across all indexes exceeds the per-table limit of {MOST_PROJECTED}"
        )));
    }
    Ok(())
}

/// Refuses throughput out of range.
pub(super) fn check_throughput(throughput: Option<&Throughput>) -> Result<()> {
    let Some(throughput) = throughput else { return Ok(()) };
    for (name, units) in [
        ("ReadCapacityUnits", throughput.read_capacity_units),
        ("WriteCapacityUnits", throughput.write_capacity_units),
    ] {
        if units > MOST_UNITS {
            return Err(invalid(format!("Given value {units} for {name} is out of bounds")));
        }
        if units == 0 {
            let member = format!("provisionedThroughput.{}{}", name[..1].to_lowercase(), &name[1..]);
            return Err(invalid(format!(
                "1 validation error detected: Value '0' at '{member}' failed to satisfy constraint: \
                 Member must have value greater than or equal to 1"
            )));
        }
    }
    Ok(())
}

/// Reads a billing mode against the throughput that comes with it: whether requests are paid one by one.
pub(super) fn on_demand(mode: Option<&str>, throughput: Option<&Throughput>) -> Result<bool> {
    match (mode, throughput) {
        (Some("PAY_PER_REQUEST"), None) => Ok(true),
        (Some("PAY_PER_REQUEST"), Some(_)) => Err(invalid_values(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (None | Some("PROVISIONED"), None) => Err(invalid_values(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
        (None | Some("PROVISIONED"), Some(throughput)) => check_throughput(Some(throughput)).map(|()| false),
        (Some(other), _) => Err(invalid_values(format!("Unknown BillingMode: {other}"))),
    }
}
