//! Which system calls a jailed process may not make.
//!
//! A list of what is refused, not of what is allowed: functions bring programs of all kinds. What is on it has served to
//! break out of containers, or has no use in one. All is refused with EPERM, as for want of a privilege; only `clone3`,
//! whose flags a filter cannot see, is said not to exist, so that libraries use `clone`.
//!
//! What is refused by its number alone is a tree of comparisons: the kernel goes through a filter once for each number there
//! is when a jail starts, and a row of comparisons takes a tenth of all that a jail costs.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};
use std::collections::BTreeMap;

/// Refused whatever the arguments are.
const REFUSED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// The flags of `clone` that make a namespace.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// The kinds of sockets that there are. Netlink tells the addresses of the machine.
const SOCKETS: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// What a zygote needs to make the jails that it forks.
const OF_ZYGOTES: &[i64] = &[libc::SYS_clone, libc::SYS_mount];

/// The filters of functions, in the order in which they are applied; `None` where this processor is not known.
pub(super) fn programs() -> Option<Vec<BpfProgram>> {
    programs_but(&[])
}

/// The filters of programs that fork jails.
pub(super) fn of_zygotes() -> Option<Vec<BpfProgram>> {
    programs_but(OF_ZYGOTES)
}

fn programs_but(allowed: &[i64]) -> Option<Vec<BpfProgram>> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    let compile = |rules, action| -> Option<BpfProgram> {
        SeccompFilter::new(rules, SeccompAction::Allow, action, architecture).ok()?.try_into().ok()
    };
    // The first also ends what calls by another architecture's numbers.
    let mut by_arguments = refused_by_arguments()?;
    by_arguments.retain(|call, _| !allowed.contains(call));
    Some(vec![
        compile(by_arguments, SeccompAction::Errno(libc::EPERM.unsigned_abs()))?,
        refused_by_numbers(allowed)?,
    ])
}

fn refused_by_arguments() -> Option<BTreeMap<i64, Vec<SeccompRule>>> {
    let condition = |argument, compare, value: i32| {
        SeccompCondition::new(argument, Length::Dword, compare, u64::from(value.unsigned_abs())).ok()
    };
    let one_of = |conditions: Vec<Option<SeccompCondition>>| {
        SeccompRule::new(conditions.into_iter().collect::<Option<Vec<_>>>()?).ok()
    };
    let mut rules = BTreeMap::new();
    let namespace = |flag: i32| {
        let mask = u64::from(flag.unsigned_abs());
        one_of(vec![condition(0, Compare::MaskedEq(mask), flag)])
    };
    rules.insert(libc::SYS_clone, NAMESPACES.into_iter().map(namespace).collect::<Option<_>>()?);
    let raw = |domain| {
        let kind = condition(1, Compare::MaskedEq(0xf), libc::SOCK_RAW);
        one_of(vec![condition(0, Compare::Eq, domain), kind])
    };
    let unknown = one_of(SOCKETS.iter().map(|domain| condition(0, Compare::Ne, *domain)).collect());
    rules.insert(libc::SYS_socket, vec![unknown?, raw(libc::AF_INET)?, raw(libc::AF_INET6)?]);
    // Typing into a terminal for whoever reads from it.
    let typing = condition(1, Compare::Eq, i32::try_from(libc::TIOCSTI).ok()?);
    rules.insert(libc::SYS_ioctl, vec![one_of(vec![typing])?]);
    Some(rules)
}

const LOAD_NUMBER: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_NOT_LESS: u16 = 0x35;
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const REFUSE: u32 = 0x0005_0000 | libc::EPERM.unsigned_abs();
const MISSING: u32 = 0x0005_0000 | libc::ENOSYS.unsigned_abs();

/// From here on x86-64 has a second set of numbers for the same calls, which no list names: refused as a whole.
const OTHER_NUMBERS: u32 = 0x4000_0000;

fn line(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn refused_by_numbers(allowed: &[i64]) -> Option<BpfProgram> {
    let mut calls: Vec<(u32, u32)> = vec![(u32::try_from(libc::SYS_clone3).ok()?, MISSING)];
    for call in REFUSED.iter().filter(|it| !allowed.contains(it)) {
        calls.push((u32::try_from(*call).ok()?, REFUSE));
    }
    calls.sort_unstable();
    let mut program = vec![line(LOAD_NUMBER, 0, 0, 0)];
    if cfg!(target_arch = "x86_64") {
        program.extend([line(JUMP_IF_NOT_LESS, 0, 1, OTHER_NUMBERS), line(RETURN, 0, 0, REFUSE)]);
    }
    program.extend(among(&calls)?);
    Some(program)
}

/// Answers for these calls, which are in order, and allows all others. `None` if a jump would be too long.
fn among(calls: &[(u32, u32)]) -> Option<BpfProgram> {
    if calls.len() <= 2 {
        let one =
            |(call, answer): &(u32, u32)| [line(JUMP_IF_EQUAL, 0, 1, *call), line(RETURN, 0, 0, *answer)];
        return Some(calls.iter().flat_map(one).chain([line(RETURN, 0, 0, ALLOW)]).collect());
    }
    let (below, others) = calls.split_at(calls.len() / 2);
    let others_program = among(others)?;
    let skipped = u8::try_from(others_program.len()).ok()?;
    let jump = line(JUMP_IF_NOT_LESS, 0, skipped, others.first()?.0);
    Some([vec![jump], others_program, among(below)?].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program answers to a call.
    fn run(program: &[sock_filter], call: u32) -> u32 {
        let mut at = 0;
        for _ in 0..program.len() {
            let line = &program[at];
            let jump = |is: bool| 1 + usize::from(if is { line.jt } else { line.jf });
            at += match line.code {
                LOAD_NUMBER => 1,
                JUMP_IF_EQUAL => jump(call == line.k),
                JUMP_IF_NOT_LESS => jump(call >= line.k),
                _ => return line.k,
            };
        }
        panic!("no answer to {call}");
    }

    #[test]
    fn every_number_has_its_answer() {
        for allowed in [&[], OF_ZYGOTES] {
            let program = refused_by_numbers(allowed).expect("a program");
            for call in 0..2000 {
                let expected = match i64::from(call) {
                    libc::SYS_clone3 => MISSING,
                    call if REFUSED.contains(&call) && !allowed.contains(&call) => REFUSE,
                    _ => ALLOW,
                };
                assert_eq!(run(&program, call), expected, "{call}");
            }
            let others = if cfg!(target_arch = "x86_64") { REFUSE } else { ALLOW };
            assert_eq!([run(&program, OTHER_NUMBERS), run(&program, u32::MAX)], [others; 2]);
        }
    }
}
