//! A stream: a named set of partitions, the shards that generation by generation own them, and
//! one retention and configuration.

use super::settings::Settings;
use super::shard::Shard;
use super::{Name, PartitionId, PartitionIndex, ShardNumber, StreamId, Timestamp};
use minicbor::{Decode, Encode};

/// A stream as the catalogue keeps it. Immutable: a change is a new value under the same name.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Stream {
    #[n(0)]
    pub name: Name,
    #[n(1)]
    pub id: StreamId,
    #[n(2)]
    pub created: Timestamp,
    /// By partition index; a partition lives as long as the stream.
    #[n(3)]
    pub partitions: Vec<PartitionId>,
    /// By shard number, closed ones included until retention has passed.
    #[n(4)]
    pub shards: Vec<Shard>,
    #[n(5)]
    pub settings: Settings,
}

impl Stream {
    /// The log behind a partition number, if the stream has that many.
    pub fn partition(&self, index: PartitionIndex) -> Option<PartitionId> {
        self.partitions.get(usize::try_from(index.0).ok()?).copied()
    }

    pub fn shard(&self, number: ShardNumber) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.number == number)
    }

    /// Shards that take records now; their hash ranges tile the space (design §8, invariant 5).
    pub fn open_shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(|shard| shard.closed.is_none())
    }
}
