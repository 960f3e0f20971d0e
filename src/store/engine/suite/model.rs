//! What an engine should hold, as plain vectors and maps, decided independently of the sequencer.

use crate::store::batch::{ProducerSequence, Times};
use crate::store::engine::{Append, AppendTimes, BatchInfo, Expect, Intent, Outcome, Placed};
use crate::store::engine::{Refusal, Seek, Status};
use crate::store::state::{Entry, Key, Value};
use crate::store::{Offset, PartitionId, Position, Timestamp};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;

/// Everything after one atom.
#[derive(Clone, Default)]
pub struct State {
    /// Place of the atom that led here.
    pub position: Position,
    pub values: BTreeMap<Key, (Value, Position)>,
    pub partitions: BTreeMap<PartitionId, Part>,
}

#[derive(Clone)]
pub struct Part {
    pub log_start: u64,
    pub next: u64,
    pub last_arrival: i64,
    /// Those that hold offsets from the log start on.
    pub batches: Vec<Arc<Kept>>,
    pub producers: BTreeMap<i64, Writer>,
}

/// A placed batch.
#[derive(Debug, PartialEq)]
pub struct Kept {
    pub info: BatchInfo,
    pub bytes: Bytes,
}

/// An idempotent producer: its epoch and its last five batches.
#[derive(Clone)]
pub struct Writer {
    pub epoch: i16,
    pub sent: Vec<Sent>,
}

#[derive(Clone, Copy)]
pub struct Sent {
    pub first: i32,
    pub span: u64,
    pub base: u64,
    pub arrival: i64,
}

impl Sent {
    /// The sequence number that follows; they wrap after 2^31−1.
    pub fn next(self) -> i32 {
        let next = (i64::from(self.first) + self.span.cast_signed()) % (1 << 31);
        i32::try_from(next).expect("below 2^31")
    }
}

/// What an intent did to the model.
pub struct Taken {
    pub outcome: Outcome,
    pub has_effect: bool,
}

impl State {
    /// Takes an intent into a draft of the state after the atom at `position`.
    pub fn take(
        &mut self,
        intent: &Intent,
        now: Timestamp,
        position: Position,
    ) -> Result<Taken, Refusal> {
        let has_effect = match intent {
            Intent::Append(append) => return self.append(append, now.0),
            Intent::Require { key, expect } => {
                self.demand(key, *expect)?;
                false
            }
            Intent::Put { key, value, expect } => {
                self.demand(key, *expect)?;
                match value {
                    Some(value) => {
                        self.values.insert(key.clone(), (value.clone(), position));
                        true
                    }
                    None => self.values.remove(key).is_some(),
                }
            }
            Intent::Open { partition } => {
                let is_new = !self.partitions.contains_key(partition);
                self.partitions.entry(*partition).or_insert(Part {
                    log_start: 0,
                    next: 0,
                    last_arrival: -1,
                    batches: Vec::new(),
                    producers: BTreeMap::new(),
                });
                is_new
            }
            Intent::Trim { partition, to } => self.part(*partition)?.trim(*to)?,
            Intent::Drop { partition } => self.partitions.remove(partition).is_some(),
        };
        Ok(Taken {
            outcome: Outcome::Done,
            has_effect,
        })
    }

    fn part(&mut self, partition: PartitionId) -> Result<&mut Part, Refusal> {
        let unknown = Refusal::UnknownPartition(partition);
        self.partitions.get_mut(&partition).ok_or(unknown)
    }

    fn demand(&self, key: &Key, expect: Expect) -> Result<(), Refusal> {
        let found = self.values.get(key);
        let holds = match expect {
            Expect::Anything => true,
            Expect::Absent => found.is_none(),
            Expect::Present => found.is_some(),
            Expect::Version(version) => found.is_some_and(|(_, at)| *at == version),
        };
        if holds {
            return Ok(());
        }
        Err(Refusal::Unexpected { key: key.clone() })
    }

    fn append(&mut self, append: &Append, now: i64) -> Result<Taken, Refusal> {
        let part = self.part(append.partition)?;
        let arrival = now.max(part.last_arrival);
        let (next, log_start) = (part.next, Offset(part.log_start));
        let sequence = append.batch.producer();
        let span = append.batch.span();
        if let Some(sequence) = sequence
            && let Some(part) = self.partitions.get(&append.named)
            && let Some(sent) = part.sent_before(sequence, span, arrival)?
        {
            let placed = Placed {
                base: Offset(sent.base),
                arrival: Timestamp(sent.arrival),
                log_start,
            };
            return Ok(Taken {
                outcome: Outcome::Duplicate(placed),
                has_effect: false,
            });
        }
        self.part(append.partition)?.place(append, arrival);
        if let (Some(sequence), Some(named)) = (sequence, self.partitions.get_mut(&append.named)) {
            named.note(
                sequence,
                Sent {
                    first: sequence.first,
                    span,
                    base: next,
                    arrival,
                },
            );
        }
        let placed = Placed {
            base: Offset(next),
            arrival: Timestamp(arrival),
            log_start,
        };
        Ok(Taken {
            outcome: Outcome::Placed(placed),
            has_effect: true,
        })
    }
}

impl Part {
    fn trim(&mut self, to: Offset) -> Result<bool, Refusal> {
        if to.0 > self.next {
            let end = Offset(self.next);
            return Err(Refusal::BeyondEnd { to, end });
        }
        let moves = to.0 > self.log_start;
        self.log_start = self.log_start.max(to.0);
        self.batches.retain(|kept| kept.info.next > to);
        Ok(moves)
    }

    /// An earlier place of the same batch, or why it is not due.
    fn sent_before(
        &self,
        sequence: ProducerSequence,
        span: u64,
        now: i64,
    ) -> Result<Option<Sent>, Refusal> {
        let Some(writer) = self.writer(sequence.id.0, now) else {
            return Ok(None);
        };
        let (producer, found) = (sequence.id, sequence.first);
        let out_of_order = |expected| Refusal::OutOfOrderSequence {
            producer,
            expected,
            found,
        };
        if sequence.epoch < writer.epoch {
            return Err(Refusal::StaleEpoch {
                producer,
                current: writer.epoch,
                found: sequence.epoch,
            });
        }
        if sequence.epoch > writer.epoch {
            return if found == 0 {
                Ok(None)
            } else {
                Err(out_of_order(0))
            };
        }
        let same = |sent: &&Sent| sent.first == found && sent.span == span;
        if let Some(sent) = writer.sent.iter().find(same) {
            return Ok(Some(*sent));
        }
        let due = writer.sent[writer.sent.len() - 1].next();
        if found == due {
            Ok(None)
        } else {
            Err(out_of_order(due))
        }
    }

    /// A producer that was heard of within a day.
    pub fn writer(&self, id: i64, now: i64) -> Option<&Writer> {
        let writer = self.producers.get(&id)?;
        (now - writer.sent[writer.sent.len() - 1].arrival <= DAY_MS).then_some(writer)
    }

    fn note(&mut self, sequence: ProducerSequence, sent: Sent) {
        let known = self.writer(sequence.id.0, sent.arrival);
        let mut window = match known.filter(|writer| writer.epoch == sequence.epoch) {
            Some(writer) => writer.sent.clone(),
            None => Vec::new(),
        };
        window.push(sent);
        if window.len() > 5 {
            window.remove(0);
        }
        let writer = Writer {
            epoch: sequence.epoch,
            sent: window,
        };
        self.producers.insert(sequence.id.0, writer);
    }

    fn place(&mut self, append: &Append, arrival: i64) {
        let base = Offset(self.next);
        let arrival = Timestamp(arrival);
        let times = match append.times {
            AppendTimes::Kept => Times::Kept,
            AppendTimes::Created => Times::Created(arrival),
            AppendTimes::Appended => Times::Appended(arrival),
        };
        let batch = append.batch.placed_at(base, times);
        let info = BatchInfo {
            base,
            next: base.plus(batch.span()),
            bytes: u32::try_from(batch.bytes().len()).expect("a small batch"),
            arrival,
            max_timestamp: batch.max_timestamp(),
            named: append.named,
        };
        self.next = info.next.0;
        self.last_arrival = arrival.0;
        let bytes = batch.into_bytes();
        self.batches.push(Arc::new(Kept { info, bytes }));
    }

    pub fn status(&self) -> Status {
        Status {
            log_start: Offset(self.log_start),
            high_watermark: Offset(self.next),
            last_arrival: Timestamp(self.last_arrival),
            bytes: self.bytes_from(0),
        }
    }

    fn bytes_from(&self, first: usize) -> u64 {
        let batches = self.batches[first..].iter();
        batches.map(|kept| u64::from(kept.info.bytes)).sum()
    }

    pub fn seek(&self, seek: Seek) -> Option<BatchInfo> {
        let found = match seek {
            Seek::Arrival(at) => self.batches.iter().find(|kept| kept.info.arrival >= at),
            Seek::Timestamp(at) => self
                .batches
                .iter()
                .find(|kept| kept.info.max_timestamp >= at),
            Seek::MaxTimestamp => {
                let largest = self
                    .batches
                    .iter()
                    .map(|kept| kept.info.max_timestamp)
                    .max();
                self.batches
                    .iter()
                    .find(|kept| Some(kept.info.max_timestamp) == largest)
            }
            Seek::Offset(offset) => self
                .batches
                .iter()
                .find(|kept| kept.info.base <= offset && offset < kept.info.next),
            Seek::TailBytes(bytes) => (0..self.batches.len())
                .find(|&first| self.bytes_from(first) <= bytes)
                .map(|first| &self.batches[first]),
        };
        found.map(|kept| kept.info)
    }
}

/// The model's value as the engine would tell it.
pub fn entry(found: Option<&(Value, Position)>) -> Option<Entry> {
    found.map(|(value, version)| Entry {
        value: value.clone(),
        version: *version,
    })
}
