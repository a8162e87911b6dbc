//! Which functions get no more of the processors than belongs to their memory size, even where nobody else wants them: all
//! where the cloud is set up so, and else those that somebody measures, for a while.
//!
//! It only knows; an environment asks once, before it starts.

use crate::function::FunctionSpec;
use crate::pool::function_key;
use aloft_base::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    all: bool,
    /// Until when, by function.
    measured: Mutex<HashMap<String, Timestamp>>,
}

impl Quotas {
    pub(crate) fn new(all: bool) -> Self {
        Self { all, measured: Mutex::default() }
    }

    /// The environments of a function that start until then have a quota.
    pub(crate) fn measure(&self, function: String, now: Timestamp, until: Timestamp) {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        measured.insert(function, until);
        measured.retain(|_, until| *until > now);
    }

    /// Whether an environment that starts now has one.
    pub(crate) fn count(&self, spec: &FunctionSpec, now: Timestamp) -> bool {
        let measured = || {
            let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
            let key = || function_key(&spec.account, &spec.region, &spec.name);
            !measured.is_empty() && measured.get(&key()).is_some_and(|until| now < *until)
        };
        self.all || measured()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_quota() {
        let spec = crate::tests::function("nodejs20.x", "index.handler", "/code");
        let key = || function_key(&spec.account, &spec.region, &spec.name);
        let quotas = Quotas::default();
        assert!(!quotas.count(&spec, Timestamp(0)));
        quotas.measure(key(), Timestamp(0), Timestamp(10));
        assert!(quotas.count(&spec, Timestamp(9)) && !quotas.count(&spec, Timestamp(10)));
        quotas.measure("another".to_owned(), Timestamp(5), Timestamp(20));
        assert!(quotas.count(&spec, Timestamp(9)));
        quotas.measure(key(), Timestamp(6), Timestamp(6));
        assert!(!quotas.count(&spec, Timestamp(6)));
        assert!(Quotas::new(true).count(&spec, Timestamp(0)));
    }
}
