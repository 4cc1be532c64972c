//! The other wall: a worker process per invocation, locked by the kernel and killed at the end.
//!
//! The program is `lambda-worker`. It is given one request and answers with one reply; whatever it does, it does in its own memory,
//! and it can reach nothing but the socket to here. Its limits of time are held from here, by SIGKILL: it looks at them itself only
//! so that it can say where the lambda was.

mod nursery;
mod process;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lambda_protocol::{HEADER_BYTES, Kind, Landlock, OPERATION_BYTES, Terms, header, read_header};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::nursery::Nursery;
use self::process::Worker;
use crate::engine::{EngineOptions, StartEngineError};
use crate::error::Limit;
use crate::executor::{Executor, Halt, MAX_REPLY_BYTES, mebibytes, read_reply, stack_bytes};
use crate::session::{MAX_REQUEST_BYTES, Operation, Session};
use crate::slots::Slots;

/// Processor time that a worker whose time is up may use to notice by itself, which tells the line. Then it is killed.
const GRACE_CPU: Duration = Duration::from_millis(20);
/// The same by the clock on the wall, for a machine too busy to let it run at all.
const GRACE_WALL: Duration = Duration::from_millis(500);
/// How often it is looked at meanwhile.
const GRACE_LOOK: Duration = Duration::from_millis(5);
/// Contents are read in parts of this size: what a worker says about a length costs it as many bytes.
const PART_BYTES: usize = 64 * 1024;

/// Runs each request in a process of its own.
pub(crate) struct WorkerExecutor {
    slots: Slots,
    nursery: Nursery,
    max_memory_mb: u32,
}

impl WorkerExecutor {
    /// Starts the first process, to see that it can.
    pub(crate) fn start(
        options: &EngineOptions,
        program: PathBuf,
    ) -> Result<Self, StartEngineError> {
        Ok(Self {
            slots: Slots::new(options.concurrency),
            nursery: Nursery::start(options, program)?,
            max_memory_mb: options.max_memory_mb,
        })
    }

    /// How far the kernel's Landlock holds the workers.
    pub(crate) const fn landlock(&self) -> Landlock {
        self.nursery.landlock()
    }
}

impl Executor for WorkerExecutor {
    fn execute(&self, request: &[u8], session: Session<'_>) -> Result<Vec<u8>, Halt> {
        let _slot = self.slots.take(session.deadline).ok_or(Halt::Busy)?;
        let mut conversation = Conversation {
            worker: self.nursery.take(session.deadline)?,
            memory_mb: session.limits.memory_mb.min(self.max_memory_mb),
            session,
            grace: None,
        };
        match conversation.hold(request) {
            Ok(reply) => Ok(reply),
            Err(End::Halt(halt)) => Err(halt),
            Err(End::Gone) => Err(conversation.worker.end()),
        }
    }
}

/// Why a conversation ends without a reply.
enum End {
    Halt(Halt),
    /// The worker closed the socket: how it ended says why.
    Gone,
}

impl From<Halt> for End {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

/// Until when a worker whose time is up may go on.
#[derive(Clone, Copy)]
struct Grace {
    limit: Limit,
    wall: Instant,
    cpu: Duration,
}

/// One request and everything that is said until its reply.
struct Conversation<'a> {
    worker: Worker,
    /// What the request may use; never more than any process was started for.
    memory_mb: u32,
    session: Session<'a>,
    grace: Option<Grace>,
}

impl Conversation<'_> {
    fn hold(&mut self, request: &[u8]) -> Result<Vec<u8>, End> {
        let limits = self.session.limits;
        self.worker
            .limit(self.memory_mb, limits.cpu_ms)
            .map_err(|error| Halt::Internal(format!("limiting a worker: {error}")))?;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let terms = Terms {
            now_micros: self.session.now_micros,
            wall_micros: micros(self.session.wall_left()),
            cpu_micros: micros(self.session.cpu_left()),
            memory_bytes: u64::try_from(mebibytes(self.memory_mb)).unwrap_or(u64::MAX),
            stack_bytes: stack_bytes(limits.stack_kb),
        };
        self.send(Kind::Request, &[&terms.to_bytes(), request])?;
        loop {
            let mut head = [0; HEADER_BYTES];
            self.read(&mut head)?;
            match read_header(head) {
                Some((Kind::Call, length)) => self.call(length)?,
                Some((Kind::Reply, length)) if length <= MAX_REPLY_BYTES.saturating_add(1) => {
                    let reply = self.content(length)?;
                    return Ok(read_reply(&reply, self.session.time_is_up())?);
                }
                Some((Kind::Reply, _)) => return Err(Halt::limit(Limit::ResultBytes).into()),
                _ => return Err(broken()),
            }
        }
    }

    /// Answers one call whose content is so long.
    fn call(&mut self, length: usize) -> Result<(), End> {
        let length = length.checked_sub(OPERATION_BYTES).ok_or_else(broken)?;
        let mut operation = [0; OPERATION_BYTES];
        self.read(&mut operation)?;
        let operation = Operation::from_number(u32::from_le_bytes(operation)).ok_or_else(broken)?;
        // The session refuses what is larger, so one byte more is all that it has to see.
        let seen = length.min(MAX_REQUEST_BYTES.saturating_add(1));
        let request = self.content(seen)?;
        self.skip(length.saturating_sub(seen))?;
        let answer = self.session.answer(operation, &request)?;
        self.send(Kind::Answer, &[&answer])
    }

    fn send(&mut self, kind: Kind, parts: &[&[u8]]) -> Result<(), End> {
        let length = parts
            .iter()
            .fold(0_usize, |length, part| length.saturating_add(part.len()));
        let header = header(kind, length)
            .ok_or_else(|| Halt::Internal("more than a worker can be told".to_owned()))?;
        if length <= PART_BYTES {
            return self.write(&[&header, &*parts.concat()].concat());
        }
        self.write(&header)?;
        parts.iter().try_for_each(|part| self.write(part))
    }

    fn content(&mut self, length: usize) -> Result<Vec<u8>, End> {
        let mut content = Vec::new();
        while content.len() < length {
            let start = content.len();
            content.resize(length.min(start.saturating_add(PART_BYTES)), 0);
            self.read(content.get_mut(start..).unwrap_or_default())?;
        }
        Ok(content)
    }

    fn skip(&mut self, mut length: usize) -> Result<(), End> {
        let mut part = vec![0; length.min(PART_BYTES)];
        while length > 0 {
            let size = length.min(part.len());
            self.read(part.get_mut(..size).unwrap_or_default())?;
            length = length.saturating_sub(size);
        }
        Ok(())
    }

    fn read(&mut self, mut bytes: &mut [u8]) -> Result<(), End> {
        while !bytes.is_empty() {
            match self.worker.socket().read(bytes) {
                Ok(0) => return Err(End::Gone),
                Ok(count) => bytes = bytes.get_mut(count..).unwrap_or_default(),
                Err(error) => self.wait(&error, PollFlags::IN)?,
            }
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), End> {
        while !bytes.is_empty() {
            match self.worker.socket().write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) => self.wait(&error, PollFlags::OUT)?,
            }
        }
        Ok(())
    }

    /// What to do when the socket was not ready: wait for it, as long as there is time.
    fn wait(&mut self, error: &std::io::Error, ready: PollFlags) -> Result<(), End> {
        match error.kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted => {}
            // The worker is gone, with or without having read everything.
            _ => return Err(End::Gone),
        }
        let patience = self.patience()?;
        let patience = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        let mut sockets = [PollFd::new(self.worker.socket(), ready)];
        match poll(&mut sockets, Some(&patience)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(Halt::Internal(format!("waiting for a worker: {error}")).into()),
        }
    }

    /// How long the worker may take before it is looked at again, or the limit for which it is killed now.
    fn patience(&mut self) -> Result<Duration, Halt> {
        let used = self.worker.cpu_time();
        self.session.charge_guest(used);
        let Some(limit) = self.session.time_is_up() else {
            return Ok(self.session.time_left());
        };
        let now = Instant::now();
        let grace = *self.grace.get_or_insert_with(|| Grace {
            limit,
            wall: now.checked_add(GRACE_WALL).unwrap_or(now),
            cpu: used.saturating_add(GRACE_CPU),
        });
        let left = grace.wall.saturating_duration_since(now);
        if left.is_zero() || used >= grace.cpu {
            return Err(Halt::limit(grace.limit));
        }
        Ok(left.min(GRACE_LOOK))
    }
}

fn broken() -> End {
    Halt::Crashed("the worker broke the protocol".to_owned()).into()
}
