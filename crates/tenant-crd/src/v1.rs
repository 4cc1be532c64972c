//! Version `v1` of the resource.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each struct inside a function, with its visibility"
)]

pub mod channel;

use std::collections::BTreeMap;

use domain::name::TenantSlug;
use domain::plan::Plan;
use domain::tenant::TenantPhase;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::duration::Span;
use crate::v1::channel::{ChannelAssignment, MaintenanceWindow};

/// Replicas that a plan includes at most.
pub const fn replica_limit(plan: Plan) -> i32 {
    match plan {
        Plan::Free => 1,
        Plan::Team => 3,
        Plan::Business => 10,
    }
}

/// The commercial plan, as it is written in the resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum PlanName {
    /// To try it out.
    #[default]
    Free,
    /// A team's helpdesk.
    Team,
    /// A company's helpdesk.
    Business,
}

impl From<PlanName> for Plan {
    fn from(name: PlanName) -> Self {
        match name {
            PlanName::Free => Self::Free,
            PlanName::Team => Self::Team,
            PlanName::Business => Self::Business,
        }
    }
}

impl From<Plan> for PlanName {
    fn from(plan: Plan) -> Self {
        match plan {
            Plan::Free => Self::Free,
            Plan::Team => Self::Team,
            Plan::Business => Self::Business,
        }
    }
}

/// What becomes of a tenant's data when its resource is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum DeletionPolicy {
    /// Schema and roles stay, locked; a Tenant with the same id takes them up again.
    #[default]
    Retain,
    /// Schema and roles are dropped after the grace period.
    Delete,
}

/// Where a tenant is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Phase {
    /// Seen, nothing done yet.
    Pending,
    /// Being made.
    Provisioning,
    /// Serving, or asleep and woken by the next request.
    Active,
    /// Data kept, not serving.
    Suspended,
    /// On its way out.
    Deleting,
}

impl From<Phase> for TenantPhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Pending => Self::Pending,
            Phase::Provisioning => Self::Provisioning,
            Phase::Active => Self::Active,
            Phase::Suspended => Self::Suspended,
            Phase::Deleting => Self::Deleting,
        }
    }
}

impl Phase {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        TenantPhase::from(self).as_str()
    }
}

fn reserved_slugs() -> String {
    TenantSlug::RESERVED
        .iter()
        .map(|slug| format!("'{slug}'"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What should be.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "gotrs.io",
    version = "v1",
    kind = "Tenant",
    plural = "tenants",
    singular = "tenant",
    shortname = "tn",
    category = "gotrs",
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "A tenant: one isolated, routed helpdesk with a database schema and runtimes of its own",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Slug", type_ = "string", json_path = ".spec.slug", priority = 1),
    printcolumn(name = "Plan", type_ = "string", json_path = ".spec.plan"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.runtimeVersion"),
    printcolumn(
        name = "Modules",
        type_ = "integer",
        description = "Generation of modules that every runtime has loaded",
        json_path = ".status.modules.loaded"
    ),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name == self.spec.slug")
        .message("metadata.name and spec.slug must be the same: name the Tenant after its slug")
)]
#[x_kube(
    validation = Rule::new("has(self.id) == has(oldSelf.id) && (!has(self.id) || self.id == oldSelf.id)")
        .message("spec.id names the tenant's schema and can neither be changed, set nor removed later: make another Tenant"),
    validation = Rule::new("!has(self.scaleToZero) || self.replicas == 1")
        .message("a tenant that scales to zero has one replica: set spec.replicas to 1 or remove spec.scaleToZero"),
    validation = Rule::new("!has(self.scaleToZero) || !has(self.maxReplicas)")
        .message("spec.scaleToZero and spec.maxReplicas exclude each other: keep one of them"),
    validation = Rule::new("!has(self.maxReplicas) || self.plan == 'business'")
        .message("spec.maxReplicas turns on autoscaling, which needs spec.plan business"),
    validation = Rule::new("!has(self.maxReplicas) || self.maxReplicas >= self.replicas")
        .message("spec.maxReplicas must not be below spec.replicas, which is the lower bound"),
    validation = Rule::new("self.replicas <= (self.plan == 'free' ? 1 : self.plan == 'team' ? 3 : 10)")
        .message("spec.replicas is at most 1 with plan free, 3 with team and 10 with business: lower it or change spec.plan")
)]
#[serde(rename_all = "camelCase")]
pub struct TenantSpec {
    /// Names the tenant's schema and roles (a UUID); set by the control plane. Without it the id of the resource is used.
    /// Give the id of an earlier tenant to take up the data that it has left
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(equal = 36),
        regex(pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
    )]
    pub id: Option<String>,

    /// The tenant's part of its address: `acme` in `acme.example.com`
    #[schemars(length(min = 3, max = 40))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z](-?[a-z0-9])*$')")
            .message("a slug has lower-case letters, digits and single hyphens, starts with a letter and does not end with a hyphen"),
        validation = Rule::new(format!("!(self in [{}])", reserved_slugs()))
            .message("this slug is kept for the platform: choose another"),
        validation = Rule::new("self == oldSelf")
            .message("a tenant keeps its slug: add the new name to spec.hosts, or make another Tenant with the same spec.id after this one is gone")
    )]
    pub slug: String,

    /// The organisation's name in pages and mails; the slug without it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub display_name: Option<String>,

    /// Decides limits and resources
    #[serde(default)]
    pub plan: PlanName,

    /// Tag of the runtime's image, whatever the channel says; without it the channel's, or the platform's own
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]*$"))]
    pub version: Option<String>,

    /// The `RuntimeChannel` that gives the version; `stable` without it, where there is one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')")
            .message("spec.channel is the name of a RuntimeChannel, such as stable")
    )]
    pub channel: Option<String>,

    /// When the channel may move the tenant to another version; at any time without it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<MaintenanceWindow>,

    /// Runtimes; with `maxReplicas` the fewest
    #[serde(default = "default_replicas")]
    #[x_kube(
        validation = Rule::new("self >= 1")
            .message("spec.replicas is at least 1: stop a tenant with spec.suspended, or let it sleep with spec.scaleToZero")
    )]
    pub replicas: i32,

    /// Scales the runtimes with their load, up to this many; plan business only
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 10))]
    pub max_replicas: Option<i32>,

    /// Lets an idle tenant sleep; its next request wakes it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_to_zero: Option<ScaleToZero>,

    /// Hosts of the tenant beside `<slug>.<base domain>`; the control plane lists those whose owner has proved them
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 50),
        inner(length(min = 4, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    #[x_kube(
        validation = Rule::new("self.all(host, host.matches('^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z]([a-z0-9-]{0,61}[a-z0-9])$'))")
            .message("a host is a full DNS name in lower case without port, path or wildcard, such as help.acme.example")
    )]
    pub hosts: Vec<String>,

    /// Stops serving and keeps the data
    #[serde(default)]
    pub suspended: bool,

    /// Where the tenant's schema lies
    #[serde(default)]
    pub database: Database,

    /// Overrides what the plan gives to one runtime
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// The first administrator; nobody can sign in without one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrator: Option<Administrator>,

    /// What becomes of the data when this resource is deleted
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// How long deleted data can still be saved, with `deletionPolicy: Delete`
    #[serde(default = "default_grace")]
    #[x_kube(
        validation = Rule::new("duration(self) <= duration('2160h')")
            .message("spec.grace is at most 2160h (90 days)")
    )]
    pub grace: Span,
}

const fn default_replicas() -> i32 {
    1
}

const fn default_grace() -> Span {
    Span::from_hours(7 * 24)
}

/// When an idle tenant goes to sleep.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleToZero {
    /// So long after the last request
    #[serde(default = "default_idle_after")]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('168h')")
            .message("spec.scaleToZero.idleAfter is from 1m to 168h (7 days)")
    )]
    pub idle_after: Span,
}

const fn default_idle_after() -> Span {
    Span::from_secs(30 * 60)
}

/// The PostgreSQL of a tenant.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// One of the clusters that the operator is configured with
    #[serde(default = "default_cluster")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("a tenant's data does not move by itself: export it and import it into a Tenant on the other cluster")
    )]
    pub cluster: String,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            cluster: default_cluster(),
        }
    }
}

fn default_cluster() -> String {
    "default".to_owned()
}

/// Processor and memory of one runtime.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Resources {
    /// What is kept free for it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
    /// What it may use at most
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Amounts>,
}

/// Amounts of processor and memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Amounts {
    /// Cores or thousandths, such as `2` or `250m`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^[1-9][0-9]*m?$"))]
    pub cpu: Option<String>,
    /// Such as `256Mi` or `1Gi`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^[1-9][0-9]*(Mi|Gi)$"))]
    pub memory: Option<String>,
}

/// The first administrator of a tenant. Later changes are made in the tenant itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Administrator {
    /// Login and address at once
    #[schemars(length(min = 3, max = 150), regex(pattern = "^[^@ ]+@[^@ ]+$"))]
    pub email: String,
    /// Where the hash of the password lies, in the operator's own namespace. Without it the operator makes a password and
    /// puts it into the Secret `administrator` of the tenant's namespace
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<SecretKey>,
}

/// One entry of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct SecretKey {
    /// Name of the Secret
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Entry in it: argon2id in PHC format
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct TenantStatus {
    /// Where the tenant is in its life
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The id that names schema and roles
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Where people reach it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The generation of the spec that was last worked on
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The version that serves, or served last
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_version: Option<String>,
    /// The version that the runtimes are being brought to, or have when they next start
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_version: Option<String>,
    /// What the tenant's channel has given to it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelAssignment>,
    /// The version that did not get ready after another one had served; it is not tried again by itself
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_version: Option<String>,
    /// The value of `gotrs.io/retry-version` that was obeyed, where that version failed again; it asks for nothing any more until the
    /// annotation is removed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_version: Option<String>,
    /// Runtimes that exist
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Runtimes that answer
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Finds the pods of the runtimes, for autoscalers
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The value of `gotrs.io/rotate-credentials` that was last obeyed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_rotation: Option<String>,
    /// Newest migration of the tenant's schema
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<i64>,
    /// The export that was made last, or is being made
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_export: Option<ExportStatus>,
    /// How far the modules are; reported by the control plane
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules: Option<ModulesStatus>,
    /// Observations of operator, control plane and router
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
}

/// One export of a tenant into the object store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ExportStatus {
    /// The value of `gotrs.io/export` that asked for it; the uid of the Tenant for the final one
    pub id: String,
    /// How far it is
    pub state: ExportState,
    /// Where it lies in the bucket, once it is done
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Its size
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// SHA-256 of it in hexadecimal digits, where the operator that has made it told
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Why it failed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ExportState {
    /// Being made.
    Running,
    /// There.
    Done,
    /// Not made; another request tries again.
    Failed,
}

/// How far a tenant's modules are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ModulesStatus {
    /// The generation that should be loaded
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<i64>,
    /// The generation that every ready runtime has loaded
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<i64>,
    /// Modules that a runtime refused, and why
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, String>,
}
