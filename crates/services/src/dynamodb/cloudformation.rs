//! The CloudFormation types of DynamoDB: `AWS::DynamoDB::Table`. `AWS::DynamoDB::GlobalTable` is refused.
//!
//! Keeps true: a property that would change what a program sees is done or refused; one that only tunes the provider's
//! machinery is taken and has no effect.
//! Source: "AWS::DynamoDB::Table" in the CloudFormation user guide.

use super::NAME;
use crate::properties::tags;
use crate::tags::list as tag_list;
use aloft_engine::{
    Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait, differs,
};
use serde_json::{Map, Value, json};

/// The types.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::DynamoDB::GlobalTable", handler: &GlobalTable },
    ResourceType { name: "AWS::DynamoDB::Table", handler: &Table },
];

/// The longest name of a table.
const LONGEST_NAME: usize = 255;
/// Properties that `CreateTable` knows by the same names.
const SAME: [&str; 11] = [
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "OnDemandThroughput",
    "ProvisionedThroughput",
    "SSESpecification",
    "TableClass",
    "Tags",
];
/// Properties that are done by operations of their own, or have no effect here.
const OTHERS: [&str; 6] = [
    "ContributorInsightsSpecification",
    "PointInTimeRecoverySpecification",
    "StreamSpecification",
    "TableName",
    "TimeToLiveSpecification",
    "WarmThroughput",
];
const REPLACING: [&str; 3] = ["KeySchema", "LocalSecondaryIndexes", "TableName"];
const REMADE: [&str; 2] = ["KeySchema", "Projection"];

struct Table;

#[async_trait]
impl ResourceHandler for Table {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let properties = &checked(properties)?;
        let name = match properties["TableName"].as_str() {
            Some(name) => name.to_owned(),
            None => resource.generated_name(LONGEST_NAME),
        };
        let mut input = Map::from_iter([("TableName".to_owned(), json!(name))]);
        for member in SAME {
            if let Some(value) = properties.get(member) {
                input.insert(member.to_owned(), value.clone());
            }
        }
        input.insert("Tags".to_owned(), tag_list(&tags(resource, properties)));
        if let Some(encryption) = input.get_mut("SSESpecification") {
            *encryption = sse(encryption);
        }
        without_index_settings(&mut input);
        if let Some(stream) = stream(properties) {
            input.insert("StreamSpecification".to_owned(), stream);
        }
        match resource.context.call(NAME, "CreateTable", Value::Object(input)).await {
            Err(error) if !(resource.resuming && error.code == "ResourceInUseException") => {
                return Err(error);
            }
            _ => {}
        }
        settings(resource, &name, &json!({}), properties).await?;
        describe(resource, &name).await
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        let (old, new) = (&numbers(old.clone()), &checked(new)?);
        if differs(old, new, &REPLACING) {
            return Ok(Update::Replace);
        }
        let indexes = index_updates(old, new)?;
        let mut input = json!({"TableName": physical_id});
        for member in [
            "BillingMode",
            "DeletionProtectionEnabled",
            "OnDemandThroughput",
            "ProvisionedThroughput",
            "TableClass",
        ] {
            if differs(old, new, &[member]) && !new[member].is_null() {
                input[member] = new[member].clone();
            }
        }
        let was_provisioned = old["BillingMode"] != "PAY_PER_REQUEST";
        let is_provisioned = new["BillingMode"] != "PAY_PER_REQUEST";
        if is_provisioned != was_provisioned {
            input["BillingMode"] = json!(if is_provisioned { "PROVISIONED" } else { "PAY_PER_REQUEST" });
            if is_provisioned {
                input["ProvisionedThroughput"] = new["ProvisionedThroughput"].clone();
            }
        }
        if differs(old, new, &["DeletionProtectionEnabled"]) && new["DeletionProtectionEnabled"].is_null() {
            input["DeletionProtectionEnabled"] = json!(false);
        }
        if differs(old, new, &["SSESpecification"]) {
            input["SSESpecification"] =
                new.get("SSESpecification").map_or_else(|| json!({"Enabled": false}), sse);
        }
        if !indexes.is_empty() {
            input["AttributeDefinitions"] = new["AttributeDefinitions"].clone();
            input["GlobalSecondaryIndexUpdates"] = Value::Array(indexes);
        }
        if input.as_object().is_some_and(|input| input.len() > 1) {
            resource.context.call(NAME, "UpdateTable", input).await?;
        }
        let (before, after) = (stream(old), stream(new));
        if before != after {
            // A stream cannot change its view: it ends, and another begins.
            let end = before.is_some().then(|| json!({"StreamEnabled": false}));
            for specification in end.into_iter().chain(after) {
                let input = json!({"TableName": physical_id, "StreamSpecification": specification});
                resource.context.call(NAME, "UpdateTable", input).await?;
            }
        }
        settings(resource, physical_id, old, new).await?;
        let updated = describe(resource, physical_id).await?;
        if differs(old, new, &["Tags"]) {
            let arn = &updated.attributes["Arn"];
            let listed =
                resource.context.call(NAME, "ListTagsOfResource", json!({"ResourceArn": arn})).await?;
            let keys: Vec<&Value> =
                listed["Tags"].as_array().into_iter().flatten().map(|tag| &tag["Key"]).collect();
            resource
                .context
                .call(NAME, "UntagResource", json!({"ResourceArn": arn, "TagKeys": keys}))
                .await?;
            resource
                .context
                .call(
                    NAME,
                    "TagResource",
                    json!({"ResourceArn": arn, "Tags": tag_list(&tags(resource, new))}),
                )
                .await?;
        }
        Ok(Update::InPlace(updated))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        match resource.context.call(NAME, "DeleteTable", json!({"TableName": physical_id})).await {
            Err(error) if error.code != "ResourceNotFoundException" => Err(error),
            _ => Ok(()),
        }
    }
}

/// The properties with numbers and booleans as such, if all of them can be honoured.
fn checked(properties: &Value) -> Result<Value, ServiceError> {
    let names = properties.as_object().into_iter().flat_map(Map::keys);
    let mut unknown = names.filter(|name| !SAME.contains(&name.as_str()) && !OTHERS.contains(&name.as_str()));
    match unknown.next() {
        Some(name) => Err(ServiceError::validation(format!("Encountered unsupported property {name}"))),
        None => Ok(numbers(properties.clone())),
    }
}

/// Turns texts into what they spell where the service wants numbers and booleans; nothing else in a table's properties
/// is spelled so.
fn numbers(properties: Value) -> Value {
    const NUMBERS: [&str; 6] = [
        "ReadCapacityUnits",
        "WriteCapacityUnits",
        "MaxReadRequestUnits",
        "MaxWriteRequestUnits",
        "ReadUnitsPerSecond",
        "WriteUnitsPerSecond",
    ];
    const BOOLEANS: [&str; 5] =
        ["DeletionProtectionEnabled", "Enabled", "PointInTimeRecoveryEnabled", "SSEEnabled", "StreamEnabled"];
    match properties {
        Value::Object(members) => {
            let convert = |(name, value): (String, Value)| {
                let text = value.as_str().map(str::to_owned);
                let converted = match text {
                    Some(text) if NUMBERS.contains(&name.as_str()) => {
                        text.parse::<u64>().map_or(value, Value::from)
                    }
                    Some(text) if BOOLEANS.contains(&name.as_str()) => {
                        text.parse::<bool>().map_or(value, Value::from)
                    }
                    _ => numbers(value),
                };
                (name, converted)
            };
            Value::Object(members.into_iter().map(convert).collect())
        }
        Value::Array(all) => all.into_iter().map(numbers).collect(),
        other => other,
    }
}

fn sse(property: &Value) -> Value {
    json!({"Enabled": property["SSEEnabled"], "SSEType": property["SSEType"], "KMSMasterKeyId": property["KMSMasterKeyId"]})
}

fn stream(properties: &Value) -> Option<Value> {
    let view = properties["StreamSpecification"].get("StreamViewType")?;
    Some(json!({"StreamEnabled": true, "StreamViewType": view}))
}

/// Drops from indexes what has no effect and `CreateTable` does not know.
fn without_index_settings(input: &mut Map<String, Value>) {
    for index in input.get_mut("GlobalSecondaryIndexes").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(index) = index.as_object_mut() {
            index.retain(|name, _| {
                !matches!(name.as_str(), "ContributorInsightsSpecification" | "WarmThroughput")
            });
        }
    }
}

/// What `UpdateTable` must do about global indexes.
fn index_updates(old: &Value, new: &Value) -> Result<Vec<Value>, ServiceError> {
    let indexes =
        |properties: &Value| properties["GlobalSecondaryIndexes"].as_array().cloned().unwrap_or_default();
    let (old, new) = (indexes(old), indexes(new));
    let find = |all: &[Value], index: &Value| {
        all.iter().find(|other| other["IndexName"] == index["IndexName"]).cloned()
    };
    let mut updates = Vec::new();
    let mut remade = 0;
    for index in &new {
        let Some(before) = find(&old, index) else {
            let mut created = Map::from_iter([("GlobalSecondaryIndexes".to_owned(), json!([index]))]);
            without_index_settings(&mut created);
            updates.push(json!({"Create": created["GlobalSecondaryIndexes"][0]}));
            remade += 1;
            continue;
        };
        if differs(&before, index, &REMADE) {
            return Err(ServiceError::validation(
                "Cannot update GSI's properties other than Provisioned Throughput and Contributor Insights Specification. \
                 You can create a new GSI with a different name.",
            ));
        }
        if differs(&before, index, &["ProvisionedThroughput", "OnDemandThroughput"]) {
            let mut update = json!({"IndexName": index["IndexName"]});
            for member in ["ProvisionedThroughput", "OnDemandThroughput"] {
                if !index[member].is_null() {
                    update[member] = index[member].clone();
                }
            }
            updates.push(json!({"Update": update}));
        }
    }
    for index in old.iter().filter(|index| find(&new, index).is_none()) {
        updates.push(json!({"Delete": {"IndexName": index["IndexName"]}}));
        remade += 1;
    }
    if remade > 1 {
        return Err(ServiceError::validation(
            "Cannot perform more than one GSI creation or deletion in a single update",
        ));
    }
    Ok(updates)
}

/// Time to live and point-in-time recovery: what has operations of its own.
async fn settings(
    resource: &ResourceContext,
    name: &str,
    old: &Value,
    new: &Value,
) -> Result<(), ServiceError> {
    let context = &resource.context;
    let is_on = |properties: &Value| {
        let specification = &properties["TimeToLiveSpecification"];
        (specification["Enabled"] == json!(true)).then(|| specification["AttributeName"].clone())
    };
    let described = context.call(NAME, "DescribeTimeToLive", json!({"TableName": name})).await?;
    let now = described["TimeToLiveDescription"].get("AttributeName").cloned();
    let wanted = is_on(new);
    if now != wanted && (now.is_none() || is_on(old) == now) {
        let steps = now
            .map(|attribute| (attribute, false))
            .into_iter()
            .chain(wanted.map(|attribute| (attribute, true)));
        for (attribute, enabled) in steps {
            let specification = json!({"AttributeName": attribute, "Enabled": enabled});
            let input = json!({"TableName": name, "TimeToLiveSpecification": specification});
            context.call(NAME, "UpdateTimeToLive", input).await?;
        }
    }
    let recovery = |properties: &Value| {
        properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == json!(true)
    };
    if recovery(old) != recovery(new) {
        let specification = json!({"PointInTimeRecoveryEnabled": recovery(new)});
        let input = json!({"TableName": name, "PointInTimeRecoverySpecification": specification});
        context.call(NAME, "UpdateContinuousBackups", input).await?;
    }
    Ok(())
}

async fn describe(resource: &ResourceContext, name: &str) -> Result<Resource, ServiceError> {
    let described = resource.context.call(NAME, "DescribeTable", json!({"TableName": name})).await?;
    let table = &described["Table"];
    let mut attributes = Map::from_iter([("Arn".to_owned(), table["TableArn"].clone())]);
    if table.get("StreamSpecification").is_some() {
        attributes.insert("StreamArn".to_owned(), table["LatestStreamArn"].clone());
    }
    Ok(Resource { physical_id: name.to_owned(), attributes })
}

struct GlobalTable;

#[async_trait]
impl ResourceHandler for GlobalTable {
    async fn create(&self, _: &ResourceContext, _: &Value) -> Result<Resource, ServiceError> {
        Err(refused())
    }

    async fn update(
        &self,
        _: &ResourceContext,
        _: &str,
        _: &Value,
        _: &Value,
    ) -> Result<Update, ServiceError> {
        Err(refused())
    }

    async fn delete(&self, _: &ResourceContext, _: &str, _: &Value) -> Result<(), ServiceError> {
        Ok(())
    }
}

fn refused() -> ServiceError {
    ServiceError::validation(
        "AWS::DynamoDB::GlobalTable is not supported by the local cloud, which is one region: use AWS::DynamoDB::Table",
    )
}
