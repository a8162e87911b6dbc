//! The shared files of the AWS tools (`~/.aws/config`, `~/.aws/credentials`): sections of `key = value`.

use std::collections::HashMap;

/// Sections by name, each with its keys. Nested settings (indented lines) are left out.
pub(crate) fn parse(text: &str) -> HashMap<String, HashMap<String, String>> {
    let mut sections: HashMap<String, HashMap<String, String>> = HashMap::new();
    let mut current = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) || line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            current = name.trim().strip_prefix("profile ").unwrap_or(name).trim().to_owned();
            sections.entry(current.clone()).or_default();
        } else if let Some((key, value)) = trimmed.split_once('=') {
            let value = value.split(" #").next().unwrap_or(value).trim();
            sections.entry(current.clone()).or_default().insert(key.trim().to_owned(), value.to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    #[test]
    fn sections_and_comments() {
        let files = super::parse("[default]\na = 1 # one\n[profile work]\n# no\ns3 =\n  nested = x\nb=2\n");
        assert_eq!(files["default"]["a"], "1");
        assert_eq!(files["work"]["b"], "2");
        assert!(!files["work"].contains_key("nested"));
    }
}
