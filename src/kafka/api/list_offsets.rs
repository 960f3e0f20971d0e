//! ListOffsets (2): offsets by time, and those of a partition's two ends.
//!
//! v1 one offset each, v2 isolation level and throttle, v4 leader epochs, v6 flexible, v7 the
//! largest timestamp, v8 the earliest local offset, v9 the latest tiered one, v10 a timeout.

mod search;

use crate::kafka::cx::{Cx, LEADER_EPOCH};
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::Reply;
use crate::kafka::topic::{self, TopicRef};
use crate::kafka::wire;
use crate::store::{Offset, Partition, Stream, Timestamp};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse, TopicName};
use std::collections::HashSet;

pub async fn handle(
    cx: &Cx,
    request: ListOffsetsRequest,
    version: i16,
) -> Reply<ListOffsetsResponse> {
    let repeated = repeated(&request);
    let cx = cx.clone();
    Reply::later(async move {
        let mut topics = Vec::with_capacity(request.topics.len());
        for asked in request.topics {
            topics.push(topic(&cx, asked, &repeated, version).await);
        }
        ListOffsetsResponse::default().with_topics(topics)
    })
}

/// What a timestamp asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Earliest,
    Latest,
    LargestTimestamp,
    /// There is no tier, so nothing is in it.
    Nothing,
    From(Timestamp),
}

/// An offset and the timestamp that goes with it; −1 where there is none.
#[derive(Clone, Copy, Debug)]
struct Found {
    offset: Offset,
    timestamp: Timestamp,
}

type Mentions = HashSet<(TopicName, i32)>;

/// Partitions that are named more than once, which is an error for them.
fn repeated(request: &ListOffsetsRequest) -> Mentions {
    let mut seen = HashSet::new();
    let mut repeated = Mentions::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let index = partition.partition_index;
            if !seen.insert((topic.name.as_str(), index)) {
                repeated.insert((topic.name.clone(), index));
            }
        }
    }
    repeated
}

async fn topic(
    cx: &Cx,
    asked: ListOffsetsTopic,
    repeated: &Mentions,
    version: i16,
) -> ListOffsetsTopicResponse {
    let stream = TopicRef::Name(asked.name.clone()).find(cx);
    let mut partitions = Vec::with_capacity(asked.partitions.len());
    for partition in &asked.partitions {
        let is_repeated = !repeated.is_empty()
            && repeated.contains(&(asked.name.clone(), partition.partition_index));
        let found = match &stream {
            _ if is_repeated => Err(Code::InvalidRequest.into()),
            Ok(stream) => offset(cx, stream, partition, version).await,
            Err(error) => Err(error.clone()),
        };
        partitions.push(answer(partition.partition_index, found, version));
    }
    ListOffsetsTopicResponse::default()
        .with_name(asked.name)
        .with_partitions(partitions)
}

async fn offset(
    cx: &Cx,
    stream: &Stream,
    asked: &ListOffsetsPartition,
    version: i16,
) -> Result<Option<Found>, ApiError> {
    let partition = topic::partition(cx, stream, asked.partition_index)?;
    topic::check_leader_epoch(asked.current_leader_epoch)?;
    match target(asked.timestamp, version)? {
        Target::Earliest => end(&partition, |status| status.log_start),
        // Without transactions the last stable offset is the high watermark.
        Target::Latest => end(&partition, |status| status.high_watermark),
        Target::Nothing => Ok(None),
        Target::LargestTimestamp => search::largest_timestamp(&cx.budget, &partition).await,
        Target::From(timestamp) => search::from_timestamp(&cx.budget, &partition, timestamp).await,
    }
}

fn target(timestamp: i64, version: i16) -> Result<Target, ApiError> {
    match timestamp {
        0.. => Ok(Target::From(Timestamp(timestamp))),
        -1 => Ok(Target::Latest),
        -2 => Ok(Target::Earliest),
        -3 if version >= 7 => Ok(Target::LargestTimestamp),
        -4 if version >= 8 => Ok(Target::Earliest),
        -5 if version >= 9 => Ok(Target::Nothing),
        _ => Err(Code::UnsupportedVersion.into()),
    }
}

fn end(
    partition: &Partition,
    which: impl Fn(crate::store::Status) -> Offset,
) -> Result<Option<Found>, ApiError> {
    Ok(Some(Found {
        offset: which(partition.status()?),
        timestamp: Timestamp(-1),
    }))
}

fn answer(
    index: i32,
    found: Result<Option<Found>, ApiError>,
    version: i16,
) -> ListOffsetsPartitionResponse {
    let answer = ListOffsetsPartitionResponse::default().with_partition_index(index);
    let epoch = if version < 4 { -1 } else { LEADER_EPOCH };
    match found {
        Ok(Some(found)) => answer
            .with_error_code(NONE)
            .with_offset(wire::stated(found.offset))
            .with_timestamp(found.timestamp.0)
            .with_leader_epoch(epoch),
        // −1 and −1, without an error.
        Ok(None) => answer,
        Err(error) => answer.with_error_code(error.code()),
    }
}
