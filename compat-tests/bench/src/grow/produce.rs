//! Producing as fast as the server takes it: one prepared batch, again and again.

use super::ground::Served;
use super::wire::{Connection, Topic, encode, text};
use crate::job::Latencies;
use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use kafka_protocol::records::{
    Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Semaphore;

/// Version of Produce in use: the newest that names topics.
const VERSION: i16 = 12;

/// Records of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub records: usize,
    pub record_bytes: usize,
    pub compression: Compression,
}

impl Batch {
    pub const fn plain(records: usize, record_bytes: usize) -> Batch {
        Batch {
            records,
            record_bytes,
            compression: Compression::None,
        }
    }

    pub fn bytes(&self) -> usize {
        self.records * self.record_bytes
    }

    pub fn encode(&self) -> Result<Bytes> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let timestamp = i64::try_from(now.as_millis())?;
        let record = |at: usize| {
            Ok(Record {
                transactional: false,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: -1,
                producer_id: -1,
                producer_epoch: -1,
                timestamp_type: TimestampType::Creation,
                offset: i64::try_from(at)?,
                // The first one's, −1, is the batch's; the encoder wants the others to follow.
                sequence: i32::try_from(at)? - 1,
                timestamp,
                key: None,
                value: Some(words(at, self.record_bytes)),
                headers: Default::default(),
            })
        };
        let records: Vec<Record> = (0..self.records).map(record).collect::<Result<_>>()?;
        let options = RecordEncodeOptions {
            version: 2,
            compression: self.compression,
        };
        let mut batch = BytesMut::new();
        RecordBatchEncoder::encode(&mut batch, &records, &options)?;
        Ok(batch.freeze())
    }
}

/// Text that compresses about as well as logs do.
fn words(seed: usize, bytes: usize) -> Bytes {
    let mut state = seed as u64 * 2 + 1;
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        text.push_str(&format!("field={} ", (state >> 33) % 10_000));
    }
    text.truncate(bytes);
    text.into()
}

/// A Produce of one batch to each topic in turn, whose partition is changed where it stands.
pub struct Frames {
    frames: Vec<(Vec<u8>, usize)>,
    partitions: usize,
}

impl Frames {
    pub fn new(topics: &[Topic], batch: &Bytes) -> Result<Frames> {
        let frame = |topic: &Topic| -> Result<(Vec<u8>, usize)> {
            let partition = PartitionProduceData::default().with_records(Some(batch.clone()));
            let topic = TopicProduceData::default()
                .with_name(TopicName(text(&topic.name)))
                .with_partition_data(vec![partition]);
            let request = ProduceRequest::default()
                .with_transactional_id(None)
                .with_acks(-1)
                .with_timeout_ms(30_000)
                .with_topic_data(vec![topic]);
            let frame = encode(&request, VERSION)?.to_vec();
            // Behind the batch are three empty lists of tagged fields, in front of it is its
            // length of 7 bits to a byte, and in front of that the partition.
            let digits = (usize::BITS - (batch.len() + 1).leading_zeros()).div_ceil(7) as usize;
            let at = frame.len() - 3 - batch.len() - digits - 4;
            Ok((frame, at))
        };
        let first = topics.first().context("a topic")?;
        Ok(Frames {
            frames: topics.iter().map(frame).collect::<Result<_>>()?,
            partitions: usize::try_from(first.partitions)?,
        })
    }

    /// The frame for the `number`th partition of all.
    pub fn at(&mut self, number: usize) -> &[u8] {
        let topics = self.frames.len();
        let (frame, at) = &mut self.frames[number / self.partitions % topics];
        let index = i32::try_from(number % self.partitions).unwrap_or(0);
        frame[*at..*at + 4].copy_from_slice(&index.to_be_bytes());
        frame
    }
}

/// The base offset that a produced batch was given, or what was refused.
pub fn base_offset(answer: &[u8]) -> Result<i64> {
    // Correlation id, tags, count of topics, name, count of partitions, partition.
    let name = usize::from(*answer.get(6).context("a topic")?);
    let rest = answer.get(6 + name + 1 + 4..).context("a partition")?;
    let (code, rest) = rest.split_first_chunk::<2>().context("an error code")?;
    ensure!(*code == [0; 2], "refused: {}", i16::from_be_bytes(*code));
    let base = rest.first_chunk::<8>().context("an offset")?;
    Ok(i64::from_be_bytes(*base))
}

/// Batches to all partitions in turn, over some connections with some requests in flight each.
pub struct Load<'a> {
    pub topics: &'a [Topic],
    pub batch: Batch,
    pub connections: usize,
    pub in_flight: usize,
    pub time: Duration,
    /// Requests after which it ends whatever the time.
    pub requests_max: usize,
}

pub struct Loaded {
    pub requests: f64,
    pub seconds: f64,
    pub server_cpu_s: f64,
    pub latencies: Latencies,
}

impl Load<'_> {
    pub async fn run(&self, served: &Served) -> Result<Loaded> {
        let batch = self.batch.encode()?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut opened = Vec::new();
        for _ in 0..self.connections {
            let connection = Connection::open(served.kafka).await?;
            opened.push((connection, Frames::new(self.topics, &batch)?));
        }
        let cpu_before = served.cpu_s()?;
        let began = Instant::now();
        let mut tasks = Vec::new();
        for (connection, frames) in opened {
            let producer = Producer {
                frames,
                next: next.clone(),
                next_max: self.requests_max,
                until: began + self.time,
                in_flight: u32::try_from(self.in_flight)?,
            };
            tasks.push(tokio::spawn(producer.run(connection)));
        }
        let mut nanos = Vec::new();
        for task in tasks {
            nanos.extend(task.await??);
        }
        Ok(Loaded {
            requests: nanos.len() as f64,
            seconds: began.elapsed().as_secs_f64(),
            server_cpu_s: served.cpu_s()? - cpu_before,
            latencies: Latencies::of(nanos).context("an answer")?,
        })
    }
}

impl Loaded {
    pub fn mb_per_s(&self, batch: &Batch) -> f64 {
        self.requests * batch.bytes() as f64 / 1e6 / self.seconds
    }

    pub fn cpu_s_per_gb(&self, batch: &Batch) -> f64 {
        self.server_cpu_s / (self.requests * batch.bytes() as f64 / 1e9)
    }

    pub fn records_per_s(&self, batch: &Batch) -> f64 {
        self.requests * batch.records as f64 / self.seconds
    }
}

struct Producer {
    frames: Frames,
    next: Arc<AtomicUsize>,
    next_max: usize,
    until: Instant,
    in_flight: u32,
}

/// When each request in flight was sent.
type Sent = Arc<Mutex<VecDeque<Instant>>>;

impl Producer {
    /// Latencies in nanoseconds.
    async fn run(mut self, connection: Connection) -> Result<Vec<u64>> {
        let room = Arc::new(Semaphore::new(self.in_flight as usize));
        let sent = Sent::default();
        let (source, mut sink) = connection.socket.into_split();
        let reading = tokio::spawn(answers(source, sent.clone(), room.clone()));
        while Instant::now() < self.until {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.next_max {
                break;
            }
            // Closed when an answer was no good: the reader says why.
            let Ok(permit) = room.acquire().await else {
                break;
            };
            permit.forget();
            push(&sent);
            sink.write_all(self.frames.at(number)).await?;
        }
        // All answers are there once all room is.
        let all = room.acquire_many(self.in_flight).await;
        drop((all, sink));
        reading.await?
    }
}

fn push(sent: &Sent) {
    let mut sent = sent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    sent.push_back(Instant::now());
}

fn pop(sent: &Sent) -> Option<Instant> {
    let mut sent = sent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    sent.pop_front()
}

async fn answers(source: OwnedReadHalf, sent: Sent, room: Arc<Semaphore>) -> Result<Vec<u64>> {
    let nanos = latencies(source, &sent, &room).await;
    room.close();
    nanos
}

async fn latencies(source: OwnedReadHalf, sent: &Sent, room: &Semaphore) -> Result<Vec<u64>> {
    let mut source = BufReader::new(source);
    let mut nanos = Vec::new();
    let mut answer = Vec::new();
    // The end of the stream is the end of the load.
    while let Ok(length) = source.read_i32().await {
        answer.resize(usize::try_from(length)?, 0);
        source.read_exact(&mut answer).await?;
        base_offset(&answer)?;
        let at = pop(sent).context("an answer to nothing")?;
        nanos.push(u64::try_from(at.elapsed().as_nanos())?);
        room.add_permits(1);
    }
    Ok(nanos)
}
