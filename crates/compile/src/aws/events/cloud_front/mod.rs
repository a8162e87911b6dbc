//! `cloudFront`: a distribution whose behaviours call functions at the edge.

mod behavior;
mod origin;

use super::super::context::{Context, Event};
use super::super::naming::{self, ROLE};
use super::super::values::{display, get, object};
use aloft_diag::Diagnostic;
use behavior::Behaviors;
use origin::Origins;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

const DISTRIBUTION: &str = "CloudFrontDistribution";

/// Adds cache policies, the distribution, and the permissions to run at the edge.
///
/// # Errors
/// The original's for limits at the edge, regions, origins and behaviours that contradict each other.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let events = context.events_of("cloudFront");
    for event in &events {
        check_limits(context, *event)?;
    }
    let mut unused = add_cache_policies(context);
    let known = unused.clone();
    let (mut origins, mut behaviors) = (Origins::default(), Behaviors::default());
    for event in &events {
        let version = prepare_function(context, event.function);
        let origin = origins.add(context, *event)?;
        let policy = behaviors.add(context, *event, &origin, &version, &known)?;
        unused.retain(|name| Some(name) != policy.as_ref());
    }
    for name in &unused {
        let path = format!("provider.cloudFront.cachePolicies.{name}");
        let message = format!("Setting \"{path}\" is not used by any cloudFront event configuration.");
        let warning = Diagnostic::warning("UNUSED_CLOUDFRONT_CACHE_POLICY", message)
            .at_opt(context.service.span(&path), "is not used")
            .help("name it in an event by `cachePolicy: { name: ... }`, or remove it");
        context.warnings.push(warning);
    }
    if events.is_empty() {
        return Ok(());
    }
    if context.service.region != "us-east-1" {
        return Err(context
            .error(
                "CLOUDFRONT_INVALID_REGION",
                "CloudFront associated functions have to be deployed to the us-east-1 region.",
                "provider.region",
            )
            .help("set `provider.region: us-east-1`, or deploy with `--region us-east-1`"));
    }
    let behaviors = behaviors.finish(context, &origins, events[0])?;
    permit(context, &events);
    add_distribution(context, behaviors, origins);
    Ok(())
}

/// Lambda at the edge allows less.
fn check_limits(context: &Context<'_>, event: Event<'_>) -> Result<(), Diagnostic> {
    let kind = event.get("eventType").map_or("default".to_owned(), display);
    let (timeout, memory) = if kind.starts_with("origin-") { (30.0, 10240.0) } else { (5.0, 128.0) };
    let function = event.function;
    let config = context.functions[function].config;
    for (setting, limit, code) in [
        ("memorySize", memory, "LAMBDA_EDGE_UNSUPPORTED_MEMORY_SIZE"),
        ("timeout", timeout, "LAMBDA_EDGE_UNSUPPORTED_TIMEOUT_VALUE"),
    ] {
        if get(config, setting)
            .and_then(|value| display(value).parse::<f64>().ok())
            .is_some_and(|value| value > limit)
        {
            let message = format!(
                "\"{function}\" {setting} is greater than {limit} which is not supported by Lambda@Edge functions of type \"{kind}\""
            );
            return Err(context
                .error(code, message, &format!("functions.{function}.{setting}"))
                .help(format!("set `{setting}: {limit}` or less")));
        }
    }
    Ok(())
}

fn policy_id(name: &str) -> String {
    format!("CloudFrontCachePolicy{}", naming::normalized(name))
}

/// Adds `provider.cloudFront.cachePolicies` and says their names.
fn add_cache_policies(context: &mut Context<'_>) -> HashSet<String> {
    let policies =
        object(context.provider, "cloudFront").and_then(|settings| object(settings, "cachePolicies"));
    let mut names = HashSet::new();
    for (name, config) in policies.into_iter().flatten() {
        let mut config = config.as_object().cloned().unwrap_or_default();
        let full_name = format!("{}-{}-{name}", context.service.name, context.service.stage);
        config.insert("Name".to_owned(), json!(full_name));
        context.put(
            policy_id(name),
            json!({
                "Type": "AWS::CloudFront::CachePolicy",
                "Properties": { "CachePolicyConfig": config },
            }),
        );
        names.insert(name.clone());
    }
    names
}

/// Takes out what the edge does not know, keeps the function when the stack goes, and says its version's logical id.
fn prepare_function(context: &mut Context<'_>, key: &str) -> Option<String> {
    if let Some(function) = context.resources.get_mut(&naming::function(key)).and_then(Value::as_object_mut) {
        if let Some(properties) = function.get_mut("Properties").and_then(Value::as_object_mut) {
            properties.shift_remove("VpcConfig");
            properties.shift_remove("Environment");
        }
        function.insert("DeletionPolicy".to_owned(), json!("Retain"));
    }
    context.functions.get(key).and_then(|function| function.version.clone())
}

fn permit(context: &mut Context<'_>, events: &[Event<'_>]) {
    for event in events {
        let version = context.functions[event.function].version.clone();
        context.put(format!("{}InvokePermission", naming::function(event.function)), json!({
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": { "Ref": version },
                "Action": "lambda:InvokeFunction",
                "Principal": "edgelambda.amazonaws.com",
                "SourceArn": {
                    "Fn::Join": ["", [
                        "", "arn:", { "Ref": "AWS::Partition" }, ":cloudfront::", { "Ref": "AWS::AccountId" }, ":distribution/",
                        { "Ref": DISTRIBUTION },
                    ]],
                },
            },
        }));
    }
    let services = context
        .resources
        .get_mut(ROLE)
        .and_then(|role| {
            role.pointer_mut("/Properties/AssumeRolePolicyDocument/Statement/0/Principal/Service")
        })
        .and_then(Value::as_array_mut);
    if let Some(services) = services {
        services.push(json!("edgelambda.amazonaws.com"));
    }
    context.allow(json!({
        "Effect": "Allow",
        "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:TagResource"],
        "Resource": [{ "Fn::Sub": "arn:${AWS::Partition}:logs:*:*:*" }],
    }));
}

fn add_distribution(context: &mut Context<'_>, behaviors: Vec<Map<String, Value>>, origins: Origins) {
    let mut behaviors = behaviors.into_iter();
    let mut config = json!({
        "Comment": format!("{} {}", context.service.name, context.service.stage),
        "Enabled": true,
        "DefaultCacheBehavior": behaviors.next(),
        "Origins": origins.list(),
    });
    let others: Vec<_> = behaviors.collect();
    if !others.is_empty() {
        config["CacheBehaviors"] = json!(others);
    }
    context.put(
        DISTRIBUTION,
        json!({
            "Type": "AWS::CloudFront::Distribution",
            "Properties": { "DistributionConfig": config },
        }),
    );
    context.output(
        DISTRIBUTION,
        json!({ "Description": "CloudFront Distribution Id", "Value": { "Ref": DISTRIBUTION } }),
    );
    context.output(
        "CloudFrontDistributionDomainName",
        json!({
            "Description": "CloudFront Distribution Domain Name",
            "Value": { "Fn::GetAtt": [DISTRIBUTION, "DomainName"] },
        }),
    );
}
