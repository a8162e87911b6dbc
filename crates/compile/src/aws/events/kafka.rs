//! `kafka`: an event source mapping on a Kafka cluster that the user runs.

use super::super::context::{Context, Event};
use super::super::naming;
use super::super::values::{display, object, truthy};
use super::mapping;
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Adds mappings, and for each function the statements that they need.
///
/// # Errors
/// `FUNCTION_KAFKA_VPC_ACCESS_CONFIGURATION_INVALID`, `FUNCTION_KAFKA_STARTING_POSITION_TIMESTAMP_INVALID`.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    for (_, events) in mapping::by_function(context.events_of("kafka")) {
        let mut secrets = Vec::new();
        let mut in_vpc = false;
        for event in events {
            let access = add(context, event)?;
            secrets.extend(access.secrets);
            in_vpc |= access.in_vpc;
        }
        if !secrets.is_empty() {
            context.allow(mapping::allow(&["secretsmanager:GetSecretValue"], &secrets));
        }
        if in_vpc {
            context.allow(mapping::network_statement());
        }
    }
    Ok(())
}

#[derive(Default)]
struct Access {
    configurations: Vec<Value>,
    secrets: Vec<Value>,
    in_vpc: bool,
}

fn access(configured: &Map<String, Value>) -> Access {
    let mut access = Access::default();
    for (kind, values) in configured {
        let (name, prefix) = match kind.as_str() {
            "vpcSubnet" => ("VPC_SUBNET", "subnet:"),
            "vpcSecurityGroup" => ("VPC_SECURITY_GROUP", "security_group:"),
            "saslPlainAuth" => ("BASIC_AUTH", ""),
            "saslScram256Auth" => ("SASL_SCRAM_256_AUTH", ""),
            "saslScram512Auth" => ("SASL_SCRAM_512_AUTH", ""),
            "clientCertificateTlsAuth" => ("CLIENT_CERTIFICATE_TLS_AUTH", ""),
            "serverRootCaCertificate" => ("SERVER_ROOT_CA_CERTIFICATE", ""),
            other => (other, "?"),
        };
        access.in_vpc |= prefix.ends_with(':');
        let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
        for value in values {
            if prefix.is_empty() {
                access.secrets.push(value.clone());
            }
            let address = format!("{}{}", prefix.trim_end_matches('?'), display(value));
            access.configurations.push(json!({ "Type": name, "URI": address }));
        }
    }
    access
}

fn add(context: &mut Context<'_>, event: Event<'_>) -> Result<Access, Diagnostic> {
    let function = event.function;
    let empty = Map::new();
    let configured = event
        .value
        .as_object()
        .and_then(|settings| object(settings, "accessConfigurations"))
        .unwrap_or(&empty);
    let missing = match (truthy(configured.get("vpcSecurityGroup")), truthy(configured.get("vpcSubnet"))) {
        (true, false) => Some("vpcSubnet"),
        (false, true) => Some("vpcSecurityGroup"),
        _ => None,
    };
    if let Some(missing) = missing {
        let message = format!(
            "You must specify at least one \"{missing}\" accessConfiguration for function: {function}"
        );
        return Err(context
            .error(
                "FUNCTION_KAFKA_VPC_ACCESS_CONFIGURATION_INVALID",
                message,
                &format!("{}.accessConfigurations", event.path()),
            )
            .help(format!("add `{missing}:`; subnets and security groups go together")));
    }
    let position = event.truthy("startingPosition").cloned().unwrap_or_else(|| json!("TRIM_HORIZON"));
    check_timestamp(context, event, &position, "FUNCTION_KAFKA_STARTING_POSITION_TIMESTAMP_INVALID")?;
    let topic = event.get("topic").map(display).unwrap_or_default();
    let id = naming::event_source_mapping(function, "Kafka", &naming::cut(&naming::plain(&topic), 158));
    let access = access(configured);
    let consumer_group = event.truthy("consumerGroupId").map(|group| json!({ "ConsumerGroupId": group }));
    context.put(id, json!({
        "Type": "AWS::Lambda::EventSourceMapping",
        "DependsOn": mapping::depends_on(context, function),
        "Properties": {
            "FunctionName": context.target(function),
            "StartingPosition": position,
            "SelfManagedEventSource": { "Endpoints": { "KafkaBootstrapServers": event.get("bootstrapServers") } },
            "Topics": [topic],
            "SourceAccessConfigurations": access.configurations,
            "BatchSize": event.truthy("batchSize"),
            "MaximumBatchingWindowInSeconds": event.truthy("maximumBatchingWindow"),
            "Enabled": event.get("enabled"),
            "SelfManagedKafkaEventSourceConfig": consumer_group,
            "StartingPositionTimestamp": event.get("startingPositionTimestamp"),
            "FilterCriteria": mapping::filter_criteria(event),
        },
    }));
    Ok(access)
}

/// `AT_TIMESTAMP` needs the timestamp.
pub fn check_timestamp(
    context: &Context<'_>,
    event: Event<'_>,
    position: &Value,
    code: &str,
) -> Result<(), Diagnostic> {
    if position.as_str() != Some("AT_TIMESTAMP") || event.get("startingPositionTimestamp").is_some() {
        return Ok(());
    }
    let function = event.function;
    let message = format!(
        "You must specify startingPositionTimestamp for function: {function} when startingPosition is AT_TIMESTAMP."
    );
    Err(context
        .error(code, message, &format!("{}.startingPosition", event.path()))
        .help("add `startingPositionTimestamp:` in seconds since 1970"))
}
