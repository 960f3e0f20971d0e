//! What was asked of the server and what it acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A writer's kind decides what may have happened to what was never acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Idempotent and retried until acknowledged: exactly once, in the order of sending.
    Idempotent,
    /// Sent once: at most once.
    Once,
}

/// One record that was sent: `writer` and `number` name it and are its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub kind: Kind,
    pub writer: String,
    pub number: u64,
    /// Where the server said that it is.
    pub acknowledged: Option<(i32, u64)>,
}

/// One record in so many of a writer is long, by turns as long as these.
const LONG_EVERY: u64 = 60;
const LONG_BYTES: [usize; 2] = [100_000, 700_000];

impl Sent {
    /// Names the record. Some are long, for what the server does with large batches alone.
    pub fn value(&self) -> String {
        let mut value = format!("{}:{}", self.writer, self.number);
        if self.kind == Kind::Idempotent && self.number % LONG_EVERY == LONG_EVERY - 1 {
            let long = LONG_BYTES[usize::from(self.number / LONG_EVERY % 2 == 1)];
            value.push_str(&"-".repeat(long));
        }
        value
    }
}

/// A commit's or a stream's last acknowledged state and what was asked after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<T> {
    pub acknowledged: Option<T>,
    /// Asked for, with an unknown end, since the last acknowledgement.
    pub possible: Vec<T>,
}

impl<T> Default for Known<T> {
    fn default() -> Known<T> {
        Known {
            acknowledged: None,
            possible: Vec::new(),
        }
    }
}

impl<T: PartialEq + Clone> Known<T> {
    pub fn asked(&mut self, state: T) {
        self.possible.push(state);
    }

    pub fn acknowledged(&mut self, state: T) {
        self.acknowledged = Some(state);
        self.possible.clear();
    }

    /// Whether the server may be in this state; nothing acknowledged means the initial one.
    pub fn allows(&self, found: &Option<T>) -> bool {
        *found == self.acknowledged
            || self
                .possible
                .iter()
                .any(|state| Some(state) == found.as_ref())
    }

    /// Takes what was found as the state from now on.
    pub fn settle(&mut self, found: Option<T>) {
        self.acknowledged = found;
        self.possible.clear();
    }
}

/// A stream besides the main one: how many partitions it has, or that it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamState {
    Exists { partitions: usize },
    Deleted,
}

/// A committed offset with its metadata.
pub type Committed = (i64, String);

#[derive(Clone, Default)]
pub struct Ledger {
    /// By value, in the order of sending.
    pub sent: BTreeMap<String, Sent>,
    pub commits: BTreeMap<(String, i32), Known<Committed>>,
    pub streams: BTreeMap<String, Known<StreamState>>,
    /// First records of the other streams: value and offset as acknowledged.
    pub first_records: BTreeMap<String, (String, u64)>,
    pub acknowledged_records: u64,
    pub acknowledged_commits: u64,
    pub acknowledged_streams: u64,
    pub problems: BTreeSet<String>,
}

impl Ledger {
    /// Notes where the server says that a record is.
    pub fn placed(&mut self, value: &str, partition: i32, offset: u64) {
        self.acknowledged_records += 1;
        match self.sent.get_mut(value) {
            Some(sent) => sent.acknowledged = Some((partition, offset)),
            None => {
                let problem = format!("{value} was acknowledged and never sent");
                self.problems.insert(problem);
            }
        }
    }
}

/// The ledger as the writers share it.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
