//! XML as a tree of elements: reading one within bounds, and escaping for writing one.
//!
//! Knows nothing of shapes. Document types are skipped and their entities never resolved, depth is bounded, and the work
//! is linear in the text.

pub use crate::error::DecodeError;
use crate::error::{MAX_DEPTH, too_deep};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// An element. Names are without their prefix, but for attributes'.
#[derive(Debug, Default)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Names and values, in their order.
    pub attributes: Vec<(String, String)>,
    /// The elements directly inside, in their order.
    pub children: Vec<Element>,
    /// All text directly inside.
    pub text: String,
}

impl Element {
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// An attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a document; an empty one is an element without a name.
pub fn parse(body: &[u8]) -> Result<Element, DecodeError> {
    let malformed = || DecodeError::new("the document is not well-formed XML");
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let mut reader = quick_xml::Reader::from_str(text.trim_start_matches('\u{feff}'));
    // The first element of the stack is the document itself.
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|_| malformed())?;
        let current = open.last_mut().ok_or_else(malformed)?;
        match event {
            Event::Start(start) => {
                if open.len() > MAX_DEPTH {
                    return Err(too_deep());
                }
                open.push(element(&start).ok_or_else(malformed)?);
            }
            Event::Empty(start) => current.children.push(element(&start).ok_or_else(malformed)?),
            Event::End(_) => {
                let closed = open.pop().ok_or_else(malformed)?;
                open.last_mut().ok_or_else(malformed)?.children.push(closed);
            }
            Event::Text(text) => current.text.push_str(&text.xml10_content()),
            Event::CData(text) => current.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref().map_err(|_| malformed())? {
                    Some(character) => character,
                    None => predefined(&reference.into_inner()).ok_or_else(malformed)?,
                };
                current.text.push(character);
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    let document = open.pop().filter(|_| open.is_empty()).ok_or_else(malformed)?;
    if document.children.len() > 1 || document.children.is_empty() && !document.text.trim().is_empty() {
        return Err(malformed());
    }
    Ok(document.children.into_iter().next().unwrap_or_default())
}

fn element(start: &BytesStart<'_>) -> Option<Element> {
    let name = start.local_name().as_ref().to_owned();
    // The reader's own check for duplicates compares every attribute with every other.
    let mut attributes = start.attributes();
    let attributes = attributes.with_checks(false).map(|attribute| {
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        Some((attribute.key.as_ref().to_owned(), value.into_owned()))
    });
    Some(Element { name, attributes: attributes.collect::<Option<_>>()?, ..Element::default() })
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

/// Appends text so that reading gives the same back, in elements and in attributes.
pub(crate) fn escape(text: &str, attribute: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' | '\t' if !attribute => out.push(c),
            // Line ends are normalised by readers unless they are references.
            c if (c as u32) < 0x20 || matches!(c, '\u{85}' | '\u{2028}') => {
                out.push_str(&format!("&#x{:X};", c as u32));
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_escapes() {
        let text = "a<b>&\"c\"\r\n\tä\u{2028}";
        let mut document = String::from("<x:r a=\"");
        escape(text, true, &mut document);
        document.push_str("\"><v>");
        escape(text, false, &mut document);
        document.push_str("</v><![CDATA[<]]></x:r>");
        let root = parse(document.as_bytes()).expect("a document");
        assert_eq!((root.name.as_str(), root.text.as_str()), ("r", "<"));
        assert_eq!(root.attribute("a"), Some(text));
        assert_eq!(root.child("v").map(|child| child.text.as_str()), Some(text));
    }

    #[test]
    fn refuses_what_is_no_document() {
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        for text in ["<a>", "</a>", "<a></b>", "text", "<a/><b/>", "<a>&unknown;</a>", &deep] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"").is_ok_and(|root| root.name.is_empty()));
    }
}
