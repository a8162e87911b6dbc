//! How many invocations may run at once: of a function that reserves a number, of a version that has some provisioned, or
//! of all others of the account together; and how fast a function may grow.
//!
//! Keeps true: whatever happens at the same time, no more invocations run than the numbers allow; a number that is
//! lowered counts those that run already.

use super::errors;
use super::limits::BURST_WINDOW;
use super::name::FunctionKey;
use aloft_base::{AccountId, Clock, Region, Timestamp};
use aloft_engine::{FunctionLimits, ServiceError};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long environments that nobody needs are there to be used again.
const GONE_AFTER: Duration = Duration::from_secs(300);

/// All gates.
pub(super) struct Gates {
    quota: Quota,
    accounts: Mutex<HashMap<(AccountId, Region), Arc<Account>>>,
}

/// What every account has.
#[derive(Clone, Copy)]
struct Quota {
    /// Invocations at once.
    concurrent: u32,
    /// Environments that a function may start in [`BURST_WINDOW`].
    burst: u32,
}

/// An account in a region, with its functions.
struct Account {
    quota: Quota,
    state: Mutex<State>,
    /// Something has ended, or a number has changed.
    freed: Notify,
}

#[derive(Default)]
struct State {
    /// What the functions that reserve nothing share; set before the first of them is asked for.
    unreserved: Option<u32>,
    /// How many invocations run that count for it.
    running: u32,
    functions: HashMap<String, Function>,
}

#[derive(Default)]
struct Function {
    reserved: Option<u32>,
    /// How many invocations run that nothing is provisioned for.
    running: u32,
    /// By version.
    provisioned: BTreeMap<String, Provisioned>,
    growth: Growth,
}

#[derive(Clone, Copy, Default)]
struct Provisioned {
    allocated: u32,
    running: u32,
}

/// How fast a function grows: a bucket of environments that may be started.
#[derive(Default)]
struct Growth {
    /// How many ran at once.
    most: u32,
    /// How many were started of those that the bucket allows.
    started: f64,
    since: Timestamp,
    /// Since when none runs.
    idle: Option<Timestamp>,
}

impl Growth {
    /// Whether so many may run at once now, which may start one more.
    fn allows(&mut self, running: u32, now: Timestamp, burst: u32) -> bool {
        if self.idle.take().is_some_and(|idle| now.since(idle) >= GONE_AFTER) {
            self.most = 0;
        }
        if running <= self.most {
            return true;
        }
        let refilled = now.since(self.since).as_secs_f64() * f64::from(burst) / BURST_WINDOW.as_secs_f64();
        self.started = (self.started - refilled).max(0.0);
        self.since = now;
        if self.started + 1.0 > f64::from(burst) {
            return false;
        }
        self.started += 1.0;
        self.most = running;
        true
    }

    fn ended(&mut self, running: u32, now: Timestamp) {
        if running == 0 {
            self.idle = Some(now);
        }
    }
}

/// What an invocation of one version passes through.
#[derive(Clone)]
pub(super) struct Gate {
    account: Arc<Account>,
    function: String,
    version: String,
    clock: Clock,
}

/// What an invocation holds while it runs.
pub(super) struct Permit {
    gate: Gate,
    is_provisioned: bool,
    is_reserved: bool,
}

/// The numbers of a function, as they are set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Numbers {
    pub reserved: Option<u32>,
    /// By version.
    pub provisioned: BTreeMap<String, u32>,
}

impl Gates {
    pub fn new(limits: &FunctionLimits) -> Self {
        let quota = Quota { concurrent: limits.concurrent_executions, burst: limits.burst };
        Self { quota, accounts: Mutex::default() }
    }

    fn account(&self, account: &AccountId, region: &Region) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let account = Account { quota: self.quota, state: Mutex::default(), freed: Notify::new() };
            Arc::new(account)
        };
        accounts.entry((account.clone(), region.clone())).or_insert_with(new).clone()
    }

    /// Whether it is known what an account's functions share.
    pub fn knows(&self, account: &AccountId, region: &Region) -> bool {
        self.account(account, region).lock().unreserved.is_some()
    }

    /// Says how much of an account's number is taken by functions for themselves.
    pub fn set_taken(&self, account: &AccountId, region: &Region, taken: u32) {
        let account = self.account(account, region);
        account.lock().unreserved = Some(self.quota.concurrent.saturating_sub(taken));
        account.freed.notify_waiters();
    }

    /// The gate of a function's version, whose numbers are these from now on.
    pub fn of(&self, key: &FunctionKey, version: &str, numbers: &Numbers, clock: &Clock) -> Gate {
        let account = self.account(&key.account, &key.region);
        {
            let mut state = account.lock();
            let function = state.functions.entry(key.name.clone()).or_default();
            function.reserved = numbers.reserved;
            for (version, provisioned) in &mut function.provisioned {
                provisioned.allocated = numbers.provisioned.get(version).copied().unwrap_or(0);
            }
            for (version, allocated) in &numbers.provisioned {
                function.provisioned.entry(version.clone()).or_default().allocated = *allocated;
            }
            function.provisioned.retain(|_, it| it.allocated > 0 || it.running > 0);
        }
        account.freed.notify_waiters();
        Gate { account, function: key.name.clone(), version: version.to_owned(), clock: clock.clone() }
    }

    /// Forgets the numbers: the store is empty. What runs still gives back what it holds.
    pub fn forget(&self) {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        for account in accounts.values() {
            account.lock().unreserved = None;
        }
    }
}

impl Account {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// Passes at once, or within the time that the caller can wait, or not at all.
    pub async fn pass(&self, wait: Option<Duration>) -> Result<Permit, ServiceError> {
        let Some(wait) = wait else { return self.try_pass().map_err(errors::throttled) };
        let passed = async {
            loop {
                let freed = self.account.freed.notified();
                match self.try_pass() {
                    Ok(permit) => return permit,
                    Err(_) => freed.await,
                }
            }
        };
        match tokio::time::timeout(wait, passed).await {
            Ok(permit) => Ok(permit),
            Err(_) => self.try_pass().map_err(errors::throttled),
        }
    }

    /// Passes, or says why not.
    fn try_pass(&self) -> Result<Permit, &'static str> {
        let (now, quota) = (self.clock.now(), self.account.quota);
        let mut state = self.account.lock();
        let (unreserved, shared) = (state.unreserved.unwrap_or(quota.concurrent), state.running);
        let function = state.functions.entry(self.function.clone()).or_default();
        if let Some(own) = function.provisioned.get_mut(&self.version)
            && own.running < own.allocated
        {
            own.running += 1;
            return Ok(Permit { gate: self.clone(), is_provisioned: true, is_reserved: false });
        }
        if let Some(reserved) = function.reserved {
            let provisioned: u32 = function.provisioned.values().map(|it| it.allocated).sum();
            if function.running >= reserved.saturating_sub(provisioned) {
                return Err("ReservedFunctionConcurrentInvocationLimitExceeded");
            }
        } else if shared >= unreserved {
            return Err("ConcurrentInvocationLimitExceeded");
        }
        if !function.growth.allows(function.running + 1, now, quota.burst) {
            return Err("FunctionInvocationRateLimitExceeded");
        }
        function.running += 1;
        let is_reserved = function.reserved.is_some();
        state.running += u32::from(!is_reserved);
        Ok(Permit { gate: self.clone(), is_provisioned: false, is_reserved })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let gate = &self.gate;
        {
            let mut state = gate.account.lock();
            state.running -= u32::from(!self.is_reserved && !self.is_provisioned);
            if let Some(function) = state.functions.get_mut(&gate.function) {
                if !self.is_provisioned {
                    function.running -= 1;
                    function.growth.ended(function.running, gate.clock.now());
                } else if let Some(own) = function.provisioned.get_mut(&gate.version) {
                    own.running -= 1;
                }
            }
        }
        gate.account.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> FunctionKey {
        FunctionKey { account: AccountId::local(), region: Region::us_east_1(), name: "f".to_owned() }
    }

    fn numbers(reserved: Option<u32>, provisioned: &[(&str, u32)]) -> Numbers {
        let provisioned =
            provisioned.iter().map(|(version, count)| ((*version).to_owned(), *count)).collect();
        Numbers { reserved, provisioned }
    }

    #[test]
    fn a_lowered_number_counts_what_runs_already() {
        let (gates, clock) = (Gates::new(&FunctionLimits::default()), Clock::fixed(Timestamp(0)));
        let gate = gates.of(&key(), "$LATEST", &numbers(Some(3), &[]), &clock);
        let mut held: Vec<Permit> = (0..3).map(|_| gate.try_pass().expect("room")).collect();
        assert!(gate.try_pass().is_err());
        gates.of(&key(), "$LATEST", &numbers(Some(2), &[]), &clock);
        held.pop();
        assert!(gate.try_pass().is_err());
        held.pop();
        assert!(gate.try_pass().is_ok());
        gates.of(&key(), "$LATEST", &numbers(Some(0), &[]), &clock);
        held.clear();
        assert!(gate.try_pass().is_err());
    }

    #[test]
    fn what_is_provisioned_is_taken_first_and_is_part_of_what_is_reserved() {
        let (gates, clock) = (Gates::new(&FunctionLimits::default()), Clock::fixed(Timestamp(0)));
        let numbers = numbers(Some(3), &[("1", 2)]);
        let (one, two) = (gates.of(&key(), "1", &numbers, &clock), gates.of(&key(), "2", &numbers, &clock));
        let other = two.try_pass().expect("room");
        assert!(two.try_pass().is_err());
        let own: Vec<_> = (0..2).map(|_| one.try_pass().expect("room")).collect();
        assert!(one.try_pass().is_err());
        drop(other);
        assert!(one.try_pass().is_ok());
        drop(own);
    }

    #[test]
    fn an_account_shares_what_is_not_taken_and_growth_has_a_pace() {
        let (gates, clock) = (Gates::new(&FunctionLimits::default()), Clock::fixed(Timestamp(0)));
        gates.set_taken(&AccountId::local(), &Region::us_east_1(), 998);
        let gate = gates.of(&key(), "$LATEST", &Numbers::default(), &clock);
        let held = [gate.try_pass().expect("room"), gate.try_pass().expect("room")];
        assert_eq!(gate.try_pass().err(), Some("ConcurrentInvocationLimitExceeded"));
        drop(held);

        let mut growth = Growth::default();
        assert!((1..=10).all(|running| growth.allows(running, Timestamp(0), 10)));
        assert!(!growth.allows(11, Timestamp(0), 10) && growth.allows(10, Timestamp(0), 10));
        assert!(!growth.allows(11, Timestamp(999), 10) && growth.allows(11, Timestamp(1_999), 10));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_race_never_lets_one_too_many_in() {
        use std::sync::atomic::{AtomicU32, Ordering};
        for reserved in [0, 1, 5] {
            let (gates, clock) = (Gates::new(&FunctionLimits::default()), Clock::fixed(Timestamp(0)));
            let gate = gates.of(&key(), "$LATEST", &numbers(Some(reserved), &[]), &clock);
            let (inside, most) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
            let wait = (reserved > 0).then_some(Duration::from_secs(60));
            let tasks: Vec<_> = (0..200)
                .map(|_| {
                    let (gate, inside, most) = (gate.clone(), inside.clone(), most.clone());
                    tokio::spawn(async move {
                        let Ok(permit) = gate.pass(wait).await else { return false };
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                        true
                    })
                })
                .collect();
            let mut passed = 0;
            for task in tasks {
                passed += u32::from(task.await.expect("a task"));
            }
            assert_eq!(passed, if reserved == 0 { 0 } else { 200 });
            assert_eq!((most.load(Ordering::SeqCst), inside.load(Ordering::SeqCst)), (reserved, 0));
        }
    }
}
