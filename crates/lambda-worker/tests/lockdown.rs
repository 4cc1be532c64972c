//! Each wall of a worker by itself, from inside: this program starts itself again, puts up one wall with the function that the
//! worker uses, and tries to get through.
//!
//! Not a part of the worker: what ships has nothing in it that tries.

#![expect(
    unsafe_code,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what is tried has no safe way; a test says that something is wrong by panicking, and how it went by printing"
)]

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use lambda_protocol::Landlock;
use lambda_worker::lockdown;

/// How a process that tried something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It worked.
    Done,
    /// The system refused with this error.
    Refused(i32),
    /// The kernel killed it with this signal.
    Killed(i32),
}

use End::{Done, Killed, Refused};

const MEMORY: u64 = 128 * 1024 * 1024;
/// The exit code on a kernel without Landlock; no error has this number.
const NO_LANDLOCK: i32 = 250;

/// What is tried, and how it ends without any wall: a wall that is tested must be what makes the difference.
const ATTEMPTS: &[&str] = &[
    "read a file",
    "write a file",
    "write to an inherited file",
    "open a socket",
    "open a pipe",
    "start a program",
    "fork",
    "be traced",
    "signal the parent",
    "gain privileges",
    "be looked into",
    "make code",
    "turn data into code",
    "take much memory",
];

/// What each wall alone holds.
fn expected(is_root: bool) -> Vec<(&'static str, &'static str, End)> {
    let mut expected = vec![
        ("privileges", "gain privileges", Refused(libc::EPERM)),
        ("privileges", "be looked into", Refused(libc::EPERM)),
        (
            "descriptors",
            "write to an inherited file",
            Refused(libc::EBADF),
        ),
        ("files", "read a file", Refused(libc::EACCES)),
        ("files", "write a file", Refused(libc::EACCES)),
        ("files", "start a program", Refused(libc::EACCES)),
        ("resources", "read a file", Refused(libc::EMFILE)),
        ("resources", "open a socket", Refused(libc::EMFILE)),
        ("resources", "open a pipe", Refused(libc::EMFILE)),
        ("resources", "take much memory", Refused(libc::ENOMEM)),
        (
            "resources",
            "write to an inherited file",
            Killed(libc::SIGXFSZ),
        ),
        // The kernel does not count the processes of root.
        (
            "resources",
            "fork",
            if is_root { Done } else { Refused(libc::EAGAIN) },
        ),
    ];
    for attempt in ATTEMPTS {
        let end = match *attempt {
            // Memory is counted by the allocator and the resources.
            "take much memory" => Done,
            _ => Killed(libc::SIGSYS),
        };
        expected.push(("calls", attempt, end));
    }
    // What a worker lives on still works behind all walls.
    for attempt in ["write to its socket", "take little memory"] {
        expected.push(("all", attempt, Done));
    }
    expected.push(("all", "take much memory", Refused(libc::ENOMEM)));
    expected.push(("all", "read a file", Killed(libc::SIGSYS)));
    expected
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, wall, name] = arguments.as_slice()
        && flag == "--attempt"
    {
        put_up(wall);
        let error = attempt(name);
        end(error);
    }
    // Only the kernel's answer counts for who is root.
    let is_root = rustix::process::geteuid().is_root();
    let mut tried = 0;
    for name in ATTEMPTS {
        assert_eq!(try_out("none", name), Some(Done), "{name} without a wall");
        tried += 1;
    }
    for (wall, name, expected) in expected(is_root) {
        match try_out(wall, name) {
            Some(found) => assert_eq!(found, expected, "{name} behind {wall}"),
            None => println!("no Landlock in this kernel: {name} is left to seccomp"),
        }
        tried += 1;
    }
    println!("{tried} attempts, each ended as it should");
}

/// Starts this program again, with a socket as standard input as a worker has it. Nothing when the kernel does not have the wall.
fn try_out(wall: &str, name: &str) -> Option<End> {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--attempt", wall, name])
        .stdin(OwnedFd::from(theirs))
        .stdout(tempfile::tempfile().unwrap())
        .status()
        .unwrap();
    match (status.code(), status.signal()) {
        (Some(0), _) => Some(Done),
        (Some(NO_LANDLOCK), _) => None,
        (Some(error), _) => Some(Refused(error)),
        (None, Some(signal)) => Some(Killed(signal)),
        (None, None) => panic!("{status}"),
    }
}

fn put_up(wall: &str) {
    match wall {
        "none" => {}
        "privileges" => lockdown::privileges().unwrap(),
        "descriptors" => lockdown::close_all_but_stdin().unwrap(),
        "files" => {
            if lockdown::files().unwrap() == Landlock::None {
                end(NO_LANDLOCK);
            }
        }
        "resources" => lockdown::resources(MEMORY).unwrap(),
        "calls" => lockdown::system_calls().unwrap(),
        "all" => {
            lockdown::lock(MEMORY).unwrap();
        }
        other => panic!("no such wall: {other}"),
    }
}

/// The number of the error, or 0.
fn attempt(name: &str) -> i32 {
    let text = |text: &str| CString::new(text).unwrap();
    // SAFETY: plain system calls with valid arguments, in a process that does nothing else.
    let result = unsafe {
        match name {
            "read a file" => i64::from(libc::open(text("/etc/passwd").as_ptr(), libc::O_RDONLY)),
            "write a file" => i64::from(libc::open(
                text("/tmp").as_ptr(),
                libc::O_WRONLY | libc::O_TMPFILE,
                0o600,
            )),
            "write to an inherited file" => libc::write(1, b"x".as_ptr().cast(), 1) as i64,
            "write to its socket" => libc::write(0, b"x".as_ptr().cast(), 1) as i64,
            "open a socket" => i64::from(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0)),
            "open a pipe" => i64::from(libc::pipe([0; 2].as_mut_ptr())),
            "start a program" => {
                let program = text("/bin/true");
                i64::from(libc::execv(
                    program.as_ptr(),
                    [program.as_ptr(), std::ptr::null()].as_ptr(),
                ))
            }
            "fork" => match libc::fork() {
                0 => end(0),
                child => i64::from(child),
            },
            "be traced" => libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0),
            "signal the parent" => i64::from(libc::kill(libc::getppid(), 0)),
            "gain privileges" => match libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) {
                0 => 0,
                _ => return libc::EPERM,
            },
            "be looked into" => match libc::prctl(libc::PR_GET_DUMPABLE) {
                0 => return libc::EPERM,
                _ => 0,
            },
            "make code" => map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, 4096),
            "turn data into code" => {
                let page = map(libc::PROT_READ | libc::PROT_WRITE, 4096);
                i64::from(libc::mprotect(
                    page as *mut libc::c_void,
                    4096,
                    libc::PROT_READ | libc::PROT_EXEC,
                ))
            }
            "take little memory" => map(libc::PROT_READ | libc::PROT_WRITE, 4096),
            "take much memory" => map(libc::PROT_READ | libc::PROT_WRITE, 1 << 30),
            other => panic!("no such attempt: {other}"),
        }
    };
    if result >= 0 {
        return 0;
    }
    std::io::Error::last_os_error().raw_os_error().unwrap()
}

/// New memory; its address, or -1.
fn map(protection: i32, size: usize) -> i64 {
    // SAFETY: nothing that exists is touched.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size,
            protection,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    address as i64
}

/// Ends the process in the one way that no wall forbids.
fn end(code: i32) -> ! {
    // SAFETY: nothing runs after it.
    unsafe { libc::_exit(code) }
}
