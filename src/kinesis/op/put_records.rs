//! PutRecords: many records at once, each with an outcome of its own (spec C.3).

use super::put_record::DATA_BYTES_MAX;
use crate::kinesis::answer::Answer;
use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::{Shaped, input, structure};
use crate::kinesis::shape::{
    HASH_KEY_PATTERN, Length, STREAM_ARN, STREAM_ID, STREAM_NAME, Shape, list, matching, text,
};
use crate::kinesis::writer::{self, Entry, Stored};
use crate::kinesis::{shard_id, stream};
use crate::store::StoreError;
use bytes::Bytes;
use serde::Serialize;

/// Data and partition keys of all entries together.
const REQUEST_BYTES_MAX: usize = 10 << 20;

input! {
    pub struct Input = "PutRecordsInput" {
        records: Vec<RequestEntry> = "Records", list(&ENTRY, 1..=500);
        stream_name: Option<String> = "StreamName", STREAM_NAME;
        stream_arn: Option<String> = "StreamARN", STREAM_ARN;
        _stream_id: Option<String> = "StreamId", STREAM_ID;
        dry_run: Option<bool> = "DryRun", Shape::Boolean;
    }
}

structure! {
    pub struct RequestEntry = "PutRecordsRequestEntry" {
        partition_key: String = "PartitionKey", text(1..=256);
        explicit_hash_key: Option<String> = "ExplicitHashKey", matching(HASH_KEY_PATTERN);
        data: Bytes = "Data", Shape::Blob(Length::at_most(DATA_BYTES_MAX));
    }
}

const ENTRY: Shape = Shape::Structure(RequestEntry::STRUCTURE);

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    failed_record_count: usize,
    records: Vec<ResultEntry>,
}

/// A number and a shard, or an error: never both (spec C.3).
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ResultEntry {
    #[serde(rename_all = "PascalCase")]
    Stored {
        sequence_number: String,
        shard_id: String,
    },
    #[serde(rename_all = "PascalCase")]
    Failed {
        error_code: &'static str,
        error_message: &'static str,
    },
}

impl Answer for Output {}

pub async fn handle(cx: &Cx, input: Input) -> Result<Output, ApiError> {
    let stream = stream::named(
        cx,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    let entry = |entry: RequestEntry| Entry {
        partition_key: entry.partition_key,
        explicit_hash_key: entry.explicit_hash_key,
        data: entry.data,
    };
    let entries: Vec<Entry> = input.records.into_iter().map(entry).collect();
    check_total(&entries)?;
    let routed = writer::route(&stream, &entries)?;
    if input.dry_run == Some(true) {
        return Err(ApiError::dry_run());
    }
    let worded = |error| stream::worded(cx, &stream.name, error);
    let stored = writer::append(cx, &stream, &routed).await.map_err(worded)?;
    if stored
        .iter()
        .all(|stored| matches!(stored, Err(StoreError::PartitionGone)))
    {
        return Err(worded(StoreError::PartitionGone));
    }
    Ok(Output {
        failed_record_count: stored.iter().filter(|stored| stored.is_err()).count(),
        records: stored.into_iter().map(result).collect(),
    })
}

fn result(stored: Result<Stored, StoreError>) -> ResultEntry {
    match stored {
        Ok(Stored { shard, sequence }) => ResultEntry::Stored {
            sequence_number: sequence.to_string(),
            shard_id: shard_id::format(shard),
        },
        Err(error) => {
            tracing::error!(%error, "a record was not stored");
            ResultEntry::Failed {
                error_code: "InternalFailure",
                error_message: "Internal Service Failure",
            }
        }
    }
}

/// The service's own words are not recorded (spec H.2).
fn check_total(entries: &[Entry]) -> Result<(), ApiError> {
    let bytes: usize = entries.iter().map(Entry::bytes_len).sum();
    if bytes <= REQUEST_BYTES_MAX {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "The records of the request take {bytes} bytes, data and partition keys together, which \
         is more than the maximum of {REQUEST_BYTES_MAX} bytes."
    )))
}
