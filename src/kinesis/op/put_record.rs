//! PutRecord: one record to the shard that owns its hash key (spec C.2).

use crate::kinesis::answer::Answer;
use crate::kinesis::base64::Encoded;
use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::{self, Raw, structure};
use crate::kinesis::scan::{Scan, once};
use crate::kinesis::sequence::SequenceNumber;
use crate::kinesis::shape::{
    HASH_KEY_PATTERN, Length, SEQUENCE_NUMBER, STREAM_ARN, STREAM_ID, STREAM_NAME, Shape, matching,
    text,
};
use crate::kinesis::writer::{self, Data, Entry, Packed, StoredBatch};
use crate::kinesis::{shard_id, stream};
use crate::store::{Name, Shard, StoreError, Stream};
use bytes::Bytes;
use serde::Serialize;

/// Largest data of one record in any stream.
const DATA_BYTES_MAX: usize = 10 << 20;
/// Digits of the numbers that this server gives; fewer mean a smaller number.
const SEQUENCE_DIGITS: usize = 56;

pub const PARTITION_KEY: Shape = text(1..=256);
pub const EXPLICIT_HASH_KEY: Shape = matching(HASH_KEY_PATTERN);
pub const DATA: Shape = Shape::Blob(Length::at_most(DATA_BYTES_MAX));

/// The body: it is read where it lies.
pub type Input = Raw;

structure! {
    pub struct Fields = "PutRecordInput" {
        sequence_number_for_ordering: Option<String> =
            "SequenceNumberForOrdering", SEQUENCE_NUMBER;
        partition_key: String = "PartitionKey", PARTITION_KEY;
        explicit_hash_key: Option<String> = "ExplicitHashKey", EXPLICIT_HASH_KEY;
        data: Bytes = "Data", DATA;
        stream_name: Option<String> = "StreamName", STREAM_NAME;
        stream_arn: Option<String> = "StreamARN", STREAM_ARN;
        _stream_id: Option<String> = "StreamId", STREAM_ID;
        dry_run: Option<bool> = "DryRun", Shape::Boolean;
    }
}

/// What is asked, by reference.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    entry: Entry<'a>,
    stream_name: Option<&'a str>,
    stream_arn: Option<&'a str>,
    sequence_number_for_ordering: Option<&'a str>,
    dry_run: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    shard_id: String,
    sequence_number: String,
}

impl Answer for Output {}

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
    let mut stored = writer::append(cx, packed).await.map_err(worded)?;
    let stored = stored.batches.pop();
    let stored = stored.unwrap_or(Err(StoreError::Stopping));
    let StoredBatch { shard, first } = stored.map_err(worded)?;
    Ok(Output {
        shard_id: shard_id::format(shard),
        sequence_number: first.to_string(),
    })
}

fn pack(cx: &Cx, asked: &Asked<'_>) -> Result<(Name, Packed), ApiError> {
    let stream = stream::named(cx, asked.stream_name, asked.stream_arn)?;
    let packed = writer::pack(&stream, &[asked.entry])?;
    if let Some(number) = asked.sequence_number_for_ordering {
        for shard in packed.shards() {
            check_ordering(cx, &stream, shard, number)?;
        }
    }
    if asked.dry_run {
        return Err(ApiError::dry_run());
    }
    Ok((stream.name.clone(), packed))
}

/// The number that the record gets must be larger than the one given. It is, if that one was
/// given out before: offsets only grow, and so do stamps.
fn check_ordering(cx: &Cx, stream: &Stream, shard: &Shard, number: &str) -> Result<(), ApiError> {
    let is_valid = match SequenceNumber::parse(number) {
        Some(found) if is_of(shard, found) => {
            let partition = cx.store.partition(stream, shard.partition)?;
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

impl<'a> Asked<'a> {
    /// A legal request as clients write it; `None` for anything else.
    fn scanned(body: &'a [u8]) -> Option<Asked<'a>> {
        let (mut name, mut arn) = (None, None);
        let mut entry = Scanned::default();
        Scan::body(body, |scan, member| match member {
            b"StreamName" => once(&mut name, scan.legal(&STREAM_NAME)?),
            b"StreamARN" => once(&mut arn, scan.legal(&STREAM_ARN)?),
            _ => entry.member(scan, member),
        })?;
        Some(Asked {
            entry: entry.whole()?,
            stream_name: name,
            stream_arn: arn,
            sequence_number_for_ordering: None,
            dry_run: false,
        })
    }
}

impl<'a> From<&'a Fields> for Asked<'a> {
    fn from(fields: &'a Fields) -> Asked<'a> {
        Asked {
            entry: Entry {
                partition_key: &fields.partition_key,
                explicit_hash_key: fields.explicit_hash_key.as_deref(),
                data: Data::Decoded(&fields.data),
            },
            stream_name: fields.stream_name.as_deref(),
            stream_arn: fields.stream_arn.as_deref(),
            sequence_number_for_ordering: fields.sequence_number_for_ordering.as_deref(),
            dry_run: fields.dry_run == Some(true),
        }
    }
}

/// An entry whose members are being read.
#[derive(Default)]
pub struct Scanned<'a> {
    partition_key: Option<&'a str>,
    explicit_hash_key: Option<&'a str>,
    data: Option<Encoded<'a>>,
}

impl<'a> Scanned<'a> {
    /// Reads a member's value, if it is one of an entry and legal.
    pub fn member(&mut self, scan: &mut Scan<'a>, member: &[u8]) -> Option<()> {
        match member {
            b"Data" => once(&mut self.data, scan.legal_blob(&DATA)?),
            b"PartitionKey" => once(&mut self.partition_key, scan.legal(&PARTITION_KEY)?),
            b"ExplicitHashKey" => {
                once(&mut self.explicit_hash_key, scan.legal(&EXPLICIT_HASH_KEY)?)
            }
            _ => None,
        }
    }

    /// The entry, if nothing is missing.
    pub fn whole(self) -> Option<Entry<'a>> {
        Some(Entry {
            partition_key: self.partition_key?,
            explicit_hash_key: self.explicit_hash_key,
            data: Data::Encoded(self.data?),
        })
    }
}

#[cfg(test)]
mod tests;
