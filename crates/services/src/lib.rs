//! The AWS services of the local cloud, a folder each; and a phone, which speaks Twilio's API.
//!
//! A service knows the others only through `aloft_engine::Context::call`. To add one: a folder, its model in `models/`, and a
//! line in [`SERVICES`].

pub mod apigateway;
pub mod apigatewayv2;
pub mod cloudformation;
pub mod cloudwatch;
mod deduplication;
pub mod dynamodb;
pub mod dynamodbstreams;
pub mod ecr;
pub mod events;
mod gateway;
pub mod iam;
pub mod kinesis;
pub mod lambda;
pub mod logs;
mod outward;
mod page;
mod properties;
pub mod rekognition;
mod retry;
pub mod s3;
mod schedule;
pub mod scheduler;
pub mod secretsmanager;
pub mod sns;
pub mod sqs;
pub mod ssm;
pub mod storage;
pub mod sts;
mod tags;
mod target;
#[cfg(test)]
mod testing;
pub mod twilio;

use aloft_engine::Service;
use std::sync::Arc;

/// Makes each service, alphabetically.
pub static SERVICES: &[fn() -> Arc<dyn Service>] = &[
    || Arc::new(apigateway::ApiGateway::default()),
    // After `apigateway`: it answers at the addresses of APIs that nobody has.
    || Arc::new(apigatewayv2::ApiGatewayV2::default()),
    || Arc::new(cloudformation::CloudFormation),
    || Arc::new(cloudwatch::CloudWatch),
    || Arc::new(dynamodb::DynamoDb),
    || Arc::new(dynamodbstreams::DynamoDbStreams),
    || Arc::new(ecr::Ecr),
    || Arc::new(events::Events),
    || Arc::new(iam::Iam),
    || Arc::new(kinesis::Kinesis),
    || Arc::new(lambda::Lambda::default()),
    || Arc::new(logs::Logs),
    || Arc::new(rekognition::Rekognition::default()),
    || Arc::new(s3::S3),
    || Arc::new(scheduler::Scheduler),
    || Arc::new(secretsmanager::SecretsManager),
    || Arc::new(sns::Sns::default()),
    || Arc::new(sqs::Sqs::default()),
    || Arc::new(ssm::Ssm),
    || Arc::new(sts::Sts),
    || Arc::new(twilio::Twilio::default()),
];

/// All services, new.
pub fn all() -> Vec<Arc<dyn Service>> {
    SERVICES.iter().map(|make| make()).collect()
}

/// Whether the local cloud makes resources of a CloudFormation type.
pub fn makes(kind: &str) -> bool {
    let kind = if kind.starts_with("Custom::") { "AWS::CloudFormation::CustomResource" } else { kind };
    all().iter().flat_map(|service| service.resources()).any(|one| one.name == kind)
}

/// All services, new, but one that was made otherwise and takes the place of its like.
pub fn all_with(one: Arc<dyn Service>) -> Vec<Arc<dyn Service>> {
    let mut services = all();
    services.iter_mut().filter(|it| it.name() == one.name()).for_each(|it| *it = one.clone());
    services
}
