//! `gotrs module test --watch`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::runner::Runner;
use super::{TestArgs, show};
use crate::cli::Verdict;
use crate::cli::error::CliError;
use crate::cli::module::files::{self, ModuleFile};
use crate::cli::module::saved::{Contents, Saved};
use crate::cli::output::Output;

/// Runs the tests now and whenever the content of a file is another, until interrupted.
pub(super) async fn watch(
    runner: Runner,
    args: &TestArgs,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let runner = Arc::new(runner);
    let mut interrupted = signal(SignalKind::interrupt())?;
    let folders = folders_of(&args.files);
    // Before the first look, so that nothing is saved in between.
    let mut saved = Saved::watch(folders.iter().map(PathBuf::as_path))?;
    let mut contents = Contents::default();
    // Wrong from the start is a mistake in the command; wrong later is a file that is just being saved.
    let mut found = files::read_all(&args.files)?;
    loop {
        let changed = found.iter().filter(|file| contents.is_new(file)).count();
        if changed > 0 {
            let running = run_aside(Arc::clone(&runner), found);
            let run = tokio::select! {
                run = running => run?,
                _ = interrupted.recv() => return Ok(Verdict::Good),
            };
            show(&run, args, output)?;
            output.note("Waiting for a file to be saved; stop with Ctrl-C.");
        }
        tokio::select! {
            path = saved.next() => if path.is_none() {
                return Ok(Verdict::Good);
            },
            _ = interrupted.recv() => return Ok(Verdict::Good),
        }
        saved.settle().await;
        found = read_what_is_there(&args.files, &mut contents, output);
    }
}

/// The folders in which files are saved.
fn folders_of(paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    paths
        .iter()
        .map(|path| match path.parent() {
            _ if path.is_dir() => path.clone(),
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        })
        .collect()
}

/// The files as they are now. One that is away for a moment is tested when it is back.
fn read_what_is_there(
    paths: &[PathBuf],
    contents: &mut Contents,
    output: &mut Output,
) -> Vec<ModuleFile> {
    let named = match files::expand(paths) {
        Ok(named) => named,
        Err(error) => {
            output.note(error.to_string());
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for path in named {
        match ModuleFile::read(&path) {
            Ok(file) => found.push(file),
            Err(error) => {
                contents.forget(&path);
                output.note(error.to_string());
            }
        }
    }
    found
}

/// On a thread of its own, so that an interruption need not wait for the tests.
async fn run_aside(
    runner: Arc<Runner>,
    files: Vec<ModuleFile>,
) -> Result<super::TestRun, CliError> {
    let (sender, ended) = oneshot::channel();
    std::thread::spawn(move || {
        // Nobody listens any more when the command was interrupted.
        let _interrupted = sender.send(runner.run(files));
    });
    ended.await.map_err(|error| CliError::Machine {
        doing: "running the tests",
        reason: error.to_string(),
    })
}
