//! An API server in memory: Tenants with lists, watches and server-side apply by several managers; Events and token reviews.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::Body as Answer;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use bytes::Bytes;
use domain::id::TenantId;
use futures_util::{Stream, StreamExt as _};
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;

const TENANTS: &str = "/apis/gotrs.io/v1/tenants";

/// The token that a tenant's runtime shows. Nobody signed it: this API server believes everybody.
pub(crate) fn runtime_token(slug: &str) -> String {
    let claims = json!({
        "sub": format!("system:serviceaccount:tenant-{slug}:runtime"), "aud": ["gotrs-control-plane"],
    });
    format!("e30.{}.none", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn namespace_of(token: &str) -> String {
    let payload = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let account = claims["sub"].as_str().unwrap();
    account.split(':').nth(2).unwrap().to_owned()
}

/// Clones are the same API server.
#[derive(Clone)]
pub(crate) struct Cluster {
    world: Arc<Mutex<World>>,
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct World {
    tenants: BTreeMap<String, Value>,
    /// Who has set which field of which Tenant.
    managers: BTreeMap<(String, String), BTreeSet<String>>,
    /// Everything that watches tell, with its version.
    log: Vec<(u64, Value)>,
    events: Vec<String>,
    /// Manager and path of everything that was written.
    writes: Vec<String>,
    version: u64,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self {
            world: Arc::default(),
            version: watch::Sender::new(0),
        }
    }

    pub(crate) fn client(&self) -> Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let cluster = cluster.clone();
            async move {
                let (parts, body) = request.into_parts();
                let bytes = body.collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                let kind = parts.headers.get("content-type");
                let is_apply =
                    kind.is_some_and(|kind| kind.as_bytes().ends_with(b"apply-patch+yaml"));
                let query = format!("{}&apply={is_apply}", parts.uri.query().unwrap_or_default());
                Ok::<_, Infallible>(cluster.answer(&parts.method, parts.uri.path(), &query, &body))
            }
        });
        Client::new(service, "default")
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// What `kubectl apply` of a Tenant with this spec does; the id is the resource's own unless the spec has one.
    pub(crate) fn apply(&self, slug: &str, spec: Value) -> TenantId {
        let id = {
            let mut world = self.lock();
            let uid = match world.tenants.get(slug) {
                Some(tenant) => tenant["metadata"]["uid"].as_str().unwrap().to_owned(),
                None => TenantId::generate().to_string(),
            };
            let body = merged(
                json!({
                    "metadata": {"name": slug},
                    "spec": {"slug": slug, "suspended": false},
                }),
                &json!({"spec": spec}),
            );
            if !world.tenants.contains_key(slug) {
                let object = json!({
                    "apiVersion": "gotrs.io/v1", "kind": "Tenant",
                    "metadata": {
                        "name": slug, "uid": uid, "generation": 1, "annotations": {},
                        "creationTimestamp": "2026-01-02T03:04:05Z",
                    },
                    "spec": body["spec"],
                });
                world.tenants.insert(slug.to_owned(), object);
                world.tell("ADDED", slug);
            }
            for field in spec.as_object().unwrap().keys() {
                let owners = world
                    .managers
                    .entry((slug.to_owned(), format!("spec.{field}")));
                owners.or_default().insert("kubectl".to_owned());
            }
            let object = world.tenants.get_mut(slug).unwrap();
            object["spec"] = merged(object["spec"].clone(), &spec);
            let generation = object["metadata"]["generation"].as_i64().unwrap() + 1;
            object["metadata"]["generation"] = json!(generation);
            world.tell("MODIFIED", slug);
            spec["id"].as_str().unwrap_or(&uid).parse().unwrap()
        };
        self.told();
        id
    }

    /// What the operator does with a Tenant that it has taken: all of it is ready.
    pub(crate) fn operate(&self, slug: &str) {
        let condition = |kind: &str| {
            json!({
                "type": kind, "status": "True", "reason": "Ready", "message": "",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            })
        };
        self.change(slug, |tenant| {
            let id = match tenant["spec"]["id"].as_str() {
                Some(id) => id.to_owned(),
                None => tenant["metadata"]["uid"].as_str().unwrap().to_owned(),
            };
            let suspended = tenant["spec"]["suspended"] == json!(true);
            let conditions = [
                "DatabaseReady",
                "SchemaMigrated",
                "RuntimeAvailable",
                "Routed",
            ];
            let conditions: Vec<Value> = conditions.into_iter().map(condition).collect();
            let status = json!({
                "tenantId": id,
                "observedGeneration": tenant["metadata"]["generation"],
                "phase": if suspended { "Suspended" } else { "Active" },
                "readyReplicas": i32::from(!suspended),
                "conditions": conditions,
            });
            let before = tenant["status"].take();
            tenant["status"] = apply_status(before, &status);
        });
    }

    pub(crate) fn annotate(&self, slug: &str, name: &str, value: &str) {
        self.change(slug, |tenant| {
            tenant["metadata"]["annotations"][name] = json!(value);
        });
    }

    /// What `kubectl patch` does: what it changes is nobody else's after that, and `null` removes.
    pub(crate) fn edit(&self, slug: &str, spec: &Value) {
        {
            let mut world = self.lock();
            for (field, value) in spec.as_object().unwrap() {
                let object = world.tenants.get_mut(slug).unwrap();
                object["spec"][field] = value.clone();
                let generation = object["metadata"]["generation"].as_i64().unwrap() + 1;
                object["metadata"]["generation"] = json!(generation);
                let owners = if value.is_null() {
                    BTreeSet::new()
                } else {
                    BTreeSet::from(["kubectl".to_owned()])
                };
                let key = (slug.to_owned(), format!("spec.{field}"));
                world.managers.insert(key, owners);
            }
            world.tell("MODIFIED", slug);
        }
        self.told();
    }

    /// What the operator says about versions.
    pub(crate) fn report(&self, slug: &str, status: &Value) {
        self.change(slug, |tenant| {
            let before = tenant["status"].take();
            tenant["status"] = merged(if before.is_null() { json!({}) } else { before }, status);
        });
    }

    /// `kubectl delete`, and the operator has taken everything away.
    pub(crate) fn delete(&self, slug: &str) {
        {
            let mut world = self.lock();
            world.tell("DELETED", slug);
            world.tenants.remove(slug).unwrap();
            world.managers.retain(|(name, _), _| name != slug);
        }
        self.told();
    }

    /// `kubectl delete`, and the finalizer keeps it.
    pub(crate) fn begin_delete(&self, slug: &str) {
        self.change(slug, |tenant| {
            tenant["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        });
    }

    fn change(&self, slug: &str, change: impl FnOnce(&mut Value)) {
        {
            let mut world = self.lock();
            change(world.tenants.get_mut(slug).unwrap());
            world.tell("MODIFIED", slug);
        }
        self.told();
    }

    fn told(&self) {
        self.version.send_replace(self.lock().version);
    }

    pub(crate) fn tenant(&self, slug: &str) -> Value {
        let world = self.lock();
        world.tenants.get(slug).cloned().unwrap_or(Value::Null)
    }

    pub(crate) fn condition(&self, slug: &str, kind: &str) -> Value {
        let tenant = self.tenant(slug);
        let conditions = tenant["status"]["conditions"].as_array();
        let found = conditions
            .into_iter()
            .flatten()
            .find(|one| one["type"] == kind);
        found.cloned().unwrap_or(Value::Null)
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.lock().events.clone()
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        self.lock().writes.clone()
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, good: impl Fn(&Self) -> bool) {
        for _ in 0..1_000 {
            if good(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let world = self.lock();
        panic!(
            "{what} did not come: {:#?} {:?}",
            world.tenants, world.events
        );
    }

    fn answer(&self, method: &Method, path: &str, query: &str, body: &Value) -> Response<Answer> {
        let queries: BTreeMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let get = |key: &str| queries.get(key).map(String::as_str);
        if path == TENANTS && get("watch") == Some("true") {
            let since = get("resourceVersion").unwrap_or("0").parse().unwrap();
            return Response::new(Answer::from_stream(self.watch(since)));
        }
        let (status, answer) = self.answer_one(method, path, &queries, body);
        self.told();
        Response::builder()
            .status(status)
            .body(Answer::from(serde_json::to_vec(&answer).unwrap()))
            .unwrap()
    }

    fn watch(&self, since: u64) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let cluster = self.clone();
        let versions = self.version.subscribe();
        futures_util::stream::unfold((since, versions), move |(since, mut versions)| {
            let cluster = cluster.clone();
            async move {
                loop {
                    versions.mark_unchanged();
                    let news: Vec<(u64, Value)> = {
                        let world = cluster.lock();
                        let later = world.log.iter().filter(|(version, _)| *version > since);
                        later.cloned().collect()
                    };
                    if let Some((last, _)) = news.last() {
                        let last = *last;
                        let mut lines = String::new();
                        for (_, event) in &news {
                            lines.push_str(&event.to_string());
                            lines.push('\n');
                        }
                        return Some((Ok(Bytes::from(lines)), (last, versions)));
                    }
                    versions.changed().await.ok()?;
                }
            }
        })
        .boxed()
    }

    fn answer_one(
        &self,
        method: &Method,
        path: &str,
        queries: &BTreeMap<String, String>,
        body: &Value,
    ) -> (StatusCode, Value) {
        let mut world = self.lock();
        if path.ends_with("/tokenreviews") {
            let namespace = namespace_of(body["spec"]["token"].as_str().unwrap());
            let answer = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": body["spec"],
                "status": {"authenticated": true, "audiences": body["spec"]["audiences"],
                    "user": {"username": format!("system:serviceaccount:{namespace}:runtime")}}});
            return (StatusCode::CREATED, answer);
        }
        if path.contains("/events") {
            let reason = body["reason"].as_str().unwrap_or_default();
            let about = body["regarding"]["name"].as_str().unwrap_or_default();
            world.events.push(format!("{about} {reason}"));
            return (StatusCode::CREATED, body.clone());
        }
        if path == TENANTS {
            let items: Vec<Value> = world.tenants.values().cloned().collect();
            let version = world.version.to_string();
            return (
                StatusCode::OK,
                json!({"kind": "TenantList", "apiVersion": "gotrs.io/v1",
                    "metadata": {"resourceVersion": version}, "items": items}),
            );
        }
        let name = path.strip_prefix(&format!("{TENANTS}/"));
        let Some(name) = name else {
            // The Secrets for the operator.
            return (StatusCode::OK, body.clone());
        };
        match *method {
            Method::PATCH => world.patch(name, queries, body),
            _ if !world.tenants.contains_key(name) => refusal(404, "NotFound", &[]),
            Method::GET => (StatusCode::OK, world.with_managers(name)),
            Method::DELETE => {
                let uid = &body["preconditions"]["uid"];
                if *uid != world.tenants[name]["metadata"]["uid"] {
                    return refusal(409, "Conflict", &[]);
                }
                world.writes.push(format!("delete {name}"));
                world.tenants.get_mut(name).unwrap()["metadata"]["deletionTimestamp"] =
                    json!("2026-01-02T03:04:05Z");
                world.tell("MODIFIED", name);
                (StatusCode::OK, world.tenants[name].clone())
            }
            _ => panic!("{method} {path} is not what the control plane does"),
        }
    }
}

fn refusal(code: u16, reason: &str, causes: &[Value]) -> (StatusCode, Value) {
    (
        StatusCode::from_u16(code).unwrap(),
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
            "message": reason, "code": code, "details": {"causes": causes}}),
    )
}

impl World {
    /// Watches are told how a Tenant is now.
    fn tell(&mut self, kind: &str, name: &str) {
        self.version += 1;
        let version = self.version;
        let object = self.tenants.get_mut(name).unwrap();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        self.log
            .push((version, json!({"type": kind, "object": object})));
    }

    fn patch(
        &mut self,
        name: &str,
        queries: &BTreeMap<String, String>,
        body: &Value,
    ) -> (StatusCode, Value) {
        let (name, is_status) = match name.strip_suffix("/status") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let manager = queries.get("fieldManager").cloned().unwrap_or_default();
        let Some(object) = self.tenants.get(name).cloned() else {
            // Applying makes what is not there, unless it is meant to be a certain one.
            if is_status || !body["metadata"]["uid"].is_null() {
                return refusal(409, "Conflict", &[]);
            }
            let mut object = body.clone();
            object["metadata"]["uid"] = json!(TenantId::generate().to_string());
            object["metadata"]["generation"] = json!(1);
            object["metadata"]["creationTimestamp"] = json!("2026-01-02T03:04:06Z");
            for field in body["spec"].as_object().into_iter().flatten() {
                let key = (name.to_owned(), format!("spec.{}", field.0));
                self.managers
                    .entry(key)
                    .or_default()
                    .insert(manager.clone());
            }
            self.tenants.insert(name.to_owned(), object.clone());
            self.tell("ADDED", name);
            return (StatusCode::CREATED, self.tenants[name].clone());
        };
        for certain in ["uid", "resourceVersion"] {
            let wanted = &body["metadata"][certain];
            if !wanted.is_null() && *wanted != object["metadata"][certain] {
                return refusal(409, "Conflict", &[]);
            }
        }
        let mut next = object.clone();
        if !is_status && queries.get("apply").is_some_and(|apply| apply == "false") {
            for (key, value) in body["metadata"]["annotations"]
                .as_object()
                .into_iter()
                .flatten()
            {
                match value {
                    Value::Null => drop(
                        next["metadata"]["annotations"]
                            .as_object_mut()
                            .unwrap()
                            .remove(key),
                    ),
                    value => next["metadata"]["annotations"][key] = value.clone(),
                }
            }
        } else if is_status {
            next["status"] = apply_status(object["status"].clone(), &body["status"]);
        } else {
            let force = queries.get("force").is_some_and(|force| force == "true");
            let spec = body["spec"].as_object().cloned().unwrap_or_default();
            let causes: Vec<Value> = spec
                .iter()
                .filter(|(field, value)| object["spec"][field] != **value)
                .flat_map(|(field, _)| {
                    self.others(name, field, &manager)
                        .into_iter()
                        .map(move |other| (field, other))
                })
                .map(|(field, other)| {
                    json!({"reason": "FieldManagerConflict", "field": format!(".spec.{field}"),
                        "message": format!("conflict with \"{other}\" using gotrs.io/v1")})
                })
                .collect();
            if !causes.is_empty() && !force {
                return refusal(409, "Conflict", &causes);
            }
            if queries.contains_key("dryRun") {
                return (StatusCode::OK, object);
            }
            // What the manager does not say any more goes, unless somebody else says it.
            let before = object["spec"].as_object().cloned().unwrap_or_default();
            for field in before.keys().filter(|field| !spec.contains_key(*field)) {
                let key = (name.to_owned(), format!("spec.{field}"));
                let owners = self.managers.entry(key).or_default();
                if owners.remove(&manager) && owners.is_empty() {
                    next["spec"][field] = if field == "suspended" {
                        json!(false)
                    } else {
                        Value::Null
                    };
                }
            }
            for (field, value) in &spec {
                next["spec"][field] = value.clone();
                let key = (name.to_owned(), format!("spec.{field}"));
                self.managers
                    .entry(key)
                    .or_default()
                    .insert(manager.clone());
            }
            let annotations = body["metadata"]["annotations"].as_object();
            for (key, value) in annotations.into_iter().flatten() {
                next["metadata"]["annotations"][key] = value.clone();
            }
            if next["spec"] != object["spec"] {
                let generation = object["metadata"]["generation"].as_i64().unwrap() + 1;
                next["metadata"]["generation"] = json!(generation);
            }
        }
        self.writes.push(format!(
            "{manager} {name}{}{}",
            if is_status { "/status" } else { "" },
            match body["spec"].as_object() {
                Some(spec) => format!(" {:?}", spec.keys().collect::<Vec<_>>()),
                None => String::new(),
            }
        ));
        if next != object {
            self.tenants.insert(name.to_owned(), next);
            self.tell("MODIFIED", name);
        }
        (StatusCode::OK, self.tenants[name].clone())
    }

    /// A Tenant, and who has set what of its spec.
    fn with_managers(&self, name: &str) -> Value {
        let mut fields: BTreeMap<&str, Value> = BTreeMap::new();
        for ((_, field), owners) in self.managers.iter().filter(|((of, _), _)| of == name) {
            let field = field.strip_prefix("spec.").unwrap();
            for owner in owners {
                fields.entry(owner).or_insert_with(|| json!({}))[format!("f:{field}")] = json!({});
            }
        }
        let entries: Vec<Value> = fields
            .into_iter()
            .map(|(manager, spec)| {
                let operation = if manager == "kubectl" {
                    "Update"
                } else {
                    "Apply"
                };
                json!({"manager": manager, "operation": operation, "apiVersion": "gotrs.io/v1",
                    "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": spec}})
            })
            .collect();
        let mut tenant = self.tenants[name].clone();
        tenant["metadata"]["managedFields"] = json!(entries);
        tenant
    }

    fn others(&self, name: &str, field: &str, manager: &str) -> Vec<String> {
        let key = (name.to_owned(), format!("spec.{field}"));
        let owners = self.managers.get(&key).into_iter().flatten();
        owners.filter(|owner| *owner != manager).cloned().collect()
    }
}

/// Conditions are merged by type; everything else replaces what was there.
fn apply_status(before: Value, patch: &Value) -> Value {
    let mut conditions: Vec<Value> = before["conditions"].as_array().cloned().unwrap_or_default();
    for condition in patch["conditions"].as_array().into_iter().flatten() {
        conditions.retain(|one| one["type"] != condition["type"]);
        conditions.push(condition.clone());
    }
    let mut next = merged(if before.is_null() { json!({}) } else { before }, patch);
    next["conditions"] = json!(conditions);
    next
}

fn merged(mut base: Value, patch: &Value) -> Value {
    match (base.as_object_mut(), patch.as_object()) {
        (Some(object), Some(patch)) => {
            for (key, value) in patch {
                let before = object.remove(key).unwrap_or_else(|| json!({}));
                let next = if value.is_object() && before.is_object() {
                    merged(before, value)
                } else {
                    value.clone()
                };
                object.insert(key.clone(), next);
            }
            base
        }
        _ => patch.clone(),
    }
}
