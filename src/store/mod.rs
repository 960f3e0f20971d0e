//! Streams, partitions, shards, batches, leases; knows neither protocol.

mod batch;
mod berth;
mod builder;
mod catalog;
mod cluster;
mod codec;
mod crc;
mod engine;
mod error;
mod ids;
mod known;
mod lease;
mod partition;
mod producers;
mod record;
mod records;
mod retention;
mod settings;
mod shard;
mod slots;
mod snappy;
mod state;
mod stream;
mod varint;
mod view;

pub use batch::{Batch, Codec, HEADER_BYTES, Malformed};
pub use berth::{Berth, Incoming, Landed};
pub use builder::{BatchBuilder, NewValue};
pub use catalog::NewStream;
pub use engine::Watch;
pub use engine::{AppendTimes, BatchInfo, Engine, EngineError, Memory, Placed, Run, Seek, Status};
pub use engine::{Directory, Local, LocalSettings, OpenError, Pace};
pub use error::StoreError;
pub use ids::{
    HashKey, Name, Offset, PartitionId, PartitionIndex, Position, ProducerId, ShardNumber, Stamp,
    StreamId, Timestamp,
};
pub use lease::NewCommit;
pub use partition::{Caller, NewBatch, Partition};
#[cfg(test)]
pub use record::{Header, Record};
pub use record::{RecordView, Undecodable};
pub use records::{Records, Walked};
pub use retention::Retention;
pub use settings::Settings;
pub use shard::Shard;
#[cfg(test)]
pub use shard::{Closed, HashRange};
pub use state::{Commit, Group};
pub use stream::Stream;
pub use view::{Store, View};
