//! A control plane with one tenant, and helpers to talk to it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use blob_store::config::S3Server;
use control_plane::app::{self, App, AppState, Parts};
use control_plane::config::{ExportRetention, PublicUrl, Settings, TenantUrls, UrlScheme};
use control_plane::db::{account, tenant};
use control_plane::keys::Keys;
use control_plane::mail::{MailSettings, MailTransport};
use control_plane::provision::{Desired, ExportProgress, Observed, ProvisionError, Provisioner};
use control_plane::rate_limit::Rates;
use control_plane::runtime_token::SignedTokens;
use control_plane::{runtime_token, service};
use domain::clock::{Clock as _, SystemClock};
use domain::id::{AccountId, ExportId, TenantId};
use domain::name::TenantSlug;
use domain::plan::Plan;
use domain::watch::{Acknowledgement, ModuleResult, WatchEvent};
use futures_util::{StreamExt as _, TryStreamExt};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use module_engine::config::SandboxArgs;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use service_kit::Tasks;
use service_kit::client_address::TrustedProxies;
use sqlx::postgres::PgPool;
use tempfile::TempDir;
use test_kit::postgres::TestDatabase;
use test_kit::s3::TestS3;
use tokio::sync::broadcast;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;
use tower::ServiceExt as _;

/// Anything that takes longer than this is a failed test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Provisions nothing: these tests say by themselves what is there.
struct NoProvisioner(broadcast::Sender<TenantId>);

#[async_trait]
impl Provisioner for NoProvisioner {
    async fn apply(&self, _desired: &Desired) -> Result<(), ProvisionError> {
        Ok(())
    }

    async fn observe(&self, _tenant: TenantId) -> Result<Option<Observed>, ProvisionError> {
        Ok(None)
    }

    async fn export(
        &self,
        _tenant: TenantId,
        _export: ExportId,
    ) -> Result<ExportProgress, ProvisionError> {
        Ok(ExportProgress::Waiting)
    }

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.0.subscribe()
    }
}

/// A control plane of its own for one test.
pub(crate) struct World {
    pub app: App,
    pub s3: TestS3,
    pub tenant: TenantId,
    pub account: AccountId,
    router: Router,
    token: String,
    database: TestDatabase,
    tasks: Tasks,
    _mail: TempDir,
}

impl World {
    /// With tenant "acme", signed in as its owner, and the background jobs running.
    pub(crate) async fn start() -> Self {
        let world = Self::start_deaf().await;
        control_plane::jobs::module_feed::spawn(world.state());
        world
    }

    /// The same, but no job listens to notifications.
    pub(crate) async fn start_deaf() -> Self {
        service_kit::telemetry::install_tls_provider();
        let database = TestDatabase::create().await.unwrap();
        let pool = app::connect_with(database.options(), 10).await.unwrap();
        app::migrate(&pool).await.unwrap();
        let s3 = TestS3::start().await.unwrap();
        let store = S3Server {
            endpoint: s3.endpoint(),
            region: "us-east-1".to_owned(),
            bucket: "gotrs".to_owned(),
            access_key_id: TestS3::ACCESS_KEY_ID.to_owned(),
            secret_access_key: TestS3::SECRET_ACCESS_KEY.into(),
        }
        .store();
        store.ensure_bucket().await.unwrap();
        let mail = tempfile::tempdir().unwrap();
        let tasks = Tasks::new();
        let keys = Keys::new("0123456789abcdef0123456789abcdef".into()).unwrap();
        let app = App::build(Parts {
            pool: pool.clone(),
            blobs: store,
            provisioner: Arc::new(NoProvisioner(broadcast::Sender::new(1))),
            clock: Arc::new(SystemClock),
            runtime_tokens: Arc::new(SignedTokens(keys.clone())),
            keys,
            tasks: tasks.clone(),
            settings: settings(&mail),
        })
        .unwrap();
        let (account, tenant) = make_tenant(&pool, "acme").await;
        let tokens = service::session::start(app.state(), account).await.unwrap();
        Self {
            router: app.http_router(),
            token: tokens.access_token.expose_secret().to_owned(),
            app,
            s3,
            tenant,
            account,
            database,
            tasks,
            _mail: mail,
        }
    }

    pub(crate) fn state(&self) -> &AppState {
        self.app.state()
    }

    /// Another tenant of somebody else.
    pub(crate) async fn make_stranger(&self, slug: &str) -> TenantId {
        make_tenant(&self.state().pool, slug).await.1
    }

    /// The owner's access token.
    pub(crate) fn token(&self) -> String {
        self.token.clone()
    }

    pub(crate) fn runtime_token(&self, tenant: TenantId) -> String {
        runtime_token::issue(&self.state().keys, tenant)
            .expose_secret()
            .to_owned()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response {
        tokio::time::timeout(PATIENCE * 3, self.router.clone().oneshot(request))
            .await
            .unwrap()
            .unwrap()
    }

    /// A call as the owner; the answer as JSON (null when there is none).
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: impl Into<CallBody>,
    ) -> (StatusCode, Value) {
        let body = body.into();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(kind) = body.kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let response = self
            .send(request.body(Body::from(body.bytes)).unwrap())
            .await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, CallBody::none()).await
    }

    /// Uploads a module of acme; `name` may carry a query.
    pub(crate) async fn put(&self, name: &str, yaml: &str) -> (StatusCode, Value) {
        let path = format!("/v1/tenants/acme/modules/{name}");
        self.call(Method::PUT, &path, CallBody::yaml(yaml)).await
    }

    /// A watch stream of acme's runtime.
    pub(crate) async fn watch(&self, query: &str) -> Watch {
        let request = Request::get(format!("/v1/runtime/modules/watch{query}"))
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", self.runtime_token(self.tenant)),
            )
            .body(Body::empty())
            .unwrap();
        let response = self.send(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        let bytes = response.into_body().into_data_stream();
        let bytes = TryStreamExt::map_err(bytes, std::io::Error::other);
        Watch(FramedRead::new(StreamReader::new(bytes.boxed()), LinesCodec::new()).boxed())
    }

    /// What a runtime says; the status of the answer.
    pub(crate) async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> StatusCode {
        let request = Request::post("/v1/runtime/modules/ack")
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", self.runtime_token(self.tenant)),
            )
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(serde_json::to_vec(acknowledgement).unwrap()))
            .unwrap();
        self.send(request).await.status()
    }

    pub(crate) async fn end(self) {
        self.tasks.shut_down(PATIENCE).await;
        self.state().pool.close().await;
        self.database.drop_database().await.unwrap();
    }

    pub(crate) fn stop(&self) {
        self.tasks.stop();
    }
}

/// What a call sends.
pub(crate) struct CallBody {
    kind: Option<&'static str>,
    bytes: Vec<u8>,
}

impl CallBody {
    pub(crate) fn none() -> Self {
        Self {
            kind: None,
            bytes: Vec::new(),
        }
    }

    pub(crate) fn yaml(text: impl AsRef<[u8]>) -> Self {
        Self {
            kind: Some("application/yaml"),
            bytes: text.as_ref().to_vec(),
        }
    }
}

impl From<Value> for CallBody {
    fn from(value: Value) -> Self {
        Self {
            kind: Some("application/json"),
            bytes: value.to_string().into_bytes(),
        }
    }
}

/// The lines of a watch stream.
pub(crate) struct Watch(
    futures_util::stream::BoxStream<'static, Result<String, tokio_util::codec::LinesCodecError>>,
);

impl Watch {
    /// The next event.
    pub(crate) async fn next(&mut self) -> WatchEvent {
        let line = tokio::time::timeout(PATIENCE, self.0.next())
            .await
            .expect("an event within the time")
            .expect("a stream that goes on")
            .unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The next event that is no heartbeat.
    pub(crate) async fn next_change(&mut self) -> WatchEvent {
        loop {
            let event = self.next().await;
            if !matches!(event, WatchEvent::Bookmark { .. }) {
                return event;
            }
        }
    }

    /// That nothing more comes.
    pub(crate) async fn assert_ends(&mut self) {
        let rest = tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap();
        assert!(rest.is_none(), "{rest:?}");
    }
}

/// What a runtime would answer to an event; `ok` says whether it likes the modules in it.
pub(crate) fn answer_to(instance: &str, event: &WatchEvent, ok: bool) -> Acknowledgement {
    let modules = match event {
        WatchEvent::Snapshot { modules, .. } => modules.clone(),
        WatchEvent::Put { module, .. } => vec![module.clone()],
        WatchEvent::Delete { .. } | WatchEvent::Bookmark { .. } => Vec::new(),
    };
    let diagnostics = if ok {
        Vec::new()
    } else {
        vec![missing_table()]
    };
    Acknowledgement {
        instance: instance.to_owned(),
        generation: event.generation(),
        results: modules
            .into_iter()
            .map(|module| ModuleResult {
                name: module.name,
                sha256: module.sha256,
                ok,
                diagnostics: diagnostics.clone(),
                suspension: None,
            })
            .collect(),
    }
}

fn missing_table() -> domain::diagnostic::Diagnostic {
    domain::diagnostic::Diagnostic {
        severity: domain::diagnostic::Severity::Error,
        code: "unknown-table".to_owned(),
        message: "there is no table \"x\"".to_owned(),
        help: None,
        line: 3,
        column: 10,
        length: 1,
        path: "module.table".to_owned(),
    }
}

fn settings(mail: &TempDir) -> Settings {
    let many = NonZeroU32::new(10_000).unwrap();
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
            transport: MailTransport::LocalMailbox(mail.path().to_owned()),
        },
        deletion_grace: Duration::from_hours(24),
        trusted_proxies: TrustedProxies::default().and_loopback(),
        rates: Rates {
            signups_per_hour: many,
            sign_ins_per_minute: many,
            calls_per_second: many,
            exports_per_hour: many,
        },
        exports: ExportRetention::default(),
        sandbox: SandboxArgs::default(),
    }
}

async fn make_tenant(pool: &PgPool, slug: &str) -> (AccountId, TenantId) {
    let now = SystemClock.now();
    let (owner, id) = (AccountId::generate(), TenantId::generate());
    let slug: TenantSlug = slug.parse().unwrap();
    let email = format!("ann@{slug}.example").parse().unwrap();
    let mut tx = pool.begin().await.unwrap();
    let new = account::NewAccount {
        id: owner,
        email: &email,
        organization: slug.as_str(),
        password_hash: &"not a hash".into(),
    };
    account::insert(&mut tx, &new, now).await.unwrap();
    account::set_verified(&mut tx, owner, now).await.unwrap();
    let new = tenant::NewTenant {
        id,
        account: owner,
        slug: &slug,
        organization: slug.as_str(),
        plan: Plan::Free,
        cell: "test",
    };
    tenant::insert(&mut tx, &new, now).await.unwrap();
    tx.commit().await.unwrap();
    (owner, id)
}
