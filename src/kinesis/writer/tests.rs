//! How entries become batches.

use super::*;
use crate::store::{
    HashKey, HashRange, Offset, PartitionIndex, Record, Settings, Stamp, StreamId, Timestamp,
};
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

fn entry(key: &str, bytes: usize) -> Entry {
    let data = Bytes::from(vec![7; bytes]);
    Entry {
        partition_key: key.into(),
        explicit_hash_key: None,
        data,
    }
}

fn packed(stream: &Stream, entries: &[Entry]) -> Packed {
    let routed = route(stream, entries).expect("legal entries");
    pack(stream, &routed).expect("existing partitions")
}

fn records(new: &NewBatch) -> Vec<Record> {
    new.batch
        .records(usize::MAX)
        .collect::<Result<_, _>>()
        .expect("whole records")
}

#[test]
fn a_batch_is_closed_before_it_passes_its_bound() {
    let stream = stream(1, 1000);
    let entries: Vec<Entry> = (0..20).map(|i| entry(&format!("key {i}"), 100)).collect();
    let packed = packed(&stream, &entries);
    assert!(packed.batches.len() > 1);
    assert!(
        packed
            .batches
            .iter()
            .all(|new| new.batch.bytes().len() <= 1000)
    );
    for (entry, place) in entries.iter().zip(&packed.places) {
        let records = records(&packed.batches[place.batch]);
        let delta = usize::try_from(place.delta).expect("few records");
        assert_eq!(
            records[delta].key.as_deref(),
            Some(entry.partition_key.as_bytes())
        );
    }
    assert!(
        packed
            .places
            .is_sorted_by_key(|place| (place.batch, place.delta))
    );
}

#[test]
fn a_single_legal_record_fits_whatever_the_bound() {
    let stream = stream(1, 100);
    let entries = [entry("k", 10), entry("k", (1 << 20) - 1), entry("k", 10)];
    let counts: Vec<usize> = packed(&stream, &entries)
        .batches
        .iter()
        .map(|new| records(new).len())
        .collect();
    assert_eq!(counts, [1, 1, 1]);
}

#[test]
fn each_shard_gets_a_batch_of_its_own_in_the_entries_order() {
    let stream = stream(4, 1 << 20);
    let entries: Vec<Entry> = (0..100).map(|i| entry(&format!("{i}"), i)).collect();
    let packed = packed(&stream, &entries);
    assert_eq!(packed.batches.len(), 4);
    for new in &packed.batches {
        let lengths: Vec<usize> = records(new)
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
        explicit_hash_key: Some(last.clone()),
        ..entry("k", 1)
    }];
    let packed = packed(&stream, &entries);
    assert_eq!(packed.batches[0].partition, PartitionId(2));
    let record = &records(&packed.batches[0])[0];
    let headers: Vec<_> = record.headers.iter().collect();
    assert_eq!(headers.len(), 1);
    assert_eq!(headers[0].key, EXPLICIT_HASH_KEY.as_bytes());
    assert_eq!(headers[0].value.as_deref(), Some(last.as_bytes()));
}

#[test]
fn a_record_larger_than_the_streams_maximum_refuses_the_request() {
    let stream = stream(1, 1 << 20);
    let fits = [entry("k", (1 << 20) - 1)];
    assert!(route(&stream, &fits).is_ok());
    let entries = [entry("k", 1), entry("k", 1 << 20)];
    let refusal = route(&stream, &entries).err().expect("one byte too many");
    assert_eq!(refusal.kind, "InvalidArgumentException");
}
