//! TwiML: what a webhook answers. Messages and redirects; what only makes sense in a call is refused.

use aloft_wire::xml::{self, Element};

/// What an answer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Message {
        body: String,
        media: Vec<String>,
        /// Others than the two that talk.
        from: Option<String>,
        to: Option<String>,
        status_callback: Option<String>,
    },
    Redirect {
        method: String,
        url: String,
    },
}

/// Why an answer cannot be understood: Twilio's code and its name.
pub(super) type Mistake = (u32, String);

/// Reads an answer's body by its media type. Nothing at all, and plain text, are answers too.
pub(super) fn parse(media_type: &str, body: &[u8]) -> Result<Vec<Verb>, Mistake> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    match media_type {
        "text/plain" => return Ok(vec![message(text.to_owned(), &Element::default())]),
        "" | "text/xml" | "application/xml" | "text/html" => {}
        other => return Err((12300, format!("Invalid Content-Type: {other}"))),
    }
    let root =
        xml::parse(text.as_bytes()).map_err(|error| (12100, format!("Document parse failure: {error}")))?;
    if root.name != "Response" {
        return Err((12100, format!("Document parse failure: <{}> instead of <Response>", root.name)));
    }
    root.children.iter().map(verb).collect()
}

fn verb(element: &Element) -> Result<Verb, Mistake> {
    match element.name.as_str() {
        "Message" | "Sms" => {
            let bodies = element.children.iter().filter(|child| child.name == "Body");
            let inside: String = bodies.map(|child| child.text.as_str()).collect();
            let body = if inside.is_empty() { element.text.trim().to_owned() } else { inside };
            Ok(message(body, element))
        }
        "Redirect" => Ok(Verb::Redirect {
            method: element.attribute("method").unwrap_or("POST").to_ascii_uppercase(),
            url: element.text.trim().to_owned(),
        }),
        other => Err((12200, format!("Schema validation warning: <{other}> cannot answer a message"))),
    }
}

fn message(body: String, element: &Element) -> Verb {
    let attribute = |name: &str| element.attribute(name).map(str::to_owned);
    let media = element.children.iter().filter(|child| child.name == "Media");
    Verb::Message {
        body,
        media: media.map(|child| child.text.trim().to_owned()).collect(),
        from: attribute("from"),
        to: attribute("to"),
        status_callback: attribute("statusCallback"),
    }
}
