//! `RuntimeChannel`: a version that many tenants follow, and how a new one reaches them.

use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::duration::Span;

/// Name of the channel that tenants follow who name none.
pub const DEFAULT_CHANNEL: &str = "stable";

/// The name of a channel, as a Tenant names it in `spec.channel`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelName(String);

/// A text that no channel can be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a RuntimeChannel: at most 63 small letters, digits and hyphens, such as stable"
)]
pub struct ChannelNameError(String);

impl ChannelName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChannelName {
    type Err = ChannelNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_good = text.len() <= 63
            && text.bytes().all(is_inner)
            && !text.is_empty()
            && !text.starts_with('-')
            && !text.ends_with('-');
        if is_good {
            Ok(Self(text.to_owned()))
        } else {
            Err(ChannelNameError(text.to_owned()))
        }
    }
}

/// What should be.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "gotrs.io",
    version = "v1",
    kind = "RuntimeChannel",
    plural = "runtimechannels",
    singular = "runtimechannel",
    shortname = "rch",
    category = "gotrs",
    status = "RuntimeChannelStatus",
    derive = "PartialEq",
    doc = "A version of the runtime that tenants follow; a new one reaches them in waves",
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(
        name = "Last good",
        type_ = "string",
        json_path = ".status.lastGoodVersion"
    ),
    printcolumn(name = "Stage", type_ = "string", json_path = ".status.stage"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Updated",
        type_ = "integer",
        json_path = ".status.tenants.updated"
    ),
    printcolumn(
        name = "Tenants",
        type_ = "integer",
        json_path = ".status.tenants.total"
    ),
    printcolumn(
        name = "Failed",
        type_ = "integer",
        json_path = ".status.tenants.failed"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')")
        .message("a channel's name has at most 63 lower-case letters, digits and hyphens, and neither starts nor ends with a hyphen")
)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeChannelSpec {
    /// Tag of the runtime's image that the channel's tenants should run
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9._-]*$')")
            .message("spec.version is the tag of an image, such as 1.4.2")
    )]
    pub version: String,

    /// Moves no tenant while it is true; one that does not get ready still goes back
    #[serde(default)]
    pub paused: bool,

    /// The tenants that are moved first, and watched before the others
    #[serde(default)]
    pub canary: Canary,

    /// Most tenants on their way to another version at once
    #[serde(default = "default_max_unavailable")]
    #[x_kube(
        validation = Rule::new("self >= 1 && self <= 100")
            .message("spec.maxUnavailable is from 1 to 100: to move nobody set spec.paused")
    )]
    pub max_unavailable: i32,

    /// So many tenants that do not get ready end the rollout
    #[serde(default = "default_stop_after_failures")]
    #[x_kube(
        validation = Rule::new("self >= 1 && self <= 50")
            .message("spec.stopAfterFailures is from 1 (the first failure ends the rollout) to 50")
    )]
    pub stop_after_failures: i32,

    /// What becomes of the tenants that work with a version whose rollout has ended by failures
    #[serde(default)]
    pub on_failure: OnFailure,

    /// How long one tenant may take to get ready with the new version
    #[serde(default = "default_deadline")]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('24h')")
            .message("spec.deadline is from 1m to 24h")
    )]
    pub deadline: Span,
}

const fn default_max_unavailable() -> i32 {
    5
}

const fn default_stop_after_failures() -> i32 {
    1
}

const fn default_deadline() -> Span {
    Span::from_secs(10 * 60)
}

/// The tenants that are moved first.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// Share of the channel's tenants, at least one; 0 for none
    #[serde(default = "default_percent")]
    #[x_kube(
        validation = Rule::new("self >= 0 && self <= 100")
            .message("spec.canary.percent is from 0 (no canaries) to 100")
    )]
    pub percent: i32,
    /// How long all of them must work before the others follow
    #[serde(default = "default_soak")]
    #[x_kube(
        validation = Rule::new("duration(self) <= duration('168h')")
            .message("spec.canary.soak is at most 168h (7 days)")
    )]
    pub soak: Span,
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            percent: default_percent(),
            soak: default_soak(),
        }
    }
}

const fn default_percent() -> i32 {
    5
}

const fn default_soak() -> Span {
    Span::from_secs(30 * 60)
}

/// What becomes of tenants that work with a version that others do not get ready with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum OnFailure {
    /// They keep it.
    #[default]
    Stop,
    /// They go back to the version that they came from.
    RollBack,
}

/// Where a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Stage {
    /// The first tenants are being moved.
    Canary,
    /// They work, and are watched.
    Soaking,
    /// The others are being moved.
    Rolling,
    /// Everybody has the version.
    Complete,
    /// Failures have ended it.
    Stopped,
    /// Stopped by `spec.paused`.
    Paused,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct RuntimeChannelStatus {
    /// The generation of the spec that was last worked on
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The version that is being rolled out, or was last
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version whose rollout was completed last; new tenants get it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good_version: Option<String>,
    /// Where the rollout is
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// When the rollout began
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Since when all canaries work
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soaking_since: Option<Time>,
    /// When the canaries had worked for long enough
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canaries_passed_at: Option<Time>,
    /// How many tenants are where
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<ChannelTenants>,
    /// Tenants that did not get ready with a version; they are not moved to it again until somebody says so
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub failures: Vec<UpgradeFailure>,
    /// The value of `gotrs.io/retry-failed` that was last obeyed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried: Option<String>,
    /// Ready, Reconciling and Stalled
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
}

/// How many tenants of a channel are where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ChannelTenants {
    /// Follow the channel
    #[serde(default)]
    pub total: i32,
    /// Have its version
    #[serde(default)]
    pub updated: i32,
    /// Are on their way, there or back
    #[serde(default)]
    pub moving: i32,
    /// Have not been moved yet
    #[serde(default)]
    pub waiting: i32,
    /// Did not get ready with its version
    #[serde(default)]
    pub failed: i32,
    /// Have a `spec.version` of their own
    #[serde(default)]
    pub pinned: i32,
}

/// A tenant that did not get ready with a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct UpgradeFailure {
    /// Its name
    pub tenant: String,
    /// The version that it came from and went back to
    pub from: String,
    /// The version that it did not get ready with
    pub to: String,
    /// One word for programs
    pub reason: String,
    /// When that was seen
    pub at: Time,
    /// Whether it speaks against the version; not where the tenant was not ready before
    pub counts: bool,
    /// The tenant's `gotrs.io/retry-version` that was obeyed already
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
}

/// What a channel has given to a tenant; in the tenant's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ChannelAssignment {
    /// Which channel
    pub name: String,
    /// The version that the tenant runs or is on its way to
    pub version: String,
    /// How it came to that
    pub cause: AssignmentCause,
    /// The version that it came from; not where it joined the channel
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether it was ready before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_ready: Option<bool>,
    /// Since when
    pub since: Time,
}

/// How a tenant came to its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum AssignmentCause {
    /// It joined the channel with the version that it ran, or with the channel's last good one.
    Joined,
    /// A wave moved it.
    Upgrade,
    /// It was taken back.
    RollBack,
}

/// When a tenant's channel may move it.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindow {
    /// Days on which it begins; every day without them
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7), extend("x-kubernetes-list-type" = "set"))]
    pub days: Vec<Day>,
    /// When it begins, such as `02:30`
    #[schemars(length(max = 5))]
    #[x_kube(
        validation = Rule::new("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')")
            .message("spec.maintenanceWindow.start is a time of the day from 00:00 to 23:59")
    )]
    pub start: String,
    /// How long it lasts
    #[serde(default = "default_window")]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('15m') && duration(self) <= duration('24h')")
            .message("spec.maintenanceWindow.duration is from 15m to 24h")
    )]
    pub duration: Span,
    /// Where, by the names of the IANA database
    #[serde(default = "default_zone")]
    #[schemars(length(max = 64))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z][A-Za-z0-9+_-]*(/[A-Za-z0-9+_-]+)*$')")
            .message("spec.maintenanceWindow.timeZone is a name of the IANA database, such as Europe/Berlin or UTC")
    )]
    pub time_zone: String,
}

const fn default_window() -> Span {
    Span::from_hours(4)
}

fn default_zone() -> String {
    "UTC".to_owned()
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[expect(missing_docs, reason = "everybody knows them")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}
