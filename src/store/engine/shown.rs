//! Batches in memory as readers see them, for the engines that keep none on disk.

use super::sequencer::{Effect, Placement};
use super::watchers::Growth;
use super::{BatchInfo, Offset, PartitionId, Read, ReadError, Run, Seek, Status, Timestamp};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// Every partition with its batches, up to the newest effect that was shown.
#[derive(Default)]
pub struct Shown {
    partitions: HashMap<PartitionId, Log>,
    /// Bytes of all batches.
    bytes: u64,
}

struct Log {
    log_start: Offset,
    next: Offset,
    last_arrival: Timestamp,
    batches: VecDeque<(BatchInfo, Bytes)>,
    bytes: u64,
}

impl Default for Log {
    fn default() -> Log {
        Log {
            log_start: Offset(0),
            next: Offset(0),
            last_arrival: Timestamp(-1),
            batches: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl Shown {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Shows an effect and names the partition whose readers should look again.
    pub fn show(&mut self, effect: Effect) -> Option<Growth> {
        match effect {
            Effect::Append(placement) => {
                let partition = placement.partition;
                let bytes = self.partitions.get_mut(&partition)?.append(placement);
                self.bytes += bytes;
                Some(Growth { partition, bytes })
            }
            Effect::Put { .. } => None,
            Effect::Open { partition } => {
                self.partitions.entry(partition).or_default();
                None
            }
            Effect::Trim { partition, to } => {
                self.bytes -= self.partitions.get_mut(&partition)?.trim(to);
                Some(Growth::other(partition))
            }
            Effect::Drop { partition } => {
                self.bytes -= self.partitions.remove(&partition)?.bytes;
                Some(Growth::other(partition))
            }
        }
    }

    pub fn status(&self, partition: PartitionId) -> Option<Status> {
        let log = self.partitions.get(&partition)?;
        Some(Status {
            log_start: log.log_start,
            high_watermark: log.next,
            last_arrival: log.last_arrival,
            bytes: log.bytes,
        })
    }

    pub fn read(&self, read: Read) -> Result<Vec<Run>, ReadError> {
        self.log(read.partition)?.read(read)
    }

    pub fn seek(&self, partition: PartitionId, seek: Seek) -> Result<Option<BatchInfo>, ReadError> {
        Ok(self.log(partition)?.seek(seek))
    }

    fn log(&self, partition: PartitionId) -> Result<&Log, ReadError> {
        let unknown = ReadError::UnknownPartition(partition);
        self.partitions.get(&partition).ok_or(unknown)
    }
}

impl Log {
    /// Shows a batch and tells how many bytes it has.
    fn append(&mut self, placement: Placement) -> u64 {
        let Placement {
            named,
            base,
            arrival,
            batch,
            times,
            ..
        } = placement;
        let placed = batch.placed_at(base, times);
        let info = BatchInfo {
            base,
            next: base.plus(placed.span()),
            bytes: u32::try_from(placed.bytes().len()).expect("a batch's length is an i32"),
            arrival,
            max_timestamp: placed.max_timestamp(),
            named,
        };
        self.next = info.next;
        self.last_arrival = arrival;
        self.bytes += u64::from(info.bytes);
        self.batches.push_back((info, placed.into_bytes()));
        u64::from(info.bytes)
    }

    /// Lets go of whole batches before `to` and tells how many bytes that were.
    fn trim(&mut self, to: Offset) -> u64 {
        self.log_start = self.log_start.max(to);
        let before = self.bytes;
        let is_gone = |batch: &mut (BatchInfo, Bytes)| batch.0.next <= to;
        while let Some((info, _)) = self.batches.pop_front_if(is_gone) {
            self.bytes -= u64::from(info.bytes);
        }
        before - self.bytes
    }

    fn read(&self, read: Read) -> Result<Vec<Run>, ReadError> {
        let (start, end) = (self.log_start, self.next);
        if read.from < start || read.from > end {
            return Err(ReadError::OutOfRange {
                from: read.from,
                start,
                end,
            });
        }
        let first = self
            .batches
            .partition_point(|(info, _)| info.next <= read.from);
        let mut room = read.bytes_max;
        let mut runs = Vec::new();
        for (info, bytes) in self.batches.range(first..) {
            if !runs.is_empty() && bytes.len() > room {
                break;
            }
            room = room.saturating_sub(bytes.len());
            runs.push(Run {
                bytes: bytes.clone(),
                batches: vec![*info],
            });
        }
        Ok(runs)
    }

    fn seek(&self, seek: Seek) -> Option<BatchInfo> {
        let mut infos = self.batches.iter().map(|(info, _)| *info);
        match seek {
            Seek::Arrival(at) => infos.find(|info| info.arrival >= at),
            Seek::Timestamp(at) => infos.find(|info| info.max_timestamp >= at),
            Seek::MaxTimestamp => infos.reduce(|best, info| {
                if info.max_timestamp > best.max_timestamp {
                    info
                } else {
                    best
                }
            }),
            Seek::Offset(offset) => infos.find(|info| info.base <= offset && offset < info.next),
            Seek::TailBytes(keep) => {
                let mut drop = self.bytes.saturating_sub(keep);
                infos.find(|info| {
                    let kept = drop == 0;
                    drop = drop.saturating_sub(u64::from(info.bytes));
                    kept
                })
            }
        }
    }
}
