//! The engine that keeps nothing beyond the process: `--memory`, and most tests.

use super::sequencer::{Effect, Placement, Sequencer};
use super::watchers::Watchers;
use super::{
    Answer, Atom, BatchInfo, Engine, EngineError, Observed, Offset, PartitionId, Position,
};
use super::{Intent, Read, ReadError, Refusal, Run, Seek, Status, Watch};
use crate::clock::Clock;
use crate::store::state::{Entry, Key};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending, ready};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

/// Sequenced is durable here: every answer is ready at once.
pub struct Memory {
    clock: Clock,
    /// Bytes of batches that may be kept; an append beyond is refused as on a full disk.
    bytes_max: u64,
    watchers: Watchers,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sequencer: Sequencer,
    partitions: HashMap<PartitionId, Log>,
    bytes: u64,
    stopping: bool,
}

#[derive(Default)]
struct Log {
    batches: VecDeque<(BatchInfo, Bytes)>,
    bytes: u64,
}

impl Memory {
    pub fn new(clock: Clock, bytes_max: u64) -> Memory {
        let kept = Mutex::new(Kept::default());
        Memory {
            clock,
            bytes_max,
            watchers: Watchers::default(),
            kept,
        }
    }
}

impl Engine for Memory {
    fn commit(&self, atoms: Vec<Atom>) -> Answer {
        let (answer, receiver) = oneshot::channel();
        let mut kept = self.kept.lock();
        if kept.stopping {
            // The asker may have gone away; that is its own affair, here and below.
            let _ = answer.send(Err(EngineError::Stopping));
            return receiver;
        }
        let now = self.clock.now();
        let mut touched = Vec::new();
        let mut decisions = Vec::with_capacity(atoms.len());
        for atom in atoms {
            if kept.bytes + appended_bytes(&atom) > self.bytes_max {
                decisions.push(Err(Refusal::Full));
                continue;
            }
            let sequenced = kept.sequencer.decide(atom, now);
            for effect in sequenced.effects {
                touched.extend(kept.keep(effect));
            }
            decisions.push(sequenced.decision);
        }
        drop(kept);
        self.watchers.wake(touched);
        let _ = answer.send(Ok(decisions));
        receiver
    }

    fn admit(&self, _bytes: usize) -> BoxFuture<'_, Result<(), EngineError>> {
        ready(Ok(())).boxed()
    }

    fn get(&self, key: &Key) -> Observed<Option<Entry>> {
        self.kept.lock().sequencer.get(key)
    }

    fn scan(&self, range: Range<Key>, count_max: usize) -> Observed<Vec<(Key, Entry)>> {
        self.kept.lock().sequencer.scan(range, count_max)
    }

    fn status(&self, partition: PartitionId) -> Option<Status> {
        let kept = self.kept.lock();
        let tail = kept.sequencer.tail(partition)?;
        Some(Status {
            log_start: tail.log_start,
            high_watermark: tail.next,
            last_arrival: tail.last_arrival,
            bytes: kept.partitions.get(&partition).map_or(0, |log| log.bytes),
        })
    }

    fn read(&self, read: Read) -> BoxFuture<'static, Result<Vec<Run>, ReadError>> {
        ready(self.kept.lock().read(read)).boxed()
    }

    fn seek(
        &self,
        partition: PartitionId,
        seek: Seek,
    ) -> BoxFuture<'static, Result<Option<BatchInfo>, ReadError>> {
        let kept = self.kept.lock();
        let found = match kept.partitions.get(&partition) {
            None => Err(ReadError::UnknownPartition(partition)),
            Some(log) => Ok(log.seek(seek)),
        };
        ready(found).boxed()
    }

    fn watch(&self, partitions: &[PartitionId], waiter: Arc<Notify>) -> Watch {
        self.watchers.watch(partitions, waiter)
    }

    fn durable(&self, _position: Position) -> BoxFuture<'static, Result<(), EngineError>> {
        ready(Ok(())).boxed()
    }

    fn failed(&self) -> BoxFuture<'static, EngineError> {
        pending().boxed()
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        self.kept.lock().stopping = true;
        ready(()).boxed()
    }
}

impl Kept {
    /// Keeps an effect and names the partition whose readers should look again.
    fn keep(&mut self, effect: Effect) -> Option<PartitionId> {
        match effect {
            Effect::Append(placement) => Some(self.append(placement)),
            Effect::Put { .. } => None,
            Effect::Open { partition } => {
                self.partitions.entry(partition).or_default();
                None
            }
            Effect::Trim { partition, to } => {
                self.bytes -= self.partitions.get_mut(&partition)?.trim(to);
                Some(partition)
            }
            Effect::Drop { partition } => {
                self.bytes -= self.partitions.remove(&partition)?.bytes;
                Some(partition)
            }
        }
    }

    fn append(&mut self, placement: Placement) -> PartitionId {
        let Placement {
            partition,
            named,
            base,
            arrival,
            batch,
            times,
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
        let log = self.partitions.entry(partition).or_default();
        log.bytes += u64::from(info.bytes);
        self.bytes += u64::from(info.bytes);
        log.batches.push_back((info, placed.into_bytes()));
        partition
    }

    fn read(&self, read: Read) -> Result<Vec<Run>, ReadError> {
        let unknown = ReadError::UnknownPartition(read.partition);
        let tail = self.sequencer.tail(read.partition).ok_or(unknown)?;
        let (start, end) = (tail.log_start, tail.next);
        if read.from < start || read.from > end {
            return Err(ReadError::OutOfRange {
                from: read.from,
                start,
                end,
            });
        }
        let Some(log) = self.partitions.get(&read.partition) else {
            return Ok(Vec::new());
        };
        let first = log
            .batches
            .partition_point(|(info, _)| info.next <= read.from);
        let mut room = read.bytes_max;
        let mut runs = Vec::new();
        for (info, bytes) in log.batches.range(first..) {
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
}

impl Log {
    /// Lets go of whole batches before `to` and tells how many bytes that were.
    fn trim(&mut self, to: Offset) -> u64 {
        let before = self.bytes;
        while self
            .batches
            .front()
            .is_some_and(|(info, _)| info.next <= to)
        {
            let (info, _) = self.batches.pop_front().expect("front() found it");
            self.bytes -= u64::from(info.bytes);
        }
        before - self.bytes
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

fn appended_bytes(atom: &Atom) -> u64 {
    let bytes = |intent: &Intent| match intent {
        Intent::Append(append) => append.batch.bytes().len() as u64,
        Intent::Put { .. }
        | Intent::Require { .. }
        | Intent::Open { .. }
        | Intent::Trim { .. }
        | Intent::Drop { .. } => 0,
    };
    atom.iter().map(bytes).sum()
}
