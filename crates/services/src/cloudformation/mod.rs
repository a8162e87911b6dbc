//! CloudFormation: templates become stacks of resources, which the other services make.
//!
//! Knows no resource type of others: each service lists its own. Keeps true: a stack is always at a version, on the way to one, or on the
//! way back, and what is on its way is taken up again after a crash.

mod change_sets;
mod custom;
mod door;
mod dynamic;
mod executor;
mod intrinsics;
mod metadata;
mod nested;
mod plan;
mod queries;
mod records;
mod requests;
mod stacks;
mod step;
mod template;
mod wait;

#[cfg(test)]
mod tests;

use aloft_engine::timers::Timer;
use aloft_engine::{
    Context, Engine, Head, HttpRequest, HttpResponse, Input, Operation, Reply, ResourceType, Service,
    ServiceError, async_trait,
};

/// The service.
#[derive(Default)]
pub struct CloudFormation;

aloft_engine::operations! { CloudFormation;
    CreateChangeSet => change_sets::create,
    CreateStack => stacks::create,
    DeleteChangeSet => change_sets::delete,
    DeleteStack => stacks::delete,
    DescribeChangeSet => change_sets::describe,
    DescribeStackEvents => queries::events,
    DescribeStackResource => queries::resource,
    DescribeStackResources => queries::resources,
    DescribeStacks => queries::stacks,
    ExecuteChangeSet => change_sets::execute,
    GetStackPolicy => stacks::get_policy,
    GetTemplate => queries::template,
    GetTemplateSummary => queries::summary,
    ListChangeSets => change_sets::list,
    ListExports => queries::exports,
    ListImports => queries::imports,
    ListStackResources => queries::resource_list,
    ListStacks => queries::stack_list,
    SetStackPolicy => stacks::set_policy,
    UpdateStack => stacks::update,
    UpdateTerminationProtection => stacks::protect,
    ValidateTemplate => queries::validate,
}

/// What a template may have that no other service makes.
static RESOURCES: &[ResourceType] = &[
    ResourceType { name: custom::KIND, handler: &custom::CustomResource },
    ResourceType { name: "AWS::CDK::Metadata", handler: &metadata::Metadata },
    ResourceType { name: "AWS::CloudFormation::Stack", handler: &nested::NestedStack },
    ResourceType { name: "AWS::CloudFormation::WaitCondition", handler: &wait::WaitCondition },
    ResourceType { name: "AWS::CloudFormation::WaitConditionHandle", handler: &wait::WaitConditionHandle },
];

#[async_trait]
impl Service for CloudFormation {
    fn name(&self) -> &'static str {
        "cloudformation"
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
        RESOURCES
    }

    fn accepts(&self, head: &Head) -> bool {
        door::accepts(head)
    }

    async fn http(&self, context: &Context, request: HttpRequest) -> HttpResponse {
        door::answer(context, &request).await
    }

    async fn timer(&self, context: &Context, timer: &Timer) -> Result<(), ServiceError> {
        door::too_late(context, timer).await
    }

    async fn take_up(&self, engine: &Engine) -> Result<(), ServiceError> {
        for stack in records::unfinished(engine)? {
            tracing::info!(
                stack = stack.name,
                status = stack.status,
                "taking up a stack that was being worked on"
            );
            work_on(engine, stack.id);
        }
        Ok(())
    }
}

/// Works on a stack in the background, for as long as the engine runs.
fn work_on(engine: &Engine, stack_id: String) {
    let (worker, stopped) = (engine.clone(), engine.stopped());
    engine.spawn(async move {
        tokio::select! {
            () = executor::run(worker, stack_id) => {}
            () = stopped => {}
        }
    });
}
