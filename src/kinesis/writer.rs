//! Puts entries into the log: each goes to the shard that owns its hash key, and the entries of
//! one request and shard become one batch, in their order.

use super::base64::Encoded;
use super::cx::Cx;
use super::error::ApiError;
use super::routing;
use super::sequence::SequenceNumber;
use crate::store::{
    AppendTimes, BatchBuilder, Caller, HEADER_BYTES, NewBatch, NewValue, PartitionId, Placed,
    Shard, ShardNumber, StoreError, Stream,
};
use std::collections::HashMap;

/// Header that keeps an explicit hash key, which routes a record but is no part of it (design §4).
pub const EXPLICIT_HASH_KEY: &str = "kinesis.explicit-hash-key";
/// Bytes that a record takes in a batch besides its key, its data and an explicit hash key.
const RECORD_BYTES: usize = 16;

/// A record that a client puts, where it lies in the request.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub partition_key: &'a str,
    pub explicit_hash_key: Option<&'a str>,
    pub data: Data<'a>,
}

/// A record's data as the request was read.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    Encoded(Encoded<'a>),
    Decoded(&'a [u8]),
}

/// Entries as batches, and which record of which batch each of them is.
pub struct Packed {
    batches: Vec<PackedBatch>,
    /// For each entry its batch: the entries of one are its records, in their order.
    places: Vec<usize>,
}

struct PackedBatch {
    shard: Shard,
    new: NewBatch,
}

/// Entries that were tried to store, each by its batch.
pub struct Stored {
    pub batches: Vec<Result<StoredBatch, StoreError>>,
    pub places: Vec<usize>,
}

/// A batch that is stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredBatch {
    pub shard: ShardNumber,
    /// The number of its first record.
    pub first: SequenceNumber,
}

impl Packed {
    /// The shards that the batches go to.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.batches.iter().map(|packed| &packed.shard)
    }
}

impl Entry<'_> {
    /// Bytes that count towards limits.
    pub fn bytes_len(&self) -> usize {
        self.data.bytes_len() + self.partition_key.len()
    }
}

impl NewValue for Data<'_> {
    fn bytes_len(&self) -> usize {
        match self {
            Data::Encoded(data) => data.bytes_len(),
            Data::Decoded(data) => data.len(),
        }
    }

    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Data::Encoded(data) => data.put(to),
            Data::Decoded(data) => data.put(to),
        }
    }
}

/// Finds every entry's shard and builds the batches. An entry that no shard can take refuses the
/// whole request (spec C.1).
pub fn pack(stream: &Stream, entries: &[Entry<'_>]) -> Result<Packed, ApiError> {
    let mut packing = Packing::new(stream, entries);
    for entry in entries {
        let shard = packing.routes.shard(entry)?;
        packing.add(shard, entry)?;
    }
    Ok(packing.finish())
}

/// How entries find their shards.
struct Routes<'a> {
    stream: &'a Stream,
    /// The shard that takes them all, whatever their hash keys.
    only: Option<&'a Shard>,
    bytes_max: usize,
}

impl<'a> Routes<'a> {
    fn new(stream: &'a Stream) -> Routes<'a> {
        Routes {
            stream,
            only: routing::only(stream),
            bytes_max: 1024 * usize::try_from(stream.settings.record_kib_max()).unwrap_or(0),
        }
    }

    fn shard(&self, entry: &Entry<'_>) -> Result<&'a Shard, ApiError> {
        let explicit = |decimal| {
            routing::explicit_hash_key(decimal).ok_or_else(|| invalid_explicit_hash_key(decimal))
        };
        let explicit = entry.explicit_hash_key.map(explicit).transpose()?;
        if entry.bytes_len() > self.bytes_max {
            return Err(record_too_large(entry.bytes_len(), self.bytes_max));
        }
        let owner = self.only.or_else(|| {
            let key = explicit.unwrap_or_else(|| routing::hash_key(entry.partition_key));
            routing::owner(self.stream, key)
        });
        owner.ok_or_else(|| ApiError::internal("no open shard owns the hash key"))
    }
}

/// Batches that are being built.
struct Packing<'a> {
    stream: &'a Stream,
    routes: Routes<'a>,
    batch_bytes_max: usize,
    /// Bytes to reserve for a batch.
    batch_bytes: usize,
    building: Vec<Building<'a>>,
    /// The batch that each shard's next entry goes to.
    open: HashMap<ShardNumber, usize>,
    places: Vec<usize>,
}

struct Building<'a> {
    shard: &'a Shard,
    partition: PartitionId,
    builder: BatchBuilder,
}

impl<'a> Packing<'a> {
    fn new(stream: &'a Stream, entries: &[Entry<'_>]) -> Packing<'a> {
        let routes = Routes::new(stream);
        let batch_bytes_max = stream.settings.batch_bytes_max();
        let bytes = |entry: &Entry<'_>| RECORD_BYTES + entry.bytes_len();
        let bytes = HEADER_BYTES + entries.iter().map(bytes).sum::<usize>();
        let batch_bytes = match routes.only {
            Some(_) => bytes,
            // Shards get about the same; twice that is seldom outgrown.
            None => 2 * bytes / stream.shards.len().clamp(1, entries.len().max(1)),
        };
        Packing {
            stream,
            routes,
            batch_bytes_max,
            batch_bytes: batch_bytes.min(bytes).min(batch_bytes_max),
            building: Vec::new(),
            open: HashMap::new(),
            places: Vec::with_capacity(entries.len()),
        }
    }

    /// A batch is closed before it grows beyond what a Kafka producer may send; a record that is
    /// larger by itself gets a batch of its own.
    fn add(&mut self, shard: &'a Shard, entry: &Entry<'_>) -> Result<(), ApiError> {
        let explicit = entry.explicit_hash_key;
        let header = explicit.map(|key| (EXPLICIT_HASH_KEY.as_bytes(), Some(key.as_bytes())));
        let headers = header.as_slice();
        let (key, value) = (Some(entry.partition_key.as_bytes()), Some(&entry.data));
        let fits = |at: &usize| {
            let builder = &self.building[*at].builder;
            let bytes = builder.bytes_len() + builder.bytes_added_by(key, value, headers);
            bytes <= self.batch_bytes_max
        };
        let last = self.places.last().copied();
        let is_again = last.is_some_and(|at| self.building[at].shard.number == shard.number);
        let open = if is_again {
            last
        } else {
            self.open.get(&shard.number).copied()
        };
        let at = match open.filter(fits) {
            Some(at) => at,
            None => self.open(shard)?,
        };
        self.building[at].builder.push(key, value, headers);
        self.places.push(at);
        Ok(())
    }

    fn open(&mut self, shard: &'a Shard) -> Result<usize, ApiError> {
        let partition = self.stream.partition(shard.partition);
        let building = Building {
            shard,
            partition: partition.ok_or(StoreError::PartitionGone)?,
            builder: BatchBuilder::with_capacity(self.batch_bytes),
        };
        self.building.push(building);
        let at = self.building.len() - 1;
        self.open.insert(shard.number, at);
        Ok(at)
    }

    fn finish(self) -> Packed {
        let batches = self.building.into_iter().filter_map(|building| {
            let new = NewBatch {
                partition: building.partition,
                batch: building.builder.finish()?,
                times: AppendTimes::Created,
            };
            let shard = building.shard.clone();
            Some(PackedBatch { shard, new })
        });
        Packed {
            batches: batches.collect(),
            places: self.places,
        }
    }
}

/// Appends the batches and tells of each once that is durable.
pub async fn append(cx: &Cx, packed: Packed) -> Result<Stored, StoreError> {
    let bytes = |packed: &PackedBatch| packed.new.batch.bytes().len();
    let bytes = packed.batches.iter().map(bytes).sum();
    cx.store.admit(bytes).await?;
    let mut shards = Vec::with_capacity(packed.batches.len());
    let mut batches = Vec::with_capacity(packed.batches.len());
    for PackedBatch { shard, new } in packed.batches {
        shards.push(shard);
        batches.push(new);
    }
    let placed = cx.store.append(batches, Caller::Waits).await;
    let stored = shards.into_iter().zip(placed).map(|(shard, placed)| {
        let Placed { base, arrival, .. } = placed?;
        let first = SequenceNumber::of_record(&shard, base, arrival);
        Ok(StoredBatch {
            shard: shard.number,
            first,
        })
    });
    Ok(Stored {
        batches: stored.collect(),
        places: packed.places,
    })
}

fn invalid_explicit_hash_key(decimal: &str) -> ApiError {
    ApiError::invalid_argument(format!(
        "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified \
         value was {decimal}"
    ))
}

/// The service's own words are not recorded (spec H.2).
fn record_too_large(bytes: usize, bytes_max: usize) -> ApiError {
    ApiError::invalid_argument(format!(
        "A record of {bytes} bytes, data and partition key together, is larger than the stream's \
         maximum of {bytes_max} bytes."
    ))
}

#[cfg(test)]
mod tests;
