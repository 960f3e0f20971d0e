//! OffsetCommit (8): keeps how far a group has read; answered once that is durable.
//!
//! v2–4 a retention time of the commit's own, v6 leader epoch, v7 static members, v9 an unknown
//! group is told apart from an old generation.

use crate::kafka::cx::Cx;
use crate::kafka::error::{Code, NONE, of_coordinator};
use crate::kafka::group::{Refusal, Who};
use crate::kafka::reply::Reply;
use crate::kafka::text::name;
use crate::store::{Commit, Name, NewCommit, Offset, PartitionIndex, Stream, Timestamp};
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use kafka_protocol::protocol::StrBytes;

/// Longest metadata of a commit (`offset.metadata.max.bytes`).
pub const METADATA_BYTES_MAX: usize = 4096;

pub async fn handle(
    cx: &Cx,
    request: OffsetCommitRequest,
    version: i16,
) -> Reply<OffsetCommitResponse> {
    let at = cx.clock.now();
    let lapses = u64::try_from(request.retention_time_ms).ok();
    let expires = lapses.map(|ms| Timestamp(at.0.saturating_add_unsigned(ms)));
    let (mut commits, mut answers) = (Vec::new(), Vec::with_capacity(request.topics.len()));
    for topic in &request.topics {
        let stream = cx.store.stream(&topic.name).ok();
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let judged = judge(stream.as_deref(), asked);
            let code = judged.as_ref().map_or_else(|code| code.code(), |_| NONE);
            commits.extend(judged.ok().map(|commit| commit.made(at, expires)));
            partitions.push((asked.partition_index, code));
        }
        answers.push((topic.name.clone(), partitions));
    }
    let respond = move |code: i16| {
        let topics = answers.into_iter().map(|(topic, partitions)| {
            let partitions = partitions.into_iter().map(|(index, own)| {
                OffsetCommitResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(if own == NONE { code } else { own })
            });
            OffsetCommitResponseTopic::default()
                .with_name(topic)
                .with_partitions(partitions.collect())
        });
        OffsetCommitResponse::default().with_topics(topics.collect())
    };
    if commits.is_empty() {
        return Reply::Now(respond(NONE));
    }
    let who = Who {
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let group = name(&request.group_id);
    let commit = || cx.store.commit_offsets(&group, commits);
    match cx.groups.commit(&cx.store, &group, who, commit) {
        Err(refusal) => Reply::Now(respond(refused(&refusal, version))),
        Ok(durable) => Reply::later(async move {
            let done = durable.await;
            respond(done.map_or_else(|error| of_coordinator(&error).code(), |()| NONE))
        }),
    }
}

/// A commit that may be made, but for its times.
struct Judged<'a> {
    stream: &'a Stream,
    index: PartitionIndex,
    offset: Offset,
    asked: &'a OffsetCommitRequestPartition,
}

fn judge<'a>(
    stream: Option<&'a Stream>,
    asked: &'a OffsetCommitRequestPartition,
) -> Result<Judged<'a>, Code> {
    let index = u32::try_from(asked.partition_index)
        .ok()
        .map(PartitionIndex);
    let known = stream
        .zip(index)
        .filter(|(s, index)| s.partition(*index).is_some());
    let (stream, index) = known.ok_or(Code::UnknownTopicOrPartition)?;
    let metadata = asked.committed_metadata.as_ref();
    if metadata.is_some_and(|text| text.len() > METADATA_BYTES_MAX) {
        return Err(Code::OffsetMetadataTooLarge);
    }
    let offset = u64::try_from(asked.committed_offset).map_err(|_| Code::OffsetOutOfRange)?;
    Ok(Judged {
        stream,
        index,
        offset: Offset(offset),
        asked,
    })
}

impl Judged<'_> {
    fn made(self, at: Timestamp, expires: Option<Timestamp>) -> NewCommit {
        let metadata = self.asked.committed_metadata.as_ref();
        NewCommit {
            stream: self.stream.name.clone(),
            partition: self.index,
            commit: Commit {
                stream: self.stream.id,
                offset: self.offset,
                leader_epoch: self.asked.committed_leader_epoch,
                metadata: Name::from(metadata.map_or("", StrBytes::as_str)),
                at,
                expires,
            },
        }
    }
}

fn refused(refusal: &Refusal, version: i16) -> i16 {
    match refusal {
        Refusal::UnknownGroup if version < 9 => Code::IllegalGeneration.code(),
        other => Code::from(other).code(),
    }
}
