//! Where every durable batch lies: for each partition first in folded segments, then in the log.
//!
//! Holds only what is durable, so whatever is found here may be shown.

use super::buffers::Filled;
use super::cache::TailCache;
use super::data::{DataRun, DataSegment};
use super::frame::FrameRun;
use super::segment::{LogAt, Segment};
use super::warm::WarmRuns;
use crate::store::engine::sequencer::{Effect, Tail};
use crate::store::engine::watchers::Growth;
use crate::store::engine::{BatchInfo, ReadError, Status};
use crate::store::{Offset, PartitionId, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::time::Instant;

/// A group as it lies in the log.
pub struct Group {
    pub at: LogAt,
    pub filled: Filled,
    pub segment: Arc<Segment>,
    pub runs: Vec<FrameRun>,
    /// What partitions begin, move their start or end, in order.
    pub changes: Vec<Effect>,
}

/// All partitions, and the newest groups' bytes.
pub struct Index {
    pub partitions: HashMap<PartitionId, PartitionIndex>,
    pub cache: TailCache,
    /// Whose runs lie in which segment of the log, by its sequence: folding visits no others. One
    /// may be named that has none any more, or twice.
    holders: HashMap<u64, Vec<PartitionId>>,
}

/// One partition's batches in offset order.
#[derive(Default)]
pub struct PartitionIndex {
    pub log_start: Offset,
    pub high_watermark: Offset,
    pub last_arrival: Timestamp,
    /// Of the batches below.
    pub bytes: u64,
    pub folded: VecDeque<Arc<DataRun>>,
    pub tail: VecDeque<TailRun>,
    /// The newest of those that are folded, as long as their groups are in memory.
    pub warm: WarmRuns,
}

/// Consecutive batches in one frame of the log; cloning shares them.
#[derive(Clone)]
pub struct TailRun {
    /// Where the frame is in the log.
    pub group: LogAt,
    /// Where the run is in the frame.
    pub start: usize,
    pub bytes: u64,
    pub segment: Arc<Segment>,
    pub batches: Arc<[BatchInfo]>,
}

impl Index {
    pub fn new(cache_bytes: usize) -> Index {
        Index {
            partitions: HashMap::new(),
            cache: TailCache::new(cache_bytes),
            holders: HashMap::new(),
        }
    }

    /// Makes groups visible that are durable by `now`, and names the partitions whose readers
    /// should look again.
    pub fn publish(&mut self, groups: Vec<Group>, now: Instant) -> Vec<Growth> {
        let mut touched = Vec::new();
        for group in groups {
            touched.extend(self.show(group.at, &group.segment, group.runs, &group.changes));
            self.cache.push(group.at, group.filled, now);
        }
        touched
    }

    /// Makes a group visible that is not in memory.
    pub fn show(
        &mut self,
        group: LogAt,
        segment: &Arc<Segment>,
        runs: Vec<FrameRun>,
        changes: &[Effect],
    ) -> Vec<Growth> {
        for effect in changes {
            if let Effect::Open { partition } = effect {
                self.partitions
                    .entry(*partition)
                    .or_insert_with(|| PartitionIndex {
                        last_arrival: Timestamp(-1),
                        ..PartitionIndex::default()
                    });
            }
        }
        let growth = |run: &FrameRun| Growth {
            partition: run.partition,
            bytes: bytes_of(&run.batches),
        };
        let mut touched: Vec<_> = runs.iter().map(growth).collect();
        for run in runs {
            self.add(group, segment, run);
        }
        for effect in changes {
            touched.extend(self.shrink(effect).map(Growth::other));
        }
        touched
    }

    /// Adds a run of the log; one of a partition that has ended in the meantime is of no use.
    pub fn add(&mut self, group: LogAt, segment: &Arc<Segment>, run: FrameRun) {
        let Some(index) = self.partitions.get_mut(&run.partition) else {
            return;
        };
        let Some(newest) = run.batches.last() else {
            return;
        };
        index.high_watermark = index.high_watermark.max(newest.next);
        index.last_arrival = index.last_arrival.max(newest.arrival);
        let last = index.tail.back();
        if last.is_none_or(|last| !Arc::ptr_eq(&last.segment, segment)) {
            let holders = self.holders.entry(segment.header.sequence);
            holders.or_default().push(run.partition);
        }
        let bytes = bytes_of(&run.batches);
        index.bytes += bytes;
        index.tail.push_back(TailRun {
            group,
            start: run.start,
            bytes,
            segment: segment.clone(),
            batches: run.batches.into(),
        });
    }

    fn shrink(&mut self, effect: &Effect) -> Option<PartitionId> {
        match effect {
            Effect::Trim { partition, to } => {
                self.partitions.get_mut(partition)?.trim(*to);
                Some(*partition)
            }
            Effect::Drop { partition } => {
                self.partitions.remove(partition)?.end();
                Some(*partition)
            }
            Effect::Append(_) | Effect::Put { .. } | Effect::Open { .. } => None,
        }
    }

    pub fn partition(&self, partition: PartitionId) -> Result<&PartitionIndex, ReadError> {
        let found = self.partitions.get(&partition);
        found.ok_or(ReadError::UnknownPartition(partition))
    }

    /// Starts a partition as a checkpoint left it.
    pub fn restore(&mut self, partition: PartitionId, tail: &Tail, runs: VecDeque<Arc<DataRun>>) {
        let index = PartitionIndex {
            log_start: tail.log_start,
            high_watermark: tail.next,
            last_arrival: tail.last_arrival,
            bytes: runs.iter().map(|run| run.summary.bytes).sum(),
            folded: runs,
            tail: VecDeque::new(),
            warm: WarmRuns::default(),
        };
        self.partitions.insert(partition, index);
    }

    /// Lets go of what the partitions' beginnings say is gone.
    pub fn trim_all(&mut self) {
        for index in self.partitions.values_mut() {
            index.trim(index.log_start);
        }
    }

    /// The partitions that may have runs in this segment of the log, in order.
    pub fn holders(&self, segment: &Segment) -> Vec<PartitionId> {
        let holders = self.holders.get(&segment.header.sequence);
        let mut holders = holders.cloned().unwrap_or_default();
        holders.sort_unstable();
        holders.dedup();
        holders
    }

    /// A partition's live runs in the oldest segment of the log that is not laid out yet.
    pub fn runs_in(&self, segment: &Arc<Segment>, partition: PartitionId) -> Vec<TailRun> {
        let Some(index) = self.partitions.get(&partition) else {
            return Vec::new();
        };
        let in_it = |run: &&TailRun| Arc::ptr_eq(&run.segment, segment);
        index.tail.iter().take_while(in_it).cloned().collect()
    }

    /// A partition's live runs in a data segment.
    pub fn runs_of(&self, segment: &Arc<DataSegment>, partition: PartitionId) -> Vec<Arc<DataRun>> {
        let Some(index) = self.partitions.get(&partition) else {
            return Vec::new();
        };
        let in_it = |run: &&Arc<DataRun>| Arc::ptr_eq(&run.segment, segment);
        index.folded.iter().filter(in_it).cloned().collect()
    }

    /// Lets readers of a partition find in a data segment what they found in the oldest segment of
    /// the log until now.
    pub fn fold(
        &mut self,
        segment: &Arc<Segment>,
        partition: PartitionId,
        runs: impl IntoIterator<Item = Arc<DataRun>>,
    ) {
        let index = self.partitions.get_mut(&partition);
        match index {
            Some(index) => index.fold(segment, runs, self.cache.oldest()),
            None => runs.into_iter().for_each(|run| run.end()),
        }
    }

    /// Lets go of a partition's folded runs that are no longer in memory.
    pub fn cool(&mut self, partition: PartitionId) {
        let oldest = self.cache.oldest();
        if let Some(index) = self.partitions.get_mut(&partition) {
            index.warm.let_go(oldest);
        }
    }

    /// Nothing of this segment of the log is to be found any more.
    pub fn end_segment(&mut self, segment: &Segment) {
        self.holders.remove(&segment.header.sequence);
    }

    /// Puts a rewritten run in the place of `old`.
    pub fn replace(&mut self, old: &Arc<DataRun>, new: Arc<DataRun>) {
        let index = self.partitions.get_mut(&old.summary.partition);
        let runs = index.map(|index| &mut index.folded);
        let found = runs.and_then(|runs| runs.iter_mut().find(|run| Arc::ptr_eq(run, old)));
        match found {
            Some(run) => *run = new,
            None => new.end(),
        }
        old.end();
    }
}

impl PartitionIndex {
    pub fn status(&self) -> Status {
        Status {
            log_start: self.log_start,
            high_watermark: self.high_watermark,
            last_arrival: self.last_arrival,
            bytes: self.bytes,
        }
    }

    /// Lets go of what lies wholly before `to`: runs of folded segments, batches of the log.
    pub fn trim(&mut self, to: Offset) {
        self.log_start = self.log_start.max(to);
        while let Some(run) = self.folded.front()
            && run.summary.next <= self.log_start
        {
            self.bytes -= run.summary.bytes;
            run.end();
            self.folded.pop_front();
        }
        while let Some(run) = self.tail.front_mut() {
            let dead = run
                .batches
                .partition_point(|info| info.next <= self.log_start);
            let dead_bytes: u64 = bytes_of(&run.batches[..dead]);
            self.bytes -= dead_bytes;
            if dead < run.batches.len() {
                run.skip(dead, dead_bytes);
                return;
            }
            self.tail.pop_front();
        }
    }

    fn end(self) {
        self.folded.iter().for_each(|run| run.end());
    }

    fn fold(
        &mut self,
        segment: &Arc<Segment>,
        runs: impl IntoIterator<Item = Arc<DataRun>>,
        oldest: LogAt,
    ) {
        let in_it = |run: &mut TailRun| Arc::ptr_eq(&run.segment, segment);
        while let Some(run) = self.tail.pop_front_if(in_it) {
            self.bytes -= run.bytes;
            if run.group >= oldest {
                self.warm.add(run);
            }
        }
        for run in runs {
            if run.summary.next > self.log_start {
                self.bytes += run.summary.bytes;
                self.folded.push_back(run);
            } else {
                run.end();
            }
        }
    }
}

impl TailRun {
    fn skip(&mut self, count: usize, bytes: u64) {
        if count == 0 {
            return;
        }
        self.start += usize::try_from(bytes).expect("a frame is in memory when it is written");
        self.bytes -= bytes;
        self.batches = self.batches[count..].into();
    }

    pub fn next(&self) -> Offset {
        next_of(&self.batches)
    }
}

/// The offset after the last of the batches.
pub fn next_of(batches: &[BatchInfo]) -> Offset {
    batches.last().map_or(Offset(0), |info| info.next)
}

pub fn bytes_of(batches: &[BatchInfo]) -> u64 {
    batches.iter().map(|info| u64::from(info.bytes)).sum()
}
