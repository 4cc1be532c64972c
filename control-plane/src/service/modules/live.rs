//! What runtimes say about a change, and waiting for it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::diagnostic::Diagnostic;
use domain::digest::Sha256Digest;
use domain::id::TenantId;
use domain::name::ModuleName;
use domain::watch::Suspension;
use serde::Serialize;
use sqlx::PgConnection;

use super::watch::HEARTBEAT;
use crate::app::AppState;
use crate::db::module::{self, ModuleVersion};
use crate::db::module_replica::{self, Replica, Word};
use crate::db::{DbResult, tenant};

/// A replica that was not heard of for three heartbeats is not there.
const SILENCE: u32 = 3;

/// A net under the signals: after this time whoever waits looks again by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What the runtimes of a tenant have made of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Live {
    /// Runtimes that watch.
    pub ready: usize,
    /// Of those, how many have it.
    pub acknowledged: usize,
    /// Those that refused it and go on with the version before.
    pub refused: Vec<Refusal>,
}

/// One runtime's no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Which runtime.
    pub instance: String,
    /// Why.
    pub diagnostics: Vec<Diagnostic>,
}

impl Live {
    /// Whether every runtime has spoken.
    pub fn is_complete(&self) -> bool {
        self.acknowledged + self.refused.len() >= self.ready
    }
}

/// Since when a replica must have been heard of to count as being there.
pub fn heard_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::from_std(HEARTBEAT * SILENCE).unwrap_or(TimeDelta::MAX)
}

/// Waits until every runtime that watches has brought itself to the generation of `version`, at most for `timeout`; then tells how it is.
/// Where none watches it waits only if some should.
pub async fn wait(
    state: &AppState,
    tenant: TenantId,
    version: &ModuleVersion,
    timeout: Duration,
) -> DbResult<Live> {
    // Subscribed before the first look, so that nothing falls in between.
    let mut signals = state.modules.feed.subscribe(tenant);
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        signals.mark_unchanged();
        let (live, is_over) = {
            let mut db = state.pool.acquire().await?;
            let live = look(&mut db, tenant, version, state.clock.now()).await?;
            let is_over = live.is_complete()
                && (live.ready > 0 || !expects_runtimes(&mut db, tenant).await?);
            (live, is_over)
        };
        let now = tokio::time::Instant::now();
        if is_over || now >= deadline {
            return Ok(live);
        }
        let until = deadline.min(now + LOOK_AGAIN);
        // The feed holds the sender as long as somebody listens, so the channel does not close.
        let _woken = tokio::time::timeout_at(until, signals.changed()).await;
    }
}

async fn expects_runtimes(db: &mut PgConnection, id: TenantId) -> DbResult<bool> {
    let tenant = tenant::find(db, id).await?;
    Ok(tenant.is_some_and(|tenant| tenant.ready_replicas > 0))
}

async fn look(
    db: &mut PgConnection,
    tenant: TenantId,
    version: &ModuleVersion,
    now: DateTime<Utc>,
) -> DbResult<Live> {
    let replicas = module_replica::list(db, tenant, heard_since(now)).await?;
    let words = module_replica::list_words(db, tenant, &version.name).await?;
    Ok(judge(&replicas, &words, version))
}

fn judge(replicas: &[Replica], words: &[Word], version: &ModuleVersion) -> Live {
    let arrived: Vec<&Replica> = replicas
        .iter()
        .filter(|replica| replica.generation >= version.generation)
        .collect();
    let digest = version.kind.content().map(|content| content.sha256);
    let refused: Vec<Refusal> = words
        .iter()
        .filter(|word| !word.ok && Some(word.sha256) == digest)
        .filter(|word| {
            arrived
                .iter()
                .any(|replica| replica.instance == word.instance)
        })
        .map(|word| Refusal {
            instance: word.instance.clone(),
            diagnostics: word.diagnostics.clone(),
        })
        .collect();
    Live {
        ready: replicas.len(),
        acknowledged: arrived.len() - refused.len(),
        refused,
    }
}

/// What is known of a module in each runtime.
#[derive(Debug, Serialize)]
pub struct ModuleStatus {
    /// Which module.
    pub name: ModuleName,
    /// The version that should be there; absent when the module is deleted.
    pub version: Option<u32>,
    /// Its digest.
    pub sha256: Option<Sha256Digest>,
    /// The tenant's module generation.
    pub generation: u64,
    /// Every runtime that watches.
    pub replicas: Vec<ReplicaStatus>,
}

/// A module in one runtime.
#[derive(Debug, Serialize)]
pub struct ReplicaStatus {
    /// Which runtime.
    pub instance: String,
    /// What it has made of the version that should be there.
    pub state: ReplicaState,
    /// The content that it spoke of last.
    pub sha256: Option<Sha256Digest>,
    /// The generation that it has brought itself to.
    pub generation: u64,
    /// When it spoke of the module last.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// When it was heard of last.
    pub last_seen: DateTime<Utc>,
    /// Why it was refused, or warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// Why and until when its code does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
}

/// What a runtime has made of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplicaState {
    /// It serves it (or has removed a deleted module).
    Loaded,
    /// It refused it and goes on with the version before.
    Refused,
    /// It has not come so far.
    Pending,
    /// It serves it, but does not run its code for a while: that hit limits again and again.
    Suspended,
}

/// What every runtime of the tenant says about a module; `None` when there never was one of this name.
pub async fn status(
    state: &AppState,
    tenant: TenantId,
    name: &ModuleName,
) -> DbResult<Option<ModuleStatus>> {
    let mut db = state.pool.acquire().await?;
    let Some(current) = module::find_current(&mut db, tenant, name).await? else {
        return Ok(None);
    };
    let generation = module::generation(&mut db, tenant).await?;
    let since = heard_since(state.clock.now());
    let replicas = module_replica::list(&mut db, tenant, since).await?;
    let words = module_replica::list_words(&mut db, tenant, name).await?;
    let digest = current.kind.content().map(|content| content.sha256);
    let replicas = replicas
        .into_iter()
        .map(|replica| {
            let word = words.iter().find(|word| word.instance == replica.instance);
            let state = match word {
                _ if replica.generation < current.generation => ReplicaState::Pending,
                Some(word) if !word.ok && Some(word.sha256) == digest => ReplicaState::Refused,
                Some(word) if word.suspension.is_some() && digest.is_some() => {
                    ReplicaState::Suspended
                }
                _ => ReplicaState::Loaded,
            };
            ReplicaStatus {
                state,
                sha256: word.map(|word| word.sha256),
                generation: replica.generation,
                acknowledged_at: word.map(|word| word.at),
                last_seen: replica.last_seen,
                diagnostics: word
                    .map(|word| word.diagnostics.clone())
                    .unwrap_or_default(),
                suspension: word.and_then(|word| word.suspension.clone()),
                instance: replica.instance,
            }
        })
        .collect();
    Ok(Some(ModuleStatus {
        name: current.name.clone(),
        version: digest.map(|_| current.version),
        sha256: digest,
        generation,
        replicas,
    }))
}

/// Modules of the tenant whose code does not run in one of its runtimes, with the suspension that lasts longest.
pub async fn suspended(
    state: &AppState,
    tenant: TenantId,
) -> DbResult<BTreeMap<String, Suspension>> {
    let mut db = state.pool.acquire().await?;
    let since = heard_since(state.clock.now());
    let found = module_replica::list_suspended(&mut db, tenant, since).await?;
    // Sorted by their ends: the last of a name stays.
    Ok(found.into_iter().collect())
}

/// How far the modules of a tenant are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ModuleGenerations {
    /// What should be loaded.
    pub desired_generation: u64,
    /// What every runtime that watches has loaded; absent while none watches.
    pub loaded_generation: Option<u64>,
}

/// How far the modules of a tenant are, for those who hold no connection.
pub async fn of_tenant(state: &AppState, tenant: TenantId) -> DbResult<ModuleGenerations> {
    let mut db = state.pool.acquire().await?;
    generations(&mut db, tenant, state.clock.now()).await
}

/// How far the modules of a tenant are.
pub async fn generations(
    db: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> DbResult<ModuleGenerations> {
    Ok(ModuleGenerations {
        desired_generation: module::generation(db, tenant).await?,
        loaded_generation: module_replica::loaded_generation(db, tenant, heard_since(now)).await?,
    })
}
