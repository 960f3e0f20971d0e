//! What a Fetch asks for, resolved once: the decoded request is 10 times as large.

use super::response::{Fetched, FetchedPartition, FetchedTopic};
use crate::kafka::cx::Cx;
use crate::kafka::error::Code;
use crate::kafka::text::text;
use crate::kafka::topic::{self, TopicRef};
use crate::kafka::wire;
use crate::store::{Partition, PartitionId, Stream};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Longest wait that is granted; a client that asked for more is answered early, with nothing.
const WAIT_MS_MAX: i32 = 300_000;
/// First version that can carry zstd.
const ZSTD_FROM: i16 = 10;
/// First version that names topics by id.
const IDS_FROM: i16 = 13;

/// What a parked request takes whatever it asks for.
const REQUEST_BYTES: usize = 2048;
/// What a topic takes then, but for its name and its partitions.
const TOPIC_BYTES: usize = size_of::<TopicPlan>() + size_of::<FetchedTopic>();
/// What a partition takes then, with what is read of it and its two places among the watchers.
const PARTITION_BYTES: usize =
    size_of::<PartitionPlan>() + size_of::<FetchedPartition>() + 2 * size_of::<PartitionId>();

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
    /// As it came, to be small.
    pub bytes_max: i32,
    pub fetch_offset: i64,
    /// Where to read, or why not.
    pub source: Result<Partition, Code>,
}

impl Plan {
    pub fn new(cx: &Cx, request: &FetchRequest, version: i16) -> Plan {
        let bytes_max = wire::byte_count(request.max_bytes).min(cx.config.fetch_bytes_max);
        let wait_ms = request.max_wait_ms.clamp(0, WAIT_MS_MAX);
        let topics = request.topics.iter();
        Plan {
            topics: topics.map(|topic| topic_plan(cx, topic, version)).collect(),
            wait: Duration::from_millis(u64::from(wait_ms.unsigned_abs())),
            bytes_min: wire::byte_count(request.min_bytes).min(bytes_max),
            bytes_max,
            read_committed: request.isolation_level == 1,
            takes_zstd: version >= ZSTD_FROM,
        }
    }

    /// Room to wait in, if this is to wait and there is any.
    pub fn room(&self, cx: &Cx) -> Option<OwnedSemaphorePermit> {
        if self.wait.is_zero() {
            return None;
        }
        cx.budget.parked(self.bytes())
    }

    /// What this takes while it is parked.
    fn bytes(&self) -> usize {
        let topics = self.topics.iter().map(TopicPlan::bytes);
        REQUEST_BYTES + topics.sum::<usize>()
    }

    /// Whether this is to be answered now.
    pub fn is_enough(&self, fetched: &Fetched) -> bool {
        self.topics.is_empty() || fetched.has_error() || fetched.record_bytes() >= self.bytes_min
    }

    pub fn partition_ids(&self) -> Vec<PartitionId> {
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions
            .filter_map(|plan| plan.source.as_ref().ok().map(Partition::id))
            .collect()
    }
}

impl TopicPlan {
    fn bytes(&self) -> usize {
        let name = match &self.topic {
            TopicRef::Name(name) => name.len(),
            TopicRef::Id(_) => 0,
        };
        TOPIC_BYTES + name + PARTITION_BYTES * self.partitions.len()
    }
}

fn topic_plan(cx: &Cx, asked: &FetchTopic, version: i16) -> TopicPlan {
    let topic = match version {
        IDS_FROM.. => TopicRef::Id(asked.topic_id),
        // A copy: a parked request must not keep its frame.
        _ => TopicRef::Name(TopicName(text(&asked.topic))),
    };
    let stream = topic.find(cx).map_err(|error| error.code);
    let partitions = asked.partitions.iter().map(|asked| PartitionPlan {
        index: asked.partition,
        fetch_offset: asked.fetch_offset,
        bytes_max: asked.partition_max_bytes,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KafkaConfig;
    use crate::kafka::budget::Budget;

    #[test]
    fn five_thousand_fetches_of_a_hundred_partitions_may_wait_by_default() {
        let partition = |index| PartitionPlan {
            index,
            fetch_offset: 0,
            bytes_max: 1 << 20,
            source: Err(Code::UnknownTopicOrPartition),
        };
        let plan = Plan {
            topics: vec![TopicPlan {
                topic: TopicRef::Name(TopicName(text("a-name-of-thirty-two-characters-"))),
                partitions: (0..100).map(partition).collect(),
            }],
            wait: Duration::from_millis(500),
            bytes_min: 1,
            bytes_max: 50 << 20,
            read_committed: false,
            takes_zstd: true,
        };
        let budget = Budget::new(KafkaConfig::default().decode_bytes_max);

        let parked: Vec<_> = (0..5000).map(|_| budget.parked(plan.bytes())).collect();

        let bytes = plan.bytes();
        assert!(parked.iter().all(Option::is_some), "{bytes} bytes each");
    }
}
