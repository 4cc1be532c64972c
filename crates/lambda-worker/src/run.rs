//! One request, from the start of the process to its end.

use std::cell::{Cell, OnceCell};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use lambda_guest::{Script, Transport};
use lambda_protocol::{EXIT_PANIC, HEADER_BYTES, Kind, Landlock, Terms, header, read_header};
use rustix::stdio::stdin;

use crate::clock::{self, Deadline};
use crate::{lockdown, memory};

/// Contents up to this size go out together with their header.
const ONE_WRITE_BYTES: usize = 64 * 1024;

/// Runs the program with the arguments after its name. Does not come back once the process is locked.
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.collect();
    let numbers: Option<Vec<u32>> = arguments.iter().map(|text| text.parse().ok()).collect();
    let Some([parent, memory_mb]) = numbers.as_deref() else {
        #[expect(
            clippy::print_stderr,
            reason = "whoever reads this started the program by hand"
        )]
        {
            eprintln!(
                "lambda-worker runs code of modules for a GOTRS server, which starts it; there is nothing to do by hand"
            );
        }
        return ExitCode::from(2);
    };
    // What a panic would say has nowhere to go, and unwinding is of no use to anybody.
    std::panic::set_hook(Box::new(|_| end(EXIT_PANIC)));
    let connection = Rc::new(Connection::default());
    match prepare(*parent, *memory_mb, &connection) {
        Ok((script, landlock)) => {
            Connection::send(Kind::Ready, &[landlock.as_str().as_bytes()]);
            answer(&script, &connection)
        }
        Err(problem) => {
            Connection::send(Kind::Failed, &[problem.as_bytes()]);
            ExitCode::FAILURE
        }
    }
}

/// Makes the script, which runs only our own code so far, and locks the process.
fn prepare(
    parent: u32,
    memory_mb: u32,
    connection: &Rc<Connection>,
) -> Result<(Script, Landlock), String> {
    lockdown::die_with_parent(parent).map_err(|error| error.to_string())?;
    let script = Script::new(Shared(Rc::clone(connection)))?;
    if !clock::find() {
        return Err("its local time is not UTC".to_owned());
    }
    let landlock = lockdown::lock(u64::from(memory_mb).saturating_mul(1024 * 1024))
        .map_err(|error| error.to_string())?;
    Ok((script, landlock))
}

/// Reads the request, runs it, replies, ends.
fn answer(script: &Script, connection: &Connection) -> ! {
    let content = Connection::receive(Kind::Request);
    let Some((terms, request)) = Terms::split(&content) else {
        end(EXIT_PANIC)
    };
    clock::stand_still_at(terms.now_micros);
    memory::limit(usize::try_from(terms.memory_bytes).unwrap_or(usize::MAX));
    script.limit_stack(usize::try_from(terms.stack_bytes).unwrap_or(usize::MAX));
    connection.start(Deadline::after(
        Duration::from_micros(terms.wall_micros),
        Duration::from_micros(terms.cpu_micros),
    ));
    let reply = script.run(request);
    Connection::send(Kind::Reply, &[reply.as_bytes()]);
    end(0)
}

/// Ends the process at once: there is nothing to put in order.
fn end(code: i32) -> ! {
    #[expect(
        unsafe_code,
        reason = "std::process::exit runs handlers of the C library, which may want what is locked away"
    )]
    // SAFETY: nothing runs after it.
    unsafe {
        libc::_exit(code)
    }
}

/// The socket to the engine, and how long the request may take.
#[derive(Default)]
struct Connection {
    deadline: OnceCell<Deadline>,
    /// Remembered: a time that is used up does not come back.
    over: Cell<bool>,
}

impl Connection {
    fn start(&self, deadline: Deadline) {
        // There is one request, so it was empty.
        self.deadline.get_or_init(|| deadline);
    }

    /// Sends one frame whose content is in `parts`.
    fn send(kind: Kind, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum();
        let Some(header) = header(kind, length) else {
            end(EXIT_PANIC)
        };
        if length <= ONE_WRITE_BYTES {
            write(&[&header, &*parts.concat()].concat());
            return;
        }
        write(&header);
        for part in parts {
            write(part);
        }
    }

    /// The content of the next frame, which must be of this kind.
    fn receive(expected: Kind) -> Vec<u8> {
        let mut header = [0; HEADER_BYTES];
        read(&mut header);
        match read_header(header) {
            Some((kind, length)) if kind == expected => {
                let mut content = vec![0; length];
                read(&mut content);
                content
            }
            _ => end(EXIT_PANIC),
        }
    }

    fn is_over(&self) -> bool {
        if !self.over.get() && self.deadline.get().is_some_and(Deadline::is_over) {
            self.over.set(true);
        }
        self.over.get()
    }
}

/// What the script is given.
struct Shared(Rc<Connection>);

impl Transport for Shared {
    fn ask(&self, operation: u32, request: &str) -> Vec<u8> {
        Connection::send(Kind::Call, &[&operation.to_le_bytes(), request.as_bytes()]);
        Connection::receive(Kind::Answer)
    }

    fn is_interrupted(&self) -> bool {
        self.0.is_over()
    }
}

/// Writes all of it; an engine that is gone ends the process.
fn write(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(stdin(), bytes) {
            Ok(0) => end(0),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => end(0),
        }
    }
}

/// Fills all of it; an engine that is gone ends the process.
fn read(mut bytes: &mut [u8]) {
    while !bytes.is_empty() {
        match rustix::io::read(stdin(), &mut *bytes) {
            Ok(0) => end(0),
            Ok(count) => bytes = bytes.get_mut(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => end(0),
        }
    }
}
