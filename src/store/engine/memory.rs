//! The engine that keeps nothing beyond the process: `--memory`, and most tests.

use super::sequencer::Sequencer;
use super::shown::Shown;
use super::watchers::Watchers;
use super::{Answer, Atom, BatchInfo, Engine, EngineError, Observed, PartitionId, Position};
use super::{Intent, Read, ReadError, Refusal, Run, Seek, Status, Watch};
use crate::clock::Clock;
use crate::store::state::{Entry, Key};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending, ready};
use parking_lot::Mutex;
use std::ops::Range;
use tokio::sync::oneshot;

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
    shown: Shown,
    stopping: bool,
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

    /// Takes commits again after a stop, as a disk that has room again.
    #[cfg(test)]
    pub fn resume(&self) {
        self.kept.lock().stopping = false;
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
            if kept.shown.bytes() + appended_bytes(&atom) > self.bytes_max {
                decisions.push(Err(Refusal::Full));
                continue;
            }
            let sequenced = kept.sequencer.decide(atom, now);
            for effect in sequenced.effects {
                touched.extend(kept.shown.show(effect));
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

    fn streams_changed(&self) -> Position {
        self.kept.lock().sequencer.streams_changed()
    }

    fn status(&self, partition: PartitionId) -> Option<Status> {
        self.kept.lock().shown.status(partition)
    }

    fn read(&self, read: Read) -> BoxFuture<'static, Result<Vec<Run>, ReadError>> {
        ready(self.kept.lock().shown.read(read)).boxed()
    }

    fn seek(
        &self,
        partition: PartitionId,
        seek: Seek,
    ) -> BoxFuture<'static, Result<Option<BatchInfo>, ReadError>> {
        ready(self.kept.lock().shown.seek(partition, seek)).boxed()
    }

    fn watch(&self) -> Watch {
        self.watchers.watch()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::{Append, AppendTimes, Decision, Outcome};
    use crate::store::{Batch, Offset, Timestamp};

    const P: PartitionId = PartitionId(1);

    fn append() -> Atom {
        let mut bytes = vec![0; 100];
        bytes[43..51].copy_from_slice(&(-1_i64).to_be_bytes());
        vec![Intent::Append(Append {
            partition: P,
            named: P,
            batch: Batch::trusted(bytes.into()),
            times: AppendTimes::Kept,
        })]
    }

    fn commit(memory: &Memory, atom: Atom) -> Decision {
        let answer = memory.commit(vec![atom]).try_recv();
        answer.unwrap().unwrap().remove(0)
    }

    #[test]
    fn records_are_refused_when_memory_is_full_and_taken_again_after_a_trim() {
        let memory = Memory::new(Clock::fixed(Timestamp(1)), 250);
        commit(&memory, vec![Intent::Open { partition: P }]).unwrap();
        commit(&memory, append()).unwrap();
        commit(&memory, append()).unwrap();

        assert_eq!(commit(&memory, append()), Err(Refusal::Full));
        let trim = Intent::Trim {
            partition: P,
            to: Offset(1),
        };
        assert_eq!(commit(&memory, vec![trim]), Ok(vec![Outcome::Done]));
        commit(&memory, append()).unwrap();
    }
}
