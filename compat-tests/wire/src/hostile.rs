//! Frames that nobody should send: huge counts, valid frames of the greatest element count,
//! truncations and garbage, for any API and version.

use crate::kafka::encode;
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Request, StrBytes};
use std::collections::BTreeMap;

/// Frames that fit every API.
const SMALL_BYTES: usize = 1 << 20;
/// Frames that fit Produce, Fetch and offsets.
const LARGE_BYTES: usize = 8 << 20;

/// Frames for one API and version with bodies that mean nothing, each cut at several lengths.
pub fn garbage(key: i16, version: i16) -> Vec<Bytes> {
    let patterns: [&[u8]; 7] = [
        &[0xff],
        &[0x00],
        &[0x01],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x00, 0x00, 0x00, 0x01],
        &[0xff, 0xff, 0xff, 0xff, 0x07],
        &[0x02, 0x61, 0x00, 0x00, 0x00, 0x00, 0x10, 0x80],
    ];
    let mut frames = Vec::new();
    for pattern in patterns {
        for length in [0, 1, 13, 300, 70_000, SMALL_BYTES - 64] {
            let body: Vec<u8> = pattern.iter().copied().cycle().take(length).collect();
            frames.push(framed(key, version, &body));
        }
    }
    frames
}

/// The same request whole, then cut short everywhere in its first bytes: the frame says so, or
/// the frame itself is cut.
pub fn truncated(whole: &Bytes) -> Vec<Bytes> {
    let lengths = 4..whole.len().min(120);
    let stated = lengths.clone().map(|length| {
        let mut frame = BytesMut::from(&whole[..length]);
        let says = i32::try_from(length - 4).expect("a length");
        frame[..4].copy_from_slice(&says.to_be_bytes());
        frame.freeze()
    });
    stated
        .chain(lengths.map(|length| whole.slice(..length)))
        .collect()
}

/// A frame with a null client id and this body, with room for tagged fields of the header.
fn framed(key: i16, version: i16, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    let flexible = ApiKey::try_from(key).is_ok_and(|key| key.request_header_version(version) > 1);
    frame.put_i32(i32::try_from(10 + usize::from(flexible) + body.len()).expect("a length"));
    frame.put_i16(key);
    frame.put_i16(version);
    frame.put_i32(1);
    frame.put_i16(-1);
    if flexible {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    frame.freeze()
}

/// Elements that a request may have in its lists: what `kafka-decode-bytes-max` has room for.
const ELEMENTS: usize = (64 << 20) / 400;

/// Valid frames of as many elements as are allowed, and of as many as fit.
#[expect(
    clippy::too_many_lines,
    reason = "one line for each list that a request has"
)]
pub fn greatest() -> Vec<Bytes> {
    let mut frames = Vec::new();
    let f = &mut frames;
    fill(f, LARGE_BYTES, |n| {
        ProduceRequest::default()
            .with_acks(-1)
            .with_topic_data(many(n))
    });
    fill(f, LARGE_BYTES, |n| {
        let topic = produce_request::TopicProduceData::default().with_partition_data(many(n));
        ProduceRequest::default()
            .with_acks(-1)
            .with_transactional_id(None)
            .with_topic_data(vec![topic])
    });
    fill(f, LARGE_BYTES, |n| {
        FetchRequest::default().with_topics(many(n))
    });
    fill(f, LARGE_BYTES, |n| {
        let topic = fetch_request::FetchTopic::default().with_partitions(many(n));
        FetchRequest::default().with_topics(vec![topic])
    });
    fill(f, LARGE_BYTES, |n| {
        FetchRequest::default().with_forgotten_topics_data(many(n))
    });
    fill(f, LARGE_BYTES, |n| {
        ListOffsetsRequest::default().with_topics(many(n))
    });
    fill(f, LARGE_BYTES, |n| {
        let topic = list_offsets_request::ListOffsetsTopic::default().with_partitions(many(n));
        ListOffsetsRequest::default().with_topics(vec![topic])
    });
    fill(f, LARGE_BYTES, |n| {
        MetadataRequest::default().with_topics(Some(many(n)))
    });
    fill(f, LARGE_BYTES, |n| {
        let topic = |i: usize| {
            let name = TopicName(StrBytes::from_string(format!("t{i}")));
            metadata_request::MetadataRequestTopic::default().with_name(Some(name))
        };
        MetadataRequest::default().with_topics(Some((0..n).map(topic).collect()))
    });
    fill(f, LARGE_BYTES, |n| {
        OffsetCommitRequest::default().with_topics(many(n))
    });
    fill(f, LARGE_BYTES, |n| {
        OffsetFetchRequest::default().with_topics(Some(many(n)))
    });
    fill(f, LARGE_BYTES, |n| {
        OffsetFetchRequest::default().with_groups(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        FindCoordinatorRequest::default().with_coordinator_keys(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        JoinGroupRequest::default().with_protocols(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        LeaveGroupRequest::default().with_members(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        SyncGroupRequest::default().with_assignments(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        DescribeGroupsRequest::default().with_groups(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        ListGroupsRequest::default().with_states_filter(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        DeleteGroupsRequest::default().with_groups_names(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        CreateTopicsRequest::default().with_topics(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        DeleteTopicsRequest::default().with_topics(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        DeleteTopicsRequest::default().with_topic_names(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        DescribeConfigsRequest::default().with_resources(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        IncrementalAlterConfigsRequest::default().with_resources(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        OffsetForLeaderEpochRequest::default().with_topics(many(n))
    });
    fill(f, SMALL_BYTES, |n| {
        let tags = (0..n).map(|tag| (i32::try_from(tag).expect("a tag"), Bytes::new()));
        let tags: BTreeMap<i32, Bytes> = tags.collect();
        ApiVersionsRequest::default().with_unknown_tagged_fields(tags)
    });
    frames
}

fn many<T: Default + Clone>(count: usize) -> Vec<T> {
    vec![T::default(); count]
}

/// As large as `bytes_max` allows, in the oldest and the newest version: the two encodings.
fn fill<R: Request>(frames: &mut Vec<Bytes>, bytes_max: usize, build: impl Fn(usize) -> R) {
    let key = ApiKey::try_from(R::KEY).expect("a known key");
    let versions = key.valid_versions();
    for version in [versions.min, versions.max] {
        let few = encodable(&build(1), version).zip(encodable(&build(1001), version));
        let Some((one, more)) = few.filter(|(one, more)| more.len() > one.len()) else {
            continue;
        };
        let element_bytes = (more.len() - one.len()).div_ceil(1000);
        let count = (bytes_max - 1024) / (element_bytes + 1);
        frames.extend(encodable(&build(count), version));
        frames.extend(encodable(&build(count.min(ELEMENTS - 2)), version));
    }
}

fn encodable<R: Request>(request: &R, version: i16) -> Option<Bytes> {
    let mut body = BytesMut::new();
    request.encode(&mut body, version).ok()?;
    Some(encode(request, version, 1))
}
