//! What partitions have in a segment, found and exchanged for some of them at a time: readers and
//! commits wait for those at most.

use super::cache::Unfolded;
use super::data::{DataRun, DataSegment};
use super::index::{Index, TailRun};
use super::segment::{LogAt, Segment};
use super::shared::{Sealed, Shared};
use super::upkeep::Upkeep;
use crate::store::PartitionId;
use bytes::Bytes;
use parking_lot::MutexGuard;
use std::sync::Arc;

/// Partitions or entries that are looked at under a lock at once.
pub const ENTRIES_MAX: usize = 256;

/// The runs of a segment of the log, by partition.
pub type Found = Vec<(PartitionId, Vec<TailRun>)>;

impl Shared {
    /// The live runs of the oldest segment of the log that is not laid out yet.
    pub fn find_in_log(&self, segment: &Arc<Segment>) -> Found {
        let holders = self.index.lock().holders(segment);
        let mut found = Found::with_capacity(holders.len());
        self.for_some(&holders, |index, partition| {
            let runs = index.runs_in(segment, partition);
            if !runs.is_empty() {
                found.push((partition, runs));
            }
        });
        found
    }

    /// The groups of this stretch of the log that are still in memory, in order.
    pub fn cached_groups(&self, mut from: LogAt, to: LogAt) -> Vec<(LogAt, Bytes)> {
        let mut groups: Vec<(LogAt, Bytes)> = Vec::new();
        loop {
            let before = groups.len();
            let index = self.index.lock();
            groups.extend(index.cache.some(from..to, ENTRIES_MAX));
            MutexGuard::unlock_fair(index);
            match groups.last() {
                Some((last, _)) if groups.len() > before => from = LogAt(last.0 + 1),
                _ => return groups,
            }
        }
    }

    /// Has the tail cache keep what is to be folded, and no longer what has been.
    pub fn keep_cached(&self, unfolded: Unfolded) {
        self.index.lock().cache.keep(unfolded);
        loop {
            let mut index = self.index.lock();
            let may_be_more = index.cache.evict(ENTRIES_MAX);
            MutexGuard::unlock_fair(index);
            if !may_be_more {
                return;
            }
        }
    }

    /// The live runs of a data segment, by partition and offset.
    pub fn find_in_data(&self, segment: &Arc<DataSegment>) -> Vec<Arc<DataRun>> {
        let mut partitions: Vec<_> = self.index.lock().partitions.keys().copied().collect();
        partitions.sort_unstable();
        let mut found = Vec::new();
        self.for_some(&partitions, |index, partition| {
            found.extend(index.runs_of(segment, partition));
        });
        found
    }

    /// Lets readers find in data segments, in `runs` by partition and offset, what they found in
    /// the oldest segment of the log until now.
    pub fn exchange(&self, upkeep: &mut Upkeep, sealed: &Sealed, runs: Vec<Arc<DataRun>>) {
        let segment = &sealed.segment;
        let holders = self.index.lock().holders(segment);
        let mut runs = runs.into_iter().peekable();
        self.for_some(&holders, |index, partition| {
            let its = std::iter::from_fn(|| {
                runs.next_if(|run: &Arc<DataRun>| run.summary.partition == partition)
            });
            index.fold(segment, partition, its);
        });
        debug_assert!(runs.next().is_none(), "whoever has runs is a holder");
        self.index.lock().end_segment(segment);
        upkeep.warm.push_back((sealed.end, holders));
    }

    /// Lets go of what is known of folded segments that are no longer in memory.
    pub fn cool(&self, upkeep: &mut Upkeep) {
        let oldest = self.index.lock().cache.oldest();
        while let Some((_, partitions)) = upkeep.warm.pop_front_if(|(end, _)| *end <= oldest) {
            self.for_some(&partitions, |index, partition| index.cool(partition));
        }
    }

    /// Visits partitions, some under each hold of the index.
    fn for_some(&self, partitions: &[PartitionId], mut visit: impl FnMut(&mut Index, PartitionId)) {
        for some in partitions.chunks(ENTRIES_MAX) {
            let mut index = self.index.lock();
            for partition in some {
                visit(&mut index, *partition);
            }
            MutexGuard::unlock_fair(index);
        }
    }
}
