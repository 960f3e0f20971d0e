//! GetShardIterator: a place in a shard, good for five minutes (spec C.5).

use crate::kinesis::answer::Answer;
use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::input;
use crate::kinesis::iterator::ShardIterator;
use crate::kinesis::sequence::SequenceNumber;
use crate::kinesis::shape::{
    SEQUENCE_NUMBER, SHARD_ID, STREAM_ARN, STREAM_ID, STREAM_NAME, Shape, choice,
};
use crate::kinesis::{shard_id, stream};
use crate::store::{Offset, Partition, Seek, Shard, ShardNumber, StoreError, Stream, Timestamp};
use serde::Serialize;

/// How far ahead of this server's clock a client's may be.
const CLOCK_SKEW_MS_MAX: i64 = 5_000;

input! {
    pub struct Input = "GetShardIteratorInput" {
        shard_id: String = "ShardId", SHARD_ID;
        iterator_type: String = "ShardIteratorType", choice(&[
            "AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER",
            "TRIM_HORIZON",
        ]);
        starting_sequence_number: Option<String> = "StartingSequenceNumber", SEQUENCE_NUMBER;
        stream_name: Option<String> = "StreamName", STREAM_NAME;
        timestamp: Option<Timestamp> = "Timestamp", Shape::Timestamp;
        stream_arn: Option<String> = "StreamARN", STREAM_ARN;
        _stream_id: Option<String> = "StreamId", STREAM_ID;
        dry_run: Option<bool> = "DryRun", Shape::Boolean;
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    shard_iterator: String,
}

impl Answer for Output {}

pub async fn handle(cx: &Cx, input: Input) -> Result<Output, ApiError> {
    let name = stream::name_of(
        cx,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    let number =
        shard_id::parse(&input.shard_id).ok_or_else(|| no_such_id(cx, name, &input.shard_id))?;
    let unknown = || stream::unknown_shard(cx, name, number);
    let stream = cx.store.stream(name).map_err(|error| match error {
        StoreError::UnknownStream(_) => unknown(),
        other => other.into(),
    })?;
    let shard = stream.shard(number).ok_or_else(unknown)?;
    let start = Asked {
        cx,
        stream: &stream,
        shard,
    }
    .start(&input)?;
    let partition = cx.store.partition(&stream, shard.partition)?;
    let position = position(shard, &partition, start).await?;
    if input.dry_run == Some(true) {
        return Err(ApiError::dry_run());
    }
    let iterator = ShardIterator {
        stream: stream.name.clone(),
        stream_id: stream.id,
        shard: number,
        position,
        created: cx.clock.now(),
    };
    Ok(Output {
        shard_iterator: iterator.to_string(),
    })
}

/// Where to start, in the words of the request.
#[derive(Clone, Copy, Debug)]
enum Start {
    Horizon,
    Tip,
    Offset(Offset),
    Arrival(Timestamp),
}

/// What a start is asked of, which the messages name.
struct Asked<'a> {
    cx: &'a Cx,
    stream: &'a Stream,
    shard: &'a Shard,
}

impl Asked<'_> {
    fn start(&self, input: &Input) -> Result<Start, ApiError> {
        let kind = input.iterator_type.as_str();
        match (kind, &input.starting_sequence_number, input.timestamp) {
            ("TRIM_HORIZON" | "LATEST", Some(_), _) => {
                Err(either(kind, "also a StartingSequenceNumber"))
            }
            ("TRIM_HORIZON", None, _) => Ok(Start::Horizon),
            ("LATEST", None, _) => Ok(Start::Tip),
            ("AT_TIMESTAMP", _, Some(at)) => self.arrival(at),
            ("AT_TIMESTAMP", _, None) => Err(ApiError::invalid_argument(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. \
                 Current request has no timestamp parameter.",
            )),
            (_, None, _) => Err(either(kind, "no StartingSequenceNumber")),
            (_, Some(number), _) => {
                let found = self.number(number)?;
                // A position number stands before the record that it names.
                let is_after = kind == "AFTER_SEQUENCE_NUMBER" && !found.is_position();
                Ok(Start::Offset(found.offset.plus(u64::from(is_after))))
            }
        }
    }

    fn arrival(&self, at: Timestamp) -> Result<Start, ApiError> {
        let now = self.cx.clock.now();
        if at.0 <= now.0 + CLOCK_SKEW_MS_MAX {
            return Ok(Start::Arrival(at));
        }
        Err(ApiError::invalid_argument(format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
             timestampInMillis: {at}, currentTimestampInMillis: {now}"
        )))
    }

    fn number(&self, text: &str) -> Result<SequenceNumber, ApiError> {
        let Asked { cx, stream, shard } = self;
        let invalid = |why: &str| {
            ApiError::invalid_argument(format!(
                "StartingSequenceNumber {text} used in GetShardIterator on shard {} in stream {} \
                 under account {} is invalid{why}.",
                shard_id::format(shard.number),
                stream.name,
                cx.config.account_id
            ))
        };
        let found = SequenceNumber::parse(text).ok_or_else(|| invalid(""))?;
        if found.shard != shard.number {
            return Err(other_shard(found.shard, shard.number));
        }
        if found.stamp != shard.stamp {
            return Err(invalid(" because it did not come from this stream"));
        }
        Ok(found)
    }
}

/// The offset at which a start lies now; never outside the shard.
async fn position(
    shard: &Shard,
    partition: &Partition,
    start: Start,
) -> Result<Offset, StoreError> {
    let tip = || partition.status().map(|status| status.high_watermark);
    let offset = match start {
        Start::Horizon => shard.first,
        Start::Tip => tip()?,
        Start::Offset(offset) => offset,
        Start::Arrival(at) => match partition.seek(Seek::Arrival(at)).await? {
            Some(found) => found.base,
            None => tip()?,
        },
    };
    let end = shard.closed.map_or(Offset(u64::MAX), |closed| closed.end);
    Ok(offset.clamp(shard.first, end))
}

fn no_such_id(cx: &Cx, name: &str, id: &str) -> ApiError {
    let account = &cx.config.account_id;
    ApiError::resource_not_found(format!(
        "Could not find shard {id} in stream {name} under account {account}."
    ))
}

fn either(kind: &str, what: &str) -> ApiError {
    ApiError::invalid_argument(format!(
        "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and \
         StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. \
         Request specified {kind} and {what}."
    ))
}

fn other_shard(encoded: ShardNumber, used: ShardNumber) -> ApiError {
    ApiError::invalid_argument(format!(
        "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard \
         with {}",
        shard_id::format(encoded),
        shard_id::format(used)
    ))
}
