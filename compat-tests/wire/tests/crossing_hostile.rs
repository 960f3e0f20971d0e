//! What Kafka clients may send to hurt Kinesis readers: it is passed over, and costs little.

mod crossing;

use braid_wire::{Kafka, TestServer};
use bytes::{Bytes, BytesMut};
use crossing::{batch_of, fetch_all, offset_of, produce, record, sealed};
use kafka_protocol::records::{Compression, Record};
use serde_json::json;
use std::time::{Duration, Instant};

/// A batch whose records are these bytes, whatever its header says.
fn lying(codec: u8, count: i32, payload: &[u8]) -> Bytes {
    let honest = batch_of(&[record(None, None)], Compression::None);
    let mut batch = BytesMut::from(&honest[..61]);
    batch[22] = codec;
    batch[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    batch[57..61].copy_from_slice(&count.to_be_bytes());
    batch.extend_from_slice(payload);
    sealed(batch)
}

async fn produce_value(kafka: &mut Kafka, value: &str) {
    let batch = batch_of(
        &[record(Some(b"k"), Some(value.as_bytes()))],
        Compression::None,
    );
    produce(kafka, "orders", batch).await;
}

#[tokio::test]
async fn batches_that_cannot_be_decoded_are_passed_over_whatever_the_limit() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kafka = server.kafka().await;
    produce_value(&mut kafka, "first").await;
    for codec in 1..=4 {
        produce(
            &mut kafka,
            "orders",
            lying(codec, 3, b"not compressed at all"),
        )
        .await;
    }
    let cut = batch_of(
        &vec![record(None, Some(&[7; 1000])); 100],
        Compression::Zstd,
    );
    produce(&mut kafka, "orders", lying(4, 100, &cut[61..cut.len() / 2])).await;
    produce_value(&mut kafka, "last").await;

    let mut kinesis = server.kinesis().await;
    for limit in [1, 10_000] {
        let iterator = kinesis.horizon("orders", 0).await;
        let got = kinesis.read_on(iterator, limit).await;
        let data: Vec<&[u8]> = got.iter().map(|got| &got.data[..]).collect();
        assert_eq!(
            (data[0], data[data.len() - 1]),
            (&b"first"[..], &b"last"[..])
        );
        assert_eq!(offset_of(&got[got.len() - 1].sequence_number), 113);
    }
}

#[tokio::test]
async fn counts_and_lengths_that_lie_end_their_batch_only() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kafka = server.kafka().await;
    let record_bytes = [12_u8, 0, 0, 0, 1, 1, 0];
    let gigabyte = [0x80_u8, 0x80, 0x80, 0x80, 0x08, 0, 0, 0, 1, 1, 0];
    let pack = |bytes: &[u8]| zstd::stream::encode_all(bytes, 1).expect("zstd");
    for (count, payload) in [(i32::MAX, pack(&record_bytes)), (1, pack(&gigabyte))] {
        produce(&mut kafka, "orders", lying(4, count, &payload)).await;
    }
    produce_value(&mut kafka, "last").await;
    let got = server.kinesis().await.read("orders", 0).await;
    let data: Vec<&[u8]> = got.iter().map(|got| &got.data[..]).collect();
    assert_eq!(
        data,
        [&b""[..], b"last"],
        "the one record that is there, and the batch behind"
    );
}

#[tokio::test]
async fn a_record_that_expands_beyond_the_bound_is_passed_over() {
    let mut config = TestServer::config();
    config.kinesis.record_bytes_max = 1 << 20;
    let server = TestServer::with(config).await;
    server.make_stream("orders", 1).await;
    let mut kafka = server.kafka().await;
    let bomb = record(None, Some(&vec![0; 2 << 20]));
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Zstd] {
        produce(
            &mut kafka,
            "orders",
            batch_of(std::slice::from_ref(&bomb), compression),
        )
        .await;
    }
    produce_value(&mut kafka, "last").await;
    let got = server.kinesis().await.read("orders", 0).await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].data, b"last");
}

#[tokio::test]
async fn a_small_limit_does_not_expand_one_batch_again_and_again() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kafka = server.kafka().await;
    let records: Vec<Record> = vec![record(Some(b"k"), Some(&vec![0; 256 << 10])); 400];
    produce(&mut kafka, "orders", batch_of(&records, Compression::Zstd)).await;
    let mut kinesis = server.kinesis().await;
    let started = Instant::now();
    let iterator = kinesis.horizon("orders", 0).await;
    assert_eq!(kinesis.read_on(iterator, 1).await.len(), 400);
    // 100 MiB once; read from its beginning for every page it would be 20 GiB.
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn an_aggregate_of_nonsense_is_a_record_like_any_other() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut nested = b"\xf3\x89\x9a\xc2".to_vec();
    for depth in 0..1000_u32 {
        nested.extend_from_slice(&[0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        nested.extend_from_slice(&depth.to_be_bytes());
    }
    let mut kinesis = server.kinesis().await;
    kinesis.put("orders", "a", &nested).await;
    assert_eq!(kinesis.read("orders", 0).await[0].data, nested);
    let fetched = fetch_all(&mut server.kafka().await, "orders").await;
    assert_eq!(fetched[0].value.as_deref(), Some(&nested[..]));
    let page = json!({"ShardIterator": kinesis.horizon("orders", 0).await, "Limit": 1});
    assert_eq!(
        braid_wire::got(&kinesis.call("GetRecords", page).await).len(),
        1
    );
}
