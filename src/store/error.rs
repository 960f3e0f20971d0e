//! What the store refuses, in its own words, with the numbers that explain it.

use super::engine::{EngineError, ReadError, Refusal};
use super::state::Key;
use super::{Name, Offset, PartitionIndex, ProducerId};
use std::sync::Arc;
use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    #[error("stream {0} does not exist")]
    UnknownStream(Name),
    #[error("stream {0} already exists")]
    StreamExists(Name),
    #[error("partition {index} of stream {stream} does not exist")]
    UnknownPartition { stream: Name, index: PartitionIndex },
    /// The partition went away with its stream while it was in use.
    #[error("the partition no longer exists")]
    PartitionGone,
    #[error("offset {from} is outside {start}..={end}")]
    OffsetOutOfRange {
        from: Offset,
        start: Offset,
        end: Offset,
    },
    #[error("producer {producer} sent sequence {found} where {expected} was due")]
    OutOfOrderSequence {
        producer: ProducerId,
        expected: i32,
        found: i32,
    },
    #[error("producer {producer} has epoch {current}, not {found}")]
    StaleProducerEpoch {
        producer: ProducerId,
        current: i16,
        found: i16,
    },
    /// Somebody else changed the same value first.
    #[error("{0:?} was changed at the same time")]
    Conflict(Key),
    #[error("the disk is full")]
    Full,
    #[error("the server is stopping")]
    Stopping,
    #[error("disk: {0}")]
    Disk(Arc<str>),
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> StoreError {
        match refusal {
            Refusal::UnknownPartition(_) => StoreError::PartitionGone,
            Refusal::OutOfOrderSequence {
                producer,
                expected,
                found,
            } => StoreError::OutOfOrderSequence {
                producer,
                expected,
                found,
            },
            Refusal::StaleEpoch {
                producer,
                current,
                found,
            } => StoreError::StaleProducerEpoch {
                producer,
                current,
                found,
            },
            Refusal::Unexpected { key } => StoreError::Conflict(key),
            Refusal::BeyondEnd { to, end } => StoreError::OffsetOutOfRange {
                from: to,
                start: Offset(0),
                end,
            },
            Refusal::Full => StoreError::Full,
        }
    }
}

impl From<EngineError> for StoreError {
    fn from(error: EngineError) -> StoreError {
        match error {
            EngineError::Stopping => StoreError::Stopping,
            EngineError::Failed(reason) => StoreError::Disk(reason),
        }
    }
}

impl From<ReadError> for StoreError {
    fn from(error: ReadError) -> StoreError {
        match error {
            ReadError::UnknownPartition(_) => StoreError::PartitionGone,
            ReadError::OutOfRange { from, start, end } => {
                StoreError::OffsetOutOfRange { from, start, end }
            }
            ReadError::Disk(reason) => StoreError::Disk(reason),
        }
    }
}
