//! What goes wrong, in Kafka's codes; and what ends a connection.

#![deny(clippy::wildcard_enum_match_arm)]

use super::group::Refusal;
use crate::store::{Malformed, StoreError};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;
use std::io;
use thiserror::Error;

pub use kafka_protocol::ResponseError as Code;

/// No error.
pub const NONE: i16 = 0;

/// A refusal with its place inside a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub code: Code,
    pub message: StrBytes,
}

impl ApiError {
    pub fn new(code: Code, message: impl Into<String>) -> ApiError {
        ApiError {
            code,
            message: StrBytes::from_string(message.into()),
        }
    }

    /// The number on the wire.
    pub fn code(&self) -> i16 {
        self.code.code()
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> ApiError {
        ApiError::new(code, code.to_string())
    }
}

impl From<&Refusal> for Code {
    fn from(refusal: &Refusal) -> Code {
        match refusal {
            Refusal::EmptyGroupName => Code::InvalidGroupId,
            Refusal::SessionTimeout => Code::InvalidSessionTimeout,
            Refusal::UnknownMember => Code::UnknownMemberId,
            Refusal::FencedInstance => Code::FencedInstanceId,
            Refusal::IllegalGeneration => Code::IllegalGeneration,
            Refusal::UnknownGroup => Code::GroupIdNotFound,
            Refusal::InconsistentProtocol => Code::InconsistentGroupProtocol,
            Refusal::RebalanceInProgress => Code::RebalanceInProgress,
            Refusal::MemberIdRequired(_) => Code::MemberIdRequired,
            Refusal::GroupFull => Code::GroupMaxSizeReached,
            Refusal::NonEmptyGroup => Code::NonEmptyGroup,
            // Retriable: the client looks for the coordinator and tries again.
            Refusal::Unavailable => Code::CoordinatorNotAvailable,
        }
    }
}

/// The code for a group's or commit's write that failed: each is retriable, as the client's
/// next attempt may find a disk with room or a restarted server.
pub fn of_coordinator(_error: &StoreError) -> Code {
    Code::CoordinatorNotAvailable
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        let code = match error {
            StoreError::UnknownStream(_)
            | StoreError::UnknownPartition { .. }
            | StoreError::PartitionGone => Code::UnknownTopicOrPartition,
            StoreError::StreamExists(_) => Code::TopicAlreadyExists,
            StoreError::OffsetOutOfRange { .. } => Code::OffsetOutOfRange,
            StoreError::OutOfOrderSequence { .. } => Code::OutOfOrderSequenceNumber,
            StoreError::StaleProducerEpoch { .. } => Code::InvalidProducerEpoch,
            // Retriable, and nothing is known to have happened.
            StoreError::Conflict(_) => Code::RequestTimedOut,
            // Retriable: room may be made.
            StoreError::Full => Code::KafkaStorageError,
            // Clients look for another leader and try again, which is what a restart needs.
            StoreError::Stopping => Code::NotLeaderOrFollower,
            StoreError::Disk(_) => Code::KafkaStorageError,
        };
        ApiError::new(code, error.to_string())
    }
}

impl From<Malformed> for ApiError {
    fn from(malformed: Malformed) -> ApiError {
        let code = match malformed {
            Malformed::Short { .. } | Malformed::Length(_) | Malformed::Checksum { .. } => {
                Code::CorruptMessage
            }
            Malformed::Empty
            | Malformed::Trailing(_)
            | Malformed::Magic(_)
            | Malformed::Count { .. }
            | Malformed::Codec(_)
            | Malformed::Sequence(_)
            | Malformed::Records => Code::InvalidRecord,
        };
        ApiError::new(code, malformed.to_string())
    }
}

/// The peer broke the protocol or went away: close, write nothing.
#[derive(Debug, Error)]
pub enum Disconnect {
    #[error("frame length {0} is below a request header's")]
    FrameTooShort(i32),
    #[error("frame of {bytes} bytes exceeds the {bytes_max} of its API")]
    FrameTooLarge { bytes: usize, bytes_max: usize },
    #[error("API key {0} is unknown or not served")]
    UnknownApi(i16),
    #[error("version {version} of {key:?} is not served")]
    UnsupportedVersion { key: ApiKey, version: i16 },
    #[error("request is malformed: {0}")]
    Malformed(String),
    #[error("a frame took too long to arrive")]
    SlowSender,
    #[error("nothing was sent for too long")]
    Idle,
    #[error("replies were not taken for too long")]
    SlowReceiver,
    /// An acks=0 write failed, or a response could not be written down.
    #[error("nothing can be answered")]
    Unanswerable,
    #[error("store: {0}")]
    Store(#[from] StoreError),
    #[error("connection: {0}")]
    Io(#[from] io::Error),
}
