//! Reading ahead: whoever has read on from where it stopped before finds its next read begun.

use super::span::Unchecked;
use crate::store::engine::{Read, ReadError};
use crate::store::{Offset, PartitionId};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Bytes that one read ahead takes from the disk. What its reader has no room for waits for its
/// next request, while one more is under way.
pub const AHEAD_BYTES_MAX: usize = 2 << 20;
/// Readers that are read ahead for at a time: twice the above for each of them is the memory that
/// this may take.
const READERS_MAX: usize = 8;
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
    stock: Stock,
}

/// What there is for a reader already.
#[derive(Default)]
pub struct Stock {
    /// Found where it goes on.
    pub found: Vec<Unchecked>,
    /// What follows.
    pub begun: Option<Begun>,
}

impl Stock {
    fn is_empty(&self) -> bool {
        self.found.is_empty() && self.begun.is_none()
    }
}

impl Ahead {
    /// What there is for whoever asks for this, handed out once; `None` for a reader that was not
    /// expected here.
    pub fn meet(&self, read: &Read) -> Option<Stock> {
        let mut expected = self.expected.lock();
        let is_it = |one: &Expected| one.partition == read.partition && one.from == read.from;
        let found = expected.iter().rposition(is_it)?;
        expected.remove(found).map(|one| one.stock)
    }

    /// Whether one more reader may be read ahead for. Those that ask at the same time may all be
    /// told so.
    pub fn has_room(&self) -> bool {
        let expected = self.expected.lock();
        expected.iter().filter(|one| !one.stock.is_empty()).count() < READERS_MAX
    }

    /// Remembers where a reader will go on, and what there is for it.
    pub fn expect(&self, next: &Read, now: Instant, stock: Stock) {
        let mut expected = self.expected.lock();
        if expected.len() == EXPECTED_MAX {
            expected.pop_front();
        }
        expected.push_back(Expected {
            partition: next.partition,
            from: next.from,
            since: now,
            stock,
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
