//! The router between a real client and real servers on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, Sse};
use axum::routing::{any, get, post};
use domain::id::TenantId;
use domain::name::TenantSlug;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode};
use reqwest::Client;
use service_kit::client_address::TrustedProxies;
use service_kit::{Problem, Tasks};
use tokio::sync::watch;

use super::{Proxy, Route, RouteTarget, RouterConfig, RoutingTable};

struct Stage {
    address: SocketAddr,
    table: watch::Sender<Arc<RoutingTable>>,
    client: Client,
    tasks: Tasks,
    /// Of the console.
    console: Tasks,
    sleepers: Arc<Heard>,
}

/// A server that answers with its name and what it was sent.
async fn upstream(tasks: &Tasks, name: &'static str) -> SocketAddr {
    let router = Router::new()
        .route(
            "/headers",
            get(|headers: HeaderMap| async move {
                let map: std::collections::BTreeMap<String, String> = headers
                    .iter()
                    .map(|(name, value)| {
                        (name.to_string(), value.to_str().unwrap_or("").to_owned())
                    })
                    .collect();
                axum::Json(map)
            }),
        )
        .route("/echo", post(|body: Body| async move { body }))
        .route(
            "/sse",
            get(|| async {
                let events = futures_util::stream::iter(["one", "two"])
                    .map(|text| Ok::<_, std::convert::Infallible>(Event::default().data(text)))
                    .chain(futures_util::stream::pending());
                Sse::new(events)
            }),
        )
        .route(
            "/socket",
            any(|upgrade: WebSocketUpgrade| async {
                upgrade.on_upgrade(|mut socket| async move {
                    while let Some(Ok(Message::Text(text))) = socket.recv().await {
                        socket
                            .send(Message::Text(format!("echo {text}").into()))
                            .await
                            .unwrap();
                    }
                })
            }),
        )
        .fallback(move || async move { name });
    let listener = service_kit::http::bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    service_kit::http::serve(tasks, "upstream", listener, router);
    address
}

fn route(slug: &str, target: RouteTarget) -> (String, Route) {
    (
        format!("{slug}.localhost"),
        Route {
            tenant: TenantId::generate(),
            slug: slug.parse().unwrap(),
            target,
            sleeps_after: None,
        },
    )
}

/// What the router said of tenants that sleep.
#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<&'static str>>);

impl Heard {
    fn heard(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

impl super::Sleepers for Heard {
    fn wake(&self, _: TenantId, _: &TenantSlug) {
        self.0.lock().unwrap().push("wake");
    }

    fn used(&self, _: TenantId, _: &TenantSlug, idle_after: Duration) {
        assert_eq!(idle_after, Duration::from_mins(30));
        self.0.lock().unwrap().push("used");
    }
}

async fn stage(routes: Vec<(String, Route)>) -> Stage {
    stage_holding(routes, Duration::from_secs(30)).await
}

/// With another bound for how long requests are held.
async fn stage_holding(routes: Vec<(String, Route)>, hold: Duration) -> Stage {
    stage_limited(routes, hold, super::lanes::DEFAULT_REQUESTS_PER_SECOND).await
}

/// With another bound for how many requests a tenant gets.
async fn stage_limited(
    routes: Vec<(String, Route)>,
    hold: Duration,
    requests_per_second: std::num::NonZeroU32,
) -> Stage {
    let tasks = Tasks::new();
    let console_tasks = Tasks::new();
    let console = upstream(&console_tasks, "console").await;
    let (sender, receiver) = watch::channel(Arc::new(RoutingTable::new(routes)));
    let config = RouterConfig {
        base_domain: "localhost".to_owned(),
        console: console.to_string().parse().unwrap(),
        secure: false,
        trusted_proxies: TrustedProxies::new(vec!["127.0.0.2".parse().unwrap()]),
        requests_per_second,
    };
    let render: super::RenderPage = Arc::new(|problem: &Problem| {
        let mut response = problem.clone().into_response();
        response
            .headers_mut()
            .insert("x-page", http::HeaderValue::from_static("yes"));
        response
    });
    let sleepers = Arc::new(Heard::default());
    let proxy = Proxy::new(config, receiver, render, tasks.clone())
        .with_sleepers(Arc::clone(&sleepers) as _)
        .holding(hold);
    let listener = service_kit::http::bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    super::serve(&tasks, listener, Arc::new(proxy));
    service_kit::telemetry::install_tls_provider();
    let client = Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    Stage {
        address,
        table: sender,
        client,
        tasks,
        console: console_tasks,
        sleepers,
    }
}

impl Stage {
    fn request(&self, method: http::Method, host: &str, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
            .header("host", host)
    }

    async fn get(&self, host: &str, path: &str) -> reqwest::Response {
        self.request(http::Method::GET, host, path)
            .send()
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn each_host_gets_its_own_server_and_others_the_console() {
    let tasks = Tasks::new();
    let (acme, beta) = (
        upstream(&tasks, "acme").await,
        upstream(&tasks, "beta").await,
    );
    let stage = stage(vec![
        route("acme", RouteTarget::Serving(vec![acme])),
        route("beta", RouteTarget::Serving(vec![beta])),
    ])
    .await;
    for (host, expected) in [
        ("acme.localhost", "acme"),
        ("ACME.localhost:8080", "acme"),
        ("beta.localhost.", "beta"),
        ("localhost", "console"),
        ("127.0.0.1:8080", "console"),
        ("help.example.com", "console"),
    ] {
        assert_eq!(
            stage.get(host, "/").await.text().await.unwrap(),
            expected,
            "{host}"
        );
    }
}

#[tokio::test]
async fn tenants_that_do_not_serve_have_their_own_status_and_code() {
    let stage = stage(vec![
        route("starting", RouteTarget::Starting),
        route("suspended", RouteTarget::Suspended),
        route("deleting", RouteTarget::Deleting),
        route("failed", RouteTarget::Failed("secret reason".to_owned())),
    ])
    .await;
    for (host, status, code) in [
        ("unknown.localhost", StatusCode::NOT_FOUND, "unknown_tenant"),
        (
            "starting.localhost",
            StatusCode::SERVICE_UNAVAILABLE,
            "tenant_starting",
        ),
        (
            "suspended.localhost",
            StatusCode::PAYMENT_REQUIRED,
            "tenant_suspended",
        ),
        ("deleting.localhost", StatusCode::GONE, "tenant_deleting"),
        (
            "failed.localhost",
            StatusCode::SERVICE_UNAVAILABLE,
            "tenant_failed",
        ),
    ] {
        let answer = stage.get(host, "/").await;
        assert_eq!(answer.status(), status, "{host}");
        assert_eq!(
            answer.headers().contains_key("retry-after"),
            !matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE),
            "{host}"
        );
        let text = answer.text().await.unwrap();
        assert!(
            text.contains(code) && !text.contains("secret reason"),
            "{host}: {text}"
        );
        let page = stage
            .request(http::Method::GET, host, "/")
            .header("accept", "text/html")
            .send()
            .await
            .unwrap();
        assert_eq!(
            (page.status(), page.headers()["x-page"].to_str().unwrap()),
            (status, "yes")
        );
    }
}

#[tokio::test]
async fn a_page_of_the_router_has_its_style_sheet() {
    let acme = upstream(&Tasks::new(), "acme").await;
    let stage = stage(vec![
        route("acme", RouteTarget::Serving(vec![acme])),
        route("slow", RouteTarget::Starting),
    ])
    .await;
    let path = service_kit::pages::asset_path("app.css").unwrap();
    for host in ["nobody.localhost", "slow.localhost"] {
        let answer = stage.get(host, path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{host}");
        assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
    }
    // A tenant that serves brings its own, of its own version.
    let own = stage.get("acme.localhost", path).await;
    assert!(!own.headers().contains_key("etag"));
}

#[tokio::test]
async fn a_console_that_is_away_is_no_helpdesk_that_starts() {
    let stage = stage(Vec::new()).await;
    stage.console.shut_down(Duration::from_secs(5)).await;
    let answer = stage.get("localhost", "/").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "5");
    let text = answer.text().await.unwrap();
    assert!(text.contains("console_unavailable"), "{text}");
}

#[tokio::test]
async fn forged_and_hop_by_hop_headers_do_not_pass() {
    let tasks = Tasks::new();
    let acme = upstream(&tasks, "acme").await;
    let stage = stage(vec![route("acme", RouteTarget::Serving(vec![acme]))]).await;
    let seen: std::collections::BTreeMap<String, String> = stage
        .request(http::Method::GET, "acme.localhost:8080", "/headers")
        .header("x-forwarded-for", "10.1.1.1")
        .header("x-forwarded-host", "evil.example")
        .header("x-gotrs-tenant", "beta")
        .header("connection", "x-drop-me")
        .header("x-drop-me", "1")
        .header("x-request-id", "kept-request-id")
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["x-forwarded-host"], "acme.localhost:8080");
    assert_eq!(seen["x-forwarded-proto"], "http");
    assert_eq!(seen["host"], "acme.localhost:8080");
    assert_eq!(seen["x-request-id"], "kept-request-id");
    assert!(!seen.contains_key("x-gotrs-tenant") && !seen.contains_key("x-drop-me"));
}

#[tokio::test]
async fn a_load_balancer_in_front_speaks_for_its_clients() {
    let tasks = Tasks::new();
    let acme = upstream(&tasks, "acme").await;
    let mut stage = stage(vec![route("acme", RouteTarget::Serving(vec![acme]))]).await;
    let balancer = std::net::IpAddr::from([127, 0, 0, 2]);
    stage.client = Client::builder().local_address(balancer).build().unwrap();
    let seen: std::collections::BTreeMap<String, String> = stage
        .request(http::Method::GET, "acme.localhost", "/headers")
        // The first was claimed by the client.
        .header("x-forwarded-for", "10.1.1.1, 203.0.113.9")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(seen["x-forwarded-for"], "203.0.113.9");
}

#[tokio::test]
async fn bodies_and_server_sent_events_are_streamed() {
    let tasks = Tasks::new();
    let acme = upstream(&tasks, "acme").await;
    let stage = stage(vec![route("acme", RouteTarget::Serving(vec![acme]))]).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let request = stage
        .request(http::Method::POST, "acme.localhost", "/echo")
        .body(body)
        .send();
    sender.send(Ok(Bytes::from_static(b"first"))).await.unwrap();
    let mut answer = request.await.unwrap();
    assert_eq!(
        answer.chunk().await.unwrap().unwrap(),
        "first",
        "answered before the request has ended"
    );
    sender
        .send(Ok(Bytes::from_static(b"second")))
        .await
        .unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "second");

    let mut events = stage.get("acme.localhost", "/sse").await;
    let mut text = String::new();
    while !text.contains("two") {
        text.push_str(std::str::from_utf8(&events.chunk().await.unwrap().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn a_web_socket_passes_in_both_directions() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let tasks = Tasks::new();
    let acme = upstream(&tasks, "acme").await;
    let stage = stage(vec![route("acme", RouteTarget::Serving(vec![acme]))]).await;
    let mut request = format!("ws://{}/socket", stage.address)
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("host", http::HeaderValue::from_static("acme.localhost"));
    let stream = tokio::net::TcpStream::connect(stage.address).await.unwrap();
    let (mut socket, answer) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    socket.send("hello".into()).await.unwrap();
    assert_eq!(
        socket
            .next()
            .await
            .unwrap()
            .unwrap()
            .into_text()
            .unwrap()
            .as_str(),
        "echo hello"
    );
}

#[tokio::test]
async fn a_new_table_takes_effect_without_dropping_a_request() {
    let tasks = Tasks::new();
    let (old, new) = (upstream(&tasks, "old").await, upstream(&tasks, "new").await);
    let (host, first) = route("acme", RouteTarget::Serving(vec![old]));
    let stage = stage(vec![(host.clone(), first.clone())]).await;
    for turn in 0..200 {
        if turn % 20 == 10 {
            let address = if turn % 40 == 10 { new } else { old };
            let route = Route {
                target: RouteTarget::Serving(vec![address]),
                ..first.clone()
            };
            stage
                .table
                .send_replace(Arc::new(RoutingTable::new([(host.clone(), route)])));
        }
        assert_eq!(
            stage.get("acme.localhost", "/").await.status(),
            StatusCode::OK,
            "turn {turn}"
        );
    }
}

#[tokio::test]
async fn an_address_that_refuses_is_replaced_by_the_next_table() {
    let tasks = Tasks::new();
    let gone = nobody();
    let alive = upstream(&tasks, "alive").await;
    let (host, first) = route("acme", RouteTarget::Serving(vec![gone]));
    let stage = stage(vec![(host.clone(), first.clone())]).await;
    let table = stage.table.clone();
    stage.tasks.spawn("repair", async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let route = Route {
            target: RouteTarget::Serving(vec![alive]),
            ..first
        };
        table.send_replace(Arc::new(RoutingTable::new([(host, route)])));
    });
    assert_eq!(
        stage.get("acme.localhost", "/").await.text().await.unwrap(),
        "alive"
    );

    let (host, dead) = route("dead", RouteTarget::Serving(vec![gone]));
    stage
        .table
        .send_replace(Arc::new(RoutingTable::new([(host, dead)])));
    assert_eq!(
        stage.get("dead.localhost", "/").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_request_for_a_tenant_that_is_being_woken_is_held_too() {
    let tasks = Tasks::new();
    let woken = upstream(&tasks, "woken").await;
    let (host, mut waking) = route("acme", RouteTarget::Starting);
    waking.sleeps_after = Some(Duration::from_mins(30));
    let stage = stage(vec![(host.clone(), waking.clone())]).await;
    let table = stage.table.clone();
    stage.tasks.spawn("waking", async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let target = RouteTarget::Serving(vec![woken]);
        let routes = [(host, Route { target, ..waking })];
        table.send_replace(Arc::new(RoutingTable::new(routes)));
    });
    let response = stage.get("acme.localhost", "/agent").await;
    assert!(response.headers().contains_key("gotrs-cold-start"));
    assert_eq!(response.text().await.unwrap(), "woken");
    // Somebody else has woken it.
    assert_eq!(stage.sleepers.heard(), ["used"]);
}

#[tokio::test]
async fn a_request_for_a_tenant_that_sleeps_wakes_it_and_is_held() {
    let tasks = Tasks::new();
    let woken = upstream(&tasks, "woken").await;
    let (host, mut asleep) = route("acme", RouteTarget::Asleep);
    asleep.sleeps_after = Some(Duration::from_mins(30));
    let stage = stage(vec![(host.clone(), asleep.clone())]).await;

    // A robot wakes nobody and is not held.
    let robot = stage.get("acme.localhost", "/robots.txt").await;
    assert_eq!(robot.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stage.sleepers.heard(), [""; 0]);

    let table = stage.table.clone();
    let sleepers = Arc::clone(&stage.sleepers);
    stage.tasks.spawn("waking", async move {
        while sleepers.heard().len() < 6 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let at = |target| Route {
            target,
            ..asleep.clone()
        };
        for target in [RouteTarget::Starting, RouteTarget::Serving(vec![woken])] {
            let routes = [(host.clone(), at(target))];
            table.send_replace(Arc::new(RoutingTable::new(routes)));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let requests = (0..3).map(|_| stage.get("acme.localhost", "/agent"));
    for response in futures_util::future::join_all(requests).await {
        let held: u64 = response.headers()["gotrs-cold-start"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(held >= 50, "{held}");
        assert_eq!(response.text().await.unwrap(), "woken");
    }
    let response = stage.get("acme.localhost", "/agent").await;
    assert!(!response.headers().contains_key("gotrs-cold-start"));
    let mut heard = stage.sleepers.heard();
    heard.sort_unstable();
    assert_eq!(
        heard,
        ["used", "used", "used", "used", "wake", "wake", "wake"]
    );
}

#[tokio::test]
async fn an_open_page_that_listens_neither_wakes_nor_uses_a_tenant() {
    let tasks = Tasks::new();
    let acme = upstream(&tasks, "acme").await;
    let (host, route) = sleeper(acme);
    let asleep = Route {
        target: RouteTarget::Asleep,
        ..route.clone()
    };
    let stage = stage(vec![(host.clone(), asleep)]).await;
    let listen = || {
        stage
            .request(http::Method::GET, "acme.localhost", "/sse")
            .header("accept", "text/event-stream")
            .send()
    };
    // The stream has ended with the tenant's going to sleep, and the page asks for it again.
    let answer = listen().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().await.unwrap().contains("tenant_starting"));
    assert_eq!(stage.sleepers.heard(), [""; 0]);
    // Somebody has woken it: the page hears of what happens again.
    let routes = [(host, route)];
    stage
        .table
        .send_replace(Arc::new(RoutingTable::new(routes)));
    let mut events = listen().await.unwrap();
    assert_eq!(events.status(), StatusCode::OK);
    assert!(events.chunk().await.unwrap().is_some());
    assert_eq!(stage.sleepers.heard(), [""; 0]);
    // A click.
    stage.get("acme.localhost", "/agent").await;
    assert_eq!(stage.sleepers.heard(), ["used"]);
}

#[tokio::test]
async fn more_requests_than_a_tenant_may_get_are_refused_and_others_are_served() {
    let tasks = Tasks::new();
    let (acme, beta) = (
        upstream(&tasks, "acme").await,
        upstream(&tasks, "beta").await,
    );
    let (host, route) = sleeper(acme);
    let routes = vec![
        (host, route),
        self::route("beta", RouteTarget::Serving(vec![beta])),
    ];
    let stage = stage_limited(routes, Duration::from_secs(30), 1.try_into().unwrap()).await;
    let mut last = None;
    for _ in 0..3 {
        last = Some(stage.get("acme.localhost", "/agent").await);
    }
    let refused = last.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.text().await.unwrap().contains("rate_limited"));
    // What is refused is no use of the tenant.
    assert_eq!(stage.sleepers.heard(), ["used", "used"]);
    for host in ["beta.localhost", "localhost"] {
        assert_eq!(
            stage.get(host, "/").await.status(),
            StatusCode::OK,
            "{host}"
        );
    }
}

/// An address where nobody listens: what is left of a runtime that has gone.
fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A runtime that is killed: it reads a request, breaks the connection and listens no more. Counts the requests.
async fn dying(tasks: &Tasks) -> (SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    use tokio::io::AsyncReadExt as _;
    let listener = service_kit::http::bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    tasks.spawn("dying", {
        let read = Arc::clone(&read);
        async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    (address, read)
}

/// A tenant that sleeps when nobody uses it, and served at `address` as far as the table knows.
fn sleeper(address: SocketAddr) -> (String, Route) {
    let (host, route) = route("acme", RouteTarget::Serving(vec![address]));
    let sleeps_after = Some(Duration::from_mins(30));
    (
        host,
        Route {
            sleeps_after,
            ..route
        },
    )
}

/// Publishes what a tenant's going to sleep and waking looks like to the router, later than a request is tried for one that does not
/// sleep: its pod is going, nothing runs, and (once it was woken) it is served again.
fn sleep_and_wake(stage: &Stage, host: String, route: Route, woken: SocketAddr) {
    let (table, sleepers) = (stage.table.clone(), Arc::clone(&stage.sleepers));
    stage.tasks.spawn("sleep and wake", async move {
        let publish = |target| {
            let target = Route {
                target,
                ..route.clone()
            };
            table.send_replace(Arc::new(RoutingTable::new([(host.clone(), target)])));
        };
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        publish(RouteTarget::Starting);
        tokio::time::sleep(Duration::from_millis(50)).await;
        publish(RouteTarget::Asleep);
        while !sleepers.heard().contains(&"wake") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        publish(RouteTarget::Starting);
        tokio::time::sleep(Duration::from_millis(50)).await;
        publish(RouteTarget::Serving(vec![woken]));
    });
}

#[tokio::test]
async fn a_request_in_the_moment_of_falling_asleep_is_held_until_the_tenant_is_awake_again() {
    let tasks = Tasks::new();
    let woken = upstream(&tasks, "woken").await;
    let (host, route) = sleeper(nobody());
    let stage = stage(vec![(host.clone(), route.clone())]).await;
    sleep_and_wake(&stage, host, route, woken);
    let sent = stage
        .request(http::Method::POST, "acme.localhost", "/echo")
        .body("a ticket")
        .send();
    let (read, sent) = tokio::join!(stage.get("acme.localhost", "/agent"), sent);
    let sent = sent.unwrap();
    for answer in [&read, &sent] {
        assert_eq!(answer.status(), StatusCode::OK);
        let held = answer.headers()["gotrs-cold-start"].to_str().unwrap();
        assert!(held.parse::<u64>().unwrap() >= 1_500, "{held}");
    }
    assert_eq!(read.text().await.unwrap(), "woken");
    // Whole, though it was sent to who was gone first.
    assert_eq!(sent.text().await.unwrap(), "a ticket");
}

#[tokio::test]
async fn a_safe_request_whose_connection_breaks_is_sent_once_more_and_any_other_is_not() {
    let tasks = Tasks::new();
    let woken = upstream(&tasks, "woken").await;
    let (gone, read) = dying(&tasks).await;
    let (host, route) = sleeper(gone);
    let stage = stage(vec![(host.clone(), route.clone())]).await;
    sleep_and_wake(&stage, host.clone(), route.clone(), woken);
    let answer = stage.get("acme.localhost", "/agent").await;
    assert_eq!(answer.text().await.unwrap(), "woken");
    assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 1);

    // It may have been carried out.
    let serve = |address| {
        let target = RouteTarget::Serving(vec![address]);
        let routes = [(
            host.clone(),
            Route {
                target,
                ..route.clone()
            },
        )];
        stage
            .table
            .send_replace(Arc::new(RoutingTable::new(routes)));
    };
    for (method, body) in [
        (http::Method::POST, "a ticket"),
        (http::Method::POST, ""),
        (http::Method::DELETE, ""),
    ] {
        let (gone, read) = dying(&tasks).await;
        serve(gone);
        let answer = stage
            .request(method.clone(), "acme.localhost", "/echo")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{method}");
        assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 1);
    }

    // Who breaks every connection is not asked for ever.
    let tasks = Tasks::new();
    let listener = service_kit::http::bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    serve(listener.local_addr().unwrap());
    let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    tasks.spawn("breaking", {
        let read = Arc::clone(&read);
        async move {
            use tokio::io::AsyncReadExt as _;
            while let Ok((mut stream, _)) = listener.accept().await {
                assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
    });
    let answer = stage.get("acme.localhost", "/agent").await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[tokio::test]
async fn nobody_is_held_for_longer_than_the_router_holds() {
    let (host, route) = sleeper(nobody());
    let stage = stage_holding(
        vec![(host.clone(), route.clone())],
        Duration::from_millis(400),
    )
    .await;
    let started = tokio::time::Instant::now();
    let answer = stage.get("acme.localhost", "/agent").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().await.unwrap().contains("tenant_starting"));
    let asleep = Route {
        target: RouteTarget::Asleep,
        ..route.clone()
    };
    stage
        .table
        .send_replace(Arc::new(RoutingTable::new([(host, asleep)])));
    let answer = stage.get("acme.localhost", "/agent").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let took = started.elapsed();
    assert!(
        (Duration::from_millis(800)..Duration::from_secs(3)).contains(&took),
        "{took:?}"
    );
}

/// A router whose clients have little time.
async fn impatient() -> (SocketAddr, Tasks) {
    let tasks = Tasks::new();
    let acme = upstream(&tasks, "acme").await;
    let routes = [route("acme", RouteTarget::Serving(vec![acme]))];
    let (_, table) = watch::channel(Arc::new(RoutingTable::new(routes)));
    let config = RouterConfig {
        base_domain: "localhost".to_owned(),
        console: acme.to_string().parse().unwrap(),
        secure: false,
        trusted_proxies: TrustedProxies::default(),
        requests_per_second: super::lanes::DEFAULT_REQUESTS_PER_SECOND,
    };
    let render: super::RenderPage = Arc::new(|problem: &Problem| problem.clone().into_response());
    let proxy = Arc::new(Proxy::new(config, table, render, tasks.clone()));
    let listener = service_kit::http::bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let patience = super::server::Patience {
        head: Duration::from_millis(300),
        idle: Duration::from_millis(600),
        per_address: 8,
    };
    super::server::serve_with(&tasks, listener, proxy, patience);
    (address, tasks)
}

#[tokio::test]
async fn whoever_asks_for_nothing_is_not_kept() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (address, _tasks) = impatient().await;
    let connect = async |said: &'static [u8]| {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        stream
    };
    // Nothing; the beginning of what could be either protocol; HTTP/2 without a request, and HTTP/1 without the end of one.
    let silent: [&[u8]; 4] = [
        b"",
        b"PRI * HTT",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"GET / HTTP/1.1\r\nhost: acme",
    ];
    for said in silent {
        let mut stream = connect(said).await;
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(5), ended)
            .await
            .unwrap_or_else(|_kept| panic!("{said:?} is kept"))
            .ok();
    }
    // A stream that somebody listens to is kept for as long as it takes.
    let mut listening =
        connect(b"GET /sse HTTP/1.1\r\nhost: acme.localhost\r\nconnection: close\r\n\r\n").await;
    let mut bytes = [0; 4096];
    let reading = async {
        loop {
            assert!(
                listening.read(&mut bytes).await.unwrap() > 0,
                "it was ended"
            );
        }
    };
    tokio::time::timeout(Duration::from_millis(1_500), reading)
        .await
        .unwrap_err();
    // The answer still says how long it is.
    let mut stream =
        connect(b"GET / HTTP/1.1\r\nhost: none.localhost\r\nconnection: close\r\n\r\n").await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("content-length: "), "{answer}");
}

#[tokio::test]
async fn a_request_without_a_usable_host_is_refused() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let stage = stage(vec![]).await;
    for head in [
        "GET / HTTP/1.1\r\nhost: a.localhost\r\nhost: b.localhost\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a@b.localhost\r\nconnection: close\r\n\r\n",
    ] {
        let mut stream = tokio::net::TcpStream::connect(stage.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer}");
    }
}
