//! PutRecord: one record to the shard that owns its hash key (spec C.2).

use crate::kinesis::answer::Answer;
use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::input;
use crate::kinesis::sequence::SequenceNumber;
use crate::kinesis::shape::{
    HASH_KEY_PATTERN, Length, SEQUENCE_NUMBER, STREAM_ARN, STREAM_ID, STREAM_NAME, Shape, matching,
    text,
};
use crate::kinesis::writer::{self, Entry, Routed, Stored};
use crate::kinesis::{shard_id, stream};
use crate::store::{Shard, StoreError, Stream};
use bytes::Bytes;
use serde::Serialize;

/// Largest data of one record in any stream.
pub const DATA_BYTES_MAX: usize = 10 << 20;
/// Digits of the numbers that this server gives; fewer mean a smaller number.
const SEQUENCE_DIGITS: usize = 56;

input! {
    pub struct Input = "PutRecordInput" {
        sequence_number_for_ordering: Option<String> =
            "SequenceNumberForOrdering", SEQUENCE_NUMBER;
        partition_key: String = "PartitionKey", text(1..=256);
        explicit_hash_key: Option<String> = "ExplicitHashKey", matching(HASH_KEY_PATTERN);
        data: Bytes = "Data", Shape::Blob(Length::at_most(DATA_BYTES_MAX));
        stream_name: Option<String> = "StreamName", STREAM_NAME;
        stream_arn: Option<String> = "StreamARN", STREAM_ARN;
        _stream_id: Option<String> = "StreamId", STREAM_ID;
        dry_run: Option<bool> = "DryRun", Shape::Boolean;
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    shard_id: String,
    sequence_number: String,
}

impl Answer for Output {}

pub async fn handle(cx: &Cx, input: Input) -> Result<Output, ApiError> {
    let stream = stream::named(
        cx,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    let entries = [Entry {
        partition_key: input.partition_key,
        explicit_hash_key: input.explicit_hash_key,
        data: input.data,
    }];
    let routed = writer::route(&stream, &entries)?;
    if let Some(number) = &input.sequence_number_for_ordering {
        check_ordering(cx, &stream, &routed[0], number)?;
    }
    if input.dry_run == Some(true) {
        return Err(ApiError::dry_run());
    }
    let worded = |error| stream::worded(cx, &stream.name, error);
    let mut stored = writer::append(cx, &stream, &routed).await.map_err(worded)?;
    let stored = stored
        .pop()
        .unwrap_or(Err(StoreError::Stopping))
        .map_err(worded)?;
    let Stored { shard, sequence } = stored;
    Ok(Output {
        shard_id: shard_id::format(shard),
        sequence_number: sequence.to_string(),
    })
}

/// The number that the record gets must be larger than the one given. It is, if that one was
/// given out before: offsets only grow, and so do stamps.
fn check_ordering(
    cx: &Cx,
    stream: &Stream,
    routed: &Routed<'_>,
    number: &str,
) -> Result<(), ApiError> {
    let is_valid = match SequenceNumber::parse(number) {
        Some(found) if is_of(routed.shard, found) => {
            let partition = cx.store.partition(stream, routed.shard.partition)?;
            let tip = partition.status()?.high_watermark;
            // The place at the tip comes before the next record.
            found.offset < tip || (found.offset == tip && found.is_position())
        }
        Some(_) => true,
        None => number.len() < SEQUENCE_DIGITS,
    };
    if is_valid {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "ExclusiveMinimumSequenceNumber {number} used in PutRecord on stream {} under account {} \
         is invalid.",
        stream.name, cx.config.account_id
    )))
}

fn is_of(shard: &Shard, number: SequenceNumber) -> bool {
    number.shard == shard.number && number.stamp == shard.stamp
}
