//! The gateway's own refusals and failures, worded by the API's gateway responses.
//!
//! Source: "Gateway response types for API Gateway" in the developer guide.

use super::live::Stage;
use super::mapping::{self, Scope};
use crate::gateway::{Request, response};
use aloft_engine::HttpResponse;
use aloft_lang::vtl;
use http::StatusCode;
use serde_json::{Value, json};

/// All types of gateway responses.
pub(super) const KINDS: &[&str] = &[
    "ACCESS_DENIED",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "BAD_REQUEST_BODY",
    "BAD_REQUEST_PARAMETERS",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
];

/// A refusal.
pub(super) struct Fault {
    /// The type of gateway response.
    pub kind: &'static str,
    /// The status without a gateway response of the API's own.
    pub status: u16,
    /// `x-amzn-ErrorType`
    pub error_type: &'static str,
    /// The message; empty for the request's own.
    message: &'static str,
    wording: Wording,
}

/// How the body is written when the API does not say.
#[derive(Clone, Copy, PartialEq)]
enum Wording {
    /// `{"message":"..."}`
    Compact,
    /// `{"message": "..."}`
    Spaced,
    /// `{"Message":"..."}`
    Capital,
    /// `{"message":null}`
    Null,
}

macro_rules! faults {
    ($($name:ident: $kind:literal $status:literal $error_type:literal $message:literal $wording:ident;)*) => {
        $(pub(super) static $name: Fault = Fault {
            kind: $kind, status: $status, error_type: $error_type, message: $message, wording: Wording::$wording,
        };)*
        /// All of them.
        pub(super) static FAULTS: &[&Fault] = &[$(&$name),*];
    };
}

faults! {
    ACCESS_DENIED: "ACCESS_DENIED" 403 "AccessDeniedException" "" Capital;
    AUTHORIZER_CONFIGURATION: "AUTHORIZER_CONFIGURATION_ERROR" 500 "AuthorizerConfigurationException" "" Null;
    AUTHORIZER_FAILURE: "AUTHORIZER_FAILURE" 500 "AuthorizerFailureException" "" Null;
    BAD_BODY: "BAD_REQUEST_BODY" 400 "BadRequestException" "Invalid request body" Spaced;
    BAD_PARAMETERS: "BAD_REQUEST_PARAMETERS" 400 "BadRequestException" "" Spaced;
    CONFIGURATION: "API_CONFIGURATION_ERROR" 500 "InternalServerErrorException" "Internal server error" Spaced;
    EXPIRED_TOKEN: "EXPIRED_TOKEN" 403 "ExpiredTokenException" "The security token included in the request is expired" Compact;
    FORBIDDEN: "DEFAULT_4XX" 403 "ForbiddenException" "Forbidden" Compact;
    INVALID_API_KEY: "INVALID_API_KEY" 403 "ForbiddenException" "Forbidden" Compact;
    INVALID_SIGNATURE: "INVALID_SIGNATURE" 403 "InvalidSignatureException" "" Compact;
    MALFORMED: "DEFAULT_5XX" 502 "InternalServerErrorException" "Internal server error" Spaced;
    MISSING_TOKEN: "MISSING_AUTHENTICATION_TOKEN" 403 "MissingAuthenticationTokenException" "Missing Authentication Token" Compact;
    NOT_BUILT: "DEFAULT_5XX" 501 "NotImplemented" "" Compact;
    TIMED_OUT: "INTEGRATION_TIMEOUT" 504 "InternalServerErrorException" "Endpoint request timed out" Spaced;
    TOO_LARGE: "REQUEST_TOO_LARGE" 413 "RequestTooLargeException" "Request Too Long" Compact;
    UNAUTHORIZED: "UNAUTHORIZED" 401 "UnauthorizedException" "Unauthorized" Compact;
    UNREACHABLE: "INTEGRATION_FAILURE" 504 "InternalServerErrorException" "Network error communicating with endpoint" Spaced;
    UNSUPPORTED_MEDIA_TYPE: "UNSUPPORTED_MEDIA_TYPE" 415 "BadRequestException" "Unsupported Media Type" Spaced;
}

/// A refusal with the message that fits the request.
pub(super) struct Refusal {
    pub fault: &'static Fault,
    message: String,
    /// What a validator found, for `$context.error.validationErrorString`.
    detail: Option<String>,
}

impl Fault {
    /// With its usual message.
    pub fn refuse(&'static self) -> Refusal {
        Refusal { fault: self, message: self.message.to_owned(), detail: None }
    }

    /// With a message of its own.
    pub fn because(&'static self, message: impl Into<String>) -> Refusal {
        Refusal { fault: self, message: message.into(), detail: None }
    }
}

impl Refusal {
    /// With what a validator found.
    pub fn with_detail(mut self, detail: String) -> Self {
        self.detail = Some(detail);
        self
    }

    fn body(&self) -> String {
        let message = Value::from(self.message.as_str());
        match self.fault.wording {
            Wording::Compact => format!("{{\"message\":{message}}}"),
            Wording::Spaced => format!("{{\"message\": {message}}}"),
            Wording::Capital => format!("{{\"Message\":{message}}}"),
            Wording::Null => "{\"message\":null}".to_owned(),
        }
    }

    /// The answer without an API to word it.
    pub fn plain(&self) -> HttpResponse {
        let status = StatusCode::from_u16(self.fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = response::json(status, self.body());
        response::set(&mut answer, "x-amzn-errortype", self.fault.error_type);
        answer
    }

    /// The answer as the API words it.
    pub fn answer(&self, stage: &Stage, request: &Request, context: &Value) -> HttpResponse {
        let mut answer = self.plain();
        let responses = &stage.content.responses;
        let default = if self.fault.status < 500 { "DEFAULT_4XX" } else { "DEFAULT_5XX" };
        let Some(own) = responses.get(self.fault.kind).or_else(|| responses.get(default)) else {
            return answer;
        };
        let mut context = context.clone();
        context["error"] = json!({
            "message": if self.fault.wording == Wording::Null { Value::Null } else { self.message.as_str().into() },
            "messageString": if self.fault.wording == Wording::Null { "null".to_owned() } else { Value::from(self.message.as_str()).to_string() },
            "responseType": self.fault.kind,
            "validationErrorString": self.detail.as_ref().unwrap_or(&self.message),
        });
        let scope = Scope { request, context: &context, stage_variables: &stage.variables, answer: None };
        if let Some(status) = own.status.and_then(|status| StatusCode::from_u16(status).ok()) {
            *answer.status_mut() = status;
        }
        for (name, expression) in &own.parameters {
            let Some(name) = name.strip_prefix("gatewayresponse.header.") else { continue };
            if let Some(value) = mapping::evaluate(expression, &scope).as_ref().and_then(mapping::text_of) {
                response::set(&mut answer, name, &value);
            }
        }
        if let Some((media_type, template)) = mapping::choose_by_accept(&own.templates, request)
            // The default template says what the body says already.
            && template != "{\"message\":$context.error.messageString}"
        {
            let rendered = vtl::render(template, &mapping::template_context(&scope, String::new()));
            if let Ok(rendered) = rendered {
                *answer.body_mut() = aloft_engine::Body::Bytes(rendered.text.into());
                response::set(&mut answer, "content-type", media_type);
            }
        }
        answer
    }
}
