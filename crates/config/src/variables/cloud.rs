//! What only a cloud knows, as a trait: this crate calls none.

use serde_json::{Map, Value};

/// Answers for `${aws:}`, `${cf:}`, `${s3:}` and `${ssm:}`. `Ok(None)` where the cloud says that there is no such thing.
pub trait CloudVariables {
    /// Tells where to ask, before the first question: what the service says of its provider (`profile`, `region`, `stage`).
    fn prepare(&self, provider: &Map<String, Value>) {
        let _ = provider;
    }

    /// The account that the credentials belong to.
    ///
    /// # Errors
    /// A sentence for the user.
    fn account_id(&self) -> Result<String, String>;

    /// The output of a stack.
    ///
    /// # Errors
    /// A sentence for the user.
    fn stack_output(&self, region: Option<&str>, stack: &str, output: &str) -> Result<Option<Value>, String>;

    /// The content of an object, as text.
    ///
    /// # Errors
    /// A sentence for the user.
    fn s3_object(&self, bucket: &str, key: &str) -> Result<Option<String>, String>;

    /// A parameter; `/aws/reference/secretsmanager/<id>` names a secret.
    ///
    /// # Errors
    /// A sentence for the user.
    fn ssm_parameter(
        &self,
        region: Option<&str>,
        name: &str,
        decrypt: bool,
    ) -> Result<Option<SsmParameter>, String>;
}

/// A parameter as Systems Manager gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct SsmParameter {
    /// `String`, `StringList` or `SecureString`.
    pub kind: String,
    /// The value as text.
    pub value: String,
}
