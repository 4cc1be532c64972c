//! One worker process, from its start to its end.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use lambda_protocol::{EXIT_MEMORY, EXIT_PANIC, HEADER_BYTES, Kind, Landlock, read_header};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use crate::error::Limit;
use crate::executor::{Halt, lossy, mebibytes};

/// A start takes milliseconds; this is for a machine that does nothing else but swap.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// What a worker says about its start is at most this long.
const MAX_GREETING_BYTES: usize = 4 * 1024;
/// The program, its libraries and stack. Its heap is counted by its own allocator, and this is what stands behind that: moving a
/// large block may take twice its size for a moment.
const PROGRAM_MB: u32 = 64;

/// A process that waits for its request, or has it. Dropping it ends it.
pub(crate) struct Worker {
    child: Child,
    pid: Pid,
    socket: UnixStream,
}

impl Worker {
    /// Starts one and waits until it is locked. The kernel kills it when the thread that calls this ends.
    pub(crate) fn start(program: &Path, max_memory_mb: u32) -> Result<(Self, Landlock), String> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .arg(std::process::id().to_string())
            .arg(address_space_mb(max_memory_mb).to_string())
            .env_clear()
            // The time zone of the WebAssembly guest.
            .env("TZ", "UTC")
            .current_dir("/")
            // Ctrl-C in a terminal is for us.
            .process_group(0)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else {
            return Err("it has no process id".to_owned());
        };
        let mut worker = Self {
            child,
            pid,
            socket: ours,
        };
        let landlock = match worker.greeting() {
            Ok((Kind::Ready, content)) => Landlock::from_bytes(&content)
                .ok_or_else(|| "it is another program, or another version".to_owned())?,
            Ok((Kind::Failed, content)) => return Err(lossy(&content)),
            Ok(_) => return Err("it is another program, or another version".to_owned()),
            Err(error) => {
                return Err(match worker.end() {
                    Halt::Crashed(why) => why,
                    _ => error.to_string(),
                });
            }
        };
        worker
            .socket
            .set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        Ok((worker, landlock))
    }

    /// The first frame.
    fn greeting(&mut self) -> std::io::Result<(Kind, Vec<u8>)> {
        self.socket.set_read_timeout(Some(START_PATIENCE))?;
        let mut head = [0; HEADER_BYTES];
        self.socket.read_exact(&mut head)?;
        let (kind, length) = read_header(head)
            .filter(|(_, length)| *length <= MAX_GREETING_BYTES)
            .ok_or(std::io::ErrorKind::InvalidData)?;
        let mut content = vec![0; length];
        self.socket.read_exact(&mut content)?;
        Ok((kind, content))
    }

    /// The socket to it; it does not block.
    pub(crate) fn socket(&mut self) -> &mut UnixStream {
        &mut self.socket
    }

    /// Whether it still waits.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Lowers what the kernel gives it to what one request may use. It cannot be raised again.
    pub(crate) fn limit(&self, memory_mb: u32, cpu_ms: u32) -> rustix::io::Result<()> {
        // Seconds are all that the kernel knows here; the engine ends it earlier, if it is still there to do so.
        let cpu_seconds = u64::from(cpu_ms).div_ceil(1_000).saturating_add(1);
        let memory = u64::try_from(mebibytes(address_space_mb(memory_mb))).unwrap_or(u64::MAX);
        for (resource, most) in [(Resource::As, memory), (Resource::Cpu, cpu_seconds)] {
            let limit = Rlimit {
                current: Some(most),
                maximum: Some(most),
            };
            prlimit(Some(self.pid), resource, limit)?;
        }
        Ok(())
    }

    /// Processor time that it has used; none when it is gone.
    pub(crate) fn cpu_time(&self) -> Duration {
        let mut clock = 0;
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        #[expect(
            unsafe_code,
            reason = "rustix does not know the clocks of other processes; both calls only write to what they are given"
        )]
        // SAFETY: both addresses are of variables of the right type, alive during the calls.
        let known = unsafe {
            libc::clock_getcpuclockid(self.pid.as_raw_nonzero().get(), &raw mut clock) == 0
                && libc::clock_gettime(clock, &raw mut time) == 0
        };
        if !known {
            return Duration::ZERO;
        }
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or_default(),
            u32::try_from(time.tv_nsec).unwrap_or_default(),
        )
    }

    /// Ends it, if it has not ended by itself, and says what that means.
    pub(crate) fn end(&mut self) -> Halt {
        // What it did by itself before this arrives counts: the kernel keeps the first reason.
        match self.child.kill().and_then(|()| self.child.wait()) {
            Ok(status) => halt_of(status),
            Err(error) => Halt::Internal(format!("waiting for a worker: {error}")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// What it may map when a request may use so much.
fn address_space_mb(memory_mb: u32) -> u32 {
    memory_mb.saturating_mul(2).saturating_add(PROGRAM_MB)
}

/// Why a worker that gave no reply has ended.
fn halt_of(status: ExitStatus) -> Halt {
    if status.code() == Some(EXIT_MEMORY) {
        return Halt::limit(Limit::Memory);
    }
    if status.code() == Some(EXIT_PANIC) {
        return Halt::Crashed("the worker met a bug of its own".to_owned());
    }
    match status.signal().and_then(Signal::from_named_raw) {
        Some(Signal::XCPU) => Halt::limit(Limit::Cpu),
        Some(Signal::SYS) => Halt::Crashed(
            "the worker asked the system for something that it may not (SIGSYS)".to_owned(),
        ),
        Some(Signal::KILL) => Halt::Crashed(
            "the worker was killed, by the system for want of memory or by an operator".to_owned(),
        ),
        _ => Halt::Crashed(format!("the worker ended ({status})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_worker_ended_says_why() {
        let exited = |code: i32| halt_of(ExitStatus::from_raw(code << 8));
        let killed = |signal: i32| halt_of(ExitStatus::from_raw(signal));
        assert_eq!(exited(EXIT_MEMORY), Halt::limit(Limit::Memory));
        assert_eq!(killed(libc::SIGXCPU), Halt::limit(Limit::Cpu));
        for (halt, part) in [
            (exited(EXIT_PANIC), "bug"),
            (exited(0), "exit status: 0"),
            (killed(libc::SIGSYS), "SIGSYS"),
            (killed(libc::SIGSEGV), "SIGSEGV"),
            (killed(libc::SIGKILL), "killed"),
        ] {
            match halt {
                Halt::Crashed(text) => assert!(text.contains(part), "{text}"),
                other => panic!("{part}: {other:?}"),
            }
        }
    }
}
