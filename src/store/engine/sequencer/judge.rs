//! What an intent does, or why it cannot, given the state before it.

use super::{
    Append, AppendTimes, Effect, Entry, Expect, Intent, Judgement, Key, Outcome, PartitionId,
};
use super::{Placed, Placement, Refusal, Sent, Sequencer, Tail, Times, Timestamp};

impl Sequencer {
    /// What an intent does now, if it does anything.
    pub(super) fn judge(&self, intent: Intent, now: Timestamp) -> Result<Judged, Refusal> {
        match intent {
            Intent::Append(append) => self.judge_append(append, now),
            Intent::Require { key, expect } => {
                self.demand(&key, expect)?;
                Ok(Judged::nothing())
            }
            Intent::Put { key, value, expect } => {
                self.demand(&key, expect)?;
                let is_idle = value.is_none() && !self.values.contains_key(&key);
                Ok(Judged::unless(is_idle, Effect::Put { key, value }))
            }
            Intent::Open { partition } => {
                let is_idle = self.partitions.contains_key(&partition);
                Ok(Judged::unless(is_idle, Effect::Open { partition }))
            }
            Intent::Trim { partition, to } => {
                let tail = self.existing(partition)?;
                if to > tail.next {
                    return Err(Refusal::BeyondEnd { to, end: tail.next });
                }
                let is_idle = to <= tail.log_start;
                Ok(Judged::unless(is_idle, Effect::Trim { partition, to }))
            }
            Intent::Drop { partition } => {
                let is_idle = !self.partitions.contains_key(&partition);
                Ok(Judged::unless(is_idle, Effect::Drop { partition }))
            }
        }
    }

    fn demand(&self, key: &Key, expect: Expect) -> Result<(), Refusal> {
        if expect.holds(self.values.get(key)) {
            return Ok(());
        }
        Err(Refusal::Unexpected { key: key.clone() })
    }

    fn existing(&self, partition: PartitionId) -> Result<&Tail, Refusal> {
        let unknown = Refusal::UnknownPartition(partition);
        self.partitions.get(&partition).ok_or(unknown)
    }

    fn judge_append(&self, append: Append, now: Timestamp) -> Result<Judged, Refusal> {
        let tail = self.existing(append.partition)?;
        let arrival = now.max(tail.last_arrival);
        let log_start = tail.log_start;
        if let Some(sent) = self.sent_before(&append, arrival)? {
            let placed = Placed {
                base: sent.base,
                arrival: sent.arrival,
                log_start,
            };
            return Ok(Judged {
                outcome: Outcome::Duplicate(placed),
                effect: None,
            });
        }
        let placement = Placement {
            partition: append.partition,
            named: append.named,
            base: tail.next,
            arrival,
            batch: append.batch,
            times: match append.times {
                AppendTimes::Kept => Times::Kept,
                AppendTimes::Created => Times::Created(arrival),
                AppendTimes::Appended => Times::Appended(arrival),
            },
        };
        let placed = Placed {
            base: placement.base,
            arrival,
            log_start,
        };
        Ok(Judged {
            outcome: Outcome::Placed(placed),
            effect: Some(Effect::Append(placement)),
        })
    }

    /// The batch's earlier place if its producer sends it again; a refusal if it is not due.
    /// Judged as of `arrival`, so that a replay comes to the same end.
    fn sent_before(&self, append: &Append, arrival: Timestamp) -> Result<Option<Sent>, Refusal> {
        let Some(sequence) = append.batch.producer() else {
            return Ok(None);
        };
        let named = self.partitions.get(&append.named);
        let known = named.and_then(|tail| tail.producers.get(&sequence.id));
        let Some(known) = known.filter(|producer| !producer.is_expired(arrival)) else {
            return Ok(None);
        };
        let producer = sequence.id;
        match known.judge(sequence, append.batch.span()) {
            Judgement::Next => Ok(None),
            Judgement::Duplicate(sent) => Ok(Some(sent)),
            Judgement::OutOfOrder { expected } => Err(Refusal::OutOfOrderSequence {
                producer,
                expected,
                found: sequence.first,
            }),
            Judgement::StaleEpoch { current } => Err(Refusal::StaleEpoch {
                producer,
                current,
                found: sequence.epoch,
            }),
        }
    }
}

/// What an accepted intent answers and does.
pub(super) struct Judged {
    pub outcome: Outcome,
    pub effect: Option<Effect>,
}

impl Judged {
    fn nothing() -> Judged {
        Judged {
            outcome: Outcome::Done,
            effect: None,
        }
    }

    /// The effect, `unless` it would leave everything as it is: that is not worth a place.
    fn unless(is_idle: bool, effect: Effect) -> Judged {
        Judged {
            outcome: Outcome::Done,
            effect: (!is_idle).then_some(effect),
        }
    }
}

impl Expect {
    fn holds(self, found: Option<&Entry>) -> bool {
        match self {
            Expect::Anything => true,
            Expect::Absent => found.is_none(),
            Expect::Present => found.is_some(),
            Expect::Version(version) => found.is_some_and(|entry| entry.version == version),
        }
    }
}
