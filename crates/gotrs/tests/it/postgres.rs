use std::path::Path;
use std::time::Duration;

use domain::id::TenantId;
use gotrs::postgres::Settings;
use gotrs::postgres::account::Account;
use gotrs::postgres::find::{SYSTEM, find_programs};
use gotrs::postgres::pid_file::PidFile;
use gotrs::postgres::server::{self, ServerState};
use gotrs::process::send;
use gotrs::process::spawner::Spawner;
use rustix::process::Signal;
use service_kit::Tasks;
use tenant_database::TenantDatabase;
use tokio::process::Command;
use tokio::sync::watch;

use crate::data;

const LIMIT: Duration = Duration::from_mins(1);

fn settings(data: &Path) -> Settings {
    Settings {
        bin: find_programs(None, Path::new(SYSTEM)).unwrap(),
        cluster: data.join("postgres"),
        socket: data.join("s"),
        data_folder: data.to_owned(),
        account: Account::for_postgres().unwrap(),
        superuser_password: "super".to_owned().into(),
        control_plane_password: "control".to_owned().into(),
    }
}

async fn next_pid(state: &mut watch::Receiver<ServerState>, not: u32) -> u32 {
    let is_new = |state: &ServerState| matches!(state, ServerState::Ready { pid } if *pid != not);
    let state = tokio::time::timeout(LIMIT, state.wait_for(is_new)).await;
    match *state.unwrap().unwrap() {
        ServerState::Ready { pid } => pid,
        ServerState::Starting => unreachable!("waited for a ready one"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_and_nothing_is_lost() {
    let folder = data::folder();
    let settings = settings(folder.path());
    let spawner = Spawner::start().unwrap();
    let tasks = Tasks::new();
    let mut state = server::start(settings.clone(), spawner.clone(), &tasks)
        .await
        .unwrap();
    let first = next_pid(&mut state, 0).await;

    let database = TenantDatabase::connect(&settings.tenants_url())
        .await
        .unwrap();
    database.prepare_server().await.unwrap();
    let tenant = TenantId::generate();
    database.ensure_schema(tenant).await.unwrap();

    send(first, Signal::KILL);
    let second = next_pid(&mut state, first).await;
    assert_ne!(first, second);
    let database = TenantDatabase::connect(&settings.tenants_url())
        .await
        .unwrap();
    // Fails when the schema is not there.
    database.migrate(tenant).await.unwrap();
    database.close().await;

    // Stopped in order, started again: the cluster is used again.
    tasks.shut_down(LIMIT).await;
    assert!(!settings.cluster.join("postmaster.pid").exists());
    let tasks = Tasks::new();
    server::start(settings.clone(), spawner, &tasks)
        .await
        .unwrap();
    let database = TenantDatabase::connect(&settings.tenants_url())
        .await
        .unwrap();
    assert!(database.migrate(tenant).await.unwrap().applied.is_empty());
    database.close().await;
    tasks.shut_down(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_a_killed_parent_left_is_stopped_first() {
    let folder = data::folder();
    let settings = settings(folder.path());
    let spawner = Spawner::start().unwrap();
    let tasks = Tasks::new();
    server::start(settings.clone(), spawner.clone(), &tasks)
        .await
        .unwrap();
    tasks.shut_down(LIMIT).await;

    // What the next start finds when the kernel's signal did not come.
    let mut leftover = Command::new(settings.bin.join("postgres"));
    leftover.arg("-D").arg(&settings.cluster).current_dir("/");
    leftover.args(["-c", "listen_addresses=", "-c"]);
    leftover.arg(format!(
        "unix_socket_directories={}",
        settings.socket.display()
    ));
    if let Some(account) = &settings.account {
        leftover.uid(account.uid).gid(account.gid);
    }
    let mut leftover = spawner.spawn(leftover, Signal::KILL).await.unwrap();
    let pid = leftover.id().unwrap();
    let started = tokio::time::timeout(LIMIT, async {
        while PidFile::read(&settings.cluster).is_none_or(|file| !file.ready) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    started.await.unwrap();

    let tasks = Tasks::new();
    let (state, ended) = tokio::join!(
        server::start(settings, spawner, &tasks),
        tokio::time::timeout(LIMIT, leftover.wait())
    );
    assert!(ended.unwrap().unwrap().success(), "it was stopped in order");
    assert_ne!(next_pid(&mut state.unwrap(), 0).await, pid);
    tasks.shut_down(LIMIT).await;
}
