//! Takes every right from this process, for good.
//!
//! The order matters: what needs a right is done before the right is gone, and the system call filter,
//! which forbids all the rest, comes last. What cannot be done is reported and not an error: the parent
//! decides whether to go on.

mod filter;

use std::fs;
use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Gid, Resource, Rlimit, Uid};
use rustix::{process, thread};
use serde::{Deserialize, Serialize};

/// One thing that keeps a worker in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fence {
    /// No files but the pipes to its parent.
    Descriptors,
    /// An unprivileged user, where the engine is root.
    User,
    /// No gain of rights through what is executed; no look into its memory.
    Privileges,
    /// Bounds on memory, CPU time, files and processes.
    Limits,
    /// No system call but those that computing needs.
    Seccomp,
    /// No file, socket or signal, whatever is called.
    Landlock,
}

impl Fence {
    /// Whether rendering is refused without it, unless that is asked for.
    pub fn is_needed(self) -> bool {
        match self {
            Self::Privileges | Self::Limits | Self::Seccomp => true,
            // The filter holds without them.
            Self::Descriptors | Self::User | Self::Landlock => false,
        }
    }

    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "no open files",
            Self::User => "user",
            Self::Privileges => "no_new_privs",
            Self::Limits => "rlimits",
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
        }
    }
}

/// A fence that could not be put up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which.
    pub fence: Fence,
    /// Why not.
    pub why: String,
}

/// How a worker is confined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// What stands, innermost last.
    pub fences: Vec<Fence>,
    /// What does not.
    pub missing: Vec<Missing>,
}

/// `nobody`, on every Linux.
const NOBODY: u32 = 65534;

/// Takes every right but those to compute, to read standard input and to write standard output.
///
/// The process must have no second thread.
pub(crate) fn confine(memory_bytes_max: u64, cpu_seconds_max: u64) -> Confinement {
    let mut confinement = Confinement::default();
    let mut put_up = |fence, outcome: io::Result<()>| match outcome {
        Ok(()) => confinement.fences.push(fence),
        Err(error) => confinement.missing.push(Missing {
            fence,
            why: error.to_string(),
        }),
    };
    put_up(Fence::Descriptors, only_pipes());
    // When memory runs out, the kernel takes this process and not the engine. Nothing depends on it.
    fs::write("/proc/self/oom_score_adj", "1000").unwrap_or_default();
    let used = memory_in_use();
    put_up(Fence::User, become_nobody());
    put_up(Fence::Privileges, renounce());
    put_up(Fence::Landlock, landlock());
    put_up(
        Fence::Limits,
        used.and_then(|used| limit(&used, memory_bytes_max, cpu_seconds_max)),
    );
    put_up(Fence::Seccomp, filter::apply());
    confinement
}

/// Every file that the engine opens closes when it starts a worker. What its own parent left open to it
/// can be of no use here: the filter lets nothing be called with it.
fn only_pipes() -> io::Result<()> {
    const STANDARD_ERROR: u32 = 2;
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // The directory that is being read is in its own listing.
        let is_listing = fs::read_link(entry.path())?.ends_with("fd");
        if number > STANDARD_ERROR && !is_listing {
            open.push(number.to_string());
        }
    }
    if open.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the engine was started with {} open",
        open.join(", ")
    )))
}

fn become_nobody() -> io::Result<()> {
    if !process::geteuid().is_root() {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    thread::set_thread_groups(&[])?;
    thread::set_thread_res_gid(group, group, group)?;
    thread::set_thread_res_uid(user, user, user)?;
    Ok(())
}

fn renounce() -> io::Result<()> {
    thread::set_no_new_privs(true)?;
    // No core dump, no debugger, and /proc/PID belongs to root: secrets pass through this memory.
    process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

fn landlock() -> io::Result<()> {
    // The crate asks for as much of this as the kernel knows.
    const KNOWN: ABI = ABI::V6;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(KNOWN)))
        .and_then(|rules| rules.scope(Scope::from_all(KNOWN)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(io::Error::other)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(io::Error::other("the kernel has none")),
    }
}

/// What the process takes before it has done anything: program, libraries, stack.
struct InUse {
    address_bytes: u64,
    data_bytes: u64,
}

fn memory_in_use() -> io::Result<InUse> {
    let status = fs::read_to_string("/proc/self/status")?;
    let bytes = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        kilobytes
            .map(|kilobytes: u64| kilobytes << 10)
            .ok_or_else(|| io::Error::other(format!("/proc/self/status has no {field}")))
    };
    Ok(InUse {
        address_bytes: bytes("VmSize:")?,
        data_bytes: bytes("VmData:")?,
    })
}

fn limit(used: &InUse, memory_bytes_max: u64, cpu_seconds_max: u64) -> io::Result<()> {
    let data = used.data_bytes + memory_bytes_max;
    let address = used.address_bytes + memory_bytes_max;
    let limits = [
        (Resource::Data, data),
        (Resource::As, address),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Nproc, 0),
        // Files that are open stay open.
        (Resource::Nofile, 0),
    ];
    for (resource, limit) in limits {
        set(resource, limit, limit)?;
    }
    // The first is a signal that says why; the second, a second later, is certain death.
    set(Resource::Cpu, cpu_seconds_max, cpu_seconds_max + 1)
}

fn set(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let limit = Rlimit {
        current: Some(current),
        maximum: Some(maximum),
    };
    Ok(process::setrlimit(resource, limit)?)
}
