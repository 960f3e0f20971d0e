//! Steps with the AWS SDK that every lane takes: a client, streams, reading shards.

use crate::checks::unique;
use anyhow::{Context, Result, anyhow, ensure};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::types::{Record, ShardIteratorType, StreamStatus};
use aws_smithy_types::DateTime;
use std::time::{Duration, Instant};

/// Time that a stream may take to change its state, or a record to arrive.
const WAIT: Duration = Duration::from_secs(20);
/// Between two looks at something that the API lets one only ask for.
const PAUSE: Duration = Duration::from_millis(20);

/// Where the Kinesis API is served: `BRAID_KINESIS`, or the default port.
pub fn endpoint() -> String {
    std::env::var("BRAID_KINESIS").unwrap_or_else(|_| "http://127.0.0.1:4566".into())
}

/// A client with static credentials, one attempt per call, over plain HTTP.
pub fn client() -> Client {
    client_of(&endpoint())
}

/// The same for a server that is not the lane's.
pub fn client_of(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            None,
            None,
            "static",
        ))
        .endpoint_url(endpoint)
        .http_client(http)
        .retry_config(aws_sdk_kinesis::config::retry::RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// Creates a stream of a new name and waits until it is active.
pub async fn stream(client: &Client, prefix: &str, shards: i32) -> Result<String> {
    let name = unique(prefix);
    let create = client
        .create_stream()
        .stream_name(&name)
        .shard_count(shards);
    create.send().await.context("CreateStream")?;
    active(client, &name).await?;
    Ok(name)
}

/// Waits until a stream is active.
pub async fn active(client: &Client, name: &str) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    loop {
        let asked = client.describe_stream_summary().stream_name(name);
        let answer = asked.send().await.context("DescribeStreamSummary")?;
        let summary = answer.stream_description_summary();
        let status = summary.map(|summary| summary.stream_status().clone());
        if status == Some(StreamStatus::Active) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{name} is still {status:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Where a reading starts.
#[derive(Clone, Debug)]
pub enum From {
    TrimHorizon,
    Latest,
    AtSequence(String),
    AfterSequence(String),
    AtTimestamp(DateTime),
}

/// A shard iterator.
pub async fn iterator(client: &Client, stream: &str, shard: &str, from: From) -> Result<String> {
    let asked = client
        .get_shard_iterator()
        .stream_name(stream)
        .shard_id(shard);
    let asked = match from {
        From::TrimHorizon => asked.shard_iterator_type(ShardIteratorType::TrimHorizon),
        From::Latest => asked.shard_iterator_type(ShardIteratorType::Latest),
        From::AtSequence(number) => asked
            .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
            .starting_sequence_number(number),
        From::AfterSequence(number) => asked
            .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
            .starting_sequence_number(number),
        From::AtTimestamp(time) => asked
            .shard_iterator_type(ShardIteratorType::AtTimestamp)
            .timestamp(time),
    };
    let answer = asked.send().await.context("GetShardIterator")?;
    answer.shard_iterator.context("no iterator in the answer")
}

/// Follows the iterator until it has given exactly `count` records and reports to be at the tip.
pub async fn follow(client: &Client, iterator: String, count: usize) -> Result<Vec<Record>> {
    follow_by(client, iterator, count, 10_000).await
}

/// The same, asking for at most `limit` records at a time.
pub async fn follow_by(
    client: &Client,
    iterator: String,
    count: usize,
    limit: i32,
) -> Result<Vec<Record>> {
    let deadline = Instant::now() + WAIT;
    let mut next = iterator;
    let mut records = Vec::new();
    loop {
        let asked = client.get_records().shard_iterator(next).limit(limit);
        let answer = asked.send().await.context("GetRecords")?;
        let few = usize::try_from(limit)?;
        ensure!(
            answer.records.len() <= few,
            "more records than the limit {limit}"
        );
        records.extend(answer.records);
        ensure!(
            records.len() <= count,
            "{} records where {count} were written",
            records.len()
        );
        if records.len() == count && answer.millis_behind_latest == Some(0) {
            return Ok(records);
        }
        ensure!(
            Instant::now() < deadline,
            "{} of {count} records, {:?} ms behind",
            records.len(),
            answer.millis_behind_latest
        );
        next = answer
            .next_shard_iterator
            .context("no next iterator in an open shard")?;
        if records.len() == count {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Reads `count` records of a shard.
pub async fn read(
    client: &Client,
    stream: &str,
    shard: &str,
    from: From,
    count: usize,
) -> Result<Vec<Record>> {
    let described = format!("{shard} of {stream} from {from:?}");
    let iterator = iterator(client, stream, shard, from).await?;
    follow(client, iterator, count).await.context(described)
}

/// When a record arrived, in milliseconds. The SDK reads a JSON number as a binary fraction, which
/// may lie a millionth below the millisecond that was written.
pub fn arrival_ms(record: &Record) -> Result<i64> {
    let time = record.approximate_arrival_timestamp.context("no arrival")?;
    let ms = (time.subsec_nanos() + 500_000) / 1_000_000;
    Ok(time.secs() * 1000 + i64::from(ms))
}

/// The usual id of a shard.
pub fn shard_id(index: usize) -> String {
    format!("shardId-{index:012}")
}

/// An error's type and text, whichever operation it comes from.
pub fn refusal<T, E, R>(result: Result<T, SdkError<E, R>>) -> Result<(String, String)>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let Err(error) = result else {
        return Err(anyhow!("accepted, where a refusal was expected"));
    };
    let code = error.code().map(str::to_owned);
    let message = error.message().unwrap_or_default().to_owned();
    let code = code.with_context(|| format!("no error type: {error:?}"))?;
    Ok((code, message))
}

/// Fails unless the operation was refused with this type.
pub fn refused<T, E, R>(result: Result<T, SdkError<E, R>>, with: &str) -> Result<String>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let (code, message) = refusal(result)?;
    ensure!(code == with, "{code} ({message}) instead of {with}");
    Ok(message)
}
