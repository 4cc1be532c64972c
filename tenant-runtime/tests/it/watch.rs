//! Modules come, change, fail and go, against a control plane that is made for the test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::digest::Sha256Digest;
use domain::watch::{Acknowledgement, ModuleReference, ModuleResult, WatchEvent};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use reqwest::Url;
use service_kit::Tasks;
use service_kit::internal::PartState;
use tenant_runtime::modules::Origin;
use tenant_runtime::modules::cache::Cache;
use tenant_runtime::modules::sync::{PART, Sync};
use tenant_runtime::modules::watch::ControlPlane;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::BroadcastStream;

use crate::harness::TestApp;

const TOKEN: &str = "gotrs_rt_test";
const LAPTOP: &str = "\
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}
fields:
- {name: serial, type: string, required: true}
";
const LAPTOP_2: &str = "\
module: {name: laptop, singular: Laptop, plural: Portable computers, storage: managed}
fields:
- {name: serial, type: string, required: true}
- {name: owner, type: string}
";
const BROKEN: &str = "module: {name: laptop, plural: 7\n";

struct Fake {
    url: Url,
    state: Mutex<Registry>,
    lines: broadcast::Sender<Option<String>>,
    acks: watch::Sender<Vec<Acknowledgement>>,
    tasks: Tasks,
}

/// How the fake control plane takes a watch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Takes {
    #[default]
    Gladly,
    /// The token is none.
    Unauthorized,
    /// It has no such tenant (yet).
    NoSuchTenant,
    /// Something else answers in its place.
    NotFound,
}

#[derive(Default)]
struct Registry {
    takes: Takes,
    generation: u64,
    modules: BTreeMap<String, ModuleReference>,
    texts: BTreeMap<String, String>,
    fetches: BTreeMap<String, u32>,
}

impl Fake {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap())
                .parse()
                .unwrap(),
            state: Mutex::default(),
            lines: broadcast::Sender::new(64),
            acks: watch::Sender::new(Vec::new()),
            tasks: Tasks::new(),
        });
        let router = Router::new()
            .route("/v1/runtime/modules/watch", get(watch_stream))
            .route("/v1/runtime/modules/ack", post(acknowledge))
            .route("/store/{key}", get(fetch))
            .with_state(Arc::clone(&fake));
        service_kit::http::serve(&fake.tasks, "fake control plane", listener, router);
        fake
    }

    /// Announces `text` as a new version of `name`; `stored` is what the store gives for it.
    fn put(&self, name: &str, text: &str, stored: &str) {
        let event = {
            let mut state = self.state.lock().unwrap();
            state.generation += 1;
            let sha256 = Sha256Digest::of(text.as_bytes());
            let version = state
                .modules
                .get(name)
                .map_or(1, |module| module.version + 1);
            let module = ModuleReference {
                name: name.parse().unwrap(),
                version,
                sha256,
                url: self
                    .url
                    .join(&format!("store/{sha256}"))
                    .unwrap()
                    .to_string(),
            };
            state.texts.insert(sha256.to_string(), stored.to_owned());
            state.modules.insert(name.to_owned(), module.clone());
            WatchEvent::Put {
                generation: state.generation,
                module,
            }
        };
        self.send(&event);
    }

    fn delete(&self, name: &str) {
        let event = {
            let mut state = self.state.lock().unwrap();
            state.generation += 1;
            state.modules.remove(name);
            WatchEvent::Delete {
                generation: state.generation,
                name: name.parse().unwrap(),
            }
        };
        self.send(&event);
    }

    fn send(&self, event: &WatchEvent) {
        // Nobody may be listening yet; then the snapshot tells it.
        self.lines
            .send(Some(serde_json::to_string(event).unwrap()))
            .ok();
    }

    /// Ends every stream, as a restart does.
    fn hang_up(&self) {
        self.lines.send(None).ok();
    }

    /// Waits for an acknowledgement of this generation and gives what it says of `name`.
    async fn acknowledged(&self, generation: u64, name: &str) -> Option<ModuleResult> {
        let mut acks = self.acks.subscribe();
        let wait = acks.wait_for(|acks| acks.iter().any(|ack| ack.generation == generation));
        let acks = tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("an acknowledgement in time");
        let acks = acks.unwrap();
        let ack = acks
            .iter()
            .rev()
            .find(|ack| ack.generation == generation)
            .unwrap();
        assert_eq!(ack.instance, "runtime-1");
        ack.results
            .iter()
            .find(|result| result.name.as_str() == name)
            .cloned()
    }

    fn fetches(&self, text: &str) -> u32 {
        let key = Sha256Digest::of(text.as_bytes()).to_string();
        self.state
            .lock()
            .unwrap()
            .fetches
            .get(&key)
            .copied()
            .unwrap_or_default()
    }
}

fn is_ours(headers: &HeaderMap) -> bool {
    headers
        .get("authorization")
        .is_some_and(|value| value == &format!("Bearer {TOKEN}"))
}

async fn watch_stream(
    State(fake): State<Arc<Fake>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if !is_ours(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let takes = fake.state.lock().unwrap().takes;
    match takes {
        Takes::Gladly => {}
        Takes::Unauthorized => return StatusCode::UNAUTHORIZED.into_response(),
        Takes::NotFound => return StatusCode::NOT_FOUND.into_response(),
        Takes::NoSuchTenant => {
            let problem = serde_json::json!({"code": domain::watch::NO_SUCH_TENANT});
            return (StatusCode::NOT_FOUND, Json(problem)).into_response();
        }
    }
    let changes = BroadcastStream::new(fake.lines.subscribe());
    let first = {
        let state = fake.state.lock().unwrap();
        let generation = state.generation;
        assert_eq!(query.get("instance").map(String::as_str), Some("runtime-1"));
        if query.get("after") == Some(&generation.to_string()) {
            WatchEvent::Bookmark { generation }
        } else {
            WatchEvent::Snapshot {
                generation,
                modules: state.modules.values().cloned().collect(),
            }
        }
    };
    let first = serde_json::to_string(&first).unwrap();
    let lines = futures_util::stream::iter([Some(first)])
        .chain(changes.map(|line| line.unwrap()))
        .take_while(|line| std::future::ready(line.is_some()))
        .map(|line| Ok::<_, std::convert::Infallible>(format!("{}\n", line.unwrap())));
    Body::from_stream(lines).into_response()
}

async fn acknowledge(
    State(fake): State<Arc<Fake>>,
    headers: HeaderMap,
    Json(ack): Json<Acknowledgement>,
) -> StatusCode {
    if !is_ours(&headers) {
        return StatusCode::UNAUTHORIZED;
    }
    fake.acks.send_modify(|acks| acks.push(ack));
    StatusCode::NO_CONTENT
}

async fn fetch(
    State(fake): State<Arc<Fake>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Response {
    assert!(
        !headers.contains_key("authorization"),
        "the store gets no token of ours"
    );
    let mut state = fake.state.lock().unwrap();
    *state.fetches.entry(key.clone()).or_default() += 1;
    match state.texts.get(&key) {
        Some(text) => text.clone().into_response(),
        // As S3 says it.
        None => {
            let body = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>";
            (StatusCode::NOT_FOUND, body).into_response()
        }
    }
}

fn follow(test: &TestApp, url: &Url, folder: &std::path::Path) {
    let control_plane = ControlPlane::new(url.clone(), TOKEN.to_owned().into()).unwrap();
    follow_with(test, Some(control_plane), folder);
}

fn follow_with(test: &TestApp, control_plane: Option<ControlPlane>, folder: &std::path::Path) {
    // As the process does before anything else.
    let starting = PartState::NotReady {
        reason: "starting".to_owned(),
    };
    test.app.readiness.set(PART, starting);
    let sync = Sync::new(
        Arc::clone(&test.app),
        control_plane,
        Cache::new(folder),
        "runtime-1".to_owned(),
    );
    test.app.tasks.spawn_service("module sync", sync.run());
}

fn title(test: &TestApp, name: &str) -> Option<String> {
    let modules = test.app.modules.current();
    modules
        .find(name)
        .map(|module| module.spec().plural().display().to_owned())
}

/// Waits until the modules are what `check` says.
async fn until(test: &TestApp, check: impl Fn(&TestApp) -> bool) {
    let mut changes = test.app.modules.subscribe();
    let wait = async {
        while !check(test) {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("the modules to change in time");
}

#[tokio::test]
async fn a_module_goes_live_changes_and_goes_and_each_is_acknowledged() {
    let (test, fake, folder) = (
        TestApp::start().await,
        Fake::start().await,
        tempfile::tempdir().unwrap(),
    );
    follow(&test, &fake.url, folder.path());
    assert!(fake.acknowledged(0, "laptop").await.is_none());
    fake.put("laptop", LAPTOP, LAPTOP);
    assert!(fake.acknowledged(1, "laptop").await.unwrap().ok);
    assert_eq!(title(&test, "laptop").as_deref(), Some("Laptops"));
    sqlx::query("SELECT id, serial FROM x_laptop")
        .execute(&test.pool)
        .await
        .unwrap();
    fake.put("laptop", LAPTOP_2, LAPTOP_2);
    assert!(fake.acknowledged(2, "laptop").await.unwrap().ok);
    assert_eq!(
        title(&test, "laptop").as_deref(),
        Some("Portable computers")
    );
    sqlx::query("SELECT owner FROM x_laptop")
        .execute(&test.pool)
        .await
        .unwrap();
    assert_eq!(test.app.readiness.parts()[PART], PartState::Ready);
    fake.delete("laptop");
    assert!(fake.acknowledged(3, "laptop").await.is_none());
    assert_eq!(title(&test, "laptop"), None);
    fake.tasks.stop();
    test.stop().await;
}

#[tokio::test]
async fn a_bad_version_is_refused_once_and_the_last_good_one_stays() {
    let (test, fake, folder) = (
        TestApp::start().await,
        Fake::start().await,
        tempfile::tempdir().unwrap(),
    );
    fake.put("laptop", LAPTOP, LAPTOP);
    follow(&test, &fake.url, folder.path());
    assert!(fake.acknowledged(1, "laptop").await.unwrap().ok);
    fake.put("laptop", BROKEN, BROKEN);
    let refused = fake.acknowledged(2, "laptop").await.unwrap();
    assert!(!refused.ok);
    assert!(
        refused
            .diagnostics
            .iter()
            .any(|finding| finding.is_error() && finding.line > 0),
        "{refused:?}"
    );
    assert_eq!(title(&test, "laptop").as_deref(), Some("Laptops"));
    // The same bad content again, by a reconnect and by another change.
    fake.hang_up();
    fake.put(
        "tablet",
        &LAPTOP.replace("laptop", "tablet"),
        &LAPTOP.replace("laptop", "tablet"),
    );
    fake.acknowledged(3, "tablet").await;
    assert_eq!(fake.fetches(BROKEN), 1);
    fake.put("laptop", LAPTOP_2, LAPTOP_2);
    assert!(fake.acknowledged(4, "laptop").await.unwrap().ok);
    assert_eq!(
        title(&test, "laptop").as_deref(),
        Some("Portable computers")
    );
    fake.tasks.stop();
    test.stop().await;
}

#[tokio::test]
async fn other_bytes_than_announced_another_name_and_unknown_tables_are_refused() {
    let (test, fake, folder) = (
        TestApp::start().await,
        Fake::start().await,
        tempfile::tempdir().unwrap(),
    );
    follow(&test, &fake.url, folder.path());
    fake.acknowledged(0, "laptop").await;
    let no_table = "module: {name: ghost, singular: G, plural: Gs, table: no_such_table}\nfields:\n- {name: a, type: string}\n";
    let huge = format!("# {}\n", "x".repeat(module_spec::MAX_BYTES));
    let cases = [
        ("laptop", LAPTOP, LAPTOP_2, "damaged"),
        ("phone", LAPTOP_2, LAPTOP_2, "wrong-name"),
        ("ghost", no_table, no_table, "unknown-table"),
        ("huge", huge.as_str(), huge.as_str(), "damaged"),
    ];
    for (generation, (name, text, stored, code)) in (1..).zip(cases) {
        fake.put(name, text, stored);
        let refused = fake.acknowledged(generation, name).await.unwrap();
        assert!(!refused.ok, "{name}");
        assert!(
            refused
                .diagnostics
                .iter()
                .any(|finding| finding.code == code),
            "{name}: {refused:?}"
        );
        assert_eq!(title(&test, name), None);
    }
    fake.tasks.stop();
    test.stop().await;
}

#[tokio::test]
async fn the_control_plane_is_told_when_the_code_of_a_module_is_suspended_and_runs_again() {
    let (test, fake, folder) = (
        TestApp::start().await,
        Fake::start().await,
        tempfile::tempdir().unwrap(),
    );
    let greedy = format!(
        "{LAPTOP}computed_fields:\n- name: sum\n  lambda: |\n    if (item.serial !== 'fine') db.query('SELECT 1 AS x');\n    return 1;\n\
         limits: {{max_queries: 0}}\n"
    );
    fake.put("laptop", &greedy, &greedy);
    follow(&test, &fake.url, folder.path());
    let loaded = fake.acknowledged(1, "laptop").await.unwrap();
    assert!(loaded.ok && loaded.suspension.is_none(), "{loaded:?}");
    sqlx::query(
        "INSERT INTO x_laptop (serial, create_time, create_by, change_time, change_by) VALUES ('a', now(), 1, now(), 1)",
    )
    .execute(&test.pool)
    .await
    .unwrap();
    let (token, _) = test.tokens("ann").await;
    let list = || {
        test.json(
            http::Method::GET,
            "/api/v1/modules/laptop/records",
            Some(&token),
            serde_json::Value::Null,
        )
    };
    for _ in 0..module_engine::breaker::THRESHOLD {
        let answer = list().await;
        assert!(answer.text.contains("sum_error"), "{}", answer.text);
    }
    let told = |is_suspended: bool| {
        let mut acks = fake.acks.subscribe();
        async move {
            let last = |acks: &Vec<Acknowledgement>| {
                let results = acks.iter().flat_map(|ack| &ack.results);
                results
                    .last()
                    .is_some_and(|result| result.suspension.is_some() == is_suspended)
            };
            let acks = tokio::time::timeout(Duration::from_secs(20), acks.wait_for(last));
            let acks = acks.await.expect("an acknowledgement in time").unwrap();
            acks.last().unwrap().results.last().unwrap().clone()
        }
    };
    let suspended = told(true).await;
    assert!(suspended.ok, "{suspended:?}");
    assert_eq!(suspended.sha256, Sha256Digest::of(greedy.as_bytes()));
    let suspension = suspended.suspension.unwrap();
    assert!(
        suspension.reason.contains("made more than 0 queries"),
        "{suspension:?}"
    );

    test.clock.advance(module_engine::breaker::COOL_DOWN);
    sqlx::query("UPDATE x_laptop SET serial = 'fine'")
        .execute(&test.pool)
        .await
        .unwrap();
    let answer = list().await;
    assert!(answer.text.contains(r#""sum":1"#), "{}", answer.text);
    told(false).await;
    fake.tasks.stop();
    test.stop().await;
}

#[tokio::test]
async fn with_the_control_plane_away_it_starts_from_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let (test, fake) = (TestApp::start().await, Fake::start().await);
    fake.put("laptop", LAPTOP, LAPTOP);
    follow(&test, &fake.url, folder.path());
    fake.acknowledged(1, "laptop").await.unwrap();
    fake.tasks.shut_down(Duration::from_secs(5)).await;
    test.stop().await;

    let test = TestApp::start().await;
    // Nobody listens there any more.
    follow(&test, &fake.url, folder.path());
    until(&test, |test| title(test, "laptop").is_some()).await;
    let modules = test.app.modules.current();
    assert_eq!(modules.generation, 1);
    assert!(matches!(
        modules.find("laptop").unwrap().origin,
        Origin::Tenant { version: 1, .. }
    ));
    assert!(test.app.readiness.is_ready());
    test.stop().await;
}

/// Waits until the modules' part on the board is what `check` says.
async fn until_part(test: &TestApp, check: impl Fn(&PartState) -> bool) {
    let wait = async {
        while !check(&test.app.readiness.parts()[PART]) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap_or_else(|_late| panic!("{:?}", test.app.readiness.parts()[PART]));
}

fn waits(part: &PartState, why: &str) -> bool {
    matches!(part, PartState::NotReady { reason }
        if reason.contains("waiting for the first list of the tenant's modules") && reason.contains(why))
}

#[tokio::test]
async fn without_a_list_that_was_kept_it_is_not_ready_before_the_first_one_was_brought_in() {
    let folder = tempfile::tempdir().unwrap();
    let (test, fake) = (TestApp::start().await, Fake::start().await);
    fake.put("laptop", LAPTOP, LAPTOP);
    let text = {
        let mut state = fake.state.lock().unwrap();
        state.takes = Takes::Unauthorized;
        std::mem::take(&mut state.texts)
    };
    follow(&test, &fake.url, folder.path());
    // A token that is refused says nothing about modules, and neither does whoever else answers there.
    until_part(&test, |part| waits(part, "answered 401")).await;
    fake.state.lock().unwrap().takes = Takes::NotFound;
    until_part(&test, |part| waits(part, "answered 404")).await;
    assert!(
        title(&test, "queue").is_some(),
        "stock modules are there meanwhile"
    );

    // The list is there and one text of it is lost: said, and no reason to serve nobody.
    fake.state.lock().unwrap().takes = Takes::Gladly;
    let missing = fake.acknowledged(1, "laptop").await.unwrap();
    assert!(
        !missing.ok && missing.diagnostics[0].code == "missing",
        "{missing:?}"
    );
    until_part(&test, |part| *part == PartState::Ready).await;
    assert_eq!(title(&test, "laptop"), None);
    // It is back: loaded with the next word, whatever that is about.
    fake.state.lock().unwrap().texts = text;
    fake.send(&WatchEvent::Bookmark { generation: 1 });
    until(&test, |test| title(test, "laptop").is_some()).await;
    let acks = fake.acks.subscribe();
    let told = |acks: &Vec<Acknowledgement>| acks.last().is_some_and(|ack| ack.results[0].ok);
    let wait = { acks }.wait_for(told).await.map(drop);
    wait.unwrap();
    fake.tasks.stop();
    test.stop().await;
}

#[tokio::test]
async fn with_the_control_plane_away_and_nothing_kept_it_waits_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let test = TestApp::start().await;
    // Nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    follow(&test, &url.parse().unwrap(), folder.path());
    until_part(&test, |part| {
        waits(part, "the control plane cannot be followed")
    })
    .await;
    assert!(!test.app.readiness.is_ready());
    test.stop().await;

    // A list without the texts that it names is none.
    let test = TestApp::start().await;
    let cache = Cache::new(folder.path());
    let lost = tenant_runtime::modules::cache::CachedModule {
        version: 1,
        sha256: Sha256Digest::of(b"lost"),
    };
    let index = tenant_runtime::modules::cache::Index {
        generation: 4,
        modules: [("laptop".parse().unwrap(), lost)].into(),
    };
    cache.write_index(&index).unwrap();
    follow(&test, &url.parse().unwrap(), folder.path());
    until_part(&test, |part| {
        waits(part, "the control plane cannot be followed")
    })
    .await;
    test.stop().await;
}

#[tokio::test]
async fn that_a_tenant_has_no_modules_is_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let (test, fake) = (TestApp::start().await, Fake::start().await);
    follow(&test, &fake.url, folder.path());
    fake.acknowledged(0, "laptop").await;
    until_part(&test, |part| *part == PartState::Ready).await;
    fake.tasks.shut_down(Duration::from_secs(5)).await;
    test.stop().await;

    let test = TestApp::start().await;
    follow(&test, &fake.url, folder.path());
    until_part(&test, |part| matches!(part, PartState::Stale { .. })).await;
    test.stop().await;
}

#[tokio::test]
async fn a_tenant_that_the_control_plane_does_not_know_serves_soon_and_gets_its_modules_once_it_is_adopted()
 {
    let folder = tempfile::tempdir().unwrap();
    let (test, fake) = (TestApp::start().await, Fake::start().await);
    fake.state.lock().unwrap().takes = Takes::NoSuchTenant;
    fake.put("laptop", LAPTOP, LAPTOP);
    follow(&test, &fake.url, folder.path());
    // Whoever made it may have it adopted in a moment, with modules from an earlier life.
    until_part(&test, |part| waits(part, "does not know this tenant")).await;
    until_part(&test, |part| matches!(part, PartState::Stale { .. })).await;
    assert!(test.app.readiness.is_ready());
    fake.state.lock().unwrap().takes = Takes::Gladly;
    until(&test, |test| title(test, "laptop").is_some()).await;
    until_part(&test, |part| *part == PartState::Ready).await;
    fake.tasks.stop();
    test.stop().await;
}

#[tokio::test]
async fn where_there_is_no_control_plane_it_is_ready_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let test = TestApp::start().await;
    follow_with(&test, None, folder.path());
    until_part(&test, |part| *part == PartState::Ready).await;
    assert!(title(&test, "queue").is_some());
    test.stop().await;
}

#[tokio::test]
async fn a_tenants_module_stands_in_for_a_stock_one_until_it_is_deleted() {
    let (test, fake, folder) = (
        TestApp::start().await,
        Fake::start().await,
        tempfile::tempdir().unwrap(),
    );
    follow(&test, &fake.url, folder.path());
    fake.acknowledged(0, "queue").await;
    let stock = title(&test, "queue").expect("queue is a stock module");
    let mine = "module: {name: queue, singular: Q, plural: My queues, table: queue}\nfields:\n- {name: name, type: string, required: true}\n";
    fake.put("queue", mine, mine);
    assert!(fake.acknowledged(1, "queue").await.unwrap().ok);
    assert_eq!(title(&test, "queue").as_deref(), Some("My queues"));
    fake.delete("queue");
    fake.acknowledged(2, "queue").await;
    assert_eq!(title(&test, "queue"), Some(stock));
    fake.tasks.stop();
    test.stop().await;
}
