//! What an operation refuses, as the service says it: a type, a status and a message.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::store::StoreError;

/// A refusal. Its type is the service's name for it, which SDKs turn into their exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    pub kind: &'static str,
    /// `None` where the service sends only the type.
    pub message: Option<String>,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> ApiError {
        ApiError {
            status,
            kind,
            message: Some(message.into()),
        }
    }

    /// A modelled refusal: status 400.
    pub fn client(kind: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(400, kind, message)
    }

    pub fn resource_not_found(message: impl Into<String>) -> ApiError {
        ApiError::client("ResourceNotFoundException", message)
    }

    pub fn resource_in_use(message: impl Into<String>) -> ApiError {
        ApiError::client("ResourceInUseException", message)
    }

    pub fn invalid_argument(message: impl Into<String>) -> ApiError {
        ApiError::client("InvalidArgumentException", message)
    }

    pub fn limit_exceeded(message: impl Into<String>) -> ApiError {
        ApiError::client("LimitExceededException", message)
    }

    pub fn validation(message: impl Into<String>) -> ApiError {
        ApiError::client("ValidationException", message)
    }

    pub fn expired_iterator(message: impl Into<String>) -> ApiError {
        ApiError::client("ExpiredIteratorException", message)
    }

    pub fn expired_next_token(message: impl Into<String>) -> ApiError {
        ApiError::client("ExpiredNextTokenException", message)
    }

    /// How a request with DryRun is told that it would have succeeded (spec B).
    pub fn dry_run() -> ApiError {
        ApiError::client(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun parameter is set.",
        )
    }

    /// A value of the wrong type.
    pub fn serialization(message: impl Into<String>) -> ApiError {
        ApiError::client("SerializationException", message)
    }

    /// A body that cannot be read at all: the service sends only the type.
    pub fn unparsable() -> ApiError {
        ApiError {
            status: 400,
            kind: "SerializationException",
            message: None,
        }
    }

    pub fn unknown_operation() -> ApiError {
        ApiError {
            status: 400,
            kind: "UnknownOperationException",
            message: None,
        }
    }

    /// Our mistake, or the disk's.
    pub fn internal(message: impl Into<String>) -> ApiError {
        ApiError::new(500, "InternalFailure", message)
    }

    /// Nothing is wrong with the request; it may be sent again.
    pub fn unavailable(message: impl Into<String>) -> ApiError {
        ApiError::new(503, "ServiceUnavailable", message)
    }
}

impl From<StoreError> for ApiError {
    /// Where the service words a refusal with the stream and account, the operation does it
    /// before this (`target.rs`).
    fn from(error: StoreError) -> ApiError {
        let message = error.to_string();
        match error {
            StoreError::UnknownStream(_)
            | StoreError::UnknownPartition { .. }
            | StoreError::PartitionGone => ApiError::resource_not_found(message),
            StoreError::StreamExists(_) => ApiError::resource_in_use(message),
            StoreError::OffsetOutOfRange { .. } => ApiError::invalid_argument(message),
            StoreError::OutOfOrderSequence { .. }
            | StoreError::StaleProducerEpoch { .. }
            | StoreError::Disk(_) => ApiError::internal(message),
            StoreError::Conflict(_) => ApiError::resource_in_use(message),
            StoreError::Full | StoreError::Stopping => ApiError::unavailable(message),
        }
    }
}
