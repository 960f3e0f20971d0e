//! Runs that were folded while their groups were still in memory. Whoever reads close behind the
//! log's end is not to wait for the disk because a segment happened to be full.

use super::index::{TailRun, next_of};
use super::segment::LogAt;
use crate::store::Offset;
use crate::store::engine::BatchInfo;
use std::collections::VecDeque;
use std::sync::Arc;

/// Consecutive batches in one frame of the log, wherever else they lie by now.
pub struct WarmRun {
    pub group: LogAt,
    /// Where the run is in the frame.
    pub start: usize,
    pub bytes: u64,
    pub batches: Arc<[BatchInfo]>,
}

/// Those of one partition in offset order: all that follow the first, up to the first that is not
/// folded yet.
#[derive(Default)]
pub struct WarmRuns(VecDeque<WarmRun>);

impl WarmRuns {
    /// Adds a run that is being folded.
    pub fn add(&mut self, run: TailRun) {
        self.0.push_back(WarmRun {
            group: run.group,
            start: run.start,
            bytes: run.bytes,
            batches: run.batches,
        });
    }

    /// Lets go of runs in groups before this place of the log.
    pub fn let_go(&mut self, before: LogAt) {
        while self.0.pop_front_if(|run| run.group < before).is_some() {}
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }

    /// The runs from this offset on; none if the first of them is in a group before `oldest`.
    pub fn starting_at(
        &self,
        from: Offset,
        oldest: LogAt,
    ) -> impl ExactSizeIterator<Item = &WarmRun> {
        let first = self.0.partition_point(|run| next_of(&run.batches) <= from);
        let reaches = |run: &WarmRun| {
            let begins = run.batches.first().is_some_and(|info| info.base <= from);
            begins && run.group >= oldest
        };
        match self.0.get(first).is_some_and(reaches) {
            true => self.0.range(first..),
            false => self.0.range(self.0.len()..),
        }
    }
}
