//! Pages of lists: at most so many items, and a token that says where the next page begins.
//!
//! Lists here are short (queues, topics, rules), so they are read whole and cut.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The items from `token` on, at most `limit` of them, and the token of the next page. A token that is none begins anew.
pub(crate) fn of<T>(items: Vec<T>, limit: usize, token: Option<&str>) -> (Vec<T>, Option<String>) {
    let from = token
        .and_then(|token| BASE64.decode(token).ok())
        .and_then(|text| String::from_utf8(text).ok()?.parse().ok());
    let from: usize = from.unwrap_or(0);
    let more = items.len() > from.saturating_add(limit);
    let page = items.into_iter().skip(from).take(limit).collect();
    (page, more.then(|| BASE64.encode((from + limit).to_string())))
}
