//! A folded segment: batches grouped by partition, each run with an index of its batches.

use super::disk::DiskFile;
use super::segment::{u32_at, u64_at};
use crate::store::engine::BatchInfo;
use crate::store::{Offset, PartitionId, Timestamp};
use minicbor::{Decode, Encode};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// A file of folded runs. Its bytes never change.
pub struct DataSegment {
    pub number: u64,
    pub file: Arc<dyn DiskFile>,
    /// Bytes of all its runs.
    pub bytes: u64,
    /// Bytes of the runs that somebody may still read.
    live: AtomicU64,
}

/// Consecutive batches of one partition in a folded segment.
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
    /// Where its batches begin in the file.
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
}

impl DataSegment {
    pub fn new(number: u64, file: Arc<dyn DiskFile>, bytes: u64) -> DataSegment {
        DataSegment {
            number,
            file,
            bytes,
            live: AtomicU64::new(bytes),
        }
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

/// Bytes of one batch in a run's index.
const BATCH_BYTES: usize = 40;
/// Batches whose infos are kept in memory for cold readers.
const CACHED_BATCHES_MAX: usize = 1 << 17;

/// Indexes of the runs that were read last.
#[derive(Default)]
pub struct BatchIndexes {
    recent: Mutex<VecDeque<Recent>>,
}

type Recent = (Weak<DataRun>, Arc<[BatchInfo]>);

impl BatchIndexes {
    /// A run's batches; reads the file if the run was not among the last ones.
    pub fn of(&self, run: &Arc<DataRun>) -> io::Result<Arc<[BatchInfo]>> {
        if let Some(found) = self.recent(run) {
            return Ok(found);
        }
        let mut bytes = vec![0; run.summary.batches as usize * BATCH_BYTES];
        run.segment.file.read_at(run.summary.index_at, &mut bytes)?;
        if crc32c::crc32c(&bytes) != run.summary.index_crc {
            let name = super::segment::data_name(run.segment.number);
            let at = run.summary.index_at;
            return Err(io::Error::other(format!(
                "{name} is damaged at byte {at}: an index"
            )));
        }
        let batches: Arc<[BatchInfo]> = bytes.chunks_exact(BATCH_BYTES).map(decode_batch).collect();
        self.keep(run, batches.clone());
        Ok(batches)
    }

    fn recent(&self, run: &Arc<DataRun>) -> Option<Arc<[BatchInfo]>> {
        let mut recent = self.recent.lock();
        let is_it = |(other, _): &Recent| other.as_ptr() == Arc::as_ptr(run);
        let found = recent.iter().position(is_it)?;
        let entry = recent.remove(found)?;
        let batches = entry.1.clone();
        recent.push_back(entry);
        Some(batches)
    }

    fn keep(&self, run: &Arc<DataRun>, batches: Arc<[BatchInfo]>) {
        let mut recent = self.recent.lock();
        recent.push_back((Arc::downgrade(run), batches));
        let mut kept: usize = recent.iter().map(|(_, batches)| batches.len()).sum();
        while kept > CACHED_BATCHES_MAX
            && let Some((_, oldest)) = recent.pop_front()
        {
            kept -= oldest.len();
        }
    }
}

pub fn encode_batch(info: &BatchInfo, into: &mut Vec<u8>) {
    let span = u32::try_from(info.next.0 - info.base.0).expect("a span is at most 2^31");
    into.extend_from_slice(&info.base.0.to_le_bytes());
    into.extend_from_slice(&span.to_le_bytes());
    into.extend_from_slice(&info.bytes.to_le_bytes());
    into.extend_from_slice(&info.arrival.0.to_le_bytes());
    into.extend_from_slice(&info.max_timestamp.0.to_le_bytes());
    into.extend_from_slice(&info.named.0.to_le_bytes());
}

fn decode_batch(bytes: &[u8]) -> BatchInfo {
    let base = Offset(u64_at(bytes, 0));
    BatchInfo {
        base,
        next: Offset(base.0.saturating_add(u64::from(u32_at(bytes, 8)))),
        bytes: u32_at(bytes, 12),
        arrival: Timestamp(u64_at(bytes, 16).cast_signed()),
        max_timestamp: Timestamp(u64_at(bytes, 24).cast_signed()),
        named: PartitionId(u64_at(bytes, 32)),
    }
}
