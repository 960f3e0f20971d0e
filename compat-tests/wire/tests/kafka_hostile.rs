//! What a hostile peer can do to the Kafka port: nothing that anybody else would notice.

use braid_wire::{
    BatchOf, Kafka, Program, TestServer, fetch_of, garbage, greatest, produce_of, truncated,
};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiVersionsRequest;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;

/// Address space that the server gets, in KiB: 512 MiB.
const ADDRESS_SPACE_KIB: u64 = 524_288;
/// Hostile peers at a time.
const PEERS: usize = 32;
/// Connections that say half of something.
const HALF_OPEN: usize = 3000;
/// Time that a hostile peer waits for an answer it may never get.
const PATIENCE: Duration = Duration::from_millis(100);
/// Time in which a frame that is valid has to be answered, all others being there too.
const ANSWER: Duration = Duration::from_secs(100);

/// Every API and version that the server says it has.
async fn advertised(address: SocketAddr) -> Vec<(i16, i16)> {
    let answer = Kafka::connect(address)
        .await
        .call(&ApiVersionsRequest::default(), 0)
        .await;
    assert_eq!(answer.error_code, 0);
    let apis = answer.api_keys.iter();
    apis.flat_map(|api| (api.min_version..=api.max_version).map(|version| (api.api_key, version)))
        .collect()
}

/// Sends each frame on a connection of its own, many at a time; waits for an answer or the end.
async fn throw(address: SocketAddr, frames: Vec<Bytes>, patience: Duration) {
    let mut peers = JoinSet::new();
    for frame in frames {
        if peers.len() == PEERS {
            peers.join_next().await;
        }
        peers.spawn(async move {
            let mut peer = Kafka::connect(address).await;
            peer.send_raw(&frame).await;
            if !peer.is_served_within(patience).await && patience == ANSWER {
                panic!("no answer to {:?}", &frame[4..8]);
            }
        });
    }
    peers.join_all().await;
}

#[tokio::test]
async fn no_frame_ends_a_server_that_has_512_mib_of_address_space() {
    let server = Program::start(ADDRESS_SPACE_KIB).await;
    let address = server.kafka_address();
    let apis = advertised(address).await;

    for (key, version) in &apis {
        throw(address, garbage(*key, *version), PATIENCE).await;
    }
    assert_eq!(advertised(address).await, apis, "after garbage");

    let produce = braid_wire::encode(&produce_of("t", 0, BatchOf::values(&["a"]).bytes()), 9, 1);
    let fetch = braid_wire::encode(&fetch_of("t", 0, 0), 12, 1);
    for whole in [produce, fetch] {
        throw(address, truncated(&whole), PATIENCE).await;
    }
    assert_eq!(advertised(address).await, apis, "after truncations");

    throw(address, greatest(), ANSWER).await;
    assert_eq!(advertised(address).await, apis, "after the greatest frames");
    println!("{} KiB resident", server.resident_kib());
}

#[tokio::test]
async fn thousands_of_half_open_connections_cost_little_and_keep_nobody_out() {
    let server = Program::start(ADDRESS_SPACE_KIB).await;
    let address = server.kafka_address();
    let apis = advertised(address).await;
    let before_kib = server.resident_kib();
    // 100 MiB are announced, and 4 KiB of them sent.
    let mut announcing = BytesMut::new();
    announcing.put_i32(100 << 20);
    announcing.put_slice(&[0, 0, 0, 9, 0, 0, 0, 1]);
    announcing.put_bytes(0, 4000);

    let mut peers = Vec::new();
    for number in 0..HALF_OPEN {
        let mut peer = Kafka::connect(address).await;
        let sent = [0, 2, 12, announcing.len()][number % 4];
        peer.send_raw(&announcing[..sent]).await;
        peers.push(peer);
    }

    assert_eq!(advertised(address).await, apis);
    let each_kib = (server.resident_kib() - before_kib) / HALF_OPEN as u64;
    assert!(each_kib <= 12, "{each_kib} KiB for each connection");
}

#[tokio::test]
async fn a_frame_is_refused_by_its_announced_length_for_its_api() {
    let server = TestServer::start().await;
    let head = |length: i32, key: i16| {
        let mut head = BytesMut::new();
        head.put_i32(length);
        head.put_i16(key);
        head.put_slice(&[0, 9, 0, 0, 0, 1]);
        head.freeze()
    };
    let cases = [
        (-1, 3),
        (7, 3),
        ((1 << 20) + 1, 3),
        ((8 << 20) + 1, 1),
        ((100 << 20) + 1, 0),
        (100, 4711),
        (100, 4),
    ];

    for (length, key) in cases {
        let mut peer = server.kafka().await;
        peer.send_raw(&head(length, key)).await;
        assert!(peer.is_closed().await, "{length} bytes for key {key}");
    }
}

#[tokio::test]
async fn a_malformed_body_closes_the_connection_and_no_other() {
    let server = TestServer::start().await;
    let mut bystander = server.kafka().await;
    let mut peer = server.kafka().await;

    // Metadata v9 whose client id says 100 bytes and has none.
    peer.send_raw(b"\0\0\0\x0a\0\x03\0\x09\0\0\0\x01\0\x64")
        .await;

    assert!(peer.is_closed().await);
    bystander.topic("orders").await;
}
