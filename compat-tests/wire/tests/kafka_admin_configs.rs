//! DescribeConfigs and IncrementalAlterConfigs: what they accept, refuse and do.

use braid_wire::{Kafka, TestServer, text};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    CreateTopicsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, TopicName,
};
use serde_json::json;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

async fn with_topic(server: &TestServer) -> Kafka {
    let mut client = server.kafka().await;
    let topic = CreatableTopic::default()
        .with_name(TopicName(text("orders")))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    assert_eq!(client.call(&request, 7).await.topics[0].error_code, 0);
    client
}

fn asking(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    let keys = keys.map(|keys| keys.iter().map(|key| text(key)).collect());
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys);
    DescribeConfigsRequest::default().with_resources(vec![resource])
}

async fn describe(client: &mut Kafka, request: DescribeConfigsRequest) -> DescribeConfigsResult {
    let answer = client.call(&request, 4).await;
    answer.results.into_iter().next().expect("one result")
}

async fn value(client: &mut Kafka, key: &str) -> DescribeConfigsResourceResult {
    let described = describe(client, asking(TOPIC, "orders", Some(&[key]))).await;
    assert_eq!(described.configs.len(), 1, "{key}");
    described.configs[0].clone()
}

fn change(key: &str, operation: i8, value: Option<&str>) -> AlterableConfig {
    AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(operation)
        .with_value(value.map(text))
}

fn altering(kind: i8, name: &str, changes: Vec<AlterableConfig>) -> IncrementalAlterConfigsRequest {
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(changes);
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

async fn alter(client: &mut Kafka, changes: Vec<AlterableConfig>) -> i16 {
    let request = altering(TOPIC, "orders", changes);
    client.call(&request, 1).await.responses[0].error_code
}

#[tokio::test]
async fn every_version_describes_a_topic_with_kafkas_defaults() {
    let server = TestServer::start().await;
    let mut client = with_topic(&server).await;
    for version in 1..=4 {
        let request = asking(TOPIC, "orders", None)
            .with_include_synonyms(true)
            .with_include_documentation(version >= 3);
        let answer = client.call(&request, version).await;
        let result = &answer.results[0];
        assert_eq!((result.error_code, &*result.resource_name), (0, "orders"));
        let retention = result
            .configs
            .iter()
            .find(|config| &*config.name == "retention.ms");
        let retention = retention.expect("retention.ms");
        assert_eq!(retention.value.as_deref(), Some("604800000"));
        assert_eq!((retention.config_source, retention.read_only), (5, false));
        assert_eq!(retention.config_type, if version >= 3 { 5 } else { 0 });
        let documentation = retention.documentation.as_deref().unwrap_or_default();
        assert_eq!(documentation.is_empty(), version < 3);
        assert_eq!(&*retention.synonyms[0].name, "log.retention.ms");
    }
}

#[tokio::test]
async fn keys_choose_and_unknown_ones_are_left_out() {
    let server = TestServer::start().await;
    let mut client = with_topic(&server).await;
    let some = asking(TOPIC, "orders", Some(&["cleanup.policy", "no.such.key"]));
    assert_eq!(describe(&mut client, some).await.configs.len(), 1);
    let none = asking(TOPIC, "orders", Some(&[]));
    assert!(
        describe(&mut client, none).await.configs.len() > 30,
        "an empty list is all"
    );
}

#[tokio::test]
async fn what_does_not_exist_is_not_described() {
    let server = TestServer::start().await;
    let mut client = with_topic(&server).await;
    for (kind, name, code) in [
        (TOPIC, "nothing", 3),
        (TOPIC, "a b", 17),
        (BROKER, "77", 42),
        (BROKER, "one", 42),
        (3, "x", 42),
    ] {
        let described = describe(&mut client, asking(kind, name, None)).await;
        assert_eq!(described.error_code, code, "{kind} {name}");
        assert!(described.configs.is_empty());
    }
}

#[tokio::test]
async fn the_broker_and_groups_tell_read_only_settings() {
    let server = TestServer::start().await;
    let mut client = with_topic(&server).await;
    let broker = describe(&mut client, asking(BROKER, "1", Some(&["num.partitions"]))).await;
    assert_eq!(broker.configs[0].value.as_deref(), Some("1"));
    assert!(broker.configs[0].read_only);
    let dynamic = describe(&mut client, asking(BROKER, "", None)).await;
    assert_eq!((dynamic.error_code, dynamic.configs.len()), (0, 0));
    let key = Some(&["consumer.session.timeout.ms"][..]);
    let group = describe(&mut client, asking(GROUP, "g", key)).await;
    assert_eq!(group.configs[0].value.as_deref(), Some("45000"));
    let refused = altering(BROKER, "1", vec![change("num.partitions", SET, Some("3"))]);
    assert_eq!(client.call(&refused, 1).await.responses[0].error_code, 42);
}

#[tokio::test]
async fn every_version_sets_a_value_and_resets_it() {
    let server = TestServer::start().await;
    let mut client = with_topic(&server).await;
    for version in 0..=1 {
        let set = altering(
            TOPIC,
            "orders",
            vec![change("retention.ms", SET, Some("1000"))],
        );
        assert_eq!(client.call(&set, version).await.responses[0].error_code, 0);
        let now = value(&mut client, "retention.ms").await;
        assert_eq!((now.value.as_deref(), now.config_source), (Some("1000"), 1));
        let reset = altering(TOPIC, "orders", vec![change("retention.ms", DELETE, None)]);
        assert_eq!(
            client.call(&reset, version).await.responses[0].error_code,
            0
        );
        let now = value(&mut client, "retention.ms").await;
        assert_eq!(
            (now.value.as_deref(), now.config_source),
            (Some("604800000"), 5)
        );
    }
}

#[tokio::test]
async fn lists_can_be_appended_to_and_taken_from() {
    let server = TestServer::start().await;
    let mut client = with_topic(&server).await;
    let append = vec![change("cleanup.policy", APPEND, Some("compact"))];
    assert_eq!(alter(&mut client, append).await, 0);
    let policy = value(&mut client, "cleanup.policy").await.value;
    assert_eq!(policy.as_deref(), Some("delete,compact"));
    let subtract = vec![change("cleanup.policy", SUBTRACT, Some("delete"))];
    assert_eq!(alter(&mut client, subtract).await, 0);
    let policy = value(&mut client, "cleanup.policy").await.value;
    assert_eq!(policy.as_deref(), Some("compact"));
    let number = vec![change("retention.ms", APPEND, Some("1"))];
    assert_eq!(alter(&mut client, number).await, 40);
}

#[tokio::test]
async fn all_changes_of_a_topic_apply_or_none() {
    let server = TestServer::start().await;
    let mut client = with_topic(&server).await;
    let good = || change("retention.ms", SET, Some("1000"));
    for (bad, code) in [
        (change("no.such.key", SET, Some("1")), 40),
        (change("segment.bytes", SET, Some("big")), 40),
        (change("segment.bytes", SET, None), 42),
        (change("segment.bytes", 9, Some("1")), 42),
        (good(), 42),
    ] {
        assert_eq!(alter(&mut client, vec![good(), bad]).await, code);
        assert_eq!(value(&mut client, "retention.ms").await.config_source, 5);
    }
    let unknown = altering(TOPIC, "nothing", vec![good()]);
    assert_eq!(client.call(&unknown, 1).await.responses[0].error_code, 3);
    let validated = altering(TOPIC, "orders", vec![good()]).with_validate_only(true);
    assert_eq!(client.call(&validated, 1).await.responses[0].error_code, 0);
    assert_eq!(value(&mut client, "retention.ms").await.config_source, 5);
}

#[tokio::test]
async fn a_resource_that_comes_twice_is_refused_once() {
    let server = TestServer::start().await;
    let mut client = with_topic(&server).await;
    let mut request = altering(
        TOPIC,
        "orders",
        vec![change("retention.ms", SET, Some("1"))],
    );
    request.resources.push(request.resources[0].clone());
    let answer = client.call(&request, 1).await;
    let codes: Vec<i16> = answer.responses.iter().map(|r| r.error_code).collect();
    assert_eq!(codes, [42]);
}

#[tokio::test]
async fn a_resource_that_is_named_again_is_described_once() {
    let server = TestServer::start().await;
    let mut client = with_topic(&server).await;
    let mut request = asking(TOPIC, "orders", None);
    request.resources = vec![request.resources[0].clone(); 3];

    let answer = client.call(&request, 4).await;

    assert_eq!(answer.results.len(), 1);
}

#[tokio::test]
async fn alter_configs_replaces_every_setting() {
    use kafka_protocol::messages::AlterConfigsRequest;
    use kafka_protocol::messages::alter_configs_request as replacing;
    let server = TestServer::start().await;
    let mut client = with_topic(&server).await;
    let replace = |key: &str, value: &str| {
        let config = replacing::AlterableConfig::default()
            .with_name(text(key))
            .with_value(Some(text(value)));
        let resource = replacing::AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("orders"))
            .with_configs(vec![config]);
        AlterConfigsRequest::default().with_resources(vec![resource])
    };

    let first = client.call(&replace("retention.ms", "90000000"), 2).await;
    let second = client.call(&replace("max.message.bytes", "2000"), 2).await;
    let refused = client.call(&replace("no.such.setting", "1"), 2).await;

    assert_eq!(first.responses[0].error_code, 0);
    assert_eq!(second.responses[0].error_code, 0);
    assert_eq!(refused.responses[0].error_code, 40);
    let retention = value(&mut client, "retention.ms").await;
    assert_eq!(retention.value, Some(text("604800000")));
    let batch_bytes = value(&mut client, "max.message.bytes").await;
    assert_eq!(batch_bytes.value, Some(text("2000")));
}

#[tokio::test]
async fn alter_configs_leaves_what_belongs_to_kinesis() {
    use kafka_protocol::messages::AlterConfigsRequest;
    use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
    let server = TestServer::start().await;
    let mut kinesis = server.kinesis().await;
    let on_demand = json!({
        "StreamName": "orders", "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
    });
    kinesis.call("CreateStream", on_demand).await;
    let mut client = server.kafka().await;
    let nothing = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text("orders"));
    let replace = AlterConfigsRequest::default().with_resources(vec![nothing]);

    let replaced = client.call(&replace, 2).await;
    let reset = vec![change("kinesis.stream.mode", DELETE, None)];
    let reset = alter(&mut client, reset).await;

    assert_eq!((replaced.responses[0].error_code, reset), (0, 0));
    let asked = json!({"StreamName": "orders"});
    let summary = kinesis.call("DescribeStreamSummary", asked).await;
    let mode = &summary["StreamDescriptionSummary"]["StreamModeDetails"]["StreamMode"];
    assert_eq!(mode, "ON_DEMAND");
}
