//! The addresses that others answer to: custom resources, and who signals a wait condition.
//!
//! Reads requests and writes answers; what they mean is elsewhere. Whoever knows an address may use it once it was given out,
//! as with the presigned addresses that CloudFormation gives out.

use super::requests::{self, Answer};
use super::wait;
use aloft_engine::timers::Timer;
use aloft_engine::{Body, Context, Head, HttpRequest, HttpResponse, ServiceError};
use http::{Method, StatusCode};

const RESPONSE: &str = "/_aws/cloudformation/response/";
const SIGNAL: &str = "/_aws/cloudformation/signal/";

/// Where the answer to a question is sent.
pub fn response_url(context: &Context, token: &str) -> String {
    format!("{}{RESPONSE}{token}", context.engine.endpoint())
}

/// Where a wait condition is signalled.
pub fn signal_url(context: &Context, token: &str) -> String {
    format!("{}{SIGNAL}{token}", context.engine.endpoint())
}

/// The token in the address of a wait condition.
pub fn signal_token(url: &str) -> Option<&str> {
    url.split_once(SIGNAL).map(|(_, token)| token)
}

/// Whether a request is for one of the addresses.
pub fn accepts(head: &Head) -> bool {
    head.path.starts_with(RESPONSE) || head.path.starts_with(SIGNAL)
}

/// Takes an answer or a signal.
pub async fn answer(context: &Context, request: &HttpRequest) -> HttpResponse {
    let path = request.head.path.as_str();
    if request.head.method != Method::PUT {
        return status(StatusCode::METHOD_NOT_ALLOWED);
    }
    let taken = match (path.strip_prefix(RESPONSE), path.strip_prefix(SIGNAL)) {
        (Some(token), _) => requests::answer(context, token, Answer::parse(&request.body)).await,
        (_, Some(token)) => wait::signal(context, token, &request.body).await,
        _ => Ok(false),
    };
    match taken {
        Ok(true) => status(StatusCode::OK),
        Ok(false) => status(StatusCode::FORBIDDEN),
        Err(error) => status(StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

/// Ends the wait that a timer bounds.
pub async fn too_late(context: &Context, timer: &Timer) -> Result<(), ServiceError> {
    let token = timer.payload.as_str().unwrap_or_default();
    if timer.name.starts_with(requests::TIMER) {
        requests::too_late(context, token).await
    } else {
        wait::too_late(context, token).await
    }
}

fn status(status: StatusCode) -> HttpResponse {
    let mut response = HttpResponse::new(Body::default());
    *response.status_mut() = status;
    response
}
