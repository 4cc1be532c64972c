//! The router's listener: HTTP/1.1 and HTTP/2, with limits that a slow or greedy client meets.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use service_kit::Tasks;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::connection::{Activity, Overdue, Seats, hold};
use super::proxy::Proxy;

/// Connections open at once; each costs a file descriptor here and often one towards a runtime.
const MAX_CONNECTIONS: usize = 8_192;

/// What clients may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long a client may take to send its request head: a slow one must not hold a connection for ever.
    pub(super) head: Duration,
    /// How long it may keep a connection on which it asks for nothing.
    pub(super) idle: Duration,
    /// Connections of one address that is no trusted proxy's: no single one takes all of them.
    pub(super) per_address: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(15),
            idle: Duration::from_mins(2),
            per_address: MAX_CONNECTIONS / 4,
        }
    }
}

/// How long open connections may take to finish at shutdown; streams are cut then, and their clients reconnect.
const DRAIN: Duration = Duration::from_secs(5);

/// Accepts connections until the shutdown begins, then lets requests under way finish.
pub fn serve(tasks: &Tasks, listener: TcpListener, proxy: Arc<Proxy>) {
    serve_with(tasks, listener, proxy, Patience::default());
}

pub(super) fn serve_with(
    tasks: &Tasks,
    listener: TcpListener,
    proxy: Arc<Proxy>,
    patience: Patience,
) {
    let owner = tasks.clone();
    tasks.spawn_service("router", async move {
        let stopping = owner.stopping();
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let seats = Seats::default();
        let graceful = GracefulShutdown::new();
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(patience.head);
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
            let most = if proxy.trusts(peer.ip()) { MAX_CONNECTIONS } else { patience.per_address };
            let Some(seat) = seats.take(peer.ip(), most) else {
                metrics::counter!("router_connections_refused_total", "reason" => "address").increment(1);
                continue;
            };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            let proxy = Arc::clone(&proxy);
            let activity = Activity::new();
            let requests = activity.clone();
            let service = hyper::service::service_fn(move |request| {
                let (proxy, under_way) = (Arc::clone(&proxy), requests.begin());
                async move {
                    let response = proxy.handle(request, peer.ip()).await;
                    Ok::<_, std::convert::Infallible>(hold(response, under_way))
                }
            });
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
            let connection = graceful.watch(connection);
            owner.spawn("router connection", async move {
                let _held = (permit, seat);
                let gauge = metrics::gauge!("router_connections");
                gauge.increment(1.0);
                tokio::select! {
                    outcome = connection => {
                        if let Err(error) = outcome {
                            tracing::debug!(%error, "a connection ended with an error");
                        }
                    }
                    overdue = activity.overdue(patience.head, patience.idle) => {
                        if overdue == Overdue::First {
                            metrics::counter!("router_connections_refused_total", "reason" => "slow").increment(1);
                        }
                    }
                }
                gauge.decrement(1.0);
            });
        }
        drop(listener);
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::debug!("some connections were still open at the end of the drain");
        }
        Ok(())
    });
}
