//! What the registry keeps in memory: the sandbox for checks, the feed of changes and sources read lately.

use std::sync::Arc;

use domain::digest::Sha256Digest;
use domain::id::{AccountId, TenantId};
use domain::name::ModuleName;
use module_engine::config::SandboxArgs;
use module_engine::engine::{Engine, StartEngineError};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use blob_store::{BlobError, BlobKey, BlobStore};

use super::check::start_engine;
use super::feed::Feed;
use crate::places::Places;

/// Bytes of sources that are kept; they are read again for the difference to the next upload and for rollbacks.
const SOURCES_KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// Half of the blocking sections that a process runs at once.
const CHECKS_AT_ONCE: usize = 4;
/// Checks of one account that wait or are under way: more than a folder has that is pushed as a whole.
const CHECKS_OF_AN_ACCOUNT: usize = 16;

/// The registry's part of the application. Clones are the same.
#[derive(Clone)]
pub struct Registry {
    /// Checks uploads.
    pub engine: Arc<Engine>,
    /// Tells watchers that something changed.
    pub feed: Feed,
    /// Checks at the same time: a check may take seconds, and the blocking pool has other work.
    pub checks: Arc<Semaphore>,
    /// Those of one account: whoever has many checked keeps nobody else's waiting.
    pub checks_of_accounts: Places<AccountId>,
    sources: Cache<Sha256Digest, Arc<str>>,
}

/// Why a stored module cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadSourceError {
    /// The store did not give it.
    #[error("module {name} cannot be read from the object store")]
    Get {
        /// Which module.
        name: ModuleName,
        /// Why.
        #[source]
        source: BlobError,
    },
    /// What lies there is not what was put there.
    #[error("module {0} is damaged in the object store")]
    Damaged(ModuleName),
}

impl ReadSourceError {
    /// Whether trying again is of no use.
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Get { source, .. } => {
                matches!(source, BlobError::NotFound(_) | BlobError::TooLarge { .. })
            }
            Self::Damaged(_) => true,
        }
    }
}

impl Registry {
    /// Starts the sandbox.
    pub fn start(sandbox: &SandboxArgs) -> Result<Self, StartEngineError> {
        Ok(Self {
            engine: start_engine(sandbox)?,
            feed: Feed::default(),
            checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            checks_of_accounts: Places::new(1, CHECKS_OF_AN_ACCOUNT),
            sources: Cache::builder()
                .max_capacity(SOURCES_KEPT_BYTES)
                .weigher(|_, source: &Arc<str>| u32::try_from(source.len()).unwrap_or(u32::MAX))
                .build(),
        })
    }

    /// Remembers a source that was just stored.
    pub fn keep_source(&self, digest: Sha256Digest, source: &Arc<str>) {
        self.sources.insert(digest, Arc::clone(source));
    }

    /// The text of a stored version. Sources are told apart by their digests, so what one tenant has stored is never
    /// given to another who has not: whoever asks knows the digest from its own rows.
    pub async fn read_source(
        &self,
        blobs: &BlobStore,
        tenant: TenantId,
        name: &ModuleName,
        digest: Sha256Digest,
    ) -> Result<Arc<str>, ReadSourceError> {
        if let Some(source) = self.sources.get(&digest) {
            return Ok(source);
        }
        let key = BlobKey::module(tenant, name, &digest);
        let bytes = blobs
            .get(&key, module_spec::MAX_BYTES as u64)
            .await
            .map_err(|source| ReadSourceError::Get {
                name: name.clone(),
                source,
            })?;
        let damaged = || ReadSourceError::Damaged(name.clone());
        if Sha256Digest::of(&bytes) != digest {
            return Err(damaged());
        }
        let Ok(source) = std::str::from_utf8(&bytes) else {
            return Err(damaged());
        };
        let source: Arc<str> = source.into();
        self.keep_source(digest, &source);
        Ok(source)
    }
}
