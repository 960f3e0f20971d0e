//! What is written by hand equals what the message crate writes.

use super::*;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{ApiKey, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

fn head(version: i16) -> ResponseHead {
    ResponseHead {
        key: ApiKey::Fetch,
        version,
        correlation_id: 7,
    }
}

fn written(answer: Answer) -> Vec<u8> {
    match answer {
        Answer::Frame { pieces, .. } => pieces.concat(),
        other => panic!("{other:?}"),
    }
}

fn by_hand(version: i16, read_committed: bool) -> Fetched {
    let topic = match version {
        13.. => TopicRef::Id(Uuid::from_u128(9)),
        _ => TopicRef::Name(TopicName(StrBytes::from_static_str("orders"))),
    };
    let runs = vec![Bytes::from(vec![1; 100]), Bytes::from(vec![2; 300])];
    let found = FetchedPartition {
        index: 3,
        code: None,
        ends: Ends {
            log_start: 4,
            high_watermark: 12,
        },
        runs,
    };
    let empty = FetchedPartition {
        index: 4,
        code: Some(Code::OffsetOutOfRange),
        ends: Ends::UNKNOWN,
        runs: Vec::new(),
    };
    Fetched {
        session_id: 5,
        topics: vec![FetchedTopic {
            topic: Arc::new(topic),
            partitions: vec![found, empty],
        }],
        read_committed,
        ..Fetched::default()
    }
}

fn by_crate(version: i16, read_committed: bool) -> FetchResponse {
    let aborted = read_committed.then(Vec::new);
    let records = [[1; 100].as_slice(), &[2; 300]].concat();
    let found = PartitionData::default()
        .with_partition_index(3)
        .with_high_watermark(12)
        .with_last_stable_offset(12)
        .with_log_start_offset(4)
        .with_aborted_transactions(aborted.clone())
        .with_records(Some(records.into()));
    let empty = PartitionData::default()
        .with_partition_index(4)
        .with_error_code(1)
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_aborted_transactions(aborted)
        .with_records(Some(Bytes::new()));
    let topic = FetchableTopicResponse::default().with_partitions(vec![found, empty]);
    let topic = match version {
        13.. => topic.with_topic_id(Uuid::from_u128(9)),
        _ => topic.with_topic(TopicName(StrBytes::from_static_str("orders"))),
    };
    FetchResponse::default()
        .with_session_id(if version < 7 { 0 } else { 5 })
        .with_responses(vec![topic])
}

#[test]
fn every_version_is_written_as_the_message_crate_writes_it() {
    for version in 4..=18 {
        for read_committed in [false, true] {
            let hand = written(by_hand(version, read_committed).respond(head(version)));
            let expected = written(by_crate(version, read_committed).respond(head(version)));
            assert_eq!(hand, expected, "version {version}");
        }
    }
}
