//! What the original announces to take away: told, kept quiet or refused, as the service asks for.
//!
//! The sentences and codes are the original's, for scripts and for `disabledDeprecations`.

use crate::normalize::is_falsy;
use aloft_diag::Diagnostic;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Properties that moved: from, to.
const MOVED: &[(&str, &str)] = &[
    ("provider.role", "provider.iam.role"),
    ("provider.rolePermissionsBoundary", "provider.iam.role.permissionsBoundary"),
    ("provider.iam.role.permissionBoundary", "provider.iam.role.permissionsBoundary"),
    ("provider.iamManagedPolicies", "provider.iam.role.managedPolicies"),
    ("provider.iamRoleStatements", "provider.iam.role.statements"),
    ("provider.cfnRole", "provider.iam.deploymentRole"),
];

/// What in this configuration will be taken away, as warnings whose codes are the original's.
///
/// # Errors
/// The first of them, as `REJECTED_DEPRECATION_<code>`, when `deprecationNotificationMode` is `error`.
pub(crate) fn check(
    config: &Map<String, Value>,
    has_issues: bool,
    environment: &HashMap<String, String>,
) -> Result<Vec<Diagnostic>, Diagnostic> {
    let is_set = |key: &str| config.get(key).is_some_and(|value| !value.is_null());
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut add = |condition: bool, code: &'static str, message: &str| {
        if condition {
            found.push((code, message.to_owned()));
        }
    };
    add(
        has_issues && config.get("configValidationMode").is_none_or(is_falsy),
        "CONFIG_VALIDATION_MODE_DEFAULT_V3",
        "Starting with the next major, Serverless will throw on configuration errors by default. Adapt to this behavior now by \
         adding \"configValidationMode: error\" to the service configuration",
    );
    add(
        is_set("projectDir"),
        "PROJECT_DIR",
        "The \"projectDir\" option is no longer used and is ignored. You can safely remove it from the configuration",
    );
    add(
        is_set("variablesResolutionMode"),
        "VARIABLES_RESOLUTION_MODE",
        "Starting with v3.0, the \"variablesResolutionMode\" option is now useless. You can safely remove it from the configuration",
    );
    add(
        is_set("console"),
        "CONSOLE_CONFIGURATION",
        "Starting with v3.24.0, the \"console\" option is no longer recognized. Please remove it from the configuration",
    );
    add(
        selects_files(config),
        "PACKAGE_PATTERNS",
        "Support for \"package.include\" and \"package.exclude\" will be removed in the next major release. Please use \
         \"package.patterns\" instead",
    );
    if let Some(message) = moved(config) {
        add(true, "PROVIDER_IAM_SETTINGS_V3", &message);
    }
    add(
        config.get("provider").and_then(|provider| provider.get("lambdaHashingVersion"))
            == Some(&Value::from("20201221")),
        "LAMBDA_HASHING_VERSION_PROPERTY",
        "Setting \"20201221\" for \"provider.lambdaHashingVersion\" is no longer effective as new hashing algorithm is now used \
         by default. You can safely remove this property from your configuration.",
    );
    let disabled = disabled(config, environment);
    found.retain(|(code, _)| !disabled.iter().any(|name| name == code || name == "*"));
    if mode(config, environment) == "error"
        && let Some((code, message)) = found.first()
    {
        let message =
            format!("{message}\n  More Info: https://www.serverless.com/framework/docs/deprecations/#{code}");
        return Err(Diagnostic::error(format!("REJECTED_DEPRECATION_{code}"), message));
    }
    Ok(found.into_iter().map(|(code, message)| Diagnostic::warning(code, message)).collect())
}

fn mode<'c>(config: &'c Map<String, Value>, environment: &'c HashMap<String, String>) -> &'c str {
    let by_environment = environment.get("SLS_DEPRECATION_NOTIFICATION_MODE").map(String::as_str);
    let by_config = || config.get("deprecationNotificationMode").and_then(Value::as_str);
    by_environment
        .filter(|mode| matches!(*mode, "error" | "warn"))
        .or_else(by_config)
        .unwrap_or("warn:summary")
}

fn disabled(config: &Map<String, Value>, environment: &HashMap<String, String>) -> Vec<String> {
    let by_environment =
        environment.get("SLS_DEPRECATION_DISABLE").into_iter().flat_map(|codes| codes.split(','));
    let by_config: Vec<&str> = match config.get("disabledDeprecations") {
        Some(Value::String(code)) => vec![code],
        Some(Value::Array(codes)) => codes.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    by_environment.chain(by_config).map(str::to_owned).collect()
}

/// Whether the service, a function or a layer uses `include` or `exclude`.
fn selects_files(config: &Map<String, Value>) -> bool {
    let uses = |package: Option<&Value>| {
        let set =
            |key: &str| package.and_then(|package| package.get(key)).is_some_and(|value| !is_falsy(value));
        set("include") || set("exclude")
    };
    let members =
        |section: &str| config.get(section).and_then(Value::as_object).into_iter().flat_map(Map::values);
    uses(config.get("package"))
        || members("functions").chain(members("layers")).any(|member| uses(member.get("package")))
}

fn moved(config: &Map<String, Value>) -> Option<String> {
    let at = |path: &str| {
        let (first, rest) = path.split_once('.')?;
        rest.split('.')
            .try_fold(config.get(first)?, |value, key| value.get(key))
            .filter(|value| !value.is_null())
    };
    let moved: Vec<&(&str, &str)> = MOVED.iter().filter(|(from, _)| at(from).is_some()).collect();
    let what = if moved.len() > 1 { "properties" } else { "property" };
    let list: Vec<String> = moved.iter().map(|(from, to)| format!("  \"{from}\" -> \"{to}\"")).collect();
    (!list.is_empty()).then(|| {
        format!("Starting with version 4.0.0, following {what} will be replaced:\n{}", list.join("\n"))
    })
}
