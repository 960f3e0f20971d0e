//! Produce to topics whose settings ask more of a batch, or do more to it.

use braid_wire::{BatchOf, Kafka, TestServer, produce_of, topic_name};
use bytes::Bytes;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{ListOffsetsRequest, ProduceRequest};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_millis()).expect("before the end of time")
}

/// Records with these keys.
fn keyed(keys: &[Option<&str>]) -> BatchOf {
    let records = keys
        .iter()
        .map(|key| (key.map(str::to_owned), "v".to_owned(), 0));
    BatchOf {
        records: records.collect(),
        ..BatchOf::values(&[])
    }
}

/// Offset and time of the first record at or after this time.
async fn first_at(client: &mut Kafka, timestamp: i64) -> (i64, i64) {
    let partition = ListOffsetsPartition::default()
        .with_current_leader_epoch(-1)
        .with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name("orders"))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    let answer = client.call(&request, 7).await;
    let found = &answer.topics[0].partitions[0];
    assert_eq!(found.error_code, 0);
    (found.offset, found.timestamp)
}

/// What a batch to partition 0 is answered with: its code and the records to blame.
async fn refused(client: &mut Kafka, batch: Bytes, version: i16) -> (i16, Vec<i32>) {
    let request = produce_of("orders", 0, batch);
    let answer = client.call(&request, version).await;
    let partition = &answer.responses[0].partition_responses[0];
    assert_eq!(partition.base_offset, -1);
    let blamed = partition.record_errors.iter();
    assert_eq!(partition.error_message.is_some(), version >= 8);
    (
        partition.error_code,
        blamed.map(|record| record.batch_index).collect(),
    )
}

#[tokio::test]
async fn a_compacted_topic_refuses_a_batch_and_names_its_records_without_a_key() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    for (name, policy) in [("orders", "compact"), ("both", "compact,delete")] {
        client.topic_with(name, &[("cleanup.policy", policy)]).await;
    }
    let batch = keyed(&[Some("a"), None, Some(""), None]);

    for bytes in [batch.bytes(), batch.clone().gzip().bytes()] {
        assert_eq!(refused(&mut client, bytes.clone(), 7).await, (87, vec![]));
        for version in 8..=12 {
            let (code, blamed) = refused(&mut client, bytes.clone(), version).await;
            assert_eq!((code, blamed), (87, vec![1, 3]), "{version}");
        }
    }

    assert_eq!(client.fetch("orders", 0).await.high_watermark, 0);
    for name in ["orders", "both"] {
        assert_eq!(client.produce(name, &batch).await.error_code, 87, "{name}");
        let good = client.produce(name, &keyed(&[Some("a"), Some("")])).await;
        assert_eq!((good.error_code, good.base_offset), (0, 0), "{name}");
    }
}

#[tokio::test]
async fn a_compacted_topic_refuses_what_it_cannot_decompress() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client
        .topic_with("orders", &[("cleanup.policy", "compact")])
        .await;
    let mut bytes = keyed(&[Some("a")]).gzip().bytes().to_vec();
    // The first byte of what gzip wrote.
    bytes[61] ^= 0xff;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());

    assert_eq!(refused(&mut client, bytes.into(), 9).await, (87, vec![]));
}

#[tokio::test]
async fn a_log_append_time_topic_tells_stores_and_finds_the_arrival() {
    let directory = TempDir::new().expect("a directory");
    let mut on_disk = TestServer::config();
    on_disk.store.memory = false;
    on_disk.store.data_dir = directory.path().to_owned();
    for config in [TestServer::config(), on_disk] {
        arrivals_are_told_stored_and_found(&TestServer::with(config).await).await;
    }
}

async fn arrivals_are_told_stored_and_found(server: &TestServer) {
    let mut client = server.kafka().await;
    let topic = [("message.timestamp.type", "LogAppendTime")];
    client.topic_with("orders", &topic).await;
    // The producer's own times do not matter, not even those of the year 2096.
    let past = BatchOf::at(&[1_000, 3_000, 2_000]);
    let future = BatchOf::at(&[4_000_000_000_000]).gzip();

    let before = now_ms();
    let first = client.produce("orders", &past).await;
    let second = client.produce("orders", &future).await;
    let after = now_ms();

    assert_eq!((first.error_code, second.error_code), (0, 0));
    let arrivals = [first.log_append_time_ms, second.log_append_time_ms];
    assert!(before <= arrivals[0] && arrivals[0] <= arrivals[1] && arrivals[1] <= after);
    for (offset, sent, arrival) in [(0, past, arrivals[0]), (3, future, arrivals[1])] {
        let fetched = client.fetch("orders", offset).await.records;
        let sent = sent.bytes();
        let stored = fetched.expect("records").slice(..sent.len());
        assert_eq!(stored[..8], offset.to_be_bytes());
        assert_eq!(stored[8..12], sent[8..12]);
        assert_eq!(stored[22], sent[22] | 8, "LogAppendTime");
        assert_eq!(stored[23..35], sent[23..35], "the base timestamp stays");
        assert_eq!(stored[35..43], arrival.to_be_bytes(), "maximum timestamp");
        assert_eq!(stored[43..], sent[43..]);
        assert_eq!(stored[17..21], crc32c::crc32c(&stored[21..]).to_be_bytes());
    }
    assert_eq!(first_at(&mut client, 2_500).await, (0, arrivals[0]));
    assert_eq!(first_at(&mut client, arrivals[0]).await, (0, arrivals[0]));
    let expected = if arrivals[0] == arrivals[1] { 0 } else { 3 };
    let found = first_at(&mut client, arrivals[1]).await;
    assert_eq!(found, (expected, arrivals[1]));
    assert_eq!(first_at(&mut client, arrivals[1] + 1).await, (-1, -1));
}

#[tokio::test]
async fn a_record_beyond_the_topics_bounds_of_time_is_refused_and_named() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let bounds = [
        ("message.timestamp.before.max.ms", "600000"),
        ("message.timestamp.after.max.ms", "600000"),
    ];
    client.topic_with("orders", &bounds).await;
    let now = now_ms();
    let minute = 60_000;
    let old = BatchOf::at(&[now, now - 11 * minute, now]);
    let early = BatchOf::at(&[now, now, now + 11 * minute]);
    let good = BatchOf::at(&[now - 9 * minute, now + 9 * minute]);

    for (batch, record) in [(old, 1), (early.clone(), 2)] {
        let plain = refused(&mut client, batch.bytes(), 9).await;
        assert_eq!(plain, (32, vec![record]));
        let packed = refused(&mut client, batch.gzip().bytes(), 9).await;
        assert_eq!(packed, (32, vec![record]));
    }
    let lying = BatchOf {
        max_timestamp: now,
        ..early
    };
    assert_eq!(refused(&mut client, lying.bytes(), 9).await.0, 32);

    let first = client.produce("orders", &good).await;
    let second = client.produce("orders", &good.gzip()).await;
    assert_eq!((first.error_code, first.base_offset), (0, 0));
    assert_eq!((second.error_code, second.base_offset), (0, 2));
}

#[tokio::test]
async fn a_batch_may_be_as_large_as_the_topic_says_and_no_larger() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let largest = BatchOf::values(&[&"x".repeat(900)]).bytes();
    let bytes_max = largest.len().to_string();
    client
        .topic_with("orders", &[("max.message.bytes", &bytes_max)])
        .await;
    let larger = BatchOf::values(&[&"x".repeat(901)]).bytes();

    let (code, _) = refused(&mut client, larger, 9).await;
    let placed = client.produce_bytes("orders", largest).await;

    assert_eq!(code, 10);
    assert_eq!((placed.error_code, placed.base_offset), (0, 0));
}

#[tokio::test]
async fn a_batch_that_expands_beyond_all_measure_is_refused_and_holds_nobody_up() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let mut other = server.kafka().await;
    client
        .topic_with("orders", &[("cleanup.policy", "compact")])
        .await;
    // 1,025 records of a mebibyte each, in a few kilobytes.
    let mut packed = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    for delta in 0..1025 {
        packed
            .write_all(&record_of_zeros(delta, 1 << 20))
            .expect("memory");
    }
    let bomb = zstd_batch(&packed.finish().expect("memory"), 1025);

    let bomb_request = produce_of("orders", 0, bomb);
    client.send(&bomb_request, 9).await;
    let meanwhile = other.produce("orders", &keyed(&[Some("a")])).await;
    let answer = client.receive::<ProduceRequest>(9).await;

    assert_eq!((meanwhile.error_code, meanwhile.base_offset), (0, 0));
    let answer = answer.expect("an answer");
    let refused = &answer.responses[0].partition_responses[0];
    assert_eq!(refused.error_code, 87);
    let message = refused.error_message.as_deref().unwrap_or_default();
    assert!(message.contains("expand"), "{message}");
}

/// The record at this offset delta, with a key and a value of so many zeros.
fn record_of_zeros(delta: i64, value_bytes: usize) -> Vec<u8> {
    let mut body = vec![0, 0];
    put_varint(&mut body, delta);
    body.extend([2, b'k']);
    put_varint(&mut body, i64::try_from(value_bytes).expect("a length"));
    body.resize(body.len() + value_bytes, 0);
    body.push(0);
    let mut record = Vec::new();
    put_varint(&mut record, i64::try_from(body.len()).expect("a length"));
    record.extend(body);
    record
}

/// A batch around records that are compressed already.
fn zstd_batch(packed: &[u8], count: i32) -> Bytes {
    let header = BatchOf {
        attributes: 4,
        ..BatchOf::values(&[])
    };
    let mut bytes = header.bytes().to_vec();
    bytes.extend(packed);
    let length = i32::try_from(bytes.len() - 12).expect("a length");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

/// A number that is not negative.
fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = value.cast_unsigned() << 1;
    while zigzag >= 0x80 {
        out.push(zigzag.to_le_bytes()[0] | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag.to_le_bytes()[0]);
}
