//! CloudFormation's properties of a bucket as inputs of S3's operations: the same things under other names.

use serde_json::{Map, Value, json};

/// A configuration that a property stands for.
pub(super) struct Property {
    /// The property's name.
    pub name: &'static str,
    /// The operation that sets it.
    pub put: &'static str,
    /// The operation that removes it, or sets its default when there is none.
    pub delete: Option<&'static str>,
    /// The member of the operation's input.
    pub member: &'static str,
    /// The property as the member wants it.
    pub translate: fn(&Value) -> Value,
}

/// All of them, but notifications come last: their destinations may look at the bucket.
pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "AccelerateConfiguration",
        put: "PutBucketAccelerateConfiguration",
        delete: None,
        member: "AccelerateConfiguration",
        translate: |value| json!({ "Status": value["AccelerationStatus"] }),
    },
    Property {
        name: "BucketEncryption",
        put: "PutBucketEncryption",
        delete: Some("DeleteBucketEncryption"),
        member: "ServerSideEncryptionConfiguration",
        translate: encryption,
    },
    Property {
        name: "CorsConfiguration",
        put: "PutBucketCors",
        delete: Some("DeleteBucketCors"),
        member: "CORSConfiguration",
        translate: cors,
    },
    Property {
        name: "LifecycleConfiguration",
        put: "PutBucketLifecycleConfiguration",
        delete: Some("DeleteBucketLifecycle"),
        member: "LifecycleConfiguration",
        translate: |value| json!({ "Rules": list(&value["Rules"], lifecycle_rule) }),
    },
    Property {
        name: "OwnershipControls",
        put: "PutBucketOwnershipControls",
        delete: Some("DeleteBucketOwnershipControls"),
        member: "OwnershipControls",
        translate: Value::clone,
    },
    Property {
        name: "PublicAccessBlockConfiguration",
        put: "PutPublicAccessBlock",
        delete: Some("DeletePublicAccessBlock"),
        member: "PublicAccessBlockConfiguration",
        translate: |value| {
            let members = value.as_object().into_iter().flatten();
            members.map(|(name, value)| (name.clone(), json!(is_true(value)))).collect::<Map<_, _>>().into()
        },
    },
    Property {
        name: "Tags",
        put: "PutBucketTagging",
        delete: Some("DeleteBucketTagging"),
        member: "Tagging",
        translate: |value| json!({ "TagSet": value }),
    },
    Property {
        name: "VersioningConfiguration",
        put: "PutBucketVersioning",
        delete: None,
        member: "VersioningConfiguration",
        translate: |value| json!({ "Status": value["Status"] }),
    },
    Property {
        name: "WebsiteConfiguration",
        put: "PutBucketWebsite",
        delete: Some("DeleteBucketWebsite"),
        member: "WebsiteConfiguration",
        translate: website,
    },
    Property {
        name: "NotificationConfiguration",
        put: "PutBucketNotificationConfiguration",
        delete: None,
        member: "NotificationConfiguration",
        translate: notifications,
    },
];

/// What a property without a `delete` is set to when it is taken away.
pub(super) fn default_of(property: &str) -> Value {
    match property {
        "AccelerateConfiguration" => json!({ "Status": "Suspended" }),
        "VersioningConfiguration" => json!({ "Status": "Suspended" }),
        _ => json!({}),
    }
}

/// A boolean, or its name: templates have both.
pub(super) fn is_true(value: &Value) -> bool {
    *value == json!(true) || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// A number, or its digits.
fn number(value: &Value) -> Value {
    match value.as_str().and_then(|text| text.parse::<i64>().ok()) {
        Some(number) => json!(number),
        None => value.clone(),
    }
}

fn list(value: &Value, each: impl Fn(&Value) -> Value) -> Value {
    value.as_array().into_iter().flatten().map(each).collect()
}

/// A member of a translated object: its new name, its old one, and what makes the one of the other.
type Member<'a> = (&'a str, &'a str, fn(&Value) -> Value);

/// An object of the members that are there.
fn renamed(value: &Value, members: &[Member<'_>]) -> Value {
    let present =
        members.iter().filter_map(|(new, old, make)| Some(((*new).to_owned(), make(value.get(*old)?))));
    Value::Object(present.collect())
}

fn encryption(value: &Value) -> Value {
    let rule = |rule: &Value| {
        renamed(
            rule,
            &[
                ("ApplyServerSideEncryptionByDefault", "ServerSideEncryptionByDefault", Value::clone),
                ("BucketKeyEnabled", "BucketKeyEnabled", |value| json!(is_true(value))),
            ],
        )
    };
    json!({ "Rules": list(&value["ServerSideEncryptionConfiguration"], rule) })
}

fn cors(value: &Value) -> Value {
    let rule = |rule: &Value| {
        renamed(
            rule,
            &[
                ("ID", "Id", Value::clone),
                ("AllowedHeaders", "AllowedHeaders", Value::clone),
                ("AllowedMethods", "AllowedMethods", Value::clone),
                ("AllowedOrigins", "AllowedOrigins", Value::clone),
                ("ExposeHeaders", "ExposedHeaders", Value::clone),
                ("MaxAgeSeconds", "MaxAge", number),
            ],
        )
    };
    json!({ "CORSRules": list(&value["CorsRules"], rule) })
}

/// A date of a template, as the protocols carry it: seconds since the epoch.
fn date(value: &Value) -> Value {
    let text = value.as_str().unwrap_or_default();
    let moment = aloft_base::Timestamp::parse_iso8601(text)
        .or_else(|| aloft_base::Timestamp::parse_iso8601(&format!("{text}T00:00:00Z")));
    moment.map_or_else(|| value.clone(), |moment| json!(moment.seconds()))
}

fn transition(value: &Value) -> Value {
    renamed(
        value,
        &[
            ("StorageClass", "StorageClass", Value::clone),
            ("Days", "TransitionInDays", number),
            ("Date", "TransitionDate", date),
        ],
    )
}

fn noncurrent_transition(value: &Value) -> Value {
    renamed(
        value,
        &[
            ("StorageClass", "StorageClass", Value::clone),
            ("NoncurrentDays", "TransitionInDays", number),
            ("NewerNoncurrentVersions", "NewerNoncurrentVersions", number),
        ],
    )
}

fn lifecycle_rule(rule: &Value) -> Value {
    let mut made = renamed(
        rule,
        &[
            ("ID", "Id", Value::clone),
            ("Status", "Status", Value::clone),
            ("Transitions", "Transitions", |all| list(all, transition)),
            ("NoncurrentVersionTransitions", "NoncurrentVersionTransitions", |all| {
                list(all, noncurrent_transition)
            }),
            ("NoncurrentVersionExpiration", "NoncurrentVersionExpiration", |value| {
                renamed(
                    value,
                    &[
                        ("NoncurrentDays", "NoncurrentDays", number),
                        ("NewerNoncurrentVersions", "NewerNoncurrentVersions", number),
                    ],
                )
            }),
            (
                "AbortIncompleteMultipartUpload",
                "AbortIncompleteMultipartUpload",
                |value| json!({ "DaysAfterInitiation": number(&value["DaysAfterInitiation"]) }),
            ),
        ],
    );
    if let Some(single) = rule.get("Transition") {
        made["Transitions"] = json!([transition(single)]);
    }
    if let Some(days) = rule.get("NoncurrentVersionExpirationInDays") {
        made["NoncurrentVersionExpiration"] = json!({ "NoncurrentDays": number(days) });
    }
    let expiration = renamed(
        rule,
        &[
            ("Days", "ExpirationInDays", number),
            ("Date", "ExpirationDate", date),
            ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker", |value| json!(is_true(value))),
        ],
    );
    if expiration.as_object().is_some_and(|members| !members.is_empty()) {
        made["Expiration"] = expiration;
    }
    made["Filter"] = lifecycle_filter(rule);
    made
}

/// One condition stands alone, several under `And`.
fn lifecycle_filter(rule: &Value) -> Value {
    let mut conditions = renamed(
        rule,
        &[
            ("Prefix", "Prefix", Value::clone),
            ("Tags", "TagFilters", Value::clone),
            ("ObjectSizeGreaterThan", "ObjectSizeGreaterThan", number),
            ("ObjectSizeLessThan", "ObjectSizeLessThan", number),
        ],
    );
    let count = conditions.as_object().map_or(0, Map::len);
    let tags = conditions["Tags"].as_array().map_or(0, Vec::len);
    match (count, tags) {
        (0, _) => json!({ "Prefix": "" }),
        (1, 1) => json!({ "Tag": conditions["Tags"][0].take() }),
        (1, 0) => conditions,
        _ => json!({ "And": conditions }),
    }
}

fn website(value: &Value) -> Value {
    let mut made = Map::new();
    if let Some(index) = value.get("IndexDocument") {
        made.insert("IndexDocument".to_owned(), json!({ "Suffix": index }));
    }
    if let Some(error) = value.get("ErrorDocument") {
        made.insert("ErrorDocument".to_owned(), json!({ "Key": error }));
    }
    if let Some(redirect) = value.get("RedirectAllRequestsTo") {
        made.insert("RedirectAllRequestsTo".to_owned(), redirect.clone());
    }
    if value.get("RoutingRules").is_some() {
        let rule = |rule: &Value| {
            renamed(
                rule,
                &[
                    ("Condition", "RoutingRuleCondition", Value::clone),
                    ("Redirect", "RedirectRule", Value::clone),
                ],
            )
        };
        made.insert("RoutingRules".to_owned(), list(&value["RoutingRules"], rule));
    }
    Value::Object(made)
}

fn notifications(value: &Value) -> Value {
    let entries = |list_name: &str, old: &str, new: &str| {
        list(&value[list_name], |entry| {
            let mut made = json!({ new: entry[old], "Events": [entry["Event"]] });
            if entry["Filter"].is_object() {
                made["Filter"] = json!({ "Key": { "FilterRules": entry["Filter"]["S3Key"]["Rules"] } });
            }
            made
        })
    };
    let mut made = json!({
        "LambdaFunctionConfigurations": entries("LambdaConfigurations", "Function", "LambdaFunctionArn"),
        "QueueConfigurations": entries("QueueConfigurations", "Queue", "QueueArn"),
        "TopicConfigurations": entries("TopicConfigurations", "Topic", "TopicArn"),
    });
    // Whoever writes the block means it, unless it says otherwise.
    let bridge = &value["EventBridgeConfiguration"];
    if bridge.is_object() && bridge.get("EventBridgeEnabled").is_none_or(is_true) {
        made["EventBridgeConfiguration"] = json!({});
    }
    made
}
