//! Idempotent producers across a restart of the server: nothing is stored twice, or out of turn.

use braid::Config;
use braid_wire::{BatchOf, TestServer, init_producer_id};
use tempfile::TempDir;

fn in_directory(directory: &TempDir) -> Config {
    let mut config = TestServer::config();
    config.store.memory = false;
    config.store.data_dir = directory.path().to_owned();
    config
}

#[tokio::test]
async fn a_restarted_server_remembers_what_each_producer_sent_last() {
    let directory = TempDir::new().expect("a directory");
    let server = TestServer::with(in_directory(&directory)).await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let id = client.call(&init_producer_id(), 4).await.producer_id.0;
    let batch = |epoch, sequence| {
        let values = BatchOf::values(&["a", "b"]);
        values.from_producer(id, epoch, sequence)
    };
    for sequence in [0, 2, 4, 6, 8, 10] {
        let placed = client.produce("orders", &batch(1, sequence)).await;
        assert_eq!(placed.base_offset, i64::from(sequence));
    }
    server.stop().await;

    let server = TestServer::with(in_directory(&directory)).await;
    let mut client = server.kafka().await;
    let cases = [
        ("the last one again", batch(1, 10), (0, 10)),
        ("the fifth last again", batch(1, 2), (0, 2)),
        ("one that left the window", batch(1, 0), (45, -1)),
        ("one too far ahead", batch(1, 14), (45, -1)),
        ("an older epoch", batch(0, 12), (47, -1)),
        ("a new epoch in the middle", batch(2, 12), (45, -1)),
    ];
    for (case, batch, expected) in cases {
        let answer = client.produce("orders", &batch).await;
        assert_eq!((answer.error_code, answer.base_offset), expected, "{case}");
    }
    assert_eq!(client.fetch("orders", 0).await.high_watermark, 12);

    let next = client.produce("orders", &batch(1, 12)).await;
    let another = client.call(&init_producer_id(), 4).await.producer_id.0;

    assert_eq!((next.error_code, next.base_offset), (0, 12));
    assert!(another > id, "an id is never given out again");
}
