//! What one client may take of the router before it asks for anything: connections, and time until its requests.
//!
//! The HTTP implementation begins to count when it knows the protocol, and a client that says nothing never tells; one that has asked once
//! may keep an HTTP/2 connection for ever by answering pings. So the connection's whole life is watched here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::watch;

/// Connections of each client's address that are open now.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place among those of its address; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    network: IpAddr,
}

impl Seats {
    /// A place, unless this address has `most` already.
    pub(super) fn take(&self, address: IpAddr, most: usize) -> Option<Seat> {
        let network = network(address);
        let mut open = self.lock();
        let count = open.entry(network).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Seat {
            seats: self.clone(),
            network,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.seats.lock();
        if let Some(count) = open.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

/// Whoever has one address of IPv6 has its whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into()),
        address @ IpAddr::V4(_) => address,
    }
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It has not sent a whole head of a request in time.
    First,
    /// Nothing was asked for in a while.
    Idle,
}

/// How many requests of one connection are under way.
#[derive(Debug, Clone)]
pub(super) struct Activity(watch::Sender<usize>);

/// One request under way, until its answer has been sent.
#[derive(Debug)]
pub(super) struct UnderWay(watch::Sender<usize>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// A request has come.
    pub(super) fn begin(&self) -> UnderWay {
        self.0.send_modify(|count| *count += 1);
        UnderWay(self.0.clone())
    }

    /// Waits until the first request is overdue, or a later one.
    pub(super) async fn overdue(&self, first: Duration, idle: Duration) -> Overdue {
        let mut count = self.0.subscribe();
        let (mut patience, mut overdue) = (first, Overdue::First);
        loop {
            let asked = count.wait_for(|count| *count > 0);
            // The sender is ours, so it does not end.
            if tokio::time::timeout(patience, asked).await.is_err() {
                return overdue;
            }
            let _answered = count.wait_for(|count| *count == 0).await;
            (patience, overdue) = (idle, Overdue::Idle);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Keeps something until the answer has been sent; size and end of the body stay known.
pub(super) fn hold<T: Send + Unpin + 'static>(response: Response, held: T) -> Response {
    response.map(|body| Body::new(Holding { body, _held: held }))
}

struct Holding<T> {
    body: Body,
    _held: T,
}

impl<T: Unpin> HttpBody for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_gets_them_back() {
        let seats = Seats::default();
        let take = |address: &str| seats.take(address.parse().unwrap(), 2);
        let (first, _second) = (take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap());
        assert!(take("2001:db8::3").is_none(), "the same network");
        let _other = take("2001:db8:0:1::1").unwrap();
        let (_four, _mapped) = (take("10.0.0.1").unwrap(), take("::ffff:10.0.0.1").unwrap());
        assert!(take("10.0.0.1").is_none());
        drop(first);
        assert!(take("2001:db8::3").is_some());
        assert_eq!(seats.lock().len(), 3);
    }

    #[tokio::test]
    async fn a_connection_is_overdue_only_while_nothing_is_under_way() {
        let (first, idle) = (Duration::from_millis(40), Duration::from_millis(80));
        let activity = Activity::new();
        let started = tokio::time::Instant::now();
        assert_eq!(activity.overdue(first, idle).await, Overdue::First);
        assert!(started.elapsed() >= first);

        let overdue = activity.overdue(first, idle);
        let work = async {
            let stream = activity.begin();
            tokio::time::sleep(idle * 2).await;
            let second = activity.begin();
            drop(stream);
            tokio::time::sleep(idle * 2).await;
            drop(second);
            tokio::time::Instant::now()
        };
        let (overdue, ended) = tokio::join!(overdue, work);
        assert_eq!(overdue, Overdue::Idle);
        assert!(ended.elapsed() >= idle);
    }
}
