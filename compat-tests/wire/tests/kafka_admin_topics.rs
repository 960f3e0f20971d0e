//! CreateTopics, DeleteTopics, DescribeCluster: what they accept, refuse and do.

use braid_wire::{Kafka, TestServer, text};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest, MetadataRequest,
    TopicName,
};
use uuid::Uuid;

fn named(name: &str) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(TopicName(text(name)))
        .with_num_partitions(1)
        .with_replication_factor(1)
}

fn with_config(name: &str, key: &str, value: Option<&str>) -> CreatableTopic {
    let config = CreatableTopicConfig::default()
        .with_name(text(key))
        .with_value(value.map(text));
    named(name).with_configs(vec![config])
}

async fn create(client: &mut Kafka, topics: Vec<CreatableTopic>) -> Vec<CreatableTopicResult> {
    let request = CreateTopicsRequest::default().with_topics(topics);
    client.call(&request, 7).await.topics
}

async fn refused(client: &mut Kafka, topic: CreatableTopic) -> i16 {
    let answer = create(client, vec![topic]).await;
    assert!(answer[0].error_message.is_some() || answer[0].error_code == 0);
    answer[0].error_code
}

/// Partitions of a topic, or why there are none.
async fn partitions(client: &mut Kafka, name: &str) -> Result<usize, i16> {
    let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(false);
    let answer = client.call(&request, 12).await;
    match answer.topics[0].error_code {
        0 => Ok(answer.topics[0].partitions.len()),
        code => Err(code),
    }
}

#[tokio::test]
async fn every_version_creates_a_topic_that_is_there_at_once() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    for version in 2..=7 {
        let name = format!("orders-{version}");
        let request =
            CreateTopicsRequest::default().with_topics(vec![named(&name).with_num_partitions(3)]);
        let answer = client.call(&request, version).await;
        let topic = &answer.topics[0];
        assert_eq!((topic.error_code, &*topic.name.0), (0, &*name));
        assert_eq!(topic.topic_id.is_nil(), version < 7);
        if version >= 5 {
            assert_eq!((topic.num_partitions, topic.replication_factor), (3, 1));
            let configs = topic.configs.as_ref().expect("settings");
            let retention = configs
                .iter()
                .find(|config| &*config.name == "retention.ms");
            assert_eq!(
                retention.expect("retention").value.as_deref(),
                Some("604800000")
            );
        }
        assert_eq!(partitions(&mut client, &name).await, Ok(3));
        let again = client.call(&request, version).await;
        assert_eq!(again.topics[0].error_code, 36);
    }
}

#[tokio::test]
async fn minus_one_means_the_servers_defaults_and_any_replication_factor_is_accepted() {
    let mut config = TestServer::config();
    config.kafka.num_partitions = 4;
    let server = TestServer::with(config).await;
    let mut client = server.kafka().await;
    let topic = named("orders")
        .with_num_partitions(-1)
        .with_replication_factor(-1);
    let answer = create(&mut client, vec![topic]).await;
    assert_eq!(
        (answer[0].num_partitions, answer[0].replication_factor),
        (4, 1)
    );
    let answer = create(
        &mut client,
        vec![named("copies").with_replication_factor(3)],
    )
    .await;
    assert_eq!((answer[0].error_code, answer[0].replication_factor), (0, 3));
}

#[tokio::test]
async fn a_topic_is_refused_for_its_name() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    for name in ["", ".", "..", "a b", &"n".repeat(250)] {
        assert_eq!(refused(&mut client, named(name)).await, 17, "{name:?}");
    }
    assert_eq!(refused(&mut client, named("__cluster_metadata")).await, 42);
    create(&mut client, vec![named("a.b_c")]).await;
    assert_eq!(
        refused(&mut client, named("a_b.c")).await,
        17,
        "collides in metrics"
    );
}

#[tokio::test]
async fn a_topic_is_refused_for_its_numbers_or_settings() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    for count in [0, -2] {
        let topic = named("t").with_num_partitions(count);
        assert_eq!(refused(&mut client, topic).await, 37, "{count}");
    }
    for factor in [0, -2] {
        let topic = named("t").with_replication_factor(factor);
        assert_eq!(refused(&mut client, topic).await, 38, "{factor}");
    }
    assert_eq!(
        refused(&mut client, named("t").with_num_partitions(10_001)).await,
        44
    );
    assert_eq!(
        refused(&mut client, with_config("t", "no.such", Some("1"))).await,
        40
    );
    assert_eq!(
        refused(&mut client, with_config("t", "retention.ms", Some("soon"))).await,
        40
    );
    assert_eq!(
        refused(&mut client, with_config("t", "retention.ms", None)).await,
        40
    );
    let huge = with_config("t", "max.message.bytes", Some("2147483647"));
    assert_eq!(
        refused(&mut client, huge).await,
        40,
        "no frame is that large"
    );
    assert_eq!(partitions(&mut client, "t").await, Err(3));
}

#[tokio::test]
async fn a_name_that_comes_twice_is_refused_once_and_the_others_are_made() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let topics = vec![named("twice"), named("once"), named("twice")];
    let answer = create(&mut client, topics).await;
    let told: Vec<_> = answer.iter().map(|t| (&**t.name, t.error_code)).collect();
    assert_eq!(told, [("twice", 42), ("once", 0)]);
}

#[tokio::test]
async fn a_manual_assignment_must_name_each_partition_once_and_this_broker() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let broker = client
        .call(&DescribeClusterRequest::default().with_endpoint_type(1), 1)
        .await;
    let broker = broker.controller_id;
    let assigned = |parts: &[(i32, &[BrokerId])]| {
        let parts = parts.iter().map(|(index, brokers)| {
            CreatableReplicaAssignment::default()
                .with_partition_index(*index)
                .with_broker_ids(brokers.to_vec())
        });
        named("manual")
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(parts.collect())
    };
    let stranger = BrokerId(*broker + 7);
    for (parts, code) in [
        (&[(0, &[broker][..]), (0, &[broker][..])][..], 39),
        (&[(1, &[broker][..])][..], 39),
        (&[(0, &[][..])][..], 39),
        (&[(0, &[stranger][..])][..], 39),
        (&[(0, &[broker, broker][..])][..], 39),
    ] {
        assert_eq!(
            refused(&mut client, assigned(parts)).await,
            code,
            "{parts:?}"
        );
    }
    let both = assigned(&[(0, &[broker])]).with_num_partitions(1);
    assert_eq!(refused(&mut client, both).await, 42);
    let good = assigned(&[(1, &[broker]), (0, &[broker])]);
    assert_eq!(refused(&mut client, good).await, 0);
    assert_eq!(partitions(&mut client, "manual").await, Ok(2));
}

#[tokio::test]
async fn a_validated_topic_is_not_made() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let request = CreateTopicsRequest::default()
        .with_topics(vec![named("t")])
        .with_validate_only(true);
    let answer = client.call(&request, 7).await;
    assert_eq!(
        (answer.topics[0].error_code, answer.topics[0].num_partitions),
        (0, 1)
    );
    assert_eq!(partitions(&mut client, "t").await, Err(3));
}

#[tokio::test]
async fn every_version_deletes_by_name() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    for version in 1..=6 {
        create(&mut client, vec![named("t")]).await;
        let request = match version {
            6.. => DeleteTopicsRequest::default().with_topics(vec![
                DeleteTopicState::default().with_name(Some(TopicName(text("t")))),
                DeleteTopicState::default().with_name(Some(TopicName(text("nothing")))),
            ]),
            _ => DeleteTopicsRequest::default()
                .with_topic_names(vec![TopicName(text("t")), TopicName(text("nothing"))]),
        };
        let answer = client.call(&request, version).await;
        let codes: Vec<i16> = answer.responses.iter().map(|r| r.error_code).collect();
        assert_eq!(codes, [0, 3], "version {version}");
        assert_eq!(partitions(&mut client, "t").await, Err(3));
    }
}

#[tokio::test]
async fn a_topic_is_deleted_by_its_id_and_a_new_one_has_another() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let first = create(&mut client, vec![named("t")]).await[0].topic_id;
    let by_id = |id: Uuid| {
        let topic = DeleteTopicState::default()
            .with_name(None)
            .with_topic_id(id);
        DeleteTopicsRequest::default().with_topics(vec![topic])
    };
    let answer = client.call(&by_id(first), 6).await;
    assert_eq!(answer.responses[0].error_code, 0);
    assert_eq!(
        answer.responses[0].name.as_ref().map(|name| &***name),
        Some("t")
    );
    let second = create(&mut client, vec![named("t")]).await[0].topic_id;
    assert_ne!(first, second);
    let gone = client.call(&by_id(first), 6).await;
    assert_eq!(
        (gone.responses[0].error_code, &gone.responses[0].name),
        (100, &None)
    );
}

#[tokio::test]
async fn a_deletion_names_a_topic_once_by_name_or_by_id() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let id = create(&mut client, vec![named("t")]).await[0].topic_id;
    let name = Some(TopicName(text("t")));
    let state = |name: &Option<TopicName>, id| {
        DeleteTopicState::default()
            .with_name(name.clone())
            .with_topic_id(id)
    };
    for topics in [
        vec![state(&name, id)],
        vec![state(&None, Uuid::nil())],
        vec![state(&name, Uuid::nil()), state(&name, Uuid::nil())],
    ] {
        let request = DeleteTopicsRequest::default().with_topics(topics);
        let answer = client.call(&request, 6).await;
        let codes: Vec<i16> = answer.responses.iter().map(|r| r.error_code).collect();
        assert_eq!(codes, [42]);
    }
    assert_eq!(partitions(&mut client, "t").await, Ok(1));
}

#[tokio::test]
async fn every_version_describes_the_cluster_by_its_one_broker() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    for version in 0..=2 {
        let request = DescribeClusterRequest::default()
            .with_endpoint_type(1)
            .with_include_cluster_authorized_operations(version > 0);
        let answer = client.call(&request, version).await;
        assert_eq!(answer.error_code, 0);
        assert_eq!(answer.brokers[0].broker_id, answer.controller_id);
        assert_eq!(
            answer.brokers[0].port,
            i32::from(server.kafka_address().port())
        );
        let operations = if version > 0 { 8096 } else { i32::MIN };
        assert_eq!(answer.cluster_authorized_operations, operations);
    }
    let controllers = DescribeClusterRequest::default().with_endpoint_type(2);
    assert_eq!(client.call(&controllers, 2).await.error_code, 115);
}
