use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use domain::clock::MockClock;
use service_kit::{Problem, Tasks};

use super::*;

/// A server that accepts `Bearer new` only and gives it for the refresh token `r1`, once.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Vec<String>>>);

async fn things(State(fake): State<Fake>, headers: HeaderMap) -> axum::response::Response {
    let token = headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
    fake.0.lock().unwrap().push(token.clone());
    if token == "Bearer new" || token == "Bearer gotrs_key" {
        axum::Json(json!({"items": [{"n": 1}], "next": null})).into_response()
    } else {
        Problem::unauthorized().into_response()
    }
}

async fn refresh(
    State(fake): State<Fake>,
    axum::Json(input): axum::Json<Value>,
) -> axum::response::Response {
    let mut calls = fake.0.lock().unwrap();
    let used = calls.iter().any(|call| call == "refresh r1");
    calls.push(format!(
        "refresh {}",
        input["refresh_token"].as_str().unwrap()
    ));
    if input["refresh_token"] == "r1" && !used {
        axum::Json(json!({"access_token": "new", "refresh_token": "r2", "expires_in": 900}))
            .into_response()
    } else {
        Problem::unauthorized().into_response()
    }
}

struct World {
    url: Url,
    fake: Fake,
    file: CredentialsFile,
    clock: MockClock,
    tasks: Tasks,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        service_kit::telemetry::install_tls_provider();
        let fake = Fake::default();
        let router = Router::new()
            .route("/v1/things", get(things))
            .route("/v1/sessions/refresh", post(refresh))
            .route("/v1/page", get(|| async { "<html>" }))
            .route(
                "/v1/busy",
                get(|| async { Problem::unavailable("The database is away.") }),
            )
            .route(
                "/v1/wrong",
                get(|| async { Problem::conflict("taken", "It is taken.") }),
            )
            .with_state(fake.clone());
        let tasks = Tasks::new();
        let listener = service_kit::http::bind(([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let url = parse_url(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        service_kit::http::serve(&tasks, "fake", listener, router);
        let folder = tempfile::tempdir().unwrap();
        Self {
            url,
            fake,
            file: CredentialsFile::in_folder(folder.path()),
            clock: MockClock::default(),
            tasks,
            folder,
        }
    }

    fn client(&self, identity: Identity) -> Client {
        Client::new(self.url.clone(), identity, Arc::new(self.clock.clone())).unwrap()
    }

    async fn sign_in(&self, access: &str, expires_in: i64) -> Client {
        let client = self.client(Identity::Session(self.file.clone()));
        let session = Session {
            email: "ann@acme.example".to_owned(),
            access_token: access.to_owned().into(),
            refresh_token: "r1".to_owned().into(),
            expires_at: self.clock.now() + TimeDelta::seconds(expires_in),
        };
        self.file
            .put(&self.file.lock().await.unwrap(), client.url(), &session)
            .unwrap();
        client
    }

    fn calls(&self) -> Vec<String> {
        self.fake.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn an_old_token_is_replaced_before_it_is_used_and_a_refused_one_after() {
    for (expires_in, expected) in [
        (900, vec!["Bearer old", "refresh r1", "Bearer new"]),
        (5, vec!["refresh r1", "Bearer new"]),
    ] {
        let world = World::start().await;
        let client = world.sign_in("old", expires_in).await;
        assert_eq!(
            client.get_all(&["v1", "things"]).await.unwrap(),
            [json!({"n": 1})]
        );
        assert_eq!(world.calls(), expected);
        let kept = world.file.find(client.url()).unwrap().unwrap();
        assert_eq!(kept.refresh_token.expose_secret(), "r2");
        assert_eq!(kept.email, "ann@acme.example");
        world.tasks.shut_down(Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn two_commands_at_once_use_a_refresh_token_once() {
    let world = World::start().await;
    let client = world.sign_in("old", 5).await;
    let path = ["v1", "things"];
    let (one, two) = tokio::join!(client.get_all(&path), client.get_all(&path));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(
        world
            .calls()
            .iter()
            .filter(|call| call.starts_with("refresh"))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_session_that_is_over_says_how_to_begin_another() {
    let world = World::start().await;
    let client = world.sign_in("old", 5).await;
    world.fake.0.lock().unwrap().push("refresh r1".to_owned());
    let error = client.get_all(&["v1", "things"]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("run `gotrs login --url http://127.0.0.1:"),
        "{error}"
    );
    assert_eq!(error.exit_code(), 2);
    let nobody = world.client(Identity::Session(
        CredentialsFile::in_folder(world.folder.path()).clone(),
    ));
    let other = Client {
        base: parse_url("http://localhost:1").unwrap(),
        ..nobody
    };
    assert!(matches!(
        other.get_all(&["v1", "things"]).await,
        Err(CliError::SignedOut { .. })
    ));
}

#[tokio::test]
async fn an_api_key_needs_no_session() {
    let world = World::start().await;
    let client = world.client(Identity::ApiKey("gotrs_key".into()));
    assert_eq!(client.get_all(&["v1", "things"]).await.unwrap().len(), 1);
    let client = world.client(Identity::ApiKey("gotrs_wrong".into()));
    assert!(matches!(
        client.get_all(&["v1", "things"]).await,
        Err(CliError::SignedOut { .. })
    ));
}

#[tokio::test]
async fn each_kind_of_failure_has_its_exit_code() {
    let world = World::start().await;
    let client = world.client(Identity::ApiKey("gotrs_key".into()));
    for (path, code, exit) in [
        ("wrong", "taken", 1),
        ("busy", "unavailable", 3),
        ("page", "bad_answer", 3),
    ] {
        let error = client.get::<Value>(&["v1", path]).await.unwrap_err();
        assert_eq!((error.code(), error.exit_code()), (code, exit), "{error}");
    }
    let away = Client {
        base: parse_url("http://127.0.0.1:9").unwrap(),
        ..client
    };
    let error = away.get::<Value>(&["v1", "things"]).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("unreachable", 3));
    assert!(
        error
            .to_string()
            .starts_with("http://127.0.0.1:9 cannot be reached: "),
        "{error}"
    );
}

#[test]
fn addresses_are_origins() {
    for good in ["http://localhost:8080", "https://console.example.com/"] {
        assert!(parse_url(good).is_ok(), "{good}");
    }
    for bad in [
        "localhost:8080",
        "ftp://x",
        "http://x/v1",
        "http://u:p@x",
        "http://x?a",
        "",
    ] {
        let error = parse_url(bad).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{bad}");
        assert!(error.to_string().contains("GOTRS_URL"), "{error}");
    }
}
