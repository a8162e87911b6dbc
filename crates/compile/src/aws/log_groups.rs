//! A log group per function.

use super::context::Context;
use super::naming;
use super::values::get;

/// Adds the log groups of all functions that log.
pub fn add(context: &mut Context<'_>) {
    let logging: Vec<_> = context
        .functions
        .values()
        .filter(|function| get(function.config, "disableLogs").is_none())
        .map(|function| (function.key, function.name.clone(), function.config))
        .collect();
    for (key, name, config) in logging {
        let mut group = context.log_group(naming::log_group_name(&name));
        for (setting, property) in
            [("logRetentionInDays", "RetentionInDays"), ("logDataProtectionPolicy", "DataProtectionPolicy")]
        {
            if let Some(value) = get(config, setting) {
                group["Properties"][property] = value.clone();
            }
        }
        context.merge(naming::log_group(key), group);
    }
}
