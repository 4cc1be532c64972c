//! The exports of a process. They take longer than a look at a tenant may, so they run beside the looks, which ask how far one is.
//!
//! Level-triggered like everything: an export that is there is not made again, and one that was under way when its process
//! ended is begun anew by the next. What is not finished is not there, so nobody takes a half for a whole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use blob_store::BlobKey;
use domain::id::TenantId;
use service_kit::{Chain, Tasks};
use tokio::sync::Semaphore;

use crate::archives::{Archive, Archives, Source, WriteError};

/// Exports at once: each reads a database and holds some 30 MB.
const AT_ONCE: usize = 2;
/// Longest export. At 20 MB/s these are 400 GB, more than one upload holds.
const DEADLINE: Duration = Duration::from_hours(6);
/// Results that nobody asked for are forgotten when there are so many.
const KEPT: usize = 1000;
/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Under way.
    Running,
    /// It is there.
    Done(Archive),
    /// The tenant has no schema.
    Nothing,
    /// It was not made; asking again begins anew.
    Failed {
        /// Why, for people.
        message: String,
    },
}

type Jobs = Arc<Mutex<HashMap<BlobKey, Progress>>>;

/// What [`Exports`] needs.
pub struct Settings {
    /// Where archives go, if there is an object store.
    pub archives: Option<Arc<dyn Archives>>,
    /// Runs the exports; stopping it gives up those that are under way.
    pub tasks: Tasks,
    /// The counter of exports by their `outcome`.
    pub metric: &'static str,
    /// Is told which tenant's export ended: it may be asked for then.
    pub ended: Box<dyn Fn(TenantId) + Send + Sync>,
}

/// The exports of this process.
pub struct Exports {
    archives: Option<Arc<dyn Archives>>,
    jobs: Jobs,
    permits: Arc<Semaphore>,
    tasks: Tasks,
    metric: &'static str,
    ended: Arc<dyn Fn(TenantId) + Send + Sync>,
}

impl Exports {
    /// Begins nothing yet.
    pub fn new(settings: Settings) -> Self {
        metrics::describe_counter!(settings.metric, "exports of tenants by outcome");
        Self {
            archives: settings.archives,
            jobs: Jobs::default(),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            tasks: settings.tasks,
            metric: settings.metric,
            ended: settings.ended.into(),
        }
    }

    /// Whether there is an object store.
    pub fn is_possible(&self) -> bool {
        self.archives.is_some()
    }

    /// How far the export under `key` is; begins it if it is not under way. How it ended is told once.
    pub fn advance(&self, key: &BlobKey, tenant: TenantId, from: Arc<dyn Source>) -> Progress {
        let Some(archives) = &self.archives else {
            return Progress::Failed {
                message: "there is no object store: set GOTRS_S3_BUCKET and its key (chart: s3)"
                    .to_owned(),
            };
        };
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        match jobs.get(key) {
            Some(Progress::Running) => return Progress::Running,
            Some(_) => return jobs.remove(key).unwrap_or(Progress::Running),
            None => {}
        }
        if jobs.len() >= KEPT {
            jobs.retain(|_, progress| *progress == Progress::Running);
        }
        jobs.insert(key.clone(), Progress::Running);
        drop(jobs);
        let job = Job {
            jobs: Arc::clone(&self.jobs),
            key: key.clone(),
            tenant,
            ended: Arc::clone(&self.ended),
            outcome: None,
        };
        let (archives, metric) = (Arc::clone(archives), self.metric);
        let (permits, stopping) = (Arc::clone(&self.permits), self.tasks.stopping());
        self.tasks.spawn("export", async move {
            let work = async {
                let _permit = permits.acquire().await;
                make(archives.as_ref(), &job.key, tenant, from, metric).await
            };
            let outcome = tokio::select! {
                outcome = tokio::time::timeout(DEADLINE, work) => {
                    outcome.unwrap_or_else(|_elapsed| Progress::Failed {
                        message: "it took more than six hours".to_owned(),
                    })
                }
                // Nothing of it is there, and the next process begins anew: for whoever still asks here it has not failed.
                () = stopping.cancelled() => Progress::Running,
            };
            job.end(outcome);
        });
        Progress::Running
    }
}

/// Tells how a job ended, also when it panicked.
struct Job {
    jobs: Jobs,
    key: BlobKey,
    tenant: TenantId,
    ended: Arc<dyn Fn(TenantId) + Send + Sync>,
    outcome: Option<Progress>,
}

impl Job {
    fn end(mut self, outcome: Progress) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| Progress::Failed {
            message: "it broke off".to_owned(),
        });
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.insert(self.key.clone(), outcome);
        drop(jobs);
        (self.ended)(self.tenant);
    }
}

async fn make(
    archives: &dyn Archives,
    key: &BlobKey,
    tenant: TenantId,
    from: Arc<dyn Source>,
    metric: &'static str,
) -> Progress {
    let started = std::time::Instant::now();
    let made = async {
        if let Some(bytes) = archives.find(key).await? {
            return Ok(Some(Archive {
                bytes,
                sha256: None,
            }));
        }
        archives.write(key, tenant, from).await
    };
    match made.await {
        Ok(Some(archive)) => {
            metrics::counter!(metric, "outcome" => "ok").increment(1);
            let seconds = started.elapsed().as_secs_f64();
            tracing::info!(%key, bytes = archive.bytes, seconds, "an export is there");
            Progress::Done(archive)
        }
        Ok(None) => Progress::Nothing,
        Err(error) => {
            let error: WriteError = error;
            metrics::counter!(metric, "outcome" => "error").increment(1);
            let message = Chain(&error).to_string();
            tracing::warn!(%key, error = message, "an export failed");
            Progress::Failed { message }
        }
    }
}
