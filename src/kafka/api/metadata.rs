//! Metadata (3): brokers, topics and who leads their partitions; makes topics that are asked for
//! by name.
//!
//! v0 says "all" by an empty list, later versions by null. v2 cluster id, v4 the client decides
//! whether a topic is made (before, it always is), v5 offline replicas, v7 leader epoch, v8–10
//! authorized operations, v10 topic ids, v12 topics may be asked for by id, v13 top-level error.

use crate::kafka::cx::{Cx, LEADER_EPOCH};
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::Reply;
use crate::kafka::topic;
use crate::store::{Name, Settings, Stream, StreamId};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

/// Topics that one request may make; the others are unknown until it is asked again.
const CREATED_MAX: usize = 1000;

pub async fn handle(cx: &Cx, request: MetadataRequest, version: i16) -> Reply<MetadataResponse> {
    let may_create =
        cx.config.auto_create_topics && (version < 4 || request.allow_auto_topic_creation);
    let topics = match asked(request.topics, version) {
        Asked::All => all(cx),
        Asked::These(topics) => these(cx, topics, may_create, version).await,
    };
    Reply::Now(
        MetadataResponse::default()
            .with_brokers(vec![broker(cx)])
            .with_cluster_id(Some(cx.broker.cluster_id.clone()))
            .with_controller_id(cx.broker.id)
            .with_topics(topics),
    )
}

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

fn all(cx: &Cx) -> Vec<MetadataResponseTopic> {
    let streams = cx.store.all_streams();
    streams.iter().map(|stream| found(cx, stream)).collect()
}

async fn these(
    cx: &Cx,
    topics: Vec<MetadataRequestTopic>,
    may_create: bool,
    version: i16,
) -> Vec<MetadataResponseTopic> {
    let mut created = 0;
    let mut answers = Vec::with_capacity(topics.len());
    for asked in topics {
        let answer = match (by_name_or_id(cx, &asked, version), &asked.name) {
            (Err(error), Some(name)) if error.code == Code::UnknownTopicOrPartition => {
                if may_create && created < CREATED_MAX {
                    created += 1;
                    create(cx, name).await
                } else {
                    Err(error)
                }
            }
            (looked_up, _) => looked_up,
        };
        answers.push(match answer {
            Ok(stream) => found(cx, &stream),
            Err(error) => missing(asked, &error, version),
        });
    }
    answers
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

/// The topic is durable and visible when this returns, so the answer can be without error;
/// Kafka's own brokers answer 3 and let the client ask again.
async fn create(cx: &Cx, name: &str) -> Result<Arc<Stream>, ApiError> {
    if topic::is_internal(name) {
        return Err(Code::UnknownTopicOrPartition.into());
    }
    let made = topic::create(cx, name, cx.config.num_partitions, Settings::default()).await;
    match made {
        Err(error) if error.code == Code::TopicAlreadyExists => Ok(cx.store.stream(name)?),
        made => made,
    }
}

fn found(cx: &Cx, stream: &Stream) -> MetadataResponseTopic {
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

fn missing(asked: MetadataRequestTopic, error: &ApiError, version: i16) -> MetadataResponseTopic {
    // The name may be null from v12 on only.
    let name = match version {
        12.. => asked.name,
        _ => Some(asked.name.unwrap_or_default()),
    };
    MetadataResponseTopic::default()
        .with_error_code(error.code())
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
