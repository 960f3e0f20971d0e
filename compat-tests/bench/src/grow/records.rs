//! Over the size of a record, and over codecs.

use super::curve::{Curve, Point};
use super::ground::Ground;
use super::produce::{Batch, Load};
use super::wire::{Connection, Topic};
use anyhow::Result;
use kafka_protocol::records::Compression;

/// The largest fits into a batch of `max.message.bytes` by default.
const SIZES: [usize; 6] = [10, 100, 1000, 10_000, 100_000, 1_000_000];
/// About what a producer under load puts into a batch.
const BATCH_BYTES: usize = 100_000;
const PARTITIONS: i32 = 12;

const CODECS: [(&str, Compression); 5] = [
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

pub fn sizes(ground: &Ground) -> Result<Curve> {
    let point = |size: &usize| {
        let batch = Batch::plain((BATCH_BYTES / size).max(1), *size);
        ground
            .runtime
            .block_on(measure(ground, batch, Point::at(*size as f64)))
    };
    let points = ground.points(&SIZES).iter().map(point);
    Ok(Curve::of(points.collect::<Result<_>>()?))
}

pub fn codecs(ground: &Ground) -> Result<Curve> {
    let point = |(at, (name, codec)): (usize, &(&str, Compression))| {
        let batch = Batch {
            compression: *codec,
            ..Batch::plain(BATCH_BYTES / 1000, 1000)
        };
        let point = Point {
            label: Some((*name).to_owned()),
            ..Point::at(at as f64)
        };
        ground.runtime.block_on(measure(ground, batch, point))
    };
    let points = ground.points(&CODECS).iter().enumerate().map(point);
    Ok(Curve::of(points.collect::<Result<_>>()?))
}

async fn measure(ground: &Ground<'_>, batch: Batch, mut point: Point) -> Result<Point> {
    let served = ground.serve()?;
    let topics = Topic::with_partitions(PARTITIONS);
    Connection::open(served.kafka)
        .await?
        .create(&topics)
        .await?;
    let load = Load {
        topics: &topics,
        batch,
        connections: 4,
        in_flight: 4,
        time: ground.load_time(),
        requests_max: usize::MAX,
    };
    let loaded = load.run(&served).await?;
    let wire_bytes = batch.encode()?.len() as f64;
    point.set("MB/s", loaded.mb_per_s(&batch));
    point.set(
        "MB/s on the wire",
        loaded.requests * wire_bytes / 1e6 / loaded.seconds,
    );
    point.set("records/s", loaded.records_per_s(&batch));
    point.set("CPU s/GB", loaded.cpu_s_per_gb(&batch));
    let per_record = loaded.server_cpu_s / loaded.requests / batch.records as f64;
    point.set("CPU µs per record", per_record * 1e6);
    point.set("memory MiB", served.memory_mib()?);
    Ok(point)
}
