//! The environment variables that Lambda documents, for one environment.
//!
//! Three layers: defaults that a user may replace, the user's own, and the reserved ones that nobody replaces. Nothing
//! of this process's own environment is in any of them.

use crate::function::{FunctionSpec, TemporaryCredentials};
use crate::places::Places;
use std::collections::BTreeMap;

/// What differs between two environments of one function.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// `host:port` of the Runtime API.
    pub(crate) runtime_api: &'a str,
    /// The channel: `@name` of its own network, or `host:port`.
    pub(crate) channel: &'a str,
    pub(crate) log_stream: &'a str,
    /// Where the SDKs are to call; `None` leaves them to AWS.
    pub(crate) endpoint_url: Option<&'a str>,
    pub(crate) credentials: Option<&'a TemporaryCredentials>,
}

/// The whole environment of a function's process.
pub(crate) fn variables(
    spec: &FunctionSpec,
    places: &Places,
    surroundings: &Surroundings<'_>,
) -> BTreeMap<String, String> {
    let start = &places.start;
    let code = places.code.to_string_lossy();
    let temporary = places.temporary.to_string_lossy();
    let mut libraries = vec![code.to_string(), format!("{code}/lib")];
    let mut programs: Vec<String> =
        start.program.parent().map(|it| it.to_string_lossy().into()).into_iter().collect();
    programs.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(str::to_owned));
    for layer in places.layers.iter().map(|it| it.to_string_lossy()) {
        libraries.push(format!("{layer}/lib"));
        programs.push(format!("{layer}/bin"));
    }
    let mut variables = BTreeMap::new();
    let mut set = |name: &str, value: &str| {
        variables.insert(name.to_owned(), value.to_owned());
    };

    set("LANG", "en_US.UTF-8");
    set("TZ", ":UTC");
    set("PATH", &programs.join(":"));
    set("LD_LIBRARY_PATH", &libraries.join(":"));
    set("TMPDIR", &temporary);
    set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
    if let Some(url) = surroundings.endpoint_url {
        set("AWS_ENDPOINT_URL", url);
    }
    for (name, value) in &start.variables {
        set(name, value);
    }

    for (name, value) in &spec.environment {
        set(name, value);
    }

    set("_HANDLER", &spec.handler);
    set("AWS_REGION", spec.region.as_str());
    set("AWS_DEFAULT_REGION", spec.region.as_str());
    if let Some(name) = &start.execution_environment {
        set("AWS_EXECUTION_ENV", name);
    }
    set("AWS_LAMBDA_FUNCTION_NAME", &spec.name);
    set("AWS_LAMBDA_FUNCTION_VERSION", &spec.version);
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &spec.memory_mb.to_string());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
    set("AWS_LAMBDA_LOG_GROUP_NAME", &spec.log_group);
    set("AWS_LAMBDA_LOG_STREAM_NAME", surroundings.log_stream);
    set("AWS_LAMBDA_RUNTIME_API", surroundings.runtime_api);
    if start.channel {
        // Its bootstrap takes this away.
        set("ALOFT_CHANNEL", surroundings.channel);
    }
    if let Some(credentials) = surroundings.credentials {
        set("AWS_ACCESS_KEY_ID", &credentials.access_key_id);
        set("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key);
        set("AWS_SESSION_TOKEN", &credentials.session_token);
    }
    set("LAMBDA_TASK_ROOT", &code);
    set("LAMBDA_RUNTIME_DIR", &start.runtime_directory.to_string_lossy());
    // What cannot stand in an environment is left out rather than keeping the function from starting.
    variables.retain(|name, value| !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0'));
    variables
}
