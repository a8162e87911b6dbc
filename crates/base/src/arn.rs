//! Amazon Resource Names, and the account and region that stand in them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The account that the local cloud plays when nobody names another.
const LOCAL_ACCOUNT: &str = "000000000000";

/// A twelve-digit account number. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// Takes twelve digits.
    pub fn new(text: &str) -> Option<Self> {
        (text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| Self(text.into()))
    }

    /// `000000000000`
    pub fn local() -> Self {
        Self(LOCAL_ACCOUNT.into())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A region's name, such as `us-east-1`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Region(Arc<str>);

impl Region {
    /// Takes lower-case letters, digits and hyphens.
    pub fn new(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (!text.is_empty() && text.len() <= 32 && text.bytes().all(fits)).then(|| Self(text.into()))
    }

    /// `us-east-1`
    pub fn us_east_1() -> Self {
        Self("us-east-1".into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that it lies in: `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        match &*self.0 {
            name if name.starts_with("cn-") => "aws-cn",
            name if name.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `arn:partition:service:region:account:resource`. Region and account may be empty; the resource is kept whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arn {
    /// `aws`, `aws-cn`, ...
    pub partition: String,
    /// The service's ARN name: `lambda`, `sqs`, ...
    pub service: String,
    /// Empty for global services.
    pub region: String,
    /// Empty for S3 buckets.
    pub account: String,
    /// All that follows, colons included.
    pub resource: String,
}

/// The text is no ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArnError;

impl fmt::Display for ArnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an ARN: expected arn:partition:service:region:account:resource")
    }
}

impl std::error::Error for ArnError {}

impl Arn {
    /// An ARN in the region's partition.
    pub fn new(service: &str, region: &Region, account: &AccountId, resource: impl Into<String>) -> Self {
        Self {
            partition: region.partition().to_owned(),
            service: service.to_owned(),
            region: region.to_string(),
            account: account.to_string(),
            resource: resource.into(),
        }
    }

    /// The resource after its type: `name` of `function:name` or `role/name`; the whole when it has none.
    pub fn resource_name(&self) -> &str {
        self.resource.split_once([':', '/']).map_or(&self.resource, |(_, name)| name)
    }
}

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, service, region, account, resource]
                if !partition.is_empty() && !service.is_empty() && !resource.is_empty() =>
            {
                Ok(Self {
                    partition: partition.to_owned(),
                    service: service.to_owned(),
                    region: region.to_owned(),
                    account: account.to_owned(),
                    resource: resource.to_owned(),
                })
            }
            _ => Err(ArnError),
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for text in ["arn:aws:lambda:us-east-1:000000000000:function:svc-dev-f:1", "arn:aws:s3:::bucket/key"]
        {
            assert_eq!(text.parse::<Arn>().expect("an ARN").to_string(), text);
        }
        assert_eq!("arn:aws:sqs".parse::<Arn>(), Err(ArnError));
    }

    #[test]
    fn partitions() {
        let region = Region::new("cn-north-1").expect("a region");
        assert!(
            Arn::new("sqs", &region, &AccountId::local(), "q")
                .to_string()
                .starts_with("arn:aws-cn:sqs:cn-north-1:")
        );
    }
}
