//! What the person who signed up watches: one line per step.

use chrono::{DateTime, Utc};
use control_plane::provision::{DesiredState, Observed};
use domain::tenant::{ProvisionStep, StepState, StepStatus};

use crate::supervisor::decide::{DatabaseStep, Known, Server, Target};

/// The steps' states; times are kept as long as a state stays the same.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    steps: Vec<StepStatus>,
}

/// What is being done or has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Nothing that a step speaks about.
    None,
    /// This step is at work.
    Working(ProvisionStep),
    /// This step has failed and is tried again.
    Failed {
        /// Which one.
        step: ProvisionStep,
        /// Stable word.
        reason: &'static str,
        /// For people.
        message: String,
    },
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            steps: ProvisionStep::ALL
                .into_iter()
                .map(|step| StepStatus {
                    step,
                    state: StepState::Waiting,
                })
                .collect(),
        }
    }

    /// All steps as they are.
    pub(crate) fn steps(&self) -> Vec<StepStatus> {
        self.steps.clone()
    }

    /// Brings the steps in line with what is known; whether one of them changed.
    pub(crate) fn update(
        &mut self,
        known: &Known,
        activity: &Activity,
        now: DateTime<Utc>,
    ) -> bool {
        let mut changed = false;
        for status in &mut self.steps {
            let wanted = match activity {
                Activity::Failed {
                    step,
                    reason,
                    message,
                } if *step == status.step => StepState::Failed {
                    reason: (*reason).to_owned(),
                    message: message.clone(),
                    at: now,
                },
                _ if is_done(status.step, known) => StepState::Done { at: now },
                Activity::Working(step) if *step == status.step => StepState::Running,
                _ => StepState::Waiting,
            };
            if !same(&status.state, &wanted) {
                status.state = wanted;
                changed = true;
            }
        }
        changed
    }

    pub(crate) fn observed(&self, generation: i64, state: DesiredState, known: &Known) -> Observed {
        Observed {
            generation,
            steps: self.steps(),
            ready_replicas: u32::from(matches!(known.server, Server::Ready(..))),
            asleep: false,
            gone: state == DesiredState::Absent && known.dropped && known.files_removed,
        }
    }
}

/// The step of the progress that a step in the database is.
pub(crate) const fn step_of(step: DatabaseStep) -> ProvisionStep {
    match step {
        DatabaseStep::Schema => ProvisionStep::Schema,
        DatabaseStep::Roles => ProvisionStep::Roles,
        DatabaseStep::Migrations => ProvisionStep::Migrations,
        DatabaseStep::Administrator => ProvisionStep::Administrator,
    }
}

fn is_done(step: ProvisionStep, known: &Known) -> bool {
    let past = |step| !known.dropped && known.database.is_none_or(|next| next > step);
    match step {
        ProvisionStep::Schema => past(DatabaseStep::Schema),
        ProvisionStep::Roles => past(DatabaseStep::Roles),
        ProvisionStep::Migrations => past(DatabaseStep::Migrations),
        ProvisionStep::Administrator => past(DatabaseStep::Administrator),
        ProvisionStep::Server => matches!(known.server, Server::Ready(..)),
        ProvisionStep::Route => known
            .route
            .as_ref()
            .is_some_and(|route| matches!(route.target, Target::Serving(_))),
    }
}

/// Apart from the time.
fn same(old: &StepState, new: &StepState) -> bool {
    match (old, new) {
        (StepState::Done { .. }, StepState::Done { .. }) => true,
        (
            StepState::Failed {
                reason: old_reason,
                message: old_message,
                ..
            },
            StepState::Failed {
                reason, message, ..
            },
        ) => old_reason == reason && old_message == message,
        _ => old == new,
    }
}

#[cfg(test)]
mod tests {
    use domain::clock::{Clock as _, MockClock};

    use super::*;

    #[test]
    fn steps_follow_what_is_known_and_keep_their_times() {
        let clock = MockClock::default();
        let mut known = Known::nothing();
        let mut progress = Progress::new();
        assert!(progress.update(
            &known,
            &Activity::Working(ProvisionStep::Schema),
            clock.now()
        ));
        assert_eq!(progress.steps[0].state, StepState::Running);

        known.database = Some(DatabaseStep::Roles);
        let first = clock.now();
        assert!(progress.update(&known, &Activity::Working(ProvisionStep::Roles), first));
        clock.advance(chrono::TimeDelta::seconds(5));
        let failed = Activity::Failed {
            step: ProvisionStep::Roles,
            reason: "DatabaseError",
            message: "no".to_owned(),
        };
        assert!(progress.update(&known, &failed, clock.now()));
        assert!(
            !progress.update(&known, &failed, clock.now()),
            "nothing new"
        );
        assert_eq!(progress.steps[0].state, StepState::Done { at: first });
        assert!(matches!(&progress.steps[1].state, StepState::Failed { at, .. } if *at > first));
        assert_eq!(progress.steps[2].state, StepState::Waiting);
        assert!(!progress.observed(1, DesiredState::Running, &known).gone);
    }
}
