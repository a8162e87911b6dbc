//! A phone for the local cloud: Twilio's Messages API, its webhooks, and a page that is the telephone.
//!
//! Not an AWS service, so it has no model: everything goes through its front door, `/2010-04-01/...` for applications and
//! `/_aloft/phone` for people. Not here: voice, messaging services, and all of Twilio but text messages between numbers.
//! Keeps true: a message that was taken is a row with a timer until its webhook was answered or it was delivered, so that a
//! cloud that was killed goes on where it was.

mod api;
mod delivery;
mod errors;
mod form;
mod inbound;
mod media;
mod messages;
mod numbers;
mod outbound;
mod paging;
mod phone;
mod rows;
#[cfg(test)]
mod tests;
mod twiml;
mod webhook;

use crate::outward::Outward;
use aloft_engine::timers::Timer;
use aloft_engine::{
    Context, Head, HttpRequest, HttpResponse, Input, Reply, Service, ServiceError, async_trait,
};

/// The service.
#[derive(Default)]
pub struct Twilio {
    outward: Outward,
}

#[async_trait]
impl Service for Twilio {
    fn name(&self) -> &'static str {
        "twilio"
    }

    async fn call(&self, _: &Context, _: &str, _: Input) -> Option<Result<Reply, ServiceError>> {
        None
    }

    fn operation_names(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn accepts(&self, head: &Head) -> bool {
        api::accepts(head) || phone::accepts(head)
    }

    async fn http(&self, context: &Context, request: HttpRequest) -> HttpResponse {
        if phone::accepts(&request.head) {
            return phone::answer(context, request).await;
        }
        api::answer(context, request).await
    }

    async fn timer(&self, context: &Context, timer: &Timer) -> Result<(), ServiceError> {
        Ok(delivery::work(self, context, timer).await?)
    }
}
