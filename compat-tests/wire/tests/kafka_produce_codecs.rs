//! Produce and Fetch carry batches of every codec as they are.

use braid_wire::{BatchOf, TestServer};
use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{
    Compression, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions,
};

/// The same records, compressed by another implementation.
fn compressed(batch: &BatchOf, compression: Compression) -> Bytes {
    let mut sets = RecordBatchDecoder::decode_all(&mut batch.bytes()).expect("a batch");
    let options = RecordEncodeOptions {
        version: 2,
        compression,
    };
    let mut bytes = BytesMut::new();
    let records = sets.remove(0).records;
    RecordBatchEncoder::encode(&mut bytes, &records, &options).expect("a batch");
    bytes.freeze()
}

#[tokio::test]
async fn every_codec_passes_through_byte_for_byte() {
    use Compression::{Gzip, Lz4, None, Snappy, Zstd};
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let batch = BatchOf::values(&["a", &"bcd".repeat(100), "e"]);

    let codecs = [None, Gzip, Snappy, Lz4, Zstd];
    for (number, compression) in (0_u8..).zip(codecs) {
        let sent = compressed(&batch, compression);
        assert_eq!(sent[22] & 7, number);
        let placed = client.produce_bytes("orders", sent.clone()).await;
        assert_eq!(placed.error_code, 0, "{compression:?}");

        let fetched = client.fetch("orders", placed.base_offset).await;
        let fetched = fetched.records.expect("records");

        assert_eq!(fetched[..8], placed.base_offset.to_be_bytes());
        assert_eq!(fetched[8..12], sent[8..12], "{compression:?}");
        assert_eq!(fetched[12..16], 0_i32.to_be_bytes());
        assert_eq!(fetched[16..], sent[16..], "{compression:?}");
    }
}
