//! How a record of the log looks through Kinesis, whoever wrote it (design §4).

use super::sequence::SequenceNumber;
use crate::store::{Record, Shard, Timestamp};
use bytes::Bytes;
use md5::{Digest, Md5};

/// Characters of a partition key, counted as Unicode code points.
const PARTITION_KEY_CHARACTERS_MAX: usize = 256;

/// A record as GetRecords answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub sequence: SequenceNumber,
    pub arrival: Timestamp,
    pub data: Bytes,
    pub partition_key: String,
}

impl Seen {
    /// A record of `shard` that arrived then. A null value reads as no data; headers and the
    /// producer's own time do not cross.
    pub fn of(shard: &Shard, record: &Record, arrival: Timestamp) -> Seen {
        Seen {
            sequence: SequenceNumber::of_record(shard, record.offset, arrival),
            arrival,
            data: record.value.clone().unwrap_or_default(),
            partition_key: partition_key(record),
        }
    }

    /// Bytes that count towards an answer's limit.
    pub fn bytes_len(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// A key that Kinesis could have written is itself; no key is the offset; any other key is the
/// lower-case hexadecimal MD5 of its bytes, so that equal keys stay equal.
fn partition_key(record: &Record) -> String {
    let Some(key) = &record.key else {
        return record.offset.to_string();
    };
    match std::str::from_utf8(key) {
        Ok(text) if is_partition_key(text) => text.to_owned(),
        _ => Md5::digest(key)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    }
}

fn is_partition_key(text: &str) -> bool {
    !text.is_empty() && text.chars().nth(PARTITION_KEY_CHARACTERS_MAX).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Headers, Offset};

    fn key_of(key: Option<&[u8]>) -> String {
        partition_key(&Record {
            offset: Offset(41),
            timestamp: Timestamp(0),
            key: key.map(Bytes::copy_from_slice),
            value: None,
            headers: Headers::default(),
        })
    }

    #[test]
    fn a_key_that_is_text_of_1_to_256_characters_is_the_partition_key() {
        let longest = "é".repeat(256);
        for key in ["k", " ", "ключ", "\u{0}", &longest] {
            assert_eq!(key_of(Some(key.as_bytes())), key);
        }
    }

    #[test]
    fn no_key_reads_as_the_offset() {
        assert_eq!(key_of(None), "41");
    }

    #[test]
    fn any_other_key_reads_as_its_md5() {
        assert_eq!(key_of(Some(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            key_of(Some(&[0xff, 0xfe])),
            "f3b25701fe362ec84616a93a45ce9998"
        );
        let too_long = "é".repeat(257);
        assert_eq!(key_of(Some(too_long.as_bytes())).len(), 32);
    }
}
