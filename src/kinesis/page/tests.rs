//! Pages: where they begin, what fills them, what is passed over.

use super::*;
use crate::kinesis::base64;
use crate::kinesis::sequence::SequenceNumber;
use crate::store::{
    BatchBuilder, Closed, HashKey, HashRange, PartitionId, PartitionIndex, ShardNumber, Stamp,
};
use bytes::Bytes;

const ARRIVAL: Timestamp = Timestamp(1_700_000_000_000);
const RECORD_BYTES_MAX: usize = 1 << 20;

fn shard(end: Option<u64>) -> Arc<Shard> {
    Arc::new(Shard {
        number: ShardNumber(0),
        partition: PartitionIndex(0),
        range: HashRange {
            start: HashKey(0),
            end: HashKey(u128::MAX),
        },
        stamp: Stamp(1_420_070_400),
        first: Offset(0),
        created: ARRIVAL,
        closed: end.map(|end| Closed {
            end: Offset(end),
            at: ARRIVAL,
        }),
        parents: Vec::new(),
    })
}

fn page(next: u64, end: u64, count_max: usize) -> Page {
    Page::new(shard(None), Offset(next), Offset(end), count_max)
}

/// A batch of these values, placed; `codec` claims to have compressed it.
fn run(base: u64, values: &[&[u8]], codec: u8) -> Run {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.push(Some(b"k"), Some(*value), &[]);
    }
    let mut bytes = builder.finish().expect("some values").bytes().to_vec();
    bytes[..8].copy_from_slice(&base.to_be_bytes());
    bytes[22] |= codec;
    let info = BatchInfo {
        base: Offset(base),
        next: Offset(base).plus(u64::try_from(values.len()).expect("few")),
        bytes: u32::try_from(bytes.len()).expect("short"),
        arrival: ARRIVAL,
        max_timestamp: ARRIVAL,
        named: PartitionId(1),
    };
    Run {
        bytes: Bytes::from(bytes),
        batches: vec![info],
    }
}

fn fill(page: &mut Page, runs: &[Run]) -> Option<Opened> {
    page.fill(runs, None, RECORD_BYTES_MAX)
}

/// The records as a client reads them.
pub fn records(page: Page) -> Vec<serde_json::Value> {
    let text = page.records.finish(b"]}").concat();
    let answer: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    answer["Records"].as_array().expect("a list").clone()
}

pub fn values(page: Page) -> Vec<Vec<u8>> {
    let data = |record: &serde_json::Value| {
        let text = record["Data"].as_str().expect("text");
        base64::decode(text).expect("base64").to_vec()
    };
    records(page).iter().map(data).collect()
}

#[test]
fn a_page_begins_inside_a_batch_and_ends_with_the_log() {
    let mut page = page(1, 4, 100);
    let opened = fill(
        &mut page,
        &[run(0, &[b"a", b"b", b"c"], 0), run(3, &[b"d"], 0)],
    );
    assert!(opened.is_none());
    assert!(page.is_done() && page.next == Offset(4));
    assert_eq!(values(page), [b"b", b"c", b"d"]);
}

#[test]
fn a_small_limit_goes_on_in_the_open_batch_where_it_stopped() {
    let runs = [run(0, &[b"a", b"b", b"c"], 0)];
    let mut opened = None;
    for (next, expected) in [(0, b"a"), (1, b"b"), (2, b"c")] {
        let mut page = page(next, 3, 1);
        opened = page.fill(&runs, opened, RECORD_BYTES_MAX);
        assert_eq!((page.next, page.is_done()), (Offset(next + 1), true));
        assert_eq!(values(page), [expected]);
        assert_eq!(
            opened.is_some(),
            next < 2,
            "it is kept open until its last record"
        );
    }
}

#[test]
fn ten_mebibytes_fill_a_page_and_what_does_not_fit_is_the_next_pages_first() {
    let large = vec![7; (4 << 20) - 1];
    let runs: Vec<Run> = (0..3).map(|i| run(i, &[&large], 0)).collect();
    let mut first = page(0, 3, 100);
    let opened = first.fill(&runs, None, 5 << 20);
    assert_eq!((first.records.count(), first.next), (2, Offset(2)));
    let mut second = page(2, 3, 100);
    second.fill(&runs, opened, 5 << 20);
    assert_eq!((second.records.count(), second.next), (1, Offset(3)));
}

#[test]
fn a_record_larger_than_a_page_comes_alone() {
    let huge = vec![7; (10 << 20) + 1];
    let runs = [run(0, &[b"a", &huge, b"c"], 0)];
    let lengths: Vec<usize> = (0..3)
        .map(|next| {
            let mut page = page(next, 3, 100);
            fill(&mut page, &runs);
            values(page).iter().map(Vec::len).sum()
        })
        .collect();
    assert_eq!(lengths, [1, huge.len(), 1]);
}

#[test]
fn control_batches_are_skipped() {
    let mut page = page(0, 3, 100);
    fill(
        &mut page,
        &[
            run(0, &[b"a"], 0),
            run(1, &[b"marker"], 0x20),
            run(2, &[b"b"], 0),
        ],
    );
    assert_eq!(values(page), [b"a", b"b"]);
}

#[test]
fn a_batch_that_cannot_be_decoded_is_passed_over() {
    let mut page = page(0, 4, 100);
    fill(
        &mut page,
        &[
            run(0, &[b"a"], 0),
            run(1, &[b"b", b"c"], 4),
            run(3, &[b"d"], 0),
        ],
    );
    let [
        PassedOver {
            base: Offset(1),
            next: Offset(3),
            ..
        },
    ] = &page.passed_over[..]
    else {
        panic!("{:?}", page.passed_over);
    };
    assert_eq!(values(page), [b"a", b"d"]);
}

#[test]
fn nothing_behind_the_shards_end_is_on_a_page() {
    let mut page = page(0, 2, 100);
    fill(
        &mut page,
        &[run(0, &[b"a", b"b", b"c"], 0), run(3, &[b"d"], 0)],
    );
    assert_eq!(page.next, Offset(2));
    assert_eq!(values(page), [b"a", b"b"]);
}

#[test]
fn every_record_carries_its_own_number_and_the_time_of_its_batch() {
    let mut page = page(0, 4, 100);
    let mut second = run(2, &[b"c", b"d"], 0);
    second.batches[0].arrival = Timestamp(1_700_000_060_125);
    let shard = page.shard.clone();
    fill(&mut page, &[run(0, &[b"a", b"b"], 0), second]);

    let records = records(page);

    let arrivals = [
        ARRIVAL,
        ARRIVAL,
        Timestamp(1_700_000_060_125),
        Timestamp(1_700_000_060_125),
    ];
    for ((offset, arrival), record) in (0..).zip(arrivals).zip(&records) {
        let number = SequenceNumber::of_record(&shard, Offset(offset), arrival);
        assert_eq!(record["SequenceNumber"], number.to_string());
        assert_eq!(record["PartitionKey"], "k");
    }
    assert_eq!(records[1]["ApproximateArrivalTimestamp"], 1_700_000_000.0);
    assert_eq!(records[3]["ApproximateArrivalTimestamp"], 1_700_000_060.125);
}

#[test]
fn a_partition_key_is_escaped_where_it_must_be() {
    for key in [
        "plain",
        "say \"so\"",
        "back\\slash",
        "line\nend\u{1}",
        "ключ",
    ] {
        let mut builder = BatchBuilder::new();
        builder.push(Some(key.as_bytes()), None::<&[u8]>, &[]);
        let bytes = builder.finish().expect("a record").into_bytes();
        let mut one = run(0, &[b""], 0);
        one.batches[0].bytes = u32::try_from(bytes.len()).expect("short");
        one.bytes = bytes;
        let mut page = page(0, 1, 1);
        fill(&mut page, &[one]);
        assert_eq!(records(page)[0]["PartitionKey"], key);
    }
}
