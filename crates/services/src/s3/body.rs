//! Bodies between requests and blobs: stored before the transaction that keeps them, read piece by piece.

use super::checksum::{Checksum, Claims};
use super::object::Piece;
use crate::storage::Fault;
use aloft_engine::{Body, Context, ServiceError};
use aloft_store::{BlobId, Blobs, StoreError};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use std::io;

/// How much is in memory of a body that is being sent.
const STEP: u64 = 512 * 1024;

/// A body that was checked and is on disk, but belongs to nothing yet.
pub(super) struct Stored {
    pub blob: BlobId,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksum: Option<Checksum>,
}

impl Stored {
    pub fn into_piece(self, number: u16) -> Piece {
        Piece { blob: self.blob, size: self.size, number, checksum: self.checksum }
    }
}

/// Runs work that waits for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce(&Blobs) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let blobs = context.store().blobs().clone();
    let done = tokio::task::spawn_blocking(move || work(&blobs)).await;
    done.unwrap_or_else(|error| Err(StoreError::Panicked(error.to_string()).into()))
}

/// Checks a body against what the request claims of it and stores it.
pub(super) async fn store(context: &Context, body: Bytes, claims: Claims) -> Result<Stored, ServiceError> {
    let stored = blocking(context, move |blobs| {
        let (md5, checksum) = claims.check(&body)?;
        Ok(Stored { blob: blobs.put(&body)?, size: body.len() as u64, md5, checksum })
    });
    Ok(stored.await?)
}

/// Gives up blobs that no transaction took.
pub(super) fn give_up(context: &Context, blobs: Vec<BlobId>) {
    context.store().write_later(move |transaction| {
        blobs.iter().for_each(|blob| transaction.discard(blob));
        Ok(())
    });
}

/// A stretch of a blob: which, from where, how much.
type Stretch = (BlobId, u64, u64);

/// The stretches that `length` bytes from `from` on lie in.
fn stretches(pieces: &[Piece], from: u64, length: u64) -> Vec<Stretch> {
    let (end, mut start, mut found) = (from + length, 0, Vec::new());
    for piece in pieces {
        let (low, high) = (from.max(start), end.min(start + piece.size));
        if low < high {
            found.push((piece.blob.clone(), low - start, high - low));
        }
        start += piece.size;
    }
    found
}

/// The bytes of the pieces from `from` on. The first step is read at once, so that what is missing is known before the answer.
pub(super) async fn read(context: &Context, pieces: &[Piece], from: u64, length: u64) -> Result<Body, Fault> {
    let mut left = stretches(pieces, from, length);
    left.reverse();
    if length <= STEP {
        let all = blocking(context, move |blobs| {
            let mut bytes = Vec::new();
            while let Some((blob, offset, length)) = left.pop() {
                bytes.extend(blobs.read(&blob, offset, length)?);
            }
            Ok(bytes)
        });
        return Ok(Body::Bytes(all.await?.into()));
    }
    let first = step(context, &mut left).await?;
    let state = (context.clone(), left, first);
    let steps = stream::unfold(state, |(context, mut left, ready)| async move {
        if let Some(bytes) = ready {
            return Some((Ok(Frame::data(bytes)), (context, left, None)));
        }
        match step(&context, &mut left).await {
            Ok(bytes) => bytes.map(|bytes| (Ok(Frame::data(bytes)), (context, left, None))),
            Err(error) => {
                // The connection ends before its length is reached, so the client knows.
                tracing::warn!(%error, "a body could not be sent to its end");
                left.clear();
                Some((Err(io::Error::other(error.to_string())), (context, left, None)))
            }
        }
    });
    Ok(Body::Stream(StreamBody::new(steps).boxed_unsync(), length))
}

/// Reads the next step; nothing at the end. The last stretch of `left` comes first.
async fn step(context: &Context, left: &mut Vec<Stretch>) -> Result<Option<Bytes>, ServiceError> {
    let Some((blob, offset, length)) = left.pop() else { return Ok(None) };
    let now = length.min(STEP);
    if length > now {
        left.push((blob.clone(), offset + now, length - now));
    }
    let bytes = blocking(context, move |blobs| Ok(blobs.read(&blob, offset, now)?)).await?;
    if bytes.len() as u64 != now {
        return Err(ServiceError::new("InternalError", 500, "a stored body is shorter than it was"));
    }
    Ok(Some(bytes.into()))
}
