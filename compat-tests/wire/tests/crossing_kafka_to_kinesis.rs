//! What Kafka wrote, as Kinesis readers see it: the first table of design §4, row by row.

mod crossing;

use braid_wire::{Got, TestServer};
use bytes::{BufMut, Bytes, BytesMut};
use crossing::{PRODUCED_MS, batch_of, fetch_all, offset_of, produce, record};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, Record};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// Produces one batch to a new topic and reads it through Kinesis.
async fn crossed(records: &[Record], compression: Compression) -> Vec<Got> {
    let server = TestServer::with_stream("orders", 1).await;
    let batch = batch_of(records, compression);
    produce(&mut server.kafka().await, "orders", batch).await;
    server.kinesis().await.read("orders", 0).await
}

async fn partition_key_of(key: Option<&[u8]>) -> String {
    crossed(&[record(key, None)], Compression::None)
        .await
        .remove(0)
        .partition_key
}

fn with_header(mut record: Record, name: &'static str, value: Option<&[u8]>) -> Record {
    record.headers.insert(
        StrBytes::from_static_str(name),
        value.map(Bytes::copy_from_slice),
    );
    record
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after the epoch");
    i64::try_from(since.as_millis()).expect("milliseconds")
}

#[tokio::test]
async fn a_key_of_1_to_256_characters_is_the_partition_key() {
    for key in ["k", "ключ", "🙂", &"é".repeat(256)] {
        assert_eq!(partition_key_of(Some(key.as_bytes())).await, key);
    }
}

#[tokio::test]
async fn a_record_without_a_key_has_its_offset_as_the_partition_key() {
    let records = [
        record(None, Some(b"a")),
        record(Some(b"k"), None),
        record(None, Some(b"b")),
    ];
    let keys: Vec<String> = crossed(&records, Compression::None)
        .await
        .into_iter()
        .map(|got| got.partition_key)
        .collect();
    assert_eq!(keys, ["0", "k", "2"]);
}

#[tokio::test]
async fn any_other_key_is_seen_as_the_md5_of_its_bytes() {
    assert_eq!(
        partition_key_of(Some(b"")).await,
        "d41d8cd98f00b204e9800998ecf8427e"
    );
    assert_eq!(
        partition_key_of(Some(b"\xff\xfe")).await,
        "f3b25701fe362ec84616a93a45ce9998"
    );
    let long = "a".repeat(257);
    assert_eq!(partition_key_of(Some(long.as_bytes())).await.len(), 32);
}

#[tokio::test]
async fn the_value_is_the_data_and_a_null_value_is_no_data() {
    let binary: Vec<u8> = (0..=255).collect();
    let records = [
        record(Some(b"k"), Some(&binary)),
        record(Some(b"k"), None),
        record(Some(b"k"), Some(b"")),
    ];
    let data: Vec<Vec<u8>> = crossed(&records, Compression::None)
        .await
        .into_iter()
        .map(|got| got.data)
        .collect();
    assert_eq!(data, [binary, Vec::new(), Vec::new()]);
}

#[tokio::test]
async fn the_arrival_time_is_the_logs_and_not_the_producers() {
    let before = now_ms();
    let got = crossed(&[record(Some(b"k"), None)], Compression::None).await;
    assert!(
        (before..=now_ms()).contains(&got[0].arrival_ms),
        "{}",
        got[0].arrival_ms
    );
    assert!(got[0].arrival_ms > PRODUCED_MS);
}

#[tokio::test]
async fn at_timestamp_goes_by_arrival() {
    let server = TestServer::with_stream("orders", 1).await;
    let batch = batch_of(&[record(Some(b"k"), None)], Compression::None);
    produce(&mut server.kafka().await, "orders", batch).await;
    let mut kinesis = server.kinesis().await;
    let after_production = (PRODUCED_MS + 1000) / 1000;
    let input = json!({
        "StreamName": "orders", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP",
        "Timestamp": after_production,
    });
    let iterator = kinesis.iterator(input).await;
    assert_eq!(kinesis.read_on(iterator, 10).await.len(), 1);
}

#[tokio::test]
async fn headers_are_not_visible_and_do_no_harm() {
    let plain = record(Some(b"k"), Some(b"v"));
    let records = [
        with_header(
            with_header(plain.clone(), "trace", Some(b"1")),
            "empty",
            None,
        ),
        plain,
    ];
    let got = crossed(&records, Compression::None).await;
    assert_eq!(
        (got[0].data.as_slice(), got[1].data.as_slice()),
        (&b"v"[..], &b"v"[..])
    );
}

#[tokio::test]
async fn batches_of_every_codec_read_alike_in_both_protocols() {
    use Compression::{Gzip, Lz4, None, Snappy, Zstd};
    let value = |i: usize| format!("{i} {}", "pad ".repeat(i)).into_bytes();
    let records: Vec<Record> = (0..200)
        .map(|i| record(Some(format!("key {i}").as_bytes()), Some(&value(i))))
        .collect();
    let server = TestServer::with_stream("orders", 1).await;
    let mut kafka = server.kafka().await;
    for compression in [None, Gzip, Snappy, Lz4, Zstd] {
        produce(&mut kafka, "orders", batch_of(&records, compression)).await;
    }
    let fetched = fetch_all(&mut kafka, "orders").await;
    let mut kinesis = server.kinesis().await;
    for limit in [10_000, 7] {
        let iterator = kinesis.horizon("orders", 0).await;
        let got = kinesis.read_on(iterator, limit).await;
        assert_eq!((got.len(), fetched.len()), (1000, 1000));
        for (i, (got, fetched)) in got.iter().zip(&fetched).enumerate() {
            assert_eq!(offset_of(&got.sequence_number), fetched.offset);
            assert_eq!(Some(got.partition_key.as_bytes()), fetched.key.as_deref());
            assert_eq!(Some(&got.data[..]), fetched.value.as_deref());
            assert_eq!(got.data, value(i % 200));
        }
    }
}

#[tokio::test]
async fn snappy_in_xerials_framing_reads_as_well_as_raw() {
    let plain = batch_of(&[record(Some(b"k"), Some(b"framed"))], Compression::None);
    let raw = |bytes: &[u8]| {
        snap::raw::Encoder::new()
            .compress_vec(bytes)
            .expect("snappy")
    };
    let (first, second) = plain[61..].split_at(5);
    let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for chunk in [first, second] {
        let packed = raw(chunk);
        framed.put_u32(u32::try_from(packed.len()).expect("a length"));
        framed.extend_from_slice(&packed);
    }
    let server = TestServer::with_stream("orders", 1).await;
    for payload in [framed, raw(&plain[61..])] {
        let mut batch = BytesMut::from(&plain[..61]);
        batch[22] = 2;
        batch.extend_from_slice(&payload);
        produce(&mut server.kafka().await, "orders", crossing::sealed(batch)).await;
    }
    let got = server.kinesis().await.read("orders", 0).await;
    assert!(got.len() == 2 && got.iter().all(|got| got.data == b"framed"));
}

#[tokio::test]
async fn an_offset_and_its_sequence_number_name_the_same_record() {
    let records: Vec<Record> = (0..50)
        .map(|i| record(None, Some(format!("{i}").as_bytes())))
        .collect();
    let server = TestServer::with_stream("orders", 1).await;
    let mut kafka = server.kafka().await;
    for chunk in records.chunks(7) {
        produce(&mut kafka, "orders", batch_of(chunk, Compression::Lz4)).await;
    }
    let mut kinesis = server.kinesis().await;
    let all = kinesis.read("orders", 0).await;
    assert_eq!(all.len(), 50);
    for (offset, got) in (0_i64..).zip(&all) {
        assert_eq!(offset_of(&got.sequence_number), offset);
        for (kind, first) in [
            ("AT_SEQUENCE_NUMBER", offset),
            ("AFTER_SEQUENCE_NUMBER", offset + 1),
        ] {
            let input = json!({
                "StreamName": "orders", "ShardId": "0", "ShardIteratorType": kind,
                "StartingSequenceNumber": got.sequence_number,
            });
            let iterator = kinesis.iterator(input).await;
            let page = kinesis.call("GetRecords", json!({"ShardIterator": iterator, "Limit": 1}));
            let page = braid_wire::got(&page.await);
            let expected = all.get(usize::try_from(first).expect("an offset"));
            assert_eq!(page.first(), expected, "{kind} {offset}");
        }
    }
}

#[tokio::test]
async fn a_record_larger_than_ten_mebibytes_comes_alone() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kafka = server.kafka().await;
    let huge = vec![b'0'; 11 << 20];
    let small = record(Some(b"k"), Some(b"small"));
    let records = [small.clone(), record(Some(b"k"), Some(&huge)), small];
    produce(&mut kafka, "orders", batch_of(&records, Compression::Zstd)).await;
    let mut kinesis = server.kinesis().await;
    let mut iterator = kinesis.horizon("orders", 0).await;
    for expected in [5, huge.len(), 5] {
        let page = kinesis
            .call("GetRecords", json!({"ShardIterator": iterator}))
            .await;
        let lengths: Vec<usize> = braid_wire::got(&page)
            .iter()
            .map(|got| got.data.len())
            .collect();
        assert_eq!(lengths, [expected]);
        iterator = page["NextShardIterator"]
            .as_str()
            .expect("an iterator")
            .to_owned();
    }
}
