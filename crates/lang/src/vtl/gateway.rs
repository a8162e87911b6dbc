//! `$input` and `$util`.
//!
//! Source: "$input variables" and "$util variables" in the API Gateway developer guide.

use super::render::Renderer;
use super::value::{Members, Value};
use super::{VtlError, java};
use crate::jsonpath;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

impl Renderer<'_> {
    /// A method of `$input`.
    pub(super) fn call_on_input(&mut self, name: &str, arguments: &[Value]) -> Result<Value, VtlError> {
        let argument = match arguments.first() {
            Some(first) => self.heap.to_text(first)?,
            None => String::new(),
        };
        match (name, arguments.len()) {
            ("path", 1) => match self.query(&argument)? {
                Some(found) => self.heap.read_json(&found),
                None => Ok(Value::Null),
            },
            ("json", 1) => match self.query(&argument)? {
                Some(found) => self.heap.text(found.to_string()),
                None => Ok(Value::Null),
            },
            ("params", 0) => {
                let params = &self.context.params;
                let places = [
                    ("path", &params.path),
                    ("querystring", &params.querystring),
                    ("header", &params.header),
                ];
                let mut members = Members::new();
                for (place, map) in places {
                    members.insert(place.into(), self.heap.read_map(map)?);
                }
                self.heap.new_map(members)
            }
            ("params", 1) => {
                let params = &self.context.params;
                let find = |map: &Map<String, Json>| map.get(&argument).cloned();
                let header = || {
                    // Header names have no case.
                    let headers = &params.header;
                    headers
                        .iter()
                        .find(|(name, _)| name.eq_ignore_ascii_case(&argument))
                        .map(|(_, value)| value.clone())
                };
                let found = find(&params.path).or_else(|| find(&params.querystring)).or_else(header);
                self.heap.read_json(&found.unwrap_or(Json::Null))
            }
            _ => Ok(Value::Null),
        }
    }

    /// Reads the body as JSON; without one it is an empty object, and what is no JSON is a text.
    fn query(&mut self, path: &str) -> Result<Option<Json>, VtlError> {
        let body = &self.context.body;
        let document = self.document.get_or_insert_with(|| match body.trim() {
            "" => Json::Object(Map::new()),
            text => serde_json::from_str(text).unwrap_or_else(|_| Json::String(body.clone())),
        });
        jsonpath::query_within(path, document, &mut self.visits)
            .map_err(|error| VtlError::Evaluation(error.to_string()))
    }

    /// A method of `$util`.
    pub(super) fn call_on_util(&mut self, name: &str, arguments: &[Value]) -> Result<Value, VtlError> {
        let [argument] = arguments else { return Ok(Value::Null) };
        let text = self.heap.to_text(argument)?;
        let out = match name {
            "escapeJavaScript" => java::escape_javascript(&text),
            "urlEncode" => java::url_encode(&text),
            "urlDecode" => java::url_decode(&text),
            "base64Encode" => STANDARD.encode(text),
            "base64Decode" => {
                let bytes = STANDARD.decode(text.trim());
                let bytes = bytes.map_err(|_| VtlError::Evaluation("the text is not base64".to_owned()))?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            "parseJson" => {
                let parsed: Json = serde_json::from_str(&text)
                    .map_err(|error| VtlError::Evaluation(format!("the text is not JSON: {error}")))?;
                return self.heap.read_json(&parsed);
            }
            _ => return Ok(Value::Null),
        };
        self.heap.text(out)
    }
}
