//! The internal port of every process: `/livez`, `/readyz`, `/metrics`. Never reachable through the router.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::sync::Notify;

/// Whether one part of the process is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum PartState {
    /// It works.
    Ready,
    /// It works on what it has, which may be out of date.
    Stale {
        /// Why and since when.
        reason: String,
    },
    /// It does not work, and so the process is not ready.
    NotReady {
        /// Why.
        reason: String,
    },
}

/// The parts of a process and their states; ready when every part is ready or stale. Clones are the same board.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Board>);

#[derive(Debug, Default)]
struct Board {
    parts: RwLock<BTreeMap<&'static str, PartState>>,
    changed: Notify,
}

impl Readiness {
    /// A board whose `parts` are not ready yet.
    pub fn waiting_for(parts: &[&'static str]) -> Self {
        let board = Self::default();
        for part in parts {
            board.set(
                part,
                PartState::NotReady {
                    reason: "starting".to_owned(),
                },
            );
        }
        board
    }

    /// Sets the state of one part.
    pub fn set(&self, part: &'static str, state: PartState) {
        self.0
            .parts
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(part, state);
        self.0.changed.notify_waiters();
    }

    /// All parts.
    pub fn parts(&self) -> BTreeMap<&'static str, PartState> {
        self.0
            .parts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether requests should be sent here.
    pub fn is_ready(&self) -> bool {
        !self
            .parts()
            .values()
            .any(|state| matches!(state, PartState::NotReady { .. }))
    }

    /// Waits until requests should be sent here; for as long as that takes.
    pub async fn ready(&self) {
        loop {
            // Before the look: what changes after it is heard of.
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.is_ready() {
                return;
            }
            changed.await;
        }
    }
}

#[derive(Clone)]
struct InternalState {
    readiness: Readiness,
    metrics: Option<PrometheusHandle>,
}

#[derive(Serialize)]
struct ReadyAnswer {
    ready: bool,
    parts: BTreeMap<&'static str, PartState>,
}

/// The routes of the internal port.
pub fn router(readiness: Readiness, metrics: Option<PrometheusHandle>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render_metrics))
        .with_state(InternalState { readiness, metrics })
}

async fn readyz(State(state): State<InternalState>) -> impl IntoResponse {
    let ready = state.readiness.is_ready();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        axum::Json(ReadyAnswer {
            ready,
            parts: state.readiness.parts(),
        }),
    )
}

async fn render_metrics(State(state): State<InternalState>) -> String {
    state
        .metrics
        .map(|handle| handle.render())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_part_is_ready_and_a_missing_one_is_not() {
        let readiness = Readiness::waiting_for(&["database", "modules"]);
        assert!(!readiness.is_ready());
        readiness.set("database", PartState::Ready);
        readiness.set(
            "modules",
            PartState::Stale {
                reason: "control plane away".to_owned(),
            },
        );
        assert!(readiness.is_ready());
    }

    #[tokio::test]
    async fn who_waits_for_a_process_hears_when_its_last_part_is_ready() {
        let readiness = Readiness::waiting_for(&["database", "modules"]);
        let mut waiting = Box::pin(readiness.ready());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        readiness.set("database", PartState::Ready);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        readiness.set("modules", PartState::Ready);
        waiting.await;
        readiness.ready().await;
    }
}
