//! The models that are built in, each parsed when it is first asked for.

use crate::model::Model;
use std::sync::OnceLock;

struct Embedded {
    name: &'static str,
    json: &'static str,
    parsed: OnceLock<Model>,
}

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        /// The services that [`model`] knows.
        pub const MODELS: &[&str] = &[$($name),+];

        static EMBEDDED: [Embedded; MODELS.len()] = [$(Embedded {
            name: $name,
            json: include_str!(concat!("../../../models/", $name, ".json")),
            parsed: OnceLock::new(),
        }),+];
    };
}

embedded![
    "apigateway",
    "apigatewayv2",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "dynamodbstreams",
    "ecr",
    "events",
    "iam",
    "kinesis",
    "lambda",
    "logs",
    "rekognition",
    "s3",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
];

/// The model of a service in [`MODELS`].
pub fn model(service: &str) -> Option<&'static Model> {
    let embedded = EMBEDDED.iter().find(|embedded| embedded.name == service)?;
    // The text is built in and a test parses every one of them.
    Some(embedded.parsed.get_or_init(|| Model::parse(embedded.json).expect("a built-in model can be read")))
}
