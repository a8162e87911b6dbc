//! How many invocations may run at once: of a function that reserves a number, or of all others of its account together.

use super::concurrency::ACCOUNT_LIMIT;
use super::errors;
use super::name::FunctionKey;
use aloft_base::{AccountId, Region};
use aloft_engine::ServiceError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All gates. After a change of a function's reserved number, invocations that run already count for the old one.
#[derive(Default)]
pub(super) struct Gates {
    functions: Mutex<HashMap<FunctionKey, (u32, Arc<Semaphore>)>>,
    accounts: Mutex<HashMap<(AccountId, Region), Arc<Semaphore>>>,
}

/// What an invocation passes through.
#[derive(Clone)]
pub(super) struct Gate {
    semaphore: Arc<Semaphore>,
    reason: &'static str,
}

impl Gates {
    /// The gate of a function with this reserved number.
    pub fn of(&self, function: &FunctionKey, reserved: Option<u32>) -> Gate {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(limit) = reserved else {
            functions.remove(function);
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let place = (function.account.clone(), function.region.clone());
            let unreserved = || Arc::new(Semaphore::new(ACCOUNT_LIMIT as usize));
            let semaphore = accounts.entry(place).or_insert_with(unreserved).clone();
            return Gate { semaphore, reason: "ConcurrentInvocationLimitExceeded" };
        };
        let new = || (limit, Arc::new(Semaphore::new(limit as usize)));
        let entry = functions.entry(function.clone()).or_insert_with(new);
        if entry.0 != limit {
            *entry = new();
        }
        Gate { semaphore: entry.1.clone(), reason: "ReservedFunctionConcurrentInvocationLimitExceeded" }
    }
}

impl Gate {
    /// Passes at once, or within the time that the caller can wait, or not at all.
    pub async fn pass(&self, wait: Option<Duration>) -> Result<OwnedSemaphorePermit, ServiceError> {
        let refused = || errors::throttled(self.reason);
        match wait {
            None => self.semaphore.clone().try_acquire_owned().map_err(|_| refused()),
            Some(wait) => {
                let passed = tokio::time::timeout(wait, self.semaphore.clone().acquire_owned()).await;
                passed.map_err(|_| refused())?.map_err(|_| refused())
            }
        }
    }
}
