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
/// Decimal digits of a number, whose highest hexadecimal digit is always 2.
pub const DIGITS: usize = 56;
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
        let mut text = Vec::with_capacity(DIGITS);
        Running::from(*self).write(&mut text);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// A record's number, ready to be written, and to become the next record's.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Chunks of the number, highest first.
    chunks: [u64; 3],
}

/// By how much the numbers of consecutive records of one batch differ, in chunks.
const STEP: [u64; 2] = [120_892, 5_819_614_629_174_706_176];

impl From<SequenceNumber> for Running {
    fn from(number: SequenceNumber) -> Running {
        let mut words = number.to_words();
        let low = split_off(&mut words);
        let middle = split_off(&mut words);
        let high = split_off(&mut words);
        let chunks = [high, middle, low];
        Running { chunks }
    }
}

impl Running {
    /// Goes on to the number of the next offset.
    pub fn step(&mut self) {
        let [high, middle, low] = &mut self.chunks;
        *low += STEP[1];
        *middle += STEP[0] + *low / CHUNK;
        *low %= CHUNK;
        *high += *middle / CHUNK;
        *middle %= CHUNK;
    }

    /// Adds the number's digits. Of this layout it always has as many.
    pub fn write(&self, to: &mut Vec<u8>) {
        let mut text = [0; DIGITS];
        let (high, rest) = text.split_at_mut(DIGITS - 2 * CHUNK_DIGITS);
        let (middle, low) = rest.split_at_mut(CHUNK_DIGITS);
        for (digits, chunk) in [high, middle, low].into_iter().zip(self.chunks) {
            put_digits(digits, chunk);
        }
        to.extend_from_slice(&text);
    }
}

/// Writes a number with leading zeros.
fn put_digits(to: &mut [u8], mut number: u64) {
    for pair in to.rchunks_mut(2) {
        let [tens, ones] = PAIRS[usize::try_from(number % 100).expect("below 100")];
        number /= 100;
        match pair {
            [first, second] => (*first, *second) = (tens, ones),
            [only] => *only = ones,
            _ => {}
        }
    }
}

const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

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
mod tests;
