//! A server on a database of its own, and those who call it.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use domain::clock::MockClock;
use domain::id::TenantId;
use domain::plan::Plan;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use module_engine::config::SandboxArgs;
use service_kit::Tasks;
use service_kit::internal::Readiness;
use sqlx::PgPool;
use tenant_runtime::app::{App, AppState, Databases, Tenant, lambda_pool};
use tenant_runtime::http::router;
use test_kit::postgres::TestDatabase;
use tower::ServiceExt as _;

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct TestApp {
    pub(crate) app: AppState,
    pub(crate) clock: MockClock,
    pub(crate) pool: PgPool,
    router: Router,
    database: TestDatabase,
}

impl TestApp {
    /// With the agents `ann` (administrator) and `bob` (may read tickets of group users).
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let pool = database.pool().await.unwrap();
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/tenant");
        sqlx::migrate::Migrator::new(migrations)
            .await
            .unwrap()
            .run(&pool)
            .await
            .unwrap();
        let clock = MockClock::default();
        let tenant = Tenant {
            id: TenantId::generate(),
            slug: "acme".parse().unwrap(),
            name: "Acme".to_owned(),
            plan: Plan::Free,
            url: "http://acme.localhost:8080".parse().unwrap(),
        };
        let app = App::new(
            tenant,
            Databases {
                runtime: pool.clone(),
                lambdas: lambda_pool(database.options()),
            },
            SandboxArgs::default(),
            Arc::new(clock.clone()),
            Tasks::new(),
            Readiness::default(),
        );
        let app = Arc::new(app.unwrap());
        let this = Self {
            router: router::app(Arc::clone(&app)),
            app,
            clock,
            pool,
            database,
        };
        this.add_agent("ann", "Ann", &[("users", "rw"), ("admin", "rw")])
            .await;
        this.add_agent("bob", "Bob", &[("users", "ro")]).await;
        this
    }

    pub(crate) async fn add_agent(&self, login: &str, name: &str, grants: &[(&str, &str)]) -> i32 {
        let legacy = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(PASSWORD.as_bytes()));
        let id: i32 = sqlx::query_scalar(
            "INSERT INTO users (login, pw, first_name, last_name, valid_id, create_time, create_by, change_time, change_by)
             VALUES ($1, $2, $3, 'Example', 1, now(), 1, now(), 1) RETURNING id",
        )
        .bind(login)
        .bind(legacy)
        .bind(name)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        for (group, key) in grants {
            sqlx::query(
                "INSERT INTO group_user (user_id, group_id, permission_key, create_time, create_by, change_time, change_by)
                 SELECT $1, id, $3, now(), 1, now(), 1 FROM permission_groups WHERE name = $2",
            )
            .bind(id)
            .bind(group)
            .bind(key)
            .execute(&self.pool)
            .await
            .unwrap();
        }
        id
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// The answer's head; its body may never end.
    pub(crate) async fn open(&self, request: Request<Body>) -> http::Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn json(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: serde_json::Value,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("accept", "application/json")
            .header("content-type", "application/json");
        if let Some(token) = bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        self.call(request.body(body).unwrap()).await
    }

    pub(crate) async fn tokens(&self, login: &str) -> (String, String) {
        let body = serde_json::json!({"login": login, "password": PASSWORD});
        let answer = self
            .json(Method::POST, "/api/v1/auth/login", None, body)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let value = answer.value();
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    /// Signs in through the page, as a browser does.
    pub(crate) async fn browser(&self, login: &str) -> Browser {
        let (form_cookie, token) = self.sign_in_form().await;
        let answer = self.submit(&form_cookie, &token, login, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let cookie = answer.cookie("gotrs-agent").unwrap();
        let page = self
            .call(
                Request::get("/agent")
                    .header("cookie", &cookie)
                    .header("accept", "text/html")
                    .body(Body::empty())
                    .unwrap(),
            )
            .await;
        let csrf = between(&page.text, "name=\"csrf-token\" content=\"", "\"").to_owned();
        Browser { cookie, csrf }
    }

    /// Cookie and token of a fresh sign-in form.
    pub(crate) async fn sign_in_form(&self) -> (String, String) {
        let page = self
            .call(
                Request::get("/login")
                    .header("accept", "text/html")
                    .body(Body::empty())
                    .unwrap(),
            )
            .await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let token = between(&page.text, "name=\"csrf_token\" value=\"", "\"").to_owned();
        (page.cookie("gotrs-form").unwrap(), token)
    }

    pub(crate) async fn submit(
        &self,
        cookie: &str,
        token: &str,
        login: &str,
        password: &str,
    ) -> Answer {
        let body = form(&[
            ("csrf_token", token),
            ("login", login),
            ("password", password),
            ("next", "/admin?q=a b"),
        ]);
        let request = Request::post("/login")
            .header("cookie", cookie)
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body));
        self.call(request.unwrap()).await
    }

    pub(crate) async fn stop(self) {
        self.app
            .tasks
            .shut_down(std::time::Duration::from_secs(5))
            .await;
        self.app.lambda_database.close().await;
        self.pool.close().await;
        self.database.drop_database().await.unwrap();
    }
}

/// Somebody who signed in on the page.
pub(crate) struct Browser {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

impl Browser {
    pub(crate) fn get(&self, path: &str) -> Request<Body> {
        let request = Request::get(path)
            .header("cookie", &self.cookie)
            .header("accept", "text/html");
        request.body(Body::empty()).unwrap()
    }

    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Request<Body> {
        let request = Request::post(path)
            .header("cookie", &self.cookie)
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded");
        request.body(Body::from(form(fields))).unwrap()
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn code(&self) -> String {
        self.value()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn location(&self) -> &str {
        self.headers
            .get(header::LOCATION)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// `name=value` of a cookie that the answer sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().unwrap().split(';').next())
            .find(|pair| pair.starts_with(&format!("{name}=")))
            .map(str::to_owned)
    }
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://form/").unwrap();
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap().to_owned()
}

pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {text}"))
        .1;
    rest.split_once(after).unwrap().0
}
