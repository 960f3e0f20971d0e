//! Sequence numbers: the service's 56-digit layout with a shard's stamp and a record's offset in
//! it, so that one number alone names both (design §3, spec C.4).
//!
//! In 47 hexadecimal digits: `2`, nine of stamp, the shard's lowest, sixteen of offset, `00`, nine
//! of a second, eight of shard, and the layout's version, `2`.

use crate::store::{Offset, Shard, ShardNumber, Stamp, Timestamp};
use std::cmp::Ordering;
use std::fmt;

/// A decoded sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceNumber {
    pub stamp: Stamp,
    pub shard: ShardNumber,
    pub offset: Offset,
    second: u64,
}

/// The offset in the number that ends a closed shard: behind every record (spec C.4).
const OFFSET_MAX: u64 = i64::MAX.cast_unsigned();
const SECOND_BITS: u32 = 36;
/// Decimal digits that are printed and parsed at a time.
const CHUNK_DIGITS: usize = 19;
const CHUNK: u64 = 10_u64.pow(19);

impl SequenceNumber {
    /// The number of a record that exists. Its second is later than the stamp, so that it never
    /// equals the position number, whatever the clock said.
    pub fn of_record(shard: &Shard, offset: Offset, arrival: Timestamp) -> SequenceNumber {
        let second = u64::try_from(arrival.0 / 1000).unwrap_or(0);
        let second = second.clamp(shard.stamp.0 + 1, (1 << SECOND_BITS) - 1);
        SequenceNumber {
            second,
            ..SequenceNumber::of_position(shard, offset)
        }
    }

    /// The number that sorts after record `offset` − 1 and before record `offset`.
    pub fn of_position(shard: &Shard, offset: Offset) -> SequenceNumber {
        let second = shard.stamp.0;
        SequenceNumber {
            stamp: shard.stamp,
            shard: shard.number,
            offset,
            second,
        }
    }

    /// StartingSequenceNumber of a shard.
    pub fn starting(shard: &Shard) -> SequenceNumber {
        SequenceNumber::of_position(shard, shard.first)
    }

    /// EndingSequenceNumber of a shard, once it is closed.
    pub fn ending(shard: &Shard) -> Option<SequenceNumber> {
        let closed = shard.closed?;
        Some(SequenceNumber::of_record(
            shard,
            Offset(OFFSET_MAX),
            closed.at,
        ))
    }

    /// Whether this is a place between records, not a record's own number.
    pub fn is_position(self) -> bool {
        self.second == self.stamp.0
    }

    /// Reads a decimal number; `None` if it has another layout.
    pub fn parse(text: &str) -> Option<SequenceNumber> {
        SequenceNumber::from_words(words_of(text)?)
    }

    /// The number in three words of 64 bits, lowest first.
    fn to_words(self) -> [u64; 3] {
        let (shard, offset) = (u64::from(self.shard.0), self.offset.0);
        [
            2 | shard << 4 | self.second << 36,
            // The second's upper eight bits, eight zero bits, and the offset's lower 48.
            self.second >> 28 | offset << 16,
            offset >> 48 | (shard & 15) << 16 | self.stamp.0 << 20 | 2 << 56,
        ]
    }

    fn from_words([low, middle, high]: [u64; 3]) -> Option<SequenceNumber> {
        let number = SequenceNumber {
            stamp: Stamp(high >> 20 & ((1 << SECOND_BITS) - 1)),
            shard: ShardNumber(u32::try_from(low >> 4 & u64::from(u32::MAX)).ok()?),
            offset: Offset(middle >> 16 | high << 48),
            second: low >> 36 | (middle & 0xff) << 28,
        };
        // Whatever is fixed or said twice must come out as it went in.
        let is_whole = number.to_words() == [low, middle, high] && number.offset.0 <= OFFSET_MAX;
        is_whole.then_some(number)
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &SequenceNumber) -> Ordering {
        let words = |number: &SequenceNumber| number.to_words().into_iter().rev();
        words(self).cmp(words(other))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &SequenceNumber) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.to_words();
        let low = split_off(&mut words);
        let middle = split_off(&mut words);
        let high = split_off(&mut words);
        write!(f, "{high}{middle:0CHUNK_DIGITS$}{low:0CHUNK_DIGITS$}")
    }
}

/// Divides by [`CHUNK`] and gives the remainder.
fn split_off(words: &mut [u64; 3]) -> u64 {
    let chunk = u128::from(CHUNK);
    let mut remainder = 0_u128;
    for word in words.iter_mut().rev() {
        let dividend = remainder << 64 | u128::from(*word);
        *word = low_word(dividend / chunk);
        remainder = dividend % chunk;
    }
    low_word(remainder)
}

/// A decimal number of at most 192 bits in three words, lowest first.
fn words_of(text: &str) -> Option<[u64; 3]> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut words = [0_u64; 3];
    for digit in text.bytes() {
        let mut carry = u128::from(digit - b'0');
        for word in &mut words {
            carry += u128::from(*word) * 10;
            *word = low_word(carry);
            carry >>= 64;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(words)
}

fn low_word(wide: u128) -> u64 {
    u64::try_from(wide & u128::from(u64::MAX)).expect("64 bits are left")
}

#[cfg(test)]
mod tests {
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
}
