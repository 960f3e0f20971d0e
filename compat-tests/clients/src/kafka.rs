//! Steps with rdkafka that every lane takes: clients, topics, producing and reading everything.

use crate::checks::unique;
use anyhow::{Context, Result, anyhow, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// Time that one request may take.
pub const REQUEST_WAIT: Duration = Duration::from_secs(20);
/// Every compression codec of the protocol.
pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// Where the Kafka protocol is served: `BRAID_KAFKA`, or the default port.
pub fn address() -> String {
    std::env::var("BRAID_KAFKA").unwrap_or_else(|_| "127.0.0.1:9092".into())
}

/// A client's settings: the server's address and these.
pub fn client(settings: &[(&str, &str)]) -> ClientConfig {
    client_of(&address(), settings)
}

/// The same for a server that is not the lane's.
pub fn client_of(address: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    // The reconnect back-off would otherwise turn a restart into seconds.
    config.set("reconnect.backoff.max.ms", "500");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config
}

pub fn admin() -> Result<AdminClient<DefaultClientContext>> {
    Ok(client(&[]).create()?)
}

pub fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_WAIT))
        .operation_timeout(Some(REQUEST_WAIT))
}

/// Creates a topic of a new name.
pub async fn topic(prefix: &str, partitions: i32) -> Result<String> {
    topic_with(prefix, partitions, &[]).await
}

/// Creates a topic of a new name with configuration.
pub async fn topic_with(prefix: &str, partitions: i32, config: &[(&str, &str)]) -> Result<String> {
    let name = unique(prefix);
    let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    for (key, value) in config {
        topic = topic.set(key, value);
    }
    let created = admin()?.create_topics([&topic], &options()).await?;
    match created.into_iter().next() {
        Some(Ok(_)) => Ok(name),
        Some(Err((name, code))) => Err(anyhow!("creating {name}: {code}")),
        None => Err(anyhow!("creating {name}: no answer")),
    }
}

pub fn producer(settings: &[(&str, &str)]) -> Result<FutureProducer> {
    Ok(client(settings)
        .set("message.timeout.ms", "30000")
        .create()?)
}

/// A record as a client gives it, and as it must come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The producer's time; the moment of producing if there is none.
    pub timestamp_ms: Option<i64>,
}

impl Given {
    pub fn new(partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> Given {
        Given {
            partition,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            ..Given::default()
        }
    }

    /// What a consumer saw, in the same form.
    pub fn seen(message: &OwnedMessage) -> Given {
        let headers = message.headers().map(|headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect()
        });
        Given {
            partition: message.partition(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            timestamp_ms: message.timestamp().to_millis(),
        }
    }
}

fn owned_headers(given: &Given) -> OwnedHeaders {
    let start = OwnedHeaders::new_with_capacity(given.headers.len());
    given.headers.iter().fold(start, |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: value.as_ref(),
        })
    })
}

/// Sends all records without waiting in between, then waits for all: their offsets, in order.
pub async fn produce(
    producer: &FutureProducer,
    topic: &str,
    records: &[Given],
) -> Result<Vec<i64>> {
    let mut deliveries = Vec::with_capacity(records.len());
    for given in records {
        let mut record = FutureRecord::to(topic).partition(given.partition);
        record.key = given.key.as_deref();
        record.payload = given.value.as_deref();
        record.timestamp = given.timestamp_ms;
        if !given.headers.is_empty() {
            record.headers = Some(owned_headers(given));
        }
        let sent = producer.send_result(record);
        deliveries.push(sent.map_err(|(error, _)| error).context("enqueueing")?);
    }
    let mut offsets = Vec::with_capacity(records.len());
    for (delivery, given) in deliveries.into_iter().zip(records) {
        let delivery = delivery.await?.map_err(|(error, _)| error);
        let delivery = delivery.context("delivering")?;
        ensure!(
            delivery.partition == given.partition,
            "sent to partition {}, delivered to {}",
            given.partition,
            delivery.partition
        );
        offsets.push(delivery.offset);
    }
    Ok(offsets)
}

/// A consumer that belongs to no group in the server's eyes, assigned to `partitions` from `from`.
pub fn reader(topic: &str, partitions: i32, from: Offset) -> Result<StreamConsumer> {
    reader_of(&client(&[]), topic, partitions, from)
}

/// The same with settings of the caller's.
pub fn reader_of(
    config: &ClientConfig,
    topic: &str,
    partitions: i32,
    from: Offset,
) -> Result<StreamConsumer> {
    let consumer: StreamConsumer = config
        .clone()
        .set("group.id", unique("reader"))
        .set("enable.auto.commit", "false")
        .create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, from)?;
    }
    consumer.assign(&list)?;
    Ok(consumer)
}

/// Receives exactly `count` records.
pub async fn receive(consumer: &StreamConsumer, count: usize) -> Result<Vec<OwnedMessage>> {
    let mut messages = Vec::with_capacity(count);
    while messages.len() < count {
        let message = tokio::time::timeout(REQUEST_WAIT, consumer.recv()).await;
        let message = message.with_context(|| {
            let got = messages.len();
            format!("{got} of {count} records, then nothing for {REQUEST_WAIT:?}")
        })?;
        messages.push(message?.detach());
    }
    Ok(messages)
}

/// Reads all partitions from the beginning up to their ends, by partition and then by offset.
pub async fn read_all(topic: &str, partitions: i32) -> Result<Vec<Vec<OwnedMessage>>> {
    let consumer = reader(topic, partitions, Offset::Beginning)?;
    let mut count = 0;
    for partition in 0..partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, REQUEST_WAIT)?;
        count += usize::try_from(high - low)?;
    }
    let mut by_partition = vec![Vec::new(); usize::try_from(partitions)?];
    for message in receive(&consumer, count).await? {
        by_partition[usize::try_from(message.partition())?].push(message);
    }
    Ok(by_partition)
}

/// Fails unless the messages are exactly the given records of one partition, in order, from
/// offset 0 on without a gap. Times are compared where they were given.
pub fn compare(given: &[&Given], messages: &[OwnedMessage]) -> Result<()> {
    ensure!(
        given.len() == messages.len(),
        "{} records given, {} read",
        given.len(),
        messages.len()
    );
    for (index, (given, message)) in given.iter().zip(messages).enumerate() {
        let mut seen = Given::seen(message);
        if given.timestamp_ms.is_none() {
            seen.timestamp_ms = None;
        }
        ensure!(
            message.offset() == i64::try_from(index)?,
            "record {index} has offset {}",
            message.offset()
        );
        ensure!(
            seen == **given,
            "offset {index}: gave {given:?}, read {seen:?}"
        );
    }
    Ok(())
}
