//! The ends that speak the Kafka protocol.

use super::{Crossing, Receive, SendOne, WAIT};
use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

pub struct Sender {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
    payload: Vec<u8>,
}

impl Sender {
    pub fn new(load: &Crossing, config: &ClientConfig) -> Result<Sender> {
        let mut config = config.clone();
        config.set("acks", "all").set("linger.ms", "0");
        Ok(Sender {
            producer: config.create()?,
            topic: load.stream.clone(),
            payload: vec![b'x'; load.record_bytes],
        })
    }
}

impl SendOne for Sender {
    fn send(&mut self, now: u64) -> Result<()> {
        self.payload[..8].copy_from_slice(&now.to_le_bytes());
        let record = BaseRecord::to(&self.topic)
            .key("key")
            .payload(&self.payload);
        self.producer
            .send(record)
            .map_err(|(error, _)| error.into())
    }
}

pub struct Reader(BaseConsumer);

impl Reader {
    /// At the end of the only partition.
    pub fn new(load: &Crossing, config: &ClientConfig) -> Result<Reader> {
        let mut config = config.clone();
        config.set("group.id", "bench");
        config.set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create()?;
        let (_, end) = consumer.fetch_watermarks(&load.stream, 0, WAIT)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&load.stream, 0, Offset::Offset(end))?;
        consumer.assign(&list)?;
        Ok(Reader(consumer))
    }
}

impl Receive for Reader {
    fn receive(&mut self) -> Result<Vec<u64>> {
        let message = self.0.poll(WAIT).context("no record")??;
        let payload = message.payload().context("a record without a payload")?;
        let sent = payload.first_chunk().context("a record without its time")?;
        Ok(vec![u64::from_le_bytes(*sent)])
    }
}
