//! Whether somebody waits for a reconcile: pure, and only from what lies in the Tenant, so that it is the same after a restart.

use chrono::{DateTime, Utc};
use tenant_crd::condition::{self, ConditionStatus, ConditionType};
use tenant_crd::names;
use tenant_crd::v1::{Phase, Tenant};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::reconcile::validate::{Run, is_retry_wanted, sleep_or_wake};

/// Who waits for a reconcile. The order is that of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Nobody: the look after a restart or an hour, drift, waves of upgrades, another try after a failure.
    Background,
    /// A person, who does not expect it at once: a new tenant, whose schema and tables take the database a second or more.
    Provision,
    /// A person, who does: an edited spec, a request to a tenant that sleeps, a wish by annotation.
    User,
}

impl Lane {
    /// How many there are.
    pub const COUNT: usize = 3;
    /// Each of them.
    pub const ALL: [Self; Self::COUNT] = [Self::Background, Self::Provision, Self::User];

    /// As a label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Provision => "provision",
            Self::User => "user",
        }
    }

    /// Whoever waits for this tenant at `now`: a person, while what they asked for was not obeyed yet.
    pub fn of(tenant: &Tenant, now: DateTime<Utc>) -> Self {
        if is_being_made(tenant) {
            Self::Provision
        } else if somebody_waits(tenant, now) {
            Self::User
        } else {
            Self::Background
        }
    }
}

/// Whether its tables are still to be made. Once they are, what is left is short: to see that its pods are ready, and say so.
fn is_being_made(tenant: &Tenant) -> bool {
    let status = tenant.status.as_ref();
    let phase = status.and_then(|status| status.phase);
    tenant.metadata.deletion_timestamp.is_none()
        && status.is_none_or(|status| status.schema_version.is_none())
        && matches!(phase, None | Some(Phase::Pending | Phase::Provisioning))
}

fn somebody_waits(tenant: &Tenant, now: DateTime<Utc>) -> bool {
    let Some(status) = &tenant.status else {
        return true;
    };
    if tenant.metadata.deletion_timestamp.is_some() {
        // The rest of an end is waiting: for pods, for the grace.
        return status.phase != Some(Phase::Deleting);
    }
    if status.observed_generation != tenant.metadata.generation {
        return true;
    }
    let wish = |name| tenant.metadata.annotations.as_ref()?.get(name);
    let rotation = wish(names::ANNOTATION_ROTATE_CREDENTIALS);
    if rotation.is_some() && rotation != status.credentials_rotation.as_ref() {
        return true;
    }
    if is_retry_wanted(tenant) {
        return true;
    }
    let export = wish(names::ANNOTATION_EXPORT);
    if export.is_some() && export != status.last_export.as_ref().map(|last| &last.id) {
        return true;
    }
    let ready = condition::find(&status.conditions, ConditionType::Ready);
    let is_asleep = ready.is_some_and(|ready| ready.reason == "Asleep");
    if is_asleep
        && let Some(sleep) = &tenant.spec.scale_to_zero
        && sleep_or_wake(tenant, sleep.idle_after.as_duration(), now).0 != Run::Asleep
    {
        return true;
    }
    // Made or woken and not there yet: the next look is what says that it is.
    matches!(
        status.phase,
        None | Some(Phase::Pending | Phase::Provisioning)
    ) || ready
        .is_some_and(|ready| ready.status == ConditionStatus::False && ready.reason == "Starting")
}

/// Steps in databases at once. Long steps (those of new tenants, and of whom nobody waits for) never take all places: an edit, whose
/// step is short, waits for none of them. Of theirs the background never takes the last one.
#[derive(Debug)]
pub struct DatabasePermits {
    all: Semaphore,
    long: Semaphore,
    background: Semaphore,
}

impl DatabasePermits {
    /// So many at once.
    pub fn new(at_once: usize) -> Self {
        // A third is kept for users, where there is more than one.
        let long = (at_once - at_once.div_ceil(3)).max(1);
        Self {
            all: Semaphore::new(at_once),
            long: Semaphore::new(long),
            background: Semaphore::new(long.saturating_sub(1).max(1)),
        }
    }

    /// Waits for a place. It is free again when what is answered is dropped.
    pub async fn enter(&self, lane: Lane) -> DatabasePermit<'_> {
        // No place is refused: the semaphores are never closed.
        let background = match lane {
            Lane::Background => self.background.acquire().await.ok(),
            Lane::Provision | Lane::User => None,
        };
        let long = match lane {
            Lane::Background | Lane::Provision => self.long.acquire().await.ok(),
            Lane::User => None,
        };
        DatabasePermit {
            _all: self.all.acquire().await.ok(),
            _long: long,
            _background: background,
        }
    }
}

/// A place among those who work in databases; dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub struct DatabasePermit<'a> {
    _all: Option<SemaphorePermit<'a>>,
    _long: Option<SemaphorePermit<'a>>,
    _background: Option<SemaphorePermit<'a>>,
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use serde_json::{Value, json};

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-01-02T12:00:00Z".parse().unwrap()
    }

    /// A tenant that is as it should be, with these changes.
    fn check(change: impl FnOnce(&mut Value), expected: Lane) {
        let mut object = json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant",
            "metadata": {
                "name": "acme", "uid": "u", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": {},
            },
            "spec": {"slug": "acme", "scaleToZero": {"idleAfter": "30m"}},
            "status": {
                "phase": "Active", "observedGeneration": 3,
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Asleep", "message": "",
                    "lastTransitionTime": "2026-01-02T03:04:05Z",
                }],
            },
        });
        change(&mut object);
        let tenant: Tenant = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(Lane::of(&tenant, now()), expected, "{object}");
    }

    #[test]
    fn what_a_person_asked_for_comes_first_until_it_is_done() {
        use Lane::{Background, Provision, User};
        let annotate = |name: &'static str, value: &'static str| {
            move |tenant: &mut Value| tenant["metadata"]["annotations"][name] = json!(value)
        };
        check(|_| {}, Background);
        check(|tenant| tenant["status"] = Value::Null, Provision);
        check(|tenant| tenant["metadata"]["generation"] = json!(4), User);
        check(
            annotate("gotrs.io/last-active", "2026-01-02T11:59:00Z"),
            User,
        );
        check(
            annotate("gotrs.io/last-active", "2026-01-02T11:00:00Z"),
            Background,
        );
        check(annotate("gotrs.io/next-due", "2026-01-02T12:00:00Z"), User);
        check(annotate("gotrs.io/rotate-credentials", "1"), User);
        check(
            |tenant| {
                annotate("gotrs.io/rotate-credentials", "1")(tenant);
                tenant["status"]["credentialsRotation"] = json!("1");
            },
            Background,
        );
        check(
            |tenant| {
                annotate("gotrs.io/retry-version", "2.0.0")(tenant);
                tenant["status"]["failedVersion"] = json!("2.0.0");
            },
            User,
        );
        let export = "0198c0de-0000-7000-8000-000000000001";
        check(annotate("gotrs.io/export", export), User);
        check(
            |tenant| {
                annotate("gotrs.io/export", export)(tenant);
                // Making it takes its time; the wish is known.
                tenant["status"]["lastExport"] = json!({"id": export, "state": "Running"});
            },
            Background,
        );
        check(
            |tenant| {
                tenant["status"]["phase"] = json!("Provisioning");
                tenant["metadata"]["generation"] = json!(4);
            },
            Provision,
        );
        check(
            |tenant| {
                tenant["status"]["phase"] = json!("Provisioning");
                tenant["status"]["schemaVersion"] = json!(12);
            },
            User,
        );
        let starting = |tenant: &mut Value| {
            tenant["status"]["conditions"][0]["status"] = json!("False");
            tenant["status"]["conditions"][0]["reason"] = json!("Starting");
        };
        check(starting, User);
        let deleted = |tenant: &mut Value| {
            tenant["metadata"]["deletionTimestamp"] = json!("2026-01-02T11:00:00Z");
        };
        check(deleted, User);
        check(
            |tenant| {
                deleted(tenant);
                tenant["status"]["phase"] = json!("Deleting");
            },
            Background,
        );
    }

    #[tokio::test]
    async fn what_is_short_never_waits_for_what_is_long() {
        let permits = DatabasePermits::new(6);
        let enter = |lane| permits.enter(lane).now_or_never();
        let mut background: Vec<_> = (0..3).map(|_| enter(Lane::Background).unwrap()).collect();
        assert!(enter(Lane::Background).is_none());
        let provision = enter(Lane::Provision).unwrap();
        assert!(enter(Lane::Provision).is_none(), "two are kept for users");
        let users = [enter(Lane::User).unwrap(), enter(Lane::User).unwrap()];
        assert!(enter(Lane::User).is_none());
        background.pop();
        assert!(
            enter(Lane::User).is_some(),
            "users may have all that is free"
        );
        drop((background, provision, users));
        let all: Vec<_> = (0..6).map(|_| enter(Lane::User).unwrap()).collect();
        assert!(enter(Lane::Provision).is_none());
        drop(all);
        // Where there is but one place, everybody has it.
        let one = DatabasePermits::new(1);
        for lane in Lane::ALL {
            assert!(one.enter(lane).now_or_never().is_some(), "{lane:?}");
        }
    }
}
