//! A data segment: a file whose batches never change again, with an index of each partition's.
//!
//! A *folded* one was written by partition; an *adopted* one is a segment of the log as it is.

use super::batch_index::index_bytes;
use super::disk::DiskFile;
use super::segment::{BLOCK_BYTES, FORMAT, NoHeader, SegmentHeader, data_name, log_name, u32_at};
use crate::store::engine::BatchInfo;
use crate::store::{Offset, PartitionId, Timestamp};
use minicbor::{Decode, Encode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum DataName {
    #[n(0)]
    Folded(#[n(0)] u64),
    /// The segment of the log that had this sequence.
    #[n(1)]
    Adopted(#[n(0)] u64),
}

/// A file of runs. Its batches never change.
pub struct DataSegment {
    pub name: DataName,
    pub file: Arc<dyn DiskFile>,
    /// Bytes of all its runs; of an adopted one, also those that are of no use.
    pub bytes: u64,
    /// Bytes of the runs that somebody may still read.
    live: AtomicU64,
    /// Not to be rewritten: part of it cannot be read.
    is_fixed: AtomicBool,
}

/// Consecutive batches of one partition in a data segment. They need not lie together in it.
pub struct DataRun {
    pub segment: Arc<DataSegment>,
    pub summary: RunSummary,
    ended: AtomicBool,
}

/// What memory and checkpoint keep of a run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RunSummary {
    #[n(0)]
    pub partition: PartitionId,
    #[n(1)]
    pub first: Offset,
    #[n(2)]
    pub next: Offset,
    /// Where its first batch is in the file.
    #[n(3)]
    pub at: u64,
    #[n(4)]
    pub bytes: u64,
    #[n(5)]
    pub first_arrival: Timestamp,
    #[n(6)]
    pub last_arrival: Timestamp,
    #[n(7)]
    pub max_timestamp: Timestamp,
    #[n(8)]
    pub batches: u32,
    /// Where the index of its batches begins in the file.
    #[n(9)]
    pub index_at: u64,
    #[n(10)]
    pub index_crc: u32,
    /// Pieces of the file that it lies in.
    #[n(11)]
    pub extents: u32,
}

impl DataName {
    pub fn file(self) -> String {
        match self {
            DataName::Folded(number) => data_name(number),
            DataName::Adopted(sequence) => log_name(sequence),
        }
    }

    /// Whether a file begins as the one of this name.
    pub fn check(self, block: &[u8]) -> Result<(), NoHeader> {
        match self {
            DataName::Folded(number) => check_header(number, block),
            DataName::Adopted(sequence) => {
                let is_it = SegmentHeader::decode(block)?.sequence == sequence;
                is_it.then_some(()).ok_or(NoHeader::Damaged)
            }
        }
    }
}

impl DataSegment {
    pub fn new(name: DataName, file: Arc<dyn DiskFile>, bytes: u64) -> DataSegment {
        DataSegment {
            name,
            file,
            bytes,
            live: AtomicU64::new(bytes),
            is_fixed: AtomicBool::new(false),
        }
    }

    /// Only some of its bytes are of use.
    pub fn set_live(&self, bytes: u64) {
        self.live.store(bytes, Ordering::Release);
    }

    pub fn keep_as_it_is(&self) {
        self.is_fixed.store(true, Ordering::Release);
    }

    /// Whether less than half of it is alive, but some.
    pub fn is_sparse(&self) -> bool {
        let live = self.live_bytes();
        live > 0 && live < self.bytes / 2 && !self.is_fixed.load(Ordering::Acquire)
    }

    pub fn live_bytes(&self) -> u64 {
        self.live.load(Ordering::Acquire)
    }
}

impl DataRun {
    pub fn new(segment: Arc<DataSegment>, summary: RunSummary) -> Arc<DataRun> {
        Arc::new(DataRun {
            segment,
            summary,
            ended: AtomicBool::new(false),
        })
    }

    /// Nobody will look for the run any more; its space may be taken back.
    pub fn end(&self) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            self.segment
                .live
                .fetch_sub(self.summary.bytes, Ordering::AcqRel);
        }
    }
}

impl RunSummary {
    pub fn before(partition: PartitionId, at: u64, first: &BatchInfo) -> RunSummary {
        RunSummary {
            partition,
            first: first.base,
            next: first.base,
            at,
            bytes: 0,
            first_arrival: first.arrival,
            last_arrival: first.arrival,
            max_timestamp: first.max_timestamp,
            batches: 0,
            index_at: 0,
            index_crc: 0,
            extents: 1,
        }
    }

    pub fn add(&mut self, info: &BatchInfo) {
        self.next = info.next;
        self.bytes += u64::from(info.bytes);
        self.last_arrival = info.arrival;
        self.max_timestamp = self.max_timestamp.max(info.max_timestamp);
        self.batches += 1;
    }

    /// Whether it lies within a file of this length.
    pub fn fits(&self, file_bytes: u64) -> bool {
        let ends_by =
            |at: u64, bytes: u64| at.checked_add(bytes).is_some_and(|end| end <= file_bytes);
        ends_by(self.at, self.bytes)
            && ends_by(self.index_at, index_bytes(self.batches, self.extents))
    }
}

const MAGIC: &[u8; 8] = b"braiddat";

/// The first block of a folded segment.
pub fn header(number: u64) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK_BYTES as usize);
    block.extend_from_slice(MAGIC);
    block.extend_from_slice(&FORMAT.to_le_bytes());
    block.extend_from_slice(&[0; 4]);
    block.extend_from_slice(&number.to_le_bytes());
    let crc = crc32c::crc32c(&block);
    block.extend_from_slice(&crc.to_le_bytes());
    block.resize(BLOCK_BYTES as usize, 0);
    block
}

fn check_header(number: u64, block: &[u8]) -> Result<(), NoHeader> {
    if block.len() < 28 || &block[..8] != MAGIC {
        return Err(NoHeader::Damaged);
    }
    match u32_at(block, 8) {
        newer if newer > FORMAT => Err(NoHeader::Newer(newer)),
        _ if block[..28] != header(number)[..28] => Err(NoHeader::Damaged),
        _ => Ok(()),
    }
}
