//! OffsetFetch (9): how far groups have read. What was never committed, an unknown group's
//! offsets included, is −1 without an error (spec §5, trap 3).
//!
//! v2 null topics ask for everything, top-level error; v5 leader epoch; v7 require_stable; v8
//! many groups, errors per group; v9 member id and epoch, which classic groups do not check.

use crate::kafka::cx::Cx;
use crate::kafka::error::NONE;
use crate::kafka::reply::Reply;
use crate::kafka::text::text;
use crate::store::{Commit, Name, PartitionIndex};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use std::collections::{BTreeMap, HashSet};

pub async fn handle(
    cx: &Cx,
    request: OffsetFetchRequest,
    version: i16,
) -> Reply<OffsetFetchResponse> {
    if version >= 8 {
        let mut seen = HashSet::new();
        let mut groups = request.groups;
        groups.retain(|group| seen.insert(group.group_id.clone()));
        let groups = groups.into_iter().map(|group| of_group(cx, group));
        return Reply::Now(OffsetFetchResponse::default().with_groups(groups.collect()));
    }
    let asked = request.topics.map(|topics| {
        let topics = topics.into_iter();
        topics
            .map(|topic| (topic.name, topic.partition_indexes))
            .collect()
    });
    let found = committed(cx, &request.group_id, asked);
    let topics = found.into_iter().map(|(topic, partitions)| {
        let partitions = partitions.into_iter().map(|found| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(found.index)
                .with_committed_offset(found.offset)
                .with_committed_leader_epoch(found.leader_epoch)
                .with_metadata(Some(text(&found.metadata)))
                .with_error_code(NONE)
        });
        OffsetFetchResponseTopic::default()
            .with_name(topic)
            .with_partitions(partitions.collect())
    });
    Reply::Now(OffsetFetchResponse::default().with_topics(topics.collect()))
}

fn of_group(cx: &Cx, group: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let asked = group.topics.map(|topics| {
        let topics = topics.into_iter();
        topics
            .map(|topic| (topic.name, topic.partition_indexes))
            .collect()
    });
    let found = committed(cx, &group.group_id, asked);
    let topics = found.into_iter().map(|(topic, partitions)| {
        let partitions = partitions.into_iter().map(|found| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(found.index)
                .with_committed_offset(found.offset)
                .with_committed_leader_epoch(found.leader_epoch)
                .with_metadata(Some(text(&found.metadata)))
                .with_error_code(NONE)
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic)
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponseGroup::default()
        .with_group_id(group.group_id)
        .with_topics(topics.collect())
        .with_error_code(NONE)
}

/// One partition's answer in every version's words.
struct Found {
    index: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: Name,
}

fn committed(
    cx: &Cx,
    group: &str,
    asked: Option<Vec<(TopicName, Vec<i32>)>>,
) -> Vec<(TopicName, Vec<Found>)> {
    match asked {
        None => everything(cx, group),
        Some(topics) => {
            // Each partition once: four bytes ask for metadata of four kilobytes.
            let mut seen = HashSet::new();
            let each = topics.into_iter().map(|(topic, mut indices)| {
                indices.retain(|index| seen.insert((topic.clone(), *index)));
                these(cx, group, topic, indices)
            });
            each.collect()
        }
    }
}

fn these(cx: &Cx, group: &str, topic: TopicName, indices: Vec<i32>) -> (TopicName, Vec<Found>) {
    let stream = cx.store.stream(&topic).ok();
    let group = Name::from(group);
    let commit = |index: i32| {
        let partition = PartitionIndex(u32::try_from(index).ok()?);
        cx.store.committed(&group, stream.as_ref()?, partition)
    };
    let partitions = indices.iter().map(|&index| found(index, commit(index)));
    (topic, partitions.collect())
}

/// All commits of the streams as they are now, not of namesakes that are gone.
fn everything(cx: &Cx, group: &str) -> Vec<(TopicName, Vec<Found>)> {
    let mut topics: BTreeMap<Name, Vec<Found>> = BTreeMap::new();
    for (key, commit) in cx.store.commits(group) {
        let stream = cx.store.stream(&key.stream).ok();
        let index = i32::try_from(key.partition.0);
        if let (Some(stream), Ok(index)) = (stream, index)
            && stream.id == commit.stream
        {
            topics
                .entry(key.stream)
                .or_default()
                .push(found(index, Some(commit)));
        }
    }
    let topics = topics.into_iter();
    topics
        .map(|(topic, found)| (TopicName(text(&topic)), found))
        .collect()
}

fn found(index: i32, commit: Option<Commit>) -> Found {
    let offset = commit.as_ref().map(|commit| commit.offset.0);
    Found {
        index,
        offset: offset.map_or(-1, |offset| i64::try_from(offset).unwrap_or(i64::MAX)),
        leader_epoch: commit.as_ref().map_or(-1, |commit| commit.leader_epoch),
        metadata: commit.map_or_else(|| "".into(), |commit| commit.metadata),
    }
}
