//! `GetRandomPassword`, and the values that CloudFormation makes of it.

use super::SecretsManager;
use super::rows::invalid_parameter;
use aloft_engine::{Context, ServiceError};
use serde::Deserialize;
use serde_json::{Value, json};

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// What a password shall be.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Wanted {
    password_length: usize,
    exclude_characters: String,
    exclude_numbers: bool,
    exclude_punctuation: bool,
    exclude_uppercase: bool,
    exclude_lowercase: bool,
    include_space: bool,
    require_each_included_type: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            password_length: 32,
            exclude_characters: String::new(),
            exclude_numbers: false,
            exclude_punctuation: false,
            exclude_uppercase: false,
            exclude_lowercase: false,
            include_space: false,
            require_each_included_type: true,
        }
    }
}

/// `GetRandomPassword`
pub(super) async fn get(_: &SecretsManager, context: &Context, input: Wanted) -> Result<Value, ServiceError> {
    Ok(json!({ "RandomPassword": make(context, &input)? }))
}

/// A password from the cloud's source of randomness.
pub(super) fn make(context: &Context, wanted: &Wanted) -> Result<String, ServiceError> {
    let types = [
        (!wanted.exclude_lowercase, LOWER),
        (!wanted.exclude_uppercase, UPPER),
        (!wanted.exclude_numbers, NUMBERS),
        (!wanted.exclude_punctuation, PUNCTUATION),
        (wanted.include_space, " "),
    ];
    let included = types.into_iter().filter(|(is_included, _)| *is_included);
    let left = |(_, all): (bool, &str)| -> Vec<char> {
        all.chars().filter(|it| !wanted.exclude_characters.contains(*it)).collect()
    };
    let types: Vec<Vec<char>> = included.map(left).filter(|characters| !characters.is_empty()).collect();
    let all: Vec<char> = types.concat();
    if all.is_empty() {
        return Err(invalid_parameter(
            "The password can't be generated: no characters are left to choose from.",
        ));
    }
    if wanted.require_each_included_type && wanted.password_length < types.len() {
        return Err(invalid_parameter(
            "The password length is too short to hold one character of each included type.",
        ));
    }
    let below = |bound: usize| usize::try_from(context.ids().below(bound as u64)).unwrap_or_default();
    let mut password: Vec<char> = (0..wanted.password_length).map(|_| all[below(all.len())]).collect();
    if wanted.require_each_included_type {
        let mut places: Vec<usize> = (0..password.len()).collect();
        for characters in &types {
            let place = places.swap_remove(below(places.len()));
            password[place] = characters[below(characters.len())];
        }
    }
    Ok(password.into_iter().collect())
}
