//! Where a ready-made artifact lies.

/// An object in S3 that `package.artifact` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

impl S3Location {
    /// Reads `s3://bucket/key` and the addresses of S3 with the bucket in the host or in the path.
    pub fn parse(address: &str) -> Option<Self> {
        if let Some(rest) = address.strip_prefix("s3://") {
            return Self::split(rest);
        }
        let (host_and_before, path) = address.split_once(".amazonaws.com/")?;
        let host = host_and_before.rsplit('/').next()?;
        if let Some((bucket, region)) = host.rsplit_once(".s3")
            && is_region(region)
            && !bucket.is_empty()
            && !path.is_empty()
        {
            return Some(Self { bucket: bucket.to_owned(), key: path.to_owned() });
        }
        let region = host.strip_prefix("s3")?;
        if is_region(region) { Self::split(path) } else { None }
    }

    fn split(text: &str) -> Option<Self> {
        let (bucket, key) = text.split_once('/')?;
        (!bucket.is_empty() && !key.is_empty())
            .then(|| Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

/// Nothing, or a `.` or `-` and a region.
fn is_region(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(['.', '-']).is_some_and(|region| {
            !region.is_empty()
                && region
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || "-_".contains(character))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let place =
            |address| S3Location::parse(address).map(|found| format!("{} {}", found.bucket, found.key));
        assert_eq!(place("s3://b/a/c.zip").as_deref(), Some("b a/c.zip"));
        assert_eq!(place("https://b.s3.eu-west-1.amazonaws.com/a.zip").as_deref(), Some("b a.zip"));
        assert_eq!(place("https://b.s3.amazonaws.com/a.zip").as_deref(), Some("b a.zip"));
        assert_eq!(place("https://s3-eu-west-1.amazonaws.com/b/a.zip").as_deref(), Some("b a.zip"));
        assert_eq!(place("target/a.zip"), None);
    }
}
