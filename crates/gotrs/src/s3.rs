//! A small S3 server: files in a folder, with real signatures, so that development and production take the same path. Inside of
//! `gotrs up` on loopback, and for trials on Kubernetes as a process of its own.

mod keys;
pub mod serve;

use std::path::Path;

use anyhow::{Context as _, anyhow};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::Tasks;
use tokio::net::TcpListener;

/// Where modules and exports are in `gotrs up`.
pub const BUCKET: &str = "gotrs";
/// The server knows no regions; a signature needs one.
pub const REGION: &str = "us-east-1";

/// Connections at once. The control plane holds a few, each runtime one while it fetches a module.
const CONNECTIONS: usize = 1024;

/// The key that opens the server.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Its name.
    pub access_key: String,
    /// What requests are signed with.
    pub secret_key: SecretString,
}

/// Serves one bucket until `tasks` stop. Objects are files below `folder`.
pub fn start(
    listener: TcpListener,
    folder: &Path,
    bucket: &str,
    keys: &Keys,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    // A bucket is a folder.
    let bucket = folder.join(bucket);
    std::fs::create_dir_all(&bucket)
        .with_context(|| format!("making the folder {}", bucket.display()))?;
    let files = FileSystem::new(folder)
        .map_err(|error| anyhow!("opening the S3 folder {}: {error:?}", folder.display()))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(
        keys.access_key.clone(),
        keys.secret_key.expose_secret(),
    ));
    service.set_access(keys::SafeKeys);
    let service = service.build();

    let stopping = tasks.stopping();
    let connection_tasks = tasks.clone();
    tasks.spawn_service("s3", async move {
        let server = Builder::new(TokioExecutor::new());
        let graceful = GracefulShutdown::new();
        let places = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopping.cancelled() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or the peer is gone already: the next one may be fine.
                    tracing::warn!(%error, "an S3 connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(place) = std::sync::Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!("more than {CONNECTIONS} S3 connections; one is refused");
                continue;
            };
            // Without it each small answer waits for an acknowledgement (six times slower).
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            let connection = server.serve_connection(TokioIo::new(stream), service.clone());
            let connection = graceful.watch(connection.into_owned());
            connection_tasks.spawn("s3 connection", async move {
                let _place = place;
                if let Err(error) = connection.await {
                    tracing::debug!(error, "an S3 connection ended badly");
                }
            });
        }
        drop(listener);
        graceful.shutdown().await;
        Ok(())
    });
    Ok(())
}
