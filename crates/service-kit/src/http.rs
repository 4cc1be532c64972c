//! Serving HTTP: the middleware stack that every service has, and a server that stops gracefully.

use std::any::Any;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use tracing::Instrument as _;

use crate::{Problem, Tasks, request_id, telemetry, unread};

/// How long an answer may take to begin. Bodies (watch streams, exports) may take longer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest request body unless a route says otherwise.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// Largest body where a form or a call of a few fields is expected: so much of anybody's is read whole before it is known who it is.
pub const FORM_LIMIT: usize = 64 * 1024;

/// The middleware of every service, outermost first: request id, trace, rest of refused bodies, panic, timeout, body limit.
pub fn with_middleware(router: Router) -> Router {
    router.fallback(no_such_route).layer(
        ServiceBuilder::new()
            .layer(middleware::from_fn(identify_and_trace))
            .layer(middleware::from_fn(read_what_is_refused))
            .layer(CatchPanicLayer::custom(answer_to_panic))
            .layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                REQUEST_TIMEOUT,
            ))
            .layer(DefaultBodyLimit::max(BODY_LIMIT)),
    )
}

async fn no_such_route(request: Request) -> Problem {
    Problem::not_found(format!(
        "No page and no call has the path {}.",
        request.uri().path()
    ))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that CatchPanicLayer asks for"
)]
fn answer_to_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("not a text");
    tracing::error!(panic = text, "a handler panicked");
    Problem::internal().into_response()
}

async fn identify_and_trace(request: Request, next: Next) -> Response {
    let id = request_id::accept_or_make(request.headers().get(&request_id::HEADER));
    // The pattern, not the path: paths are unbounded and may hold what does not belong into a metric.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request",
        http.method = %method,
        http.route = %route,
        http.status = tracing::field::Empty,
        request.id = %id,
    );
    telemetry::continue_trace(&span, request.headers());
    let started = Instant::now();
    let mut response = request_id::scope(id.clone(), next.run(request))
        .instrument(span.clone())
        .await;
    let status = response.status();
    span.record("http.status", status.as_u16());
    metrics::histogram!(
        "http_request_duration_seconds",
        "method" => method.to_string(),
        "route" => route,
        "status" => status.as_str().to_owned(),
    )
    .record(started.elapsed().as_secs_f64());
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(request_id::HEADER, value);
    }
    response
}

/// Lets a client that is still sending get to the answer that refuses its request.
async fn read_what_is_refused(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (body, unread) = unread::lend(body, &parts.headers);
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        unread.drain().await;
    }
    response
}

/// Binds `address`; the error says what to do when it is taken.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    use anyhow::Context as _;
    TcpListener::bind(address).await.with_context(|| {
        format!("listening on {address}: is another process using it? choose another with --listen")
    })
}

/// Serves `router` until the shutdown begins; then finishes what is under way.
pub fn serve(tasks: &Tasks, name: &'static str, listener: TcpListener, router: Router) {
    use anyhow::Context as _;
    use axum::serve::ListenerExt as _;
    let stopping = tasks.stopping();
    tasks.spawn_service(name, async move {
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
        });
        axum::serve(
            listener,
            router.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .with_graceful_shutdown(stopping.cancelled_owned())
        .await
        .context("serving HTTP")
    });
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::{get, post};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::extract::Json;

    fn app() -> Router {
        with_middleware(
            Router::new()
                .route("/panic", get(|| async { panic!("on purpose") as () }))
                .route(
                    "/echo",
                    post(|Json(value): Json<serde_json::Value>| async { Json(value) }),
                ),
        )
    }

    async fn call(
        request: http::Request<Body>,
    ) -> (StatusCode, http::HeaderMap, serde_json::Value) {
        let response = app().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (
            parts.status,
            parts.headers,
            serde_json::from_slice(&bytes).unwrap_or_default(),
        )
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_and_not_a_closed_connection() {
        let request = http::Request::get("/panic")
            .header("x-request-id", "req-00000001")
            .body(Body::empty())
            .unwrap();
        let (status, headers, body) = call(request).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["x-request-id"], "req-00000001");
        assert_eq!(body["request_id"], "req-00000001");
        assert!(!body.to_string().contains("on purpose"));
    }

    #[tokio::test]
    async fn bad_json_wrong_type_and_unknown_path_are_problems() {
        for (request, status, code) in [
            (
                http::Request::post("/echo")
                    .header("content-type", "application/json")
                    .body(Body::from("{")),
                400,
                "bad_request",
            ),
            (
                http::Request::post("/echo").body(Body::from("{}")),
                415,
                "unsupported_media_type",
            ),
            (
                http::Request::get("/nope").body(Body::empty()),
                404,
                "not_found",
            ),
        ] {
            let (got, headers, body) = call(request.unwrap()).await;
            assert_eq!(got.as_u16(), status);
            assert_eq!(headers["content-type"], "application/problem+json");
            assert_eq!(body["code"], code);
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_413() {
        let request = http::Request::post("/echo")
            .header("content-type", "application/json")
            .body(Body::from(vec![b' '; BODY_LIMIT + 1]))
            .unwrap();
        let (status, _, body) = call(request).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(body["code"], "payload_too_large");
    }

    /// Many times, for it is a race between the answer and the reset of a connection with unread data.
    #[tokio::test]
    async fn the_answer_to_a_large_body_arrives_over_a_real_connection() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let tasks = Tasks::new();
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        serve(&tasks, "server", listener, app());
        let body = vec![b' '; 3 * 1024 * 1024];
        for _ in 0..20 {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let head = format!(
                "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        }
        tasks.stop();
    }
}
