//! A request that can be sent once more: its body is given back when nobody has read of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http::Request;
use http::request::Parts;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// A hand on a request that was sent.
pub(super) struct Returnable {
    parts: Parts,
    body: Slot,
}

/// Where a body lies until its first piece is read.
#[derive(Clone)]
struct Slot(Arc<Mutex<Option<Body>>>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<Body>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The request to be sent, and the hand on it.
pub(super) fn lend(request: Request<Body>) -> (Request<Body>, Returnable) {
    let (parts, body) = request.into_parts();
    let body = Slot(Arc::new(Mutex::new(Some(body))));
    let sent = Body::new(Lent {
        slot: body.clone(),
        begun: None,
    });
    let returnable = Returnable {
        parts: parts.clone(),
        body,
    };
    (Request::from_parts(parts, sent), returnable)
}

impl Returnable {
    /// The whole request, unless a part of its body was read. Ask when it is no longer being sent.
    pub(super) fn take_back(self) -> Option<Request<Body>> {
        let body = self.body.lock().take()?;
        Some(Request::from_parts(self.parts, body))
    }
}

/// The body as the connection has it.
struct Lent {
    slot: Slot,
    begun: Option<Body>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.begun.is_none() {
            let body = self.slot.lock().take();
            self.begun = body;
        }
        match self.begun.as_mut() {
            Some(body) => Pin::new(body).poll_frame(context),
            // It was taken back.
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.begun {
            Some(body) => body.is_end_stream(),
            None => self
                .slot
                .lock()
                .as_ref()
                .is_none_or(HttpBody::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.begun {
            Some(body) => HttpBody::size_hint(body),
            None => self
                .slot
                .lock()
                .as_ref()
                .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn request(body: Body) -> Request<Body> {
        Request::post("/tickets?x=1")
            .header("x-of", "a client")
            .body(body)
            .unwrap()
    }

    #[tokio::test]
    async fn a_request_that_nobody_read_comes_back_whole_and_again() {
        let mut request = request(Body::from("text"));
        for _attempt in 0..3 {
            let (sent, returnable) = lend(request);
            assert_eq!(HttpBody::size_hint(sent.body()).exact(), Some(4));
            drop(sent);
            request = returnable.take_back().unwrap();
            assert_eq!(request.uri(), "/tickets?x=1");
            assert_eq!(request.headers()["x-of"], "a client");
        }
        let (sent, returnable) = lend(request);
        assert_eq!(sent.into_body().collect().await.unwrap().to_bytes(), "text");
        assert!(returnable.take_back().is_none());
    }

    #[tokio::test]
    async fn a_body_that_was_begun_is_not_sent_again() {
        let pieces = ["one", "two"].map(Ok::<_, std::convert::Infallible>);
        let (sent, returnable) = lend(request(Body::from_stream(futures_util::stream::iter(
            pieces,
        ))));
        let mut body = sent.into_body();
        body.frame().await.unwrap().unwrap();
        assert!(returnable.take_back().is_none());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "two");
    }

    #[test]
    fn no_body_stays_no_body() {
        let (sent, returnable) = lend(request(Body::empty()));
        assert!(sent.body().is_end_stream());
        assert!(returnable.take_back().unwrap().body().is_end_stream());
    }
}
