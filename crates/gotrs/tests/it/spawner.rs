use std::process::Stdio;
use std::time::Duration;

use gotrs::process::record::ProcessRecord;
use gotrs::process::spawner::Spawner;
use gotrs::process::{EndStep, end_process};
use rustix::process::Signal;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(10);

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("1000").stdin(Stdio::null());
    command
}

/// The kernel tells children of the end of the thread that started them, which is what the end of the process is, too.
#[tokio::test]
async fn children_die_with_the_thread_that_started_them() {
    let spawner = Spawner::start().unwrap();
    let mut child = spawner.spawn(sleeper(), Signal::TERM).await.unwrap();
    let again = spawner.clone();
    drop(spawner);
    let early = tokio::time::timeout(Duration::from_millis(200), child.wait()).await;
    assert!(early.is_err(), "a clone keeps the thread alive");
    drop(again);
    let status = tokio::time::timeout(SOON, child.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(Signal::TERM.as_raw())
    );
}

#[tokio::test]
async fn a_leftover_process_is_ended_and_a_stranger_is_left_alone() {
    let spawner = Spawner::start().unwrap();
    let mut child = spawner.spawn(sleeper(), Signal::KILL).await.unwrap();
    let record = ProcessRecord::of(child.id().unwrap()).unwrap();
    let stranger = ProcessRecord {
        started: record.started + 1,
        ..record.clone()
    };
    let steps = [EndStep {
        signal: Signal::TERM,
        patience: SOON,
    }];
    assert!(
        end_process(&stranger, &steps).await,
        "nobody of that name lives"
    );
    assert!(record.is_alive());
    assert!(end_process(&record, &steps).await);
    child.wait().await.unwrap();
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_an_error() {
    let spawner = Spawner::start().unwrap();
    let command = Command::new("/nowhere/program");
    let error = spawner.spawn(command, Signal::KILL).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}
