//! OffsetForLeaderEpoch (23): where an epoch ended. There is one epoch, and it has not ended.
//!
//! v3 who asks, v4 flexible.

use crate::kafka::cx::{Cx, LEADER_EPOCH};
use crate::kafka::error::{ApiError, NONE};
use crate::kafka::reply::Reply;
use crate::kafka::topic::{self, TopicRef};
use crate::kafka::wire;
use crate::store::Stream;
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use std::sync::Arc;

pub async fn handle(
    cx: &Cx,
    request: OffsetForLeaderEpochRequest,
    _version: i16,
) -> Reply<OffsetForLeaderEpochResponse> {
    let topics = request.topics.into_iter().map(|asked| {
        let stream = TopicRef::Name(asked.topic.clone()).find(cx);
        let partitions = asked.partitions.iter();
        let ends = partitions.map(|partition| match end(cx, &stream, partition) {
            Ok(end) => end,
            Err(error) => EpochEndOffset::default()
                .with_partition(partition.partition)
                .with_error_code(error.code()),
        });
        OffsetForLeaderTopicResult::default()
            .with_topic(asked.topic)
            .with_partitions(ends.collect())
    });
    Reply::Now(OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
}

fn end(
    cx: &Cx,
    stream: &Result<Arc<Stream>, ApiError>,
    asked: &OffsetForLeaderPartition,
) -> Result<EpochEndOffset, ApiError> {
    let stream = stream.as_ref().map_err(ApiError::clone)?;
    let partition = topic::partition(cx, stream, asked.partition)?;
    topic::check_leader_epoch(asked.current_leader_epoch)?;
    let status = partition.status()?;
    let answer = EpochEndOffset::default()
        .with_partition(asked.partition)
        .with_error_code(NONE);
    if asked.leader_epoch != LEADER_EPOCH {
        return Ok(answer);
    }
    Ok(answer
        .with_leader_epoch(LEADER_EPOCH)
        .with_end_offset(wire::stated(status.high_watermark)))
}
