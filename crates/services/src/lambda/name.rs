//! Names of functions: plain, in part, or as an ARN, each with or without a qualifier.

use super::errors;
use aloft_base::{AccountId, Region};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, key};
use serde::{Deserialize, Serialize};

/// The version that changes.
pub(super) const LATEST: &str = "$LATEST";

/// Which function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FunctionKey {
    pub account: AccountId,
    pub region: Region,
    pub name: String,
}

impl FunctionKey {
    /// The beginning of the function's keys in every keyspace.
    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.name])
    }

    /// `arn:aws:lambda:us-east-1:000000000000:function:name`
    pub fn arn(&self) -> String {
        let Self { account, region, name } = self;
        format!("arn:{}:lambda:{region}:{account}:function:{name}", region.partition())
    }

    /// The ARN with a qualifier, if there is one.
    pub fn qualified_arn(&self, qualifier: Option<&str>) -> String {
        match qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.arn()),
            None => self.arn(),
        }
    }

    /// From the first three texts of a key that [`FunctionKey::key`] began.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let mut texts = Key::texts(key).into_iter();
        Some(Self {
            account: AccountId::new(&texts.next()?)?,
            region: Region::new(&texts.next()?)?,
            name: texts.next()?,
        })
    }
}

/// A function, and which version or alias of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Name {
    pub function: FunctionKey,
    pub qualifier: Option<String>,
}

impl Name {
    /// Reads `name`, `account:function:name` or an ARN, each perhaps followed by `:qualifier`, and the qualifier beside it.
    pub fn parse(context: &Context, text: &str, qualifier: Option<&str>) -> Result<Self, ServiceError> {
        let invalid = || {
            ServiceError::validation(format!(
                "1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{{2}}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{{1}}:)?(\\d{{12}}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?"
            ))
        };
        let (mut account, mut region) = (context.account.clone(), context.region.clone());
        let mut rest = text;
        if let Some(arn) = rest.strip_prefix("arn:") {
            let mut parts = arn.splitn(3, ':');
            let (_, service) = (parts.next(), parts.next());
            rest = parts.next().filter(|_| service == Some("lambda")).ok_or_else(invalid)?;
            let (in_region, after) = rest.split_once(':').ok_or_else(invalid)?;
            region = Region::new(in_region).ok_or_else(invalid)?;
            rest = after;
        }
        if let Some((digits, after)) = rest.split_once(':')
            && let Some(named) = AccountId::new(digits)
        {
            account = named;
            rest = after;
        }
        rest = rest.strip_prefix("function:").unwrap_or(rest);
        let (name, own) = rest.split_once(':').map_or((rest, None), |(name, own)| (name, Some(own)));
        let fits = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(invalid());
        }
        if name.len() > 64 {
            return Err(ServiceError::validation(format!(
                "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"
            )));
        }
        let qualifier = match (own, qualifier.filter(|it| !it.is_empty())) {
            (Some(own), Some(beside)) if own != beside => {
                return Err(errors::invalid(
                    "The derived qualifier from the function name does not match the specified qualifier.",
                ));
            }
            (own, beside) => own.or(beside).map(str::to_owned),
        };
        Ok(Self { function: FunctionKey { account, region, name: name.to_owned() }, qualifier })
    }

    /// The ARN as it was named.
    pub fn arn(&self) -> String {
        self.function.qualified_arn(self.qualifier.as_deref())
    }

    /// The qualifier that is meant when there is none.
    pub fn qualifier(&self) -> &str {
        self.qualifier.as_deref().unwrap_or(LATEST)
    }

    pub fn not_found(&self) -> ServiceError {
        errors::no_function(&self.arn())
    }
}
