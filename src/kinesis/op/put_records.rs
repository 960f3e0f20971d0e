//! PutRecords: many records at once, each with an outcome of its own (spec C.3).

use super::put_record::{DATA, EXPLICIT_HASH_KEY, PARTITION_KEY, Scanned};
use crate::kinesis::answer::{self, Body};
use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::{self, Raw, Shaped, structure};
use crate::kinesis::scan::{Scan, once};
use crate::kinesis::sequence::{DIGITS, Running};
use crate::kinesis::shape::{Length, List, STREAM_ARN, STREAM_ID, STREAM_NAME, Shape};
use crate::kinesis::writer::{self, Data, Entry, Packed, Stored, StoredBatch};
use crate::kinesis::{shard_id, stream};
use crate::store::{Name, StoreError};
use bytes::Bytes;

/// Data and partition keys of all entries together.
const REQUEST_BYTES_MAX: usize = 10 << 20;
/// Elements of `Records`.
const COUNT: Length = Length::of(1..=500);
/// Bytes of one entry's result.
const RESULT_BYTES: usize = 64 + DIGITS;

/// The body: it is read where it lies.
pub type Input = Raw;

structure! {
    pub struct Fields = "PutRecordsInput" {
        records: Vec<RequestEntry> = "Records", Shape::List(List {
            element: &ENTRY,
            length: COUNT,
        });
        stream_name: Option<String> = "StreamName", STREAM_NAME;
        stream_arn: Option<String> = "StreamARN", STREAM_ARN;
        _stream_id: Option<String> = "StreamId", STREAM_ID;
        dry_run: Option<bool> = "DryRun", Shape::Boolean;
    }
}

structure! {
    pub struct RequestEntry = "PutRecordsRequestEntry" {
        partition_key: String = "PartitionKey", PARTITION_KEY;
        explicit_hash_key: Option<String> = "ExplicitHashKey", EXPLICIT_HASH_KEY;
        data: Bytes = "Data", DATA;
    }
}

const ENTRY: Shape = Shape::Structure(RequestEntry::STRUCTURE);

/// What is asked, by reference.
#[derive(Debug)]
struct Asked<'a> {
    entries: Vec<Entry<'a>>,
    stream_name: Option<&'a str>,
    stream_arn: Option<&'a str>,
    dry_run: bool,
}

pub struct Output(Stored);

pub async fn handle(cx: &Cx, Raw(body): Input) -> Result<Output, ApiError> {
    let (bytes, packing) = (body.len(), cx.clone());
    let pack = move || {
        if let Some(asked) = Asked::scanned(&body) {
            return pack(&packing, &asked);
        }
        let fields: Fields = input::decode(&body)?;
        pack(&packing, &Asked::from(&fields))
    };
    let (name, packed) = input::work(bytes, pack).await?;
    let worded = |error| stream::worded(cx, &name, error);
    let stored = writer::append(cx, packed).await.map_err(worded)?;
    let is_gone = |batch: &Result<_, _>| matches!(batch, Err(StoreError::PartitionGone));
    if stored.batches.iter().all(is_gone) {
        return Err(worded(StoreError::PartitionGone));
    }
    Ok(Output(stored))
}

fn pack(cx: &Cx, asked: &Asked<'_>) -> Result<(Name, Packed), ApiError> {
    let stream = stream::named(cx, asked.stream_name, asked.stream_arn)?;
    check_total(&asked.entries)?;
    let packed = writer::pack(&stream, &asked.entries)?;
    if asked.dry_run {
        return Err(ApiError::dry_run());
    }
    Ok((stream.name.clone(), packed))
}

/// The service's own words are not recorded (spec H.2).
fn check_total(entries: &[Entry<'_>]) -> Result<(), ApiError> {
    let bytes: usize = entries.iter().map(Entry::bytes_len).sum();
    if bytes <= REQUEST_BYTES_MAX {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "The records of the request take {bytes} bytes, data and partition keys together, which \
         is more than the maximum of {REQUEST_BYTES_MAX} bytes."
    )))
}

impl<'a> Asked<'a> {
    /// A legal request as clients write it; `None` for anything else.
    fn scanned(body: &'a [u8]) -> Option<Asked<'a>> {
        let (mut entries, mut name, mut arn) = (None, None, None);
        Scan::body(body, |scan, member| match member {
            b"Records" => once(&mut entries, entries_of(scan)?),
            b"StreamName" => once(&mut name, scan.legal(&STREAM_NAME)?),
            b"StreamARN" => once(&mut arn, scan.legal(&STREAM_ARN)?),
            _ => None,
        })?;
        Some(Asked {
            entries: entries?,
            stream_name: name,
            stream_arn: arn,
            dry_run: false,
        })
    }
}

fn entries_of<'a>(scan: &mut Scan<'a>) -> Option<Vec<Entry<'a>>> {
    let mut entries = Vec::new();
    scan.array(|scan| {
        let mut entry = Scanned::default();
        scan.object(|scan, member| entry.member(scan, member))?;
        entries.push(entry.whole()?);
        COUNT
            .max
            .is_none_or(|max| entries.len() <= max)
            .then_some(())
    })?;
    COUNT.holds(entries.len()).then_some(entries)
}

impl<'a> From<&'a Fields> for Asked<'a> {
    fn from(fields: &'a Fields) -> Asked<'a> {
        let entry = |entry: &'a RequestEntry| Entry {
            partition_key: &entry.partition_key,
            explicit_hash_key: entry.explicit_hash_key.as_deref(),
            data: Data::Decoded(&entry.data),
        };
        Asked {
            entries: fields.records.iter().map(entry).collect(),
            stream_name: fields.stream_name.as_deref(),
            stream_arn: fields.stream_arn.as_deref(),
            dry_run: fields.dry_run == Some(true),
        }
    }
}

impl answer::Output for Output {
    /// A number and a shard, or an error: never both (spec C.3).
    fn body(self) -> Result<Body, ApiError> {
        let Output(Stored { batches, places }) = self;
        let is_failed = |place: &&usize| batches.get(**place).is_none_or(Result::is_err);
        let failed = places.iter().filter(is_failed).count();
        let mut results: Vec<Results> = batches.into_iter().map(Results::of).collect();
        let mut out = Vec::with_capacity(RESULT_BYTES * (places.len() + 1));
        out.extend_from_slice(b"{\"FailedRecordCount\":");
        out.extend_from_slice(failed.to_string().as_bytes());
        out.extend_from_slice(b",\"Records\":[");
        for place in places {
            results[place].write_next(&mut out);
            out.push(b',');
        }
        out.pop();
        out.extend_from_slice(b"]}");
        Ok(vec![out])
    }
}

/// The results of one batch's entries, in their order.
enum Results {
    Stored { next: Running, shard_id: String },
    Failed,
}

impl Results {
    fn of(stored: Result<StoredBatch, StoreError>) -> Results {
        match stored {
            Ok(StoredBatch { shard, first }) => Results::Stored {
                next: first.into(),
                shard_id: shard_id::format(shard),
            },
            Err(error) => {
                tracing::error!(%error, "records were not stored");
                Results::Failed
            }
        }
    }

    fn write_next(&mut self, out: &mut Vec<u8>) {
        match self {
            Results::Stored { next, shard_id } => {
                out.extend_from_slice(b"{\"SequenceNumber\":\"");
                next.write(out);
                out.extend_from_slice(b"\",\"ShardId\":\"");
                out.extend_from_slice(shard_id.as_bytes());
                out.extend_from_slice(b"\"}");
                next.step();
            }
            Results::Failed => out.extend_from_slice(
                b"{\"ErrorCode\":\"InternalFailure\",\
                  \"ErrorMessage\":\"Internal Service Failure\"}",
            ),
        }
    }
}

#[cfg(test)]
pub mod tests;
