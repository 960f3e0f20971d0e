//! How a record of the log looks through Kinesis, whoever wrote it (design §4).

use crate::store::{Offset, RecordView};
use md5::{Digest, Md5};

/// Characters of a partition key, counted as Unicode code points.
const PARTITION_KEY_CHARACTERS_MAX: usize = 256;
const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

/// A record as GetRecords answers it: headers and the producer's own time do not cross.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub offset: Offset,
    pub data: &'a [u8],
    pub partition_key: PartitionKey<'a>,
}

/// A partition key as text.
#[derive(Clone, Copy, Debug)]
pub enum PartitionKey<'a> {
    Sent(&'a str),
    /// Plain ASCII that was made for a record without such a key.
    Made([u8; 32], usize),
}

impl<'a> Seen<'a> {
    /// A null value reads as no data.
    pub fn of(record: RecordView<'a>) -> Seen<'a> {
        Seen {
            offset: record.offset,
            data: record.value.unwrap_or_default(),
            partition_key: partition_key(record),
        }
    }

    /// Bytes that count towards an answer's limit.
    pub fn bytes_len(&self) -> usize {
        self.data.len() + self.partition_key.as_bytes().len()
    }
}

impl PartitionKey<'_> {
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            PartitionKey::Sent(text) => text.as_bytes(),
            PartitionKey::Made(bytes, length) => &bytes[..*length],
        }
    }
}

/// A key that Kinesis could have written is itself; no key is the offset; any other key is the
/// lower-case hexadecimal MD5 of its bytes, so that equal keys stay equal.
fn partition_key(record: RecordView<'_>) -> PartitionKey<'_> {
    let Some(key) = record.key else {
        return decimal(record.offset);
    };
    match std::str::from_utf8(key) {
        Ok(text) if is_partition_key(text) => PartitionKey::Sent(text),
        _ => digest(key),
    }
}

fn is_partition_key(text: &str) -> bool {
    let fits = |text: &str| text.chars().nth(PARTITION_KEY_CHARACTERS_MAX).is_none();
    !text.is_empty() && (text.len() <= PARTITION_KEY_CHARACTERS_MAX || fits(text))
}

fn decimal(offset: Offset) -> PartitionKey<'static> {
    let text = offset.to_string();
    let mut bytes = [0; 32];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    PartitionKey::Made(bytes, text.len())
}

fn digest(key: &[u8]) -> PartitionKey<'static> {
    let mut bytes = [0; 32];
    let digest: [u8; 16] = Md5::digest(key).into();
    for (pair, byte) in bytes.chunks_exact_mut(2).zip(digest) {
        pair[0] = HEXADECIMAL[usize::from(byte >> 4)];
        pair[1] = HEXADECIMAL[usize::from(byte & 15)];
    }
    PartitionKey::Made(bytes, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(key: Option<&[u8]>) -> String {
        let key = partition_key(RecordView {
            offset: Offset(41),
            key,
            value: None,
        });
        String::from_utf8(key.as_bytes().to_vec()).expect("text")
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
