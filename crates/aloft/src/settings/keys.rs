//! The keys of `aloft.toml`, by section: what each is called, an example, and what it sets. `docs/settings.md` has them all.

use super::Settings;
use crate::cli::Isolation;
use aloft_base::ByteSize;
use clap::ValueEnum;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::DeValue;

/// A table of the file.
pub(super) struct Section {
    pub name: &'static str,
    pub keys: &'static [Key],
}

/// A key of a table.
pub(super) struct Key {
    pub name: &'static str,
    /// A value as it is written.
    pub example: &'static str,
    /// Takes the value, or says what it has to be.
    pub set: fn(&mut Settings, &DeValue<'_>) -> Result<(), String>,
}

impl Section {
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// All of them.
pub(super) const SECTIONS: &[Section] =
    &[Section { name: "cloud", keys: CLOUD }, Section { name: "limits", keys: LIMITS }];

const CLOUD: &[Key] = &[
    Key {
        name: "allow",
        example: "[\"127.0.0.1:5432\", \"10.20.0.0/16\"]",
        set: |it, value| put(&mut it.allow, allow(value)),
    },
    Key {
        name: "environments",
        example: "200",
        set: |it, value| put(&mut it.environments, number(value, 1..=100_000).map(|it| it as usize)),
    },
    Key {
        name: "idle-timeout",
        example: "\"5m\"",
        set: |it, value| put(&mut it.idle_timeout, duration(value, 1, 86_400).map(Some)),
    },
    Key {
        name: "isolation",
        example: "\"best-effort\"",
        set: |it, value| put(&mut it.isolation, isolation(value)),
    },
    Key {
        name: "memory-budget",
        example: "\"4 GB\"",
        set: |it, value| {
            put(&mut it.memory_budget_mb, size(value, 128 * MB, u64::MAX).map(|it| Some(it.0 / MB)))
        },
    },
];

const LIMITS: &[Key] = &[
    Key {
        name: "asynchronous-payload",
        example: "\"1 MB\"",
        set: |it, value| put(&mut it.limits.asynchronous_payload, size(value, 1, PAYLOAD)),
    },
    Key {
        name: "burst",
        example: "1000",
        set: |it, value| put(&mut it.limits.burst, number(value, 1..=1_000_000)),
    },
    Key {
        name: "concurrent-executions",
        example: "1000",
        set: |it, value| put(&mut it.limits.concurrent_executions, number(value, 1..=1_000_000)),
    },
    Key {
        name: "environment",
        example: "\"4 KB\"",
        set: |it, value| put(&mut it.limits.environment, size(value, 2, MB)),
    },
    Key {
        name: "init-timeout",
        example: "\"10s\"",
        set: |it, value| put(&mut it.limits.init_timeout, duration(value, 0, 900)),
    },
    Key { name: "layers", example: "5", set: |it, value| put(&mut it.limits.layers, number(value, 0..=100)) },
    Key {
        name: "open-files",
        example: "1024",
        set: |it, value| put(&mut it.limits.open_files, number(value, 16..=1_048_576)),
    },
    Key {
        name: "processes",
        example: "1024",
        set: |it, value| put(&mut it.limits.processes, number(value, 16..=100_000)),
    },
    Key {
        name: "processor-quota",
        example: "false",
        set: |it, value| put(&mut it.limits.processor_quota, switch(value)),
    },
    Key {
        name: "recursion",
        example: "16",
        set: |it, value| put(&mut it.limits.recursion, number(value, 1..=1_000_000)),
    },
    Key {
        name: "streamed-bandwidth",
        example: "\"2 MB\"",
        set: |it, value| put(&mut it.limits.streamed_bandwidth, bandwidth(value)),
    },
    Key {
        name: "streamed-burst",
        example: "\"6 MB\"",
        set: |it, value| put(&mut it.limits.streamed_burst, size(value, 0, u64::MAX)),
    },
    Key {
        name: "streamed-response",
        example: "\"200 MB\"",
        set: |it, value| put(&mut it.limits.streamed_response, size(value, 1, u64::MAX)),
    },
    Key {
        name: "synchronous-payload",
        example: "\"6 MB\"",
        set: |it, value| put(&mut it.limits.synchronous_payload, size(value, 1, PAYLOAD)),
    },
    Key {
        name: "unzipped-package",
        example: "\"250 MB\"",
        set: |it, value| put(&mut it.limits.unzipped_package, size(value, 1, u64::MAX)),
    },
    Key {
        name: "zipped-package",
        example: "\"50 MB\"",
        set: |it, value| put(&mut it.limits.zipped_package, size(value, 1, PAYLOAD)),
    },
];

const MB: u64 = 1024 * 1024;
/// What the cloud's port takes of one request, but for its frame.
const PAYLOAD: u64 = 128 * MB;

fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let DeValue::Integer(integer) = value else { return None };
    u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

fn number(value: &DeValue<'_>, allowed: RangeInclusive<u32>) -> Result<u32, String> {
    let number = integer(value).and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| allowed.contains(number))
        .ok_or_else(|| format!("must be a whole number from {} to {}", allowed.start(), allowed.end()))
}

fn switch(value: &DeValue<'_>) -> Result<bool, String> {
    let DeValue::Boolean(switch) = value else { return Err("must be true or false".to_owned()) };
    Ok(*switch)
}

/// A count of bytes, or a text such as `6 MB`.
fn size(value: &DeValue<'_>, least: u64, most: u64) -> Result<ByteSize, String> {
    let size = match value {
        DeValue::String(text) => text.parse().ok(),
        other => integer(other).map(ByteSize),
    };
    let size = size.ok_or("must be a size: a number of bytes, or a text with KB, MB or GB")?;
    match size.0 {
        bytes if bytes < least => Err(format!("must be at least {}", written(least))),
        bytes if bytes > most => Err(format!("must be at most {}", written(most))),
        _ => Ok(size),
    }
}

/// A size, or nothing for `unlimited`.
fn bandwidth(value: &DeValue<'_>) -> Result<Option<ByteSize>, String> {
    match value {
        DeValue::String(text) if text.as_ref() == "unlimited" => Ok(None),
        value => size(value, 1, u64::MAX).map(Some).map_err(|reason| format!("{reason}, or \"unlimited\"")),
    }
}

/// As it is read: in powers of 1024.
fn written(bytes: u64) -> String {
    match bytes {
        _ if bytes >= MB && bytes.is_multiple_of(MB) => format!("{} MB", bytes / MB),
        _ if bytes >= 1024 && bytes.is_multiple_of(1024) => format!("{} KB", bytes / 1024),
        _ => format!("{bytes} bytes"),
    }
}

/// A count of seconds, or a text such as `500ms`, `10s`, `5m`, `1h`.
fn duration(value: &DeValue<'_>, least_seconds: u64, most_seconds: u64) -> Result<Duration, String> {
    let duration = match value {
        DeValue::String(text) => duration_of(text.trim()),
        other => integer(other).map(Duration::from_secs),
    };
    let duration = duration.ok_or("must be a time: a number of seconds, or a text with ms, s, m or h")?;
    let (least, most) = (Duration::from_secs(least_seconds), Duration::from_secs(most_seconds));
    if duration.is_zero() || duration < least || duration > most {
        return Err(format!("must be more than {least_seconds} and at most {most_seconds} seconds"));
    }
    Ok(duration)
}

fn duration_of(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = text[..digits].parse().ok()?;
    let millis = match text[digits..].trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    count.checked_mul(millis).map(Duration::from_millis)
}

fn isolation(value: &DeValue<'_>) -> Result<Isolation, String> {
    let text = if let DeValue::String(text) = value { text.as_ref() } else { "" };
    Isolation::from_str(text, false).map_err(|_| "must be \"strict\", \"best-effort\" or \"none\"".to_owned())
}

fn allow(value: &DeValue<'_>) -> Result<Vec<aloft_engine::Destination>, String> {
    let DeValue::Array(all) = value else { return Err("must be a list of addresses".to_owned()) };
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => {
            text.parse().map_err(|error: aloft_worker::DestinationError| format!("is wrong: {error}"))
        }
        _ => Err("must be a list of texts".to_owned()),
    };
    all.iter().map(|value| one(value.get_ref())).collect()
}
