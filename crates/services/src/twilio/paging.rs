//! Pages of lists, as Twilio shows them.

use super::form::Form;
use serde_json::{Value, json};

/// What a caller wants to see of a list.
pub(super) struct Page {
    number: usize,
    size: usize,
    /// The sid of the last item that was seen before; wins over the number when the list has grown meanwhile.
    after: Option<String>,
}

impl Page {
    pub fn of(form: &Form) -> Self {
        let number = |name: &str| form.text(name).and_then(|text| text.parse::<usize>().ok());
        Self {
            number: number("Page").unwrap_or(0),
            size: number("PageSize").unwrap_or(50).clamp(1, 1000),
            after: form.text("PageToken").and_then(|token| token.strip_prefix("PA")).map(str::to_owned),
        }
    }

    /// The part of `items`, as a list called `name` at `uri`; `filter` is what of the query belongs to every page.
    pub fn show(&self, uri: &str, filter: &str, name: &str, items: &[Value]) -> Value {
        let sid_is = |item: &Value, sid: &str| item["sid"] == sid;
        let seen = self.after.as_ref().and_then(|sid| items.iter().position(|item| sid_is(item, sid)));
        let start = seen.map_or(self.number.saturating_mul(self.size), |at| at + 1).min(items.len());
        let end = (start + self.size).min(items.len());
        let address =
            |page: usize, token: &str| format!("{uri}?{filter}PageSize={}&Page={page}{token}", self.size);
        let last = items[start..end].last().map(|item| item["sid"].as_str().unwrap_or_default());
        let next = last.filter(|_| end < items.len());
        let next = next.map(|sid| address(self.number + 1, &format!("&PageToken=PA{sid}")));
        let previous = (self.number > 0).then(|| address(self.number - 1, ""));
        json!({
            name: items[start..end],
            "page": self.number,
            "page_size": self.size,
            "start": self.number * self.size,
            "end": (self.number * self.size + (end - start)).saturating_sub(1),
            "uri": address(self.number, ""),
            "first_page_uri": address(0, ""),
            "next_page_uri": next,
            "previous_page_uri": previous,
        })
    }
}
