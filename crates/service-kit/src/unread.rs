//! What a refused request has not sent yet.
//!
//! A server that answers before it has read the body and then closes the connection makes the kernel reset it: the client, still
//! writing, loses the answer and sees a broken connection instead of the reason. So the rest is read first, within bounds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderMap, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;

/// More than this is not read for the sake of an answer; whoever sends more finds the connection closed.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Who sends more slowly than this does not get to read the answer.
const MOST_TIME: Duration = Duration::from_secs(2);

/// A request's body, kept beside the one that the handler reads.
#[derive(Debug)]
pub struct Unread(Option<Arc<Mutex<Body>>>);

/// Gives a body to the handler and keeps a hand on it.
pub fn lend(body: Body, headers: &HeaderMap) -> (Body, Unread) {
    // Who waits for `100 Continue` has sent nothing yet, and reading would ask for it.
    if body.is_end_stream() || headers.contains_key(header::EXPECT) {
        return (body, Unread(None));
    }
    let shared = Arc::new(Mutex::new(body));
    (Body::new(Lent(Arc::clone(&shared))), Unread(Some(shared)))
}

impl Unread {
    /// Reads and drops the rest. Call it when nobody reads the body any more: once the request is refused.
    pub async fn drain(self) {
        let Some(body) = self.0 else {
            return;
        };
        let mut body = Lent(body);
        let reading = async {
            let mut left = MOST_BYTES;
            while let Some(Ok(frame)) = body.frame().await {
                let read = frame.data_ref().map_or(0, Bytes::len);
                match left.checked_sub(read) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        };
        // Either way the answer follows.
        let _in_time = tokio::time::timeout(MOST_TIME, reading).await;
    }
}

/// The body as the handler has it.
struct Lent(Arc<Mutex<Body>>);

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        HttpBody::size_hint(&*body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_handler_left_is_read_to_the_end() {
        let (body, unread) = lend(Body::from(vec![b'x'; 1024]), &HeaderMap::new());
        let kept = Arc::clone(unread.0.as_ref().unwrap());
        drop(body);
        unread.drain().await;
        assert!(kept.lock().unwrap().is_end_stream());
    }

    #[tokio::test]
    async fn an_endless_body_is_left_alone_at_the_limit() {
        let pieces = futures_util::stream::repeat_with(|| {
            Ok::<_, std::convert::Infallible>(Bytes::from(vec![0; 1024 * 1024]))
        });
        let (_body, unread) = lend(Body::from_stream(pieces), &HeaderMap::new());
        unread.drain().await;
    }

    #[test]
    fn nobody_is_asked_for_a_body_that_waits_for_a_go() {
        let headers = HeaderMap::from_iter([(header::EXPECT, "100-continue".parse().unwrap())]);
        let (_, unread) = lend(Body::from("x"), &headers);
        assert!(unread.0.is_none());
    }
}
