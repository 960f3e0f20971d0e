//! Metadata: what it accepts, refuses and does.

use braid_wire::TestServer;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

fn asking(names: &[&str]) -> MetadataRequest {
    let topic = |name: &&str| {
        let name = TopicName(StrBytes::from_string(name.to_string()));
        MetadataRequestTopic::default().with_name(Some(name))
    };
    MetadataRequest::default()
        .with_topics(Some(names.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(true)
}

#[tokio::test]
async fn every_version_tells_of_a_broker_that_is_the_controller_and_can_be_reached() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;

    for version in 0..=13 {
        let answer = client.call(&asking(&["orders"]), version).await;

        let broker = &answer.brokers[0];
        assert_eq!(broker.host.as_str(), "127.0.0.1");
        assert_eq!(broker.port, i32::from(server.kafka_address().port()));
        if version >= 1 {
            assert_eq!(answer.controller_id, broker.node_id);
        }
        if version >= 2 {
            assert_eq!(answer.cluster_id.expect("a cluster id").len(), 22);
        }
        let topic = &answer.topics[0];
        assert_eq!(topic.error_code, 0);
        assert_eq!(topic.topic_id == Uuid::nil(), version < 10);
        assert_eq!(topic.partitions[0].leader_id, broker.node_id);
        let epoch = if version < 7 { -1 } else { 0 };
        assert_eq!(topic.partitions[0].leader_epoch, epoch);
    }
}

#[tokio::test]
async fn a_topic_named_is_made_with_the_configured_partitions() {
    let mut config = TestServer::config();
    config.kafka.num_partitions = 3;
    let server = TestServer::with(config).await;
    let mut client = server.kafka().await;

    let made = client.call(&asking(&["orders"]), 12).await;
    let again = client.call(&asking(&["orders"]), 12).await;

    assert_eq!(made.topics[0].partitions.len(), 3);
    assert_eq!(made.topics[0].topic_id, again.topics[0].topic_id);
}

#[tokio::test]
async fn a_topic_is_not_made_if_the_client_or_the_server_forbids_it() {
    let mut config = TestServer::config();
    config.kafka.auto_create_topics = false;
    let forbidding = TestServer::with(config).await;
    let allowing = TestServer::start().await;
    let unwilling = asking(&["orders"]).with_allow_auto_topic_creation(false);

    let forbidden = forbidding.kafka().await.call(&asking(&["orders"]), 9).await;
    let unasked = allowing.kafka().await.call(&unwilling, 9).await;

    assert_eq!(forbidden.topics[0].error_code, 3);
    assert_eq!(unasked.topics[0].error_code, 3);
}

#[tokio::test]
async fn illegal_and_colliding_names_are_refused() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.call(&asking(&["a.b"]), 9).await;

    let answer = client.call(&asking(&["a b", "..", "a_b", "a.b"]), 9).await;

    let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [17, 17, 17, 0]);
}

#[tokio::test]
async fn no_topics_and_all_topics_are_told_apart() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.call(&asking(&["one", "two"]), 9).await;
    let all = MetadataRequest::default().with_topics(None);
    let none = MetadataRequest::default().with_topics(Some(Vec::new()));

    assert_eq!(client.call(&none, 0).await.topics.len(), 2);
    assert_eq!(client.call(&none, 1).await.topics.len(), 0);
    assert_eq!(client.call(&all, 1).await.topics.len(), 2);
    assert_eq!(client.call(&all, 13).await.topics.len(), 2);
}

#[tokio::test]
async fn a_topic_can_be_asked_for_by_its_id_from_version_12_on() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let id = client.call(&asking(&["orders"]), 12).await.topics[0].topic_id;
    let by_id = |id, name: Option<&'static str>| {
        let name = name.map(|name| TopicName(StrBytes::from_static_str(name)));
        let topic = MetadataRequestTopic::default().with_topic_id(id);
        MetadataRequest::default().with_topics(Some(vec![topic.with_name(name)]))
    };

    let found = client.call(&by_id(id, None), 12).await;
    let unknown = client.call(&by_id(Uuid::from_u128(1), None), 12).await;
    let early = client.call(&by_id(id, Some("")), 11).await;

    assert_eq!(
        found.topics[0].name.as_ref().expect("a name").as_str(),
        "orders"
    );
    assert_eq!(unknown.topics[0].error_code, 100);
    assert_eq!(unknown.topics[0].name, None);
    assert_eq!(early.topics[0].error_code, 42);
}
