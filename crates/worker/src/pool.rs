//! The environments there are: which are idle, which are busy, and which must go.
//!
//! Plain state behind the lock of [`crate::Workers`]; it starts and stops nothing itself. Keeps true: whoever takes an
//! environment out must stop it, and until that is done it is counted; budgets include environments that are starting.

mod in_line;

use crate::environment::Environment;
use crate::function::{FunctionSpec, InvokeError};
use crate::keep_alive::Bounds;
use crate::lines::Lines;
use crate::uses::Uses;
use aloft_base::{AccountId, Region, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// What an environment counts for in the budget until it has been measured, in MB.
const UNMEASURED_MB: u32 = 128;

/// How long an idle environment still gets processor time.
const FREEZE_AFTER: Duration = Duration::from_millis(500);

/// What an environment is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentState {
    /// It initialises for its first invocation.
    Starting,
    /// It runs an invocation.
    Busy,
    /// It waits for one.
    Idle,
}

/// One environment, as [`Workers::status`] shows it.
#[derive(Debug, Clone)]
pub struct EnvironmentStatus {
    /// Whose function it is.
    pub account: AccountId,
    /// Where the function is.
    pub region: Region,
    /// The function's name.
    pub function: String,
    /// The function's version.
    pub version: String,
    /// Its log stream.
    pub log_stream: String,
    /// The number of its first process; 0 while it starts.
    pub pid: u32,
    /// What it does.
    pub state: EnvironmentState,
    /// The most memory it was seen to use, in MB; 0 before its first invocation has ended.
    pub memory_mb: u32,
    /// How many invocations it has run.
    pub invocations: u64,
    /// When it was last used.
    pub last_used: Timestamp,
}

/// All environments, and what they count for in the memory budget.
#[derive(Debug, Clone)]
pub struct Status {
    /// By function, then by age.
    pub environments: Vec<EnvironmentStatus>,
    /// In MB.
    pub memory_mb: u64,
}

/// How much there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) environments: usize,
    pub(crate) memory_mb: u64,
}

/// What an environment is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An invocation that waits for it.
    Invocation,
    /// To be there, used or not.
    Kept,
    /// An invocation that is expected. Nothing has to make room for it.
    Expected,
}

/// The state. See the module's documentation.
pub(crate) struct Pool {
    members: BTreeMap<u64, Member>,
    /// Idle members by version, the most recently used last.
    idle: HashMap<Arc<str>, Vec<u64>>,
    uses: Uses,
    lines: Lines,
    last: u64,
    /// How many environments of versions there are to be, used or not, by function.
    kept: HashMap<String, Vec<Kept>>,
    /// Environments that are no members any more but whose processes may not be gone yet.
    stopping: usize,
    closed: bool,
}

struct Kept {
    spec: Arc<FunctionSpec>,
    count: usize,
}

struct Member {
    /// Its function's version.
    key: Arc<str>,
    spec: Arc<FunctionSpec>,
    log_stream: String,
    environment: Option<Arc<Environment>>,
    state: EnvironmentState,
    used_mb: u32,
    invocations: u64,
    last_used: Timestamp,
    /// When its invocation took it.
    taken: Timestamp,
    /// It works for an invocation, or is started for one.
    serves: bool,
    retired: bool,
}

impl Member {
    /// What it counts for in the memory budget.
    fn weight(&self) -> u64 {
        if self.used_mb > 0 { u64::from(self.used_mb) } else { unmeasured(&self.spec) }
    }
}

/// What an environment counts for until it has been measured.
fn unmeasured(spec: &FunctionSpec) -> u64 {
    u64::from(spec.memory_mb.min(UNMEASURED_MB))
}

/// What a function is found by.
pub(crate) fn function_key(account: &AccountId, region: &Region, name: &str) -> String {
    format!("{account}/{region}/{name}")
}

/// What environments are found by.
pub(crate) fn version_key(spec: &FunctionSpec) -> Arc<str> {
    format!("{}/{}/{}:{}", spec.account, spec.region, spec.name, spec.version).into()
}

impl Pool {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            members: BTreeMap::new(),
            idle: HashMap::new(),
            uses: Uses::new(bounds),
            lines: Lines::default(),
            last: 0,
            kept: HashMap::new(),
            stopping: 0,
            closed: false,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// From now on there are to be so many environments of these versions of a function, and of no others.
    pub(crate) fn keep(
        &mut self,
        (account, region, name): (&AccountId, &Region, &str),
        versions: Vec<(Arc<FunctionSpec>, usize)>,
    ) {
        let key = function_key(account, region, name);
        if versions.is_empty() {
            self.kept.remove(&key);
        } else {
            let kept = versions.into_iter().map(|(spec, count)| Kept { spec, count });
            self.kept.insert(key, kept.collect());
        }
    }

    /// A version whose environments do not start need not have any.
    pub(crate) fn give_up(&mut self, spec: &FunctionSpec) {
        if let Some(kept) = self.kept.get_mut(&function_key(&spec.account, &spec.region, &spec.name)) {
            kept.retain(|it| it.spec.version != spec.version);
        }
    }

    /// How many members of a version there are beyond those that are to be kept; fewer than none when some are missing.
    pub(crate) fn spare(&self, spec: &FunctionSpec) -> Option<isize> {
        let kept = self.kept.get(&function_key(&spec.account, &spec.region, &spec.name))?;
        let kept = kept.iter().find(|it| it.spec.version == spec.version)?;
        let key = version_key(spec);
        let is_one = |it: &&Member| it.key == key && !it.retired && it.spec.revision == kept.spec.revision;
        let count = self.members.values().filter(is_one).count();
        Some(isize::try_from(count).unwrap_or(0) - isize::try_from(kept.count).unwrap_or(0))
    }

    /// The environments to start, so that there are those that are to be kept.
    pub(crate) fn missing(&self) -> Vec<Arc<FunctionSpec>> {
        let all = self.kept.values().flatten();
        let missing = all.flat_map(|kept| {
            let count = usize::try_from(-self.spare(&kept.spec).unwrap_or(0)).unwrap_or(0);
            std::iter::repeat_n(kept.spec.clone(), count)
        });
        missing.collect()
    }

    /// Whether there is nothing to look after: no members, and none to be kept.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.members.is_empty() && self.kept.is_empty()
    }

    /// Whether there are no members; some may still be stopping.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether nothing is left at all.
    pub(crate) fn is_gone(&self) -> bool {
        self.members.is_empty() && self.stopping == 0
    }

    /// An idle environment of this revision, which is busy from now on; for one that comes in between, only when there are
    /// more than stand in line. Dead ones and those of other revisions that are met on the way go to `removed`.
    pub(crate) fn take(
        &mut self,
        key: &str,
        spec: &FunctionSpec,
        in_turn: bool,
        now: Timestamp,
        removed: &mut Vec<Arc<Environment>>,
    ) -> Option<(u64, Arc<Environment>)> {
        let reserved = if in_turn { 0 } else { self.lines.length(key) };
        loop {
            let idle = self.idle.get_mut(key).filter(|idle| idle.len() > reserved)?;
            let id = idle.pop()?;
            let member = self.members.get_mut(&id)?;
            match member
                .environment
                .clone()
                .filter(|it| it.is_alive() && member.spec.revision == spec.revision)
            {
                Some(environment) => {
                    (member.state, member.serves, member.taken) = (EnvironmentState::Busy, true, now);
                    self.uses.begins(key, now);
                    environment.jailed.thaw();
                    return Some((id, environment));
                }
                None => removed.extend(self.remove(id)),
            }
        }
    }

    /// Makes a member that is starting. Where the budget has no room, idle ones that are least likely to be used go to
    /// `removed`.
    pub(crate) fn reserve(
        &mut self,
        spec: &Arc<FunctionSpec>,
        purpose: Purpose,
        log_stream: String,
        now: Timestamp,
        budget: Budget,
        removed: &mut Vec<Arc<Environment>>,
    ) -> Result<u64, InvokeError> {
        let member = Member {
            key: version_key(spec),
            spec: spec.clone(),
            log_stream,
            environment: None,
            state: EnvironmentState::Starting,
            used_mb: 0,
            invocations: 0,
            last_used: now,
            taken: now,
            serves: purpose == Purpose::Invocation,
            retired: false,
        };
        while self.members.len() >= budget.environments || self.memory() + member.weight() > budget.memory_mb
        {
            let goes = if purpose == Purpose::Expected { None } else { self.least_likely(now) };
            removed.extend(self.remove(goes.ok_or(InvokeError::TooManyEnvironments)?));
        }
        if member.serves {
            self.uses.begins(&member.key, now);
        }
        self.last += 1;
        self.members.insert(self.last, member);
        Ok(self.last)
    }

    /// The idle member that is least likely to be used soon. Of a version's several only the first is as likely as its
    /// pattern says.
    fn least_likely(&self, now: Timestamp) -> Option<u64> {
        let mut least: Option<(f64, Timestamp, u64)> = None;
        for (key, ids) in &self.idle {
            for (before, id) in ids.iter().rev().enumerate() {
                let Some(member) = self.members.get(id) else { continue };
                if self.spare(&member.spec).is_some_and(|spare| spare <= 0) {
                    continue;
                }
                let likely = self.uses.likelihood(key, now.since(member.last_used)) / (before + 1) as f64;
                let this = (likely, member.last_used, *id);
                if least.is_none_or(|it| this.0.total_cmp(&it.0).then(this.1.cmp(&it.1)).is_lt()) {
                    least = Some(this);
                }
            }
        }
        least.map(|(.., id)| id)
    }

    /// What is to be started because its next invocation is near, and is not there.
    pub(crate) fn expected(&mut self, now: Timestamp) -> Vec<Arc<FunctionSpec>> {
        let near = self.uses.ahead(now).into_iter();
        let lacking =
            near.filter(|(key, _)| !self.members.values().any(|it| *it.key == **key && !it.retired));
        lacking.map(|(_, spec)| spec).collect()
    }

    /// In how long [`Pool::expected`] has the next.
    pub(crate) fn next_expected(&mut self, now: Timestamp) -> Option<Duration> {
        if self.closed { None } else { self.uses.next(now) }
    }

    /// How much of the budget's memory is left, in MB, when one more environment of `spec` has its part.
    pub(crate) fn room_mb(&self, budget: Budget, spec: Option<&FunctionSpec>) -> u64 {
        budget.memory_mb.saturating_sub(self.memory() + spec.map_or(0, unmeasured))
    }

    /// Forgets when functions were used.
    pub(crate) fn forget_uses(&mut self) {
        self.uses.forget();
    }

    /// Gives a member its environment. What must be stopped comes back: the one that it had before, or, when it is too
    /// late, this one.
    pub(crate) fn attach(&mut self, id: u64, environment: &Arc<Environment>) -> Option<Arc<Environment>> {
        let closed = self.closed;
        let replaced = match self.members.get_mut(&id).filter(|_| !closed) {
            Some(member) => member.environment.replace(environment.clone()),
            None => Some(environment.clone()),
        };
        self.stopping += usize::from(replaced.is_some());
        replaced
    }

    /// A member's environment has initialised and runs its invocation.
    pub(crate) fn started(&mut self, id: u64) {
        if let Some(member) = self.members.get_mut(&id) {
            member.state = EnvironmentState::Busy;
        }
    }

    /// After an invocation that used so much memory, in MB. Gives the number of the member's invocations.
    pub(crate) fn count(&mut self, id: u64, used_mb: u32) -> u64 {
        let Some(member) = self.members.get_mut(&id) else { return 0 };
        member.invocations += 1;
        member.used_mb = used_mb;
        member.invocations
    }

    /// Takes a member back: to the idle ones when it is `fit`; otherwise its environment must be stopped.
    pub(crate) fn release(&mut self, id: u64, fit: bool, now: Timestamp) -> Option<Arc<Environment>> {
        let member = self.members.get_mut(&id)?;
        member.last_used = now;
        if std::mem::take(&mut member.serves) {
            self.uses.ends(&member.key, &member.spec, member.retired, now);
            if member.invocations > 1 {
                self.uses.took(&member.key, now.since(member.taken));
            }
        }
        let alive = member.environment.as_ref().is_some_and(|it| it.is_alive());
        if !fit || !alive || member.retired || self.closed {
            return self.remove(id);
        }
        member.state = EnvironmentState::Idle;
        self.lines.call(&member.key);
        self.idle.entry(member.key.clone()).or_default().push(id);
        None
    }

    /// Takes out the idle members of a function, and marks the busy ones.
    pub(crate) fn retire(
        &mut self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Vec<Arc<Environment>> {
        let is_one = |it: &FunctionSpec| it.name == name && it.account == *account && it.region == *region;
        for member in self.members.values_mut().filter(|member| is_one(&member.spec)) {
            member.retired = true;
        }
        self.uses.retire(is_one);
        self.remove_idle(|member| member.retired)
    }

    /// Takes out the idle members that are dead, and those that their function's pattern has no use for.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Arc<Environment>> {
        let mut gone = self.remove_idle(|member| member.environment.as_ref().is_none_or(|it| !it.is_alive()));
        let mut old = Vec::new();
        for (key, ids) in &self.idle {
            let keeps = self.uses.keeps(key, now);
            for (before, id) in ids.iter().rev().enumerate() {
                let idle = self.members.get(id).map(|it| now.since(it.last_used));
                if !(before == 0 && keeps.one) && idle.is_some_and(|idle| idle >= keeps.others) {
                    old.push(*id);
                }
            }
        }
        for id in old {
            let spare = self.members.get(&id).and_then(|it| self.spare(&it.spec));
            if spare.is_none_or(|spare| spare > 0) {
                gone.extend(self.remove(id));
            }
        }
        gone
    }

    /// Freezes what has been idle for a while. (Not at once: who is called again soon shall not wait for it.)
    pub(crate) fn freeze(&self, now: Timestamp) {
        let idle = self.members.values().filter(|it| it.state == EnvironmentState::Idle);
        for member in idle.filter(|it| now.since(it.last_used) >= FREEZE_AFTER) {
            if let Some(environment) = &member.environment {
                environment.jailed.freeze();
            }
        }
    }

    /// Takes in no more. What comes back must be stopped; the busy ones among it stay members until they are released.
    pub(crate) fn close(&mut self) -> Vec<Arc<Environment>> {
        self.closed = true;
        self.lines.call_all();
        self.kept.clear();
        let mut stopped = self.remove_idle(|_| true);
        let busy = stopped.len();
        stopped.extend(self.members.values().filter_map(|it| it.environment.clone()));
        self.stopping += stopped.len() - busy;
        stopped
    }

    /// An environment that came out of here has been stopped.
    pub(crate) fn stopped(&mut self) {
        self.stopping -= 1;
    }

    /// What there is.
    pub(crate) fn status(&self) -> Status {
        let mut members: Vec<&Member> = self.members.values().collect();
        members.sort_by(|a, b| a.key.cmp(&b.key));
        let environments = members.into_iter().map(|member| EnvironmentStatus {
            account: member.spec.account.clone(),
            region: member.spec.region.clone(),
            function: member.spec.name.clone(),
            version: member.spec.version.clone(),
            log_stream: member.log_stream.clone(),
            pid: member.environment.as_ref().map_or(0, |it| it.jailed.pid()),
            state: member.state,
            memory_mb: member.used_mb,
            invocations: member.invocations,
            last_used: member.last_used,
        });
        Status { environments: environments.collect(), memory_mb: self.memory() }
    }

    fn memory(&self) -> u64 {
        self.members.values().map(Member::weight).sum()
    }

    fn remove_idle(&mut self, goes: impl Fn(&Member) -> bool) -> Vec<Arc<Environment>> {
        let idle = self.members.iter().filter(|(_, it)| it.state == EnvironmentState::Idle && goes(it));
        let ids: Vec<u64> = idle.map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Environment>> {
        let member = self.members.remove(&id)?;
        // Nobody shall wait for it.
        self.lines.call(&member.key);
        if let Some(idle) = self.idle.get_mut(&member.key) {
            idle.retain(|it| *it != id);
            if idle.is_empty() {
                self.idle.remove(&member.key);
            }
        }
        self.stopping += usize::from(member.environment.is_some());
        member.environment
    }
}
