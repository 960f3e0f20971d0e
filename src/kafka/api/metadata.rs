//! Metadata (3): brokers, topics and who leads their partitions; makes topics that are asked for
//! by name.
//!
//! v0 says "all" by an empty list, later versions by null. v2 cluster id, v4 the client decides
//! whether a topic is made (before, it always is), v5 offline replicas, v7 leader epoch, v8–10
//! authorized operations, v10 topic ids, v12 topics may be asked for by id, v13 top-level error.

use crate::kafka::cx::{Cx, LEADER_EPOCH};
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::{Charged, Reply};
use crate::kafka::topic::{self, NewTopics};
use crate::store::{Name, NewStream, Settings, Stream, StreamId};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

/// Topics that one request may make; the others are unknown until it is asked again.
const CREATED_MAX: usize = 1000;

/// What a partition takes, as it is told and as it is written.
const PARTITION_BYTES: usize = 200;
/// Answers this small take no room.
const SMALL_BYTES: usize = 64 << 10;

pub async fn handle(
    cx: &Cx,
    request: MetadataRequest,
    version: i16,
) -> Reply<Charged<MetadataResponse>> {
    let may_create =
        cx.config.auto_create_topics && (version < 4 || request.allow_auto_topic_creation);
    let topics = match asked(request.topics, version) {
        Asked::All => all(cx),
        Asked::These(topics) => these(cx, topics, may_create, version).await,
    };
    let room = room(cx, &topics).await;
    let topics = topics.into_iter().map(|(asked, found)| match found {
        Ok(stream) => told(cx, &stream),
        Err(code) => missing(asked, code, version),
    });
    let response = MetadataResponse::default()
        .with_brokers(vec![broker(cx)])
        .with_cluster_id(Some(cx.broker.cluster_id.clone()))
        .with_controller_id(cx.broker.id)
        .with_topics(topics.collect());
    Reply::Now(Charged { response, room })
}

/// Twenty bytes may ask for every partition there is, on ten thousand connections at once: a large
/// answer waits for room, and keeps it until it is written.
async fn room(cx: &Cx, topics: &[LookedUp]) -> Option<OwnedSemaphorePermit> {
    let partitions = |(_, found): &LookedUp| match found {
        Ok(stream) => stream.partitions.len() + 1,
        Err(_) => 1,
    };
    let bytes = PARTITION_BYTES * topics.iter().map(partitions).sum::<usize>();
    match bytes {
        ..=SMALL_BYTES => None,
        _ => Some(cx.budget.response(bytes).await),
    }
}

/// A topic that was asked for, if there is one. A hundred thousand may be unknown: no text is kept.
type LookedUp = (MetadataRequestTopic, Result<Arc<Stream>, Code>);

enum Asked {
    All,
    These(Vec<MetadataRequestTopic>),
}

/// Each topic once: the answer must not outgrow the catalogue.
fn asked(topics: Option<Vec<MetadataRequestTopic>>, version: i16) -> Asked {
    match topics {
        None => Asked::All,
        Some(topics) if topics.is_empty() && version == 0 => Asked::All,
        Some(mut topics) => {
            let mut seen = HashSet::new();
            topics.retain(|topic| seen.insert((topic.name.clone(), topic.topic_id)));
            Asked::These(topics)
        }
    }
}

fn all(cx: &Cx) -> Vec<LookedUp> {
    let streams = cx.store.all_streams();
    let nobody = MetadataRequestTopic::default;
    streams.map(|stream| (nobody(), Ok(stream))).collect()
}

async fn these(
    cx: &Cx,
    topics: Vec<MetadataRequestTopic>,
    may_create: bool,
    version: i16,
) -> Vec<LookedUp> {
    let mut new = NewTopics::default();
    let looked_up = topics.into_iter().map(|asked| {
        let found = match (by_name_or_id(cx, &asked, version), &asked.name) {
            (Err(error), Some(name)) if error.code == Code::UnknownTopicOrPartition => {
                let is_to_be_made = may_create && new.len() < CREATED_MAX;
                Err(match is_to_be_made.then(|| add(cx, &mut new, name)) {
                    Some(Err(refused)) => refused,
                    Some(Ok(())) | None => error,
                })
            }
            (found, _) => found,
        };
        (asked, found.map_err(|error| error.code))
    });
    let looked_up: Vec<_> = looked_up.collect();
    let made = new.make(cx).await;
    let completed = looked_up.into_iter().map(|(asked, found)| {
        let made = asked.name.as_ref().and_then(|name| made.get(name.as_str()));
        let found = match made {
            // Somebody else made it first.
            Some(Err(error)) if error.code == Code::TopicAlreadyExists => {
                by_name_or_id(cx, &asked, version).map_err(|error| error.code)
            }
            Some(made) => made.clone().map_err(|error| error.code),
            None => found,
        };
        (asked, found)
    });
    completed.collect()
}

/// Has a topic made that is durable and visible when the answer leaves, which can therefore be
/// without error; Kafka's own brokers answer 3 and let the client ask again.
fn add(cx: &Cx, new: &mut NewTopics, name: &str) -> Result<(), ApiError> {
    if topic::is_internal(name) {
        return Err(Code::UnknownTopicOrPartition.into());
    }
    topic::check_new(cx, name)?;
    new.add(NewStream {
        name: name.into(),
        partition_count: cx.config.num_partitions,
        settings: Settings::default(),
    })
}

fn by_name_or_id(
    cx: &Cx,
    asked: &MetadataRequestTopic,
    version: i16,
) -> Result<Arc<Stream>, ApiError> {
    match &asked.name {
        _ if version < 12 && asked.topic_id != Uuid::nil() => {
            let text = "Topic IDs are not supported in requests of this version";
            Err(ApiError::new(Code::InvalidRequest, text))
        }
        Some(name) if topic::is_legal(name) => Ok(cx.store.stream(name)?),
        Some(_) => Err(Code::InvalidTopicException.into()),
        None if version < 12 => Err(Code::InvalidTopicException.into()),
        None => {
            let found = cx.store.stream_by_id(StreamId(asked.topic_id));
            found.ok_or(Code::UnknownTopicId.into())
        }
    }
}

fn told(cx: &Cx, stream: &Stream) -> MetadataResponseTopic {
    let indices = 0..i32::try_from(stream.partitions.len()).unwrap_or(i32::MAX);
    MetadataResponseTopic::default()
        .with_error_code(NONE)
        .with_name(Some(topic_name(&stream.name)))
        .with_topic_id(stream.id.0)
        .with_is_internal(topic::is_internal(&stream.name))
        .with_partitions(indices.map(|index| partition(cx, index)).collect())
}

fn partition(cx: &Cx, index: i32) -> MetadataResponsePartition {
    MetadataResponsePartition::default()
        .with_error_code(NONE)
        .with_partition_index(index)
        .with_leader_id(cx.broker.id)
        .with_leader_epoch(LEADER_EPOCH)
        .with_replica_nodes(vec![cx.broker.id])
        .with_isr_nodes(vec![cx.broker.id])
}

fn missing(asked: MetadataRequestTopic, code: Code, version: i16) -> MetadataResponseTopic {
    // The name may be null from v12 on only.
    let name = match version {
        12.. => asked.name,
        _ => Some(asked.name.unwrap_or_default()),
    };
    MetadataResponseTopic::default()
        .with_error_code(code.code())
        .with_name(name)
        .with_topic_id(asked.topic_id)
}

fn broker(cx: &Cx) -> MetadataResponseBroker {
    MetadataResponseBroker::default()
        .with_node_id(cx.broker.id)
        .with_host(cx.endpoint.host.clone())
        .with_port(i32::from(cx.endpoint.port))
}

fn topic_name(name: &Name) -> TopicName {
    TopicName(StrBytes::from_string(name.to_string()))
}
