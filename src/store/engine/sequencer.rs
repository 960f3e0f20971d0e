//! The state machine that every engine in this process shares: it judges intents, gives places,
//! and applies the effects again when a log is replayed.
//!
//! Pure memory, no waiting, no disk. What it holds is *sequenced*, which is ahead of *durable*:
//! whoever tells of it waits for the position that goes with it.

mod judge;
mod undo;

use self::undo::Undo;
use super::{Append, AppendTimes, Atom, Decision, Expect, Intent, Observed, Outcome, Placed};
use super::{Offset, PartitionId, Position, Refusal, Timestamp};
use crate::store::batch::{Batch, ProducerSequence, Times};
use crate::store::producers::{Judgement, Producer, Producers, Sent, last_sequence};
use crate::store::state::{Entry, Key, Value};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, Range};

/// Sequenced state: keyed values, and where each partition ends.
#[derive(Debug, Default)]
pub struct Sequencer {
    values: BTreeMap<Key, Entry>,
    partitions: HashMap<PartitionId, Tail>,
    /// The newest commit that touched each table of the keyed state.
    changed: [Position; TABLES],
    last: Position,
}

const TABLES: usize = 6;
/// The table of [`Key::Stream`].
const STREAMS: usize = 1;

/// Where a partition's next batch goes, and who wrote to it.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Tail {
    #[n(0)]
    pub log_start: Offset,
    #[n(1)]
    pub next: Offset,
    #[n(2)]
    pub last_arrival: Timestamp,
    #[n(3)]
    pub producers: Producers,
}

/// A decided atom.
#[derive(Debug)]
pub struct Sequenced {
    /// Its own position if it has effects, else the newest it may have observed.
    pub position: Position,
    pub decision: Decision,
    /// What to keep, in order; empty for a refusal or a duplicate.
    pub effects: Vec<Effect>,
}

/// A change as absolute values, fit to be kept in a log and replayed.
#[derive(Clone, Debug)]
pub enum Effect {
    Append(Placement),
    Put { key: Key, value: Option<Value> },
    Open { partition: PartitionId },
    Trim { partition: PartitionId, to: Offset },
    Drop { partition: PartitionId },
}

/// A batch with its place.
#[derive(Clone, Debug)]
pub struct Placement {
    pub partition: PartitionId,
    pub named: PartitionId,
    pub base: Offset,
    pub arrival: Timestamp,
    /// As produced; `times` and `base` are to be patched into its header when it is written.
    pub batch: Batch,
    pub times: Times,
}

/// An append as far as the sequenced state is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    pub partition: PartitionId,
    pub named: PartitionId,
    pub base: Offset,
    pub span: u64,
    pub arrival: Timestamp,
    pub producer: Option<ProducerSequence>,
}

impl Placement {
    pub fn appended(&self) -> Appended {
        Appended {
            partition: self.partition,
            named: self.named,
            base: self.base,
            span: self.batch.span(),
            arrival: self.arrival,
            producer: self.batch.producer(),
        }
    }
}

impl Sequencer {
    /// The newest position given out.
    pub fn last(&self) -> Position {
        self.last
    }

    /// Decides an atom: each intent is judged against what those before it leave, and one that
    /// is refused takes all of them back.
    pub fn decide(&mut self, atom: Atom, now: Timestamp) -> Sequenced {
        let position = Position(self.last.0 + 1);
        let mut undo = Undo::before(self);
        let mut effects = Vec::new();
        let mut outcomes = Vec::with_capacity(atom.len());
        let is_alone = atom.len() == 1;
        for intent in atom {
            let judged = match self.judge(intent, now) {
                Ok(judged) => judged,
                Err(refusal) => {
                    undo.undo(self);
                    return Sequenced {
                        position: self.last,
                        decision: Err(refusal),
                        effects: Vec::new(),
                    };
                }
            };
            outcomes.push(judged.outcome);
            if let Some(effect) = judged.effect {
                if !is_alone {
                    undo.note(self, &effect);
                }
                self.apply(position, &effect);
                effects.push(effect);
            }
        }
        Sequenced {
            position: self.last,
            decision: Ok(outcomes),
            effects,
        }
    }

    /// Applies an effect that was decided before, now or in an earlier life.
    pub fn apply(&mut self, position: Position, effect: &Effect) {
        self.last = self.last.max(position);
        match effect {
            Effect::Append(placement) => self.apply_append(&placement.appended()),
            Effect::Put { key, value } => self.apply_put(position, key, value.as_ref()),
            Effect::Open { partition } => {
                let tail = Tail {
                    last_arrival: Timestamp(-1),
                    ..Tail::default()
                };
                self.partitions.entry(*partition).or_insert(tail);
            }
            Effect::Trim { partition, to } => {
                if let Some(tail) = self.partitions.get_mut(partition) {
                    tail.log_start = tail.log_start.max(*to);
                }
            }
            Effect::Drop { partition } => {
                self.partitions.remove(partition);
            }
        }
    }

    /// The newest commit that changed a stream.
    pub fn streams_changed(&self) -> Position {
        self.changed[STREAMS]
    }

    pub fn get(&self, key: &Key) -> Observed<Option<Entry>> {
        let position = self.changed[table(key)];
        Observed {
            value: self.values.get(key).cloned(),
            position,
        }
    }

    pub fn scan(&self, range: Range<Key>, count_max: usize) -> Observed<Vec<(Key, Entry)>> {
        if range.is_empty() {
            return Observed {
                value: Vec::new(),
                position: Position::default(),
            };
        }
        let tables = table(&range.start)..=table(&range.end);
        let position = self.changed[tables]
            .iter()
            .copied()
            .max()
            .unwrap_or_default();
        let found = self.values.range(range).take(count_max);
        Observed {
            value: found.map(|(k, e)| (k.clone(), e.clone())).collect(),
            position,
        }
    }

    #[cfg(test)]
    pub fn tail(&self, partition: PartitionId) -> Option<&Tail> {
        self.partitions.get(&partition)
    }

    /// Values behind a key, or from the first one on, for a checkpoint.
    pub fn values_after<'a>(
        &'a self,
        key: Option<&Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a Entry)> + use<'a> {
        let from = key.map_or(Bound::Unbounded, |key| Bound::Excluded(key.clone()));
        self.values.range((from, Bound::Unbounded))
    }

    /// Every partition, in no order.
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.partitions.keys().copied().collect()
    }

    /// A partition without the producers that have been idle for too long. Forgetting them is not
    /// logged: a replay that brings one back does no harm.
    pub fn without_idle_producers(
        &mut self,
        partition: PartitionId,
        now: Timestamp,
    ) -> Option<&Tail> {
        let tail = self.partitions.get_mut(&partition)?;
        let is_kept = |producer: &Producer| !producer.is_forgotten(now);
        tail.producers.retain(|_, producer| is_kept(producer));
        Some(tail)
    }

    /// Every partition, after a restart.
    pub fn tails(&self) -> impl Iterator<Item = (PartitionId, &Tail)> {
        self.partitions.iter().map(|(id, tail)| (*id, tail))
    }

    /// Puts back what a checkpoint held, taken after the commit at `last`.
    pub fn restore(
        last: Position,
        values: BTreeMap<Key, Entry>,
        partitions: HashMap<PartitionId, Tail>,
    ) -> Sequencer {
        Sequencer {
            values,
            partitions,
            changed: [last; TABLES],
            last,
        }
    }

    /// Applies an append of an earlier life.
    pub fn replay_append(&mut self, position: Position, appended: &Appended) {
        self.last = self.last.max(position);
        self.apply_append(appended);
    }

    fn apply_append(&mut self, appended: &Appended) {
        if let Some(tail) = self.partitions.get_mut(&appended.partition) {
            tail.next = tail.next.max(appended.base.plus(appended.span));
            tail.last_arrival = tail.last_arrival.max(appended.arrival);
        }
        let (Some(sequence), arrival) = (appended.producer, appended.arrival) else {
            return;
        };
        let Some(tail) = self.partitions.get_mut(&appended.named) else {
            return;
        };
        let sent = Sent {
            first: sequence.first,
            last: last_sequence(sequence.first, appended.span),
            base: appended.base,
            arrival,
        };
        match tail.producers.get_mut(&sequence.id) {
            Some(producer) if !producer.is_expired(arrival) => producer.record(sequence, sent),
            // One that was forgotten starts over, with nothing of its old window.
            _ => {
                let producers = &mut tail.producers;
                // The table grows only once nobody in it can be forgotten.
                if producers.len() == producers.capacity() {
                    producers.retain(|_, producer| !producer.is_forgotten(arrival));
                }
                producers.insert(sequence.id, Producer::new(sequence, sent));
            }
        }
    }

    fn apply_put(&mut self, position: Position, key: &Key, value: Option<&Value>) {
        self.changed[table(key)] = position;
        match value {
            Some(value) => {
                let entry = Entry {
                    value: value.clone(),
                    version: position,
                };
                self.values.insert(key.clone(), entry);
            }
            None => {
                self.values.remove(key);
            }
        }
    }
}

/// A key's table: keyed values that are observed together.
fn table(key: &Key) -> usize {
    match key {
        Key::Counter(_) => 0,
        Key::Stream(_) => STREAMS,
        Key::StreamName(_) => 2,
        Key::Group(_) => 3,
        Key::Commit(_) => 4,
        Key::Cluster => 5,
    }
}
