//! Takes everything away from this process but one socket, its memory and its time.
//!
//! Each function is one wall, to be tested alone; [`lock`] puts up all of them. They hold for the whole process only while it has
//! one thread. Where a wall is missing in the kernel, that is an error; Landlock alone may be, and is then reported.

use std::collections::BTreeMap;

use lambda_protocol::Landlock;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetError, RulesetStatus,
    Scope,
};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, getppid, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Why the process cannot be locked.
#[derive(Debug)]
pub enum LockError {
    /// Whoever started it has ended meanwhile, or it was started by somebody else.
    Orphan,
    /// A system call failed.
    System(&'static str, rustix::io::Errno),
    /// The kernel's Landlock answers otherwise than it is documented.
    Landlock(RulesetError),
    /// There is no seccomp filter for this processor or in this kernel.
    Seccomp(String),
}

impl std::fmt::Display for LockError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Orphan => write!(f, "the process that started this one has ended"),
            Self::System(what, error) => write!(f, "{what}: {error}"),
            Self::Landlock(error) => write!(f, "landlock: {error}"),
            Self::Seccomp(error) => write!(f, "seccomp: {error}"),
        }
    }
}

impl std::error::Error for LockError {}

/// All walls. Afterwards the process can read and write its standard input, take memory within the limit, and end.
pub fn lock(memory_bytes: u64) -> Result<Landlock, LockError> {
    privileges()?;
    close_all_but_stdin()?;
    // It needs a file descriptor for a moment, so it comes before the limits.
    let landlock = files()?;
    resources(memory_bytes)?;
    default_signals();
    system_calls()?;
    Ok(landlock)
}

/// The kernel kills this process when the thread that started it ends.
pub fn die_with_parent(parent: u32) -> Result<(), LockError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| LockError::System("following the parent", error))?;
    // It may have ended before the line above; then nobody would send the signal any more.
    let found = getppid().map(Pid::as_raw_nonzero).map(i32::from);
    if found.and_then(|pid| u32::try_from(pid).ok()) == Some(parent) {
        Ok(())
    } else {
        Err(LockError::Orphan)
    }
}

/// No program that it could start has more rights than it has, and nobody may look into its memory.
pub fn privileges() -> Result<(), LockError> {
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| LockError::System("giving up privileges", error))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| LockError::System("closing the memory to others", error))
}

/// Whatever the starting process forgot to close is closed, and the standard output with it.
pub fn close_all_but_stdin() -> Result<(), LockError> {
    #[expect(
        unsafe_code,
        reason = "nobody else closes descriptors whose owner is not known"
    )]
    // SAFETY: nothing in this process uses a descriptor but 0 from here on; whoever tried to would get an error.
    let closed = unsafe { libc::close_range(1, libc::c_uint::MAX, 0) };
    if closed == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(LockError::System(
        "closing what was inherited (Linux 5.9 or newer is needed)",
        rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::NOSYS),
    ))
}

/// No file can be opened, made or removed, no port used and no other process reached, as far as the kernel's Landlock knows.
pub fn files() -> Result<Landlock, LockError> {
    let restrict = || {
        let known = ABI::V6;
        Ruleset::default()
            .handle_access(AccessFs::from_all(known))?
            .handle_access(AccessNet::from_all(known))?
            .scope(Scope::from_all(known))?
            .create()?
            .restrict_self()
    };
    let status = restrict().map_err(LockError::Landlock)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::Partial,
        RulesetStatus::NotEnforced => Landlock::None,
    })
}

/// Nothing can be had beyond these; the engine lowers memory and processor time further for each request.
pub fn resources(memory_bytes: u64) -> Result<(), LockError> {
    /// Calls are limited far below it by QuickJS.
    const STACK_BYTES: u64 = 2 * 1024 * 1024;
    for (resource, most) in [
        (Resource::As, memory_bytes),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Nofile, 0),
        (Resource::Nproc, 0),
        (Resource::Sigpending, 0),
        (Resource::Stack, STACK_BYTES),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit).map_err(|error| LockError::System("limiting itself", error))?;
    }
    Ok(())
}

/// A fault ends the process by its own signal: Rust's handler would want to write about it.
pub fn default_signals() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        #[expect(unsafe_code, reason = "there is no safe way to say it")]
        // SAFETY: no handler is installed, one is removed.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// The kernel kills the process at any other system call than these few.
pub fn system_calls() -> Result<(), LockError> {
    let wrong = |error: &dyn std::fmt::Display| LockError::Seccomp(error.to_string());
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).map_err(|error| wrong(&error))?;
    let rules = rules().map_err(|error| wrong(&error))?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        architecture,
    )
    .map_err(|error| wrong(&error))?;
    let program = BpfProgram::try_from(filter).map_err(|error| wrong(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| wrong(&error))
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let stdin_only = || {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0)
            .and_then(|condition| SeccompRule::new(vec![condition]))
    };
    // Memory is never code.
    let not_executable = || {
        let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
        SeccompCondition::new(
            2,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(executable),
            0,
        )
        .and_then(|condition| SeccompRule::new(vec![condition]))
    };
    let mut rules = BTreeMap::from([
        (libc::SYS_read, vec![stdin_only()?]),
        (libc::SYS_write, vec![stdin_only()?]),
        (libc::SYS_mmap, vec![not_executable()?]),
        (libc::SYS_mprotect, vec![not_executable()?]),
    ]);
    for call in [
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_futex,
        // The clocks of `Deadline`, where they are not read without the kernel.
        libc::SYS_clock_gettime,
        // After it was stopped and continued from outside.
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ] {
        rules.insert(call, Vec::new());
    }
    Ok(rules)
}
