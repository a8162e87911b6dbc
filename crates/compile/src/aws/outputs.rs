//! Exports of the outputs.

use super::context::{Context, compact};
use serde_json::json;

/// Exports each output as `sls-<service>-<stage>-<output>` unless it has an export.
pub fn export(context: &mut Context<'_>) {
    let prefix = format!("sls-{}-{}", context.service.name, context.service.stage);
    for (key, output) in &mut context.outputs {
        if output.get("Export").is_none() {
            output["Export"] = json!({ "Name": format!("{prefix}-{key}") });
        }
        *output = compact(output.take());
    }
}
