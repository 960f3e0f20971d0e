//! A partition as the faces use it: append, read, find, trim, and wait for growth.

use super::batch::Batch;
use super::engine::{Answer, Atom, BatchInfo, Refusal};
use super::engine::{
    Append, AppendTimes, Decision, Intent, Outcome, Placed, Read, Run, Seek, Status, Watch,
};
use super::error::StoreError;
use super::state::Counter;
use super::stream::Stream;
use super::view::{View, answered};
use super::{Offset, PartitionId, PartitionIndex, ProducerId};
use std::future::Future;

/// Producer ids reserved by one commit, so that most of them cost none.
const PRODUCER_IDS_RESERVED: u64 = 1000;

/// A batch to be appended, and whose time its records carry.
#[derive(Clone, Debug)]
pub struct NewBatch {
    pub partition: PartitionId,
    pub batch: Batch,
    pub times: AppendTimes,
}

/// What the task that appends does until its batches are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Something else.
    GoesOn,
    /// Nothing: its thread may as well take them to the disk.
    Waits,
}

impl View {
    /// One partition of a stream.
    pub fn partition(
        &self,
        stream: &Stream,
        index: PartitionIndex,
    ) -> Result<Partition, StoreError> {
        let unknown = || StoreError::UnknownPartition {
            stream: stream.name.clone(),
            index,
        };
        let id = stream.partition(index).ok_or_else(unknown)?;
        Ok(Partition {
            view: self.clone(),
            id,
        })
    }

    /// Waits until `bytes` more may be appended without the queue passing its bound.
    pub async fn admit(&self, bytes: usize) -> Result<(), StoreError> {
        Ok(self.engine().admit(bytes).await?)
    }

    /// Appends batches, each on its own terms. All have their places, or their refusals, when
    /// this returns; the future tells once that is durable.
    pub fn append(
        &self,
        batches: Vec<NewBatch>,
        caller: Caller,
    ) -> impl Future<Output = Vec<Result<Placed, StoreError>>> + use<> {
        let count = batches.len();
        let atoms = atoms(batches);
        let answer = match caller {
            Caller::GoesOn => self.engine().commit(atoms),
            Caller::Waits => self.engine().commit_and_wait(atoms),
        };
        placed_each(answer, count)
    }

    /// A partition that was found before; it may be gone by now.
    pub fn partition_of(&self, id: PartitionId) -> Partition {
        Partition {
            view: self.clone(),
            id,
        }
    }

    /// A wait for partitions to grow, which are still to be named.
    pub fn watch(&self) -> Watch {
        self.engine().watch()
    }

    /// An id for an idempotent producer, never given out before and never again.
    pub async fn new_producer_id(&self) -> Result<ProducerId, StoreError> {
        loop {
            if let Some(id) = self.store.producer_ids.lock().next() {
                return Ok(ProducerId(id.cast_signed()));
            }
            let counter = self.counter(Counter::Producer, 0);
            let atom = vec![counter.advanced_to(counter.next + PRODUCER_IDS_RESERVED)];
            match self.commit(atom).await? {
                Ok(_) => {
                    let reserved = counter.next..counter.next + PRODUCER_IDS_RESERVED;
                    *self.store.producer_ids.lock() = reserved;
                }
                Err(Refusal::Unexpected { .. }) => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }
}

fn atoms(batches: Vec<NewBatch>) -> Vec<Atom> {
    let atom = |new: NewBatch| {
        let NewBatch {
            partition,
            batch,
            times,
        } = new;
        vec![Intent::Append(Append {
            partition,
            named: partition,
            batch,
            times,
        })]
    };
    batches.into_iter().map(atom).collect()
}

async fn placed_each(answer: Answer, count: usize) -> Vec<Result<Placed, StoreError>> {
    match answered(answer).await {
        Ok(decisions) => decisions.into_iter().map(placed).collect(),
        Err(error) => vec![Err(error); count],
    }
}

fn placed(decision: Decision) -> Result<Placed, StoreError> {
    match decision?.first() {
        Some(Outcome::Placed(placed) | Outcome::Duplicate(placed)) => Ok(*placed),
        Some(Outcome::Done) | None => Err(StoreError::PartitionGone),
    }
}

/// One partition, through one request's view.
#[derive(Clone)]
pub struct Partition {
    view: View,
    id: PartitionId,
}

impl Partition {
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// Where the partition begins and ends for readers.
    pub fn status(&self) -> Result<Status, StoreError> {
        self.view
            .engine()
            .status(self.id)
            .ok_or(StoreError::PartitionGone)
    }

    /// Whole batches from the one that holds `from` on, at least one if there is any, until
    /// `bytes_max` is reached. Empty at the end.
    pub async fn read(&self, from: Offset, bytes_max: usize) -> Result<Vec<Run>, StoreError> {
        let read = Read {
            partition: self.id,
            from,
            bytes_max,
        };
        Ok(self.view.engine().read(read).await?)
    }

    pub async fn seek(&self, seek: Seek) -> Result<Option<BatchInfo>, StoreError> {
        Ok(self.view.engine().seek(self.id, seek).await?)
    }

    /// Moves the log start forward to `to` and waits until that is durable.
    #[cfg(test)]
    pub async fn trim(&self, to: Offset) -> Result<(), StoreError> {
        let atom = vec![Intent::Trim {
            partition: self.id,
            to,
        }];
        Ok(self.view.commit(atom).await?.map(drop)?)
    }
}
