//! The code behind the custom resources of a service: `custom-resources.zip`.
//!
//! The names in the zip are what the compiled template's functions name as their handlers. What the handlers set bears the
//! original's names and ids, so that a stack of the original's can be taken over, and given back. Nothing but the AWS SDK of
//! Lambda's runtime is needed, so nothing is installed.

use aloft_diag::Diagnostic;
use aloft_package::Artifact;
use std::path::Path;

/// Its name in the package and in the deployment bucket.
pub const NAME: &str = "custom-resources.zip";

macro_rules! sources {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!($name))),*] };
}

static SOURCES: &[(&str, &str)] = sources![
    "api-gateway-cloud-watch-role/acts.js",
    "api-gateway-cloud-watch-role/handler.js",
    "cognito-user-pool/acts.js",
    "cognito-user-pool/handler.js",
    "event-bridge/acts.js",
    "event-bridge/handler.js",
    "s3/acts.js",
    "s3/handler.js",
    "shared/permission.js",
    "shared/resource.js",
];

/// Writes the zip into the package's directory.
pub fn write(directory: &Path) -> Result<Artifact, Diagnostic> {
    aloft_package::write_zip_of(&directory.join(NAME), SOURCES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zip_is_the_same_every_time() {
        let directory = std::env::temp_dir().join(format!("aloft-custom-{}", std::process::id()));
        let [first, second] = [(), ()].map(|()| write(&directory).expect("a zip"));
        std::fs::remove_dir_all(&directory).expect("removed");
        assert_eq!(first, second);
        assert!(first.size > 2000, "{}", first.size);
    }
}
