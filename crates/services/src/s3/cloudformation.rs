//! CloudFormation's types: `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.

use super::error;
use super::properties::{PROPERTIES, Property, default_of, is_true};
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait,
    differs,
};
use serde_json::{Map, Value, json};

/// The types that S3 makes.
pub(super) static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::S3::Bucket", handler: &BucketHandler },
    ResourceType { name: "AWS::S3::BucketPolicy", handler: &PolicyHandler },
];

struct BucketHandler;

/// Properties that would change what the bucket does and that are not built.
const UNBUILT: &[&str] = &["ReplicationConfiguration"];

#[async_trait]
impl ResourceHandler for BucketHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        check(properties)?;
        let name = match properties["BucketName"].as_str() {
            Some(name) => name.to_owned(),
            None => resource.generated_name(63).to_lowercase(),
        };
        let there = context.call("s3", "HeadBucket", json!({ "Bucket": name })).await.is_ok();
        if there && !resource.resuming {
            return Err(ServiceError::new("AlreadyExists", 409, format!("{name} already exists")));
        }
        if !there {
            let mut params = json!({ "Bucket": name });
            if context.region.as_str() != "us-east-1" {
                params["CreateBucketConfiguration"] = json!({ "LocationConstraint": context.region });
            }
            context.call("s3", "CreateBucket", params).await?;
        }
        let properties = with_stack_tags(resource, properties);
        for property in PROPERTIES {
            if let Err(error) = apply(context, &name, property, None, properties.get(property.name)).await {
                // A bucket that was made only halfway would stand in the way of the next try.
                if !there {
                    drop(context.call("s3", "DeleteBucket", json!({ "Bucket": name })).await);
                }
                return Err(error);
            }
        }
        Ok(described(context, name))
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        check(new)?;
        if differs(old, new, &["BucketName"]) && new["BucketName"].as_str() != Some(physical_id) {
            return Ok(Update::Replace);
        }
        let (old, new) = (with_stack_tags(resource, old), with_stack_tags(resource, new));
        for property in PROPERTIES {
            apply(&resource.context, physical_id, property, old.get(property.name), new.get(property.name))
                .await?;
        }
        Ok(Update::InPlace(described(&resource.context, physical_id.to_owned())))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        gone_is_fine(resource.context.call("s3", "DeleteBucket", json!({ "Bucket": physical_id })).await)
    }
}

fn check(properties: &Value) -> Result<(), ServiceError> {
    if let Some(name) = UNBUILT.iter().find(|name| !properties[**name].is_null()) {
        return Err(error::not_built(&format!("the property {name} of AWS::S3::Bucket")));
    }
    if is_true(&properties["ObjectLockEnabled"]) {
        return Err(error::not_built("object lock"));
    }
    Ok(())
}

/// The properties with the stack's tags under the bucket's own.
fn with_stack_tags(resource: &ResourceContext, properties: &Value) -> Value {
    let mut properties = properties.clone();
    let mut tags: Map<String, Value> = resource.tags.clone();
    for tag in properties["Tags"].as_array().into_iter().flatten() {
        tags.insert(tag["Key"].as_str().unwrap_or_default().to_owned(), tag["Value"].clone());
    }
    if !tags.is_empty() && properties.is_object() {
        properties["Tags"] =
            tags.into_iter().map(|(name, value)| json!({ "Key": name, "Value": value })).collect();
    }
    properties
}

/// Brings one configuration from the old property to the new one.
async fn apply(
    context: &Context,
    bucket: &str,
    property: &Property,
    old: Option<&Value>,
    new: Option<&Value>,
) -> Result<(), ServiceError> {
    if old == new {
        return Ok(());
    }
    let (operation, value) = match (new, property.delete) {
        (Some(value), _) => (property.put, (property.translate)(value)),
        (None, Some(delete)) => (delete, Value::Null),
        (None, None) => (property.put, default_of(property.name)),
    };
    context.call("s3", operation, json!({ "Bucket": bucket, (property.member): value })).await?;
    Ok(())
}

fn described(context: &Context, name: String) -> Resource {
    let region = &context.region;
    let attributes = [
        ("Arn", super::bucket::arn(region, &name)),
        ("DomainName", format!("{name}.s3.amazonaws.com")),
        ("DualStackDomainName", format!("{name}.s3.dualstack.{region}.amazonaws.com")),
        ("RegionalDomainName", format!("{name}.s3.{region}.amazonaws.com")),
        ("WebsiteURL", format!("http://{name}.s3-website-{region}.amazonaws.com")),
    ];
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    Resource { physical_id: name, attributes }
}

struct PolicyHandler;

#[async_trait]
impl ResourceHandler for PolicyHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let bucket = properties["Bucket"].as_str().unwrap_or_default();
        put_policy(resource, bucket, properties).await?;
        Ok(Resource { physical_id: bucket.to_owned(), ..Resource::default() })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["Bucket"]) {
            return Ok(Update::Replace);
        }
        put_policy(resource, physical_id, new).await?;
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), ..Resource::default() }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        gone_is_fine(
            resource.context.call("s3", "DeleteBucketPolicy", json!({ "Bucket": physical_id })).await,
        )
    }
}

async fn put_policy(
    resource: &ResourceContext,
    bucket: &str,
    properties: &Value,
) -> Result<(), ServiceError> {
    let document = &properties["PolicyDocument"];
    let text = document.as_str().map_or_else(|| document.to_string(), str::to_owned);
    resource.context.call("s3", "PutBucketPolicy", json!({ "Bucket": bucket, "Policy": text })).await?;
    Ok(())
}

fn gone_is_fine(result: Result<Value, ServiceError>) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.code == "NoSuchBucket" => Ok(()),
        other => other.map(drop),
    }
}
