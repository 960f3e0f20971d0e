//! The few calls that most tests make, in one line each.

use crate::{BatchOf, Kafka, KafkaError};
use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    CreateTopicsRequest, FetchRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

/// Version of Produce and Fetch that the calls here use: topics by name.
const VERSION: i16 = 12;

pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.into()))
}

/// A Produce of one batch to one partition.
pub fn produce_of(topic: &str, partition: i32, records: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(records));
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_timeout_ms(1000)
        .with_topic_data(vec![topic])
}

/// Asks for the id of an idempotent producer.
pub fn init_producer_id() -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1)
}

/// A Fetch of one partition that does not wait.
pub fn fetch_of(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(10 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

impl Kafka {
    /// Makes a topic and tells its id.
    pub async fn topic(&mut self, name: &str) -> Uuid {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .with_allow_auto_topic_creation(true);
        let answer = self.call(&request, 12).await;
        assert_eq!(answer.topics[0].error_code, 0);
        answer.topics[0].topic_id
    }

    /// Makes a topic of one partition with these settings.
    pub async fn topic_with(&mut self, name: &str, settings: &[(&str, &str)]) {
        let text = |text: &str| StrBytes::from_string(text.into());
        let config = |(key, value): &(&str, &str)| {
            CreatableTopicConfig::default()
                .with_name(text(key))
                .with_value(Some(text(value)))
        };
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(1)
            .with_replication_factor(1)
            .with_configs(settings.iter().map(config).collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        assert_eq!(self.call(&request, 7).await.topics[0].error_code, 0);
    }

    pub async fn produce(&mut self, topic: &str, batch: &BatchOf) -> PartitionProduceResponse {
        self.produce_bytes(topic, batch.bytes()).await
    }

    pub async fn produce_bytes(&mut self, topic: &str, bytes: Bytes) -> PartitionProduceResponse {
        let mut answer = self.call(&produce_of(topic, 0, bytes), VERSION).await;
        answer.responses.remove(0).partition_responses.remove(0)
    }

    pub async fn fetch(&mut self, topic: &str, offset: i64) -> PartitionData {
        self.fetch_by(&fetch_of(topic, 0, offset))
            .await
            .expect("an answer")
    }

    pub async fn fetch_by(&mut self, request: &FetchRequest) -> Result<PartitionData, KafkaError> {
        let mut answer = self.try_call(request, VERSION).await?;
        Ok(answer.responses.remove(0).partitions.remove(0))
    }
}
