//! CreateTopics (19): makes topics, each on its own terms; durable and visible when answered.
//!
//! v4 partitions and replication factor may be −1, v5 the answer tells counts and settings, v7
//! the id. Any replication factor from 1 on is accepted and echoed (spec §0, decision 7).

use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::Reply;
use crate::kafka::topic::{self, NewTopics};
use crate::kafka::topic_settings::{Bounds, Change, Operation, changed};
use crate::store::{NewStream, Settings, Stream};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, CreateTopicsResponse, TopicName};
use std::collections::{HashMap, HashSet};

use super::describe_configs::created_settings;

/// Partitions that one request may ask for.
const PARTITIONS_MAX: u64 = 10_000;
/// Kept for the cluster's own metadata log in Kafka.
const METADATA_TOPIC: &str = "__cluster_metadata";

pub async fn handle(
    cx: &Cx,
    request: CreateTopicsRequest,
    version: i16,
) -> Reply<CreateTopicsResponse> {
    let mut counts: HashMap<TopicName, usize> = HashMap::new();
    for topic in &request.topics {
        *counts.entry(topic.name.clone()).or_default() += 1;
    }
    let all: u64 = request
        .topics
        .iter()
        .map(|topic| partitions_asked(cx, topic))
        .sum();
    let mut new = NewTopics::default();
    let mut judged = Vec::with_capacity(counts.len());
    for topic in request.topics {
        let Some(count) = counts.remove(&topic.name) else {
            continue;
        };
        let verdict = match (count, all) {
            (2.., _) => Err(ApiError::new(Code::InvalidRequest, "Duplicate topic name.")),
            (_, all) if all > PARTITIONS_MAX => Err(ApiError::new(
                Code::PolicyViolation,
                "Excessively large number of partitions per request.",
            )),
            _ => judge(cx, &topic),
        };
        let verdict = verdict.and_then(|wanted| {
            if !request.validate_only {
                new.add(wanted.stream.clone())?;
            }
            Ok(wanted)
        });
        judged.push((topic.name, verdict));
    }
    let mut made = new.make(cx).await;
    let results = judged.into_iter().map(|(name, verdict)| {
        // None that was only to be validated is made.
        let stream = made.remove(name.as_str()).transpose();
        match verdict.and_then(|wanted| Ok((wanted, stream?))) {
            Ok((wanted, stream)) => accepted(name, &wanted, stream.as_deref(), version),
            Err(error) => refused(name, &error),
        }
    });
    Reply::Now(CreateTopicsResponse::default().with_topics(results.collect()))
}

/// A topic that passed every check.
struct Wanted {
    stream: NewStream,
    replication_factor: i16,
}

fn judge(cx: &Cx, asked: &CreatableTopic) -> Result<Wanted, ApiError> {
    if &**asked.name == METADATA_TOPIC {
        let text = format!("Creation of internal topic {METADATA_TOPIC} is prohibited.");
        return Err(ApiError::new(Code::InvalidRequest, text));
    }
    topic::check_new(cx, &asked.name)?;
    let (partition_count, replication_factor) = match asked.assignments.as_slice() {
        [] => (partition_count(cx, asked)?, replication_factor(asked)?),
        assignments => assigned(cx, asked, assignments)?,
    };
    let stream = NewStream {
        name: asked.name.as_str().into(),
        partition_count,
        settings: settings(cx, &asked.configs)?,
    };
    Ok(Wanted {
        stream,
        replication_factor,
    })
}

fn partitions_asked(cx: &Cx, asked: &CreatableTopic) -> u64 {
    match asked.assignments.as_slice() {
        [] => u64::from(partition_count(cx, asked).unwrap_or_default()),
        assignments => u64::try_from(assignments.len()).unwrap_or(u64::MAX),
    }
}

fn partition_count(cx: &Cx, asked: &CreatableTopic) -> Result<u32, ApiError> {
    match asked.num_partitions {
        -1 => Ok(cx.config.num_partitions),
        count @ 1.. => Ok(count.unsigned_abs()),
        _ => {
            let text = "Number of partitions was set to an invalid non-positive value.";
            Err(ApiError::new(Code::InvalidPartitions, text))
        }
    }
}

fn replication_factor(asked: &CreatableTopic) -> Result<i16, ApiError> {
    match asked.replication_factor {
        -1 => Ok(1),
        factor @ 1.. => Ok(factor),
        _ => {
            let text = "Replication factor must be larger than 0, or -1 to use the default value.";
            Err(ApiError::new(Code::InvalidReplicationFactor, text))
        }
    }
}

/// A manual assignment must name partitions 0 to n−1 once each, and on each the one broker.
fn assigned(
    cx: &Cx,
    asked: &CreatableTopic,
    assignments: &[CreatableReplicaAssignment],
) -> Result<(u32, i16), ApiError> {
    if asked.num_partitions != -1 || asked.replication_factor != -1 {
        let text = "A manual partition assignment was specified, but numPartitions or \
                    replicationFactor was not set to -1.";
        return Err(ApiError::new(Code::InvalidRequest, text));
    }
    let refused = |text: &str| Err(ApiError::new(Code::InvalidReplicaAssignment, text));
    let named: HashSet<i32> = assignments.iter().map(|a| a.partition_index).collect();
    let consecutive = (0..)
        .take(assignments.len())
        .all(|index| named.contains(&index));
    if !consecutive {
        return refused("partitions should be a consecutive 0-based integer sequence");
    }
    if assignments.iter().any(|a| a.broker_ids.is_empty()) {
        return refused("The manual partition assignment includes an empty replica list.");
    }
    let only: &[BrokerId] = &[cx.broker.id];
    if assignments.iter().any(|a| a.broker_ids != only) {
        return refused("The manual partition assignment names an unknown or repeated broker.");
    }
    let count = u32::try_from(assignments.len()).unwrap_or(u32::MAX);
    Ok((count, 1))
}

fn settings(cx: &Cx, configs: &[CreatableTopicConfig]) -> Result<Settings, ApiError> {
    // Of a key that is named twice the last value counts.
    let mut last: HashMap<&str, Change> = HashMap::new();
    for config in configs {
        let Some(value) = &config.value else {
            let text = format!(
                "Null value not supported for topic configs: {}",
                &*config.name
            );
            return Err(ApiError::new(Code::InvalidConfig, text));
        };
        let change = Change {
            name: config.name.to_string(),
            operation: Operation::Set,
            value: Some(value.to_string()),
        };
        last.insert(&config.name, change);
    }
    let changes: Vec<Change> = last.into_values().collect();
    changed(&Settings::default(), &changes, Bounds::of(cx))
}

fn accepted(
    name: TopicName,
    wanted: &Wanted,
    stream: Option<&Stream>,
    version: i16,
) -> CreatableTopicResult {
    let count = i32::try_from(wanted.stream.partition_count).unwrap_or(i32::MAX);
    let base = CreatableTopicResult::default()
        .with_name(name)
        .with_error_code(NONE);
    if version < 5 {
        return base;
    }
    base.with_topic_id(stream.map(|stream| stream.id.0).unwrap_or_default())
        .with_num_partitions(count)
        .with_replication_factor(wanted.replication_factor)
        .with_configs(Some(created_settings(&wanted.stream.settings)))
}

fn refused(name: TopicName, error: &ApiError) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name)
        .with_error_code(error.code())
        .with_error_message(Some(error.message.clone()))
}
