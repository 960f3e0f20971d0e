//! Over connections: what an idle one takes, and what many busy ones get done.

use super::curve::{Curve, Point};
use super::ground::{Ground, Served};
use super::produce::{Batch, Frames, Load, base_offset};
use super::wire::{Connection, Topic};
use crate::job::Latencies;
use anyhow::{Context, Result};
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::time::{Duration, Instant};

const COUNTS: [usize; 5] = [1, 10, 100, 1000, 10_000];
/// Requests of the one connection that is not idle.
const PROBES: usize = 200;
/// Partitions that the busy ones write to.
const PARTITIONS: i32 = 100;
/// Time that idle connections are watched for.
const IDLE_WAIT: Duration = Duration::from_secs(3);

pub fn idle(ground: &Ground) -> Result<Curve> {
    allow_many_files();
    let points = ground.points(&COUNTS).iter();
    let points = points.map(|count| ground.runtime.block_on(idle_point(ground, *count)));
    Ok(Curve::of(points.collect::<Result<_>>()?))
}

async fn idle_point(ground: &Ground<'_>, count: usize) -> Result<Point> {
    let served = ground.serve()?;
    let mut point = Point::at(count as f64);
    let before = served.memory_mib()?;
    let began = Instant::now();
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = Connection::open(served.kafka).await?;
        // What every client asks first.
        connection.call(&ApiVersionsRequest::default(), 2).await?;
        let none = MetadataRequest::default().with_topics(Some(Vec::new()));
        connection.call(&none, 9).await?;
        connections.push(connection);
    }
    point.set("opened per s", count as f64 / began.elapsed().as_secs_f64());
    let kib = (served.memory_mib()? - before) * 1024.0;
    point.set("KiB per connection", kib / count as f64);
    point.set("memory MiB", served.memory_mib()?);
    let cpu_before = served.cpu_s()?;
    tokio::time::sleep(IDLE_WAIT).await;
    let cpu = served.cpu_s()? - cpu_before;
    point.set("CPU % while idle", cpu / IDLE_WAIT.as_secs_f64() * 100.0);
    probe(&served, &mut point).await?;
    drop(connections);
    Ok(point)
}

/// One connection produces one record at a time, beside all those that are idle.
async fn probe(served: &Served, point: &mut Point) -> Result<()> {
    let topics = [Topic::new("probe", 1)];
    let mut connection = Connection::open(served.kafka).await?;
    connection.create(&topics).await?;
    let mut frames = Frames::new(&topics, &Batch::plain(1, 1000).encode()?)?;
    let mut nanos = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        let began = Instant::now();
        base_offset(&connection.ask(frames.at(0)).await?)?;
        nanos.push(u64::try_from(began.elapsed().as_nanos())?);
    }
    let latencies = Latencies::of(nanos).context("a probe")?;
    point.set("produce p50 ms", latencies.p50_ms);
    point.set("produce p99 ms", latencies.p99_ms);
    Ok(())
}

pub fn active(ground: &Ground) -> Result<Curve> {
    allow_many_files();
    let points = ground.points(&COUNTS).iter();
    let points = points.map(|count| ground.runtime.block_on(active_point(ground, *count)));
    Ok(Curve::of(points.collect::<Result<_>>()?))
}

/// Each connection produces one record after the other.
async fn active_point(ground: &Ground<'_>, count: usize) -> Result<Point> {
    let served = ground.serve()?;
    let mut point = Point::at(count as f64);
    let topics = Topic::with_partitions(PARTITIONS);
    Connection::open(served.kafka)
        .await?
        .create(&topics)
        .await?;
    let batch = Batch::plain(1, 1000);
    let load = Load {
        topics: &topics,
        batch,
        connections: count,
        in_flight: 1,
        time: ground.load_time(),
        requests_max: usize::MAX,
    };
    let loaded = load.run(&served).await?;
    point.set("records/s", loaded.records_per_s(&batch));
    point.set(
        "CPU µs per record",
        loaded.server_cpu_s / loaded.requests * 1e6,
    );
    point.set("p50 ms", loaded.latencies.p50_ms);
    point.set("p99 ms", loaded.latencies.p99_ms);
    point.set("memory MiB", served.memory_mib()?);
    Ok(point)
}

/// Every connection is an open file on this side, too.
pub fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it stays as it is, the connection that is one too many says so.
    let _ = setrlimit(Resource::Nofile, limit);
}
