//! One request on its way: which tenant, which runtime, there and back.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use domain::id::TenantId;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, Version, header, uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use service_kit::client_address::TrustedProxies;
use service_kit::{Problem, Tasks, request_id, telemetry, unread};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::hold;
use super::lanes::{Full, Lanes, Place};
use super::sleep::{Sleepers, Sleepless, is_of_a_person};
use super::table::{Route, RouteTarget, RoutingTable};
use super::{headers, host, returnable};

/// How long a connect may take: a runtime is near, and one that does not answer is being replaced.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer may take to begin.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// How often a request that could not be delivered is tried again against a fresh table.
const CONNECT_ATTEMPTS: usize = 3;

/// How long a request for a tenant that sleeps is held; then its sender is told to come back.
const HOLD: Duration = Duration::from_secs(30);

/// A tenant that sleeps on is woken again so often while somebody waits.
const REMIND: Duration = Duration::from_secs(2);

/// How often a held request tries an address that refused, while the table has no other.
const RETRY_HELD: Duration = Duration::from_secs(1);

/// How long the next table is waited for when an address refused.
const RETRY: Duration = Duration::from_millis(300);

/// On the answer to a request that was held: for how many milliseconds.
const COLD_START: HeaderName = HeaderName::from_static("gotrs-cold-start");

/// What the router must know beside its table.
#[derive(Debug, Clone)]
pub struct RouterConfig {
    /// Tenants live below it: `localhost` makes `acme.localhost` a tenant's host.
    pub base_domain: String,
    /// Where hosts that are no tenant's go: a host or address with its port.
    pub console: Authority,
    /// Whether clients reach the router over TLS (ended in front of it).
    pub secure: bool,
    /// What stands in front of the router, whose word about clients is taken.
    pub trusted_proxies: TrustedProxies,
    /// Requests that each tenant may get, here; twice as many may come at once.
    pub requests_per_second: NonZeroU32,
}

/// Makes a page for people of a refusal.
pub type RenderPage = Arc<dyn Fn(&Problem) -> Response + Send + Sync>;

/// Sends requests to where they belong.
pub struct Proxy {
    config: RouterConfig,
    table: watch::Receiver<Arc<RoutingTable>>,
    client: Client<HttpConnector, Body>,
    render_page: RenderPage,
    tasks: Tasks,
    turn: AtomicUsize,
    lanes: Lanes,
    sleepers: Arc<dyn Sleepers>,
    hold: Duration,
}

/// Where a request goes.
enum Destination {
    Console,
    Tenant(Route),
    UnknownTenant,
}

/// A request that could not be delivered.
enum SendError {
    /// Never sent; given back when nothing of its body was lost.
    Unsent(Option<Request<Body>>),
    /// Sent, but no answer came in time.
    Timeout,
    /// The connection broke; given back when it is safe to send it again.
    Broken(Option<Request<Body>>, hyper_util::client::legacy::Error),
}

impl Destination {
    const fn route(&self) -> Option<&Route> {
        match self {
            Self::Tenant(route) => Some(route),
            Self::Console | Self::UnknownTenant => None,
        }
    }
}

/// How long one request has been held, and until when it may be.
struct Hold {
    since: Option<Instant>,
    longest: Duration,
}

impl Hold {
    const fn new(longest: Duration) -> Self {
        Self {
            since: None,
            longest,
        }
    }

    /// Waits until the host's route is another one, or for a turn; `false` when the time is over.
    async fn until_changed(
        &mut self,
        table: &watch::Receiver<Arc<RoutingTable>>,
        host: &str,
        route: &Route,
        turn: Duration,
    ) -> bool {
        let now = Instant::now();
        let end = *self.since.get_or_insert(now) + self.longest;
        if now >= end {
            return false;
        }
        let mut table = table.clone();
        let other = table.wait_for(|table| table.find(host) != Some(route));
        let _changed_or_not = tokio::time::timeout_at(end.min(now + turn), other).await;
        true
    }

    fn lasted(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }
}

impl Proxy {
    /// A router over a published table.
    pub fn new(
        config: RouterConfig,
        table: watch::Receiver<Arc<RoutingTable>>,
        render_page: RenderPage,
        tasks: Tasks,
    ) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_mins(1))
            .pool_max_idle_per_host(64)
            .build(connector);
        Self {
            lanes: Lanes::new(config.requests_per_second),
            config,
            table,
            client,
            render_page,
            tasks,
            turn: AtomicUsize::new(0),
            sleepers: Arc::new(Sleepless),
            hold: HOLD,
        }
    }

    /// Whether many clients come from this address: a proxy that is believed, or something on this machine.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        address.to_canonical().is_loopback() || self.config.trusted_proxies.trusts(address)
    }

    /// The same, where tenants sleep.
    pub fn with_sleepers(self, sleepers: Arc<dyn Sleepers>) -> Self {
        Self { sleepers, ..self }
    }

    #[cfg(test)]
    pub(super) fn holding(self, hold: Duration) -> Self {
        Self { hold, ..self }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>, client: IpAddr) -> Response {
        let id = request_id::accept_or_make(request.headers().get(&request_id::HEADER));
        let span =
            tracing::info_span!("route", request.id = %id, http.status = tracing::field::Empty);
        telemetry::continue_trace(&span, request.headers());
        let wants_page = accepts_html(request.headers());
        let asset = wanted_asset(&request);
        let answer = async {
            let (parts, body) = request.map(Body::new).into_parts();
            let (body, unread) = unread::lend(body, &parts.headers);
            let request = Request::from_parts(parts, body);
            match self.route(request, client, &id).await {
                Ok(response) => response,
                Err(problem) => {
                    unread.drain().await;
                    self.refuse(problem, wants_page, asset)
                }
            }
        };
        let mut response =
            tracing::Instrument::instrument(request_id::scope(id.clone(), answer), span.clone())
                .await;
        span.record("http.status", response.status().as_u16());
        metrics::counter!("router_requests_total", "status" => class(response.status()))
            .increment(1);
        if let Ok(value) = HeaderValue::try_from(id) {
            response.headers_mut().insert(request_id::HEADER, value);
        }
        response
    }

    /// A page for people, a problem for programs. Style sheet and script of such a page come from here too: the tenant that
    /// would serve them cannot be reached.
    fn refuse(
        &self,
        problem: Problem,
        wants_page: bool,
        asset: Option<(String, HeaderMap)>,
    ) -> Response {
        match asset {
            Some((name, headers)) => service_kit::pages::asset(&name, &headers),
            None if wants_page => (self.render_page)(&problem),
            None => problem.into_response(),
        }
    }

    async fn route(
        &self,
        mut request: Request<Body>,
        client: IpAddr,
        id: &str,
    ) -> Result<Response, Problem> {
        let Some(host) = host::requested_host(request.uri(), request.headers()) else {
            return Err(Problem::bad_request(
                "The request names no host, more than one, or something that is none.",
            ));
        };
        let shown_host = shown_host(&request, &host);
        let websocket = headers::wants_websocket(request.method(), request.headers());
        headers::remove_hop_by_hop(request.headers_mut());
        let client = self
            .config
            .trusted_proxies
            .client(client, request.headers());
        headers::describe_client(
            request.headers_mut(),
            client,
            &shown_host,
            self.config.secure,
        );
        if let Ok(value) = HeaderValue::try_from(shown_host) {
            request.headers_mut().insert(header::HOST, value);
        }
        if let Ok(value) = HeaderValue::try_from(id) {
            request.headers_mut().insert(request_id::HEADER, value);
        }
        telemetry::inject_trace(request.headers_mut());
        let client_upgrade = websocket.then(|| hyper::upgrade::on(&mut request));
        if websocket {
            headers::ask_for_websocket(request.headers_mut());
        }
        let place = match self.destination(&host) {
            Destination::Tenant(route) => {
                let place = self.enter_lane(route.tenant)?;
                if let Some(idle_after) = route.sleeps_after
                    && is_of_a_person(request.uri(), request.headers())
                {
                    self.sleepers.used(route.tenant, &route.slug, idle_after);
                }
                Some(place)
            }
            Destination::Console | Destination::UnknownTenant => None,
        };
        let (mut response, held) = self.deliver(&host, request).await?;
        if let Some(held) = held {
            metrics::histogram!("router_cold_start_seconds").record(held.as_secs_f64());
            let milliseconds = u64::try_from(held.as_millis()).unwrap_or(u64::MAX);
            response
                .headers_mut()
                .insert(COLD_START, HeaderValue::from(milliseconds));
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return match client_upgrade {
                Some(client_upgrade) => Ok(self.join(client_upgrade, response, place)),
                None => Err(bad_gateway(
                    "The server changed the protocol without being asked.",
                )),
            };
        }
        headers::remove_hop_by_hop(response.headers_mut());
        // Its place is taken until the body has been streamed.
        Ok(hold(response, place))
    }

    /// Tries until the request is delivered, and says how long it was held for a tenant that sleeps.
    ///
    /// A runtime that has just been replaced is found in the next table. Of a tenant that sleeps there may be none for a while: it
    /// sleeps, is being woken by somebody's request, or has fallen asleep just now, which the table learns later than whoever
    /// calls it. Its requests wait for it, within a bound, and the places of a lane bound how many wait.
    ///
    /// What is sent again has never reached a runtime, or asks for nothing but to be answered (a safe method).
    async fn deliver(
        &self,
        host: &str,
        mut request: Request<Body>,
    ) -> Result<(Response, Option<Duration>), Problem> {
        let may_wait = is_of_a_person(request.uri(), request.headers());
        let mut hold = Hold::new(self.hold);
        let mut attempts = 0_usize;
        let mut was_broken = false;
        loop {
            let destination = self.destination(host);
            let (address, absent): (String, fn() -> Problem) = match &destination {
                Destination::Console => (self.config.console.to_string(), console_unavailable),
                Destination::UnknownTenant => return Err(unknown_tenant(host)),
                Destination::Tenant(route) => {
                    if may_wait && route.is_to_be_waited_for() {
                        if matches!(route.target, RouteTarget::Asleep) {
                            // Again at each turn: what was told before may not have been heard.
                            self.sleepers.wake(route.tenant, &route.slug);
                        }
                        if !hold.until_changed(&self.table, host, route, REMIND).await {
                            return Err(starting());
                        }
                        continue;
                    }
                    (self.choose(route)?.to_string(), starting)
                }
            };
            let (again, failure) = match self.send(&address, request).await {
                Ok(response) => return Ok((response, hold.lasted())),
                Err(SendError::Unsent(again)) => {
                    attempts += 1;
                    let goes_on = match &destination {
                        Destination::Tenant(route) if may_wait && route.sleeps_after.is_some() => {
                            hold.until_changed(&self.table, host, route, RETRY_HELD)
                                .await
                        }
                        _ if attempts < CONNECT_ATTEMPTS => {
                            // An address that refuses is stale: wait for the next table, but not for long.
                            let mut table = self.table.clone();
                            let tried = destination.route();
                            let other = table.wait_for(|table| table.find(host) != tried);
                            let _changed_or_not = tokio::time::timeout(RETRY, other).await;
                            true
                        }
                        _ => false,
                    };
                    let again = again.filter(|_| goes_on);
                    if again.is_none() {
                        metrics::counter!("router_connect_failures_total").increment(1);
                    }
                    (again, absent())
                }
                Err(SendError::Broken(again, error)) => {
                    tracing::warn!(error = %service_kit::Chain(&error), %address, "a runtime broke the connection");
                    let is_first = !std::mem::replace(&mut was_broken, true);
                    (again.filter(|_| is_first), broken())
                }
                Err(SendError::Timeout) => {
                    return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "The server took too long")
                        .with_detail("The request may or may not have been carried out. Look before you repeat it."));
                }
            };
            request = again.ok_or(failure)?;
        }
    }

    fn destination(&self, host: &str) -> Destination {
        if let Some(route) = self.table.borrow().find(host) {
            return Destination::Tenant(route.clone());
        }
        let below_base = host
            .strip_suffix(self.config.base_domain.as_str())
            .and_then(|rest| rest.strip_suffix('.'))
            .is_some_and(|label| !label.is_empty());
        if below_base {
            Destination::UnknownTenant
        } else {
            Destination::Console
        }
    }

    fn choose(&self, route: &Route) -> Result<SocketAddr, Problem> {
        match &route.target {
            RouteTarget::Serving(addresses) => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                let index = turn.checked_rem(addresses.len()).unwrap_or(0);
                addresses.get(index).copied().ok_or_else(starting)
            }
            RouteTarget::Starting | RouteTarget::Asleep => Err(starting()),
            RouteTarget::Suspended => Err(Problem::new(
                StatusCode::PAYMENT_REQUIRED,
                "tenant_suspended",
                "This helpdesk is suspended",
            )
            .with_detail("Its data is kept. Its owner can resume it in the console.")
            .with_retry_after(Duration::from_hours(1))),
            RouteTarget::Deleting => Err(Problem::new(
                StatusCode::GONE,
                "tenant_deleting",
                "This helpdesk is being deleted",
            )
            .with_detail("Whoever runs it can say whether its data is kept.")),
            RouteTarget::Failed(reason) => {
                tracing::warn!(tenant.slug = %route.slug, reason, "request for a tenant that failed");
                Err(Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "tenant_failed",
                    "This helpdesk cannot be served right now",
                )
                .with_detail(
                    "It is being tried again by itself. Its owner sees the reason in the console.",
                )
                .with_retry_after(Duration::from_secs(30)))
            }
        }
    }

    fn enter_lane(&self, tenant: TenantId) -> Result<Place, Problem> {
        let hosts = self.table.borrow().len();
        self.lanes
            .enter(tenant, hosts, Instant::now())
            .map_err(|full| {
                metrics::counter!("router_requests_limited_total", "limit" => full.as_str())
                    .increment(1);
                match full {
                    Full::Rate { after } => Problem::too_many_requests(after).with_detail(
                        "This helpdesk gets more requests per second than it may. Send fewer, or try again in a moment.",
                    ),
                    Full::Concurrency => Problem::new(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "overloaded",
                        "Too many requests at once",
                    )
                    .with_detail(
                        "This helpdesk has as many requests under way as it may have. Try again in a moment.",
                    )
                    .with_retry_after(Duration::from_secs(1)),
                }
            })
    }

    async fn send(&self, address: &str, mut request: Request<Body>) -> Result<Response, SendError> {
        *request.uri_mut() = upstream_uri(address, request.uri());
        *request.version_mut() = Version::HTTP_11;
        let is_safe = request.method().is_safe();
        let (request, returnable) = returnable::lend(request);
        let answer = self.client.request(request);
        match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Ok(response)) => Ok(response.map(Body::new)),
            Ok(Err(error)) if was_never_sent(&error) => {
                Err(SendError::Unsent(returnable.take_back()))
            }
            Ok(Err(error)) => {
                let again = is_safe.then(|| returnable.take_back()).flatten();
                Err(SendError::Broken(again, error))
            }
            Err(_elapsed) => Err(SendError::Timeout),
        }
    }

    /// Joins the two upgraded connections and answers the client's handshake.
    fn join(
        &self,
        client: hyper::upgrade::OnUpgrade,
        mut response: Response,
        place: Option<Place>,
    ) -> Response {
        let server = hyper::upgrade::on(&mut response);
        let stopping = self.tasks.stopping();
        self.tasks.spawn("websocket", async move {
            let _held = place;
            let (client, server) = match tokio::try_join!(client, server) {
                Ok(both) => both,
                Err(error) => {
                    tracing::debug!(%error, "a WebSocket could not be joined");
                    return;
                }
            };
            let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
            tokio::select! {
                outcome = tokio::io::copy_bidirectional(&mut client, &mut server) => {
                    if let Err(error) = outcome {
                        tracing::debug!(%error, "a WebSocket ended with an error");
                    }
                }
                () = stopping.cancelled() => {}
            }
        });
        let (mut parts, _) = response.into_parts();
        headers::remove_hop_by_hop(&mut parts.headers);
        headers::ask_for_websocket(&mut parts.headers);
        Response::from_parts(parts, Body::empty())
    }
}

/// The host as the client wrote it, with its port, for links and cookies of the server behind.
fn shown_host(request: &Request<Body>, host: &str) -> String {
    let port = request
        .uri()
        .authority()
        .map(Authority::as_str)
        .or_else(|| {
            request
                .headers()
                .get(header::HOST)
                .and_then(|value| value.to_str().ok())
        })
        .and_then(|authority| authority.rsplit_once(':'))
        .map(|(_, port)| port)
        .filter(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn upstream_uri(address: &str, original: &Uri) -> Uri {
    let path = original
        .path_and_query()
        .map_or("/", uri::PathAndQuery::as_str);
    Uri::builder()
        .scheme("http")
        .authority(address)
        .path_and_query(path)
        .build()
        .unwrap_or_else(|_| Uri::from_static("/"))
}

/// The name of the page asset that is asked for, with the headers that matter to it.
fn wanted_asset<B>(request: &Request<B>) -> Option<(String, HeaderMap)> {
    let name = request.uri().path().strip_prefix("/assets/")?;
    let safe = request.method().is_safe();
    safe.then(|| (name.to_owned(), request.headers().clone()))
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"))
}

const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

fn unknown_tenant(host: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_tenant",
        "There is no helpdesk at this address",
    )
    .with_detail(format!(
        "No helpdesk has the address {host}. Check the spelling."
    ))
}

fn starting() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "tenant_starting",
        "This helpdesk is starting",
    )
    .with_detail("It will be there in a moment.")
    .with_retry_after(Duration::from_secs(1))
}

fn console_unavailable() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "console_unavailable",
        "The console cannot be reached right now",
    )
    .with_detail("Helpdesks go on serving. Try again in a moment.")
    .with_retry_after(Duration::from_secs(5))
}

/// Whether nothing of the request was written to the connection, or there was none.
fn was_never_sent(error: &hyper_util::client::legacy::Error) -> bool {
    let cause =
        std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<hyper::Error>());
    error.is_connect() || cause.is_some_and(hyper::Error::is_canceled)
}

fn broken() -> Problem {
    bad_gateway(
        "The server broke off. The request may or may not have been carried out; look before you repeat it.",
    )
}

fn bad_gateway(detail: &'static str) -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "bad_gateway",
        "The server gave no proper answer",
    )
    .with_detail(detail)
}
