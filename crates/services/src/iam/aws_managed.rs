//! Policies that AWS brings along. Any may be attached; only those in [`KNOWN`] can be looked into.

use serde_json::{Value, json};

/// A policy by its path and name under `arn:aws:iam::aws:policy/`, with the actions that it allows on everything.
pub(super) static KNOWN: &[(&str, &[&str])] = &[
    ("AdministratorAccess", &["*"]),
    ("AmazonDynamoDBFullAccess", &["dynamodb:*", "application-autoscaling:*", "cloudwatch:*"]),
    (
        "AmazonDynamoDBReadOnlyAccess",
        &[
            "dynamodb:BatchGetItem",
            "dynamodb:Describe*",
            "dynamodb:List*",
            "dynamodb:GetItem",
            "dynamodb:Query",
            "dynamodb:Scan",
        ],
    ),
    ("AmazonEventBridgeFullAccess", &["events:*", "schemas:*", "scheduler:*", "pipes:*"]),
    ("AmazonRekognitionFullAccess", &["rekognition:*"]),
    ("AmazonS3FullAccess", &["s3:*", "s3-object-lambda:*"]),
    (
        "AmazonS3ReadOnlyAccess",
        &["s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"],
    ),
    ("AmazonSNSFullAccess", &["sns:*"]),
    ("AmazonSQSFullAccess", &["sqs:*"]),
    ("AWSLambda_FullAccess", &["lambda:*", "logs:*", "iam:GetRole", "iam:ListRoles", "iam:PassRole"]),
    ("AWSXRayDaemonWriteAccess", &["xray:*"]),
    ("CloudWatchFullAccess", &["autoscaling:Describe*", "cloudwatch:*", "logs:*", "sns:*"]),
    ("CloudWatchLogsFullAccess", &["logs:*", "cloudwatch:GenerateQuery"]),
    ("service-role/AmazonAPIGatewayPushToCloudWatchLogs", &["logs:*"]),
    (
        "service-role/AWSLambdaBasicExecutionRole",
        &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    ),
    (
        "service-role/AWSLambdaDynamoDBExecutionRole",
        &[
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
    ),
    (
        "service-role/AWSLambdaKinesisExecutionRole",
        &[
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
            "kinesis:ListStreams",
            "kinesis:SubscribeToShard",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
    ),
    ("service-role/AWSLambdaRole", &["lambda:InvokeFunction"]),
    (
        "service-role/AWSLambdaSQSQueueExecutionRole",
        &[
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
    ),
    (
        "service-role/AWSLambdaVPCAccessExecutionRole",
        &[
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ],
    ),
];

/// The path (`service-role/`) and the name of a policy of AWS's, by its ARN.
pub(super) fn path_and_name(arn: &str) -> Option<(String, &str)> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(":iam::aws:policy/")?;
    let valid = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c);
    if !partition.starts_with("aws") || rest.is_empty() || rest.ends_with('/') || !rest.chars().all(valid) {
        return None;
    }
    Some(rest.rsplit_once('/').map_or(("/".to_owned(), rest), |(path, name)| (format!("/{path}/"), name)))
}

/// The document of a policy in [`KNOWN`].
pub(super) fn document(arn: &str) -> Option<Value> {
    let (_, name) = arn.split_once(":policy/")?;
    let (_, actions) = KNOWN.iter().find(|(known, _)| *known == name)?;
    Some(
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] }),
    )
}
