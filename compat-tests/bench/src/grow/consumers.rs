//! Over consumers of one partition: each waits for every record, and is told of it at once.

use super::connections::allow_many_files;
use super::curve::{Curve, Point};
use super::ground::{Ground, Served};
use super::produce::{Batch, Frames, base_offset};
use super::wire::{Connection, Topic, encode, text};
use crate::job::Latencies;
use anyhow::{Context, Result, ensure};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::Decodable;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const COUNTS: [usize; 4] = [1, 10, 100, 1000];
/// Records that all of them get.
const RECORDS: i64 = 100;
const PAUSE: Duration = Duration::from_millis(30);
const WAIT_MS: i32 = 500;
const TOPIC: &str = "consumed";
const VERSION: i16 = 12;

pub fn measure(ground: &Ground) -> Result<Curve> {
    allow_many_files();
    let points = ground.points(&COUNTS).iter();
    let points = points.map(|count| ground.runtime.block_on(point(ground, *count)));
    Ok(Curve::of(points.collect::<Result<_>>()?))
}

/// When each record was sent, by its offset.
type Sent = Arc<Mutex<Vec<Instant>>>;

async fn point(ground: &Ground<'_>, count: usize) -> Result<Point> {
    let served = ground.serve()?;
    let mut point = Point::at(count as f64);
    let topics = [Topic::new(TOPIC, 1)];
    let mut producer = Connection::open(served.kafka).await?;
    producer.create(&topics).await?;
    let before = served.memory_mib()?;
    let sent = Sent::default();
    let mut tasks = Vec::new();
    for _ in 0..count {
        let connection = Connection::open(served.kafka).await?;
        tasks.push(tokio::spawn(consume(connection, sent.clone())));
    }
    // Until all of them wait.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let kib = (served.memory_mib()? - before) * 1024.0;
    point.set("KiB per consumer", kib / count as f64);
    let cpu_before = served.cpu_s()?;
    produce(&served, &mut producer, &topics, &sent).await?;
    let mut nanos = Vec::new();
    for task in tasks {
        nanos.extend(task.await??);
    }
    let deliveries = nanos.len() as f64;
    let cpu = served.cpu_s()? - cpu_before;
    let latencies = Latencies::of(nanos).context("a record")?;
    point.set("CPU µs per delivery", cpu / deliveries * 1e6);
    point.set("p50 ms", latencies.p50_ms);
    point.set("p99 ms", latencies.p99_ms);
    point.set("memory MiB", served.memory_mib()?);
    Ok(point)
}

async fn produce(
    served: &Served,
    producer: &mut Connection,
    topics: &[Topic],
    sent: &Sent,
) -> Result<()> {
    ensure!(served.memory_mib()? > 0.0, "the server runs");
    let mut frames = Frames::new(topics, &Batch::plain(1, 1000).encode()?)?;
    for _ in 0..RECORDS {
        push(sent);
        base_offset(&producer.ask(frames.at(0)).await?)?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

fn push(sent: &Sent) {
    let mut sent = sent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    sent.push(Instant::now());
}

/// Reads every record; tells how long after it was sent each came, in nanoseconds.
async fn consume(mut connection: Connection, sent: Sent) -> Result<Vec<u64>> {
    let mut nanos = Vec::new();
    let mut offset = 0;
    while offset < RECORDS {
        let answer = connection.ask(&encode(&fetch(offset), VERSION)?).await?;
        // Behind the correlation id and its tagged fields.
        let answer = FetchResponse::decode(&mut answer.slice(5..), VERSION)?;
        let partition = answer.responses.first().and_then(|t| t.partitions.first());
        let partition = partition.context("a partition")?;
        ensure!(partition.error_code == 0, "error {}", partition.error_code);
        let end = partition.high_watermark.max(offset);
        let sent = sent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for at in offset..end {
            let since = sent.get(usize::try_from(at)?).context("a record")?;
            nanos.push(u64::try_from(since.elapsed().as_nanos())?);
        }
        offset = end;
    }
    Ok(nanos)
}

fn fetch(offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_current_leader_epoch(-1)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName(text(TOPIC)))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(WAIT_MS)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}
