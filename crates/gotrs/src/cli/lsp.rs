//! `gotrs lsp`: a language server for module files over standard input and output.
//!
//! [`server`] decides, [`framing`] reads and writes; this file joins them. One thread reads messages, one checks files,
//! and the calling one answers. All events come through one bounded channel, so that nothing is ever decided twice at a
//! time.

mod framing;
mod messages;
mod server;

use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use control_plane::modules::compile_source;
use domain::diagnostic::Diagnostic;
use serde_json::Value;

use self::framing::ReadMessageError;
use self::server::{Check, Effect, Ending, Server};
use super::error::CliError;
use super::module::sandbox;

/// Messages that are read ahead; an editor that sends faster waits.
const READ_AHEAD: usize = 16;

/// Why the server stopped before the editor said `exit`.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("what arrived is not of the Language Server Protocol")]
    Read(#[from] ReadMessageError),
    #[error("the editor closed the connection without saying `exit`")]
    Closed,
    #[error("the editor does not take answers any more")]
    Write(#[source] std::io::Error),
    #[error("a thread could not be started")]
    StartThread(#[source] std::io::Error),
    #[error("module files cannot be checked")]
    StartSandbox(#[source] CliError),
    #[error("the thread that checks module files has stopped; this is a bug of gotrs")]
    CheckerStopped,
}

/// What the answering thread waits for.
enum Event {
    Arrived(Vec<u8>),
    InputEnded(Result<(), ReadMessageError>),
    Checked(Check, Vec<Diagnostic>),
    CheckerFailed(CliError),
    CheckerStopped,
}

/// Serves until the editor says `exit`; the exit code is 0 when it said `shutdown` before.
pub fn run() -> anyhow::Result<ExitCode> {
    // Threads live until the process ends: the reader may wait for input that never comes.
    let ending = serve(BufReader::new(std::io::stdin()), &mut std::io::stdout())?;
    Ok(match ending {
        Ending::Orderly => ExitCode::SUCCESS,
        Ending::Abrupt => ExitCode::FAILURE,
    })
}

fn serve(
    input: impl BufRead + Send + 'static,
    output: &mut impl Write,
) -> Result<Ending, ServeError> {
    let (events, arrivals) = sync_channel(READ_AHEAD);
    let (checks, due) = sync_channel(1);
    let for_reader = events.clone();
    start_thread("lsp-reader", move || read_all(input, &for_reader))?;
    start_thread("lsp-checker", move || check_all(&due, events))?;
    let mut server = Server::default();
    for event in arrivals {
        let effects = match event {
            Event::Arrived(body) => server.receive(&body),
            Event::InputEnded(Ok(())) => {
                return if server.is_shut_down() {
                    Ok(Ending::Orderly)
                } else {
                    Err(ServeError::Closed)
                };
            }
            Event::InputEnded(Err(error)) => return Err(error.into()),
            Event::Checked(check, findings) => server.checked(&check, &findings),
            Event::CheckerFailed(error) => return Err(ServeError::StartSandbox(error)),
            Event::CheckerStopped => return Err(ServeError::CheckerStopped),
        };
        if let Some(ending) = act(effects, &checks, output)? {
            return Ok(ending);
        }
    }
    Err(ServeError::CheckerStopped)
}

fn act(
    effects: Vec<Effect>,
    checks: &SyncSender<Check>,
    output: &mut impl Write,
) -> Result<Option<Ending>, ServeError> {
    for effect in effects {
        match effect {
            Effect::Send(message) => send(&message, output)?,
            // The server asks for one at a time, so there is room.
            Effect::Check(check) => checks
                .send(check)
                .map_err(|_stopped| ServeError::CheckerStopped)?,
            Effect::End(ending) => return Ok(Some(ending)),
        }
    }
    Ok(None)
}

fn send(message: &Value, output: &mut impl Write) -> Result<(), ServeError> {
    framing::write(output, message.to_string().as_bytes()).map_err(ServeError::Write)
}

fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), ServeError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(|_detached| ())
        .map_err(ServeError::StartThread)
}

/// Ends when the input does, or nobody listens any more.
fn read_all(mut input: impl BufRead, events: &SyncSender<Event>) {
    loop {
        let event = match framing::read(&mut input) {
            Ok(Some(body)) => Event::Arrived(body),
            Ok(None) => Event::InputEnded(Ok(())),
            Err(error) => Event::InputEnded(Err(error)),
        };
        let last = matches!(event, Event::InputEnded(_));
        if events.send(event).is_err() || last {
            return;
        }
    }
}

/// Tells when the checker ends, whichever way: findings that silently stop would look like a file without any.
struct StopNotice(SyncSender<Event>);

impl Drop for StopNotice {
    fn drop(&mut self) {
        // When nobody listens the server has ended.
        let _ended = self.0.send(Event::CheckerStopped);
    }
}

fn check_all(due: &Receiver<Check>, events: SyncSender<Event>) {
    let notice = StopNotice(events);
    // Here and not before: the editor gets its first answers while the sandbox starts.
    let engine = match sandbox::start(NonZeroUsize::MIN) {
        Ok(engine) => engine,
        Err(error) => {
            let _ended = notice.0.send(Event::CheckerFailed(error));
            return;
        }
    };
    for check in due {
        let findings = compile_source(&engine, None, &check.text).diagnostics;
        if notice.0.send(Event::Checked(check, findings)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
