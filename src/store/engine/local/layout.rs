//! Where each batch of a frame lies: by partition in the order of their first batches, nothing
//! between.

use super::frame::FrameRun;
use crate::store::PartitionId;
use crate::store::engine::BatchInfo;
use std::collections::HashMap;

pub struct Layout {
    pub runs: Vec<FrameRun>,
    /// Where each append's batch starts, from the front of the frame.
    pub starts: Vec<usize>,
    /// The appends in the order of their batches.
    pub order: Vec<usize>,
    pub body_bytes: usize,
}

impl Layout {
    pub fn of(
        owners: impl Iterator<Item = PartitionId>,
        infos: &[BatchInfo],
        body_start: usize,
    ) -> Layout {
        let mut runs: Vec<FrameRun> = Vec::new();
        let mut by_partition = HashMap::new();
        // First relative to its run, then the run's own start is added.
        let mut within = Vec::with_capacity(infos.len());
        let mut lengths: Vec<usize> = Vec::new();
        for (partition, info) in owners.zip(infos) {
            let run = *by_partition.entry(partition).or_insert_with(|| {
                lengths.push(0);
                runs.push(FrameRun {
                    partition,
                    start: 0,
                    batches: Vec::new(),
                });
                runs.len() - 1
            });
            within.push((run, lengths[run]));
            lengths[run] += info.bytes as usize;
            runs[run].batches.push(*info);
        }
        let mut end = body_start;
        let mut places = Vec::with_capacity(runs.len());
        let mut placed = 0;
        for (run, length) in runs.iter_mut().zip(&lengths) {
            run.start = end;
            end += length;
            places.push(placed);
            placed += run.batches.len();
        }
        let mut order = vec![0; within.len()];
        for (append, (run, _)) in within.iter().enumerate() {
            order[places[*run]] = append;
            places[*run] += 1;
        }
        let starts = within.into_iter().map(|(run, at)| runs[run].start + at);
        Layout {
            starts: starts.collect(),
            order,
            runs,
            body_bytes: end - body_start,
        }
    }
}
