//! GetRecords: the next records of a shard, from whichever protocol they came (spec C.6).

use crate::kinesis::answer::{self, Body};
use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::input;
use crate::kinesis::iterator::{EXPIRES_AFTER_MS, ShardIterator};
use crate::kinesis::page::Page;
use crate::kinesis::records_json::RecordsJson;
use crate::kinesis::shape::{STREAM_ARN, STREAM_ID, Shape, integer, text};
use crate::kinesis::{date, shard_id, stream};
use crate::store::{Offset, Shard, Status, Stream, Timestamp};
use serde::Serialize;
use std::sync::Arc;

/// Records of one answer at most, and when the request does not say.
const RECORDS_MAX: usize = 10_000;

input! {
    pub struct Input = "GetRecordsInput" {
        limit: Option<usize> = "Limit", integer(1..=10_000);
        shard_iterator: String = "ShardIterator", text(1..=512);
        stream_arn: Option<String> = "StreamARN", STREAM_ARN;
        _stream_id: Option<String> = "StreamId", STREAM_ID;
        dry_run: Option<bool> = "DryRun", Shape::Boolean;
    }
}

/// The records are written already; the other members follow them.
#[derive(Debug)]
pub struct Output {
    records: RecordsJson,
    rest: Rest,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rest {
    /// Absent exactly when `child_shards` is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_shard_iterator: Option<String>,
    millis_behind_latest: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    child_shards: Option<Vec<ChildShard>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChildShard {
    shard_id: String,
    parent_shards: Vec<String>,
    hash_key_range: HashKeyRange,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct HashKeyRange {
    starting_hash_key: String,
    ending_hash_key: String,
}

impl answer::Output for Output {
    fn body(self) -> Result<Body, ApiError> {
        let rest = serde_json::to_vec(&self.rest);
        let mut rest = rest.map_err(|error| ApiError::internal(error.to_string()))?;
        // Of an object of their own they become further members.
        rest.splice(..1, *b"],");
        Ok(self.records.finish(&rest))
    }
}

pub async fn handle(cx: &Cx, input: Input) -> Result<Output, ApiError> {
    let iterator = ShardIterator::parse(&input.shard_iterator)
        .ok_or_else(|| ApiError::invalid_argument("Invalid ShardIterator."))?;
    let now = cx.clock.now();
    if iterator.is_expired(now) {
        return Err(expired(iterator.created, now));
    }
    if input.stream_arn.is_some() {
        stream::name_of(cx, Some(&iterator.stream), input.stream_arn.as_deref())?;
    }
    let stream = found_again(cx, &iterator)?;
    let unknown = || stream::unknown_shard(cx, &stream.name, iterator.shard);
    let shard = Arc::new(stream.shard(iterator.shard).cloned().ok_or_else(unknown)?);
    let partition = cx.store.partition(&stream, shard.partition)?;
    if input.dry_run == Some(true) {
        return Err(ApiError::dry_run());
    }
    let status = partition.status().map_err(|_| unknown())?;
    let next = iterator.position.max(status.log_start);
    let count_max = input.limit.unwrap_or(RECORDS_MAX);
    let page = Page::new(shard.clone(), next, end(&shard, status), count_max);
    let page = cx.reader.fill(&partition, page).await?;
    let next = ShardIterator {
        position: page.next,
        created: now,
        ..iterator
    };
    Ok(answer(&stream, &shard, page, next))
}

/// What a page comes to. At the shard's end its children take the place of the next iterator.
fn answer(stream: &Stream, shard: &Shard, page: Page, next: ShardIterator) -> Output {
    let is_ended = shard.closed.is_some_and(|closed| page.next >= closed.end);
    let rest = Rest {
        next_shard_iterator: (!is_ended).then(|| next.to_string()),
        millis_behind_latest: behind(&page, next.created),
        child_shards: is_ended.then(|| children(stream, shard)),
    };
    Output {
        records: page.records,
        rest,
    }
}

/// The iterator's stream, if it is still the one that it was handed out for.
fn found_again(cx: &Cx, iterator: &ShardIterator) -> Result<Arc<Stream>, ApiError> {
    let stream = cx.store.stream(&iterator.stream).ok();
    stream
        .filter(|stream| stream.id == iterator.stream_id)
        .ok_or_else(|| stream::unknown_shard(cx, &iterator.stream, iterator.shard))
}

/// Where the shard's durable records end.
fn end(shard: &Shard, status: Status) -> Offset {
    let tip = status.high_watermark;
    shard.closed.map_or(tip, |closed| closed.end.min(tip))
}

/// Milliseconds between the records on the page and the tip; 0 only at the tip.
fn behind(page: &Page, now: Timestamp) -> i64 {
    match page.reached {
        Some(reached) if page.next < page.end => (now.0 - reached.0).max(1),
        _ => 0,
    }
}

fn children(stream: &Stream, shard: &Shard) -> Vec<ChildShard> {
    let children = stream
        .shards
        .iter()
        .filter(|child| child.parents.contains(&shard.number));
    let child = |child: &Shard| ChildShard {
        shard_id: shard_id::format(child.number),
        parent_shards: child
            .parents
            .iter()
            .map(|parent| shard_id::format(*parent))
            .collect(),
        hash_key_range: HashKeyRange {
            starting_hash_key: child.range.start.0.to_string(),
            ending_hash_key: child.range.end.0.to_string(),
        },
    };
    children.map(child).collect()
}

fn expired(created: Timestamp, now: Timestamp) -> ApiError {
    ApiError::expired_iterator(format!(
        "Iterator expired. The iterator was created at time {} while right now it is {} which is \
         further in the future than the tolerated delay of {EXPIRES_AFTER_MS} milliseconds.",
        date::java(created),
        date::java(now)
    ))
}

#[cfg(test)]
mod tests;
