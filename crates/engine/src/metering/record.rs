//! What a slot holds: the JSON of an invocation that began, and then that of its row.
//!
//! Keeps true: an invocation is made JSON of once, when it begins.

use super::row::{Invocation, Row};
use serde::{Deserialize, Serialize};

/// What a slot is read as.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(PartialEq))]
pub(super) enum Record {
    Begun(Invocation),
    Ended(Row),
}

/// How many bytes a record has, about.
const SIZE: usize = 1024;
const BEGUN: &[u8] = br#"{"Begun":"#;
const ENDED: &[u8] = br#"{"Ended":"#;
/// Of either.
const FRONT: usize = BEGUN.len();
const BACK: &[u8] = b"}";

/// A record as JSON.
pub(super) struct Text(Vec<u8>);

impl Text {
    pub fn begun(invocation: &Invocation) -> Self {
        let mut text = Vec::with_capacity(SIZE);
        text.extend_from_slice(BEGUN);
        add(&mut text, invocation);
        text.extend_from_slice(BACK);
        Self(text)
    }

    /// Of the row that an invocation becomes, made of what was written when it began.
    pub fn ended(begun: &Self, row: &Row) -> Self {
        let mut text = Vec::with_capacity(SIZE);
        text.extend_from_slice(ENDED);
        text.extend_from_slice(br#"{"number":"#);
        add(&mut text, &row.number);
        text.extend_from_slice(br#","ended":"#);
        add(&mut text, &row.ended);
        text.extend_from_slice(br#","invocation":"#);
        text.extend_from_slice(begun.content());
        text.extend_from_slice(br#","ending":"#);
        add(&mut text, &row.ending);
        text.extend_from_slice(b"}");
        text.extend_from_slice(BACK);
        Self(text)
    }

    /// The record.
    pub fn whole(&self) -> &[u8] {
        &self.0
    }

    /// The JSON of what the record is of.
    pub fn content(&self) -> &[u8] {
        &self.0[FRONT..self.0.len() - BACK.len()]
    }
}

/// Rows are made of texts and numbers, which always have a JSON form.
fn add(text: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(text, value);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests {
    use super::super::row::Verdict;
    use super::super::tests::{ending, invocation};
    use super::*;
    use aloft_base::Timestamp;

    /// What is on disks has this form.
    #[test]
    fn the_form_stays() {
        let text = r#"{"Ended":{"number":7,"ended":1795406706789,"invocation":{"at":1795406706000,"request_id":"request-1","account":"000000000000","region":"us-east-1","function":"f","qualifier":null,"version":"$LATEST","cause":"root","trace_id":"t","memory_mb":128,"architecture":"x86_64","iterator_age_ms":null,"concurrent":0},"ending":{"verdict":"ok","log_stream":"","duration_ms":4.5,"init_ms":3.0,"billed_ms":5,"used_mb":0}}}"#;
        let began = Invocation { cause: "root".into(), trace_id: "t".to_owned(), ..invocation("f", 1) };
        let ended = Timestamp(1_795_406_706_789);
        let row = Row { number: 7, ended, invocation: began, ending: ending(5, Verdict::Ok) };
        assert_eq!(serde_json::from_str::<Record>(text).expect("a record"), Record::Ended(row));
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let ended = Timestamp(1_795_406_706_789);
        let row = Row { number: 7, ended, invocation: invocation("f", 1), ending: ending(5, Verdict::Ok) };
        let read = |text: &Text| serde_json::from_slice::<Record>(text.whole()).expect("a record");
        let begun = Text::begun(&row.invocation);
        assert_eq!(read(&begun), Record::Begun(row.invocation.clone()));
        let text = Text::ended(&begun, &row);
        assert_eq!(text.content(), serde_json::to_vec(&row).expect("JSON"));
        assert_eq!(read(&text), Record::Ended(row));
    }
}
