//! The runs of a data segment in the making, and the indexes of their batches.

use super::batch_index::{Extent, encode_batch, encode_extent};
use super::data::RunSummary;
use super::segment::FORMAT;
use crate::store::PartitionId;
use crate::store::engine::BatchInfo;
use std::io;

/// A run is cut here, so that its index is small and its space comes back in pieces.
const RUN_BATCHES_MAX: u32 = 4096;
const RUN_BYTES_MAX: u64 = 4 << 20;

/// Batches are added partition by partition, in order; what comes out is the segment's footer.
#[derive(Default)]
pub struct RunList {
    runs: Vec<RunSummary>,
    /// Indexes of all runs so far.
    indexes: Vec<u8>,
    partition: PartitionId,
    run: Option<RunSummary>,
    extents: Vec<Extent>,
    /// Where in the file the newest batch ends.
    end: u64,
    index_start: usize,
}

/// The end of a data segment.
pub struct Footer {
    /// Indexes and the list of runs.
    pub bytes: Vec<u8>,
    pub runs: Vec<RunSummary>,
}

impl RunList {
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.run.is_none()
    }

    /// What follows is of this partition.
    pub fn begin(&mut self, partition: PartitionId) {
        self.end_run();
        self.partition = partition;
    }

    /// Adds a batch that lies at this place of the file.
    pub fn add(&mut self, at: u64, info: &BatchInfo) {
        let is_full = |run: &RunSummary| {
            run.batches == RUN_BATCHES_MAX || run.bytes + u64::from(info.bytes) > RUN_BYTES_MAX
        };
        if self.run.as_ref().is_some_and(is_full) {
            self.end_run();
        }
        let begin = || RunSummary::before(self.partition, at, info);
        self.run.get_or_insert_with(begin).add(info);
        match self.extents.last_mut() {
            Some(extent) if self.end == at => extent.batches += 1,
            _ => self.extents.push(Extent { at, batches: 1 }),
        }
        self.end = at + u64::from(info.bytes);
        encode_batch(info, &mut self.indexes);
    }

    pub fn end_run(&mut self) {
        let Some(mut run) = self.run.take() else {
            return;
        };
        run.extents = u32::try_from(self.extents.len()).expect("a run has few batches");
        if run.extents > 1 {
            let extents = self.extents.iter();
            extents.for_each(|extent| encode_extent(extent, &mut self.indexes));
        }
        self.extents.clear();
        // Relative until it is known where the indexes begin.
        run.index_at = self.index_start as u64;
        run.index_crc = crc32c::crc32c(&self.indexes[self.index_start..]);
        self.index_start = self.indexes.len();
        self.runs.push(run);
    }

    /// The footer of a file whose batches end before `at`.
    pub fn finish(&mut self, at: u64) -> io::Result<Footer> {
        self.end_run();
        let mut runs = std::mem::take(&mut self.runs);
        for run in &mut runs {
            run.index_at += at;
        }
        let mut bytes = std::mem::take(&mut self.indexes);
        let list_at = at + bytes.len() as u64;
        let list = minicbor::to_vec(&runs).map_err(io::Error::other)?;
        bytes.extend_from_slice(&list);
        bytes.extend_from_slice(&list_at.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&list).to_le_bytes());
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        Ok(Footer { bytes, runs })
    }
}
