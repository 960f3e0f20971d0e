//! How the local engine is opened: sizes, durability, pace; and why it may not open.

use super::segment::NoHeader;
use crate::config::{Durability, StoreConfig};
use std::io;
use thiserror::Error;

/// What the local engine is told about sizes and durability.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    pub durability: Durability,
    /// Newest bytes of the log kept in memory for readers.
    pub tail_cache_bytes: usize,
    /// Size of the first segment of a new directory: small, so that it is ready at once.
    pub first_segment_bytes: u64,
    /// Size of the later ones.
    pub log_segment_bytes: u64,
    /// Mean length of a full segment's runs from which on it is kept as it is (decision 21).
    pub adopt_run_bytes_min: u64,
    /// Bytes that may wait for the disk before producers are held back.
    pub queue_bytes_max: usize,
    /// Bytes of commits that become one group.
    pub group_bytes_max: u64,
}

impl From<&StoreConfig> for LocalSettings {
    fn from(config: &StoreConfig) -> LocalSettings {
        LocalSettings {
            durability: config.durability,
            tail_cache_bytes: config.tail_cache_bytes,
            first_segment_bytes: 1 << 20,
            log_segment_bytes: config.log_segment_bytes,
            adopt_run_bytes_min: 12 << 10,
            queue_bytes_max: config.queue_bytes_max,
            group_bytes_max: 8 << 20,
        }
    }
}

/// Who turns the wheels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Threads of the engine's own.
    Threads,
    /// The owner, step by step; nothing happens by itself.
    Manual,
}

/// Why a data directory cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("data directory {0} is in use by another process")]
    InUse(String),
    #[error("{file} has format {found}; this program reads up to {known}: use a newer braid")]
    Newer {
        file: String,
        found: u32,
        known: u32,
    },
    #[error("{file} is damaged at byte {at}: {what}")]
    Damaged { file: String, at: u64, what: String },
    #[error("{doing}: {error}")]
    Disk { doing: String, error: io::Error },
}

impl OpenError {
    pub fn damaged(file: &str, at: u64, what: &str) -> OpenError {
        OpenError::Damaged {
            file: file.into(),
            at,
            what: what.into(),
        }
    }

    pub fn header(file: &str, no_header: NoHeader) -> OpenError {
        match no_header {
            NoHeader::Damaged => OpenError::damaged(file, 0, "no header that was ever written"),
            NoHeader::Newer(found) => OpenError::Newer {
                file: file.into(),
                found,
                known: super::segment::FORMAT,
            },
        }
    }

    /// Says what was being done when the disk refused.
    pub fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
        let doing = doing.into();
        move |error| OpenError::Disk { doing, error }
    }
}
