//! Finding one batch by time, offset or size of what follows it.

use super::batch_index::BatchIndexes;
use super::data::DataRun;
use super::index::{Index, PartitionIndex, TailRun};
use super::read::disk;
use crate::store::engine::{BatchInfo, ReadError, Seek};
use crate::store::{Offset, PartitionId};
use std::sync::Arc;

/// Where to look, and what to answer if nothing is found there.
pub struct SeekPlan {
    seek: Seek,
    log_start: Offset,
    /// Folded runs that may hold the answer, in the order of preference.
    folded: Vec<Arc<DataRun>>,
    /// The answer from the log's own batches, which come after all folded ones.
    tail: Option<BatchInfo>,
    /// Bytes kept after the first of them, for [`Seek::TailBytes`].
    bytes_after: u64,
}

impl Index {
    pub fn plan_seek(&self, partition: PartitionId, seek: Seek) -> Result<SeekPlan, ReadError> {
        let index = self.partition(partition)?;
        let mut plan = SeekPlan {
            seek,
            log_start: index.log_start,
            folded: Vec::new(),
            tail: None,
            bytes_after: 0,
        };
        if let Seek::TailBytes(keep) = seek {
            plan.count_back(index, keep);
            return Ok(plan);
        }
        plan.tail = find(tail_batches(index), seek);
        let best = index
            .folded
            .iter()
            .map(|run| run.summary.max_timestamp)
            .max();
        // Only the first run may begin with batches that are gone, so after one other run the
        // answer is certain.
        let candidates = index
            .folded
            .iter()
            .enumerate()
            .filter(|(at, run)| match seek {
                Seek::Arrival(time) => run.summary.last_arrival >= time,
                Seek::Timestamp(time) => run.summary.max_timestamp >= time,
                Seek::Offset(offset) => run.summary.first <= offset && offset < run.summary.next,
                Seek::MaxTimestamp => *at == 0 || Some(run.summary.max_timestamp) == best,
                Seek::TailBytes(_) => false,
            });
        plan.folded = candidates.take(2).map(|(_, run)| run.clone()).collect();
        if seek == Seek::MaxTimestamp {
            plan.add_second_best(index);
        }
        Ok(plan)
    }
}

impl SeekPlan {
    pub fn is_warm(&self) -> bool {
        self.folded.is_empty()
    }

    pub fn carry_out(self, indexes: &BatchIndexes) -> Result<Option<BatchInfo>, ReadError> {
        let mut best: Option<BatchInfo> = None;
        for (at, run) in self.folded.iter().enumerate() {
            let index = indexes.of(run).map_err(disk)?;
            let batches = &index.batches;
            let kept = batches.partition_point(|info| info.next <= self.log_start);
            let kept = &batches[kept..];
            let found = match self.seek {
                Seek::TailBytes(keep) if at == 0 => {
                    count_back(kept.iter().rev(), self.bytes_after, keep)
                }
                // All of the run behind the bound fits.
                Seek::TailBytes(_) => kept.first().copied(),
                seek => find(kept.iter(), seek),
            };
            match (self.seek, found) {
                (_, None) => {}
                (Seek::MaxTimestamp, Some(found)) => best = later(best, found),
                (_, Some(found)) => return Ok(Some(found)),
            }
        }
        match (best, self.tail) {
            (Some(best), Some(tail)) => Ok(later(Some(best), tail)),
            (best, tail) => Ok(best.or(tail)),
        }
    }

    /// Looks for the first batch from which on at most `keep` bytes are kept.
    fn count_back(&mut self, index: &PartitionIndex, keep: u64) {
        let newest_first = index
            .tail
            .iter()
            .rev()
            .flat_map(|run| run.batches.iter().rev());
        self.tail = count_back(newest_first, 0, keep);
        let mut after: u64 = index.tail.iter().map(|run| run.bytes).sum();
        for run in index.folded.iter().rev() {
            if after >= keep {
                return;
            }
            // The run that the bound is in comes first, then the one behind it, because it may be
            // that nothing of the first one fits.
            self.folded.truncate(1);
            self.folded.insert(0, run.clone());
            self.bytes_after = after;
            after += run.summary.bytes;
        }
    }

    /// The first run's largest time may be gone, and then the next best run has it.
    fn add_second_best(&mut self, index: &PartitionIndex) {
        let others = index.folded.iter().skip(1);
        let best = others.reduce(|best, run| {
            if run.summary.max_timestamp > best.summary.max_timestamp {
                run
            } else {
                best
            }
        });
        self.folded.truncate(1);
        self.folded.extend(best.cloned());
    }
}

fn tail_batches(index: &PartitionIndex) -> impl Iterator<Item = &BatchInfo> {
    let runs = index.tail.iter();
    runs.flat_map(|run: &TailRun| run.batches.iter())
}

fn find<'a>(mut infos: impl Iterator<Item = &'a BatchInfo>, seek: Seek) -> Option<BatchInfo> {
    match seek {
        Seek::Arrival(at) => infos.find(|info| info.arrival >= at).copied(),
        Seek::Timestamp(at) => infos.find(|info| info.max_timestamp >= at).copied(),
        Seek::Offset(offset) => infos
            .find(|info| info.base <= offset && offset < info.next)
            .copied(),
        Seek::MaxTimestamp => infos.copied().fold(None, later),
        Seek::TailBytes(_) => None,
    }
}

/// The one with the larger maximum timestamp, the earlier one if they are equal.
fn later(best: Option<BatchInfo>, info: BatchInfo) -> Option<BatchInfo> {
    match best {
        Some(best) if best.max_timestamp >= info.max_timestamp => Some(best),
        Some(_) | None => Some(info),
    }
}

/// Goes back over the newest batches while no more than `keep` bytes are passed.
fn count_back<'a>(
    newest_first: impl Iterator<Item = &'a BatchInfo>,
    after: u64,
    keep: u64,
) -> Option<BatchInfo> {
    let mut passed = after;
    let within = newest_first.take_while(|info| {
        passed += u64::from(info.bytes);
        passed <= keep
    });
    within.last().copied()
}
