//! The router's listener: HTTP/1.1 and HTTP/2, with limits that a slow or greedy client meets.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use service_kit::Tasks;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::proxy::Proxy;

/// Connections open at once; each costs a file descriptor here and often one towards a runtime.
const MAX_CONNECTIONS: usize = 8_192;

/// How long a client may take to send its request head: a slow one must not hold a connection for ever.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long open connections may take to finish at shutdown; streams are cut then, and their clients reconnect.
const DRAIN: Duration = Duration::from_secs(5);

/// Accepts connections until the shutdown begins, then lets requests under way finish.
pub fn serve(tasks: &Tasks, listener: TcpListener, proxy: Arc<Proxy>) {
    let owner = tasks.clone();
    tasks.spawn_service("router", async move {
        let stopping = owner.stopping();
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30)).max_concurrent_streams(128);
        loop {
            let permit = tokio::select! {
                () = stopping.cancelled() => break,
                permit = Arc::clone(&connections).acquire_owned() => permit?,
            };
            let accepted = tokio::select! {
                () = stopping.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: waiting is better than spinning.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            let proxy = Arc::clone(&proxy);
            let service = hyper::service::service_fn(move |request| {
                let proxy = Arc::clone(&proxy);
                async move { Ok::<_, std::convert::Infallible>(proxy.handle(request, peer.ip()).await) }
            });
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
            let connection = graceful.watch(connection);
            owner.spawn("router connection", async move {
                let _permit = permit;
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended with an error");
                }
            });
        }
        drop(listener);
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::debug!("some connections were still open at the end of the drain");
        }
        Ok(())
    });
}
