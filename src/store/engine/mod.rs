//! The engine is a sequencer: intents go in, outcomes come out, all or nothing (design §6).
//!
//! Preconditions are decided inside [`Engine::commit`] and state is read through the engine too,
//! so that a coordinator elsewhere can take the place of this process's memory.

mod local;
mod memory;
mod sequencer;
mod shown;
#[cfg(test)]
mod suite;
mod watchers;

pub use local::{ALIGNMENT, aligned, bytes_before_lone_batch};
pub use local::{Directory, Local, LocalSettings, OpenError, Pace};
#[cfg(test)]
pub use local::{Disk, DiskFile, Open};
pub use memory::Memory;
pub use watchers::Watch;

use super::batch::Batch;
use super::state::{Entry, Key, Value};
use super::{Offset, PartitionId, Position, ProducerId, Timestamp};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::ops::Range;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::oneshot;

/// The one interface to what is kept. Every engine passes the same suite.
pub trait Engine: Send + Sync + 'static {
    /// Sequences `atoms`, each all or nothing, in the order of the calls, and answers each in
    /// turn once everything it contains or observed is durable. Dropping the answer changes
    /// nothing.
    fn commit(&self, atoms: Vec<Atom>) -> Answer;

    /// The same for a task that has nothing else to do until the answer is there: while nobody
    /// else writes, the engine may make the commit durable on the calling thread, which spares it
    /// the way over others.
    fn commit_and_wait(&self, atoms: Vec<Atom>) -> Answer {
        self.commit(atoms)
    }

    /// Waits until `bytes` more may be committed without the queue passing its bound.
    fn admit(&self, bytes: usize) -> BoxFuture<'_, Result<(), EngineError>>;

    /// One value of the keyed state.
    fn get(&self, key: &Key) -> Observed<Option<Entry>>;

    /// Values of the keyed state in key order, at most `count_max`.
    fn scan(&self, range: Range<Key>, count_max: usize) -> Observed<Vec<(Key, Entry)>>;

    /// The newest commit that changed a stream: whoever has read one since then need not read it
    /// again. Waits for nobody.
    fn streams_changed(&self) -> Position;

    /// Where a partition begins and ends for readers; `None` once its stream is gone.
    fn status(&self, partition: PartitionId) -> Option<Status>;

    /// Whole durable batches from the one that holds `from` on. Empty at the end.
    fn read(&self, read: Read) -> BoxFuture<'static, Result<Vec<Run>, ReadError>>;

    /// Finds one durable batch; `None` if there is no such one.
    fn seek(
        &self,
        partition: PartitionId,
        seek: Seek,
    ) -> BoxFuture<'static, Result<Option<BatchInfo>, ReadError>>;

    /// A wait for partitions to grow, which are still to be named. No growth from then on is
    /// lost.
    fn watch(&self) -> Watch;

    /// Waits until everything up to `position` is durable.
    fn durable(&self, position: Position) -> BoxFuture<'static, Result<(), EngineError>>;

    /// Resolves with the reason once the engine can no longer write; the process should stop.
    fn failed(&self) -> BoxFuture<'static, EngineError>;

    /// Refuses new commits, makes the queued ones durable, writes a checkpoint.
    fn stop(&self) -> BoxFuture<'static, ()>;
}

/// What is decided together: every intent takes effect, or none does.
pub type Atom = Vec<Intent>;

/// One change, with its precondition.
#[derive(Clone, Debug)]
pub enum Intent {
    /// Adds a batch at the partition's end. An idempotent producer's batch is judged here.
    Append(Append),
    /// Sets a value of the keyed state, or with `None` removes it.
    Put {
        key: Key,
        value: Option<Value>,
        expect: Expect,
    },
    /// Changes nothing; only demands.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for leases; the suite proves it")
    )]
    Require { key: Key, expect: Expect },
    /// Makes a new, empty partition.
    Open { partition: PartitionId },
    /// Moves a partition's log start forward; a lower one changes nothing.
    Trim { partition: PartitionId, to: Offset },
    /// Ends a partition and all its batches.
    Drop { partition: PartitionId },
}

/// A batch to be appended.
#[derive(Clone, Debug)]
pub struct Append {
    pub partition: PartitionId,
    /// The partition that the producer named; its idempotence is judged there (design §2).
    pub named: PartitionId,
    pub batch: Batch,
    pub times: AppendTimes,
}

/// Whose time the batch's records carry; the engine knows the arrival time only when it places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendTimes {
    /// The producer's.
    Kept,
    /// The arrival, as CreateTime: base and maximum timestamps are overwritten.
    Created,
    /// The arrival, as LogAppendTime: bit 3 and the maximum timestamp are overwritten.
    Appended,
}

/// What the keyed state must hold for an intent to take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Anything,
    Absent,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for leases; the suite proves it")
    )]
    Present,
    /// Exactly the value that the commit at this position wrote.
    Version(Position),
}

/// The answers to [`Engine::commit`], one for each atom.
pub type Answer = oneshot::Receiver<Result<Vec<Decision>, EngineError>>;

/// An atom's outcomes, one for each intent, or the refusal that voided it.
pub type Decision = Result<Vec<Outcome>, Refusal>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The batch is at `base`.
    Placed(Placed),
    /// The producer had sent this batch before; it is at `base`.
    Duplicate(Placed),
    /// The change is made.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub base: Offset,
    pub arrival: Timestamp,
    /// The partition's log start at that moment.
    pub log_start: Offset,
}

/// Why an atom was voided, in the words of the first intent that could not take effect.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("partition {0} does not exist")]
    UnknownPartition(PartitionId),
    #[error("producer {producer} sent sequence {found} where {expected} was due")]
    OutOfOrderSequence {
        producer: ProducerId,
        expected: i32,
        found: i32,
    },
    #[error("producer {producer} has epoch {current}, not {found}")]
    StaleEpoch {
        producer: ProducerId,
        current: i16,
        found: i16,
    },
    #[error("{key:?} is not as expected")]
    Unexpected { key: Key },
    #[error("offset {to} is beyond the end {end}")]
    BeyondEnd { to: Offset, end: Offset },
    #[error("the disk is full")]
    Full,
}

/// Why the engine no longer answers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    #[error("the server is stopping")]
    Stopping,
    #[error("{0}")]
    Failed(Arc<str>),
}

/// Why a read was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error("partition {0} does not exist")]
    UnknownPartition(PartitionId),
    #[error("offset {from} is outside {start}..={end}")]
    OutOfRange {
        from: Offset,
        start: Offset,
        end: Offset,
    },
    #[error("{0}")]
    Disk(Arc<str>),
}

/// A state that was read, with the position a reply that tells of it has to wait for.
#[derive(Clone, Debug)]
pub struct Observed<T> {
    pub value: T,
    pub position: Position,
}

/// A partition as readers see it: only what is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub log_start: Offset,
    /// The end of what is durable; never goes back.
    pub high_watermark: Offset,
    /// Arrival of the newest durable batch; −1 before the first.
    pub last_arrival: Timestamp,
    /// Bytes of durable batches that are kept.
    pub bytes: u64,
}

/// What to read: whole batches until `bytes_max` is reached; the first one comes whatever its
/// size.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    pub partition: PartitionId,
    pub from: Offset,
    pub bytes_max: usize,
}

/// Consecutive batches of one partition in one buffer, nothing between them.
#[derive(Clone, Debug)]
pub struct Run {
    pub bytes: Bytes,
    /// One for each batch in `bytes`, in order.
    pub batches: Vec<BatchInfo>,
}

/// What the log keeps about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchInfo {
    pub base: Offset,
    /// First offset after the batch.
    pub next: Offset,
    pub bytes: u32,
    pub arrival: Timestamp,
    pub max_timestamp: Timestamp,
    /// The partition the producer named.
    pub named: PartitionId,
}

/// What to look for in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// The first batch that arrived at or after this time.
    Arrival(Timestamp),
    /// The first batch whose maximum timestamp is at or after this time.
    Timestamp(Timestamp),
    /// The first batch with the largest maximum timestamp.
    MaxTimestamp,
    /// The batch that holds this offset.
    Offset(Offset),
    /// The first batch from which on at most this many bytes are kept.
    TailBytes(u64),
}
