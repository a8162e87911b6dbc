//! Functions, versions, aliases, policies and layers as things that are made, described and refused.

use super::*;

async fn check_all<const N: usize>(cloud: &Cloud, steps: [(&str, Value, Value); N]) {
    for (operation, input, expected) in steps {
        check(cloud, operation, input, expected).await;
    }
}

fn with(mut input: Value, members: Value) -> Value {
    if let (Some(input), Value::Object(members)) = (input.as_object_mut(), members) {
        input.extend(members);
    }
    input
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_are_made_described_and_refused() {
    let cloud = cloud().await;
    let code = "def handler(event, context): return 1";
    let named = |members: Value| with(python("f", code), members);
    let zip = BASE64.decode(zipped("main.py", code)).expect("base64");
    let sha256 = super::super::code::describe(&zip).base64();
    let put = json!({ "Bucket": "code" });
    cloud.check("s3", "CreateBucket", put, json!("*")).await;
    let stored = cloud.context.call_with_body(
        "s3",
        "PutObject",
        json!({ "Bucket": "code", "Key": "f.zip" }),
        Some(zip.clone().into()),
    );
    stored.await.map(drop).expect("stored");
    let settings = json!({
        "FunctionName": "f", "FunctionArn": arn("f"), "Runtime": "python3.12", "Role": ROLE, "Handler": "main.handler",
        "CodeSize": zip.len(), "Description": "", "Timeout": 3, "MemorySize": 128, "LastModified": "2026-11-23T04:05:06.000+0000",
        "CodeSha256": sha256, "Version": "$LATEST", "TracingConfig": { "Mode": "PassThrough" }, "RevisionId": "*",
        "State": "Active", "LastUpdateStatus": "Successful", "PackageType": "Zip", "Architectures": ["x86_64"],
        "EphemeralStorage": { "Size": 512 }, "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
        "LoggingConfig": { "LogFormat": "Text", "LogGroup": "/aws/lambda/f" }, "Environment": null,
    });
    let refused = |text: &str| json!(format!("InvalidParameterValueException: {text}"));
    let from = |key: &str| json!({ "Code": { "S3Bucket": "code", "S3Key": key } });
    check_all(
        &cloud,
        [
            ("CreateFunction", named(json!({ "Runtime": null })), refused("Runtime and Handler are mandatory*")),
            ("CreateFunction", named(json!({ "Timeout": 901 })), refused("1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900")),
            ("CreateFunction", named(json!({ "MemorySize": 64 })), refused("1 validation error detected: Value '64' at 'memorySize'*")),
            (
                "CreateFunction",
                named(json!({ "Environment": { "Variables": { "AWS_REGION": "x" } } })),
                refused("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys*"),
            ),
            (
                "CreateFunction",
                named(json!({ "Environment": { "Variables": { "LONG": "x".repeat(5000) } } })),
                refused("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.*"),
            ),
            ("CreateFunction", named(json!({ "Code": { "ZipFile": BASE64.encode("no zip") } })), refused("Could not unzip uploaded file.*")),
            (
                "CreateFunction",
                named(from("none.zip")),
                refused("Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."),
            ),
            ("CreateFunction", named(json!({ "Layers": [arn("x").replace("function:x", "layer:x:1")] })), refused("Layer version*")),
            ("CreateFunction", named(json!({ "FileSystemConfigs": [{}] })), refused("The local cloud has not built*")),
            ("CreateFunction", named(json!({ "PackageType": "Image" })), refused("The local cloud runs zip packages only*")),
            ("CreateFunction", named(with(from("f.zip"), json!({ "Tags": { "a": "b" } }))), settings.clone()),
            ("CreateFunction", named(json!({})), json!("ResourceConflictException: Function already exist: f")),
            ("GetFunction", json!({ "FunctionName": arn("f") }), json!({ "Configuration": settings, "Tags": { "a": "b" } })),
            ("GetFunctionConfiguration", json!({ "FunctionName": "f:$LATEST" }), json!({ "FunctionArn": arn("f:$LATEST") })),
            ("GetFunctionConfiguration", json!({ "FunctionName": "g" }), json!(format!("ResourceNotFoundException: Function not found: {}", arn("g")))),
            ("ListFunctions", json!({}), json!({ "Functions": [{ "FunctionName": "f" }] })),
            (
                "UpdateFunctionCode",
                json!({ "FunctionName": "f", "ZipFile": zipped("main.py", "x"), "RevisionId": "old" }),
                json!("PreconditionFailedException: The RevisionId provided does not match*"),
            ),
            ("UpdateFunctionCode", json!({ "FunctionName": "f", "ZipFile": zipped("main.py", "x"), "DryRun": true }), json!({ "CodeSize": "*" })),
            ("GetFunction", json!({ "FunctionName": "f" }), json!({ "Configuration": { "CodeSha256": sha256 } })),
            ("TagResource", json!({ "Resource": arn("f"), "Tags": { "c": "d" } }), json!({})),
            ("UntagResource", json!({ "Resource": arn("f"), "TagKeys": ["a"] }), json!({})),
            ("ListTags", json!({ "Resource": arn("f") }), json!({ "Tags": { "a": null, "c": "d" } })),
            ("GetAccountSettings", json!({}), json!({ "AccountUsage": { "FunctionCount": 1, "TotalCodeSize": zip.len() }, "AccountLimit": { "ConcurrentExecutions": 1000 } })),
            ("DeleteFunction", json!({ "FunctionName": "f", "Qualifier": "$LATEST" }), refused("$LATEST version cannot be deleted*")),
            ("DeleteFunction", json!({ "FunctionName": "f" }), json!({})),
            ("DeleteFunction", json!({ "FunctionName": "f" }), json!("ResourceNotFoundException: *")),
            ("GetAccountSettings", json!({}), json!({ "AccountUsage": { "FunctionCount": 0, "TotalCodeSize": 0 } })),
        ],
    )
    .await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_and_aliases_stay_as_they_were() {
    let cloud = cloud().await;
    create(&cloud, python("f", "")).await;
    let f = |members: Value| with(json!({ "FunctionName": "f" }), members);
    let alias = |name: &str, version: &str| f(json!({ "Name": name, "FunctionVersion": version }));
    check_all(
        &cloud,
        [
            (
                "PublishVersion",
                f(json!({ "CodeSha256": "other" })),
                json!("InvalidParameterValueException: CodeSHA256 (other) is different*"),
            ),
            (
                "PublishVersion",
                f(json!({ "Description": "first" })),
                json!({ "Version": "1", "FunctionArn": arn("f:1"), "Description": "first" }),
            ),
            // Nothing has changed.
            ("PublishVersion", f(json!({})), json!({ "Version": "1" })),
            ("UpdateFunctionConfiguration", f(json!({ "Timeout": 9 })), json!({ "Timeout": 9 })),
            ("PublishVersion", f(json!({})), json!({ "Version": "2", "Timeout": 9 })),
            (
                "GetFunctionConfiguration",
                json!({ "FunctionName": "f:1" }),
                json!({ "Timeout": 3, "Version": "1" }),
            ),
            (
                "ListVersionsByFunction",
                f(json!({})),
                json!({ "Versions": [{ "Version": "$LATEST" }, { "Version": "1" }, { "Version": "2" }] }),
            ),
            (
                "CreateAlias",
                alias("live", "7"),
                json!(format!("ResourceNotFoundException: Function not found: {}", arn("f:7"))),
            ),
            ("CreateAlias", alias("live", "1"), json!({ "AliasArn": arn("f:live"), "FunctionVersion": "1" })),
            (
                "CreateAlias",
                alias("live", "1"),
                json!(format!("ResourceConflictException: Alias already exists: {}", arn("f:live"))),
            ),
            (
                "GetFunctionConfiguration",
                json!({ "FunctionName": "f:live" }),
                json!({ "FunctionArn": arn("f:live"), "Version": "1" }),
            ),
            (
                "DeleteFunction",
                json!({ "FunctionName": "f:1" }),
                json!("ResourceConflictException: Version deletion failed*"),
            ),
            ("UpdateAlias", alias("live", "2"), json!({ "FunctionVersion": "2" })),
            ("DeleteFunction", json!({ "FunctionName": "f:1" }), json!({})),
            ("ListAliases", f(json!({ "FunctionVersion": "2" })), json!({ "Aliases": [{ "Name": "live" }] })),
            (
                "GetAlias",
                f(json!({ "Name": "none" })),
                json!(format!("ResourceNotFoundException: Cannot find alias arn: {}", arn("f:none"))),
            ),
            ("DeleteAlias", f(json!({ "Name": "live" })), json!({})),
            ("ListAliases", f(json!({})), json!({ "Aliases": [] })),
        ],
    )
    .await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_event_settings_and_layers() {
    let cloud = cloud().await;
    create(&cloud, python("f", "import shared\ndef handler(e, c): return shared.WORD")).await;
    let f = |members: Value| with(json!({ "FunctionName": "f" }), members);
    let allow = f(
        json!({ "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b" }),
    );
    let statement = json!({
        "Sid": "s", "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" }, "Action": "lambda:InvokeFunction",
        "Resource": arn("f"), "Condition": { "ArnLike": { "AWS:SourceArn": "arn:aws:s3:::b" } },
    });
    let nothing = json!("ResourceNotFoundException: The resource you requested does not exist.");
    let layer = json!({ "LayerName": "shared", "Content": { "ZipFile": zipped("python/shared.py", "WORD = 'layer'") }, "CompatibleRuntimes": ["python3.12"] });
    let version = arn("x").replace("function:x", "layer:shared:1");
    check_all(
        &cloud,
        [
            ("GetPolicy", f(json!({})), nothing.clone()),
            ("AddPermission", allow.clone(), json!({ "Statement": statement.to_string() })),
            ("AddPermission", allow, json!("ResourceConflictException: The statement id (s) provided already exists.*")),
            ("GetPolicy", f(json!({})), json!({ "Policy": "{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[{\"Sid\":\"s\"*" })),
            ("RemovePermission", f(json!({ "StatementId": "t" })), json!("ResourceNotFoundException: Statement t is not found in resource policy.")),
            ("RemovePermission", f(json!({ "StatementId": "s" })), json!({})),
            ("GetPolicy", f(json!({})), nothing.clone()),
            ("GetFunctionEventInvokeConfig", f(json!({})), json!(format!("ResourceNotFoundException: The function {} doesn't have an EventInvokeConfig", arn("f:$LATEST")))),
            ("PutFunctionEventInvokeConfig", f(json!({ "MaximumRetryAttempts": 0 })), json!({ "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": null })),
            ("UpdateFunctionEventInvokeConfig", f(json!({ "MaximumEventAgeInSeconds": 60 })), json!({ "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60 })),
            ("ListFunctionEventInvokeConfigs", f(json!({})), json!({ "FunctionEventInvokeConfigs": [{ "FunctionArn": arn("f:$LATEST") }] })),
            ("DeleteFunctionEventInvokeConfig", f(json!({})), json!({})),
            ("PublishLayerVersion", layer.clone(), json!({ "LayerVersionArn": version, "Version": 1, "Content": { "CodeSize": "*" } })),
            ("GetLayerVersionByArn", json!({ "Arn": version }), json!({ "Version": 1 })),
            ("UpdateFunctionConfiguration", f(json!({ "Layers": [version] })), json!({ "Layers": [{ "Arn": version, "CodeSize": "*" }] })),
            ("PublishLayerVersion", layer, json!({ "Version": 2 })),
            ("ListLayerVersions", json!({ "LayerName": "shared" }), json!({ "LayerVersions": [{ "Version": 2 }, { "Version": 1 }] })),
            ("ListLayers", json!({ "CompatibleRuntime": "python3.12" }), json!({ "Layers": [{ "LayerName": "shared", "LatestMatchingVersion": { "Version": 2 } }] })),
            ("ListLayers", json!({ "CompatibleRuntime": "nodejs20.x" }), json!({ "Layers": [] })),
            ("DeleteLayerVersion", json!({ "LayerName": "shared", "VersionNumber": 1 }), json!({})),
            ("GetLayerVersion", json!({ "LayerName": "shared", "VersionNumber": 1 }), nothing),
        ],
    )
    .await;
    // The function keeps the layer that is deleted.
    check_invoke(&cloud, json!("f"), json!({}), json!({ "Payload": "layer" })).await;
    cloud.stop().await;
}
