//! Layout, order and reading of sequence numbers.

use super::*;
use crate::store::{Closed, HashKey, HashRange, PartitionIndex};
use proptest::prelude::*;

fn shard(number: u32, stamp: u64) -> Shard {
    Shard {
        number: ShardNumber(number),
        partition: PartitionIndex(number),
        range: HashRange {
            start: HashKey(0),
            end: HashKey(u128::MAX),
        },
        stamp: Stamp(stamp),
        first: Offset(0),
        created: Timestamp(0),
        closed: None,
        parents: Vec::new(),
    }
}

/// The number with that many in its offset is the layout's own example (spec C.4).
#[test]
fn numbers_are_laid_out_as_the_services_are() {
    let third = shard(3, 1_700_000_000);
    let record = SequenceNumber::of_record(&third, Offset(5), Timestamp(1_700_000_100_999));
    assert_eq!(
        record.to_string(),
        "49646437577175378652512468275256581209501454778614415410"
    );
    assert_eq!(
        SequenceNumber::starting(&shard(0, 1_700_000_000)).to_string(),
        "49646437577108476416916876405825929425585429676275269634"
    );
}

#[test]
fn the_first_stamp_gives_56_digits_that_start_with_49() {
    let start = SequenceNumber::starting(&shard(0, 1_420_070_400)).to_string();
    assert_eq!((start.len(), &start[..2]), (56, "49"));
}

#[test]
fn a_closed_shard_ends_behind_its_records_and_before_its_children() {
    let mut parent = shard(0, 1_420_070_400);
    let last = Offset(OFFSET_MAX - 1);
    let last = SequenceNumber::of_record(&parent, last, Timestamp(i64::MAX));
    assert_eq!(SequenceNumber::ending(&parent), None);
    parent.closed = Some(Closed {
        end: Offset(10),
        at: Timestamp(1_800_000_000_000),
    });
    let ending = SequenceNumber::ending(&parent).expect("it is closed");
    let child = SequenceNumber::starting(&shard(1, 1_420_070_401));
    assert!(last < ending && ending < child);
    assert!(last.to_string() < ending.to_string() && ending.to_string() < child.to_string());
}

#[test]
fn numbers_of_another_layout_are_not_read() {
    let good = "49646437577175378652512468275256581209501454778614415410";
    assert!(SequenceNumber::parse(good).is_some());
    let longest = "9".repeat(129);
    let other_version = format!("{}1", &good[..55]);
    for text in [
        "",
        "0",
        "1",
        "-1",
        "+1",
        " 1",
        "1 ",
        "x",
        &longest,
        &other_version,
    ] {
        assert_eq!(SequenceNumber::parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn a_number_names_its_stamp_its_shard_and_its_offset(
        number: u32, stamp in 1_420_070_400..(1_u64 << 36) - 1, offset in 0..=OFFSET_MAX,
        arrival: i64,
    ) {
        let shard = shard(number, stamp);
        let record = SequenceNumber::of_record(&shard, Offset(offset), Timestamp(arrival));
        prop_assert_eq!(SequenceNumber::parse(&record.to_string()), Some(record));
        prop_assert_eq!((record.stamp, record.shard), (shard.stamp, shard.number));
        prop_assert_eq!(record.offset, Offset(offset));
        prop_assert!(!record.is_position());
        let position = SequenceNumber::of_position(&shard, Offset(offset));
        prop_assert_eq!(SequenceNumber::parse(&position.to_string()), Some(position));
        prop_assert!(position.is_position());
    }

    #[test]
    fn a_position_sorts_between_the_records_around_it(
        number: u32, stamp in 1_420_070_400..(1_u64 << 36) - 1, offset in 1..=OFFSET_MAX,
        before: i64, after: i64,
    ) {
        let shard = shard(number, stamp);
        let previous = Offset(offset - 1);
        let sorted = [
            SequenceNumber::of_record(&shard, previous, Timestamp(before)),
            SequenceNumber::of_position(&shard, Offset(offset)),
            SequenceNumber::of_record(&shard, Offset(offset), Timestamp(after)),
        ];
        prop_assert!(sorted[0] < sorted[1] && sorted[1] < sorted[2]);
        let texts: Vec<String> = sorted.iter().map(ToString::to_string).collect();
        prop_assert!(texts[0] < texts[1] && texts[1] < texts[2]);
    }

    #[test]
    fn what_is_read_prints_the_same(text in "[1-9][0-9]{0,60}") {
        if let Some(number) = SequenceNumber::parse(&text) {
            prop_assert_eq!(number.to_string(), text);
        }
    }

    #[test]
    fn any_words_that_are_read_print_the_same(mut words: [u64; 3]) {
        words[0] = words[0] & !15 | 2;
        words[2] = words[2] & (u64::MAX >> 8) | 2 << 56;
        if let Some(number) = SequenceNumber::from_words(words) {
            prop_assert_eq!(number.to_words(), words);
        }
    }
}
