//! Idempotence: what each producer last wrote to a partition, and whether a batch is its next.
//!
//! Rules: spec §2.3 (Kafka's `ProducerStateManager`): a window of five batches, duplicates are
//! answered with the original offset, an unknown producer may start anywhere.

use super::batch::ProducerSequence;
use super::{Offset, ProducerId, Timestamp};
use minicbor::{Decode, Encode};
use std::collections::VecDeque;

/// Batches remembered per producer and partition: as many as a client may have in flight.
pub const WINDOW_BATCHES: usize = 5;
/// Idle time after which a producer is forgotten (`producer.id.expiration.ms`): a day.
pub const PRODUCER_IDLE_MS_MAX: i64 = 86_400_000;
/// How far the clock may go back without bringing back a producer that was forgotten: an hour.
const CLOCK_BACK_MS_MAX: i64 = 3_600_000;

/// One producer's recent batches in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Producer {
    #[n(0)]
    epoch: i16,
    #[n(1)]
    recent: VecDeque<Sent>,
}

/// A batch that was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Sent {
    #[n(0)]
    pub first: i32,
    #[n(1)]
    pub last: i32,
    #[n(2)]
    pub base: Offset,
    #[n(3)]
    pub arrival: Timestamp,
}

/// What a batch is to its producer's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Next,
    Duplicate(Sent),
    OutOfOrder { expected: i32 },
    StaleEpoch { current: i16 },
}

impl Producer {
    /// A producer's state after its first known batch.
    pub fn new(sequence: ProducerSequence, sent: Sent) -> Producer {
        let mut recent = VecDeque::with_capacity(1);
        recent.push_back(sent);
        Producer {
            epoch: sequence.epoch,
            recent,
        }
    }

    /// Judges a batch of `span` records.
    pub fn judge(&self, sequence: ProducerSequence, span: u64) -> Judgement {
        if sequence.epoch < self.epoch {
            return Judgement::StaleEpoch {
                current: self.epoch,
            };
        }
        if sequence.epoch > self.epoch {
            return match sequence.first {
                0 => Judgement::Next,
                _ => Judgement::OutOfOrder { expected: 0 },
            };
        }
        let last = last_sequence(sequence.first, span);
        let same = |sent: &&Sent| sent.first == sequence.first && sent.last == last;
        if let Some(sent) = self.recent.iter().find(same) {
            return Judgement::Duplicate(*sent);
        }
        let Some(newest) = self.recent.back() else {
            return Judgement::Next;
        };
        let expected = last_sequence(newest.last, 2);
        if sequence.first == expected {
            return Judgement::Next;
        }
        Judgement::OutOfOrder { expected }
    }

    /// Remembers a batch that was judged to be the next.
    pub fn record(&mut self, sequence: ProducerSequence, sent: Sent) {
        if sequence.epoch != self.epoch {
            self.epoch = sequence.epoch;
            self.recent.clear();
        }
        if self.recent.len() == WINDOW_BATCHES {
            self.recent.pop_front();
        }
        self.recent.push_back(sent);
    }

    /// Whether the producer has been idle for so long that its history counts no more.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.idle_ms(now) > PRODUCER_IDLE_MS_MAX
    }

    /// Whether nothing need be kept of the producer: it stays expired even if the clock goes back.
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        self.idle_ms(now) > PRODUCER_IDLE_MS_MAX + CLOCK_BACK_MS_MAX
    }

    fn idle_ms(&self, now: Timestamp) -> i64 {
        let last = self.recent.back().map_or(0, |sent| sent.arrival.0);
        now.0.saturating_sub(last)
    }
}

/// The last of `span` records in the producer's own count, which wraps from 2^31−1 to 0.
pub fn last_sequence(first: i32, span: u64) -> i32 {
    let first = u64::try_from(first).unwrap_or(0);
    let last = (first + span - 1) % (1 << 31);
    i32::try_from(last).expect("a number modulo 2^31 is an i32")
}

/// How a producer is named in a partition's table.
pub type Producers = std::collections::HashMap<ProducerId, Producer>;

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(epoch: i16, first: i32) -> ProducerSequence {
        ProducerSequence {
            id: ProducerId(7),
            epoch,
            first,
        }
    }

    fn sent(first: i32, last: i32) -> Sent {
        let base = Offset(u64::try_from(first).expect("a test's sequence"));
        Sent {
            first,
            last,
            base,
            arrival: Timestamp(1),
        }
    }

    #[test]
    fn a_batch_sent_again_is_answered_with_its_first_place() {
        let mut producer = Producer::new(sequence(0, 0), sent(0, 4));
        for first in [5, 10, 15, 20] {
            producer.record(sequence(0, first), sent(first, first + 4));
        }
        assert_eq!(
            producer.judge(sequence(0, 0), 5),
            Judgement::Duplicate(sent(0, 4))
        );
        producer.record(sequence(0, 25), sent(25, 29));
        assert_eq!(
            producer.judge(sequence(0, 0), 5),
            Judgement::OutOfOrder { expected: 30 }
        );
        assert_eq!(producer.judge(sequence(0, 30), 1), Judgement::Next);
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
        let mut producer = Producer::new(sequence(3, 100), sent(100, 100));
        assert_eq!(
            producer.judge(sequence(4, 101), 1),
            Judgement::OutOfOrder { expected: 0 }
        );
        assert_eq!(producer.judge(sequence(4, 0), 1), Judgement::Next);
        producer.record(sequence(4, 0), sent(0, 0));
        assert_eq!(
            producer.judge(sequence(3, 101), 1),
            Judgement::StaleEpoch { current: 4 }
        );
    }

    #[test]
    fn what_is_forgotten_stays_expired_when_the_clock_goes_back() {
        let producer = Producer::new(sequence(0, 0), sent(0, 0));
        let after = |ms| Timestamp(1 + PRODUCER_IDLE_MS_MAX + ms);
        assert!(!producer.is_expired(after(0)));
        assert!(producer.is_expired(after(1)));
        assert!(!producer.is_forgotten(after(CLOCK_BACK_MS_MAX)));
        assert!(producer.is_forgotten(after(CLOCK_BACK_MS_MAX + 1)));
    }

    #[test]
    fn sequences_wrap_after_the_largest() {
        let producer = Producer::new(sequence(0, i32::MAX - 1), sent(i32::MAX - 1, i32::MAX));
        assert_eq!(producer.judge(sequence(0, 0), 3), Judgement::Next);
        assert_eq!(last_sequence(i32::MAX, 3), 1);
    }
}
