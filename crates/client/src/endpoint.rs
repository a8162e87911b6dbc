//! Where a service is: at AWS by its name and region, or at one address for all.

use aloft_base::Region;
use aloft_wire::Model;

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// AWS itself.
    Aws,
    /// One address for all services, such as the local cloud's `http://127.0.0.1:4566`.
    At(String),
}

/// The place of one service.
pub(crate) struct Place {
    /// Scheme and host.
    pub base: String,
    /// The host with its port.
    pub host: String,
    /// The region that requests are signed for.
    pub signing_region: String,
}

impl Place {
    /// The bucket's place at S3's transfer acceleration, and the request's path without the bucket.
    pub(crate) fn accelerated(self, request: &mut aloft_wire::Request) -> Self {
        let rest = request.path.trim_start_matches('/');
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let host = format!("{bucket}.s3-accelerate.amazonaws.com");
        let path = format!("/{key}");
        request.path = path;
        Self { base: format!("https://{host}"), host, ..self }
    }
}

impl Endpoint {
    /// An address without its trailing slash; AWS when there is none.
    pub fn new(address: Option<&str>) -> Self {
        match address.map(|address| address.trim_end_matches('/')).filter(|address| !address.is_empty()) {
            Some(address) => Self::At(address.to_owned()),
            None => Self::Aws,
        }
    }

    /// Whether it is AWS itself.
    pub fn is_aws(&self) -> bool {
        *self == Self::Aws
    }

    /// The address that serves all.
    pub(crate) fn base(&self) -> &str {
        match self {
            Self::Aws => "https://aws.amazon.com",
            Self::At(address) => address,
        }
    }

    pub(crate) fn place(&self, model: &Model, region: &Region) -> Place {
        match self {
            Self::At(address) => {
                let host = address.split_once("://").map_or(address.as_str(), |(_, host)| host);
                Place { base: address.clone(), host: host.to_owned(), signing_region: region.to_string() }
            }
            Self::Aws => {
                let suffix =
                    if region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
                let prefix = model.endpoint_prefix();
                // IAM is one for the whole partition.
                let (host, signing_region) = match (prefix, region.partition()) {
                    ("iam", "aws") => (format!("iam.{suffix}"), "us-east-1".to_owned()),
                    ("iam", "aws-cn") => (format!("iam.cn-north-1.{suffix}"), "cn-north-1".to_owned()),
                    ("iam", _) => (format!("iam.us-gov.{suffix}"), "us-gov-west-1".to_owned()),
                    _ => (format!("{prefix}.{region}.{suffix}"), region.to_string()),
                };
                Place { base: format!("https://{host}"), host, signing_region }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accelerated_bucket_is_a_host() {
        let mut request = aloft_wire::Request { path: "/bucket/a/b%20c".to_owned(), ..Default::default() };
        let region = Region::new("eu-west-1").expect("a region");
        let place = Endpoint::Aws.place(aloft_wire::model("s3").expect("a model"), &region);
        let place = place.accelerated(&mut request);
        assert_eq!((&*place.host, &*request.path), ("bucket.s3-accelerate.amazonaws.com", "/a/b%20c"));
        assert_eq!(place.base, "https://bucket.s3-accelerate.amazonaws.com");
    }

    #[test]
    fn places() {
        for (address, service, region, host) in [
            (None, "lambda", "eu-west-1", "lambda.eu-west-1.amazonaws.com"),
            (None, "iam", "eu-west-1", "iam.amazonaws.com"),
            (None, "s3", "cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
            (Some("http://127.0.0.1:4566/"), "s3", "us-east-1", "127.0.0.1:4566"),
        ] {
            let region = Region::new(region).expect("a region");
            let place = Endpoint::new(address).place(aloft_wire::model(service).expect("a model"), &region);
            assert_eq!(place.host, host);
        }
    }
}
