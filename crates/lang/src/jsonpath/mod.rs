//! JSONPath in the dialect that API Gateway's `$input.path` and `$input.json` speak (Jayway's).
//!
//! Not RFC 9535: a definite path gives the value itself, an indefinite one (wildcard, deep scan, slice, union, filter)
//! gives a list; a path may leave out the `$.`; functions such as `length()` may end it. No scripts.
//! Keeps true: the number of values that a query visits is bounded, whatever the path and the document.

mod filter;
mod parser;
mod query;

/// The longest path that is taken, in bytes.
const MAX_LENGTH: usize = 4096;
/// The most values that one query looks at.
const MAX_VISITS: usize = 1_000_000;

use filter::Filter;
use serde_json::Value;

/// Why a path gives no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonPathError {
    /// The path is malformed at this byte.
    #[error("invalid JSONPath at position {position}: {reason}")]
    Syntax {
        /// Bytes from the start.
        position: usize,
        /// What was expected.
        reason: &'static str,
    },
    /// The query would look at more values than is allowed.
    #[error("the JSONPath selects too much")]
    TooLarge,
}

/// A step of a path.
#[derive(Clone, Debug)]
enum Segment {
    /// `.name` or `['name']`
    Child(String),
    /// `['a', 'b']`
    Children(Vec<String>),
    /// `[0]` or `[-1]`
    Index(i64),
    /// `[0, 2]`
    Indexes(Vec<i64>),
    /// `[from:to:step]`
    Slice(Option<i64>, Option<i64>, i64),
    /// `*`
    Wildcard,
    /// `..` before the next segment
    DeepScan,
    /// `[?(...)]`
    Filter(Filter),
    /// `.length()` and the like
    Function(String),
}

/// A parsed path.
#[derive(Clone, Debug)]
pub struct JsonPath {
    segments: Vec<Segment>,
}

impl JsonPath {
    /// Parses a path; without a leading `$` it is taken as one below the root.
    ///
    /// # Errors
    /// The text is no path of this dialect, or is longer than 4,096 bytes.
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        parser::parse(text).map(|segments| Self { segments })
    }

    /// What the path selects: nothing when a definite path leads nowhere.
    ///
    /// # Errors
    /// The query looks at too many values.
    pub fn query(&self, document: &Value) -> Result<Option<Value>, JsonPathError> {
        let mut budget = MAX_VISITS;
        query::run(&self.segments, document, document, &mut budget)
    }
}

/// As [`query`], with a budget of visits that several queries share.
pub(crate) fn query_within(
    path: &str,
    document: &Value,
    budget: &mut usize,
) -> Result<Option<Value>, JsonPathError> {
    query::run(&JsonPath::parse(path)?.segments, document, document, budget)
}

/// Parses and queries at once.
///
/// # Errors
/// See [`JsonPath::parse`] and [`JsonPath::query`].
pub fn query(path: &str, document: &Value) -> Result<Option<Value>, JsonPathError> {
    JsonPath::parse(path)?.query(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selections() {
        let document = json!({
            "store": {"book": [
                {"category": "reference", "author": "Rees", "title": "Sayings", "price": 8.95},
                {"category": "fiction", "author": "Waugh", "title": "Sword", "price": 12.99},
                {"category": "fiction", "author": "Melville", "title": "Moby", "isbn": "0-553", "price": 8.99},
                {"category": "fiction", "author": "Tolkien", "title": "Lord", "isbn": "0-395", "price": 22.99}
            ], "bicycle": {"color": "red", "price": 19.95}},
            "expensive": 10, "a.b": 1, "null": null, "é": "accent", "tags": ["x", "y"], "empty": [], "dash-ed": true
        });
        let titles = |wanted: &[&str]| Some(json!(wanted));
        let table = [
            ("$", Some(document.clone())),
            ("$.expensive", Some(json!(10))),
            ("expensive", Some(json!(10))),
            ("$['expensive']", Some(json!(10))),
            ("$[\"a.b\"]", Some(json!(1))),
            ("$.dash-ed", Some(json!(true))),
            ("$.é", Some(json!("accent"))),
            ("$.null", Some(Value::Null)),
            ("$.missing", None),
            ("$.missing.deeper[0]", None),
            ("$.expensive.deeper", None),
            ("$.store.book[0].title", Some(json!("Sayings"))),
            ("$.store.book[-1].title", Some(json!("Lord"))),
            ("$.store.book[9]", None),
            ("$.store.book[*].title", titles(&["Sayings", "Sword", "Moby", "Lord"])),
            ("$.store.book[1:3].title", titles(&["Sword", "Moby"])),
            ("$.store.book[:2].title", titles(&["Sayings", "Sword"])),
            ("$.store.book[-2:].title", titles(&["Moby", "Lord"])),
            ("$.store.book[::2].title", titles(&["Sayings", "Moby"])),
            ("$.store.book[0,2].title", titles(&["Sayings", "Moby"])),
            ("$..isbn", titles(&["0-553", "0-395"])),
            ("$..book[2].title", titles(&["Moby"])),
            ("$.store..price", Some(json!([8.95, 12.99, 8.99, 22.99, 19.95]))),
            ("$.store.book[?(@.isbn)].title", titles(&["Moby", "Lord"])),
            ("$.store.book[?(!@.isbn)].title", titles(&["Sayings", "Sword"])),
            ("$.store.book[?(@.price < 10)].title", titles(&["Sayings", "Moby"])),
            ("$.store.book[?(@.price < $.expensive && @.category == 'fiction')].title", titles(&["Moby"])),
            ("$.store.book[?(@['author'] == 'Rees' || @.price > 20)].title", titles(&["Sayings", "Lord"])),
            ("$.store.book[?(@.author =~ /.*EL.*/i)].title", titles(&["Moby"])),
            ("$.store.book[?(@.author in ['Rees', 'Waugh'])].title", titles(&["Sayings", "Sword"])),
            ("$.store.book[?(@.author nin ['Rees', 'Waugh'])].title", titles(&["Moby", "Lord"])),
            ("$.tags[?(@ == 'x')]", titles(&["x"])),
            ("$.store.bicycle['color','price']", Some(json!({"color": "red", "price": 19.95}))),
            ("$.tags.length()", Some(json!(2))),
            ("$.tags.size()", Some(json!(2))),
            ("$.empty[*]", titles(&[])),
            ("$.store.book[*].price.max()", Some(json!(22.99))),
            ("$.store.bicycle.keys()", titles(&["color", "price"])),
            ("$.missing[*].x", titles(&[])),
        ];
        for (path, expected) in table {
            assert_eq!(query(path, &document), Ok(expected), "{path}");
        }
    }

    #[test]
    fn bounded_and_strict() {
        for path in [
            "",
            "$.",
            "$[",
            "$['a",
            "$[1:2:0]",
            "$[?(@.a ==)]",
            "$..",
            "$.a b",
            "$[?(",
            "$[?(@.a =~ /(/)]",
            "$[abc]",
        ] {
            assert!(matches!(query(path, &json!({})), Err(JsonPathError::Syntax { .. })), "{path}");
        }
        let nested = format!("$[?({}@.a{})]", "(".repeat(500), ")".repeat(500));
        assert!(query(&nested, &json!([1])).is_err());
        assert!(query(&"$..*".repeat(1200), &json!([])).is_err(), "too long");
        let mut deep = json!([1, 2]);
        for _ in 0..14 {
            deep = json!([deep.clone(), deep]);
        }
        assert_eq!(query("$..*..*..*", &deep), Err(JsonPathError::TooLarge));
    }
}
