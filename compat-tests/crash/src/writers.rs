//! Writers of both protocols. Each record's value is its writer's name and number.

use crate::ledger::{Kind, Sent, Shared};
use crate::round::Stop;
use crate::streams::PARTITIONS;
use anyhow::{Context, Result};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use braid_clients::kafka;
use braid_clients::sequence::Sequence;
use futures_util::future::join_all;
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::time::Duration;

/// Between two bursts: enough for a few thousand records in a round.
const PAUSE: Duration = Duration::from_millis(3);
/// Records in a burst.
const BURST: u64 = 12;
/// Time within which a server that is back must have taken everything still waiting.
const DRAIN_WAIT: Duration = Duration::from_secs(30);

/// Names a writer's records.
pub struct Numbered {
    pub kind: Kind,
    pub writer: String,
    next: u64,
    ledger: Shared,
}

impl Numbered {
    pub fn new(kind: Kind, writer: String, ledger: Shared) -> Numbered {
        let next = 0;
        Numbered {
            kind,
            writer,
            next,
            ledger,
        }
    }

    /// The next record's value, noted as sent.
    fn value(&mut self) -> String {
        let sent = Sent {
            kind: self.kind,
            writer: self.writer.clone(),
            number: self.next,
            acknowledged: None,
        };
        self.next += 1;
        let value = sent.value();
        self.ledger.lock().sent.insert(value.clone(), sent);
        value
    }
}

/// A producer that outlives the server: it retries until everything is acknowledged.
pub struct Idempotent {
    producer: FutureProducer,
    /// One sequence of records for each partition.
    partitions: Vec<Numbered>,
}

impl Idempotent {
    pub fn new(address: &str, name: &str, codec: &str, ledger: &Shared) -> Result<Idempotent> {
        let settings = [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("compression.type", codec),
            ("linger.ms", "1"),
            ("message.timeout.ms", "60000"),
            ("retry.backoff.ms", "20"),
            ("reconnect.backoff.ms", "10"),
            ("reconnect.backoff.max.ms", "50"),
        ];
        let numbered = |partition: i32| {
            let writer = format!("{name}-p{partition}");
            Numbered::new(Kind::Idempotent, writer, ledger.clone())
        };
        Ok(Idempotent {
            producer: kafka::client_of(address, &settings).create()?,
            partitions: (0..PARTITIONS).map(numbered).collect(),
        })
    }

    /// Sends until told to stop, then waits until every record is acknowledged, for which the
    /// server has to come back.
    pub async fn run(&mut self, stream: &str, stop: Stop) -> Result<()> {
        let mut deliveries = Vec::new();
        while !stop.is_set() {
            for (partition, numbered) in (0..).zip(&mut self.partitions) {
                for _ in 0..BURST / 4 {
                    let value = numbered.value();
                    let record = FutureRecord::<str, str>::to(stream)
                        .partition(partition)
                        .key(&numbered.writer)
                        .payload(&value);
                    let delivery = self.producer.send_result(record);
                    let delivery = delivery.map_err(|(error, _)| error)?;
                    deliveries.push(note(delivery, value, numbered.ledger.clone()));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        let drained = tokio::time::timeout(DRAIN_WAIT, join_all(deliveries)).await;
        let outcomes = drained.context("an idempotent producer's records were not taken")?;
        outcomes.into_iter().collect()
    }
}

async fn note(
    delivery: rdkafka::producer::DeliveryFuture,
    value: String,
    ledger: Shared,
) -> Result<()> {
    let delivery = delivery.await?.map_err(|(error, _)| error);
    let delivery = delivery.with_context(|| format!("{value} was given up"))?;
    let offset = u64::try_from(delivery.offset).context("acknowledged without an offset")?;
    ledger.lock().placed(&value, delivery.partition, offset);
    Ok(())
}

/// A producer that tries once; ends when the server does.
pub async fn plain(
    address: String,
    stream: String,
    mut numbered: Numbered,
    stop: Stop,
) -> Result<()> {
    let settings = [
        ("enable.idempotence", "false"),
        ("retries", "0"),
        ("acks", "1"),
        ("linger.ms", "0"),
        ("message.timeout.ms", "2000"),
        ("socket.timeout.ms", "2000"),
    ];
    let producer: FutureProducer = kafka::client_of(&address, &settings).create()?;
    let mut deliveries = Vec::new();
    let mut partition = 0;
    while !stop.is_set() {
        for _ in 0..BURST {
            let value = numbered.value();
            let record = FutureRecord::<str, str>::to(&stream)
                .partition(partition)
                .payload(&value);
            if let Ok(delivery) = producer.send_result(record) {
                deliveries.push(note(delivery, value, numbered.ledger.clone()));
            }
            partition = (partition + 1) % PARTITIONS;
        }
        tokio::time::sleep(PAUSE).await;
    }
    // What was not acknowledged may or may not have been kept.
    join_all(deliveries).await;
    Ok(())
}

/// PutRecord, one after the other; ends when the server does.
pub async fn puts(
    client: Client,
    stream: String,
    mut numbered: Numbered,
    stop: Stop,
) -> Result<()> {
    while !stop.is_set() {
        let value = numbered.value();
        let put = client
            .put_record()
            .stream_name(&stream)
            .partition_key(&value);
        let Ok(answer) = put.data(Blob::new(value.clone())).send().await else {
            return Ok(());
        };
        place(&numbered.ledger, &value, &answer.sequence_number)?;
    }
    Ok(())
}

/// PutRecords in batches; ends when the server does.
pub async fn batches(
    client: Client,
    stream: String,
    mut numbered: Numbered,
    stop: Stop,
) -> Result<()> {
    while !stop.is_set() {
        let values: Vec<String> = (0..BURST).map(|_| numbered.value()).collect();
        let entry = |value: &String| {
            let data = Blob::new(value.clone());
            PutRecordsRequestEntry::builder()
                .partition_key(value)
                .data(data)
                .build()
        };
        let entries = values.iter().map(entry).collect::<Result<_, _>>()?;
        let put = client
            .put_records()
            .stream_name(&stream)
            .set_records(Some(entries));
        let Ok(answer) = put.send().await else {
            return Ok(());
        };
        for (value, entry) in values.iter().zip(answer.records) {
            if let Some(number) = entry.sequence_number {
                place(&numbered.ledger, value, &number)?;
            }
        }
    }
    Ok(())
}

fn place(ledger: &Shared, value: &str, number: &str) -> Result<()> {
    let number = Sequence::parse(number)?;
    let partition = i32::try_from(number.shard)?;
    ledger.lock().placed(value, partition, number.offset);
    Ok(())
}
