//! Which of the AWS SDKs that Lambda's runtimes bring along the code in a zip asks for, and does not bring itself.
//!
//! A look at the text of the sources, not at what they mean: naming an SDK is enough. It is for a download that is done
//! beforehand, so that a wrong answer costs a download or leaves one for later, and nothing else.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of one source that are looked at, and sources of one zip.
const LOOKED_AT: (u64, usize) = (1024 * 1024, 2000);

/// An SDK that Lambda's runtimes bring along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sdk {
    /// `@aws-sdk/*`
    JavaScript,
    /// `boto3`
    Python,
}

impl Sdk {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::JavaScript, Self::Python];

    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::JavaScript => &[".js", ".mjs", ".cjs", ".ts"],
            Self::Python => &[".py"],
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::JavaScript => &["@aws-sdk/"],
            Self::Python => &["boto3", "botocore"],
        }
    }

    /// What a zip holds that brings the SDK itself.
    fn own(self) -> &'static str {
        match self {
            Self::JavaScript => "node_modules/@aws-sdk/",
            Self::Python => "boto3/__init__.py",
        }
    }
}

/// The SDKs that the sources of a zip name, but for those that it holds itself.
///
/// # Errors
/// When it cannot be read.
pub fn sdks_asked_for(zip: &Path) -> io::Result<Vec<Sdk>> {
    let mut archive = zip::ZipArchive::new(File::open(zip)?).map_err(io::Error::other)?;
    let names: Vec<String> =
        archive.file_names().map(|name| name.map(|name| name.into_owned()).unwrap_or_default()).collect();
    let mut wanted: Vec<Sdk> =
        Sdk::ALL.into_iter().filter(|sdk| !names.iter().any(|name| name.contains(sdk.own()))).collect();
    let mut asked_for = Vec::new();
    let sources = names.iter().enumerate().filter(|(_, name)| !name.contains("node_modules/"));
    for (place, name) in sources.take(LOOKED_AT.1) {
        let Some(index) = wanted.iter().position(|sdk| sdk.endings().iter().any(|end| name.ends_with(end)))
        else {
            continue;
        };
        let mut text = Vec::new();
        let entry = archive.by_index(place).map_err(io::Error::other)?;
        entry.take(LOOKED_AT.0).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        if wanted[index].names().iter().any(|name| text.contains(name)) {
            asked_for.push(wanted.remove(index));
        }
    }
    asked_for.sort();
    Ok(asked_for)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[Sdk]) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("f.zip");
        crate::write_zip_of(&path, files).unwrap();
        assert_eq!(sdks_asked_for(&path).unwrap(), expected, "{files:?}");
    }

    #[test]
    fn an_sdk_that_is_named_and_not_there_is_asked_for() {
        let javascript = "import { S3Client } from '@aws-sdk/client-s3'";
        check(&[("a.txt", javascript), ("b.js", "exports.a = 1")], &[]);
        check(&[("lib/a.mjs", javascript)], &[Sdk::JavaScript]);
        check(&[("a.js", javascript), ("node_modules/@aws-sdk/client-s3/package.json", "{}")], &[]);
        check(&[("node_modules/x/a.js", javascript)], &[]);
        check(&[("a.py", "import boto3"), ("b.js", javascript)], &[Sdk::JavaScript, Sdk::Python]);
        check(&[("a.py", "from botocore.config import Config")], &[Sdk::Python]);
        check(&[("a.py", "import boto3"), ("vendor/boto3/__init__.py", "")], &[]);
    }
}
