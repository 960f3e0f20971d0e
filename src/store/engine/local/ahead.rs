//! Reading ahead: whoever has read on from where it stopped before finds its next read begun.

use super::span::Unchecked;
use crate::store::engine::{Read, ReadError};
use crate::store::{Offset, PartitionId};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Bytes read ahead for one reader at most.
pub const AHEAD_BYTES_MAX: usize = 2 << 20;
/// Reads under way, or waiting for their reader, at a time: with each of them at its largest this
/// is the memory that reading ahead may take.
const BEGUN_MAX: usize = 16;
/// Readers whose last place is remembered.
const EXPECTED_MAX: usize = 64;
/// What nobody has come for after this long is dropped.
const KEPT: Duration = Duration::from_secs(2);

/// A read that runs on a thread of its own.
pub type Begun = JoinHandle<Result<Vec<Unchecked>, ReadError>>;

/// Where readers are expected to go on, oldest first.
#[derive(Default)]
pub struct Ahead {
    expected: Mutex<VecDeque<Expected>>,
}

struct Expected {
    partition: PartitionId,
    from: Offset,
    since: Instant,
    begun: Option<Begun>,
}

/// What is known of a reader that asks.
pub enum Reader {
    /// It was not expected here.
    New,
    /// It goes on from where it stopped, and perhaps its read was begun.
    Known(Option<Begun>),
}

impl Ahead {
    /// Who asks for this. What was begun for it is handed out once.
    pub fn meet(&self, read: &Read) -> Reader {
        let mut expected = self.expected.lock();
        let is_it = |one: &Expected| one.partition == read.partition && one.from == read.from;
        let found = expected.iter().rposition(is_it);
        match found.and_then(|at| expected.remove(at)) {
            Some(one) => Reader::Known(one.begun),
            None => Reader::New,
        }
    }

    /// Whether one more read may be begun. Readers that ask at the same time may all be told so.
    pub fn has_room(&self) -> bool {
        let expected = self.expected.lock();
        expected.iter().filter(|one| one.begun.is_some()).count() < BEGUN_MAX
    }

    /// Remembers where a reader will go on, and the read that was begun for it.
    pub fn expect(&self, next: &Read, now: Instant, begun: Option<Begun>) {
        let mut expected = self.expected.lock();
        if expected.len() == EXPECTED_MAX {
            expected.pop_front();
        }
        expected.push_back(Expected {
            partition: next.partition,
            from: next.from,
            since: now,
            begun,
        });
    }

    /// Drops what nobody has come for. True if nothing is left.
    pub fn forget(&self, now: Instant) -> bool {
        let mut expected = self.expected.lock();
        while expected.front().is_some_and(|one| now - one.since > KEPT) {
            expected.pop_front();
        }
        expected.is_empty()
    }
}
