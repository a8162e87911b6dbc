//! Access logs of the API's stage. The stage itself is made by the deployment; what else it needs is set after a deploy.

use super::super::api_gateway_logs;
use crate::aws::context::Context;
use crate::aws::values::{at, truthy};

/// Adds the log group, and the account's role for it.
pub fn add(context: &mut Context<'_>) {
    let logs = at(context.provider, &["logs", "restApi"]).filter(|logs| truthy(Some(logs)));
    let Some(logs) = logs else { return };
    if matches!(logs.get("accessLogging"), Some(value) if !value.is_null() && !truthy(Some(value))) {
        return;
    }
    let group =
        context.log_group(format!("/aws/api-gateway/{}-{}", context.service.name, context.service.stage));
    context.merge("ApiGatewayLogGroup", group);
    api_gateway_logs::ensure_role(context);
}
