//! Objects that are written while they are made, and may be larger than memory.

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::error::BlobError;
use crate::key::BlobKey;
use crate::store::BlobStore;

/// First parts of an upload; S3 takes none smaller, but the last. One part is in memory while the one before it is sent.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts grow, so that 10 000 of them, which is S3's limit, hold 440 GB: each thousand is one more `PART_BYTES` large.
const PARTS_OF_A_SIZE: usize = 1000;
/// What passes from the writer to the uploader at once; so many wait at most.
const CHUNK_BYTES: usize = 256 * 1024;
const CHUNKS: usize = 4;
/// For one part, all attempts included: 8 MiB in this time are 0.6 Mbit/s.
const PART_DEADLINE: Duration = Duration::from_mins(2);
/// For one attempt.
const ATTEMPT_DEADLINE: Duration = Duration::from_mins(1);

/// Why an object was not written. Nothing of it is there then.
#[derive(Debug, thiserror::Error)]
pub enum UploadError<E: Error + 'static> {
    /// Whoever made the content failed.
    #[error(transparent)]
    Content(E),
    /// The store.
    #[error(transparent)]
    Store(#[from] BlobError),
}

/// Hands what is written to the uploader, in chunks. To be written to from a thread, never from a task: it blocks.
struct ChunkWriter {
    chunks: mpsc::Sender<Bytes>,
    buffer: BytesMut,
}

impl ChunkWriter {
    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        self.chunks
            .blocking_send(chunk)
            .map_err(|_closed| io::Error::new(io::ErrorKind::BrokenPipe, "the upload was given up"))
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let room = CHUNK_BYTES.saturating_sub(self.buffer.len()).max(1);
        let taken = content.get(..room).unwrap_or(content);
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() >= CHUNK_BYTES {
            self.send()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

impl Drop for ChunkWriter {
    fn drop(&mut self) {
        // Who forgot to flush would lose the end without a word. Whether anybody still takes it, the uploader knows.
        let _ = self.send();
    }
}

impl BlobStore {
    /// Writes an object whose content `make` writes, from a thread of its own, while it is sent; memory is bounded to some
    /// 20 MiB for the first 8 GB. The object is there when all of it was made and sent, or not at all: an object
    /// of this name is replaced. Each part has a deadline; how long `make` may take, the caller knows.
    pub async fn upload<T, E: Error + 'static, F: Future<Output = Result<T, E>>>(
        &self,
        key: &BlobKey,
        content_type: &str,
        make: impl FnOnce(Box<dyn Write + Send>) -> F,
    ) -> Result<T, UploadError<E>> {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let writer = Box::new(ChunkWriter {
            chunks: sender,
            buffer: BytesMut::new(),
        });
        let mut upload = Upload::new(self, key, content_type);
        let (made, sent) = tokio::join!(make(writer), upload.send(chunks));
        let outcome = match (made, sent) {
            // What the store said is why the content could not be written.
            (_, Err(error)) => Err(UploadError::Store(error)),
            (Err(error), Ok(_)) => Err(UploadError::Content(error)),
            (Ok(value), Ok(rest)) => upload
                .complete(rest)
                .await
                .map(|()| value)
                .map_err(Into::into),
        };
        if outcome.is_err() {
            upload.abort().await;
        }
        outcome
    }
}

/// One upload: a single call for what fits into a part, many parts else.
struct Upload<'a> {
    store: &'a BlobStore,
    key: &'a BlobKey,
    content_type: &'a str,
    /// Once there is more than one part.
    id: Option<String>,
    parts: Vec<CompletedPart>,
}

impl<'a> Upload<'a> {
    const fn new(store: &'a BlobStore, key: &'a BlobKey, content_type: &'a str) -> Self {
        Self {
            store,
            key,
            content_type,
            id: None,
            parts: Vec::new(),
        }
    }

    /// Sends parts until nothing comes any more; answers what is left over for the last one.
    async fn send(&mut self, mut chunks: mpsc::Receiver<Bytes>) -> Result<Bytes, BlobError> {
        let mut part = BytesMut::new();
        while let Some(chunk) = chunks.recv().await {
            part.extend_from_slice(&chunk);
            if part.len() >= part_size(self.parts.len()) {
                self.send_part(part.split().freeze()).await?;
            }
        }
        Ok(part.freeze())
    }

    async fn start(&mut self) -> Result<String, BlobError> {
        const START: &str = "start an upload";
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let answer = self
            .store
            .client
            .create_multipart_upload()
            .bucket(&self.store.bucket)
            .key(self.key.as_str())
            .content_type(self.content_type)
            .send();
        let answer = Box::pin(in_time(START, answer))
            .await?
            .map_err(|error| BlobError::from_sdk(START, error))?;
        let id = answer.upload_id.ok_or_else(|| BlobError::Refused {
            operation: START,
            code: "no upload id".to_owned(),
            request_id: "-".to_owned(),
            source: "the answer names no upload".into(),
        })?;
        self.id = Some(id.clone());
        Ok(id)
    }

    async fn send_part(&mut self, content: Bytes) -> Result<(), BlobError> {
        const PART: &str = "upload a part";
        let id = self.start().await?;
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let send = self
            .store
            .client
            .upload_part()
            .bucket(&self.store.bucket)
            .key(self.key.as_str())
            .upload_id(id)
            .part_number(number)
            .body(ByteStream::from(content))
            .customize()
            .config_override(aws_sdk_s3::Config::builder().timeout_config(patient()))
            .send();
        let answer = Box::pin(in_time(PART, send))
            .await?
            .map_err(|error| BlobError::from_sdk(PART, error))?;
        self.parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(answer.e_tag)
                .build(),
        );
        Ok(())
    }

    /// Sends what is left over and makes the object appear.
    async fn complete(&mut self, rest: Bytes) -> Result<(), BlobError> {
        const PUT: &str = "put an object";
        const COMPLETE: &str = "complete an upload";
        if self.id.is_none() {
            let put = self
                .store
                .client
                .put_object()
                .bucket(&self.store.bucket)
                .key(self.key.as_str())
                .content_type(self.content_type)
                .body(ByteStream::from(rest))
                .customize()
                .config_override(aws_sdk_s3::Config::builder().timeout_config(patient()))
                .send();
            return match Box::pin(in_time(PUT, put)).await? {
                Ok(_) => Ok(()),
                Err(error) => Err(BlobError::from_sdk(PUT, error)),
            };
        }
        if !rest.is_empty() {
            self.send_part(rest).await?;
        }
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(std::mem::take(&mut self.parts)))
            .build();
        let complete = self
            .store
            .client
            .complete_multipart_upload()
            .bucket(&self.store.bucket)
            .key(self.key.as_str())
            .set_upload_id(self.id.clone())
            .multipart_upload(parts)
            .customize()
            .config_override(aws_sdk_s3::Config::builder().timeout_config(patient()))
            .send();
        match Box::pin(in_time(COMPLETE, complete)).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(BlobError::from_sdk(COMPLETE, error)),
        }
    }

    /// Parts that were sent would be paid for until the bucket's lifecycle removes them. A failure changes nothing else.
    async fn abort(&mut self) {
        const ABORT: &str = "abort an upload";
        let Some(id) = self.id.take() else { return };
        let abort = self
            .store
            .client
            .abort_multipart_upload()
            .bucket(&self.store.bucket)
            .key(self.key.as_str())
            .upload_id(id)
            .send();
        let outcome = match Box::pin(in_time(ABORT, abort)).await {
            Ok(answer) => answer
                .map(drop)
                .map_err(|error| BlobError::from_sdk(ABORT, error)),
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, key = %self.key, "parts of an upload were left behind");
        }
    }
}

/// Pure: how large part `index`, counted from 0, is at least.
const fn part_size(index: usize) -> usize {
    PART_BYTES * (1 + index / PARTS_OF_A_SIZE)
}

/// A part takes longer than a small object.
fn patient() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(ATTEMPT_DEADLINE)
        .operation_timeout(PART_DEADLINE)
        .build()
}

async fn in_time<T>(
    operation: &'static str,
    call: impl Future<Output = T>,
) -> Result<T, BlobError> {
    tokio::time::timeout(PART_DEADLINE, call)
        .await
        .map_err(|_elapsed| BlobError::TimedOut {
            operation,
            seconds: PART_DEADLINE.as_secs(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_four_hundred_gigabytes() {
        let total: usize = (0..10_000).map(part_size).sum();
        assert!(total > 400_000_000_000, "{total}");
        assert_eq!(part_size(0), PART_BYTES);
        assert_eq!(part_size(1000), 2 * PART_BYTES);
    }

    #[test]
    fn chunks_are_bounded_and_the_last_one_is_not_lost() {
        let (sender, mut chunks) = mpsc::channel(64);
        let mut writer = ChunkWriter {
            chunks: sender,
            buffer: BytesMut::new(),
        };
        let content: Vec<u8> = (0..=255).cycle().take(3 * CHUNK_BYTES + 7).collect();
        writer.write_all(&content).unwrap();
        drop(writer);
        let mut received = Vec::new();
        while let Ok(chunk) = chunks.try_recv() {
            assert!(chunk.len() <= CHUNK_BYTES);
            received.extend_from_slice(&chunk);
        }
        assert_eq!(received, content);
    }
}
