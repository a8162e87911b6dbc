//! Bodies that clients send compressed, as SDKs do with large inputs of some operations.
//!
//! Keeps true: a small body cannot grow beyond the limit, whatever it claims.

use aloft_wire::ServiceError;
use bytes::Bytes;
use http::{HeaderMap, header};
use std::io::Read;

/// The most bytes that a compressed body may grow to, unless bodies as such may have fewer.
const LIMIT: usize = 16 * 1024 * 1024;

/// Whether the headers say that the body is compressed.
pub(super) fn is_announced(headers: &HeaderMap) -> bool {
    let encodings = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    encodings.is_some_and(|all| all.split(',').any(|one| one.trim().eq_ignore_ascii_case("gzip")))
}

/// The body as it was before.
///
/// # Errors
/// When it is no gzip, or grows beyond `limit` or 16 MB.
pub(super) fn decode(body: &[u8], limit: usize) -> Result<Bytes, ServiceError> {
    let limit = limit.min(LIMIT);
    let mut plain = Vec::with_capacity(body.len().saturating_mul(4).min(limit));
    let read = flate2::read::MultiGzDecoder::new(body).take(limit as u64 + 1).read_to_end(&mut plain);
    if let Err(error) = read {
        return Err(ServiceError::new(
            "SerializationException",
            400,
            format!("the body is no gzip: {error}"),
        ));
    }
    if plain.len() > limit {
        let message = format!("the body is larger than {limit} bytes when it is unpacked");
        return Err(ServiceError::new("RequestEntityTooLarge", 413, message));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn bodies_are_unpacked_within_the_limit() {
        let pack = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("packed")
        };
        let text = "Action=PutMetricData&".repeat(1000);
        let packed = pack(text.as_bytes());
        assert!(packed.len() < text.len() / 10);
        assert_eq!(decode(&packed, usize::MAX).expect("unpacked"), text.as_bytes());
        for (body, limit, code) in [
            (&packed[..], text.len() - 1, "RequestEntityTooLarge"),
            (&pack(&vec![0; LIMIT + 1])[..], usize::MAX, "RequestEntityTooLarge"),
            (&packed[..packed.len() / 2], usize::MAX, "SerializationException"),
            (b"plain", usize::MAX, "SerializationException"),
        ] {
            assert_eq!(decode(body, limit).expect_err(code).code, code);
        }
        let mut headers = HeaderMap::new();
        assert!(!is_announced(&headers));
        headers.insert(header::CONTENT_ENCODING, http::HeaderValue::from_static("amz-sdk, GZIP"));
        assert!(is_announced(&headers));
    }
}
