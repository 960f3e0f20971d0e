//! Records as producers write them, in every codec, whole and hostile.

use super::*;
use crate::store::{BatchBuilder, HEADER_BYTES, Header};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, Record as Theirs, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use proptest::prelude::*;
use std::io::Write;

const BYTES_MAX: usize = 1 << 20;

/// What a record carries, without its place.
type Content = (
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(String, Option<Vec<u8>>)>,
);

fn content() -> impl Strategy<Value = Content> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
    let headers = proptest::collection::btree_map("[a-z]{0,5}", bytes(), 0..4);
    let headers = headers.prop_map(|headers| headers.into_iter().collect());
    (bytes(), bytes(), headers)
}

fn contents() -> impl Strategy<Value = Vec<Content>> {
    proptest::collection::vec(content(), 1..40)
}

/// A batch made by the `kafka-protocol` crate.
fn theirs(contents: &[Content], compression: Compression) -> Batch {
    let record = |(i, (key, value, headers)): (usize, &Content)| {
        let offset = i64::try_from(i).expect("few records");
        let headers = headers.iter().map(|(k, v)| {
            let key = StrBytes::from_string(k.clone());
            (key, v.clone().map(Bytes::from))
        });
        Theirs {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: 0,
            producer_id: -1,
            producer_epoch: -1,
            timestamp_type: TimestampType::Creation,
            offset,
            sequence: i32::try_from(i).expect("few records"),
            timestamp: 1_700_000_000_000 + offset * 3,
            key: key.clone().map(Bytes::from),
            value: value.clone().map(Bytes::from),
            headers: headers.collect::<IndexMap<_, _>>(),
        }
    };
    let records: Vec<Theirs> = contents.iter().enumerate().map(record).collect();
    let options = RecordEncodeOptions {
        version: 2,
        compression,
    };
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, &records, &options).expect("their encoder");
    Batch::trusted(bytes.freeze())
}

/// A batch with this header count and these record bytes, which may be nonsense.
fn hostile(codec: u8, count: i32, records: &[u8]) -> Batch {
    let mut builder = BatchBuilder::new();
    builder.push(None, None::<&[u8]>, &[]);
    let made = builder.finish().expect("one record");
    let mut bytes = made.bytes()[..HEADER_BYTES].to_vec();
    bytes[22] = codec;
    bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    bytes.extend_from_slice(records);
    Batch::trusted(bytes.into())
}

fn read(batch: &Batch) -> Result<Vec<Record>, Undecodable> {
    batch.records(BYTES_MAX).collect()
}

fn assert_same(contents: &[Content], records: &[Record]) {
    assert_eq!(records.len(), contents.len());
    for (i, (record, (key, value, headers))) in records.iter().zip(contents).enumerate() {
        let i = u64::try_from(i).expect("few records");
        assert_eq!(record.offset, Offset(i));
        assert_eq!(record.key.as_deref(), key.as_deref());
        assert_eq!(record.value.as_deref(), value.as_deref());
        let found: Vec<Header> = record.headers.iter().collect();
        assert_eq!(found.len(), headers.len());
        for (found, (key, value)) in found.iter().zip(headers) {
            assert_eq!(found.key, key.as_bytes());
            assert_eq!(found.value.as_deref(), value.as_deref());
        }
    }
}

fn compressions() -> impl Strategy<Value = Compression> {
    use Compression::{Gzip, Lz4, None, Snappy, Zstd};
    prop::sample::select(vec![None, Gzip, Snappy, Lz4, Zstd])
}

proptest! {
    #[test]
    fn batches_of_every_codec_read_as_they_were_written(
        contents in contents(), compression in compressions(),
    ) {
        let records = read(&theirs(&contents, compression)).expect("a good batch");
        assert_same(&contents, &records);
        let last = records.last().expect("at least one");
        let steps = i64::try_from(records.len()).expect("few records") - 1;
        prop_assert_eq!(last.timestamp.0, 1_700_000_000_000 + steps * 3);
    }

    #[test]
    fn what_the_builder_writes_is_read_back_and_walked(contents in contents()) {
        let mut builder = BatchBuilder::new();
        for (key, value, headers) in &contents {
            let headers: Vec<_> =
                headers.iter().map(|(k, v)| (k.as_bytes(), v.as_deref())).collect();
            let added = builder.bytes_added_by(key.as_deref(), value.as_deref(), &headers);
            let before = builder.bytes_len();
            builder.push(key.as_deref(), value.as_deref(), &headers);
            prop_assert_eq!(builder.bytes_len(), before + added);
        }
        let bytes = builder.finish().expect("at least one").into_bytes();
        let batch = Batch::parse(bytes).expect("a good batch");
        assert_same(&contents, &read(&batch).expect("a good batch"));
        let walked = batch.walk().expect("a good batch");
        let null = contents.iter().position(|(key, _, _)| key.is_none());
        prop_assert_eq!(walked.null_key, null.map(|i| u32::try_from(i).expect("few records")));
    }

    #[test]
    fn a_damaged_batch_ends_in_records_or_an_error(
        contents in contents(), compression in compressions(),
        at: prop::sample::Index, to: u8, cut: prop::sample::Index,
    ) {
        let mut bytes = theirs(&contents, compression).bytes().to_vec();
        let at = HEADER_BYTES - 4 + at.index(bytes.len() - HEADER_BYTES);
        bytes[at] = to;
        bytes.truncate(HEADER_BYTES + cut.index(bytes.len() - HEADER_BYTES + 1));
        let batch = Batch::trusted(bytes.into());
        let _ = read(&batch);
        let _ = batch.walk();
    }

    #[test]
    fn random_bytes_are_no_records(
        codec in 0..8_u8, count: i32, bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let batch = hostile(codec, count.max(1), &bytes);
        let _ = read(&batch);
        let _ = batch.walk();
    }

    #[test]
    fn a_batch_cut_anywhere_is_undecodable(
        contents in contents(), compression in compressions(), cut: prop::sample::Index,
    ) {
        let whole = theirs(&contents, compression);
        let payload = whole.bytes().len() - HEADER_BYTES;
        // Gzip, lz4 and zstd end with checksums or marks that hold no record.
        let kept = cut.index(payload.saturating_sub(16).max(1));
        let batch = Batch::trusted(whole.bytes().slice(..HEADER_BYTES + kept));
        prop_assert!(read(&batch).is_err());
    }
}

#[test]
fn the_count_in_the_header_must_be_the_count_of_records() {
    let record = [12, 0, 0, 0, 1, 1, 0];
    assert_eq!(
        read(&hostile(0, 1, &record)).map(|records| records.len()),
        Ok(1)
    );
    assert_eq!(read(&hostile(0, i32::MAX, &record)), Err(Undecodable::Cut));
    let two = [record, [12, 0, 0, 2, 1, 1, 0]].concat();
    assert_eq!(
        read(&hostile(0, 2, &two)).map(|records| records.len()),
        Ok(2)
    );
    assert_eq!(read(&hostile(0, 1, &two)), Err(Undecodable::Trailing));
    assert_eq!(hostile(0, 1, &two).walk(), Err(Malformed::Records));
    assert_eq!(hostile(0, 3, &two).walk(), Err(Malformed::Records));
}

#[test]
fn lengths_that_lie_are_refused() {
    let cases: &[(&[u8], Undecodable)] = &[
        (&[1], Undecodable::Length(-1)),
        (&[10, 0, 0, 0, 1, 1], Undecodable::Length(5)),
        (&[14, 0, 0, 0, 1, 1, 0], Undecodable::Cut),
        (&[0xff, 0xff, 0xff, 0xff, 0xff], Undecodable::Cut),
        (
            &[0xfe, 0xff, 0x7f],
            Undecodable::TooLarge {
                bytes: BYTES_MAX - 1,
                bytes_max: 1000,
            },
        ),
        // A key longer than the record, a key of length −2, a header count beyond the record, a
        // header without a key, and a field too few.
        (&[12, 0, 0, 0, 20, 1, 0], Undecodable::Fields),
        (&[12, 0, 0, 0, 3, 1, 0], Undecodable::Fields),
        (
            &[20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f],
            Undecodable::Fields,
        ),
        (&[16, 0, 0, 0, 1, 1, 2, 1, 1], Undecodable::Fields),
        (&[14, 0, 0, 0, 1, 1, 0, 0], Undecodable::Fields),
        (&[12, 0, 0, 2, 1, 1, 0], Undecodable::OffsetDelta(1)),
        (&[12, 0, 0, 1, 1, 1, 0], Undecodable::OffsetDelta(-1)),
    ];
    for (bytes, expected) in cases {
        let batch = hostile(0, 1, bytes);
        let found: Result<Vec<Record>, _> = batch.records(1000).collect();
        assert_eq!(found, Err(expected.clone()), "{bytes:?}");
    }
}

#[test]
fn offsets_must_ascend_within_a_batch() {
    let twice = [[12, 0, 0, 0, 1, 1, 0], [12, 0, 0, 0, 1, 1, 0]].concat();
    assert_eq!(
        read(&hostile(0, 2, &twice)),
        Err(Undecodable::OffsetDelta(0))
    );
}

#[test]
fn a_batch_on_the_logs_time_gives_every_record_that_time() {
    use crate::store::batch::Times;
    let one: Content = (None, None, Vec::new());
    let batch = theirs(&[one.clone(), one], Compression::None);
    let placed = batch.placed_at(Offset(7), Times::Appended(Timestamp(1_800_000_000_000)));
    let records = read(&placed).expect("a good batch");
    assert_eq!(records[1].offset, Offset(8));
    assert!(
        records
            .iter()
            .all(|record| record.timestamp.0 == 1_800_000_000_000)
    );
}

/// One record of `megabytes` of zeros, as the records part of a batch of this codec.
fn bomb(codec: u8, megabytes: usize) -> Batch {
    let body_bytes = megabytes << 20;
    let mut head = BytesMut::new();
    super::super::varint::put_varint(&mut head, i32::try_from(body_bytes).expect("fits"));
    let zeros = vec![0; 1 << 20];
    let mut packed = Vec::new();
    let write_all = |to: &mut dyn Write| {
        to.write_all(&head).expect("memory");
        for _ in 0..megabytes {
            to.write_all(&zeros).expect("memory");
        }
    };
    match codec {
        1 => {
            let mut to = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
            write_all(&mut to);
            to.finish().expect("memory");
        }
        2 => {
            let mut whole = Vec::new();
            write_all(&mut whole);
            packed = snap::raw::Encoder::new()
                .compress_vec(&whole)
                .expect("snap");
        }
        3 => {
            let mut to = lz4_flex::frame::FrameEncoder::new(&mut packed);
            write_all(&mut to);
            to.finish().expect("memory");
        }
        _ => {
            let mut to = zstd::stream::write::Encoder::new(&mut packed, 1).expect("zstd");
            write_all(&mut to);
            to.finish().expect("memory");
        }
    }
    hostile(codec, 1, &packed)
}

#[test]
fn a_bomb_of_any_codec_is_refused_without_being_expanded() {
    for codec in 1..=4 {
        let batch = bomb(codec, 64);
        assert!(batch.bytes().len() < 8 << 20);
        let mut records = batch.records(BYTES_MAX);
        let found = records.next();
        let bytes = 64 << 20;
        let refused = Undecodable::TooLarge {
            bytes,
            bytes_max: BYTES_MAX,
        };
        assert_eq!(found, Some(Err(refused)), "codec {codec}");
        let Source::Packed { ready, .. } = &records.source else {
            panic!("a compressed batch is expanded as a stream");
        };
        assert!(ready.capacity() <= 2 * STEP_BYTES, "codec {codec}");
        assert_eq!(records.next(), None);
    }
}

#[test]
fn memory_grows_with_what_comes_and_not_with_what_is_claimed() {
    // A record that claims a gigabyte and brings ten bytes.
    let claim = [0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0];
    let packed = zstd::stream::encode_all(&claim[..], 1).expect("zstd");
    let mut records = hostile(4, 1, &packed).records(usize::MAX);
    assert_eq!(records.next(), Some(Err(Undecodable::Cut)));
    let Source::Packed { ready, .. } = &records.source else {
        panic!("a compressed batch is expanded as a stream");
    };
    assert!(ready.capacity() <= 4 * STEP_BYTES);
}
