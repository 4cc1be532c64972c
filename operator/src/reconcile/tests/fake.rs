//! A cluster and a database in memory: they keep what they are told, log every call in one list, and fail when told to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use blob_store::{BlobError, BlobKey};
use chrono::{DateTime, Utc};
use domain::clock::{Clock as _, MockClock};
use domain::digest::Sha256Digest;
use domain::id::TenantId;
use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use kube::runtime::events::Reporter;
use kube::runtime::reflector::{self, store::Writer};
use kube::runtime::watcher::Event;
use kube::{Client, Resource};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use service_kit::Tasks;
use tenant_crd::names;
use tenant_database::{AdministratorSeed, Credentials, Note, RoleLimits};
use tenant_export::{Archive, Archives, Exports, Source, SourceError, WriteError};

use crate::channel::work::GuardedChannel;
use crate::config::EXAMPLE;
use crate::events::Events;
use crate::lane::DatabasePermits;
use crate::lease::Leadership;
use crate::memory::Memory;
use crate::note;
use crate::reconcile::status::Rollout;
use crate::reconcile::{Context, Guarded, ReconcileError, reconcile};
use crate::seen::Seen;
use crate::store::{StoreError, Stores, TenantStore};

pub(super) const TENANT: &str = "/apis/gotrs.io/v1/tenants/acme";
pub(super) const NAMESPACE: &str = "/api/v1/namespaces/tenant-acme";
pub(super) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/tenant-acme/deployments/runtime";
pub(super) const SECRET: &str = "/api/v1/namespaces/tenant-acme/secrets/runtime";
pub(super) const ADMINISTRATOR: &str = "/api/v1/namespaces/tenant-acme/secrets/administrator";
pub(super) const BUDGET: &str =
    "/apis/policy/v1/namespaces/tenant-acme/poddisruptionbudgets/runtime";
pub(super) const AUTOSCALER: &str =
    "/apis/autoscaling/v2/namespaces/tenant-acme/horizontalpodautoscalers/runtime";
pub(super) const UID: &str = "3b241101-e2bb-4255-8caf-4136c566a962";

/// Everything outside of the operator.
#[derive(Default)]
pub(super) struct World {
    pub(super) objects: BTreeMap<String, Value>,
    pub(super) events: Vec<String>,
    pub(super) database: Database,
    /// What operators wrote down.
    notes: HashMap<TenantId, String>,
    /// Calls that change something, in their order.
    pub(super) changes: Vec<String>,
    /// What each apply made of the number of runtimes.
    pub(super) replicas: Vec<i64>,
    /// At this call another operator begins to lead.
    pub(super) resigns: Option<(usize, Leadership)>,
    /// How many changes there were then.
    pub(super) changes_when_leading: usize,
    /// The tenant's pods.
    pub(super) pods: Vec<Value>,
    /// What the API server does not let anybody change.
    pub(super) refused: Option<&'static str>,
    /// The object store, if there is one, with the size of each archive.
    pub(super) archives: Option<BTreeMap<String, u64>>,
    /// The object store does not answer.
    pub(super) archives_broken: bool,
    calls: usize,
    /// This call and all after it fail.
    pub(super) fails_at: Option<usize>,
    version: u64,
}

/// One tenant's database.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Database {
    pub(super) schemas: Vec<TenantId>,
    pub(super) passwords: Option<(String, String)>,
    pub(super) migrated: bool,
    pub(super) locked: bool,
    pub(super) administrator: Option<String>,
    /// Why each step fails.
    pub(super) broken: Option<(&'static str, bool)>,
}

impl Database {
    /// What the real one makes of roles and schema.
    fn stamp(&self) -> String {
        format!("{:?} {:?} {}", self.schemas, self.passwords, self.locked)
    }
}

impl World {
    /// Another call from the operator; whether it gets through.
    fn call(&mut self, change: Option<String>) -> bool {
        self.calls += 1;
        if self.fails_at.is_some_and(|at| self.calls >= at) {
            return false;
        }
        self.changes.extend(change);
        if let Some((at, leadership)) = &self.resigns
            && self.calls == *at
        {
            leadership.resign();
            self.changes_when_leading = self.changes.len();
        }
        true
    }

    fn notes(&self) -> Vec<Note> {
        let stamp = self.database.stamp();
        self.notes
            .iter()
            .map(|(tenant, content)| Note {
                tenant: *tenant,
                content: content.clone(),
                stamp: stamp.clone(),
            })
            .collect()
    }

    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let not_found = (
            StatusCode::NOT_FOUND,
            json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "reason": "NotFound", "code": 404, "message": format!("{path} not found"),
            }),
        );
        match *method {
            Method::PATCH if self.refused == Some(path) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                json!({
                    "kind": "Status", "apiVersion": "v1", "status": "Failure",
                    "reason": "Invalid", "code": 422, "message": "a policy's own words",
                }),
            ),
            Method::GET if path.ends_with("/pods") => (
                StatusCode::OK,
                json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self.pods}),
            ),
            Method::GET => match self.objects.get(path) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => not_found,
            },
            Method::POST => {
                self.events
                    .push(body["reason"].as_str().unwrap_or_default().to_owned());
                (StatusCode::CREATED, body.clone())
            }
            Method::DELETE => match self.objects.remove(path) {
                None => not_found,
                Some(mut object) => {
                    if path == NAMESPACE {
                        object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
                        self.objects.insert(path.to_owned(), object.clone());
                    }
                    (StatusCode::OK, object)
                }
            },
            Method::PATCH => match path.strip_suffix("/status") {
                Some(path) => self.apply_status(path, query, body),
                None if query.contains("fieldManager") => {
                    let applied = self.apply(path, query, body);
                    self.replicas.extend(applied["spec"]["replicas"].as_i64());
                    (StatusCode::OK, applied)
                }
                None => match self.merge(path, body) {
                    Some(object) => (StatusCode::OK, object),
                    None => not_found,
                },
            },
            _ => panic!("{method} {path} is not what the operator does"),
        }
    }

    /// Server-side apply by the one manager that owns everything but the status, and by the one of replicas.
    fn apply(&mut self, path: &str, query: &str, wanted: &Value) -> Value {
        let before = self.objects.get(path).cloned();
        let mut object = match &before {
            Some(before) if query.contains(names::OPERATOR_REPLICAS_MANAGER) => {
                assert_eq!(wanted["metadata"]["uid"], before["metadata"]["uid"]);
                let mut object = before.clone();
                object["spec"]["replicas"] = wanted["spec"]["replicas"].clone();
                share_replicas(&mut object, Some(before), names::OPERATOR_REPLICAS_MANAGER);
                object
            }
            _ => {
                let mut object = wanted.clone();
                if object["kind"] == "Deployment" {
                    share_replicas(&mut object, before.as_ref(), names::OPERATOR_MANAGER);
                }
                object
            }
        };
        let metadata = &mut object["metadata"];
        metadata["uid"] = match &before {
            Some(before) => before["metadata"]["uid"].clone(),
            None => json!(format!("uid-of-{path}")),
        };
        if let Some(before) = &before {
            for key in ["resourceVersion", "generation"] {
                if let Some(value) = before["metadata"].get(key) {
                    metadata[key] = value.clone();
                }
            }
            if !before["status"].is_null() {
                object["status"] = before["status"].clone();
            }
        }
        if before.as_ref() != Some(&object) {
            let generation = object["metadata"]["generation"]
                .as_i64()
                .unwrap_or_default()
                + 1;
            object["metadata"]["resourceVersion"] = json!(self.next_version());
            if object.get("spec").is_some() {
                object["metadata"]["generation"] = json!(generation);
            }
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    /// Of two managers: one of what a channel gives, the other of the rest.
    fn apply_status(&mut self, path: &str, query: &str, body: &Value) -> (StatusCode, Value) {
        let version = self.next_version();
        let object = self.objects.get_mut(path).unwrap();
        assert_eq!(body["metadata"]["uid"], object["metadata"]["uid"]);
        object["metadata"]["resourceVersion"] = json!(version);
        let given = object["status"]["channel"].clone();
        if query.contains(names::OPERATOR_CHANNEL_MANAGER) {
            object["status"]["channel"] = body["status"]["channel"].clone();
        } else {
            assert!(
                body["status"]["channel"].is_null(),
                "it is another manager's"
            );
            object["status"] = body["status"].clone();
            if object["kind"] == "Tenant" {
                object["status"]["channel"] = given;
            }
        }
        (StatusCode::OK, object.clone())
    }

    fn merge(&mut self, path: &str, body: &Value) -> Option<Value> {
        let version = self.next_version();
        let object = self.objects.get_mut(path)?;
        assert_eq!(
            body["metadata"]["resourceVersion"], object["metadata"]["resourceVersion"],
            "a finalizer is changed in the version that was read"
        );
        object["metadata"]["finalizers"] = body["metadata"]["finalizers"].clone();
        object["metadata"]["resourceVersion"] = json!(version);
        let gone = object["metadata"]["deletionTimestamp"].is_string()
            && object["metadata"]["finalizers"] == json!([]);
        let object = object.clone();
        if gone {
            self.objects.remove(path);
        }
        Some(object)
    }
}

/// Who says how many replicas a Deployment has: whoever wrote that number. Without anybody it is one.
fn share_replicas(object: &mut Value, before: Option<&Value>, manager: &str) {
    let wanted = object["spec"]["replicas"].clone();
    let mut managers: Vec<Value> = before
        .and_then(|before| before["metadata"]["managedFields"].as_array())
        .into_iter()
        .flatten()
        .filter(|entry| entry["manager"] != manager)
        .cloned()
        .collect();
    let known = before.map_or(Value::Null, |before| before["spec"]["replicas"].clone());
    if wanted.is_null() {
        object["spec"]["replicas"] = if managers.is_empty() { json!(1) } else { known };
    } else {
        if wanted != known {
            managers.clear();
        }
        managers.push(json!({
            "manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}},
        }));
    }
    object["metadata"]["managedFields"] = json!(managers);
}

/// `PATCH .../deployments/runtime` as `apply deployments/runtime`.
fn change(method: &Method, path: &str, query: &str) -> Option<String> {
    let parts: Vec<&str> = path.rsplit('/').take(2).collect();
    let short = format!("{}/{}", parts[1], parts[0]);
    let verb = match *method {
        Method::GET => return None,
        Method::POST => return Some("event".to_owned()),
        Method::DELETE => "delete",
        _ if path.ends_with("/status") => return Some("status".to_owned()),
        _ if query.contains("fieldManager") => "apply",
        _ => return Some("finalizers".to_owned()),
    };
    Some(format!("{verb} {short}"))
}

#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) clock: MockClock,
    pub(super) ctx: Arc<Context>,
    writer: Arc<Mutex<Writer<Guarded>>>,
    channel_writer: Arc<Mutex<Writer<GuardedChannel>>>,
}

impl Cluster {
    /// With the Tenant `acme`, which has these entries in its spec.
    pub(super) fn with(spec: Value) -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        world
            .lock()
            .unwrap()
            .objects
            .insert(TENANT.to_owned(), tenant("acme", UID, spec));
        Self::around(world, Leadership::alone())
    }

    /// With an object store.
    pub(super) fn with_archives(spec: Value) -> Self {
        let world = Self::with(spec).world;
        world.lock().unwrap().archives = Some(BTreeMap::new());
        Self::around(world, Leadership::alone())
    }

    /// Reconciles, and lets the exports that it began end, until neither changes anything; failures are answered.
    pub(super) async fn settle_with_exports(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for _ in 0..12 {
            if self.object(TENANT).is_none() {
                break;
            }
            if let Err(error) = self.reconcile().await {
                failures.push(error.to_string());
            }
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        failures
    }

    /// The same world seen by an operator that has just started.
    pub(super) fn restarted(&self) -> Self {
        self.world.lock().unwrap().fails_at = None;
        Self::around(Arc::clone(&self.world), Leadership::alone())
    }

    pub(super) fn around(world: Arc<Mutex<World>>, leadership: Leadership) -> Self {
        let api = Arc::clone(&world);
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = Arc::clone(&api);
            async move {
                let (parts, body) = request.into_parts();
                let bytes = body.collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                let path = parts.uri.path();
                let query = parts.uri.query().unwrap_or_default();
                let mut world = api.lock().unwrap();
                if !world.call(change(&parts.method, path, query)) {
                    return Err(std::io::Error::other("the connection broke"));
                }
                let (status, answer) = world.answer(&parts.method, path, query, &body);
                Ok(Response::builder()
                    .status(status)
                    .body(Body::from(serde_json::to_vec(&answer).unwrap()))
                    .unwrap())
            }
        });
        let client = Client::new(service, "default");
        let clock = MockClock::default();
        let (seen, memory) = (Seen::default(), Memory::default());
        for note in world.lock().unwrap().notes() {
            note::restore(&note, &seen, &memory, clock.now());
        }
        let (tenants, writer) = reflector::store();
        let (channels, channel_writer) = reflector::store();
        let store: Arc<dyn TenantStore> = Arc::new(Store(Arc::clone(&world)));
        let tasks = Tasks::new();
        let has_archives = world.lock().unwrap().archives.is_some();
        let archives: Option<Arc<dyn Archives>> =
            has_archives.then(|| Arc::new(Bucket(Arc::clone(&world))) as Arc<dyn Archives>);
        let ctx = Arc::new(Context {
            exports: Exports::new(tenant_export::Settings {
                archives,
                tasks: tasks.clone(),
                metric: "operator_exports_total",
                ended: Box::new(|_tenant| {}),
            }),
            events: Events::new(
                client.clone(),
                Reporter {
                    controller: "test".to_owned(),
                    instance: None,
                },
            ),
            client,
            cluster: serde_json::from_str(EXAMPLE).unwrap(),
            stores: Stores::from([("default".to_owned(), store)]),
            // One for what is long, and one that is kept for users.
            database_permits: DatabasePermits::new(2),
            seen: Arc::new(seen),
            memory,
            tenants,
            ids: Arc::default(),
            channels,
            touched: Arc::default(),
            leadership,
            clock: Arc::new(clock.clone()),
            tasks,
        });
        Self {
            world,
            clock,
            ctx,
            writer: Arc::new(Mutex::new(writer)),
            channel_writer: Arc::new(Mutex::new(channel_writer)),
        }
    }

    /// One reconcile of what the watches see now.
    pub(super) async fn reconcile(&self) -> Result<(), ReconcileError> {
        self.watch();
        self.reconcile_blind().await
    }

    /// One reconcile of what the watches saw before.
    pub(super) async fn reconcile_blind(&self) -> Result<(), ReconcileError> {
        let object = self.object(TENANT).expect("the Tenant is there");
        self.reconcile_as(object).await
    }

    /// One reconcile of a Tenant that may be older than what is there now.
    pub(super) async fn reconcile_as(&self, object: Value) -> Result<(), ReconcileError> {
        let object: Guarded = serde_json::from_value(object).unwrap();
        reconcile(Arc::new(object), Arc::clone(&self.ctx))
            .await
            .map(drop)
    }

    /// Reconciles until nothing changes any more; answers what was changed.
    pub(super) async fn settle(&self) -> Vec<String> {
        self.world.lock().unwrap().changes.clear();
        for _ in 0..6 {
            let before = self.world.lock().unwrap().changes.len();
            if self.object(TENANT).is_none() {
                break;
            }
            self.reconcile().await.unwrap();
            if self.world.lock().unwrap().changes.len() == before {
                break;
            }
        }
        self.world.lock().unwrap().changes.clone()
    }

    /// The watches catch up.
    pub(super) fn watch(&self) {
        let world = self.world.lock().unwrap();
        for kind in [
            "Namespace",
            "Secret",
            "ServiceAccount",
            "ResourceQuota",
            "LimitRange",
            "NetworkPolicy",
            "Deployment",
            "PodDisruptionBudget",
            "HorizontalPodAutoscaler",
        ] {
            self.ctx.seen.begins(kind);
            for object in world
                .objects
                .values()
                .filter(|object| object["kind"] == kind)
            {
                let metadata = serde_json::from_value(object["metadata"].clone()).unwrap();
                if kind == "Deployment" {
                    let deployment = serde_json::from_value(object.clone()).unwrap();
                    let rollout = Rollout::of(&deployment);
                    self.ctx.seen.saw_rollout(kind, &metadata, rollout);
                } else {
                    self.ctx.seen.saw(kind, &metadata);
                }
            }
            self.ctx.seen.has_told(kind);
        }
        refill(&self.writer, &world, "Tenant", |event| {
            self.ctx.ids.saw(event);
        });
        refill(&self.channel_writer, &world, "RuntimeChannel", |_| {});
    }

    pub(super) fn object(&self, path: &str) -> Option<Value> {
        self.world.lock().unwrap().objects.get(path).cloned()
    }

    pub(super) fn edit(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut world = self.world.lock().unwrap();
        let version = world.next_version();
        let object = world.objects.get_mut(path).unwrap();
        edit(object);
        object["metadata"]["resourceVersion"] = json!(version);
        if let Some(generation) = object["metadata"]["generation"].as_i64() {
            object["metadata"]["generation"] = json!(generation + 1);
        }
    }

    /// A controller of the cluster reports.
    pub(super) fn edit_status(&self, path: &str, status: Value) {
        self.world.lock().unwrap().objects.get_mut(path).unwrap()["status"] = status;
    }

    /// The autoscaler wants so many.
    pub(super) fn scaled_by_load(&self, replicas: i64) {
        self.edit(DEPLOYMENT, |deployment| {
            deployment["spec"]["replicas"] = json!(replicas);
            deployment["metadata"]["managedFields"] = json!([{
                "manager": "kube-controller-manager", "operation": "Update", "subresource": "scale",
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            }]);
        });
    }

    /// The cluster's own controllers do their work.
    pub(super) fn pods_run(&self) {
        let mut world = self.world.lock().unwrap();
        if let Some(deployment) = world.objects.get_mut(DEPLOYMENT) {
            let replicas = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
            deployment["status"] = json!({
                "observedGeneration": deployment["metadata"]["generation"],
                "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas,
            });
        }
    }

    pub(super) fn condition(&self, kind: &str) -> (String, String) {
        let object = self.object(TENANT).unwrap();
        let found = object["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|found| found["type"] == kind)
            .cloned()
            .unwrap_or_default();
        let word = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        (word("status"), word("reason"))
    }

    pub(super) fn phase(&self) -> String {
        let object = self.object(TENANT).unwrap();
        object["status"]["phase"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn database(&self) -> Database {
        self.world.lock().unwrap().database.clone()
    }

    pub(super) fn delete_tenant(&self, at: DateTime<Utc>) {
        self.edit(TENANT, |tenant| {
            tenant["metadata"]["deletionTimestamp"] = json!(at.to_rfc3339());
        });
    }

    /// The namespace and all in it are gone.
    pub(super) fn namespace_ends(&self) {
        self.world
            .lock()
            .unwrap()
            .objects
            .retain(|path, _| !path.contains("tenant-acme"));
    }
}

/// A watch lists all objects of a kind.
fn refill<K>(writer: &Mutex<Writer<K>>, world: &World, kind: &str, saw: impl Fn(&Event<K>))
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + 'static,
{
    let mut writer = writer.lock().unwrap();
    let mut tell = |event| {
        saw(&event);
        writer.apply_watcher_event(&event);
    };
    tell(Event::Init);
    for object in world
        .objects
        .values()
        .filter(|object| object["kind"] == kind)
    {
        tell(Event::InitApply(
            serde_json::from_value(object.clone()).unwrap(),
        ));
    }
    tell(Event::InitDone);
}

#[expect(clippy::needless_pass_by_value, reason = "each call makes its own")]
pub(super) fn tenant(name: &str, uid: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "gotrs.io/v1", "kind": "Tenant",
        "metadata": {
            "name": name, "uid": uid, "generation": 1, "resourceVersion": "1",
            "creationTimestamp": "2026-01-02T03:00:00Z",
        },
        "spec": {"slug": name},
    });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

struct Bucket(Arc<Mutex<World>>);

impl Bucket {
    fn archives<T>(
        &self,
        work: impl FnOnce(&mut BTreeMap<String, u64>) -> T,
    ) -> Result<T, BlobError> {
        let mut world = self.0.lock().unwrap();
        if world.archives_broken {
            return Err(BlobError::TimedOut {
                operation: "look for an object",
                seconds: 10,
            });
        }
        Ok(work(world.archives.as_mut().unwrap()))
    }
}

#[async_trait]
impl Archives for Bucket {
    async fn find(&self, key: &BlobKey) -> Result<Option<u64>, BlobError> {
        self.archives(|archives| archives.get(key.as_str()).copied())
    }

    async fn write(
        &self,
        key: &BlobKey,
        tenant: TenantId,
        from: Arc<dyn Source>,
    ) -> Result<Option<Archive>, WriteError> {
        let bytes = 42;
        match from.export(tenant, Box::new(std::io::sink())).await {
            Err(SourceError::Nothing) => return Ok(None),
            Err(SourceError::Failed(error)) => return Err(WriteError::Source(error)),
            Ok(()) => {}
        }
        self.archives(|archives| archives.insert(key.to_string(), bytes))?;
        Ok(Some(Archive {
            bytes,
            sha256: Some(Sha256Digest::of(b"rows")),
        }))
    }
}

struct Store(Arc<Mutex<World>>);

fn broken() -> StoreError {
    StoreError::passing("Broken", std::io::Error::other("the connection broke"))
}

impl Store {
    fn step(&self, name: &str, work: impl FnOnce(&mut Database)) -> Result<(), StoreError> {
        let mut world = self.0.lock().unwrap();
        if !world.call(Some(name.to_owned())) {
            return Err(broken());
        }
        match world.database.broken {
            Some((reason, false)) => Err(StoreError::passing(reason, std::io::Error::other("no"))),
            Some((reason, true)) => Err(StoreError::lasting(reason, std::io::Error::other("no"))),
            None => {
                work(&mut world.database);
                Ok(())
            }
        }
    }
}

#[async_trait]
impl TenantStore for Store {
    async fn ensure_schema(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.step("schema", |database| {
            if !database.schemas.contains(&tenant) {
                database.schemas.push(tenant);
            }
        })
    }

    async fn ensure_roles(
        &self,
        _: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
    ) -> Result<(), StoreError> {
        assert!(limits.runtime_connections > 0);
        self.step("roles", |database| {
            let stored = credentials.expose();
            database.passwords = Some((stored.runtime_password, stored.lambda_password));
            database.locked = false;
        })
    }

    async fn change_roles(
        &self,
        tenant: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
        stamp: &str,
    ) -> Result<Option<String>, StoreError> {
        if self.0.lock().unwrap().database.stamp() != stamp {
            return Ok(None);
        }
        self.ensure_roles(tenant, credentials, limits).await?;
        Ok(Some(self.0.lock().unwrap().database.stamp()))
    }

    async fn migrate(&self, _: TenantId) -> Result<i64, StoreError> {
        self.step("migrate", |database| database.migrated = true)?;
        Ok(12)
    }

    async fn ensure_administrator(
        &self,
        _: TenantId,
        seed: &AdministratorSeed,
    ) -> Result<bool, StoreError> {
        assert!(seed.password_hash.expose_secret().starts_with("$argon2id$"));
        let mut made = false;
        self.step("administrator", |database| {
            if database.administrator.is_none() {
                database.administrator = Some(seed.email.clone());
                made = true;
            }
        })?;
        Ok(made)
    }

    async fn differences(&self, _: TenantId) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn stamp(&self, _: TenantId) -> Result<String, StoreError> {
        // Reading is no change.
        let mut world = self.0.lock().unwrap();
        if world.call(None) {
            return Ok(world.database.stamp());
        }
        Err(broken())
    }

    async fn keep_note(&self, tenant: TenantId, content: &str) -> Result<(), StoreError> {
        let mut world = self.0.lock().unwrap();
        if world.call(None) {
            world.notes.insert(tenant, content.to_owned());
            return Ok(());
        }
        Err(broken())
    }

    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        Ok(self.0.lock().unwrap().notes())
    }

    async fn lock(&self, _: TenantId) -> Result<(), StoreError> {
        self.step("lock", |database| database.locked = true)
    }

    async fn remove(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.step("remove", |database| {
            database.schemas.retain(|schema| *schema != tenant);
            *database = Database {
                schemas: database.schemas.clone(),
                ..Database::default()
            };
        })
    }

    async fn export(
        &self,
        tenant: TenantId,
        _: Box<dyn std::io::Write + Send>,
    ) -> Result<u64, StoreError> {
        let mut exists = false;
        self.step("export", |database| {
            exists = database.schemas.contains(&tenant);
        })?;
        if exists {
            Ok(42)
        } else {
            Err(StoreError::nothing_to_export())
        }
    }

    fn runtime_url(&self, _: TenantId, credentials: &Credentials) -> SecretString {
        format!(
            "postgres://runtime:{}@db/t",
            credentials.runtime.expose_secret()
        )
        .into()
    }

    fn lambda_url(&self, _: TenantId, credentials: &Credentials) -> SecretString {
        format!(
            "postgres://lambda:{}@db/t",
            credentials.lambda.expose_secret()
        )
        .into()
    }
}

/// The text of an entry of a Secret.
pub(super) fn entry(secret: &Value, key: &str) -> String {
    let bytes: HashMap<String, k8s_openapi::ByteString> =
        serde_json::from_value(secret["data"].clone()).unwrap();
    String::from_utf8(bytes[key].0.clone()).unwrap()
}
