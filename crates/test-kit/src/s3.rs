//! An S3 server in the test's own process: the same protocol, signatures included, as in production.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use http::StatusCode;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpResponse};
use s3s_fs::FileSystem;
use service_kit::Tasks;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A running server on loopback; it and its objects end with the value.
#[derive(Debug)]
pub struct TestS3 {
    address: SocketAddr,
    failures: Arc<AtomicU32>,
    tasks: Tasks,
    /// Removes the objects when dropped.
    _folder: TempDir,
}

impl TestS3 {
    /// The access key id that it knows.
    pub const ACCESS_KEY_ID: &str = "test";
    /// The secret that belongs to it.
    pub const SECRET_ACCESS_KEY: &str = "test-secret";

    /// Starts one with no buckets.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for objects")?;
        let files = FileSystem::new(folder.path())
            .map_err(|error| anyhow::anyhow!("opening the folder for objects: {error:?}"))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(
            Self::ACCESS_KEY_ID,
            Self::SECRET_ACCESS_KEY,
        ));
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("listening on loopback")?;
        let server = Self {
            address: listener.local_addr().context("asking for the port")?,
            failures: Arc::default(),
            tasks: Tasks::new(),
            _folder: folder,
        };
        let accept = accept(
            listener,
            builder.build(),
            Arc::clone(&server.failures),
            server.tasks.clone(),
        );
        server.tasks.spawn("test-s3", accept);
        Ok(server)
    }

    /// Such as `http://127.0.0.1:40123`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next `count` requests are answered with 503.
    pub fn fail_next(&self, count: u32) {
        self.failures.store(count, Ordering::Relaxed);
    }

    /// Answers nothing any more, as if the machine were away.
    pub fn stop(&self) {
        self.tasks.stop();
    }
}

impl Drop for TestS3 {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

async fn accept(listener: TcpListener, service: S3Service, failures: Arc<AtomicU32>, tasks: Tasks) {
    let stopping = tasks.stopping();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let failures = Arc::clone(&failures);
        let service = service.clone();
        let stopping = stopping.clone();
        tasks.spawn("test-s3-connection", async move {
            let answer = service_fn(move |request| {
                let fail = failures
                    .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                        left.checked_sub(1)
                    })
                    .is_ok();
                let service = service.clone();
                async move {
                    if fail {
                        let mut refusal = HttpResponse::new(Body::empty());
                        *refusal.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                        return Ok(refusal);
                    }
                    Service::call(&service, request).await
                }
            });
            let http = Builder::new(TokioExecutor::new());
            let connection = http.serve_connection(TokioIo::new(stream), answer);
            tokio::select! {
                // A broken connection is the client's to report.
                _ended = connection => {}
                () = stopping.cancelled() => {}
            }
        });
    }
}
