//! From what somebody wrote to what can be built: pure, and everything that is wrong at once.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::id::TenantId;
use domain::name::TenantSlug;
use domain::plan::Plan;
use tenant_crd::names;
use tenant_crd::v1::{Amounts, DeletionPolicy, Resources, SecretKey, Tenant, replica_limit};
use uuid::Uuid;

use crate::channel::window::Window;
use crate::config::{ClusterConfig, Host};

/// A Tenant that has no reason left for Kubernetes or PostgreSQL to refuse what is built from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedTenant {
    /// Names schema and roles.
    pub id: TenantId,
    /// Names the namespace.
    pub slug: TenantSlug,
    /// Of the resource, for owner references.
    pub uid: String,
    /// As people see it.
    pub display_name: String,
    /// Limits and resources.
    pub plan: Plan,
    /// Of the runtime: the wanted one, or the last good one when that has failed.
    pub version: ImageTag,
    /// The wanted version, when it has failed.
    pub rolled_back_from: Option<ImageTag>,
    /// The version that somebody asks to try again.
    pub retry: Option<String>,
    /// A channel says which version is wanted, and remembers what has failed.
    pub follows_channel: bool,
    /// Whether and how often it runs.
    pub run: Run,
    /// The main host first.
    pub hosts: Vec<Host>,
    /// Where the schema lies.
    pub cluster: String,
    /// Of one runtime.
    pub resources: RuntimeResources,
    /// The first one.
    pub administrator: Option<ValidatedAdministrator>,
    /// The wish for new passwords, whatever it says.
    pub rotation: Option<String>,
    /// The trace of the request that last changed the spec, for runtimes that start (W3C `traceparent`).
    pub trace_parent: Option<String>,
    /// When time alone changes what should be.
    pub look_again: Option<DateTime<Utc>>,
}

/// Whether and how often a tenant runs. Combinations that exclude each other cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Stopped by its owner or for want of payment; its roles cannot sign in.
    Suspended,
    /// Stopped until its next request or until something is due.
    Asleep,
    /// So many.
    Fixed(u16),
    /// As many as its load needs.
    Automatic {
        /// At least.
        min: u16,
        /// At most.
        max: u16,
    },
}

impl Run {
    /// The most pods that serve at once.
    pub const fn most(self) -> u16 {
        match self {
            // Its limits are those of its next life.
            Self::Suspended | Self::Asleep => 1,
            Self::Fixed(replicas) => replicas,
            Self::Automatic { max, .. } => max,
        }
    }

    /// The fewest pods that serve at once.
    pub const fn fewest(self) -> u16 {
        match self {
            Self::Suspended | Self::Asleep => 0,
            Self::Fixed(replicas) => replicas,
            Self::Automatic { min, .. } => min,
        }
    }
}

/// What names an image's version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageTag(String);

impl ImageTag {
    /// Longest tag that registries take.
    const MAX_LEN: usize = 128;

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageTag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = (1..=Self::MAX_LEN).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{text:?} is no image tag such as 1.4.2"))
        }
    }
}

/// Thousandths of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(pub u32);

/// Mebibytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(pub u32);

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}m", self.0)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}Mi", self.0)
    }
}

impl FromStr for Cpu {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, factor) = match text.strip_suffix('m') {
            Some(number) => (number, 1),
            None => (text, 1000),
        };
        amount(number, factor)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no amount of processor such as 2 or 250m"))
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match (text.strip_suffix("Mi"), text.strip_suffix("Gi")) {
            (Some(number), _) => amount(number, 1),
            (None, Some(number)) => amount(number, 1024),
            (None, None) => None,
        };
        parsed
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no amount of memory such as 256Mi or 1Gi"))
    }
}

fn amount(number: &str, factor: u32) -> Option<u32> {
    number
        .parse::<u32>()
        .ok()
        .filter(|number| *number > 0)?
        .checked_mul(factor)
}

/// Processor and memory of one runtime; what is kept free is never more than what may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeResources {
    /// Kept free.
    pub request: (Cpu, Memory),
    /// At most.
    pub limit: (Cpu, Memory),
}

impl RuntimeResources {
    /// What a plan gives. The memory holds the sandboxes of four lambdas at the plan's ceiling beside the server itself.
    pub const fn of(plan: Plan) -> Self {
        match plan {
            Plan::Free => Self {
                request: (Cpu(25), Memory(64)),
                limit: (Cpu(500), Memory(256)),
            },
            Plan::Team => Self {
                request: (Cpu(100), Memory(128)),
                limit: (Cpu(1_000), Memory(512)),
            },
            Plan::Business => Self {
                request: (Cpu(250), Memory(256)),
                limit: (Cpu(2_000), Memory(1_024)),
            },
        }
    }
}

/// The first administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedAdministrator {
    /// Login and address at once.
    pub email: String,
    /// Where the hash lies; `None` when the operator makes a password.
    pub password_hash: Option<SecretKey>,
}

/// One thing that is wrong with a spec; only its author can change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Path in the resource.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The id that names a tenant's schema and roles: the given one, else that of the resource.
pub fn tenant_id(tenant: &Tenant) -> Result<TenantId, Fault> {
    let (field, text) = match (&tenant.spec.id, &tenant.metadata.uid) {
        (Some(id), _) => ("spec.id", id),
        (None, Some(uid)) => ("metadata.uid", uid),
        (None, None) => {
            return Err(Fault {
                field: "metadata.uid",
                message: "is missing; the API server gives one to every object".to_owned(),
            });
        }
    };
    match text.parse::<TenantId>() {
        Ok(id) if id.as_uuid() != Uuid::nil() => Ok(id),
        _ => Err(Fault {
            field,
            message: format!("{text:?} is no UUID such as 0198c0de-0000-7000-8000-000000000001"),
        }),
    }
}

/// What a channel has for a tenant that it has not met yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// The tenant names no channel, and there is none for all.
    NoChannel,
    /// The tenant names a channel that there is not.
    Missing,
    /// This version.
    Version(String),
}

/// What a tenant should be at `now`.
pub fn validate(
    tenant: &Tenant,
    cluster: &ClusterConfig,
    offer: &Offer,
    now: DateTime<Utc>,
) -> Result<ValidatedTenant, Vec<Fault>> {
    let mut faults = Vec::new();
    let spec = &tenant.spec;
    let plan = Plan::from(spec.plan);
    let id = keep(&mut faults, tenant_id(tenant));
    let slug = keep(
        &mut faults,
        at("spec.slug", spec.slug.parse::<TenantSlug>()),
    );
    let (version, follows_channel) = keep(&mut faults, wanted_version(tenant, cluster, offer))
        .unwrap_or((&cluster.runtime.version, false));
    let version = keep(&mut faults, at("spec.version", version.parse::<ImageTag>()));
    if let Some(window) = &spec.maintenance_window {
        keep(
            &mut faults,
            at("spec.maintenanceWindow", Window::try_from(window)),
        );
    }
    let good = version
        .as_ref()
        .and_then(|wanted| version_to_go_back_to(tenant, wanted));
    let (version, rolled_back_from) = match good {
        Some(good) => (Some(good), version),
        None => (version, None),
    };
    if tenant.metadata.name.as_deref() != Some(spec.slug.as_str()) {
        faults.push(Fault {
            field: "metadata.name",
            message: "must be the same as spec.slug".to_owned(),
        });
    }
    let (run, look_again) = run(tenant, plan, now, &mut faults);
    let hosts = hosts(spec.slug.as_str(), &spec.hosts, cluster, &mut faults);
    let resources = resources(plan, spec.resources.as_ref(), &mut faults);
    if spec.database.cluster != "default" && !cluster.databases.contains_key(&spec.database.cluster)
    {
        faults.push(Fault {
            field: "spec.database.cluster",
            message: format!(
                "there is no cluster {:?}; the operator knows: {}",
                spec.database.cluster,
                std::iter::once("default")
                    .chain(cluster.databases.keys().map(String::as_str))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        });
    }
    let annotations = tenant.metadata.annotations.as_ref();
    match (id, slug, version, run) {
        (Some(id), Some(slug), Some(version), Some(run)) if faults.is_empty() => {
            Ok(ValidatedTenant {
                id,
                uid: tenant.metadata.uid.clone().unwrap_or_default(),
                display_name: spec
                    .display_name
                    .clone()
                    .unwrap_or_else(|| slug.to_string()),
                slug,
                plan,
                version,
                rolled_back_from,
                retry: annotations
                    .and_then(|all| all.get(names::ANNOTATION_RETRY_VERSION))
                    .cloned(),
                follows_channel,
                run,
                hosts,
                cluster: spec.database.cluster.clone(),
                resources,
                administrator: spec.administrator.as_ref().map(|administrator| {
                    ValidatedAdministrator {
                        email: administrator.email.clone(),
                        password_hash: administrator.password_hash.clone(),
                    }
                }),
                rotation: annotations
                    .and_then(|all| all.get(names::ANNOTATION_ROTATE_CREDENTIALS))
                    .cloned(),
                trace_parent: annotations
                    .and_then(|all| all.get(names::ANNOTATION_TRACE_PARENT))
                    .filter(|text| is_trace_parent(text))
                    .cloned(),
                look_again,
            })
        }
        _ => Err(faults),
    }
}

/// Version, trace, span and flags, each in lower-case hexadecimal digits (W3C Trace Context, `traceparent`). Anybody may write an
/// annotation; anything else does not get into a tenant's Secret.
fn is_trace_parent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([2, 32, 16, 2])
        && parts
            .iter()
            .flat_map(|part| part.bytes())
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A version of its own; else what the channel gave, whether or not the channel still exists; else what it runs, until the channel
/// gives it something; else the channel's offer; else the platform's own. Says whether a channel decides.
fn wanted_version<'a>(
    tenant: &'a Tenant,
    cluster: &'a ClusterConfig,
    offer: &'a Offer,
) -> Result<(&'a String, bool), Fault> {
    if let Some(own) = &tenant.spec.version {
        return Ok((own, false));
    }
    let status = tenant.status.as_ref();
    if let Some(given) = status.and_then(|status| status.channel.as_ref()) {
        return Ok((&given.version, true));
    }
    match offer {
        Offer::NoChannel => Ok((&cluster.runtime.version, false)),
        Offer::Missing => Err(Fault {
            field: "spec.channel",
            message: format!(
                "there is no RuntimeChannel {:?}; `kubectl get runtimechannels` lists them",
                tenant.spec.channel.as_deref().unwrap_or_default()
            ),
        }),
        Offer::Version(version) => {
            let running = status.and_then(|status| status.runtime_version.as_ref());
            Ok((running.unwrap_or(version), true))
        }
    }
}

/// Whether somebody asks to try the version again that has failed, and it was not tried again since.
pub(crate) fn is_retry_wanted(tenant: &Tenant) -> bool {
    let Some(status) = &tenant.status else {
        return false;
    };
    let annotations = tenant.metadata.annotations.as_ref();
    let wish = annotations.and_then(|all| all.get(names::ANNOTATION_RETRY_VERSION));
    wish.is_some()
        && wish == status.failed_version.as_ref()
        && wish != status.retried_version.as_ref()
}

/// The version that served before, if the wanted one has failed and nobody asks for it again.
fn version_to_go_back_to(tenant: &Tenant, wanted: &ImageTag) -> Option<ImageTag> {
    let status = tenant.status.as_ref()?;
    if status.failed_version.as_deref() != Some(wanted.as_str()) || is_retry_wanted(tenant) {
        return None;
    }
    let good: ImageTag = status.runtime_version.as_ref()?.parse().ok()?;
    (good != *wanted).then_some(good)
}

/// The grace of a Tenant that is being deleted; `None` when its data stays.
pub fn drop_after(tenant: &Tenant) -> Option<chrono::TimeDelta> {
    match tenant.spec.deletion_policy {
        DeletionPolicy::Retain => None,
        DeletionPolicy::Delete => Some(
            chrono::TimeDelta::from_std(tenant.spec.grace.as_duration())
                .unwrap_or(chrono::TimeDelta::MAX),
        ),
    }
}

fn keep<T>(faults: &mut Vec<Fault>, result: Result<T, Fault>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}

fn at<T, E: fmt::Display>(field: &'static str, result: Result<T, E>) -> Result<T, Fault> {
    result.map_err(|error| Fault {
        field,
        message: error.to_string(),
    })
}

fn run(
    tenant: &Tenant,
    plan: Plan,
    now: DateTime<Utc>,
    faults: &mut Vec<Fault>,
) -> (Option<Run>, Option<DateTime<Utc>>) {
    let spec = &tenant.spec;
    let limit = replica_limit(plan);
    let replicas = |field, count: i32| match u16::try_from(count) {
        Ok(good) if (1..=limit).contains(&count) => Ok(good),
        _ => Err(Fault {
            field,
            message: format!("is {count}; plan {plan} allows 1 to {limit}"),
        }),
    };
    let fewest = keep(faults, replicas("spec.replicas", spec.replicas));
    let most = spec
        .max_replicas
        .and_then(|count| keep(faults, replicas("spec.maxReplicas", count)));
    if spec.suspended {
        return (Some(Run::Suspended), None);
    }
    let (Some(fewest), true) = (fewest, most.is_some() == spec.max_replicas.is_some()) else {
        return (None, None);
    };
    match (&spec.scale_to_zero, most) {
        (None, None) => (Some(Run::Fixed(fewest)), None),
        (None, Some(most)) if plan != Plan::Business => {
            faults.push(Fault {
                field: "spec.maxReplicas",
                message: format!("is {most}; autoscaling needs plan business"),
            });
            (None, None)
        }
        (None, Some(most)) if most < fewest => {
            faults.push(Fault {
                field: "spec.maxReplicas",
                message: format!("is {most}, below spec.replicas ({fewest})"),
            });
            (None, None)
        }
        (None, Some(max)) => (Some(Run::Automatic { min: fewest, max }), None),
        (Some(_), None) if fewest != 1 => {
            faults.push(Fault {
                field: "spec.scaleToZero",
                message: "a tenant that scales to zero has one replica".to_owned(),
            });
            (None, None)
        }
        (Some(_), Some(_)) => {
            faults.push(Fault {
                field: "spec.scaleToZero",
                message: "excludes spec.maxReplicas".to_owned(),
            });
            (None, None)
        }
        (Some(sleep), None) => {
            let (run, look_again) = sleep_or_wake(tenant, sleep.idle_after.as_duration(), now);
            (Some(run), look_again)
        }
    }
}

/// How far the clocks of router, API server and operator may be apart.
const CLOCKS_DIFFER: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// Awake while it was used lately or something is due; asleep otherwise. Says when the answer changes by itself.
pub(crate) fn sleep_or_wake(
    tenant: &Tenant,
    idle_after: std::time::Duration,
    now: DateTime<Utc>,
) -> (Run, Option<DateTime<Utc>>) {
    let time = |name| {
        let text = tenant.metadata.annotations.as_ref()?.get(name)?;
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|time| time.with_timezone(&Utc))
    };
    let idle_after = chrono::TimeDelta::from_std(idle_after).unwrap_or(chrono::TimeDelta::MAX);
    let created = tenant
        .metadata
        .creation_timestamp
        .as_ref()
        .map(tenant_crd::condition::from_kubernetes);
    // A new tenant is shown to its owner at once. A time from the future would keep the tenant awake until then, so it says nothing; clocks
    // that differ a little do not.
    let latest = now + CLOCKS_DIFFER;
    let active = time(names::ANNOTATION_LAST_ACTIVE)
        .into_iter()
        .chain(created)
        .filter(|active| *active <= latest)
        .max()
        .map_or(now, |active| active.min(now));
    let due = time(names::ANNOTATION_NEXT_DUE);
    let sleeps_at = active
        .checked_add_signed(idle_after)
        .unwrap_or(DateTime::<Utc>::MAX_UTC);
    if now < sleeps_at {
        return (Run::Fixed(1), Some(sleeps_at));
    }
    match due {
        // Until the runtime has done it and says when it is due again.
        Some(due) if due <= now => (Run::Fixed(1), None),
        due => (Run::Asleep, due),
    }
}

fn hosts(
    slug: &str,
    own: &[String],
    cluster: &ClusterConfig,
    faults: &mut Vec<Fault>,
) -> Vec<Host> {
    let main = format!("{slug}.{}", cluster.base_domain);
    let base = format!(".{}", cluster.base_domain);
    let mut hosts = Vec::with_capacity(own.len() + 1);
    hosts.extend(keep(faults, at("spec.slug", main.parse::<Host>())));
    for text in own {
        if text == cluster.base_domain.as_str() || (text.ends_with(&base) && *text != main) {
            faults.push(Fault {
                field: "spec.hosts",
                message: format!("{text} is a host of the platform or of another tenant"),
            });
        } else if let Some(host) = keep(faults, at("spec.hosts", text.parse::<Host>()))
            && !hosts.contains(&host)
        {
            hosts.push(host);
        }
    }
    hosts
}

fn resources(plan: Plan, wanted: Option<&Resources>, faults: &mut Vec<Fault>) -> RuntimeResources {
    let given = RuntimeResources::of(plan);
    let Some(wanted) = wanted else {
        return given;
    };
    let (request, asked_request) = amounts(
        "spec.resources.requests",
        wanted.requests.as_ref(),
        given.request,
        faults,
    );
    let (limit, _) = amounts(
        "spec.resources.limits",
        wanted.limits.as_ref(),
        given.limit,
        faults,
    );
    // What the plan keeps free is lowered to a lower limit; what the author asked for is not.
    let resources = RuntimeResources {
        request: if asked_request {
            request
        } else {
            (request.0.min(limit.0), request.1.min(limit.1))
        },
        limit,
    };
    if resources.request.0 > limit.0 || resources.request.1 > limit.1 {
        faults.push(Fault {
            field: "spec.resources.requests",
            message: format!(
                "{} and {} must not be above the limits, which are {} and {}",
                resources.request.0, resources.request.1, limit.0, limit.1
            ),
        });
    }
    resources
}

fn amounts(
    field: &'static str,
    wanted: Option<&Amounts>,
    given: (Cpu, Memory),
    faults: &mut Vec<Fault>,
) -> ((Cpu, Memory), bool) {
    let Some(wanted) = wanted else {
        return (given, false);
    };
    let cpu = wanted
        .cpu
        .as_ref()
        .and_then(|text| keep(faults, at(field, text.parse::<Cpu>())));
    let memory = wanted
        .memory
        .as_ref()
        .and_then(|text| keep(faults, at(field, text.parse::<Memory>())));
    ((cpu.unwrap_or(given.0), memory.unwrap_or(given.1)), true)
}

#[cfg(test)]
mod tests;
