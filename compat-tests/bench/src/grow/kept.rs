//! Over the data kept: starting again after SIGKILL, memory, and reading all of it.

use super::curve::{Curve, Point};
use super::ground::{Ground, Served};
use super::produce::{Batch, Load};
use super::wire::{Connection, Topic, encode, text};
use anyhow::{Context, Result, ensure};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::Decodable;
use rustix::fs::{Advice, fadvise, statvfs};
use std::fs::{self, File};
use std::time::{Duration, Instant};

/// In GB, each on top of those before.
const SIZES: [f64; 5] = [1.0, 2.0, 5.0, 10.0, 20.0];
const QUICK_SIZES: [f64; 1] = [0.02];
const PARTITIONS: i32 = 12;
const BATCH: Batch = Batch::plain(250, 1000);
/// Time within which any of the sizes is written.
const WRITE_WAIT: Duration = Duration::from_secs(300);
/// What a server that has just written may still tidy up.
const SETTLE_WAIT: Duration = Duration::from_secs(5);
/// Read again at each size: enough to tell the rate.
const READ_BYTES_MAX: u64 = 4_000_000_000;
const VERSION: i16 = 12;

pub fn measure(ground: &Ground) -> Result<Curve> {
    let topics = Topic::with_partitions(PARTITIONS);
    let mut served = ground.serve()?;
    let made = async {
        let mut connection = Connection::open(served.kafka).await?;
        connection.create(&topics).await
    };
    ground.runtime.block_on(made)?;
    let sizes: &[f64] = if ground.is_quick() {
        &QUICK_SIZES
    } else {
        &SIZES
    };
    let mut curve = Curve::default();
    let mut kept = 0.0;
    for size in sizes {
        if !has_space(&served, size - kept)? {
            eprintln!("  no space for {size} GB");
            break;
        }
        let mut point = Point::at(*size);
        let more = (size - kept) * 1e9 / BATCH.bytes() as f64;
        let load = Load {
            topics: &topics,
            batch: BATCH,
            connections: 2,
            in_flight: 4,
            time: WRITE_WAIT,
            requests_max: more as usize,
        };
        let loaded = ground.runtime.block_on(load.run(&served))?;
        kept = *size;
        point.set("produce MB/s", loaded.mb_per_s(&BATCH));
        point.set("memory written MiB", served.memory_mib()?);
        std::thread::sleep(SETTLE_WAIT);
        forget_pages(&served)?;
        served = ground.crash(served)?;
        point.set("restart ms", served.server.ready_ms);
        point.set("memory restarted MiB", served.memory_mib()?);
        ground
            .runtime
            .block_on(read(&served, &topics, &mut point))?;
        curve.points.push(point);
    }
    Ok(curve)
}

/// Whether the disk takes so many GB more, twice: what is tidied up is there twice for a while.
fn has_space(served: &Served, more: f64) -> Result<bool> {
    let disk = statvfs(served.data())?;
    let free = disk.f_bavail as f64 * disk.f_frsize as f64;
    Ok(free > 2.0 * more * 1e9)
}

/// The next reads come from the disk.
fn forget_pages(served: &Served) -> Result<()> {
    for entry in fs::read_dir(served.data())? {
        let path = entry?.path();
        if path.is_file() {
            fadvise(File::open(path)?, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

async fn read(served: &Served, topics: &[Topic], point: &mut Point) -> Result<()> {
    let mut connection = Connection::open(served.kafka).await?;
    let cpu_before = served.cpu_s()?;
    let began = Instant::now();
    let mut bytes = 0;
    for topic in topics {
        for index in 0..topic.partitions {
            bytes += read_partition(&mut connection, topic, index).await?;
            if bytes > READ_BYTES_MAX {
                break;
            }
        }
    }
    let cpu = served.cpu_s()? - cpu_before;
    point.set(
        "catch-up MB/s",
        bytes as f64 / 1e6 / began.elapsed().as_secs_f64(),
    );
    point.set("catch-up CPU s/GB", cpu / (bytes as f64 / 1e9));
    point.set("memory read MiB", served.memory_mib()?);
    Ok(())
}

/// Reads a partition to its end; tells how many bytes that were.
async fn read_partition(connection: &mut Connection, topic: &Topic, index: i32) -> Result<u64> {
    let (mut offset, mut bytes) = (0, 0);
    loop {
        let answer = connection
            .ask(&encode(&fetch(topic, index, offset), VERSION)?)
            .await?;
        let answer = FetchResponse::decode(&mut answer.slice(5..), VERSION)?;
        let partition = answer.responses.first().and_then(|t| t.partitions.first());
        let partition = partition.context("a partition")?;
        ensure!(partition.error_code == 0, "error {}", partition.error_code);
        let records = partition.records.as_deref().unwrap_or_default();
        bytes += records.len() as u64;
        offset = end_of(records).unwrap_or(offset);
        if offset >= partition.high_watermark || bytes > READ_BYTES_MAX {
            return Ok(bytes);
        }
        ensure!(!records.is_empty(), "nothing at offset {offset}");
    }
}

/// The offset behind the last batch.
fn end_of(mut records: &[u8]) -> Option<i64> {
    let mut end = None;
    while let Some(front) = records.first_chunk::<27>() {
        let base = i64::from_be_bytes(*front.first_chunk()?);
        let length = i32::from_be_bytes(*front[8..].first_chunk()?);
        let last_delta = i32::from_be_bytes(*front[23..].first_chunk()?);
        end = Some(base + i64::from(last_delta) + 1);
        records = records.get(12 + usize::try_from(length).ok()?..)?;
    }
    end
}

fn fetch(topic: &Topic, index: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(index)
        .with_fetch_offset(offset)
        .with_current_leader_epoch(-1)
        .with_partition_max_bytes(8 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName(text(&topic.name)))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_max_bytes(8 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}
