//! Sends records at a steady rate: how long until each is acknowledged, and until it is read.

use super::{Settings, client, noise, topic};
use crate::job::{Job, Latencies, Loaded, Meter};
use anyhow::{Context, Result, bail, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(20);
/// Records before the measured ones, so that connections and code are warm.
const PRIMING: u64 = 200;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    pub topic: String,
    pub partitions: i32,
    pub record_bytes: usize,
    pub per_second: u64,
    pub records: u64,
    pub idempotent: bool,
    pub linger_ms: f64,
    pub settings: Settings,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency {
            topic: "bench".into(),
            partitions: 1,
            record_bytes: 1000,
            per_second: 1000,
            records: 5000,
            idempotent: false,
            linger_ms: 0.0,
            settings: Settings::new(),
        }
    }
}

/// One clock for both sides: nanoseconds since the load began.
type Clock = Instant;

fn nanos(clock: Clock) -> u64 {
    u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Latency {
    pub fn carry_out(&self, job: &Job) -> Result<Loaded> {
        ensure!(
            self.record_bytes >= 8,
            "a record holds its time: 8 bytes at least"
        );
        let clock = Clock::now();
        let config = client(job.kafka()?, &self.settings);
        topic::make(&config, &self.topic, self.partitions)?;
        let consumer = self.consumer(&config)?;
        let acks = Arc::new(Mutex::new(Vec::new()));
        let mut config = config.clone();
        config.set("acks", "all");
        config.set("enable.idempotence", self.idempotent.to_string());
        config.set("linger.ms", self.linger_ms.to_string());
        let context = Acks(clock, acks.clone());
        let producer: ThreadedProducer<Acks> = config.create_with_context(context)?;
        self.send(&producer, clock, PRIMING)?;
        self.receive(&consumer, clock, PRIMING)?;
        acks.lock().unwrap_or_else(|held| held.into_inner()).clear();

        let meter = Meter::start(job)?;
        let received = std::thread::scope(|scope| {
            let reader = scope.spawn(|| self.receive(&consumer, clock, self.records));
            self.send(&producer, clock, self.records)?;
            reader.join().unwrap_or_else(|_| bail!("the reader failed"))
        })?;
        let bytes = self.records * self.record_bytes as u64;
        let mut loaded = meter.end(self.records, bytes)?;
        loaded.latencies = Latencies::of(received);
        let acks = std::mem::take(&mut *acks.lock().unwrap_or_else(|held| held.into_inner()));
        ensure!(
            acks.len() as u64 == self.records,
            "{} acknowledged",
            acks.len()
        );
        loaded.ack = Latencies::of(acks);
        Ok(loaded)
    }

    /// A consumer at the end of every partition.
    fn consumer(&self, config: &ClientConfig) -> Result<BaseConsumer> {
        let mut config = config.clone();
        config
            .set("group.id", "bench")
            .set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..self.partitions {
            let (_, end) = consumer.fetch_watermarks(&self.topic, partition, WAIT)?;
            list.add_partition_offset(&self.topic, partition, Offset::Offset(end))?;
        }
        consumer.assign(&list)?;
        Ok(consumer)
    }

    /// Sends `count` records at the asked rate, each with its time, and waits for the last answer.
    fn send(&self, producer: &ThreadedProducer<Acks>, clock: Clock, count: u64) -> Result<()> {
        let mut payload = noise(self.record_bytes);
        let began = Instant::now();
        for index in 0..count {
            let due = began + Duration::from_secs_f64(index as f64 / self.per_second as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let partition = i32::try_from(index % u64::try_from(self.partitions)?)?;
            let sent = nanos(clock);
            payload[..8].copy_from_slice(&sent.to_le_bytes());
            let record =
                BaseRecord::<(), [u8], usize>::with_opaque_to(&self.topic, usize::try_from(sent)?)
                    .partition(partition)
                    .payload(&payload);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.flush(WAIT)?;
        Ok(())
    }

    fn receive(&self, consumer: &BaseConsumer, clock: Clock, count: u64) -> Result<Vec<u64>> {
        let mut taken = Vec::with_capacity(usize::try_from(count)?);
        for _ in 0..count {
            let message = consumer.poll(WAIT).context("no record")??;
            let payload = message.payload().context("a record without a payload")?;
            let sent = payload.first_chunk().context("a record without its time")?;
            taken.push(nanos(clock).saturating_sub(u64::from_le_bytes(*sent)));
        }
        Ok(taken)
    }
}

/// Keeps how long each acknowledgement took.
struct Acks(Clock, Arc<Mutex<Vec<u64>>>);

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: usize) {
        match result {
            Ok(_) => {
                let taken = nanos(self.0).saturating_sub(sent as u64);
                self.1
                    .lock()
                    .unwrap_or_else(|held| held.into_inner())
                    .push(taken);
            }
            Err((error, _)) => eprintln!("not acknowledged: {error}"),
        }
    }
}
