//! A control plane for tests of accounts and tenants: its time stands still, its provisioner is driven by the test.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use blob_store::config::S3Server;
use control_plane::app::{self, App, AppState, Parts};
use control_plane::config::{ExportRetention, PublicUrl, Settings, TenantUrls, UrlScheme};
use control_plane::jobs::{housekeeping, send_mail};
use control_plane::keys::Keys;
use control_plane::mail::local::LocalMail;
use control_plane::mail::{MailSettings, MailTransport};
use control_plane::provision::Provisioner;
use control_plane::rate_limit::Rates;
use control_plane::runtime_token::{RuntimeTokens, SignedTokens};
use control_plane::service::mailbox;
use domain::clock::MockClock;
use domain::id::TenantId;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use service_kit::Tasks;
use service_kit::client_address::TrustedProxies;
use tempfile::TempDir;
use test_kit::postgres::TestDatabase;
use test_kit::s3::TestS3;
use tower::ServiceExt as _;

use crate::fake::FakeProvisioner;
use module_engine::config::SandboxArgs;

/// Anything that takes longer is a failed test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A password that is good enough.
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Platform {
    pub(crate) app: App,
    pub(crate) clock: MockClock,
    pub(crate) provisioner: FakeProvisioner,
    rates: Rates,
    router: Router,
    tasks: Tasks,
    database: TestDatabase,
    s3: TestS3,
    _mail: TempDir,
    transport: MailTransport,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The code of a problem.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("no code")
    }

    /// Pointer and code of every finding of a problem.
    pub(crate) fn findings(&self) -> Vec<String> {
        let items = self.body["errors"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| {
                format!(
                    "{} {}",
                    item["pointer"].as_str().unwrap_or("-"),
                    item["code"].as_str().unwrap_or("-")
                )
            })
            .collect()
    }
}

/// A signed-in owner of one tenant.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) tenant: TenantId,
    pub(crate) slug: String,
    pub(crate) email: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

impl Platform {
    /// Without background jobs; see [`Self::run_jobs`].
    pub(crate) async fn start(provisioner: FakeProvisioner) -> Self {
        let many = NonZeroU32::new(10_000).unwrap();
        let rates = Rates {
            signups_per_hour: many,
            sign_ins_per_minute: many,
            calls_per_second: many,
            exports_per_hour: many,
        };
        Self::start_with(provisioner, rates).await
    }

    pub(crate) async fn start_with(provisioner: FakeProvisioner, rates: Rates) -> Self {
        Self::start_in(
            Tasks::new(),
            provisioner.clone(),
            Outside::of(&provisioner),
            rates,
            None,
        )
        .await
    }

    /// With a mail server instead of a local mailbox; nobody listens there.
    pub(crate) async fn start_with_mail_server() -> Self {
        let many = NonZeroU32::new(10_000).unwrap();
        let rates = Rates {
            signups_per_hour: many,
            // By one person at least.
            sign_ins_per_minute: NonZeroU32::new(3).unwrap(),
            calls_per_second: many,
            exports_per_hour: many,
        };
        let provisioner = FakeProvisioner::eager();
        let outside = Outside::of(&provisioner);
        let server = MailTransport::Smtp("smtp://127.0.0.1:9".into());
        Self::start_in(Tasks::new(), provisioner, outside, rates, Some(server)).await
    }

    /// On another platform than the fake one.
    pub(crate) async fn start_on(tasks: Tasks, outside: Outside) -> Self {
        let many = NonZeroU32::new(10_000).unwrap();
        let rates = Rates {
            signups_per_hour: many,
            sign_ins_per_minute: many,
            calls_per_second: many,
            exports_per_hour: many,
        };
        Self::start_in(tasks, FakeProvisioner::eager(), outside, rates, None).await
    }

    async fn start_in(
        tasks: Tasks,
        provisioner: FakeProvisioner,
        outside: Outside,
        rates: Rates,
        mail_server: Option<MailTransport>,
    ) -> Self {
        service_kit::telemetry::install_tls_provider();
        let database = TestDatabase::create().await.unwrap();
        let s3 = TestS3::start().await.unwrap();
        let mail = tempfile::tempdir().unwrap();
        let clock = MockClock::default();
        let transport =
            mail_server.unwrap_or_else(|| MailTransport::LocalMailbox(mail.path().to_owned()));
        let app = build(&database, &s3, &transport, &clock, outside, &tasks, rates).await;
        app.state().blobs.ensure_bucket().await.unwrap();
        Self {
            router: app.http_router(),
            app,
            clock,
            provisioner,
            rates,
            tasks,
            database,
            s3,
            _mail: mail,
            transport,
        }
    }

    pub(crate) fn run_jobs(&self) {
        self.app.spawn_jobs();
    }

    /// Ends the process and starts another on the same database, with another provisioner.
    pub(crate) async fn restart(&mut self, provisioner: FakeProvisioner) {
        self.tasks.shut_down(PATIENCE).await;
        self.app.state().pool.close().await;
        self.tasks = Tasks::new();
        self.provisioner = provisioner;
        self.app = build(
            &self.database,
            &self.s3,
            &self.transport,
            &self.clock,
            Outside::of(&self.provisioner),
            &self.tasks,
            self.rates,
        )
        .await;
        self.router = self.app.http_router();
    }

    pub(crate) async fn end(self) {
        self.tasks.shut_down(PATIENCE).await;
        self.app.state().pool.close().await;
        self.database.drop_database().await.unwrap();
    }

    pub(crate) fn state(&self) -> &AppState {
        self.app.state()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let answer = tokio::time::timeout(PATIENCE, self.router.clone().oneshot(request)).await;
        let (parts, body) = answer.unwrap().unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// Only how a call is answered; its body may go on for ever.
    pub(crate) async fn status(&self, request: Request<Body>) -> u16 {
        let answer = tokio::time::timeout(PATIENCE, self.router.clone().oneshot(request)).await;
        answer.unwrap().unwrap().status().as_u16()
    }

    /// A call with a token, or without one.
    pub(crate) async fn call(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: Value,
    ) -> Answer {
        self.send(request(token, method, path, &body)).await
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.call(Some(token), Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(None, Method::POST, path, body).await
    }

    /// The mails so far, newest first.
    pub(crate) async fn mails(&self) -> Vec<LocalMail> {
        send_mail::send_due(self.state()).await.unwrap();
        mailbox::list(self.state()).await.unwrap()
    }

    /// The token in the newest mail to an address.
    pub(crate) async fn newest_token(&self, email: &str) -> String {
        // The job of the platform may be at it: what it has taken is not due for us, but arrives. Until then the newest mail of
        // all is somebody else's.
        for _ in 0..500 {
            let mails = self.mails().await;
            if let Some(mail) = mails
                .iter()
                .find(|mail| mail.to.eq_ignore_ascii_case(email))
            {
                return token_of(mail);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no mail to {email} arrived within ten seconds")
    }

    pub(crate) async fn clean_up(&self) {
        housekeeping::remove_old(self.state()).await.unwrap();
    }

    /// Signs up, without opening the link.
    pub(crate) async fn sign_up(&self, slug: &str, email: &str) -> Answer {
        self.post("/v1/signup", form(slug, email)).await
    }

    /// Signs up, opens the link, signs in.
    pub(crate) async fn make_owner(&self, slug: &str) -> Owner {
        self.make_owner_of(slug, &format!("ann@{slug}.example"))
            .await
    }

    /// The same, with another address.
    pub(crate) async fn make_owner_of(&self, slug: &str, email: &str) -> Owner {
        let answer = self.sign_up(slug, email).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        let tenant = answer.body["tenant"]["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let token = self.newest_token(email).await;
        let verified = self
            .post("/v1/signup/verify", json!({"token": token}))
            .await;
        assert_eq!(verified.status, 200, "{:?}", verified.body);
        let signed_in = self.sign_in(email, PASSWORD).await;
        assert_eq!(signed_in.status, 201, "{:?}", signed_in.body);
        Owner {
            tenant,
            slug: slug.to_owned(),
            email: email.to_owned(),
            access_token: signed_in.body["access_token"].as_str().unwrap().to_owned(),
            refresh_token: signed_in.body["refresh_token"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/v1/sessions",
            json!({"email": email, "password": password}),
        )
        .await
    }

    /// The tenant as its owner sees it once `good` likes it.
    pub(crate) async fn wait_for(&self, owner: &Owner, good: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v1/tenants/{}", owner.slug);
        let mut last = Value::Null;
        let looking = async {
            loop {
                last = self.get(&owner.access_token, &path).await.body;
                if good(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, looking).await.is_ok(),
            "it did not come to that: {last:#}"
        );
        last
    }

    pub(crate) async fn wait_for_phase(&self, owner: &Owner, phase: &str) -> Value {
        self.wait_for(owner, |tenant| tenant["phase"] == phase)
            .await
    }
}

pub(crate) fn form(slug: &str, email: &str) -> Value {
    json!({
        "organization": "Acme Corporation",
        "slug": slug,
        "email": email,
        "password": PASSWORD,
        "plan": "team",
    })
}

pub(crate) fn token_of(mail: &LocalMail) -> String {
    let link = mail
        .links
        .iter()
        .find(|link| link.contains("token="))
        .unwrap();
    link.split_once("token=").unwrap().1.to_owned()
}

pub(crate) fn request(
    token: Option<&str>,
    method: Method,
    path: &str,
    body: &Value,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    match body {
        Value::Null => request.body(Body::empty()).unwrap(),
        Value::String(yaml) => request
            .header(header::CONTENT_TYPE, "application/yaml")
            .body(Body::from(yaml.clone()))
            .unwrap(),
        body => request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
    }
}

/// What is around a control plane.
pub(crate) struct Outside {
    pub(crate) provisioner: Arc<dyn Provisioner>,
    pub(crate) runtime_tokens: Arc<dyn RuntimeTokens>,
}

impl Outside {
    fn of(provisioner: &FakeProvisioner) -> Self {
        Self {
            provisioner: Arc::new(provisioner.clone()),
            runtime_tokens: Arc::new(SignedTokens(keys())),
        }
    }
}

fn keys() -> Keys {
    Keys::new("0123456789abcdef0123456789abcdef".into()).unwrap()
}

async fn build(
    database: &TestDatabase,
    s3: &TestS3,
    mail: &MailTransport,
    clock: &MockClock,
    outside: Outside,
    tasks: &Tasks,
    rates: Rates,
) -> App {
    let pool = app::connect_with(database.options(), 10).await.unwrap();
    app::migrate(&pool).await.unwrap();
    let blobs = S3Server {
        endpoint: s3.endpoint(),
        region: "us-east-1".to_owned(),
        bucket: "gotrs".to_owned(),
        access_key_id: TestS3::ACCESS_KEY_ID.to_owned(),
        secret_access_key: TestS3::SECRET_ACCESS_KEY.into(),
    }
    .store();
    let keys = keys();
    App::build(Parts {
        pool,
        blobs,
        provisioner: outside.provisioner,
        clock: Arc::new(clock.clone()),
        runtime_tokens: outside.runtime_tokens,
        keys,
        tasks: tasks.clone(),
        settings: settings(mail, rates),
    })
    .unwrap()
}

fn settings(mail: &MailTransport, rates: Rates) -> Settings {
    Settings {
        public_url: PublicUrl {
            scheme: UrlScheme::Http,
            host: "localhost".to_owned(),
            port: Some(8080),
        },
        tenant_urls: TenantUrls {
            scheme: UrlScheme::Http,
            base_domain: "localhost".to_owned(),
            port: Some(8080),
        },
        cell: "test".to_owned(),
        mail: MailSettings {
            from: "GOTRS Cloud <no-reply@localhost.localdomain>".to_owned(),
            transport: mail.clone(),
        },
        deletion_grace: Duration::from_hours(336),
        trusted_proxies: TrustedProxies::default().and_loopback(),
        rates,
        exports: ExportRetention::default(),
        sandbox: SandboxArgs::default(),
    }
}
