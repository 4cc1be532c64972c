//! The watch stream: a snapshot, then every change, for one runtime.
//!
//! Level-triggered: whatever wakes the stream, it asks the database what is newer than what it has sent. So a
//! notification that is lost or comes twice changes nothing.

use std::time::{Duration, SystemTime};

use bytes::{BufMut as _, Bytes, BytesMut};
use domain::id::{RequestId, TenantId};
use domain::watch::{ModuleReference, WatchEvent};
use futures_util::{Stream, stream};
use service_kit::Chain;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use blob_store::{BlobError, BlobKey};

use super::acknowledge::{Instance, MAX_REPLICAS};
use super::error::MAX_MODULES;
use super::feed::{Signal, TooManyWatchers, WatcherSeat};
use crate::app::AppState;
use crate::db::module::{self, ModuleVersion};
use crate::db::{DbError, module_replica};

/// How often something is said when nothing happens.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long the URL of a module can be used: runtimes fetch at once, or come back for a new one.
const URL_LIFE: Duration = Duration::from_mins(15);

/// With more changes than this to tell at once, a snapshot is shorter.
const MAX_CHANGES: i64 = 100;

/// Why a stream ended or could not go on.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error("the registry could not be read")]
    Database(#[from] DbError),
    #[error("the URL of a module could not be made")]
    Presign(#[source] BlobError),
    #[error("an event could not be written as JSON")]
    Write(#[source] serde_json::Error),
}

/// Opens a stream of lines for a runtime of `tenant`. `after` is the generation that it has; what is known of it then
/// is not told again. It ends when the process stops or cannot say what is: the runtime comes back and goes on.
pub fn watch(
    state: &AppState,
    tenant: TenantId,
    after: Option<u64>,
    instance: Option<Instance>,
) -> Result<
    impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + use<>,
    TooManyWatchers,
> {
    let seat = state.modules.feed.take_seat(tenant)?;
    let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watcher = Watcher {
        // Subscribed before the first look, so that no change falls in between.
        signals: state.modules.feed.subscribe(tenant),
        stopping: state.tasks.stopping(),
        presence: Presence {
            state: state.clone(),
            tenant,
            instance,
            watch: RequestId::generate(),
        },
        heartbeat,
        sent: None,
        after,
        _seat: seat,
    };
    Ok(stream::unfold(Some(watcher), |watcher| async move {
        let mut watcher = watcher?;
        match watcher.next().await {
            Ok(Some(lines)) => Some((Ok(lines), Some(watcher))),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(
                    tenant.id = %watcher.presence.tenant,
                    error = %Chain(&error),
                    "a watch stream ends early"
                );
                None
            }
        }
    }))
}

struct Watcher {
    presence: Presence,
    signals: watch::Receiver<Signal>,
    heartbeat: Interval,
    stopping: CancellationToken,
    /// The generation that the runtime was told last.
    sent: Option<u64>,
    /// The generation that it came with.
    after: Option<u64>,
    _seat: WatcherSeat,
}

impl Watcher {
    /// The next lines; `None` at the end of the process.
    async fn next(&mut self) -> Result<Option<Bytes>, WatchError> {
        let Some(mut sent) = self.sent else {
            self.presence.announce().await?;
            return self.begin().await.map(Some);
        };
        loop {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Ok(None),
                changed = self.signals.changed() => {
                    if changed.is_err() {
                        return Ok(None);
                    }
                    if self.signals.borrow_and_update().generation <= sent {
                        continue;
                    }
                    let events = self.changes_after(sent).await?;
                    if let Some(last) = events.last() {
                        sent = last.generation();
                        self.sent = Some(sent);
                        return lines(&events).map(Some);
                    }
                }
                _ = self.heartbeat.tick() => {
                    self.presence.announce().await?;
                    // Also a look, should the feed have missed something.
                    let mut events = self.changes_after(sent).await?;
                    sent = events.last().map_or(sent, WatchEvent::generation);
                    self.sent = Some(sent);
                    events.push(WatchEvent::Bookmark { generation: sent });
                    return lines(&events).map(Some);
                }
            }
        }
    }

    /// What a runtime hears first: what is new since it was here, or everything.
    async fn begin(&mut self) -> Result<Bytes, WatchError> {
        let newest = self.presence.generation().await?;
        let mut events = match self.after {
            // It may know of more than we do, if our database was set back: then everything is told again.
            Some(after) if after <= newest => self.changes_after(after).await?,
            _ => vec![self.snapshot().await?],
        };
        let resumed = events.last().map_or(newest, WatchEvent::generation);
        if !matches!(events.as_slice(), [WatchEvent::Snapshot { .. }]) {
            events.push(WatchEvent::Bookmark {
                generation: resumed,
            });
        }
        self.sent = Some(resumed);
        lines(&events)
    }

    /// What has changed after `generation`, or a snapshot when that is too much; nothing when nothing has.
    async fn changes_after(&self, generation: u64) -> Result<Vec<WatchEvent>, WatchError> {
        let versions = {
            let mut db = self
                .presence
                .state
                .pool
                .acquire()
                .await
                .map_err(DbError::from)?;
            module::list_changed(&mut db, self.presence.tenant, generation, MAX_CHANGES + 1).await?
        };
        if i64::try_from(versions.len()).is_ok_and(|count| count > MAX_CHANGES) {
            return Ok(vec![self.snapshot().await?]);
        }
        let mut events = Vec::with_capacity(versions.len());
        for version in versions {
            events.push(self.event(version).await?);
        }
        Ok(events)
    }

    async fn event(&self, version: ModuleVersion) -> Result<WatchEvent, WatchError> {
        let generation = version.generation;
        Ok(match self.reference(&version).await? {
            Some(module) => WatchEvent::Put { generation, module },
            None => WatchEvent::Delete {
                generation,
                name: version.name,
            },
        })
    }

    /// Everything. The generation is read before the modules: what changes in between is told twice, never left out.
    async fn snapshot(&self) -> Result<WatchEvent, WatchError> {
        let (generation, versions) = {
            let mut db = self
                .presence
                .state
                .pool
                .acquire()
                .await
                .map_err(DbError::from)?;
            let generation = module::generation(&mut db, self.presence.tenant).await?;
            let versions =
                module::list_live(&mut db, self.presence.tenant, "", MAX_MODULES).await?;
            (generation, versions)
        };
        let mut modules = Vec::with_capacity(versions.len());
        for version in versions {
            modules.extend(self.reference(&version).await?);
        }
        Ok(WatchEvent::Snapshot {
            generation,
            modules,
        })
    }

    async fn reference(
        &self,
        version: &ModuleVersion,
    ) -> Result<Option<ModuleReference>, WatchError> {
        let Some(content) = version.kind.content() else {
            return Ok(None);
        };
        let state = &self.presence.state;
        let key = BlobKey::module(self.presence.tenant, &version.name, &content.sha256);
        let now = SystemTime::from(state.clock.now());
        let url = state
            .blobs
            .presign_get(&key, now, URL_LIFE)
            .await
            .map_err(WatchError::Presign)?;
        Ok(Some(ModuleReference {
            name: version.name.clone(),
            version: version.version,
            sha256: content.sha256,
            url,
        }))
    }
}

/// Events, each on a line of its own.
fn lines(events: &[WatchEvent]) -> Result<Bytes, WatchError> {
    let mut text = BytesMut::new();
    for event in events {
        serde_json::to_writer((&mut text).writer(), event).map_err(WatchError::Write)?;
        text.put_u8(b'\n');
    }
    Ok(text.freeze())
}

/// That a replica is there; taken back when its stream ends, however it ends.
struct Presence {
    state: AppState,
    tenant: TenantId,
    /// Runtimes that do not say who they are count as being there for a while after each acknowledgement.
    instance: Option<Instance>,
    watch: RequestId,
}

impl Presence {
    async fn announce(&self) -> Result<(), DbError> {
        let Some(instance) = &self.instance else {
            return Ok(());
        };
        let mut db = self.state.pool.acquire().await?;
        let now = self.state.clock.now();
        module_replica::touch(&mut db, self.tenant, instance.as_str(), self.watch, now).await?;
        module_replica::keep_newest(&mut db, self.tenant, MAX_REPLICAS).await
    }

    async fn generation(&self) -> Result<u64, DbError> {
        let mut db = self.state.pool.acquire().await?;
        module::generation(&mut db, self.tenant).await
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let Some(instance) = self.instance.take() else {
            return;
        };
        let (state, tenant, watch) = (self.state.clone(), self.tenant, self.watch);
        self.state.tasks.spawn("forget-watcher", async move {
            let left = async {
                let mut db = state.pool.acquire().await?;
                module_replica::leave(&mut db, tenant, instance.as_str(), watch, state.clock.now())
                    .await?;
                module_replica::notify_acknowledged(&mut db, tenant).await
            };
            if let Err(error) = left.await {
                // It is forgotten anyway when it was silent for long enough.
                tracing::debug!(error = %Chain(&error), "a watcher that left could not be noted");
            }
        });
    }
}
