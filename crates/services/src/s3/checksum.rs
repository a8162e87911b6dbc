//! Checksums of bodies: which one a request names, computing and checking it, and how those of parts become an object's.

use super::crc::{self, Crc};
use super::error;
use aloft_engine::ServiceError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// An algorithm by the name that S3 gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

/// Over what a checksum was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Kind {
    /// The whole body.
    FullObject,
    /// The parts' checksums, one after another.
    Composite,
}

/// A checksum of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksum {
    pub algorithm: Algorithm,
    pub kind: Kind,
    /// In base64; a composite one ends in `-` and the number of parts.
    pub value: String,
}

/// Members that carry a checksum which is not built here.
const FOREIGN: &[&str] =
    &["ChecksumSHA512", "ChecksumMD5", "ChecksumXXHASH64", "ChecksumXXHASH3", "ChecksumXXHASH128"];

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64nvme, Self::Sha1, Self::Sha256];

    pub fn from_name(name: &str) -> Result<Self, ServiceError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        found.ok_or_else(|| error::not_built(&format!("the checksum algorithm {name}")))
    }

    /// `CRC32`
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The model's member for it: `ChecksumCRC32`.
    pub fn member(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// The header: `x-amz-checksum-crc32`.
    fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    fn crc(self) -> Option<&'static Crc> {
        match self {
            Self::Crc32 => Some(&crc::CRC32),
            Self::Crc32c => Some(&crc::CRC32C),
            Self::Crc64nvme => Some(&crc::CRC64NVME),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// How many bytes the checksum has.
    fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The checksum that a multipart object gets when its creator names only the algorithm.
    pub fn multipart_kind(self) -> Kind {
        if self == Self::Crc64nvme { Kind::FullObject } else { Kind::Composite }
    }

    /// Begins a checksum of a body that comes in pieces.
    pub fn hasher(self) -> Hasher {
        let state = match self {
            Self::Crc32 => State::Crc32(crc32fast::Hasher::new()),
            Self::Crc32c => State::Crc(&crc::CRC32C, 0),
            Self::Crc64nvme => State::Crc(&crc::CRC64NVME, 0),
            Self::Sha1 => State::Sha1(sha1::Sha1::new()),
            Self::Sha256 => State::Sha256(sha2::Sha256::new()),
        };
        Hasher { algorithm: self, state }
    }

    /// The checksum of a whole body.
    pub fn of(self, body: &[u8]) -> Checksum {
        let mut hasher = self.hasher();
        hasher.update(body);
        hasher.finish()
    }

    /// The checksum of an object made of parts, of which each has its checksum (in base64) and its size.
    pub fn of_parts(self, kind: Kind, parts: &[(&str, u64)]) -> Option<Checksum> {
        let raw: Vec<Vec<u8>> =
            parts.iter().map(|(value, _)| BASE64.decode(value).ok()).collect::<Option<_>>()?;
        let value = match kind {
            Kind::Composite => format!("{}-{}", self.of(&raw.concat()).value, parts.len()),
            Kind::FullObject => {
                let crc = self.crc()?;
                let number =
                    |bytes: &[u8]| bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
                let whole = raw
                    .iter()
                    .zip(parts)
                    .fold(0, |whole, (part, (_, size))| crc.combine(whole, number(part), *size));
                BASE64.encode(&whole.to_be_bytes()[8 - self.length()..])
            }
        };
        Some(Checksum { algorithm: self, kind, value })
    }
}

/// A checksum under way.
pub(super) struct Hasher {
    algorithm: Algorithm,
    state: State,
}

enum State {
    Crc32(crc32fast::Hasher),
    Crc(&'static Crc, u64),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc32(hasher) => hasher.update(bytes),
            State::Crc(crc, value) => *value = crc.update(*value, bytes),
            State::Sha1(hasher) => hasher.update(bytes),
            State::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub fn finish(self) -> Checksum {
        let raw = match self.state {
            State::Crc32(hasher) => hasher.finalize().to_be_bytes().to_vec(),
            State::Crc(_, value) => value.to_be_bytes()[8 - self.algorithm.length()..].to_vec(),
            State::Sha1(hasher) => hasher.finalize().to_vec(),
            State::Sha256(hasher) => hasher.finalize().to_vec(),
        };
        Checksum { algorithm: self.algorithm, kind: Kind::FullObject, value: BASE64.encode(raw) }
    }
}

impl Checksum {
    /// As members of an answer.
    pub fn write(&self, answer: &mut Map<String, Value>) {
        answer.insert(self.algorithm.member().to_owned(), json!(self.value));
        answer.insert("ChecksumType".to_owned(), json!(self.kind));
    }
}

/// What a request claims of its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// The algorithm that it names, with or without a value.
    pub algorithm: Option<Algorithm>,
    /// The checksum, in base64.
    pub value: Option<String>,
    /// `Content-MD5`, in base64.
    pub md5: Option<String>,
}

impl Claims {
    /// Reads the checksum members of an input.
    pub fn read(params: &Value) -> Result<Self, ServiceError> {
        if let Some(foreign) = FOREIGN.iter().find(|name| params.get(**name).is_some()) {
            return Err(error::not_built(foreign));
        }
        let mut named = Algorithm::ALL
            .into_iter()
            .filter_map(|algorithm| Some((algorithm, params.get(algorithm.member())?.as_str()?)));
        let first = named.next();
        if named.next().is_some() {
            return Err(error::invalid_request(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
        let algorithm = match (first, params["ChecksumAlgorithm"].as_str()) {
            (Some((algorithm, _)), _) => Some(algorithm),
            (None, Some(name)) => Some(Algorithm::from_name(name)?),
            (None, None) => None,
        };
        let value = first.map(|(_, value)| value.to_owned());
        if let (Some(algorithm), Some(value)) = (algorithm, &value) {
            // That of a multipart object ends in the number of its parts.
            let bare = value.split_once('-').map_or(value.as_str(), |(bare, _)| bare);
            if BASE64.decode(bare).map(|bytes| bytes.len()) != Ok(algorithm.length()) {
                return Err(error::invalid_request(format!(
                    "Value for {} header is invalid.",
                    algorithm.header()
                )));
            }
        }
        let md5 = params["ContentMD5"].as_str().map(str::to_owned);
        if md5.as_ref().is_some_and(|md5| BASE64.decode(md5).map(|bytes| bytes.len()) != Ok(16)) {
            return Err(ServiceError::new(
                "InvalidDigest",
                400,
                "The Content-MD5 you specified was invalid.",
            ));
        }
        Ok(Self { algorithm, value, md5 })
    }

    /// Checks a body against the claims; gives its MD5 and the checksum that it is to be kept with.
    pub fn check(&self, body: &[u8]) -> Result<([u8; 16], Option<Checksum>), ServiceError> {
        let md5: [u8; 16] = md5::Md5::digest(body).into();
        if self.md5.as_ref().is_some_and(|claimed| *claimed != BASE64.encode(md5)) {
            return Err(error::bad_digest("The Content-MD5 you specified did not match what we received."));
        }
        let checksum = self.algorithm.map(|algorithm| algorithm.of(body));
        if let (Some(checksum), Some(claimed)) = (&checksum, &self.value)
            && checksum.value != *claimed
        {
            let name = checksum.algorithm.name();
            return Err(error::bad_digest(format!(
                "The {name} you specified did not match the calculated checksum."
            )));
        }
        Ok((md5, checksum))
    }
}

/// `d41d8cd98f00b204e9800998ecf8427e`
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // The check values of the CRC catalogue for "123456789", and the well-known hashes of "abc".
        for (algorithm, body, expected) in [
            (Algorithm::Crc32, "123456789", "y/Q5Jg=="),
            (Algorithm::Crc32c, "123456789", "4waSgw=="),
            (Algorithm::Crc64nvme, "123456789", "rosUhgp5mIg="),
            (Algorithm::Sha1, "abc", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="),
            (Algorithm::Sha256, "abc", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        ] {
            assert_eq!(algorithm.of(body.as_bytes()).value, expected, "{algorithm:?}");
        }
    }

    #[test]
    fn parts_combine_to_the_whole() {
        let (first, second) = (b"hello, ".repeat(37), b"world".repeat(11));
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64nvme] {
            let whole = algorithm.of(&[&first[..], &second[..]].concat());
            let (a, b) = (algorithm.of(&first).value, algorithm.of(&second).value);
            let parts = [(a.as_str(), first.len() as u64), (b.as_str(), second.len() as u64)];
            assert_eq!(algorithm.of_parts(Kind::FullObject, &parts), Some(whole), "{algorithm:?}");
        }
        let part = Algorithm::Sha256.of(b"abc").value;
        let composite = Algorithm::Sha256.of_parts(Kind::Composite, &[(&part, 3)]).expect("valid parts");
        assert!(composite.value.ends_with("=-1"));
    }

    #[test]
    fn claims_are_held_to() {
        let check = |params: Value| {
            Claims::read(&params).and_then(|claims| claims.check(b"abc")).map_err(|error| error.code)
        };
        assert_eq!(check(json!({})).expect("no claims").1, None);
        assert!(check(json!({ "ChecksumAlgorithm": "SHA1" })).expect("computed").1.is_some());
        for (params, code) in [
            (json!({ "ContentMD5": "AAAA" }), "InvalidDigest"),
            (json!({ "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA==" }), "BadDigest"),
            (json!({ "ChecksumCRC32": "AAAAAA==" }), "BadDigest"),
            (json!({ "ChecksumCRC32": "AAA=" }), "InvalidRequest"),
            (json!({ "ChecksumCRC32": "AAAAAA==", "ChecksumCRC32C": "AAAAAA==" }), "InvalidRequest"),
            (json!({ "ChecksumXXHASH3": "AAAAAA==" }), "NotImplemented"),
        ] {
            assert_eq!(check(params.clone()), Err(code.to_owned()), "{params}");
        }
    }
}
