//! Who depends on whom, and who may be worked on next. Does nothing itself.

use super::file::Need;
use aloft_diag::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};

/// The dependencies of services; without cycles.
#[derive(Debug)]
pub struct Graph {
    /// What each service needs.
    needs: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// From what the services say that they need.
    ///
    /// # Errors
    /// For a service that is not there, and for a cycle.
    pub fn new(services: &[&str], said: Vec<Need>) -> Result<Self, Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        let mut needs: BTreeMap<String, BTreeSet<String>> =
            services.iter().map(|name| ((*name).to_owned(), BTreeSet::new())).collect();
        for need in &said {
            if services.contains(&need.to.as_str()) {
                needs.entry(need.from.clone()).or_default().insert(need.to.clone());
                continue;
            }
            let message = if need.explicit {
                format!(
                    "The service \"{}\" referenced in \"dependsOn\" of \"{}\" does not exist",
                    need.to, need.from
                )
            } else {
                format!("The service \"{}\" does not exist. It is referenced by \"{}\"", need.to, need.from)
            };
            let help = format!("services: {}", services.join(", "));
            mistakes.push(
                Diagnostic::error("REFERENCED_COMPONENT_DOES_NOT_EXIST", message)
                    .at(need.span, "")
                    .help(help),
            );
        }
        let graph = Self { needs };
        if mistakes.is_empty()
            && let Some(cycle) = graph.cycle()
        {
            let message = format!("Your services have a circular dependency: {}", cycle.join(" -> "));
            let mut mistake = Diagnostic::error("CIRCULAR_GRAPH_DEPENDENCIES", message)
                .help("let one of them do without the other, or make one service of them");
            for pair in cycle.windows(2) {
                let said = said.iter().find(|need| need.from == pair[0] && need.to == pair[1]);
                mistake =
                    mistake.at_opt(said.map(|need| need.span), format!("{} needs {}", pair[0], pair[1]));
            }
            mistakes.push(mistake);
        }
        if mistakes.is_empty() { Ok(graph) } else { Err(mistakes) }
    }

    /// A cycle, beginning and ending with the same service.
    fn cycle(&self) -> Option<Vec<String>> {
        let mut open = self.needs.clone();
        while let Some(free) =
            open.iter().find(|(_, needs)| needs.iter().all(|need| !open.contains_key(need)))
        {
            let free = free.0.clone();
            open.remove(&free);
        }
        // Whoever is left needs someone who is left, so that following leads round.
        let mut path = vec![open.keys().next()?.clone()];
        loop {
            let last = path.last()?;
            let next = open[last].iter().find(|need| open.contains_key(*need))?.clone();
            if let Some(at) = path.iter().position(|name| *name == next) {
                path.push(next);
                return Some(path.split_off(at));
            }
            path.push(next);
        }
    }

    /// A way through all services, each after those that it needs, or the other way round.
    pub fn schedule(&self, backwards: bool) -> Schedule {
        let mut waiting = self.needs.clone();
        if backwards {
            let mut turned: BTreeMap<String, BTreeSet<String>> =
                self.needs.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
            for (name, needs) in &self.needs {
                for need in needs {
                    turned.entry(need.clone()).or_default().insert(name.clone());
                }
            }
            waiting = turned;
        }
        Schedule { waiting }
    }

    /// A way through all services in no order.
    pub fn unordered(&self) -> Schedule {
        Schedule { waiting: self.needs.keys().map(|name| (name.clone(), BTreeSet::new())).collect() }
    }
}

/// What is still to be done.
#[derive(Debug)]
pub struct Schedule {
    /// Who waits for whom.
    waiting: BTreeMap<String, BTreeSet<String>>,
}

impl Schedule {
    /// Takes out the services that wait for nobody, at most so many.
    pub fn ready(&mut self, most: usize) -> Vec<String> {
        let free = self.waiting.iter().filter(|(_, needs)| needs.is_empty()).take(most);
        let free: Vec<String> = free.map(|(name, _)| name.clone()).collect();
        for name in &free {
            self.waiting.remove(name);
        }
        free
    }

    /// A service was dealt with.
    pub fn done(&mut self, name: &str) {
        for needs in self.waiting.values_mut() {
            needs.remove(name);
        }
    }

    /// A service failed: takes out all that wait for it, directly or not.
    pub fn failed(&mut self, name: &str) -> Vec<String> {
        let (mut lost, mut skipped) = (vec![name.to_owned()], Vec::new());
        while let Some(one) = lost.pop() {
            let waiting: Vec<String> = self
                .waiting
                .iter()
                .filter(|(_, needs)| needs.contains(&one))
                .map(|(name, _)| name.clone())
                .collect();
            for name in waiting {
                self.waiting.remove(&name);
                lost.push(name.clone());
                skipped.push(name);
            }
        }
        skipped.sort();
        skipped
    }
}
