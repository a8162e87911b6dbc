//! Walking a bucket's keys in order, with common prefixes gathered at the delimiter: what all listings have in common.
//!
//! Keeps true: a group of keys under one common prefix costs one jump, not a walk.

use super::bucket::object_key;
use crate::storage::{Fault, Rows};
use aloft_store::{Key, Keyspace, StoreError, key};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::ops::Bound;

/// How many rows are read at once.
const BATCH: usize = 500;

/// What to list.
pub(super) struct Walk<'a> {
    pub keyspace: Keyspace,
    pub bucket: &'a str,
    pub prefix: &'a str,
    /// Empty for none.
    pub delimiter: &'a str,
    /// Only what comes after this key; or after all that begins with it, when it is a common prefix.
    pub after: &'a str,
}

/// What a walk meets.
pub(super) enum Step<'a> {
    /// A row: the object's key and the row's value.
    Row(&'a str, &'a [u8]),
    /// A common prefix.
    Group(&'a str),
}

impl Walk<'_> {
    /// Tells `visit` of each step until it answers `false`.
    pub fn run(
        &self,
        rows: &impl Rows,
        mut visit: impl FnMut(Step<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let within = key([self.bucket]).into_bytes();
        let mut from = self.start();
        let end = successor(partial(self.bucket, self.prefix));
        loop {
            let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let batch = rows.rows_between(self.keyspace, from.as_ref().map(Vec::as_slice), to, BATCH)?;
            let more = batch.len() == BATCH;
            let mut next = batch.last().map(|(row_key, _)| Bound::Excluded(row_key.clone()));
            let mut skip: Option<Vec<u8>> = None;
            for (row_key, row) in &batch {
                if skip.as_ref().is_some_and(|skip| row_key < skip) {
                    continue;
                }
                let object = first_text(&row_key[within.len()..]);
                match self.group_of(&object) {
                    None => {
                        if !visit(Step::Row(&object, row))? {
                            return Ok(());
                        }
                    }
                    Some(group) => {
                        // A group that the last page ended with was told already.
                        if self.after != group && !visit(Step::Group(group))? {
                            return Ok(());
                        }
                        skip = successor(partial(self.bucket, group));
                    }
                }
            }
            if !more {
                return Ok(());
            }
            if let Some(skip) = skip {
                next = Some(next.map_or(Bound::Included(skip.clone()), |next| later(next, skip)));
            }
            match next {
                Some(bound) => from = bound,
                None => return Ok(()),
            }
        }
    }

    fn start(&self) -> Bound<Vec<u8>> {
        let beginning = partial(self.bucket, self.prefix);
        if self.after.is_empty() {
            return Bound::Included(beginning);
        }
        let after_group = !self.delimiter.is_empty()
            && self.after.starts_with(self.prefix)
            && self.group_of(self.after).is_some_and(|group| group == self.after);
        let after = match after_group {
            true => Bound::Included(successor(partial(self.bucket, self.after)).unwrap_or_default()),
            // Rows of one key may have more behind the key itself: all of them count as before.
            false => Bound::Included(
                successor(object_key(self.bucket, self.after).into_bytes()).unwrap_or_default(),
            ),
        };
        later(after, beginning)
    }

    /// The common prefix that a key falls under.
    fn group_of<'k>(&self, object: &'k str) -> Option<&'k str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = object.get(self.prefix.len()..)?;
        let at = rest.find(self.delimiter)?;
        Some(&object[..self.prefix.len() + at + self.delimiter.len()])
    }
}

/// The later of a bound and an included key.
fn later(bound: Bound<Vec<u8>>, included: Vec<u8>) -> Bound<Vec<u8>> {
    match &bound {
        Bound::Included(at) | Bound::Excluded(at) if *at >= included => bound,
        _ => Bound::Included(included),
    }
}

/// The beginning of the rows of all keys with a prefix.
fn partial(bucket: &str, prefix: &str) -> Vec<u8> {
    let mut bytes = object_key(bucket, prefix).into_bytes();
    // Without the end that the key's text was given.
    bytes.truncate(bytes.len() - 2);
    bytes
}

/// The first key that does not begin with these bytes.
fn successor(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = bytes.pop() {
        if last < 0xff {
            bytes.push(last + 1);
            return Some(bytes);
        }
    }
    None
}

/// The first text of a key, whatever follows it.
pub(super) fn first_text(row_key: &[u8]) -> String {
    let mut at = 0;
    while at + 1 < row_key.len() {
        match (row_key[at], row_key[at + 1]) {
            (0, 0) => break,
            (0, _) => at += 2,
            _ => at += 1,
        }
    }
    Key::texts(&row_key[..row_key.len().min(at + 2)]).into_iter().next().unwrap_or_default()
}

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/').remove(b' ');

/// A key as the request wants it written.
pub(super) fn encoded(text: &str, encoding_type: Option<&str>) -> Value {
    match encoding_type {
        Some("url") => json!(utf8_percent_encode(text, PLAIN).to_string().replace(' ', "+")),
        _ => json!(text),
    }
}

/// The same for a member that is there only when it was asked with.
pub(super) fn encoded_option(text: Option<&str>, encoding_type: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| encoded(text, encoding_type))
}

pub(super) fn check_encoding(encoding_type: Option<&str>) -> Result<(), Fault> {
    match encoding_type {
        None | Some("url") => Ok(()),
        Some(other) => Err(super::error::invalid_argument(
            "Invalid Encoding Method specified in Request",
            "encoding-type",
            other,
        )
        .into()),
    }
}

/// How many entries a page has: at most a thousand.
pub(super) fn page_size(name: &str, asked: Option<i64>) -> Result<usize, Fault> {
    match asked {
        None => Ok(1000),
        Some(count @ 0..) => Ok(usize::try_from(count).unwrap_or(1000).min(1000)),
        Some(negative) => {
            let message = format!("Argument {name} must be an integer between 0 and 2147483647");
            Err(super::error::invalid_argument(message, name, &negative.to_string()).into())
        }
    }
}

/// A store's error in a listing.
pub(super) fn read(context: &aloft_engine::Context) -> Result<aloft_store::Snapshot, Fault> {
    context.store().read().map_err(|error: StoreError| error.into())
}
