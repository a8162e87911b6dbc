//! Where the local cloud delivers to by ARN: what notifications and events have in common.

use aloft_base::Arn;
use aloft_engine::{Context, ServiceError};

/// The context of the account and region in which a target is.
pub(crate) fn there(context: &Context, arn: &str) -> Context {
    arn.parse::<Arn>().map_or_else(|_| context.clone(), |arn| context.within(&arn))
}

/// The URL of a queue by its ARN.
pub(crate) fn queue_url(context: &Context, arn: &str) -> String {
    let (account, name) = arn.parse::<Arn>().map(|arn| (arn.account, arn.resource)).unwrap_or_default();
    format!("{}/{account}/{name}", context.engine.endpoint())
}

/// Whether an error may pass by itself. What the caller did wrong stays wrong, and so does what is not built.
pub(crate) fn may_pass(error: &ServiceError) -> bool {
    error.status == 429 || (error.status >= 500 && error.status != 501)
}
