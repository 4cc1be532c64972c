//! Refuses keys that the file system would take for another place: `s3s-fs` joins a key to the bucket's folder, so
//! `../x` would be a file outside of it.

use s3s::access::{S3Access, S3AccessContext};
use s3s::dto::{CopyObjectInput, CopySource, DeleteObjectsInput, UploadPartCopyInput};
use s3s::{S3Request, S3Result, s3_error};

/// Signed requests only, and of these only such that name one file inside a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SafeKeys;

#[async_trait::async_trait]
impl S3Access for SafeKeys {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "the request is not signed"));
        }
        context.s3_path().get_object_key().map_or(Ok(()), check_key)
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        check_source(&request.input.copy_source)
    }

    async fn upload_part_copy(&self, request: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        check_source(&request.input.copy_source)
    }

    async fn delete_objects(&self, request: &mut S3Request<DeleteObjectsInput>) -> S3Result<()> {
        let objects = &request.input.delete.objects;
        objects.iter().try_for_each(|object| check_key(&object.key))
    }
}

fn check_source(source: &CopySource) -> S3Result<()> {
    match source {
        CopySource::Bucket { bucket, key, .. } => {
            check_key(bucket)?;
            check_key(key)
        }
        _ => Err(s3_error!(NotImplemented, "only bucket/key can be copied")),
    }
}

fn check_key(key: &str) -> S3Result<()> {
    if is_safe(key) {
        Ok(())
    } else {
        Err(s3_error!(
            InvalidArgument,
            "the key has an empty segment or one that is . or .."
        ))
    }
}

/// One trailing slash is fine: that is how folders are written.
fn is_safe(key: &str) -> bool {
    let path = key.strip_suffix('/').unwrap_or(key);
    !key.contains(['\0', '\\'])
        && path
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_leave_the_bucket_are_refused() {
        for bad in [
            "../x",
            "a/../../x",
            "..",
            ".",
            "/etc/passwd",
            "a//b",
            "a/./b",
            "a\\..\\b",
            "",
        ] {
            assert!(!is_safe(bad), "{bad}");
        }
        for good in [
            "tenants/1/modules/queue/ab.yaml",
            "a..b",
            "...",
            "folder/",
            ".hidden",
        ] {
            assert!(is_safe(good), "{good}");
        }
    }
}
