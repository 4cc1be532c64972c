//! Exports of tenants into the object store. They take longer than a reconcile may, so they run beside the reconciles, which
//! ask how far one is.
//!
//! Level-triggered like everything: an export that is there is not made again, and one that was under way when an operator
//! ended is begun anew by the next. What is not finished is not there, so nobody takes a half for a whole.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use blob_store::{BlobError, BlobKey, BlobStore, UploadError};
use domain::id::TenantId;
use service_kit::{Chain, Tasks};
use tokio::sync::Semaphore;

use crate::store::{StoreError, TenantStore};

/// Exports at once: each reads a database and holds some 30 MB.
const AT_ONCE: usize = 2;
/// Longest export. At 20 MB/s these are 400 GB, more than one upload holds.
const DEADLINE: Duration = Duration::from_hours(6);
/// Results that nobody asked for are forgotten when there are so many.
const KEPT: usize = 1000;
/// What an archive is.
const CONTENT_TYPE: &str = "application/zstd";

/// Where archives go.
#[async_trait]
pub trait Archives: Send + Sync + 'static {
    /// The size of an archive, if it is there.
    async fn find(&self, key: &BlobKey) -> Result<Option<u64>, BlobError>;
    /// Makes an archive; answers its size. Without a schema there is nothing to archive: `None`.
    async fn write(
        &self,
        key: &BlobKey,
        tenant: TenantId,
        from: Arc<dyn TenantStore>,
    ) -> Result<Option<u64>, WriteError>;
}

/// Why an archive was not made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object store.
    #[error("the archive could not be stored")]
    Archives(#[from] BlobError),
    /// The database.
    #[error("the tenant's rows could not be read")]
    Store(#[from] StoreError),
}

#[async_trait]
impl Archives for BlobStore {
    async fn find(&self, key: &BlobKey) -> Result<Option<u64>, BlobError> {
        self.find_size(key).await
    }

    async fn write(
        &self,
        key: &BlobKey,
        tenant: TenantId,
        from: Arc<dyn TenantStore>,
    ) -> Result<Option<u64>, WriteError> {
        let make = |destination: Box<dyn Write + Send>| async move {
            from.export(tenant, destination).await
        };
        match self.upload(key, CONTENT_TYPE, make).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(UploadError::Content(error)) if error.is_nothing_to_export() => Ok(None),
            Err(UploadError::Content(error)) => Err(error.into()),
            Err(UploadError::Store(error)) => Err(error.into()),
        }
    }
}

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Under way.
    Running,
    /// It is there.
    Done {
        /// Its size.
        bytes: u64,
    },
    /// The tenant has no schema.
    Nothing,
    /// It was not made; asking again begins anew.
    Failed {
        /// Why, for people.
        message: String,
    },
}

type Jobs = Arc<Mutex<HashMap<BlobKey, Progress>>>;

/// The exports of this process.
pub struct Exports {
    archives: Option<Arc<dyn Archives>>,
    jobs: Jobs,
    permits: Arc<Semaphore>,
    tasks: Tasks,
}

impl Exports {
    /// Into `archives`, if there is an object store.
    pub fn new(archives: Option<Arc<dyn Archives>>, tasks: Tasks) -> Self {
        Self {
            archives,
            jobs: Jobs::default(),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            tasks,
        }
    }

    /// Whether there is an object store.
    pub fn is_possible(&self) -> bool {
        self.archives.is_some()
    }

    /// How far the export under `key` is; begins it if it is not under way. How it ended is told once.
    pub fn advance(
        &self,
        key: &BlobKey,
        tenant: TenantId,
        from: &Arc<dyn TenantStore>,
    ) -> Progress {
        let Some(archives) = &self.archives else {
            return Progress::Failed {
                message:
                    "the operator has no object store: set GOTRS_S3_BUCKET and its key (chart: s3)"
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
            outcome: None,
        };
        let (archives, from) = (Arc::clone(archives), Arc::clone(from));
        let (permits, stopping) = (Arc::clone(&self.permits), self.tasks.stopping());
        self.tasks.spawn("export", async move {
            let work = async {
                let _permit = permits.acquire().await;
                make(archives.as_ref(), &job.key, tenant, from).await
            };
            let outcome = tokio::select! {
                outcome = tokio::time::timeout(DEADLINE, work) => {
                    outcome.unwrap_or_else(|_elapsed| Progress::Failed {
                        message: "it took more than six hours".to_owned(),
                    })
                }
                // The next operator begins anew: nothing of it is there.
                () = stopping.cancelled() => Progress::Failed {
                    message: "the operator ended".to_owned(),
                },
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
    }
}

async fn make(
    archives: &dyn Archives,
    key: &BlobKey,
    tenant: TenantId,
    from: Arc<dyn TenantStore>,
) -> Progress {
    let started = std::time::Instant::now();
    let made = async {
        if let Some(bytes) = archives.find(key).await? {
            return Ok(Some(bytes));
        }
        archives.write(key, tenant, from).await
    };
    match made.await {
        Ok(Some(bytes)) => {
            metrics::counter!("operator_exports_total", "outcome" => "ok").increment(1);
            let seconds = started.elapsed().as_secs_f64();
            tracing::info!(%key, bytes, seconds, "an export is there");
            Progress::Done { bytes }
        }
        Ok(None) => Progress::Nothing,
        Err(error) => {
            let error: WriteError = error;
            metrics::counter!("operator_exports_total", "outcome" => "error").increment(1);
            let message = Chain(&error).to_string();
            tracing::warn!(%key, error = message, "an export failed");
            Progress::Failed { message }
        }
    }
}
