//! What `/metrics` tells of the Kafka face. One test only: servers in one process share their
//! counters.

use braid_wire::{BatchOf, Kafka, TestServer, encode, produce_of};
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::StrBytes;
use std::time::Duration;
use tokio::time::timeout;

/// A metric's value, as Prometheus scrapes it.
async fn metric(server: &TestServer, name: &str) -> u64 {
    let mut http = server.kinesis().await;
    http.send_raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let page = http.receive().await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {page}"))
}

async fn requests(server: &TestServer, api: &str) -> u64 {
    let name = format!("braid_kafka_requests_total{{api=\"{api}\"}}");
    metric(server, &name).await
}

/// Waits until so many connections are open.
async fn settle(server: &TestServer, connections: u64) {
    let settled = async {
        while metric(server, "braid_kafka_connections").await != connections {
            tokio::task::yield_now().await;
        }
    };
    let patience = Duration::from_secs(10);
    timeout(patience, settled)
        .await
        .expect("so many connections");
}

#[tokio::test]
async fn metrics_tell_requests_by_api_bytes_both_ways_and_open_connections() {
    let server = TestServer::start().await;
    assert_eq!(requests(&server, "Fetch").await, 0, "told from the start");
    let mut client = server.kafka().await;
    let mut other: Kafka = server.kafka().await;
    client.topic("orders").await;
    settle(&server, 2).await;
    let received = metric(&server, "braid_kafka_received_bytes_total").await;
    let sent = metric(&server, "braid_kafka_sent_bytes_total").await;
    let request = produce_of("orders", 0, BatchOf::values(&["a"]).bytes());

    for _ in 0..3 {
        client.call(&request, 9).await;
    }
    let versions = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("wire"))
        .with_client_software_version(StrBytes::from_static_str("1"));
    other.call(&versions, 3).await;

    assert_eq!(requests(&server, "Produce").await, 3);
    assert_eq!(requests(&server, "ApiVersions").await, 1);
    assert_eq!(requests(&server, "Metadata").await, 1);
    let bytes = 3 * encode(&request, 9, 1).len() + encode(&versions, 3, 1).len();
    let received_now = metric(&server, "braid_kafka_received_bytes_total").await;
    assert_eq!(received_now - received, bytes as u64);
    // Counted once written, which the client may notice first.
    assert!(metric(&server, "braid_kafka_sent_bytes_total").await > sent);
    drop(other);
    settle(&server, 1).await;
}
