//! Produces records as fast as the server takes them, or at a given rate.

use super::{Settings, client, noise, topic};
use crate::job::{Job, Loaded, Meter};
use crate::process;
use anyhow::{Result, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, statistics::Statistics};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a full queue, or one that is to become empty, is left alone. The thread sleeps: the
/// last millisecond of a poll is spent spinning (rdkafka 0.39), on a processor the server needs.
const QUEUE_WAIT: Duration = Duration::from_millis(1);
const FLUSH_WAIT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Produce {
    pub topic: String,
    pub partitions: i32,
    pub record_bytes: usize,
    /// The end, whichever comes first.
    pub records: u64,
    pub seconds_max: f64,
    pub idempotent: bool,
    pub linger_ms: f64,
    /// Records of a batch: so many in a row go to one partition.
    pub batch_records: u64,
    /// Clients, each with a connection and a thread of its own.
    pub producers: u64,
    /// Records in a second of each client; as many as it can if none is given.
    pub per_second: Option<u64>,
    /// Whether nothing is sent where the topic already holds records.
    pub only_if_missing: bool,
    pub settings: Settings,
}

impl Default for Produce {
    fn default() -> Produce {
        Produce {
            topic: "bench".into(),
            partitions: 1,
            record_bytes: 1000,
            records: 100_000,
            seconds_max: 20.0,
            idempotent: true,
            linger_ms: 5.0,
            batch_records: 1000,
            producers: 1,
            per_second: None,
            only_if_missing: false,
            settings: Settings::new(),
        }
    }
}

impl Produce {
    pub fn carry_out(&self, job: &Job) -> Result<Loaded> {
        let mut config = client(job.kafka()?, &self.settings);
        let is_new = topic::make(&config, &self.topic, self.partitions)?;
        let may_be_filled = self.only_if_missing && !is_new;
        if may_be_filled && topic::records(&config, &self.topic, self.partitions)? > 0 {
            return Ok(Loaded::default());
        }
        self.configure(&mut config);
        let failed = Arc::new(AtomicU64::new(0));
        let create = |_| Ok(config.create_with_context(Failures(failed.clone()))?);
        let producers: Result<Vec<BaseProducer<Failures>>> =
            (0..self.producers).map(create).collect();
        let producers = producers?;
        let payload = noise(self.record_bytes);
        for producer in &producers {
            producer
                .client()
                .fetch_metadata(Some(&self.topic), FLUSH_WAIT)?;
            self.prime(producer, &payload)?;
        }
        let meter = Meter::start(job)?;
        let senders: Result<Vec<Sent>> = std::thread::scope(|scope| {
            let payload = &payload;
            let send = |producer| scope.spawn(move || self.send(producer, payload));
            let senders: Vec<_> = producers.iter().map(send).collect();
            let join = |sender: std::thread::ScopedJoinHandle<Result<Sent>>| {
                sender.join().unwrap_or_else(|_| bail!("a sender failed"))
            };
            senders.into_iter().map(join).collect()
        });
        let senders = senders?;
        let sent = senders.iter().map(|sender| sender.records).sum();
        let mut loaded = meter.end(sent, sent * self.record_bytes as u64)?;
        for sender in senders {
            loaded.count_ended_thread(sender.cpu);
        }
        let failed = failed.load(Ordering::Relaxed);
        ensure!(
            failed == 0,
            "{failed} of {sent} records were not acknowledged"
        );
        Ok(loaded)
    }

    fn configure(&self, config: &mut ClientConfig) {
        let mut set = |name: &str, value: String| {
            if !self.settings.contains_key(name) {
                config.set(name, value);
            }
        };
        set("acks", "all".into());
        set("enable.idempotence", self.idempotent.to_string());
        set("linger.ms", self.linger_ms.to_string());
        set("batch.num.messages", self.batch_records.to_string());
        // Acknowledged records are counted by flushing: a report each would bound the client.
        set("delivery.report.only.error", "true".into());
        // What is queued when the time is over is still sent: not for long.
        set("queue.buffering.max.messages", "100000".into());
        set("queue.buffering.max.kbytes", "262144".into());
    }

    /// Sends one record that is not measured. An idempotent client without an id asks for one
    /// again only after half a second if its connection was not up the first time.
    fn prime(&self, producer: &BaseProducer<Failures>, payload: &[u8]) -> Result<()> {
        let record = BaseRecord::<(), [u8], ()>::to(&self.topic).partition(0);
        producer
            .send(record.payload(payload))
            .map_err(|(error, _)| error)?;
        Ok(producer.flush(FLUSH_WAIT)?)
    }

    /// Sends one client's part and waits until all of it is acknowledged.
    fn send(&self, producer: &BaseProducer<Failures>, payload: &[u8]) -> Result<Sent> {
        let began = Instant::now();
        let end = began + Duration::from_secs_f64(self.seconds_max);
        let records = self.records / self.producers.max(1);
        let (mut sent, mut partition) = (0, 0);
        while sent < records {
            if sent % self.batch_records == 0 {
                partition = (partition + 1) % self.partitions;
                let now = Instant::now();
                if now >= end {
                    break;
                }
                if let Some(per_second) = self.per_second {
                    let due = began + Duration::from_secs_f64(sent as f64 / per_second as f64);
                    std::thread::sleep(due.saturating_duration_since(now));
                }
            }
            let record = BaseRecord::<(), [u8], ()>::to(&self.topic).partition(partition);
            match producer.send(record.payload(payload)) {
                Ok(()) => sent += 1,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    ensure!(Instant::now() < end + FLUSH_WAIT, "the queue stays full");
                    producer.poll(Duration::ZERO);
                    std::thread::sleep(QUEUE_WAIT);
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        wait_until_empty(producer)?;
        Ok(Sent {
            records: sent,
            cpu: process::thread_cpu(),
        })
    }
}

/// Waits until all is acknowledged. `flush` with a timeout would look only ten times a second.
fn wait_until_empty(producer: &BaseProducer<Failures>) -> Result<()> {
    let end = Instant::now() + FLUSH_WAIT;
    loop {
        match producer.flush(Duration::ZERO) {
            Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) if Instant::now() < end => {
                std::thread::sleep(QUEUE_WAIT);
            }
            ended => return Ok(ended?),
        }
    }
}

/// What one sender did.
struct Sent {
    records: u64,
    cpu: Duration,
}

/// Counts records that were not acknowledged.
struct Failures(Arc<AtomicU64>);

impl ClientContext for Failures {
    fn stats(&self, _: Statistics) {}
}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result
            && self.0.fetch_add(1, Ordering::Relaxed) == 0
        {
            eprintln!("not acknowledged: {error}");
        }
    }
}
