//! What can go wrong with an object, told by who must act.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::key::BlobKey;

/// A call to the object store that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No such object.
    #[error("there is no object {0}")]
    NotFound(BlobKey),
    /// The object is there, but larger than the reader wants to hold.
    #[error("object {key} is larger than {limit} bytes")]
    TooLarge {
        /// Which object.
        key: BlobKey,
        /// What the reader allowed.
        limit: u64,
    },
    /// The store answered and said no: credentials, permissions, a missing bucket, a bad request.
    #[error(
        "the object store refused to {operation} ({code}, request id {request_id}): check endpoint, bucket and credentials"
    )]
    Refused {
        /// What was attempted, such as "put an object".
        operation: &'static str,
        /// The store's word, such as `AccessDenied`.
        code: String,
        /// For the store's support; "-" where it gave none.
        request_id: String,
        /// The whole answer.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// No answer in time, after all attempts.
    #[error("the object store did not {operation} within {seconds} s")]
    TimedOut {
        /// What was attempted.
        operation: &'static str,
        /// The deadline.
        seconds: u64,
    },
    /// It cannot be reached, or says that it cannot answer now, after all attempts.
    #[error("the object store could not {operation} now")]
    Unavailable {
        /// What was attempted.
        operation: &'static str,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl BlobError {
    /// Whether the same call will fail the same way until a person changes something.
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::NotFound(_) | Self::TooLarge { .. } | Self::Refused { .. } => true,
            Self::TimedOut { .. } | Self::Unavailable { .. } => false,
        }
    }

    pub(crate) fn from_sdk<E>(operation: &'static str, error: SdkError<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        // 409: another conditional write of the same key is under way; 429 and 5xx: later.
        let passing = match error.raw_response().map(|answer| answer.status().as_u16()) {
            Some(status) => matches!(status, 408 | 409 | 429 | 500..),
            None => !matches!(error, SdkError::ConstructionFailure(_)),
        };
        if passing {
            return Self::Unavailable {
                operation,
                source: error.into(),
            };
        }
        let code = match (
            error.code(),
            error.raw_response().map(|answer| answer.status().as_u16()),
        ) {
            (Some(code), _) => code.to_owned(),
            (None, Some(status)) => format!("status {status}"),
            (None, None) => "the request could not be made".to_owned(),
        };
        let request_id = error
            .raw_response()
            .and_then(|answer| answer.headers().get("x-amz-request-id").map(str::to_owned));
        Self::Refused {
            operation,
            code,
            request_id: request_id.unwrap_or_else(|| "-".to_owned()),
            source: error.into(),
        }
    }
}

/// The status that the store answered with, if it answered.
pub(crate) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}
