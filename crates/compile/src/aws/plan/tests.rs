//! Plans as lines, from two templates of resources.

use super::*;

/// `action Id (path: before -> after; ...) !kind: text #note`
fn lines(plan: &Plan) -> Vec<String> {
    let show = |value: &Option<Value>| match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let property = |one: &PropertyChange| {
        let mark = match one.effect {
            Effect::InPlace => "",
            Effect::MayReplace => "?",
            Effect::Replaces => "!",
        };
        match &one.because {
            Some(id) => format!("{}{mark}: follows {id}", one.path),
            None => format!("{}{mark}: {} -> {}", one.path, show(&one.before), show(&one.after)),
        }
    };
    let mut lines = Vec::new();
    for change in &plan.changes {
        let properties: Vec<String> = change.properties.iter().map(property).collect();
        lines.push(
            format!("{} {} {}", change.action.name(), change.logical_id, properties.join("; "))
                .trim_end()
                .to_owned(),
        );
        lines
            .extend(change.hazards.iter().map(|hazard| format!("  {}: {}", hazard.kind.name(), hazard.text)));
        lines.extend(change.notes.iter().map(|note| format!("  note: {note}")));
    }
    lines.extend(plan.sections.iter().map(property));
    lines
}

fn template(resources: Value) -> Value {
    json!({ "Resources": resources })
}

fn check(before: Value, after: Value, expected: &[&str]) {
    let plan = plan(Some(&template(before)), &template(after));
    assert_eq!(lines(&plan), expected);
    assert_eq!(plan.is_empty(), expected.is_empty());
}

fn one(kind: &str, properties: Value) -> Value {
    json!({ "X": { "Type": kind, "Properties": properties } })
}

fn with(mut resources: Value, attribute: &str, value: &str) -> Value {
    resources["X"][attribute] = json!(value);
    resources
}

#[test]
fn nothing_changes_by_itself() {
    let service = |time: &str, hash: &str| {
        json!({
            "ALambdaFunction": { "Type": "AWS::Lambda::Function", "Properties": {
                "Code": { "S3Key": format!("serverless/s/dev/{time}-2026-11-23T04:05:06.789Z/s.zip") }, "Timeout": 6 } },
            format!("ALambdaVersion{hash}"): { "Type": "AWS::Lambda::Version", "Properties": {
                "FunctionName": { "Ref": "ALambdaFunction" }, "CodeSha256": "same" } },
            format!("ApiGatewayDeployment{time}"): { "Type": "AWS::ApiGateway::Deployment", "Properties": {
                "RestApiId": { "Ref": "ApiGatewayRestApi" }, "StageName": "dev" } },
        })
    };
    let (old, new) = (service("1795406706789", &"a".repeat(43)), service("1795406999999", &"b".repeat(43)));
    check(old.clone(), new.clone(), &[]);
    let plan = plan(Some(&template(old)), &template(new));
    assert_eq!((plan.unchanged, plan.renewed.len(), plan.unknown_code.len()), (3, 2, 0));
    check(
        one("AWS::Lambda::Function", json!({ "Timeout": 6 })),
        one("AWS::Lambda::Function", json!({ "Timeout": "6" })),
        &[],
    );
}

#[test]
fn code_is_told_by_its_hash() {
    let service = |id: &str, hash: &str| {
        json!({
            "ALambdaFunction": { "Type": "AWS::Lambda::Function", "Properties": { "Timeout": 6 } },
            format!("ALambdaVersion{}", id.repeat(43)): { "Type": "AWS::Lambda::Version", "Properties": {
                "FunctionName": { "Ref": "ALambdaFunction" }, "CodeSha256": hash } },
        })
    };
    check(
        service("a", "11111111111111"),
        service("b", "22222222222222"),
        &["update ALambdaFunction Code: 111111111111 -> 222222222222"],
    );
    let layer = |hash: &str| {
        json!({
            "Resources": {
                "LLambdaLayer": { "Type": "AWS::Lambda::LayerVersion", "Properties": { "LayerName": "l" } },
                "F": { "Type": "AWS::Lambda::Function", "Properties": { "Layers": [{ "Ref": "LLambdaLayer" }] } },
            },
            "Outputs": { "LLambdaLayerHash": { "Value": hash } },
        })
    };
    let mut changed = plan(Some(&layer("1")), &layer("2"));
    assert_eq!(
        lines(&changed),
        ["replace LLambdaLayer Content!: 1 -> 2", "update F Layers: follows LLambdaLayer"]
    );
    assert_eq!(changed.unknown_code, ["F"]);
    changed.code_differs("F", "AWS::Lambda::Function", ["3", "4"]);
    assert_eq!(lines(&changed)[1], "update F Code: 3 -> 4; Layers: follows LLambdaLayer");
}

#[test]
fn resources_come_change_and_go() {
    let function = |properties: Value| one("AWS::Lambda::Function", properties);
    check(json!({}), function(json!({})), &["create X"]);
    check(function(json!({})), json!({}), &["delete X"]);
    check(
        function(json!({ "Timeout": 6, "Environment": { "Variables": { "A": "1", "B": "2" } } })),
        function(json!({ "Timeout": 10, "Environment": { "Variables": { "A": "1", "C": { "Ref": "T" } } } })),
        &[
            "update X Timeout: 6 -> 10; Environment.Variables.B: 2 -> none; Environment.Variables.C: none -> {\"Ref\":\"T\"}",
        ],
    );
    check(
        function(json!({ "Tags": [{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "2" }] })),
        function(json!({ "Tags": [{ "Key": "b", "Value": "3" }, { "Key": "a", "Value": "1" }] })),
        &["update X Tags[b].Value: 2 -> 3"],
    );
    check(
        function(json!({ "Layers": ["a", "b"] })),
        function(json!({ "Layers": ["b", "a"] })),
        &["update X Layers: [\"a\",\"b\"] -> [\"b\",\"a\"]"],
    );
    check(
        function(json!({ "Layers": ["a", "b"] })),
        function(json!({ "Layers": ["b"] })),
        &["update X Layers[0]: a -> none"],
    );
    check(
        one("Custom::A", json!({ "P": 1 })),
        one("Custom::A", json!({ "P": 2 })),
        &["may replace X P?: 1 -> 2"],
    );
    check(
        one("AWS::SNS::Topic", json!({})),
        one("AWS::SQS::Queue", json!({})),
        &[
            "replace X Type!: AWS::SNS::Topic -> AWS::SQS::Queue",
            "  note: CloudFormation refuses to change the type of a resource: give it another logical id",
        ],
    );
}

#[test]
fn what_is_replaced_replaces_what_hangs_on_it() {
    let stack = |name: &str| {
        json!({
            "F": { "Type": "AWS::Lambda::Function", "Properties": { "FunctionName": name } },
            "P": { "Type": "AWS::Lambda::Permission", "Properties": { "FunctionName": { "Fn::GetAtt": ["F", "Arn"] } } },
            "R": { "Type": "AWS::Events::Rule", "Properties": { "Targets": [{ "Arn": { "Fn::Sub": "x${F.Arn}" } }] } },
        })
    };
    check(
        stack("a"),
        stack("b"),
        &[
            "replace F FunctionName!: a -> b",
            "replace P FunctionName!: follows F",
            "update R Targets: follows F",
        ],
    );
}

#[test]
fn lost_data_is_told() {
    let table = |name: &str, key: &str| {
        one("AWS::DynamoDB::Table", json!({ "TableName": name, "KeySchema": [{ "AttributeName": key }] }))
    };
    check(
        table("a", "k"),
        table("b", "k"),
        &[
            "replace X TableName!: a -> b",
            "  data-loss: its items would be lost: an empty one takes its place",
        ],
    );
    check(
        table("a", "k"),
        with(table("b", "k"), "UpdateReplacePolicy", "Retain"),
        &["replace X TableName!: a -> b; UpdateReplacePolicy: none -> Retain"],
    );
    check(
        table("a", "k"),
        table("a", "l"),
        &[
            "replace X KeySchema[k]!: {\"AttributeName\":\"k\"} -> none; KeySchema[l]!: none -> {\"AttributeName\":\"l\"}",
            "  data-loss: its items would be lost: an empty one takes its place",
            "  note: the deploy would fail while `TableName` stays: two cannot have the same name, so change it too",
        ],
    );
    check(table("a", "k"), json!({}), &["delete X", "  data-loss: its items would be lost"]);
    check(
        with(table("a", "k"), "DeletionPolicy", "Retain"),
        json!({}),
        &["delete X", "  note: stays in the account, outside of the stack"],
    );
    check(
        with(table("a", "k"), "DeletionPolicy", "Retain"),
        table("a", "k"),
        &[
            "update X DeletionPolicy: Retain -> none",
            "  data-loss: its items would be lost once it leaves the stack: it is no longer retained",
        ],
    );
    check(one("AWS::RDS::DBCluster", json!({})), json!({}), &["delete X"]);
    check(
        with(one("AWS::RDS::DBCluster", json!({})), "DeletionPolicy", "Delete"),
        json!({}),
        &["delete X", "  data-loss: its database would be lost"],
    );
    let logs = |days: Value| one("AWS::Logs::LogGroup", json!({ "RetentionInDays": days }));
    check(
        logs(json!(30)),
        logs(json!(7)),
        &[
            "update X RetentionInDays: 30 -> 7",
            "  data-loss: older log lines would be lost: `RetentionInDays` is shorter",
        ],
    );
    check(logs(json!(7)), logs(json!(30)), &["update X RetentionInDays: 7 -> 30"]);
    check(one("AWS::SNS::Topic", json!({})), json!({}), &["delete X"]);
}

#[test]
fn what_becomes_public_is_told() {
    let public = |kind: &str, old: Option<Value>, new: Value, expected: &[&str]| {
        let before = old.map_or_else(|| json!({}), |old| one(kind, old));
        let plan = plan(Some(&template(before)), &template(one(kind, new.clone())));
        let hazards = plan.changes.iter().flat_map(|change| &change.hazards);
        let found: Vec<&str> =
            hazards.filter(|one| one.kind == HazardKind::Public).map(|one| &*one.text).collect();
        assert_eq!(found, expected, "{kind} {new}");
    };
    public("AWS::Lambda::Url", None, json!({ "AuthType": "AWS_IAM" }), &[]);
    let url = "anyone can call the function through its URL (AuthType NONE)";
    public("AWS::Lambda::Url", Some(json!({ "AuthType": "AWS_IAM" })), json!({ "AuthType": "NONE" }), &[url]);
    public(
        "AWS::Lambda::Url",
        Some(json!({ "AuthType": "NONE" })),
        json!({ "AuthType": "NONE", "Cors": {} }),
        &[],
    );
    let policy = |principal: Value, condition: Value| {
        json!({ "PolicyDocument": { "Statement": [
        { "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Condition": condition },
        { "Effect": "Deny", "Principal": "*", "Action": "s3:*" },
    ] } })
    };
    let everyone = "everyone (Principal \"*\") may s3:GetObject";
    public("AWS::S3::BucketPolicy", None, policy(json!("*"), json!({})), &[everyone]);
    public(
        "AWS::S3::BucketPolicy",
        None,
        policy(json!({ "AWS": ["*"] }), json!({ "Bool": { "aws:SecureTransport": true } })),
        &[everyone],
    );
    public(
        "AWS::S3::BucketPolicy",
        None,
        policy(json!("*"), json!({ "ArnLike": { "aws:SourceArn": "x" } })),
        &[],
    );
    public("AWS::S3::BucketPolicy", None, policy(json!({ "Service": "s3.amazonaws.com" }), json!({})), &[]);
    let block = json!({ "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": "true" } });
    let mut opened = block.clone();
    opened["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] = json!(false);
    let flag = "public access to the bucket is not blocked any more (BlockPublicPolicy)";
    public("AWS::S3::Bucket", Some(block.clone()), opened, &[flag]);
    public(
        "AWS::S3::Bucket",
        None,
        json!({ "AccessControl": "PublicRead" }),
        &["anyone can read the bucket (AccessControl)"],
    );
    public("AWS::S3::Bucket", None, json!({}), &[]);
    let plan =
        plan(Some(&template(one("AWS::S3::Bucket", block))), &template(one("AWS::S3::Bucket", json!({}))));
    assert_eq!(plan.changes[0].hazards.len(), 4);
    let route = |key: &str, auth: &str| json!({ "RouteKey": key, "AuthorizationType": auth });
    let open = "GET /a answers anyone: it has no authorizer";
    public("AWS::ApiGatewayV2::Route", None, route("GET /a", "NONE"), &[open]);
    public("AWS::ApiGatewayV2::Route", Some(route("GET /a", "JWT")), route("GET /a", "NONE"), &[open]);
    public("AWS::ApiGatewayV2::Route", None, route("sendMessage", "NONE"), &[]);
    public(
        "AWS::ApiGateway::Method",
        None,
        json!({ "HttpMethod": "GET", "AuthorizationType": "NONE" }),
        &["GET / answers anyone: it has no authorizer"],
    );
    public(
        "AWS::ApiGateway::Method",
        None,
        json!({ "HttpMethod": "GET", "AuthorizationType": "NONE", "ApiKeyRequired": true }),
        &[],
    );
    public(
        "AWS::EC2::SecurityGroup",
        None,
        json!({ "SecurityGroupIngress": [{ "CidrIp": "0.0.0.0/0", "FromPort": 22, "ToPort": 22 }] }),
        &["the whole internet (0.0.0.0/0) reaches port 22"],
    );
}

#[test]
fn secrets_are_hidden() {
    let function =
        |variables: Value| one("AWS::Lambda::Function", json!({ "Environment": { "Variables": variables } }));
    let check = |name: &str, value: Value, shown: &str| {
        let plan = plan(Some(&template(function(json!({})))), &template(function(json!({ name: value }))));
        assert_eq!(lines(&plan), [format!("update X Environment.Variables.{name}: none -> {shown}")]);
    };
    check("DB_PASSWORD", json!("hunter2"), HIDDEN);
    check("STRIPE_API_KEY", json!("x"), HIDDEN);
    check("SECRET_ARN", json!("arn:x"), "arn:x");
    check("SECRET", json!({ "Ref": "MySecret" }), "{\"Ref\":\"MySecret\"}");
    check(
        "TOKEN",
        json!({ "Fn::Join": ["", ["a", "b"]] }),
        "{\"Fn::Join\":[\"(hidden)\",[\"(hidden)\",\"(hidden)\"]]}",
    );
    check("URL", json!("postgres://user:pass@host/db"), HIDDEN);
    check("KEY", json!(["AKIA", "IOSFODNN7EXAMPLE"].concat()), HIDDEN);
    check("TABLE", json!("notes-dev"), "notes-dev");
}

#[test]
fn the_rest_of_the_template_is_compared() {
    let before = json!({ "Resources": {}, "Outputs": { "A": { "Value": "1" } }, "Description": "d" });
    let after = json!({ "Resources": {}, "Outputs": { "B": { "Value": "2" } }, "Description": "d", "Conditions": { "C": true } });
    assert_eq!(
        lines(&plan(Some(&before), &after)),
        [
            "Outputs.A: {\"Value\":\"1\"} -> none",
            "Outputs.B: none -> {\"Value\":\"2\"}",
            "Conditions.C: none -> true",
        ]
    );
    let first = plan(None, &after);
    assert!(first.is_empty(), "{first:?}");
}
