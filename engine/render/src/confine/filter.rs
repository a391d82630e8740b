//! The system calls that computing needs. Any other ends the process on the spot (SIGSYS).

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// Memory, time, chance, locks, its own signals and its own end.
const HARMLESS: &[libc::c_long] = &[
    // sorted
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
];

pub(super) fn apply() -> io::Result<()> {
    let program = program().map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        HARMLESS.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_read, vec![first_is(0)?]);
    for call in [libc::SYS_write, libc::SYS_writev] {
        rules.insert(call, vec![first_is(1)?, first_is(2)?]);
    }
    // `abort` signals its own process.
    rules.insert(
        libc::SYS_tgkill,
        vec![first_is(u64::from(std::process::id()))?],
    );
    rules.insert(
        libc::SYS_mprotect,
        vec![SeccompRule::new(vec![never_executable()?])?],
    );
    rules.insert(
        libc::SYS_mmap,
        vec![SeccompRule::new(vec![never_executable()?, of_no_file()?])?],
    );
    SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

fn first_is(value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    let same = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
    SeccompRule::new(vec![same])
}

/// Of `mmap` and `mprotect`: memory, but never to be executed.
fn never_executable() -> Result<SeccompCondition, seccompiler::BackendError> {
    const PROTECTION: u8 = 2;
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    let without = SeccompCmpOp::MaskedEq(executable);
    SeccompCondition::new(PROTECTION, SeccompCmpArgLen::Dword, without, 0)
}

/// Of `mmap`: memory, and no file.
fn of_no_file() -> Result<SeccompCondition, seccompiler::BackendError> {
    const FLAGS: u8 = 3;
    let anonymous = u64::from(libc::MAP_ANONYMOUS.unsigned_abs());
    let with = SeccompCmpOp::MaskedEq(anonymous);
    SeccompCondition::new(FLAGS, SeccompCmpArgLen::Dword, with, anonymous)
}
