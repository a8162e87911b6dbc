//! Makes the two first processes of a jail: one that puts the jail together and then waits, one that runs the program.
//!
//! Both share this process's memory until they become another program (as after `vfork`), so that starting costs the
//! same however large this process is. What they do meanwhile are system calls on what was prepared before: they take no
//! memory, hold no lock and do not panic. The thread that starts them stands still until then.

#![allow(clippy::cast_possible_truncation)] // Numbers of descriptors and flags, as the kernel wants them.

use super::init::STATUS_DESCRIPTOR;
use super::network::{self, Way, Wiring};
use super::plan::{ROOT, Step};
use crate::turns;
use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use seccompiler::BpfProgram;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// How much the two processes need of a stack; a build without optimisation needs most.
const STACK: usize = 256 * 1024;

/// What this process may do on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Powers {
    /// It may mount and become others. Otherwise all of that happens within a user namespace.
    pub(super) privileged: bool,
    /// The function is in a user namespace.
    pub(super) users: bool,
    /// The function has a network of its own.
    pub(super) network: bool,
}

/// All that is done for one jail.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) powers: Powers,
    /// Who the function is on the host, where this process can choose. Otherwise who this process is.
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) shared_steps: Arc<Vec<Step>>,
    pub(super) steps: Vec<Step>,
    pub(super) devices: Arc<Vec<(CString, CString)>>,
    pub(super) temporary_options: CString,
    pub(super) filters: Option<Arc<Vec<BpfProgram>>>,
    pub(super) user_map: CString,
    pub(super) group_map: CString,
    pub(super) directory: CString,
    pub(super) program: CString,
    pub(super) arguments: Vec<CString>,
    pub(super) environment: Vec<CString>,
    pub(super) limits: Vec<(Resource, Rlimit)>,
    /// `cgroup.procs` of its groups, open for writing.
    pub(super) memberships: Vec<OwnedFd>,
    /// Descriptors 0 to 2.
    pub(super) standard: [OwnedFd; 3],
    /// Where the first process writes how the program ended.
    pub(super) status: OwnedFd,
    pub(super) init: Arc<OwnedFd>,
    /// The signals that this process ignores, which its children would too. (What it handles, another program does not.)
    pub(super) ignored: Arc<Vec<c_int>>,
    /// To a network of its own.
    pub(super) way: Option<Way>,
    /// Descriptor 3 of a program that forks jails (see `fork`).
    pub(super) commands: Option<OwnedFd>,
}

/// What went wrong, and at what.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub(super) struct Failure {
    doing: &'static str,
    #[source]
    source: io::Error,
}

/// What the two processes are given.
struct Shared<'a> {
    orders: &'a Orders,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    stack: *mut c_void,
    /// Index in `DOING`, and the error's number; 0 is none.
    doing: AtomicI32,
    error: AtomicI32,
}

const DOING: [&str; 10] = [
    "make its namespaces",
    "map its user",
    "make its network",
    "make its root",
    "mount its directories",
    "mount its devices, its temporary files and its processes",
    "enter its root",
    "give up privileges",
    "filter its system calls",
    "run the program",
];
const MAPPING: usize = 1;
const WIRING: usize = 2;
const ROOTING: usize = 3;
const MOUNTING: usize = 4;
const FURNISHING: usize = 5;
const ENTERING: usize = 6;
const DROPPING: usize = 7;
const FILTERING: usize = 8;
const RUNNING: usize = 9;

/// Blocks all signals in this thread, so that no handler of this process runs in a child that shares its memory.
pub(super) fn block_signals() {
    // SAFETY: both sets are local and initialised by the calls before they are read.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
    }
}

/// The signals that this process ignores.
pub(super) fn ignored_signals() -> Vec<c_int> {
    let is_ignored = |signal: &c_int| {
        // SAFETY: the structure is written by the call, or stays as it is, which is the default action.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(*signal, ptr::null(), &raw mut action);
            action.sa_sigaction == libc::SIG_IGN
        }
    };
    (1..=64).filter(is_ignored).collect()
}

/// Starts a jail and gives a descriptor of its first process. To be called in a thread that blocks all signals.
pub(super) fn start(orders: &Orders) -> Result<(OwnedFd, u32), Failure> {
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|it| it.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(&orders.arguments), pointers(&orders.environment));
    let (mut first, mut second) = (vec![0u8; STACK], vec![0u8; STACK]);
    let shared = Shared {
        orders,
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        stack: top(&mut second),
        doing: AtomicI32::new(0),
        error: AtomicI32::new(0),
    };
    let mut flags = libc::CLONE_VM
        | libc::CLONE_VFORK
        | libc::CLONE_PIDFD
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::SIGCHLD;
    if !orders.powers.privileged {
        flags |= libc::CLONE_NEWUSER;
    }
    if matches!(orders.way, Some(Way::Make(_))) {
        flags |= libc::CLONE_NEWNET;
    }
    let mut descriptor: c_int = -1;
    let argument = (&raw const shared).cast_mut().cast::<c_void>();
    // SAFETY: the stack is large enough and ours until the child has become another program or has ended, which this
    // call waits for. `shared` lives as long, and is only read, but for its atomics.
    let pid = unsafe { libc::clone(first_process, top(&mut first), flags, argument, &raw mut descriptor) };
    if pid < 0 {
        return Err(Failure { doing: DOING[0], source: io::Error::last_os_error() });
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let error = shared.error.load(Ordering::Acquire);
    if error == 0 {
        return Ok((descriptor, pid.unsigned_abs()));
    }
    let _ = rustix::process::pidfd_send_signal(&descriptor, Signal::KILL);
    let _ = super::wait(&descriptor);
    let doing = usize::try_from(shared.doing.load(Ordering::Acquire)).ok().and_then(|it| DOING.get(it));
    Err(Failure { doing: doing.unwrap_or(&"start"), source: io::Error::from_raw_os_error(error) })
}

/// All that is done for a jail that waited, or that was forked.
#[derive(Debug)]
pub(super) struct Furnishing {
    /// A descriptor of its first process.
    pub(super) jail: OwnedFd,
    pub(super) privileged: bool,
    /// Where it has a network that nothing is in yet.
    pub(super) wiring: Option<Wiring>,
    pub(super) steps: Vec<Step>,
}

/// Changes what a jail sees, in a short-lived process that enters its namespaces. As [`start`].
pub(super) fn furnish(furnishing: &Furnishing) -> io::Result<()> {
    let mut stack = vec![0u8; STACK];
    let shared = (furnishing, AtomicI32::new(0));
    let argument = (&raw const shared).cast_mut().cast::<c_void>();
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: as in `start`: this thread waits for the end of what uses the stack and `shared`.
    let pid = unsafe { libc::clone(furnisher, top(&mut stack), flags, argument) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let pid = rustix::process::Pid::from_raw(pid);
    rustix::io::retry_on_intr(|| rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()))?;
    match shared.1.load(Ordering::Acquire) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

extern "C" fn furnisher(argument: *mut c_void) -> c_int {
    // SAFETY: it points to the pair in `furnish`, which waits.
    let (furnishing, error) = unsafe { &*argument.cast::<(&Furnishing, AtomicI32)>() };
    if let Err(failed) = rearrange(furnishing) {
        error.store(failed.raw_os_error(), Ordering::Release);
    }
    0
}

fn rearrange(furnishing: &Furnishing) -> rustix::io::Result<()> {
    use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
    let mut spaces = ThreadNameSpaceType::MOUNT;
    if furnishing.wiring.is_some() {
        spaces |= ThreadNameSpaceType::NETWORK;
    }
    if !furnishing.privileged {
        spaces |= ThreadNameSpaceType::USER;
    }
    let entered = move_into_thread_name_spaces(furnishing.jail.as_fd(), spaces);
    // As in `drop_privileges`: entering may have made the shared memory untraceable.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    entered?;
    furnishing.wiring.as_ref().map_or(Ok(()), network::set_up)?;
    for step in &furnishing.steps {
        take(step)?;
        if let Step::Overlay { at, .. } = step {
            restrict(at, libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV)?;
        }
    }
    Ok(())
}

/// The end of a stack, which is where it begins, as aligned as processors want it.
fn top(stack: &mut [u8]) -> *mut c_void {
    let end = stack.as_mut_ptr_range().end;
    end.wrapping_sub(end as usize % 16).cast()
}

extern "C" fn first_process(argument: *mut c_void) -> c_int {
    // SAFETY: it points to the `Shared` of `start`, which waits.
    let shared = unsafe { &*argument.cast::<Shared<'_>>() };
    if let Err(error) = put_together(shared) {
        shared.error.store(error.raw_os_error(), Ordering::Release);
        return 1;
    }
    shared.doing.store(RUNNING as i32, Ordering::Release);
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: as in `start`; this process waits in its turn.
    let second = unsafe { libc::clone(second_process, shared.stack, flags, argument) };
    if second != 2 || shared.error.load(Ordering::Acquire) != 0 {
        let _ = shared.error.compare_exchange(0, libc::EAGAIN, Ordering::AcqRel, Ordering::Acquire);
        return 1;
    }
    let error = wait_for_it(shared);
    shared.error.store(error.raw_os_error(), Ordering::Release);
    1
}

/// Becomes the program that waits; returns only when it cannot.
fn wait_for_it(shared: &Shared<'_>) -> Errno {
    let orders = shared.orders;
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return error;
    }
    let name: [*const c_char; 2] = [c"init".as_ptr(), ptr::null()];
    // SAFETY: system calls on descriptors of this process alone and on strings that outlive them.
    unsafe {
        libc::dup2(orders.status.as_raw_fd(), STATUS_DESCRIPTOR);
        libc::syscall(libc::SYS_close_range, 0, 2, 0);
        libc::syscall(libc::SYS_close_range, STATUS_DESCRIPTOR + 1, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        libc::syscall(
            libc::SYS_execveat,
            orders.init.as_raw_fd(),
            c"".as_ptr(),
            name.as_ptr(),
            name.as_ptr().wrapping_add(1),
            libc::AT_EMPTY_PATH,
        );
    }
    last_error()
}

extern "C" fn second_process(argument: *mut c_void) -> c_int {
    // SAFETY: it points to the `Shared` of `start`, which waits.
    let shared = unsafe { &*argument.cast::<Shared<'_>>() };
    let error = run(shared);
    shared.error.store(error.raw_os_error(), Ordering::Release);
    126
}

/// Becomes the program; returns only when it cannot.
fn run(shared: &Shared<'_>) -> Errno {
    let orders = shared.orders;
    let prepared = || -> rustix::io::Result<()> {
        rustix::process::setsid()?;
        rustix::process::chdir(&*orders.directory)?;
        for (resource, limit) in &orders.limits {
            rustix::process::setrlimit(*resource, *limit)?;
        }
        for membership in &orders.memberships {
            rustix::io::write(membership, b"0")?;
        }
        Ok(())
    };
    if let Err(error) = prepared() {
        return error;
    }
    // SAFETY: system calls on descriptors and the signal mask of this process alone, and on strings that outlive them.
    unsafe {
        for (number, descriptor) in (0..).zip(&orders.standard) {
            if libc::dup2(descriptor.as_raw_fd(), number) < 0 {
                return last_error();
            }
        }
        let mut kept = 3;
        if let Some(commands) = &orders.commands {
            if libc::dup2(commands.as_raw_fd(), kept) < 0 {
                return last_error();
            }
            kept += 1;
        }
        libc::syscall(libc::SYS_close_range, kept, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
        libc::execve(orders.program.as_ptr(), shared.arguments, shared.environment);
    }
    last_error()
}

fn last_error() -> Errno {
    io::Error::last_os_error().raw_os_error().map_or(Errno::INVAL, Errno::from_raw_os_error)
}

fn put_together(shared: &Shared<'_>) -> rustix::io::Result<()> {
    let orders = shared.orders;
    let at = |doing: usize| shared.doing.store(doing as i32, Ordering::Release);
    // SAFETY: default actions need no handler; the table of handlers is this process's own.
    unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        for signal in orders.ignored.iter() {
            libc::sigaction(*signal, &raw const default, ptr::null_mut());
        }
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    at(MAPPING);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = rustix::fs::open(c"/proc/self", flags, Mode::empty())?;
    if !orders.powers.privileged {
        map(orders, &own)?;
    }
    at(WIRING);
    orders.way.as_ref().map_or(Ok(()), network::enter)?;
    at(ROOTING);
    rustix::mount::mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
    let root = ROOT_PATH;
    let safe = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount(c"tmpfs", root, c"tmpfs", safe, c"mode=755,size=1m")?;
    at(MOUNTING);
    orders.shared_steps.iter().chain(&orders.steps).try_for_each(take)?;
    let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    restrict(root, attributes)?;
    at(FURNISHING);
    for (from, to) in orders.devices.iter() {
        rustix::mount::mount_bind(&**from, &**to)?;
    }
    rustix::mount::mount(c"tmpfs", c"/sys/tmp", c"tmpfs", safe, &*orders.temporary_options)?;
    let mut none = safe | MountFlags::NOEXEC;
    if orders.commands.is_none() {
        none |= MountFlags::RDONLY;
    }
    rustix::mount::mount(c"proc", c"/sys/proc", c"proc", none, None)?;
    at(ENTERING);
    rustix::process::chdir(root)?;
    rustix::process::pivot_root(c".", c".")?;
    rustix::mount::unmount(c".", UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")?;
    rustix::system::sethostname(b"aloft")?;
    at(DROPPING);
    drop_privileges(orders, &own)?;
    turns::stand_back(None);
    at(FILTERING);
    rustix::thread::set_no_new_privs(true)?;
    for filter in orders.filters.iter().flat_map(|it| it.iter()) {
        seccompiler::apply_filter(filter).map_err(|_| Errno::INVAL)?;
    }
    Ok(())
}

/// [`ROOT`] as the kernel wants it.
const ROOT_PATH: &CStr = c"/sys";
const _: () = assert!(ROOT.len() == 4 && ROOT_PATH.count_bytes() == 4);

fn take(step: &Step) -> rustix::io::Result<()> {
    match step {
        Step::Directory(path) => match rustix::fs::mkdir(&**path, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => Ok(()),
            other => other,
        },
        Step::File(path, content) => {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
            let file = rustix::fs::open(&**path, flags, Mode::from_raw_mode(0o644))?;
            rustix::io::write(&file, content).map(drop)
        }
        Step::Link { target, at } => rustix::fs::symlink(&**target, &**at),
        Step::Bind { from, to } => rustix::mount::mount_bind_recursive(&**from, &**to),
        Step::Overlay { options, at } => {
            rustix::mount::mount(c"overlay", &**at, c"overlay", MountFlags::NOSUID, &**options)
        }
        Step::Temporary { options, at } => rustix::mount::mount(
            c"tmpfs",
            &**at,
            c"tmpfs",
            MountFlags::NOSUID | MountFlags::NODEV,
            &**options,
        ),
        Step::Resize { options, at } => {
            rustix::mount::mount_remount(&**at, MountFlags::NOSUID | MountFlags::NODEV, &**options)
        }
        Step::Unmount(at) => rustix::mount::unmount(&**at, UnmountFlags::DETACH),
        Step::Cover(at) => {
            let empty = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
            rustix::mount::mount(c"tmpfs", &**at, c"tmpfs", empty, c"mode=755,size=4k,nr_inodes=1")
        }
    }
}

/// Adds attributes to a mount and to all below it.
fn restrict(path: &CStr, attributes: u64) -> rustix::io::Result<()> {
    let wanted = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path and the structure outlive the call, and the size is the structure's own.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// How often a file in `/proc` is opened that another jail keeps away at the same moment.
const ATTEMPTS: usize = 1000;

/// Writes who is who into the new user namespace. One user is mapped, so this needs no privilege.
fn map(orders: &Orders, own: &OwnedFd) -> rustix::io::Result<()> {
    let write = |name: &CStr, text: &[u8]| {
        let open = || rustix::fs::openat(own, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        let mut file = open();
        // A jail that starts at the same moment shares this memory, and may have made it untraceable once more.
        for _ in 0..ATTEMPTS {
            if file.as_ref().err() != Some(&Errno::ACCESS) {
                break;
            }
            rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
            file = open();
        }
        rustix::io::write(&file?, text).map(drop)
    };
    write(c"setgroups", b"deny")?;
    write(c"uid_map", orders.user_map.to_bytes())?;
    write(c"gid_map", orders.group_map.to_bytes())
}

fn drop_privileges(orders: &Orders, own: &OwnedFd) -> rustix::io::Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
    use rustix::thread::{clear_ambient_capability_set, set_capabilities};
    if orders.powers.privileged {
        // A user namespace begins with all of them again.
        if !orders.powers.users {
            drop_bounds();
        }
        let (user, group) = (rustix::fs::Uid::from_raw(orders.user), rustix::fs::Gid::from_raw(orders.group));
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(group, group, group)?;
        rustix::thread::set_thread_res_uid(user, user, user)?;
        // Becoming another made the memory, which is still this process's, untraceable: its own files in `/proc` would
        // belong to root.
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
        if orders.powers.users {
            // SAFETY: this process has one thread, and uses no descriptor table or file system root of another.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER)? };
            map(orders, own)?;
        }
    }
    drop_bounds();
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

/// No program may give any capability. Ends at the first that this kernel does not know, or where there is no right to.
fn drop_bounds() {
    for capability in 0..64u64 {
        // SAFETY: a call without pointers.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } != 0 {
            break;
        }
    }
}
