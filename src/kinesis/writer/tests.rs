//! How entries become batches.

use super::*;
use crate::store::{
    HashKey, HashRange, Offset, PartitionIndex, Record, Settings, Stamp, StreamId, Timestamp,
};
use bytes::Bytes;
use std::collections::BTreeMap;

fn stream(shards: u32, batch_bytes_max: usize) -> Stream {
    let setting = ("max.message.bytes".to_owned(), batch_bytes_max.to_string());
    let shard = |(number, range)| Shard {
        number: ShardNumber(number),
        partition: PartitionIndex(number),
        range,
        stamp: Stamp(1_420_070_400),
        first: Offset(0),
        created: Timestamp(0),
        closed: None,
        parents: Vec::new(),
    };
    Stream {
        name: "orders".into(),
        id: StreamId::random(),
        created: Timestamp(0),
        partitions: (1..=u64::from(shards)).map(PartitionId).collect(),
        shards: (0..).zip(HashRange::uniform(shards)).map(shard).collect(),
        settings: Settings(BTreeMap::from([setting])),
    }
}

fn entry<'a>(key: &'a str, data: &'a [u8]) -> Entry<'a> {
    Entry {
        partition_key: key,
        explicit_hash_key: None,
        data: Data::Decoded(data),
    }
}

fn packed(stream: &Stream, entries: &[Entry<'_>]) -> Packed {
    pack(stream, entries).expect("legal entries")
}

fn records(packed: &PackedBatch) -> Vec<Record> {
    let records = packed.new.batch.records(usize::MAX);
    records.collect::<Result<_, _>>().expect("whole records")
}

#[test]
fn a_batch_is_closed_before_it_passes_its_bound() {
    let stream = stream(1, 1000);
    let keys: Vec<String> = (0..20).map(|i| format!("key {i}")).collect();
    let entries: Vec<Entry<'_>> = keys.iter().map(|key| entry(key, &[7; 100])).collect();
    let packed = packed(&stream, &entries);
    assert!(packed.batches.len() > 1);
    assert!(
        packed
            .batches
            .iter()
            .all(|packed| packed.new.batch.bytes().len() <= 1000)
    );
    let stored = packed.batches.iter().flat_map(records);
    let stored: Vec<Bytes> = stored.filter_map(|record| record.key).collect();
    assert_eq!(stored, keys);
    assert_eq!(packed.places.len(), 20);
    assert!(packed.places.is_sorted());
}

#[test]
fn a_single_legal_record_fits_whatever_the_bound() {
    let stream = stream(1, 100);
    let large = vec![7; (1 << 20) - 1];
    let entries = [entry("k", b"a"), entry("k", &large), entry("k", b"b")];
    let batches = packed(&stream, &entries).batches;
    let counts: Vec<usize> = batches.iter().map(|batch| records(batch).len()).collect();
    assert_eq!(counts, [1, 1, 1]);
}

#[test]
fn each_shard_gets_a_batch_of_its_own_in_the_entries_order() {
    let stream = stream(4, 1 << 20);
    let (keys, data): (Vec<String>, _) = ((0..100).map(|i| i.to_string()).collect(), [7; 100]);
    let entries = keys
        .iter()
        .enumerate()
        .map(|(i, key)| entry(key, &data[..i]));
    let entries: Vec<Entry<'_>> = entries.collect();
    let packed = packed(&stream, &entries);
    assert_eq!(packed.batches.len(), 4);
    for (at, batch) in packed.batches.iter().enumerate() {
        let places = packed.places.iter().filter(|place| **place == at);
        assert_eq!(records(batch).len(), places.count());
        let lengths: Vec<usize> = records(batch)
            .iter()
            .map(|record| record.value.as_ref().map_or(0, Bytes::len))
            .collect();
        assert!(lengths.is_sorted() && !lengths.is_empty());
    }
}

#[test]
fn an_explicit_hash_key_routes_and_becomes_a_header() {
    let stream = stream(2, 1 << 20);
    let last = HashKey(u128::MAX).0.to_string();
    let entries = [Entry {
        explicit_hash_key: Some(&last),
        ..entry("k", b"a")
    }];
    let packed = packed(&stream, &entries);
    assert_eq!(packed.batches[0].new.partition, PartitionId(2));
    let record = &records(&packed.batches[0])[0];
    let headers: Vec<_> = record.headers.iter().collect();
    assert_eq!(headers.len(), 1);
    assert_eq!(headers[0].key, EXPLICIT_HASH_KEY.as_bytes());
    assert_eq!(headers[0].value.as_deref(), Some(last.as_bytes()));
}

#[test]
fn a_record_larger_than_the_streams_maximum_refuses_the_request() {
    let stream = stream(1, 1 << 20);
    let data = vec![7; 1 << 20];
    assert!(pack(&stream, &[entry("k", &data[1..])]).is_ok());
    let entries = [entry("k", b"a"), entry("k", &data)];
    let refusal = pack(&stream, &entries).err().expect("one byte too many");
    assert_eq!(refusal.kind, "InvalidArgumentException");
}
