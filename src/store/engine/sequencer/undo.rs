//! What an atom has overwritten so far, to be put back if a later intent in it is refused.

use super::{
    Effect, Entry, Key, Offset, PartitionId, Position, Sequencer, TABLES, Tail, Timestamp,
};
use crate::store::ProducerId;
use crate::store::producers::Producer;

/// States before each effect, oldest first.
pub struct Undo {
    last: Position,
    changed: [Position; TABLES],
    noted: Vec<Before>,
}

enum Before {
    Value {
        key: Key,
        entry: Option<Entry>,
    },
    Tail {
        partition: PartitionId,
        tail: Option<Tail>,
    },
    End {
        partition: PartitionId,
        next: Offset,
        last_arrival: Timestamp,
    },
    Producer {
        named: PartitionId,
        id: ProducerId,
        producer: Option<Producer>,
    },
}

impl Undo {
    pub fn before(sequencer: &Sequencer) -> Undo {
        Undo {
            last: sequencer.last,
            changed: sequencer.changed,
            noted: Vec::new(),
        }
    }

    /// Notes what `effect` is about to overwrite.
    pub fn note(&mut self, sequencer: &Sequencer, effect: &Effect) {
        match effect {
            Effect::Put { key, .. } => self.noted.push(Before::Value {
                key: key.clone(),
                entry: sequencer.values.get(key).cloned(),
            }),
            Effect::Open { partition }
            | Effect::Trim { partition, .. }
            | Effect::Drop { partition } => self.noted.push(Before::Tail {
                partition: *partition,
                tail: sequencer.partitions.get(partition).cloned(),
            }),
            Effect::Append(placement) => {
                if let Some(tail) = sequencer.partitions.get(&placement.partition) {
                    self.noted.push(Before::End {
                        partition: placement.partition,
                        next: tail.next,
                        last_arrival: tail.last_arrival,
                    });
                }
                let named = sequencer.partitions.get(&placement.named);
                if let (Some(sequence), Some(tail)) = (placement.batch.producer(), named) {
                    self.noted.push(Before::Producer {
                        named: placement.named,
                        id: sequence.id,
                        producer: tail.producers.get(&sequence.id).cloned(),
                    });
                }
            }
        }
    }

    /// Puts everything back, newest first.
    pub fn undo(self, sequencer: &mut Sequencer) {
        sequencer.last = self.last;
        sequencer.changed = self.changed;
        for before in self.noted.into_iter().rev() {
            before.put_back(sequencer);
        }
    }
}

impl Before {
    fn put_back(self, sequencer: &mut Sequencer) {
        match self {
            Before::Value { key, entry } => match entry {
                Some(entry) => drop(sequencer.values.insert(key, entry)),
                None => drop(sequencer.values.remove(&key)),
            },
            Before::Tail { partition, tail } => match tail {
                Some(tail) => drop(sequencer.partitions.insert(partition, tail)),
                None => drop(sequencer.partitions.remove(&partition)),
            },
            Before::End {
                partition,
                next,
                last_arrival,
            } => {
                if let Some(tail) = sequencer.partitions.get_mut(&partition) {
                    tail.next = next;
                    tail.last_arrival = last_arrival;
                }
            }
            Before::Producer {
                named,
                id,
                producer,
            } => {
                let Some(tail) = sequencer.partitions.get_mut(&named) else {
                    return;
                };
                match producer {
                    Some(producer) => drop(tail.producers.insert(id, producer)),
                    None => drop(tail.producers.remove(&id)),
                }
            }
        }
    }
}
