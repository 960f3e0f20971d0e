//! Streams: made anew for a load, and where their shards begin.

use super::http::Connection;
use super::request::Target;
use super::scan;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);

/// Makes an empty stream, whether or not there was one, and waits until it is active.
pub async fn make(target: &Target, shards: usize) -> Result<()> {
    let mut connection = Connection::open(&target.address).await?;
    let deadline = Instant::now() + WAIT;
    let delete = target.of_stream("DeleteStream", "");
    let deleted = connection.ask(&delete).await.map(drop);
    unless(deleted, "ResourceNotFoundException")?;
    let create = target.of_stream("CreateStream", &format!("\"ShardCount\":{shards}"));
    loop {
        let created = connection.ask(&create).await.map(drop);
        let is_created = created.is_ok();
        unless(created, "ResourceInUseException")?;
        if is_created {
            break;
        }
        ensure!(Instant::now() < deadline, "the stream is not gone");
        tokio::time::sleep(PAUSE).await;
    }
    let describe = target.of_stream("DescribeStreamSummary", "");
    loop {
        let answer = connection.ask(&describe).await?;
        if scan::text(answer, "StreamStatus") == Some("ACTIVE") {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the stream is not active");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Passes an error on, but for this one.
fn unless(result: Result<()>, kind: &str) -> Result<()> {
    result.or_else(|error| match error.to_string().contains(kind) {
        true => Ok(()),
        false => Err(error),
    })
}

/// An iterator at the oldest record of every shard.
pub async fn horizons(target: &Target) -> Result<Vec<String>> {
    let mut connection = Connection::open(&target.address).await?;
    let list = target.of_stream("ListShards", "");
    let answer = connection.ask(&list).await?;
    let shards = scan::texts(answer, "ShardId").into_iter();
    let shards: Vec<String> = shards.map(str::to_owned).collect();
    ensure!(!shards.is_empty(), "the stream has no shards");
    let mut iterators = Vec::new();
    for shard in shards {
        iterators.push(iterator(&mut connection, target, &shard, "TRIM_HORIZON").await?);
    }
    Ok(iterators)
}

pub async fn iterator(
    connection: &mut Connection,
    target: &Target,
    shard: &str,
    kind: &str,
) -> Result<String> {
    let members = format!("\"ShardId\":\"{shard}\",\"ShardIteratorType\":\"{kind}\"");
    let request = target.of_stream("GetShardIterator", &members);
    let answer = connection.ask(&request).await?;
    let found = scan::text(answer, "ShardIterator");
    Ok(found.context("no iterator in the answer")?.to_owned())
}
