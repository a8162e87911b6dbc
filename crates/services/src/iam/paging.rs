//! Pages of IAM's lists: by `Marker` and `MaxItems`.

use super::text;
use aloft_engine::ServiceError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// The page of `items` (named, in order of their names) that the input asks for, under `member`.
pub(super) fn page(member: &str, items: Vec<(String, Value)>, params: &Value) -> Result<Value, ServiceError> {
    let invalid =
        || ServiceError::new("ValidationError", 400, format!("Invalid Marker: {}", text(params, "Marker")));
    let marker = match params["Marker"].as_str() {
        Some(marker) => Some(
            BASE64.decode(marker).ok().and_then(|name| String::from_utf8(name).ok()).ok_or_else(invalid)?,
        ),
        None => None,
    };
    let limit = params["MaxItems"]
        .as_u64()
        .map_or(100, |limit| usize::try_from(limit).unwrap_or(1000))
        .clamp(1, 1000);
    let mut rest = items
        .into_iter()
        .skip_while(|(name, _)| marker.as_ref().is_some_and(|marker| name <= marker))
        .peekable();
    let (mut taken, mut last) = (Vec::new(), String::new());
    while taken.len() < limit
        && let Some((name, item)) = rest.next()
    {
        taken.push(item);
        last = name;
    }
    let truncated = rest.peek().is_some();
    Ok(json!({ member: taken, "IsTruncated": truncated, "Marker": truncated.then(|| BASE64.encode(last)) }))
}
