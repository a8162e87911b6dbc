//! Event stream frames (`application/vnd.amazon.eventstream`): how Lambda, Kinesis, CloudWatch Logs and S3 Select stream.
//!
//! Frames only: what an event's payload holds is the operation's affair. Keeps true: both checksums of a frame that is
//! read are right, and no length that is only promised reserves memory.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
/// The most that AWS sends in one frame.
const MAX_FRAME: usize = 24 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// `:event-type`, `:content-type`, `:message-type` and what the event adds.
    pub headers: Vec<(String, HeaderValue)>,
    /// The payload.
    pub payload: Bytes,
}

/// A header's value.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderValue {
    /// True or false.
    Bool(bool),
    /// One byte.
    Byte(i8),
    /// Two bytes.
    Short(i16),
    /// Four bytes.
    Integer(i32),
    /// Eight bytes.
    Long(i64),
    /// Bytes.
    Bytes(Bytes),
    /// Text.
    String(String),
    /// Milliseconds since the epoch.
    Timestamp(i64),
    /// Sixteen bytes.
    Uuid([u8; 16]),
}

/// The bytes are no frame.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// A checksum is wrong.
    #[error("a checksum does not match")]
    Checksum,
    /// A length or a header makes no sense.
    #[error("the frame cannot be read")]
    Malformed,
}

impl Frame {
    /// An event as services send one.
    pub fn event(event_type: &str, content_type: &str, payload: Bytes) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), HeaderValue::String(value.to_owned()));
        let headers = vec![
            header(":event-type", event_type),
            header(":content-type", content_type),
            header(":message-type", "event"),
        ];
        Self { headers, payload }
    }

    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).and_then(|(_, value)| match value {
            HeaderValue::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The frame's bytes. Names longer than 255 bytes and values longer than 65,535 are cut.
    pub fn encode(&self) -> Bytes {
        let mut headers = BytesMut::new();
        for (name, value) in &self.headers {
            let name = &name.as_bytes()[..name.len().min(255)];
            headers.put_u8(name.len() as u8);
            headers.put_slice(name);
            value.encode(&mut headers);
        }
        let total = PRELUDE + headers.len() + self.payload.len() + CHECKSUM;
        let mut frame = BytesMut::with_capacity(total);
        frame.put_u32(total as u32);
        frame.put_u32(headers.len() as u32);
        frame.put_u32(crc32fast::hash(&frame));
        frame.put_slice(&headers);
        frame.put_slice(&self.payload);
        frame.put_u32(crc32fast::hash(&frame));
        frame.freeze()
    }
}

impl HeaderValue {
    fn encode(&self, out: &mut BytesMut) {
        let mut sized = |kind: u8, bytes: &[u8]| {
            let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
            out.put_u8(kind);
            out.put_u16(bytes.len() as u16);
            out.put_slice(bytes);
        };
        match self {
            Self::Bytes(bytes) => sized(6, bytes),
            Self::String(text) => sized(7, text.as_bytes()),
            Self::Bool(truth) => out.put_u8(u8::from(!truth)),
            Self::Byte(number) => {
                out.put_u8(2);
                out.put_i8(*number);
            }
            Self::Short(number) => {
                out.put_u8(3);
                out.put_i16(*number);
            }
            Self::Integer(number) => {
                out.put_u8(4);
                out.put_i32(*number);
            }
            Self::Long(number) => {
                out.put_u8(5);
                out.put_i64(*number);
            }
            Self::Timestamp(millis) => {
                out.put_u8(8);
                out.put_i64(*millis);
            }
            Self::Uuid(bytes) => {
                out.put_u8(9);
                out.put_slice(bytes);
            }
        }
    }

    fn decode(rest: &mut Bytes) -> Option<Self> {
        Some(match rest.try_get_u8().ok()? {
            0 => Self::Bool(true),
            1 => Self::Bool(false),
            2 => Self::Byte(rest.try_get_i8().ok()?),
            3 => Self::Short(rest.try_get_i16().ok()?),
            4 => Self::Integer(rest.try_get_i32().ok()?),
            5 => Self::Long(rest.try_get_i64().ok()?),
            6 => Self::Bytes(sized(rest)?),
            7 => Self::String(std::str::from_utf8(&sized(rest)?).ok()?.to_owned()),
            8 => Self::Timestamp(rest.try_get_i64().ok()?),
            9 => Self::Uuid(take(rest, 16)?.as_ref().try_into().ok()?),
            _ => return None,
        })
    }
}

fn sized(rest: &mut Bytes) -> Option<Bytes> {
    let length = rest.try_get_u16().ok()?;
    take(rest, length.into())
}

fn take(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (rest.len() >= length).then(|| rest.split_to(length))
}

/// Takes the first frame off; `None` when it is not complete yet.
///
/// # Errors
/// When the bytes can never become a frame.
pub fn decode(buffer: &mut Bytes) -> Result<Option<Frame>, FrameError> {
    if buffer.len() < PRELUDE {
        return Ok(None);
    }
    let mut prelude = buffer.slice(..PRELUDE);
    if crc32fast::hash(&prelude[..8]) != (&prelude[8..]).get_u32() {
        return Err(FrameError::Checksum);
    }
    let (total, header_length) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
    if total > MAX_FRAME || header_length.checked_add(PRELUDE + CHECKSUM).is_none_or(|least| least > total) {
        return Err(FrameError::Malformed);
    }
    if buffer.len() < total {
        return Ok(None);
    }
    let mut frame = buffer.split_to(total);
    let checksum = frame.split_off(total - CHECKSUM).get_u32();
    if crc32fast::hash(&frame) != checksum {
        return Err(FrameError::Checksum);
    }
    frame.advance(PRELUDE);
    let mut rest = frame.split_to(header_length);
    let mut headers = Vec::new();
    while !rest.is_empty() {
        headers.push(header(&mut rest).ok_or(FrameError::Malformed)?);
    }
    Ok(Some(Frame { headers, payload: frame }))
}

fn header(rest: &mut Bytes) -> Option<(String, HeaderValue)> {
    let length = rest.try_get_u8().ok()?;
    let name = std::str::from_utf8(&take(rest, length.into())?).ok()?.to_owned();
    Some((name, HeaderValue::decode(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let mut frame = Frame::event("PayloadChunk", "application/octet-stream", "hello".into());
        let values = [
            HeaderValue::Bool(true),
            HeaderValue::Bool(false),
            HeaderValue::Byte(-1),
            HeaderValue::Short(-2),
            HeaderValue::Integer(-3),
            HeaderValue::Long(-4),
            HeaderValue::Bytes("b".into()),
            HeaderValue::Timestamp(1_000),
            HeaderValue::Uuid([7; 16]),
        ];
        frame.headers.extend(values.into_iter().map(|value| ("h".to_owned(), value)));
        let bytes = frame.encode();
        let mut two = Bytes::from([&bytes[..], &bytes[..]].concat());
        assert_eq!(decode(&mut two), Ok(Some(frame.clone())));
        assert_eq!(decode(&mut two), Ok(Some(frame)));
        assert_eq!(decode(&mut two), Ok(None));
        assert_eq!(decode(&mut bytes.slice(..bytes.len() - 1)), Ok(None));
        let mut broken = bytes.to_vec();
        broken[20] ^= 1;
        assert_eq!(decode(&mut broken.into()), Err(FrameError::Checksum));
    }
}
