//! Puts entries into the log: each goes to the shard that owns its hash key, and the entries of
//! one request and shard become one batch, in their order.

use super::cx::Cx;
use super::error::ApiError;
use super::routing;
use super::sequence::SequenceNumber;
use crate::store::{
    AppendTimes, Batch, BatchBuilder, NewBatch, PartitionId, Placed, Shard, ShardNumber,
    StoreError, Stream,
};
use bytes::Bytes;
use std::collections::HashMap;

/// Header that keeps an explicit hash key, which routes a record but is no part of it (design §4).
pub const EXPLICIT_HASH_KEY: &str = "kinesis.explicit-hash-key";

/// A record that a client puts.
#[derive(Debug)]
pub struct Entry {
    pub partition_key: String,
    pub explicit_hash_key: Option<String>,
    pub data: Bytes,
}

/// Where an entry is now.
#[derive(Debug)]
pub struct Stored {
    pub shard: ShardNumber,
    pub sequence: SequenceNumber,
}

/// An entry with the shard that it goes to.
pub struct Routed<'a> {
    pub entry: &'a Entry,
    pub shard: &'a Shard,
}

impl Entry {
    /// Bytes that count towards limits.
    pub fn bytes_len(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// Finds every entry's shard. An entry that none can take refuses the whole request (spec C.1).
pub fn route<'a>(stream: &'a Stream, entries: &'a [Entry]) -> Result<Vec<Routed<'a>>, ApiError> {
    let bytes_max = 1024 * usize::try_from(stream.settings.record_kib_max()).unwrap_or(0);
    let routed = entries.iter().map(|entry| {
        let key = match &entry.explicit_hash_key {
            Some(decimal) => routing::explicit_hash_key(decimal)
                .ok_or_else(|| invalid_explicit_hash_key(decimal))?,
            None => routing::hash_key(&entry.partition_key),
        };
        if entry.bytes_len() > bytes_max {
            return Err(record_too_large(entry.bytes_len(), bytes_max));
        }
        let shard = routing::owner(stream, key);
        let shard = shard.ok_or_else(|| ApiError::internal("no open shard owns the hash key"))?;
        Ok(Routed { entry, shard })
    });
    routed.collect()
}

/// Appends routed entries and tells of each, in their order, once that is durable.
pub async fn append(
    cx: &Cx,
    stream: &Stream,
    routed: &[Routed<'_>],
) -> Result<Vec<Result<Stored, StoreError>>, StoreError> {
    let packed = pack(stream, routed)?;
    cx.store.admit(packed.bytes_len()).await?;
    let placed = cx.store.append(packed.batches).await;
    let stored = routed.iter().zip(packed.places).map(|(routed, place)| {
        let Placed { base, arrival, .. } = placed
            .get(place.batch)
            .cloned()
            .unwrap_or(Err(StoreError::Stopping))?;
        let offset = base.plus(place.delta);
        let sequence = SequenceNumber::of_record(routed.shard, offset, arrival);
        Ok(Stored {
            shard: routed.shard.number,
            sequence,
        })
    });
    Ok(stored.collect())
}

/// Entries as batches, and which record of which batch each of them is.
struct Packed {
    batches: Vec<NewBatch>,
    places: Vec<PlaceInBatch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PlaceInBatch {
    batch: usize,
    delta: u64,
}

impl Packed {
    fn bytes_len(&self) -> usize {
        self.batches.iter().map(|new| new.batch.bytes().len()).sum()
    }
}

/// A batch is closed before it grows beyond what a Kafka producer may send; a record that is
/// larger by itself gets a batch of its own.
fn pack(stream: &Stream, routed: &[Routed<'_>]) -> Result<Packed, StoreError> {
    let bytes_max = stream.settings.batch_bytes_max();
    let mut building: Vec<(PartitionId, BatchBuilder)> = Vec::new();
    let mut open: HashMap<ShardNumber, usize> = HashMap::new();
    let mut places = Vec::with_capacity(routed.len());
    for Routed { entry, shard } in routed {
        let explicit = entry.explicit_hash_key.as_ref();
        let header = explicit.map(|key| (EXPLICIT_HASH_KEY.as_bytes(), Some(key.as_bytes())));
        let headers = header.as_slice();
        let (key, value) = (Some(entry.partition_key.as_bytes()), Some(&entry.data[..]));
        let fits = |at: &usize| {
            let (_, builder) = &building[*at];
            builder.bytes_len() + builder.bytes_added_by(key, value, headers) <= bytes_max
        };
        let batch = match open.get(&shard.number).copied().filter(fits) {
            Some(at) => at,
            None => {
                let partition = stream.partition(shard.partition);
                let partition = partition.ok_or(StoreError::PartitionGone)?;
                open.insert(shard.number, building.len());
                building.push((partition, BatchBuilder::new()));
                building.len() - 1
            }
        };
        let (_, builder) = &mut building[batch];
        places.push(PlaceInBatch {
            batch,
            delta: u64::from(builder.record_count()),
        });
        builder.push(key, value, headers);
    }
    let batches = building.into_iter().filter_map(|(partition, builder)| {
        let batch: Batch = builder.finish()?;
        Some(NewBatch {
            partition,
            batch,
            times: AppendTimes::Created,
        })
    });
    Ok(Packed {
        batches: batches.collect(),
        places,
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
