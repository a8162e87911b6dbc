//! Flattens an event into fields and finds out whether they fulfil an alternative.

use super::Alternative;
use super::matcher::Matcher;
use serde_json::Value;
use std::collections::HashMap;

/// How deep an event is looked into.
const MAX_DEPTH: usize = 64;
/// The most combinations of fields that are tried for one alternative.
const MAX_TRIES: usize = 100_000;

/// Which object of which list a field lies in, list by list, outermost first.
type Membership = Vec<(usize, usize)>;

/// The values at each dotted path, each with its place in lists of objects.
pub(super) type Fields<'a> = HashMap<String, Vec<(&'a Value, Membership)>>;

pub(super) fn flatten(event: &Value) -> Fields<'_> {
    let mut fields = Fields::new();
    let mut lists = 0;
    add(event, String::new(), &Membership::new(), 0, &mut lists, &mut fields);
    fields
}

fn add<'a>(
    value: &'a Value,
    path: String,
    membership: &Membership,
    depth: usize,
    lists: &mut usize,
    fields: &mut Fields<'a>,
) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                add(inner, below, membership, depth + 1, lists, fields);
            }
        }
        Value::Array(all) => {
            *lists += 1;
            let list = *lists;
            for (index, inner) in all.iter().enumerate() {
                if inner.is_object() {
                    let mut membership = membership.clone();
                    membership.push((list, index));
                    add(inner, path.clone(), &membership, depth + 1, lists, fields);
                } else {
                    add(inner, path.clone(), membership, depth + 1, lists, fields);
                }
            }
        }
        _ => fields.entry(path).or_default().push((value, membership.clone())),
    }
}

/// Is there a choice of fields, one per path, that fit their matchers and do not mix objects of one list?
pub(super) fn fulfils(fields: &Fields, alternative: &Alternative) -> bool {
    let mut choices: Vec<Vec<&Membership>> = Vec::new();
    for (path, matchers) in alternative {
        let found = fields.get(path.as_ref());
        if found.is_none() {
            if matchers.iter().any(|matcher| matches!(matcher, Matcher::Exists(false))) {
                continue;
            }
            return false;
        }
        let mut fitting: Vec<&Membership> = found
            .into_iter()
            .flatten()
            .filter(|(value, _)| matchers.iter().any(|matcher| matcher.accepts(value)))
            .map(|(_, membership)| membership)
            .collect();
        fitting.sort();
        fitting.dedup();
        if fitting.is_empty() {
            return false;
        }
        choices.push(fitting);
    }
    // The fewest choices first keeps the search small.
    choices.sort_by_key(Vec::len);
    let mut tries = MAX_TRIES;
    choose(&choices, &mut Vec::new(), &mut tries)
}

fn choose<'a>(choices: &[Vec<&'a Membership>], chosen: &mut Vec<&'a Membership>, tries: &mut usize) -> bool {
    let Some((first, rest)) = choices.split_first() else { return true };
    for candidate in first {
        if *tries == 0 {
            return false;
        }
        *tries -= 1;
        if chosen.iter().all(|other| agree(other, candidate)) {
            chosen.push(candidate);
            let found = choose(rest, chosen, tries);
            chosen.pop();
            if found {
                return true;
            }
        }
    }
    false
}

/// Two fields agree when they lie in the same object of every list that holds both.
fn agree(one: &Membership, two: &Membership) -> bool {
    one.iter().all(|(list, index)| two.iter().all(|(other, position)| list != other || index == position))
}
