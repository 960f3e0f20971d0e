//! What a data segment keeps about the batches of its runs, and the runs that were read last.

use super::data::DataRun;
use super::segment::{u32_at, u64_at};
use crate::store::engine::BatchInfo;
use crate::store::{Offset, PartitionId, Timestamp};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Weak};

/// Bytes of one batch in a run's index.
pub const BATCH_BYTES: usize = 40;
/// Bytes of one extent behind the batches.
const EXTENT_BYTES: usize = 12;
/// Batches whose infos are kept in memory for cold readers.
const CACHED_BATCHES_MAX: usize = 1 << 17;

/// A run's batches, and where in the file they lie.
#[derive(Debug, PartialEq, Eq)]
pub struct RunIndex {
    pub batches: Vec<BatchInfo>,
    extents: Vec<Extent>,
}

/// Batches of a run that lie one behind the other in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub at: u64,
    pub batches: u32,
}

/// Some batches of a run that can be read in one go.
#[derive(Debug, PartialEq, Eq)]
pub struct Stretch {
    pub at: u64,
    pub batches: Range<usize>,
}

impl RunIndex {
    /// Where the batches of `range` lie, in order.
    pub fn stretches(&self, range: Range<usize>) -> impl Iterator<Item = Stretch> {
        let mut first = 0;
        let stretch = move |extent: &Extent| {
            let here = first..first + extent.batches as usize;
            first = here.end;
            let batches = here.start.max(range.start)..here.end.min(range.end);
            if batches.is_empty() {
                return None;
            }
            let before = &self.batches[here.start..batches.start];
            let before: u64 = before.iter().map(|info| u64::from(info.bytes)).sum();
            Some(Stretch {
                at: extent.at + before,
                batches,
            })
        };
        self.extents.iter().filter_map(stretch)
    }

    /// Reads the index of a run whose extents are written out if there is more than one.
    fn decode(run: &DataRun, bytes: &[u8]) -> Option<RunIndex> {
        let (batches, extents) = bytes.split_at(run.summary.batches as usize * BATCH_BYTES);
        let batches: Vec<_> = batches
            .chunks_exact(BATCH_BYTES)
            .map(decode_batch)
            .collect();
        let decode_extent = |bytes: &[u8]| Extent {
            at: u64_at(bytes, 0),
            batches: u32_at(bytes, 8),
        };
        let extents: Vec<_> = match extents.is_empty() {
            true => vec![Extent {
                at: run.summary.at,
                batches: run.summary.batches,
            }],
            false => extents
                .chunks_exact(EXTENT_BYTES)
                .map(decode_extent)
                .collect(),
        };
        let found: u64 = extents.iter().map(|extent| u64::from(extent.batches)).sum();
        (found == batches.len() as u64).then_some(RunIndex { batches, extents })
    }
}

/// Bytes of a run's index.
pub fn index_bytes(batches: u32, extents: u32) -> u64 {
    let extents = if extents > 1 { extents } else { 0 };
    u64::from(batches) * BATCH_BYTES as u64 + u64::from(extents) * EXTENT_BYTES as u64
}

/// Indexes of the runs that were read last.
#[derive(Default)]
pub struct BatchIndexes {
    recent: Mutex<VecDeque<Recent>>,
}

type Recent = (Weak<DataRun>, Arc<RunIndex>);

impl BatchIndexes {
    /// A run's batches; reads the file if the run was not among the last ones.
    pub fn of(&self, run: &Arc<DataRun>) -> io::Result<Arc<RunIndex>> {
        if let Some(found) = self.recent(run) {
            return Ok(found);
        }
        let summary = &run.summary;
        let length = index_bytes(summary.batches, summary.extents);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        run.segment.file.read_at(summary.index_at, &mut bytes)?;
        let is_whole = crc32c::crc32c(&bytes) == summary.index_crc;
        let index = is_whole.then(|| RunIndex::decode(run, &bytes)).flatten();
        let Some(index) = index.map(Arc::new) else {
            let name = run.segment.name.file();
            let at = summary.index_at;
            return Err(io::Error::other(format!(
                "{name} is damaged at byte {at}: an index"
            )));
        };
        self.keep(run, index.clone());
        Ok(index)
    }

    fn recent(&self, run: &Arc<DataRun>) -> Option<Arc<RunIndex>> {
        let mut recent = self.recent.lock();
        let is_it = |(other, _): &Recent| other.as_ptr() == Arc::as_ptr(run);
        let found = recent.iter().position(is_it)?;
        let entry = recent.remove(found)?;
        let index = entry.1.clone();
        recent.push_back(entry);
        Some(index)
    }

    fn keep(&self, run: &Arc<DataRun>, index: Arc<RunIndex>) {
        let mut recent = self.recent.lock();
        recent.push_back((Arc::downgrade(run), index));
        let mut kept: usize = recent.iter().map(|(_, index)| index.batches.len()).sum();
        while kept > CACHED_BATCHES_MAX
            && let Some((_, oldest)) = recent.pop_front()
        {
            kept -= oldest.batches.len();
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

pub fn encode_extent(extent: &Extent, into: &mut Vec<u8>) {
    into.extend_from_slice(&extent.at.to_le_bytes());
    into.extend_from_slice(&extent.batches.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_do_not_lie_together_are_read_one_stretch_after_the_other() {
        let batch = |base| BatchInfo {
            base: Offset(base),
            next: Offset(base + 1),
            bytes: 100,
            arrival: Timestamp(0),
            max_timestamp: Timestamp(0),
            named: PartitionId(1),
        };
        let extent = |at, batches| Extent { at, batches };
        let index = RunIndex {
            batches: (0..6).map(batch).collect(),
            extents: vec![extent(4096, 2), extent(9000, 3), extent(20_000, 1)],
        };
        let found: Vec<_> = index.stretches(1..5).collect();
        let stretch = |at, batches| Stretch { at, batches };
        assert_eq!(found, [stretch(4196, 1..2), stretch(9000, 2..5)]);
        assert_eq!(index.stretches(3..3).count(), 0);
    }
}
