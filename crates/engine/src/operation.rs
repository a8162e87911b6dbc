//! The list of operations that a service has built, and the step from data to typed inputs.

use crate::{Context, Input, Reply, ServiceError};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One operation of the service `S`. Made by [`crate::operations!`].
pub struct Operation<S: 'static> {
    /// The model's name, such as `CreateQueue`.
    pub name: &'static str,
    /// Does it.
    pub run: for<'a> fn(&'a S, &'a Context, Input) -> BoxFuture<'a, Result<Reply, ServiceError>>,
}

impl<S> Operation<S> {
    /// Finds an operation and runs it; nothing when it is not in the list.
    pub async fn dispatch(
        operations: &[Self],
        service: &S,
        context: &Context,
        name: &str,
        input: Input,
    ) -> Option<Result<Reply, ServiceError>> {
        let operation = operations.iter().find(|operation| operation.name == name)?;
        Some((operation.run)(service, context, input).await)
    }
}

/// What an operation can take: any deserializable structure with the members it cares for, or one [`WithBody`].
pub trait FromInput: Sized {
    /// The input was validated against the model, so a failure here means that the structure disagrees with the model.
    fn from_input(input: Input) -> Result<Self, ServiceError>;
}

impl<T: DeserializeOwned> FromInput for T {
    fn from_input(input: Input) -> Result<Self, ServiceError> {
        serde_json::from_value(input.params).map_err(|error| {
            ServiceError::new("SerializationException", 400, format!("unexpected input: {error}"))
        })
    }
}

/// An input with the payload beside it.
pub struct WithBody<T> {
    /// The members.
    pub params: T,
    /// The payload; empty when there is none.
    pub body: Bytes,
}

impl<T: DeserializeOwned> FromInput for WithBody<T> {
    fn from_input(input: Input) -> Result<Self, ServiceError> {
        let body = input.body.clone().unwrap_or_default();
        Ok(Self { params: T::from_input(input)?, body })
    }
}

/// What an operation can answer.
pub trait IntoReply {
    /// The answer.
    fn into_reply(self) -> Reply;
}

impl IntoReply for Reply {
    fn into_reply(self) -> Reply {
        self
    }
}

impl IntoReply for Value {
    fn into_reply(self) -> Reply {
        Reply::new(self)
    }
}

impl IntoReply for () {
    fn into_reply(self) -> Reply {
        Reply::new(Value::Object(serde_json::Map::new()))
    }
}

/// The list of a service's operations:
///
/// ```text
/// aloft_engine::operations! { Sqs;
///     CreateQueue => queues::create,
///     SendMessage => messages::send,
/// }
/// ```
///
/// defines `OPERATIONS`; each function is `async fn(&Sqs, &Context, T: FromInput) -> Result<impl IntoReply, ServiceError>`.
#[macro_export]
macro_rules! operations {
    ($service:ty; $($name:ident => $function:path),* $(,)?) => {
        /// The operations that are built, by their names in the model.
        pub static OPERATIONS: &[$crate::Operation<$service>] = &[$($crate::Operation {
            name: stringify!($name),
            run: |service, context, input| {
                ::std::boxed::Box::pin(async move {
                    let reply = $function(service, context, $crate::FromInput::from_input(input)?).await?;
                    Ok($crate::IntoReply::into_reply(reply))
                })
            },
        }),*];
    };
}
