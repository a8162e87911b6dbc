//! `AWS::SNS::Topic`, `AWS::SNS::Subscription` and `AWS::SNS::TopicPolicy`.

use crate::properties;
use aloft_base::Arn;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait,
    differs,
};
use serde_json::{Map, Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::SNS::Subscription", handler: &SubscriptionHandler },
    ResourceType { name: "AWS::SNS::Topic", handler: &TopicHandler },
    ResourceType { name: "AWS::SNS::TopicPolicy", handler: &PolicyHandler },
];

/// The properties of topics that are attributes of the same name.
const TOPIC_ATTRIBUTES: &[&str] = &[
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DisplayName",
    "FifoThroughputScope",
    "FifoTopic",
    "KmsMasterKeyId",
    "SignatureVersion",
    "TracingConfig",
];

/// The properties of subscriptions that are attributes of the same name. The scope comes before what it decides.
const SUBSCRIPTION_ATTRIBUTES: &[&str] = &[
    "DeliveryPolicy",
    "FilterPolicyScope",
    "FilterPolicy",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
    "SubscriptionRoleArn",
];

fn attributes_of(properties: &Value, names: &[&str]) -> Map<String, Value> {
    let pair = |name: &&str| Some(((*name).to_owned(), properties::text(properties, name)?.into()));
    names.iter().filter_map(pair).collect()
}

/// What is set to get from the old attributes to the new ones; what is gone is removed by an empty text.
fn changes(old: &Value, new: &Value, names: &[&str]) -> Vec<(String, Value)> {
    let (before, after) = (attributes_of(old, names), attributes_of(new, names));
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), json!("")));
    let set = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    gone.chain(set.map(|(name, value)| (name.clone(), value.clone()))).collect()
}

struct TopicHandler;

#[async_trait]
impl ResourceHandler for TopicHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let suffix = if properties::truth(properties, "FifoTopic") { ".fifo" } else { "" };
        let generated = || resource.generated_name(256 - suffix.len()) + suffix;
        let name = properties::text(properties, "TopicName").unwrap_or_else(generated);
        let input = json!({
            "Name": name,
            "Attributes": attributes_of(properties, TOPIC_ATTRIBUTES),
            "Tags": crate::tags::list(&properties::tags(resource, properties)),
        });
        let context = &resource.context;
        let answer = context.call("sns", "CreateTopic", input).await?;
        let arn = answer["TopicArn"].as_str().unwrap_or_default().to_owned();
        subscribe_all(context, &arn, properties::list(properties, "Subscription")).await?;
        Ok(describe(&arn))
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        let fifo = |properties: &Value| properties::truth(properties, "FifoTopic");
        if differs(old, new, &["TopicName"]) || fifo(old) != fifo(new) {
            return Ok(Update::Replace);
        }
        let context = &resource.context;
        for (name, value) in changes(old, new, TOPIC_ATTRIBUTES) {
            if name != "FifoTopic" {
                let input =
                    json!({ "TopicArn": physical_id, "AttributeName": name, "AttributeValue": value });
                context.call("sns", "SetTopicAttributes", input).await?;
            }
        }
        let wanted = properties::list(new, "Subscription");
        for gone in
            properties::list(old, "Subscription").iter().filter(|subscription| !wanted.contains(subscription))
        {
            unsubscribe(context, physical_id, gone).await?;
        }
        subscribe_all(context, physical_id, wanted).await?;
        let (before, after) = (properties::tags(resource, old), properties::tags(resource, new));
        let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        if !gone.is_empty() {
            context
                .call("sns", "UntagResource", json!({ "ResourceArn": physical_id, "TagKeys": gone }))
                .await?;
        }
        if !after.is_empty() {
            let input = json!({ "ResourceArn": physical_id, "Tags": crate::tags::list(&after) });
            context.call("sns", "TagResource", input).await?;
        }
        Ok(Update::InPlace(describe(physical_id)))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        resource.context.call("sns", "DeleteTopic", json!({ "TopicArn": physical_id })).await.map(drop)
    }
}

fn describe(arn: &str) -> Resource {
    let name = arn.rsplit(':').next().unwrap_or_default();
    let attributes = properties::attributes([("TopicArn", arn), ("TopicName", name)]);
    Resource { physical_id: arn.to_owned(), attributes }
}

async fn subscribe_all(context: &Context, topic: &str, subscriptions: &[Value]) -> Result<(), ServiceError> {
    for subscription in subscriptions {
        let input = json!({
            "TopicArn": topic,
            "Protocol": subscription["Protocol"],
            "Endpoint": properties::text(subscription, "Endpoint"),
        });
        context.call("sns", "Subscribe", input).await?;
    }
    Ok(())
}

/// Ends the subscription of a topic's list, which is known by its protocol and endpoint.
async fn unsubscribe(context: &Context, topic: &str, subscription: &Value) -> Result<(), ServiceError> {
    // Subscribing again gives the ARN of the one that is there.
    let input = json!({
        "TopicArn": topic,
        "Protocol": subscription["Protocol"],
        "Endpoint": properties::text(subscription, "Endpoint"),
        "ReturnSubscriptionArn": true,
    });
    let answer = context.call("sns", "Subscribe", input).await?;
    context
        .call("sns", "Unsubscribe", json!({ "SubscriptionArn": answer["SubscriptionArn"] }))
        .await
        .map(drop)
}

struct SubscriptionHandler;

#[async_trait]
impl ResourceHandler for SubscriptionHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let topic = properties::text(properties, "TopicArn").unwrap_or_default();
        let input = json!({
            "TopicArn": topic,
            "Protocol": properties["Protocol"],
            "Endpoint": properties::text(properties, "Endpoint"),
            "Attributes": attributes_of(properties, SUBSCRIPTION_ATTRIBUTES),
            "ReturnSubscriptionArn": true,
        });
        // The topic may be in another region than the stack.
        let context = topic
            .parse::<Arn>()
            .map_or_else(|_| resource.context.clone(), |arn| resource.context.within(&arn));
        let answer = context.call("sns", "Subscribe", input).await?;
        let arn = answer["SubscriptionArn"].as_str().unwrap_or_default();
        Ok(Resource { physical_id: arn.to_owned(), attributes: properties::attributes([("Arn", arn)]) })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["Endpoint", "Protocol", "TopicArn"]) {
            return Ok(Update::Replace);
        }
        for (name, value) in changes(old, new, SUBSCRIPTION_ATTRIBUTES) {
            let input =
                json!({ "SubscriptionArn": physical_id, "AttributeName": name, "AttributeValue": value });
            resource.context.call("sns", "SetSubscriptionAttributes", input).await?;
        }
        let attributes = properties::attributes([("Arn", physical_id)]);
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        resource.context.call("sns", "Unsubscribe", json!({ "SubscriptionArn": physical_id })).await.map(drop)
    }
}

/// A policy is an attribute of each of its topics.
struct PolicyHandler;

async fn set_policy(context: &Context, topics: &[Value], policy: &str) -> Result<(), ServiceError> {
    for topic in topics {
        let input = json!({ "TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy });
        match context.call("sns", "SetTopicAttributes", input).await {
            Err(error) if !(policy.is_empty() && error.code == "NotFoundException") => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[async_trait]
impl ResourceHandler for PolicyHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let policy = properties::text(properties, "PolicyDocument").unwrap_or_default();
        set_policy(&resource.context, properties::list(properties, "Topics"), &policy).await?;
        let physical_id = resource.generated_name(128);
        let attributes = properties::attributes([("Id", &physical_id)]);
        Ok(Resource { physical_id, attributes })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        let topics = properties::list(new, "Topics");
        let left: Vec<Value> =
            properties::list(old, "Topics").iter().filter(|topic| !topics.contains(topic)).cloned().collect();
        set_policy(&resource.context, &left, "").await?;
        let policy = properties::text(new, "PolicyDocument").unwrap_or_default();
        set_policy(&resource.context, topics, &policy).await?;
        let attributes = properties::attributes([("Id", physical_id)]);
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        _: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        set_policy(&resource.context, properties::list(properties, "Topics"), "").await
    }
}
