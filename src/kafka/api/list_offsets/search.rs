//! The exact record behind a timestamp: the batch by the log's index, then the record inside it.

use super::Found;
use crate::kafka::budget::{Budget, EXPANDED_BYTES_MAX, RECORD_BYTES_MAX};
use crate::kafka::error::{ApiError, Code};
use crate::store::{Batch, BatchInfo, Codec, Offset, Partition, Seek, Timestamp};
use tokio::task::spawn_blocking;

/// The first record at or after this time; none if all are older.
pub async fn from_timestamp(
    budget: &Budget,
    partition: &Partition,
    timestamp: Timestamp,
) -> Result<Option<Found>, ApiError> {
    first(budget, partition, Seek::Timestamp(timestamp), timestamp).await
}

/// The first record with the largest timestamp of all.
pub async fn largest_timestamp(
    budget: &Budget,
    partition: &Partition,
) -> Result<Option<Found>, ApiError> {
    first(budget, partition, Seek::MaxTimestamp, Timestamp(i64::MIN)).await
}

/// The first record of the batch that `seek` finds whose time is at or after `from`, or after the
/// batch's largest if that is what was sought.
async fn first(
    budget: &Budget,
    partition: &Partition,
    seek: Seek,
    from: Timestamp,
) -> Result<Option<Found>, ApiError> {
    let Some(info) = partition.seek(seek).await? else {
        return Ok(None);
    };
    let from = match seek {
        Seek::MaxTimestamp => info.max_timestamp,
        _ => from,
    };
    let start = partition.status()?.log_start;
    let batch = batch(partition, info, start).await?;
    let found = match batch.codec() {
        Ok(Codec::None) => search(&batch, from, start),
        _ => {
            // Of what is compressed, nobody knows how long it takes.
            let turn = budget.opening().await;
            let opening = spawn_blocking(move || {
                let _turn = turn;
                search(&batch, from, start)
            });
            opening.await.map_err(|_| Code::UnknownServerError)?
        }
    };
    // A batch that cannot be read to its end, or whose header lies, is found by its header.
    Ok(Some(found.unwrap_or(Found {
        offset: info.base.max(start),
        timestamp: info.max_timestamp,
    })))
}

async fn batch(partition: &Partition, info: BatchInfo, start: Offset) -> Result<Batch, ApiError> {
    let runs = partition.read(info.base.max(start), 1).await?;
    let run = runs.into_iter().next().ok_or(Code::OffsetOutOfRange)?;
    let length = Batch::length_at(&run.bytes)?;
    Ok(Batch::trusted(run.bytes.slice(..length)))
}

fn search(batch: &Batch, from: Timestamp, start: Offset) -> Option<Found> {
    let mut room_bytes = EXPANDED_BYTES_MAX;
    let records = batch.records(RECORD_BYTES_MAX).map_while(|record| {
        let record = record.ok()?;
        room_bytes = room_bytes.checked_sub(record.bytes_len())?;
        Some(record)
    });
    let mut wanted = records.filter(|record| record.timestamp >= from && record.offset >= start);
    wanted.next().map(|record| Found {
        offset: record.offset,
        timestamp: record.timestamp,
    })
}
