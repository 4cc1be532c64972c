//! From what was found to what is reported: pure. Writing it is [`write`](super::write)'s part.

use chrono::{DateTime, Utc};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use tenant_crd::condition::{self, Condition, ConditionStatus, ConditionType, Observation};
use tenant_crd::names;
use tenant_crd::v1::{Phase, TenantStatus};

use crate::reconcile::build::selector_text;
use crate::reconcile::validate::{Fault, Run, ValidatedTenant};

mod transition;

pub use transition::{Transition, transitions};

/// What the database is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseFacts {
    /// Schema, roles and administrator are there.
    Ready {
        /// Newest migration.
        schema_version: i64,
        /// What is not as it should be, and does not keep the tenant from working.
        differences: Vec<String>,
    },
    /// A step did not succeed.
    Failed(Trouble),
    /// Locked; nothing of it was looked at.
    Locked,
}

const ROLLOUT_FAILED: &str = "RolloutFailed";
const DELETING: &str = "Deleting";
const RETRYING: &str = "Retrying";
const UNSCHEDULABLE: &str = "Unschedulable";

/// Something that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// One word for programs.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Whether trying again with the same inputs is in vain.
    pub is_final: bool,
}

/// How far the runtimes are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollout {
    /// So many should be there.
    pub desired: i32,
    /// So many are.
    pub replicas: i32,
    /// So many are of the newest kind.
    pub updated: i32,
    /// So many answer.
    pub ready: i32,
    /// Whether the counts speak of the newest spec.
    pub is_current: bool,
    /// The tag of the newest kind.
    pub version: Option<String>,
    /// Why no pod can be made, or why the rollout was given up.
    pub stuck: Option<Trouble>,
    /// What keeps a pod from starting.
    pub pod_trouble: Option<Trouble>,
}

impl Rollout {
    /// With what the pods say.
    pub fn with_pods(self, pods: &[Pod]) -> Self {
        Self {
            pod_trouble: pods.iter().find_map(pod_trouble),
            ..self
        }
    }

    /// What a Deployment says.
    pub fn of(deployment: &Deployment) -> Self {
        let status = deployment.status.as_ref();
        let count = |field: fn(&k8s_openapi::api::apps::v1::DeploymentStatus) -> Option<i32>| {
            status.and_then(field).unwrap_or_default()
        };
        let spec = deployment.spec.as_ref();
        let stuck = status
            .and_then(|status| status.conditions.as_ref())
            .into_iter()
            .flatten()
            .find_map(|found| {
                let reason = match (found.type_.as_str(), found.status.as_str()) {
                    ("Progressing", "False") => ROLLOUT_FAILED,
                    ("ReplicaFailure", "True") => "PodsRefused",
                    _ => return None,
                };
                Some(Trouble {
                    reason,
                    message: found.message.clone().unwrap_or_default(),
                    is_final: true,
                })
            });
        Self {
            desired: spec.and_then(|spec| spec.replicas).unwrap_or(1),
            replicas: count(|status| status.replicas),
            updated: count(|status| status.updated_replicas),
            ready: count(|status| status.ready_replicas),
            is_current: status.and_then(|status| status.observed_generation)
                >= deployment.metadata.generation,
            version: spec
                .and_then(|spec| spec.template.spec.as_ref())
                .and_then(|pod| pod.containers.first())
                .and_then(|container| container.image.as_ref())
                .and_then(|image| image.rsplit_once(':'))
                .map(|(_, tag)| tag.to_owned()),
            stuck,
            pod_trouble: None,
        }
    }

    /// Whether nothing is on its way any more.
    pub fn is_complete(&self) -> bool {
        self.is_current
            && self.updated == self.desired
            && self.replicas == self.desired
            && self.ready == self.desired
    }
}

/// The first reason that a container gives for not running; a restart or two is none.
fn pod_trouble(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    let unschedulable = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unschedulable {
        return Some(Trouble {
            reason: UNSCHEDULABLE,
            message: condition.message.clone().unwrap_or_default(),
            is_final: false,
        });
    }
    status
        .container_statuses
        .iter()
        .flatten()
        .find_map(|container| {
            let waiting = container.state.as_ref()?.waiting.as_ref()?;
            let reason = match waiting.reason.as_deref()? {
                "CrashLoopBackOff" => "CrashLoop",
                "ImagePullBackOff" | "ErrImagePull" | "ErrImageNeverPull" | "InvalidImageName" => {
                    "ImageMissing"
                }
                "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                    "ContainerFailed"
                }
                _ => return None,
            };
            let last_words = container
                .last_state
                .as_ref()
                .and_then(|state| state.terminated.as_ref())
                .and_then(|ended| ended.message.as_deref())
                .map(|text| {
                    text.trim()
                        .lines()
                        .next_back()
                        .unwrap_or_default()
                        .to_owned()
                });
            let mut message = waiting.message.clone().unwrap_or_default();
            if let Some(words) = last_words {
                message = format!("{message}; it said: {words}");
            }
            Some(Trouble {
                reason,
                message: message.chars().take(1000).collect(),
                is_final: false,
            })
        })
}

/// What was found at the end of one reconcile.
#[derive(Debug)]
pub enum Facts<'a> {
    /// The spec cannot be worked on; what was there before goes on.
    Invalid(&'a [Fault]),
    /// Somebody else has what this tenant needs.
    Blocked {
        /// One word for programs.
        reason: &'static str,
        /// What, and what to do.
        message: String,
    },
    /// Something that this tenant needs is on its way, and comes without anybody's help.
    Waiting {
        /// One word for programs.
        reason: &'static str,
        /// For what.
        message: String,
    },
    /// It cannot be worked on now, and is tried again.
    Retrying {
        /// What keeps it.
        message: String,
    },
    /// Worked on.
    Worked {
        /// What should be.
        tenant: &'a ValidatedTenant,
        /// Where people reach it.
        url: String,
        /// What is in the database.
        database: DatabaseFacts,
        /// What runs; `None` when it was not made yet.
        rollout: Option<Rollout>,
    },
    /// On its way out.
    Deleting {
        /// What it waits for.
        message: String,
        /// Why somebody must act.
        stalled: Option<&'static str>,
    },
}

/// The operator's part of a status.
pub fn own_part(status: &TenantStatus) -> TenantStatus {
    let mut own = status.clone();
    own.modules = None;
    own.channel = None;
    own.conditions = ConditionType::OF_OPERATOR
        .into_iter()
        .filter_map(|kind| condition::find(&status.conditions, kind).cloned())
        .collect();
    own
}

/// The operator's part of the next status.
pub fn next(
    previous: &TenantStatus,
    facts: &Facts<'_>,
    generation: Option<i64>,
    now: DateTime<Utc>,
) -> TenantStatus {
    let mut status = own_part(previous);
    // What is newest in the spec may not be obeyed where a reconcile does not come to its end.
    if !matches!(facts, Facts::Retrying { .. }) {
        status.observed_generation = generation;
    }
    let observed = match facts {
        Facts::Retrying { message } => {
            status.phase = Some(status.phase.unwrap_or(Phase::Pending));
            retrying(message, &previous.conditions)
        }
        Facts::Invalid(faults) => {
            let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
            status.phase = Some(status.phase.unwrap_or(Phase::Pending));
            stopped(
                "InvalidSpec",
                &format!("{}; what was there before goes on", text.join("; ")),
            )
        }
        Facts::Blocked { reason, message } => {
            status.phase = Some(status.phase.unwrap_or(Phase::Pending));
            stopped(reason, message)
        }
        Facts::Waiting { reason, message } => {
            status.phase = Some(status.phase.unwrap_or(Phase::Pending));
            waiting(reason, message)
        }
        Facts::Deleting { message, stalled } => {
            status.phase = Some(Phase::Deleting);
            status.replicas = Some(0);
            status.ready_replicas = Some(0);
            let mut observed = match stalled {
                Some(reason) => stopped(reason, message),
                None => waiting(DELETING, message),
            };
            observed.extend([
                observe(
                    ConditionType::RuntimeAvailable,
                    ConditionStatus::False,
                    DELETING,
                    "its runtimes are stopped for good",
                ),
                observe(
                    ConditionType::DatabaseReady,
                    ConditionStatus::Unknown,
                    DELETING,
                    "the roles cannot sign in any more",
                ),
            ]);
            observed
        }
        Facts::Worked {
            tenant,
            url,
            database,
            rollout,
        } => {
            status.tenant_id = Some(tenant.id.to_string());
            status.url = Some(url.clone());
            status.selector = Some(selector_text(&tenant.slug));
            let runtime = rollout.clone().unwrap_or_default();
            status.replicas = Some(runtime.replicas);
            status.ready_replicas = Some(runtime.ready);
            // What nobody has run has served nobody.
            if runtime.is_complete() && runtime.ready > 0 && runtime.version.is_some() {
                status.runtime_version.clone_from(&runtime.version);
            }
            if runtime.version.is_some() {
                status.desired_version.clone_from(&runtime.version);
            }
            let has_failed = has_failed(previous, tenant, &runtime);
            status.failed_version = failed_version(previous, tenant, &runtime, has_failed);
            status.retried_version = retried_version(previous, tenant, has_failed);
            if let DatabaseFacts::Ready { schema_version, .. } = database {
                status.schema_version = Some(*schema_version);
            }
            // Passwords are in place when the roles are; the roles of a suspended tenant get theirs before they may sign in again.
            if !matches!(database, DatabaseFacts::Failed(_)) {
                status.credentials_rotation.clone_from(&tenant.rotation);
            }
            status.phase = Some(next_phase(
                previous.phase,
                tenant.run,
                is_available(tenant.run, database, &runtime),
            ));
            work_conditions(tenant, database, rollout.as_ref(), &previous.conditions)
        }
    };
    // Conditions that were not observed now stay as they are.
    let fresh = condition::merge(&previous.conditions, &observed, generation, now);
    status.conditions = ConditionType::OF_OPERATOR
        .into_iter()
        .filter_map(|kind| {
            condition::find(&fresh, kind)
                .or_else(|| condition::find(&previous.conditions, kind))
                .cloned()
        })
        .collect();
    status
}

/// Whether the version that is tried does not get ready although another one had served. That no node has room for it says nothing
/// about a version.
fn has_failed(previous: &TenantStatus, tenant: &ValidatedTenant, rollout: &Rollout) -> bool {
    let wanted = tenant.version.as_str();
    let is_stuck = rollout
        .stuck
        .as_ref()
        .is_some_and(|stuck| stuck.reason == ROLLOUT_FAILED);
    let no_room = rollout
        .pod_trouble
        .as_ref()
        .is_some_and(|trouble| trouble.reason == UNSCHEDULABLE);
    let is_upgrade = previous
        .runtime_version
        .as_deref()
        .is_some_and(|good| good != wanted);
    // What a Deployment reports before it has seen its new spec is about the old one.
    is_stuck
        && rollout.is_current
        && is_upgrade
        && !no_room
        && rollout.version.as_deref() == Some(wanted)
}

/// The version that is not tried again by itself: the one that has failed, for as long as it has not served.
fn failed_version(
    previous: &TenantStatus,
    tenant: &ValidatedTenant,
    rollout: &Rollout,
    has_failed: bool,
) -> Option<String> {
    if has_failed {
        return Some(tenant.version.as_str().to_owned());
    }
    let asked = tenant.rolled_back_from.as_ref().unwrap_or(&tenant.version);
    previous.failed_version.clone().filter(|failed| {
        // What nobody has run has not served either.
        let works_now =
            rollout.is_complete() && rollout.ready > 0 && rollout.version.as_ref() == Some(failed);
        // The channel remembers it, and may want to try it again.
        let is_given_up = tenant.follows_channel && asked.as_str() != failed;
        !works_now && !is_given_up
    })
}

/// The wish to try a version again that was obeyed, once that version has failed with it: it asks for nothing any more until it is taken
/// back. A channel remembers by itself which wishes it has obeyed.
fn retried_version(
    previous: &TenantStatus,
    tenant: &ValidatedTenant,
    has_failed: bool,
) -> Option<String> {
    let wish = tenant.retry.as_ref().filter(|_| !tenant.follows_channel)?;
    let is_used_up = previous.retried_version.as_ref() == Some(wish)
        || has_failed && wish == tenant.version.as_str();
    is_used_up.then(|| wish.clone())
}

/// Where a tenant is in its life. Failure is never a phase: a tenant that was active stays so while its runtimes are
/// started again, and its conditions say what is wrong.
pub fn next_phase(previous: Option<Phase>, run: Run, is_available: bool) -> Phase {
    match (previous, run) {
        (_, Run::Suspended) => Phase::Suspended,
        (Some(Phase::Active), _) => Phase::Active,
        _ if is_available => Phase::Active,
        _ => Phase::Provisioning,
    }
}

fn is_available(run: Run, database: &DatabaseFacts, rollout: &Rollout) -> bool {
    matches!(database, DatabaseFacts::Ready { .. })
        && match run {
            Run::Suspended => false,
            Run::Asleep => true,
            Run::Fixed(_) | Run::Automatic { .. } => rollout.ready > 0,
        }
}

fn observe(
    kind: ConditionType,
    status: ConditionStatus,
    reason: &'static str,
    message: &str,
) -> Observation {
    Observation {
        kind,
        status,
        reason,
        message: message.to_owned(),
    }
}

fn stopped(reason: &'static str, message: &str) -> Vec<Observation> {
    vec![
        observe(
            ConditionType::Ready,
            ConditionStatus::False,
            reason,
            message,
        ),
        observe(
            ConditionType::Reconciling,
            ConditionStatus::False,
            reason,
            "",
        ),
        observe(
            ConditionType::Stalled,
            ConditionStatus::True,
            reason,
            message,
        ),
    ]
}

/// Is tried again; what is known of everything else stays. Who was never ready is not.
fn retrying(message: &str, all: &[Condition]) -> Vec<Observation> {
    let message =
        format!("{message}; it is tried again by itself, and the operator's log has the cause");
    let mut observed = vec![observe(
        ConditionType::Reconciling,
        ConditionStatus::True,
        RETRYING,
        &message,
    )];
    if condition::find(all, ConditionType::Ready).is_none() {
        observed.push(observe(
            ConditionType::Ready,
            ConditionStatus::False,
            RETRYING,
            &message,
        ));
    }
    observed
}

/// Goes on by itself.
fn waiting(reason: &'static str, message: &str) -> Vec<Observation> {
    vec![
        observe(
            ConditionType::Ready,
            ConditionStatus::False,
            reason,
            message,
        ),
        observe(
            ConditionType::Reconciling,
            ConditionStatus::True,
            reason,
            message,
        ),
        observe(ConditionType::Stalled, ConditionStatus::False, reason, ""),
    ]
}

fn work_conditions(
    tenant: &ValidatedTenant,
    database: &DatabaseFacts,
    rollout: Option<&Rollout>,
    all: &[Condition],
) -> Vec<Observation> {
    let run = tenant.run;
    let mut observed = database_conditions(database);
    let runtime = runtime_condition(run, rollout);
    // That a module was refused is one module's error, and no reason to call the tenant unusable.
    let unrouted = condition::find(all, ConditionType::Routed)
        .filter(|found| found.status == ConditionStatus::False);
    let not_yet = observed
        .iter()
        .chain([&runtime])
        .find(|one| one.status != ConditionStatus::True);
    let ready = match (not_yet, unrouted) {
        (Some(one), _) => observe(
            ConditionType::Ready,
            ConditionStatus::False,
            one.reason,
            &one.message,
        ),
        (None, Some(found)) => observe(
            ConditionType::Ready,
            ConditionStatus::False,
            "NotRouted",
            &found.message,
        ),
        (None, None) => observe(
            ConditionType::Ready,
            ConditionStatus::True,
            runtime.reason,
            &runtime.message,
        ),
    };
    let stall = stall(tenant, database, rollout);
    let (stalled, reconciling) = match stall {
        Some(trouble) => (
            observe(
                ConditionType::Stalled,
                ConditionStatus::True,
                trouble.reason,
                &trouble.message,
            ),
            observe(
                ConditionType::Reconciling,
                ConditionStatus::False,
                trouble.reason,
                "",
            ),
        ),
        None => (
            observe(
                ConditionType::Stalled,
                ConditionStatus::False,
                "Progressing",
                "",
            ),
            reconciling(run, database, rollout),
        ),
    };
    observed.extend([runtime, ready, reconciling, stalled]);
    observed
}

fn database_conditions(database: &DatabaseFacts) -> Vec<Observation> {
    use ConditionStatus::{False, True, Unknown};
    let both = |status, reason, message: &str| {
        [ConditionType::DatabaseReady, ConditionType::SchemaMigrated]
            .map(|kind| observe(kind, status, reason, message))
            .to_vec()
    };
    match database {
        DatabaseFacts::Ready {
            schema_version,
            differences,
        } => {
            let (reason, message) = match differences.as_slice() {
                [] => ("Ready", String::new()),
                [first, rest @ ..] => (
                    "Drifted",
                    format!(
                        "{first}{}; `operator report`, called in the operator's pod, lists all",
                        if rest.is_empty() {
                            String::new()
                        } else {
                            format!(" and {} more", rest.len())
                        }
                    ),
                ),
            };
            vec![
                observe(ConditionType::DatabaseReady, True, reason, &message),
                observe(
                    ConditionType::SchemaMigrated,
                    True,
                    "UpToDate",
                    &format!("migration {schema_version}"),
                ),
            ]
        }
        DatabaseFacts::Failed(trouble) if trouble.reason == "MigrationFailed" => vec![
            observe(ConditionType::DatabaseReady, True, "Ready", ""),
            observe(
                ConditionType::SchemaMigrated,
                False,
                trouble.reason,
                &trouble.message,
            ),
        ],
        DatabaseFacts::Failed(trouble) => vec![
            observe(
                ConditionType::DatabaseReady,
                False,
                trouble.reason,
                &trouble.message,
            ),
            observe(
                ConditionType::SchemaMigrated,
                Unknown,
                "Waiting",
                "schema and roles come first",
            ),
        ],
        DatabaseFacts::Locked => both(Unknown, "Suspended", "the roles cannot sign in"),
    }
}

fn runtime_condition(run: Run, rollout: Option<&Rollout>) -> Observation {
    const KIND: ConditionType = ConditionType::RuntimeAvailable;
    match (run, rollout) {
        (Run::Suspended, _) => observe(
            KIND,
            ConditionStatus::False,
            "Suspended",
            "stopped by spec.suspended; its data is kept",
        ),
        (_, None) => observe(
            KIND,
            ConditionStatus::False,
            "Waiting",
            "the database comes first",
        ),
        (Run::Asleep, Some(_)) => observe(
            KIND,
            ConditionStatus::True,
            "Asleep",
            "nothing runs; the next request starts a runtime",
        ),
        (_, Some(rollout)) if rollout.ready > 0 => observe(
            KIND,
            ConditionStatus::True,
            "Available",
            &format!("{} of {} runtimes answer", rollout.ready, rollout.desired),
        ),
        (_, Some(rollout)) => match rollout.pod_trouble.as_ref().or(rollout.stuck.as_ref()) {
            Some(trouble) => observe(
                KIND,
                ConditionStatus::False,
                trouble.reason,
                &trouble.message,
            ),
            None => observe(
                KIND,
                ConditionStatus::False,
                "Starting",
                "no runtime answers yet",
            ),
        },
    }
}

/// What changes only when somebody acts.
fn stall(
    tenant: &ValidatedTenant,
    database: &DatabaseFacts,
    rollout: Option<&Rollout>,
) -> Option<Trouble> {
    if let DatabaseFacts::Failed(trouble) = database
        && trouble.is_final
    {
        return Some(trouble.clone());
    }
    if let Some(failed) = &tenant.rolled_back_from {
        let (failed, good) = (failed.as_str(), tenant.version.as_str());
        return Some(Trouble {
            reason: "VersionFailed",
            message: format!(
                "version {failed} did not get ready, {good} serves; set another spec.version, or annotate {}={failed} to try it again",
                names::ANNOTATION_RETRY_VERSION
            ),
            is_final: true,
        });
    }
    match tenant.run {
        Run::Suspended | Run::Asleep => None,
        Run::Fixed(_) | Run::Automatic { .. } => {
            let rollout = rollout?;
            let stuck = rollout.stuck.as_ref()?;
            Some(match &rollout.pod_trouble {
                // Nothing is wrong with what was to be rolled out, and it goes on once there is room.
                Some(trouble)
                    if trouble.reason == UNSCHEDULABLE && stuck.reason == ROLLOUT_FAILED =>
                {
                    Trouble {
                        is_final: true,
                        ..trouble.clone()
                    }
                }
                Some(trouble) => Trouble {
                    message: format!(
                        "{}; a pod says {}: {}",
                        stuck.message, trouble.reason, trouble.message
                    ),
                    ..stuck.clone()
                },
                None => stuck.clone(),
            })
        }
    }
}

fn reconciling(run: Run, database: &DatabaseFacts, rollout: Option<&Rollout>) -> Observation {
    const KIND: ConditionType = ConditionType::Reconciling;
    let at_work = |reason, message: &str| observe(KIND, ConditionStatus::True, reason, message);
    match (database, rollout) {
        (DatabaseFacts::Failed(trouble), _) => at_work(
            RETRYING,
            &format!("{}; it is tried again by itself", trouble.message),
        ),
        (_, None) => at_work("Provisioning", "the runtimes are being made"),
        (_, Some(rollout)) if !rollout.is_complete() => match run {
            Run::Suspended | Run::Asleep => at_work("Stopping", "the runtimes are being stopped"),
            Run::Fixed(_) | Run::Automatic { .. } => at_work(
                "RollingOut",
                &format!(
                    "{} of {} runtimes are new, {} answer",
                    rollout.updated, rollout.desired, rollout.ready
                ),
            ),
        },
        _ => observe(KIND, ConditionStatus::False, "Done", ""),
    }
}

#[cfg(test)]
mod tests;
