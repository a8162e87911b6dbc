//! Which of a validator's errors are worth telling: of a choice that nothing fitted, only those of the branch that was meant.

use super::validate::Error;
use crate::schema::formats::Pattern;
use std::sync::LazyLock;

/// The errors that matter, with their sentences.
pub(super) fn refine(errors: Vec<Error<'_>>) -> Vec<Error<'_>> {
    let mut set = Set { alive: vec![true; errors.len()], errors };
    set.events();
    set.choices();
    let mut told: Vec<Error<'_>> = Vec::new();
    for (error, _) in set.errors.into_iter().zip(set.alive).filter(|(_, alive)| *alive) {
        let error = worded(error);
        if !told.iter().any(|known| known.message == error.message) {
            told.push(error);
        }
    }
    told
}

fn worded(mut error: Error<'_>) -> Error<'_> {
    if matches!(error.keyword, "anyOf" | "oneOf") {
        error.message = match error.common {
            _ if error.keyword == "anyOf" && is_event(&error.instance) => "unsupported function event".into(),
            Some("const") => "unsupported value".into(),
            Some(kind) => format!("unsupported {kind} format").into(),
            None => "unsupported configuration format".into(),
        };
    }
    let place = match error.instance.strip_prefix('/') {
        Some(path) => format!("'{}'", path.replace('/', ".")),
        None => "root".to_owned(),
    };
    error.message = format!("at {place}: {}", error.message).into();
    error
}

fn is_event(instance: &str) -> bool {
    static EVENT: LazyLock<Pattern> = LazyLock::new(|| Pattern::new(r"^/functions/[^/]+/events/\d+$"));
    EVENT.matches(instance)
}

/// Items by a key, in the order in which keys come first.
fn group_by<K: PartialEq>(
    items: impl IntoIterator<Item = usize>,
    key: impl Fn(usize) -> K,
) -> Vec<(K, Vec<usize>)> {
    let mut groups: Vec<(K, Vec<usize>)> = Vec::new();
    for item in items {
        let key = key(item);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    groups
}

struct Set<'s> {
    errors: Vec<Error<'s>>,
    alive: Vec<bool>,
}

impl Set<'_> {
    fn living(&self) -> impl Iterator<Item = usize> {
        (0..self.errors.len()).filter(|index| self.alive[*index])
    }

    /// An event fits none of the kinds: tell what is wrong with the kind that its key names, or that there is no such kind.
    fn events(&mut self) {
        let events: Vec<usize> =
            self.living().filter(|index| is_event(&self.errors[*index].instance)).collect();
        for (instance, members) in group_by(events, |index| self.errors[index].instance.clone()) {
            let root = members.iter().find(|index| matches!(self.errors[**index].keyword, "anyOf" | "oneOf"));
            let Some(root) = root.copied() else { continue };
            let root_path = self.errors[root].schema.clone();
            let others = members.iter().copied().filter(|index| self.errors[*index].schema != root_path);
            let kinds = group_by(others, |index| {
                let path = &self.errors[index].schema;
                let end = path.get(root_path.len() + 1..).and_then(|rest| rest.find('/'));
                path[..end.map_or(0, |end| root_path.len() + end + 2)].to_owned()
            });
            let meant = kinds
                .iter()
                .find(|(_, members)| members.iter().all(|index| self.errors[*index].keyword != "required"));
            if let Some((kind, _)) = meant {
                for index in 0..self.errors.len() {
                    let error = &self.errors[index];
                    let is_told = error.instance == instance && error.schema.starts_with(kind);
                    if error.instance.starts_with(&instance) && !is_told {
                        self.alive[index] = false;
                    }
                }
                continue;
            }
            let goes_deeper = self.living().any(|index| {
                let error = &self.errors[index];
                error.instance.starts_with(&instance) && error.instance != instance
            });
            for index in members {
                if goes_deeper || index != root {
                    self.alive[index] = false;
                }
            }
        }
    }

    /// Nothing of an `anyOf` or a `oneOf` fitted: tell about the branch that came furthest, or else that nothing fitted.
    fn choices(&mut self) {
        let mut by_choice: Vec<(String, Vec<usize>)> = Vec::new();
        for index in self.living() {
            for choice in choices_in(&self.errors[index].schema) {
                match by_choice.iter_mut().find(|(known, _)| known == choice) {
                    Some((_, members)) => members.push(index),
                    None => by_choice.push((choice.to_owned(), vec![index])),
                }
            }
        }
        for (choice, mut members) in by_choice.into_iter().filter(|(_, members)| members.len() > 1) {
            members.sort_by(|one, other| self.errors[*one].instance.cmp(&self.errors[*other].instance));
            let mut start = 0;
            while start < members.len() {
                let top = self.errors[members[start]].instance.clone();
                let is_below = |index: &usize| {
                    let instance = &self.errors[*index].instance;
                    instance.strip_prefix(&*top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                let length = members[start..].iter().take_while(|index| is_below(index)).count();
                let group: Vec<usize> = members[start..start + length].to_vec();
                self.choice(&choice, &group);
                start += length;
            }
        }
    }

    fn choice(&mut self, choice: &str, members: &[usize]) {
        if members.len() == 1 {
            return;
        }
        let from = choice.len() + 1;
        let branch = |index: usize| {
            let rest = self.errors[index].schema.get(from..)?;
            rest.split('/').next()?.parse::<usize>().ok()
        };
        let (roots, rest): (Vec<usize>, Vec<usize>) =
            members.iter().partition(|index| branch(**index).is_none());
        let Some(root) = roots.first().copied() else { return };
        let mut branches = group_by(rest, branch);
        branches.sort_by_key(|(branch, _)| *branch);
        if branches.is_empty() {
            return;
        }
        if branches.len() > 1 {
            let type_only = |members: &[usize], errors: &[Error<'_>]| match members {
                [only] => {
                    errors[*only].keyword == "type"
                        && errors[*only].schema[choice.len()..].matches('/').count() == 2
                }
                _ => false,
            };
            self.drop_branches(&mut branches, |members, errors| !type_only(members, errors));
        }
        if branches.len() > 1 {
            let depth = |members: &[usize], errors: &[Error<'_>]| {
                members.iter().map(|index| errors[*index].instance.matches('/').count()).max().unwrap_or(0)
            };
            let deepest = branches.iter().map(|(_, members)| depth(members, &self.errors)).max().unwrap_or(0);
            self.drop_branches(&mut branches, |members, errors| depth(members, errors) == deepest);
        }
        match branches.len() {
            0 => {}
            1 => self.alive[root] = false,
            _ => {
                // A key that none of the branches knows is what the reader should look at.
                let instance = self.errors[root].instance.clone();
                let members = branches.iter().flat_map(|(_, members)| members);
                let unknown: Vec<&Error<'_>> = members
                    .map(|index| &self.errors[*index])
                    .filter(|error| error.keyword == "additionalProperties" && error.instance == instance)
                    .collect();
                if let Some(key) = unknown.first().map(|error| error.key.clone()) {
                    let same = unknown.iter().filter(|error| error.key == key);
                    let allowed = same.flat_map(|error| error.allowed.clone()).collect();
                    (self.errors[root].key, self.errors[root].allowed) = (key, allowed);
                }
                // The original words the sentence by the last branch that asks for one type only.
                for (_, members) in branches {
                    let wanted = group_by(members.iter().copied(), |index| self.errors[index].wanted);
                    if let [(wanted, _)] = &wanted[..] {
                        self.errors[root].common = *wanted;
                    }
                    members.iter().for_each(|index| self.alive[*index] = false);
                }
            }
        }
    }

    /// Keeps some of the branches; the errors of the others are no longer told.
    fn drop_branches(
        &mut self,
        branches: &mut Vec<(Option<usize>, Vec<usize>)>,
        keep: impl Fn(&[usize], &[Error<'_>]) -> bool,
    ) {
        branches.retain(|(_, members)| {
            let kept = keep(members, &self.errors);
            if !kept {
                members.iter().for_each(|index| self.alive[*index] = false);
            }
            kept
        });
    }
}

/// The choices on the way to a place in the schema: every prefix that ends with `/anyOf` or `/oneOf`.
fn choices_in(path: &str) -> Vec<&str> {
    let mut choices = Vec::new();
    let mut end = 0;
    for step in path.split('/') {
        end += step.len();
        if step == "anyOf" || step == "oneOf" {
            choices.push(&path[..end]);
        }
        end += 1;
    }
    choices
}
