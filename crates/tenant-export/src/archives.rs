//! From where rows come, and where archives go.

use std::error::Error;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use blob_store::{BlobError, BlobKey, BlobStore, UploadError};
use domain::digest::Sha256Digest;
use domain::id::TenantId;
use sha2::{Digest as _, Sha256};
use tenant_database::{ExportError, TenantDatabase};

/// What an archive is.
const CONTENT_TYPE: &str = "application/zstd";

/// An archive that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    /// Its size.
    pub bytes: u64,
    /// Its digest, where this process has made it: one that was found there is not read to know it.
    pub sha256: Option<Sha256Digest>,
}

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The tenant has no schema: there is nothing to archive.
    #[error("the tenant has no schema")]
    Nothing,
    /// Anything else.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

/// From where the rows of tenants come.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Writes all rows of a tenant to `destination` as one archive. Without a deadline of its own.
    async fn export(
        &self,
        tenant: TenantId,
        destination: Box<dyn Write + Send>,
    ) -> Result<(), SourceError>;
}

#[async_trait]
impl Source for TenantDatabase {
    async fn export(
        &self,
        tenant: TenantId,
        destination: Box<dyn Write + Send>,
    ) -> Result<(), SourceError> {
        match Self::export(self, tenant, destination).await {
            Ok(_report) => Ok(()),
            Err(ExportError::NoSchema { .. }) => Err(SourceError::Nothing),
            Err(error) => Err(SourceError::Failed(error.into())),
        }
    }
}

/// Why an archive was not made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object store.
    #[error("the archive could not be stored")]
    Archives(#[from] BlobError),
    /// The database.
    #[error("the tenant's rows could not be read")]
    Source(#[source] Box<dyn Error + Send + Sync>),
}

/// Where archives go.
#[async_trait]
pub trait Archives: Send + Sync + 'static {
    /// The size of an archive, if it is there.
    async fn find(&self, key: &BlobKey) -> Result<Option<u64>, BlobError>;
    /// Makes an archive. Without a schema there is nothing to archive: `None`.
    async fn write(
        &self,
        key: &BlobKey,
        tenant: TenantId,
        from: Arc<dyn Source>,
    ) -> Result<Option<Archive>, WriteError>;
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
        from: Arc<dyn Source>,
    ) -> Result<Option<Archive>, WriteError> {
        let tally = Tally::default();
        let counted = tally.clone();
        let make = |inner: Box<dyn Write + Send>| async move {
            let destination = Box::new(Tallied {
                inner,
                tally: counted,
            });
            from.export(tenant, destination).await
        };
        match self.upload(key, CONTENT_TYPE, make).await {
            Ok(()) => Ok(Some(tally.archive())),
            Err(UploadError::Content(SourceError::Nothing)) => Ok(None),
            Err(UploadError::Content(SourceError::Failed(error))) => Err(WriteError::Source(error)),
            Err(UploadError::Store(error)) => Err(error.into()),
        }
    }
}

/// What has been written so far; whoever writes does so on another thread, and has ended before this is read.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<(u64, Sha256)>>);

impl Tally {
    fn add(&self, content: &[u8]) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tally.0 += content.len() as u64;
        tally.1.update(content);
    }

    fn archive(&self) -> Archive {
        let tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Archive {
            bytes: tally.0,
            sha256: hex::encode(tally.1.clone().finalize()).parse().ok(),
        }
    }
}

struct Tallied {
    inner: Box<dyn Write + Send>,
    tally: Tally,
}

impl Write for Tallied {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(content)?;
        self.tally.add(content.get(..taken).unwrap_or(content));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most three bytes at once, as a `Write` may.
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, content: &[u8]) -> io::Result<usize> {
            let taken = content.len().min(3);
            self.0.lock().unwrap().extend_from_slice(&content[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn size_and_digest_are_those_of_what_was_taken() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let tally = Tally::default();
        let mut writer = Tallied {
            inner: Box::new(Slow(Arc::clone(&taken))),
            tally: tally.clone(),
        };
        writer.write_all(b"all rows of a tenant").unwrap();
        writer.flush().unwrap();
        let taken = taken.lock().unwrap();
        assert_eq!(taken.as_slice(), b"all rows of a tenant");
        let expected = Archive {
            bytes: taken.len() as u64,
            sha256: Some(Sha256Digest::of(&taken)),
        };
        assert_eq!(tally.archive(), expected);
    }
}
