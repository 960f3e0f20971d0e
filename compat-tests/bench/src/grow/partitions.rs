//! Over partitions: making them, producing to all of them in turn, and starting again.

use super::curve::{Curve, Point};
use super::ground::{Ground, Served};
use super::produce::{Batch, Load};
use super::wire::{Connection, Topic};
use anyhow::{Result, ensure};
use kafka_protocol::messages::MetadataRequest;
use std::time::Instant;

const COUNTS: [i32; 6] = [1, 10, 100, 1000, 10_000, 100_000];
/// A batch as a producer under load sends it, and one as a quiet producer does.
const LARGE: Batch = Batch::plain(16, 1000);
const SMALL: Batch = Batch::plain(1, 1000);

pub fn measure(ground: &Ground) -> Result<Curve> {
    let points = ground.points(&COUNTS).iter();
    let points = points.map(|count| ground.runtime.block_on(point(ground, *count)));
    Ok(Curve::of(points.collect::<Result<_>>()?))
}

async fn point(ground: &Ground<'_>, count: i32) -> Result<Point> {
    let served = ground.serve()?;
    let topics = Topic::with_partitions(count);
    let mut point = Point::at(f64::from(count));
    let mut connection = Connection::open(served.kafka).await?;
    let before = served.memory_mib()?;
    let began = Instant::now();
    connection.create(&topics).await?;
    point.set("create ms", began.elapsed().as_secs_f64() * 1e3);
    let more = served.memory_mib()? - before;
    point.set("memory made MiB", served.memory_mib()?);
    point.set(
        "bytes per partition",
        more * f64::from(1 << 20) / f64::from(count),
    );
    point.set("metadata ms", metadata_ms(&mut connection, count).await?);
    for (name, batch) in [("16 records", LARGE), ("1 record", SMALL)] {
        let load = Load {
            topics: &topics,
            batch,
            connections: 4,
            in_flight: 8,
            time: ground.load_time(),
            requests_max: usize::MAX,
        };
        let loaded = load.run(&served).await?;
        point.set(&format!("{name} MB/s"), loaded.mb_per_s(&batch));
        let per_batch = loaded.server_cpu_s / loaded.requests * 1e6;
        point.set(&format!("{name} CPU µs per batch"), per_batch);
        point.set(&format!("{name} p99 ms"), loaded.latencies.p99_ms);
    }
    point.set("memory loaded MiB", served.memory_mib()?);
    restart(ground, served, &mut point)?;
    Ok(point)
}

async fn metadata_ms(connection: &mut Connection, count: i32) -> Result<f64> {
    let all = MetadataRequest::default().with_topics(None);
    let began = Instant::now();
    let answer = connection.call(&all, 12).await?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    let told: usize = answer
        .topics
        .iter()
        .map(|topic| topic.partitions.len())
        .sum();
    ensure!(
        told == usize::try_from(count)?,
        "{told} partitions were told"
    );
    Ok(ms)
}

fn restart(ground: &Ground, served: Served, point: &mut Point) -> Result<()> {
    let served = ground.crash(served)?;
    point.set("restart ms", served.server.ready_ms);
    point.set("memory restarted MiB", served.memory_mib()?);
    Ok(())
}
