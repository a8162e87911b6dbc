//! CloudWatch: metrics of functions and of users' own, and alarms on them.
//!
//! Values are kept by `aloft_engine::metering::series`: by the minute for 15 days, then by the hour, with a sketch for
//! percentiles; AWS/Lambda is written there by the ledger. Of metric math there is arithmetic. Not here: dashboards, anomaly
//! detection, metric streams, composite alarms, insights, resolutions below a minute; what asks for one of them is refused.
//! Keeps true: an alarm's change of state and the notifications that it causes are written together.

mod actions;
mod alarm;
mod alarms;
mod cloudformation;
mod evaluate;
mod expression;
mod history;
mod metric;
mod put;
mod query;
mod read;
mod tags;
#[cfg(test)]
mod tests;

use aloft_engine::timers::Timer;
use aloft_engine::{Context, Input, Operation, Reply, ResourceType, Service, ServiceError, async_trait};

/// The service.
pub struct CloudWatch;

aloft_engine::operations! { CloudWatch;
    DeleteAlarms => alarms::delete,
    DescribeAlarmHistory => history::describe,
    DescribeAlarms => alarms::describe,
    DescribeAlarmsForMetric => alarms::describe_for_metric,
    DisableAlarmActions => alarms::disable,
    EnableAlarmActions => alarms::enable,
    GetMetricData => read::data,
    GetMetricStatistics => read::statistics,
    ListMetrics => read::list,
    ListTagsForResource => tags::list,
    PutMetricAlarm => alarms::put,
    PutMetricData => put::put,
    SetAlarmState => alarms::set_state,
    TagResource => tags::tag,
    UntagResource => tags::untag,
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterValue", 400, message)
}

fn missing(message: impl Into<String>) -> ServiceError {
    ServiceError::new("MissingParameter", 400, message)
}

fn combination(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterCombination", 400, message)
}

fn validation(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationError", 400, message)
}

#[async_trait]
impl Service for CloudWatch {
    fn name(&self) -> &'static str {
        "cloudwatch"
    }

    async fn call(
        &self,
        context: &Context,
        operation: &str,
        input: Input,
    ) -> Option<Result<Reply, ServiceError>> {
        Operation::dispatch(OPERATIONS, self, context, operation, input).await
    }

    fn operation_names(&self) -> Vec<&'static str> {
        OPERATIONS.iter().map(|operation| operation.name).collect()
    }

    fn resources(&self) -> &'static [ResourceType] {
        cloudformation::RESOURCES
    }

    async fn timer(&self, context: &Context, timer: &Timer) -> Result<(), ServiceError> {
        match timer.name.split_once('/') {
            Some(("alarm", _)) => Ok(evaluate::tick(context, timer).await?),
            Some(("action", _)) => actions::work(context, timer).await,
            _ => Ok(()),
        }
    }
}
