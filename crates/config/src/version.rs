//! `frameworkVersion`: ranges of versions as npm writes them.

/// A version: major, minor, patch.
type Version = [u64; 3];

/// The releases of the original and of its fork whose behaviour this is: a range that takes either is satisfied.
const COMPATIBLE: &[Version] = &[[3, 40, 0], [4, 3, 1]];

/// Whether the range takes one of the compatible releases; none when it is no range.
pub(crate) fn is_satisfied(range: &str) -> Option<bool> {
    let alternatives: Option<Vec<Vec<Comparator>>> = range.split("||").map(comparators).collect();
    let fits = |version: &Version| {
        alternatives
            .as_ref()
            .is_some_and(|all| all.iter().any(|all| all.iter().all(|one| one.takes(*version))))
    };
    alternatives.as_ref().map(|_| COMPATIBLE.iter().any(fits))
}

/// At least one version, or below one.
struct Comparator {
    at_least: Version,
    below: Option<Version>,
}

impl Comparator {
    fn takes(&self, version: Version) -> bool {
        version >= self.at_least && self.below.is_none_or(|below| version < below)
    }
}

fn comparators(text: &str) -> Option<Vec<Comparator>> {
    if let Some((from, to)) = text.split_once(" - ") {
        let (from, to) = (Partial::parse(from.trim())?, Partial::parse(to.trim())?);
        return Some(vec![Comparator { at_least: from.floor(), below: to.ceiling() }]);
    }
    // `>= 3` is one comparator.
    let mut joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for operator in [">", "<", "=", "~", "^"] {
        joined = joined.replace(&format!("{operator} "), operator);
    }
    joined.split_whitespace().map(comparator).collect()
}

fn comparator(text: &str) -> Option<Comparator> {
    let digits = text.find(|c: char| !"<>=~^".contains(c)).unwrap_or(text.len());
    let (operator, version) = text.split_at(digits);
    let version = Partial::parse(version)?;
    let (floor, ceiling) = (version.floor(), version.ceiling());
    let range = |at_least, below| Some(Comparator { at_least, below });
    match operator {
        "" | "=" => range(floor, ceiling),
        ">=" => range(floor, None),
        ">" => range(ceiling.unwrap_or([u64::MAX; 3]), None),
        "<" => range([0; 3], Some(floor)),
        "<=" => range([0; 3], ceiling),
        "~" | "~>" => match version.0[..] {
            [] => range(floor, None),
            [major] => range(floor, Some([major + 1, 0, 0])),
            [major, minor, ..] => range(floor, Some([major, minor + 1, 0])),
        },
        "^" => match version.0[..] {
            [] => range(floor, None),
            [0, 0, patch] => range(floor, Some([0, 0, patch + 1])),
            [0, minor, ..] => range(floor, Some([0, minor + 1, 0])),
            [major, ..] => range(floor, Some([major + 1, 0, 0])),
        },
        _ => None,
    }
}

/// A version whose last parts may be missing or `x`.
struct Partial(Vec<u64>);

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split(['-', '+']).next().unwrap_or_default();
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        let parts: Vec<&str> = text.split('.').collect();
        if parts.len() > 3 {
            return None;
        }
        let known = parts.iter().take_while(|part| !matches!(**part, "x" | "X" | "*"));
        let known: Option<Vec<u64>> = known.map(|part| part.parse::<u32>().ok().map(u64::from)).collect();
        known.map(Self)
    }

    fn floor(&self) -> Version {
        let part = |index: usize| self.0.get(index).copied().unwrap_or(0);
        [part(0), part(1), part(2)]
    }

    /// The first version that is no longer meant; none when all are.
    fn ceiling(&self) -> Option<Version> {
        match self.0[..] {
            [] => None,
            [major] => Some([major + 1, 0, 0]),
            [major, minor] => Some([major, minor + 1, 0]),
            [major, minor, patch, ..] => Some([major, minor, patch + 1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let cases = [
            ("3", Some(true)),
            ("*", Some(true)),
            ("", Some(true)),
            ("^3.38.0", Some(true)),
            (">=2.0.0 <4.0.0", Some(true)),
            (">= 1.1.0 < 2", Some(false)),
            ("2 || 3", Some(true)),
            ("~3.40", Some(true)),
            ("~3.39", Some(false)),
            ("1.0", Some(false)),
            ("2.x - 3.x", Some(true)),
            (">3.40.0", Some(true)),
            ("4", Some(true)),
            ("5", Some(false)),
            ("v3.40.0", Some(true)),
            ("latest", None),
            ("1.2.3.4", None),
        ];
        for (range, expected) in cases {
            assert_eq!(is_satisfied(range), expected, "{range}");
        }
    }
}
