//! FindCoordinator and InitProducerId: what they accept, refuse and do.

use braid_wire::{TestServer, init_producer_id};
use kafka_protocol::messages::{FindCoordinatorRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;

fn group(name: &'static str) -> FindCoordinatorRequest {
    FindCoordinatorRequest::default().with_key(StrBytes::from_static_str(name))
}

#[tokio::test]
async fn every_version_finds_this_broker_for_a_group() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let port = i32::from(server.kafka_address().port());

    for version in 0..=3 {
        let found = client.call(&group("g"), version).await;
        assert_eq!((found.error_code, found.node_id.0), (0, 1));
        assert_eq!((found.host.as_str(), found.port), ("127.0.0.1", port));
    }
    for version in 4..=6 {
        let keys = ["g", "h"].map(StrBytes::from_static_str).to_vec();
        let request = FindCoordinatorRequest::default().with_coordinator_keys(keys);
        let found = client.call(&request, version).await;
        assert_eq!(found.coordinators.len(), 2);
        assert_eq!(found.coordinators[1].key.as_str(), "h");
        assert_eq!(found.coordinators[1].port, port);
    }
}

#[tokio::test]
async fn a_transaction_has_no_coordinator() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let keys = vec![StrBytes::from_static_str("tx")];
    let request = FindCoordinatorRequest::default().with_key_type(1);

    let one = client.call(&group("tx").with_key_type(1), 3).await;
    let many = client.call(&request.with_coordinator_keys(keys), 4).await;
    let share = client.call(&group("s").with_key_type(2), 3).await;

    assert_eq!((one.error_code, one.node_id.0), (53, -1));
    assert_eq!(many.coordinators[0].error_code, 53);
    assert_eq!(share.error_code, 42);
}

#[tokio::test]
async fn every_version_allots_an_id_that_nobody_else_has() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let mut ids = Vec::new();

    for version in 0..=5 {
        let allotted = client.call(&init_producer_id(), version).await;
        assert_eq!((allotted.error_code, allotted.producer_epoch), (0, 0));
        ids.push(allotted.producer_id.0);
    }

    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[tokio::test]
async fn a_transactional_id_is_refused() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let id = TransactionalId(StrBytes::from_static_str("tx"));
    let request = init_producer_id().with_transactional_id(Some(id));

    let refused = client.call(&request, 4).await;

    assert_eq!((refused.error_code, refused.producer_id.0), (53, -1));
}
