//! ApiVersions: what it accepts, refuses and does.

use braid_wire::TestServer;
use bytes::Buf;
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::StrBytes;

fn request() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("wire-test"))
        .with_client_software_version(StrBytes::from_static_str("1.0"))
}

#[tokio::test]
async fn every_version_lists_the_same_apis_in_ascending_order() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;

    for version in 0..=4 {
        let request = match version {
            0..=2 => ApiVersionsRequest::default(),
            _ => request(),
        };
        let answer = client.call(&request, version).await;

        assert_eq!(answer.error_code, 0);
        let keys: Vec<i16> = answer.api_keys.iter().map(|api| api.api_key).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(keys.contains(&18) && keys.contains(&3), "{keys:?}");
        let named = |feature: &str| {
            let mut names = answer.finalized_features.iter().map(|f| f.name.as_str());
            names.any(|name| name == feature)
        };
        assert!(!named("transaction.version"));
    }
}

#[tokio::test]
async fn an_unknown_version_is_answered_in_the_format_of_version_0() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;

    // Version 5, correlation id 7, and a body that nobody here can read.
    client
        .send_raw(b"\0\0\0\x0c\0\x12\0\x05\0\0\0\x07\xff\xff\xff\xff")
        .await;

    let mut answer = client.receive_raw().await.expect("an answer");
    assert_eq!(answer.get_i32(), 7);
    assert_eq!(answer.get_i16(), 35);
    assert_eq!(answer.get_i32(), 1, "one API");
    let (key, low, high) = (answer.get_i16(), answer.get_i16(), answer.get_i16());
    assert_eq!((key, low, high), (18, 0, 4));
    assert!(!answer.has_remaining());
    // The client tries again on the same connection.
    assert_eq!(client.call(&request(), high).await.error_code, 0);
}

#[tokio::test]
async fn a_software_name_that_is_none_is_an_invalid_request() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let request = request().with_client_software_name(StrBytes::from_static_str("-x-"));

    let answer = client.call(&request, 3).await;

    assert_eq!(answer.error_code, 42);
    assert!(answer.api_keys.is_empty());
}
