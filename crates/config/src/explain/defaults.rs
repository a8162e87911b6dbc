//! Values that nobody wrote: what a function takes from the provider, and what is filled in.

use super::{Explainer, Gives, Step};
use serde_json::{Value, json};

/// What a function takes from the provider when it says nothing: its key, the provider's, and the default in the end.
const INHERITED: &[(&str, &str, Option<&str>)] = &[
    ("architecture", "architecture", None),
    ("ephemeralStorageSize", "ephemeralStorageSize", None),
    ("kmsKeyArn", "kmsKeyArn", None),
    ("layers", "layers", None),
    ("logDataProtectionPolicy", "logDataProtectionPolicy", None),
    ("logRetentionInDays", "logRetentionInDays", None),
    ("memorySize", "memorySize", Some("1024")),
    ("role", "role", None),
    ("runtime", "runtime", Some("\"nodejs16.x\"")),
    ("runtimeManagement", "runtimeManagement", None),
    ("timeout", "timeout", Some("6")),
    ("tracing", "tracing.lambda", None),
    ("versionFunction", "versionFunctions", Some("true")),
    ("vpc", "vpc", None),
];

/// Sections of a function that are merged with the provider's, key by key.
const MERGED: &[&str] = &["environment", "tags"];

impl Explainer {
    /// Says why a property that stands in no file has the value that it has.
    pub(super) fn unwritten(&self, keys: &[&str], step: &mut Step, depth: usize) {
        if let Gives::Value(_) = step.gives {
            step.notes.push("stands in no file: filled in".to_owned());
            return;
        }
        let ["functions", function, key, rest @ ..] = keys else { return };
        if self.value(&["functions", function]).is_none() {
            return;
        }
        let (provider, default) = if MERGED.contains(key) {
            (*key, None)
        } else {
            match INHERITED.iter().find(|(name, ..)| name == key) {
                Some((_, provider, default)) => (*provider, default.filter(|_| rest.is_empty())),
                None => return,
            }
        };
        let above: Vec<&str> =
            ["provider"].into_iter().chain(provider.split('.')).chain(rest.iter().copied()).collect();
        if let Some(value) = self.value(&above) {
            step.notes.push(format!("the function does not say: `{}` applies", above.join(".")));
            step.below.push(self.property(&above, depth));
            step.gives = Gives::Value(value.clone());
        } else if let Some(default) = default {
            let value: Value = serde_json::from_str(default).unwrap_or_else(|_| json!(default));
            step.notes.push("neither the function nor the provider say: the default applies".to_owned());
            step.gives = Gives::Value(value);
        }
    }
}
