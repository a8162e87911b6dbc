//! Bodies between requests and blobs: stored before the transaction that keeps them, read piece by piece.

use super::checksum::{Checksum, Claims};
use super::object::Piece;
use crate::storage::Fault;
use aloft_engine::{Body, Context, ServiceError};
use aloft_store::{BlobId, BlobReader, Blobs, StoreError};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use std::collections::VecDeque;
use std::io;

/// How much is in memory of a body that is being sent.
const STEP: u64 = 512 * 1024;
/// How many blobs of one body are held open.
const HELD: usize = 64;

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

/// A stretch of a blob.
struct Stretch {
    blob: BlobId,
    /// The blob, once it is open.
    reader: Option<BlobReader>,
    offset: u64,
    length: u64,
}

impl Stretch {
    fn open(&mut self, blobs: &Blobs) -> Result<&BlobReader, StoreError> {
        Ok(match &mut self.reader {
            Some(reader) => reader,
            closed => closed.insert(blobs.open(&self.blob)?),
        })
    }

    /// Takes off at most `most` bytes.
    fn take(&mut self, blobs: &Blobs, most: u64) -> Result<Vec<u8>, StoreError> {
        let (offset, now) = (self.offset, self.length.min(most));
        let bytes = self.open(blobs)?.read(offset, now)?;
        if bytes.len() as u64 != now {
            return Err(StoreError::Storage("a stored body is shorter than it was".to_owned()));
        }
        (self.offset, self.length) = (offset + now, self.length - now);
        Ok(bytes)
    }
}

/// The stretches that `length` bytes from `from` on lie in.
fn stretches(pieces: &[Piece], from: u64, length: u64) -> VecDeque<Stretch> {
    let (end, mut start, mut found) = (from + length, 0, VecDeque::new());
    for piece in pieces {
        let (low, high) = (from.max(start), end.min(start + piece.size));
        if low < high {
            found.push_back(Stretch {
                blob: piece.blob.clone(),
                reader: None,
                offset: low - start,
                length: high - low,
            });
        }
        start += piece.size;
    }
    found
}

/// The bytes of the pieces from `from` on. Blobs are opened before the answer, so that the object can be replaced while it
/// is sent; of an object of very many parts, only the first are.
pub(super) async fn read(context: &Context, pieces: &[Piece], from: u64, length: u64) -> Result<Body, Fault> {
    let mut left = stretches(pieces, from, length);
    if length <= STEP {
        let all = blocking(context, move |blobs| {
            let mut bytes = Vec::new();
            for stretch in &mut left {
                bytes.extend(stretch.take(blobs, STEP)?);
            }
            Ok(bytes)
        });
        return Ok(Body::Bytes(all.await?.into()));
    }
    let opened = blocking(context, move |blobs| {
        for stretch in left.iter_mut().take(HELD) {
            stretch.open(blobs)?;
        }
        Ok(left)
    });
    let state = (context.clone(), opened.await?);
    let steps = stream::unfold(state, |(context, left)| async move {
        match step(&context, left).await {
            Ok((bytes, left)) => bytes.map(|bytes| (Ok(Frame::data(bytes)), (context, left))),
            Err(fault) => {
                // The connection ends before its length is reached, so the client knows.
                let error = ServiceError::from(fault);
                Some((Err(io::Error::other(error.to_string())), (context, VecDeque::new())))
            }
        }
    });
    Ok(Body::Stream(StreamBody::new(steps).boxed_unsync(), length))
}

/// Reads the next step, nothing at the end; gives what is left after it.
async fn step(
    context: &Context,
    mut left: VecDeque<Stretch>,
) -> Result<(Option<Bytes>, VecDeque<Stretch>), Fault> {
    blocking(context, move |blobs| {
        let Some(stretch) = left.front_mut() else { return Ok((None, left)) };
        let bytes = stretch.take(blobs, STEP)?;
        if stretch.length == 0 {
            left.pop_front();
        }
        Ok((Some(bytes.into()), left))
    })
    .await
}
