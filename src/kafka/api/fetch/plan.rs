//! What a Fetch asks for, resolved once: the decoded request is 10 times as large.

use super::response::Fetched;
use crate::kafka::cx::Cx;
use crate::kafka::error::Code;
use crate::kafka::topic::{self, TopicRef};
use crate::kafka::wire;
use crate::store::{Partition, PartitionId, Stream};
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use std::time::Duration;

/// Longest wait that is granted; a client that asked for more is answered early, with nothing.
const WAIT_MS_MAX: i32 = 300_000;
/// First version that can carry zstd.
const ZSTD_FROM: i16 = 10;
/// First version that names topics by id.
const IDS_FROM: i16 = 13;

pub struct Plan {
    pub topics: Vec<TopicPlan>,
    pub wait: Duration,
    pub bytes_min: usize,
    pub bytes_max: usize,
    /// Lists of aborted transactions are null unless only committed records were asked for.
    pub read_committed: bool,
    pub takes_zstd: bool,
}

pub struct TopicPlan {
    pub topic: TopicRef,
    pub partitions: Vec<PartitionPlan>,
}

pub struct PartitionPlan {
    pub index: i32,
    pub fetch_offset: i64,
    pub bytes_max: usize,
    /// Where to read, or why not.
    pub source: Result<Partition, Code>,
}

impl Plan {
    pub fn new(cx: &Cx, request: FetchRequest, version: i16) -> Plan {
        let bytes_max = wire::byte_count(request.max_bytes).min(cx.config.fetch_bytes_max);
        let wait_ms = request.max_wait_ms.clamp(0, WAIT_MS_MAX);
        let topics = request.topics.into_iter();
        Plan {
            topics: topics.map(|topic| topic_plan(cx, topic, version)).collect(),
            wait: Duration::from_millis(u64::from(wait_ms.unsigned_abs())),
            bytes_min: wire::byte_count(request.min_bytes).min(bytes_max),
            bytes_max,
            read_committed: request.isolation_level == 1,
            takes_zstd: version >= ZSTD_FROM,
        }
    }

    /// Whether this is to be answered now.
    pub fn is_enough(&self, fetched: &Fetched) -> bool {
        self.wait.is_zero()
            || self.topics.is_empty()
            || fetched.has_error()
            || fetched.record_bytes() >= self.bytes_min
    }

    pub fn partition_ids(&self) -> Vec<PartitionId> {
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions
            .filter_map(|plan| plan.source.as_ref().ok().map(Partition::id))
            .collect()
    }
}

fn topic_plan(cx: &Cx, asked: FetchTopic, version: i16) -> TopicPlan {
    let topic = match version {
        IDS_FROM.. => TopicRef::Id(asked.topic_id),
        _ => TopicRef::Name(asked.topic),
    };
    let stream = topic.find(cx).map_err(|error| error.code);
    let partitions = asked.partitions.iter().map(|asked| PartitionPlan {
        index: asked.partition,
        fetch_offset: asked.fetch_offset,
        bytes_max: wire::byte_count(asked.partition_max_bytes),
        source: match &stream {
            Ok(stream) => source(cx, stream, asked),
            Err(code) => Err(*code),
        },
    });
    TopicPlan {
        partitions: partitions.collect(),
        topic,
    }
}

fn source(cx: &Cx, stream: &Stream, asked: &FetchPartition) -> Result<Partition, Code> {
    let partition = topic::partition(cx, stream, asked.partition);
    let checked = partition.and_then(|partition| {
        topic::check_leader_epoch(asked.current_leader_epoch)?;
        Ok(partition)
    });
    checked.map_err(|error| error.code)
}
