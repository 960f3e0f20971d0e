//! Iterators of all five types, and following them.

use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Record};
use aws_smithy_types::DateTime;
use braid_clients::Checks;
use braid_clients::checks::now_ms;
use braid_clients::kinesis::{
    From, arrival_ms, client, follow_by, iterator, read, shard_id, stream,
};
use std::time::Duration;

pub async fn run(checks: &mut Checks) {
    checks
        .check("TRIM_HORIZON gives everything", trim_horizon())
        .await;
    checks
        .check("LATEST gives only what comes later", latest())
        .await;
    checks
        .check(
            "AT_SEQUENCE_NUMBER gives that record and the rest",
            at_sequence(),
        )
        .await;
    checks
        .check("AFTER_SEQUENCE_NUMBER gives what follows", after_sequence())
        .await;
    checks
        .check(
            "a shard's starting number is its first position",
            starting_number(),
        )
        .await;
    checks
        .check(
            "AT_TIMESTAMP gives what arrived then and later",
            at_timestamp(),
        )
        .await;
    checks
        .check("Limit bounds every answer and misses nothing", limited())
        .await;
    checks
        .check("an answer stays below 10 MiB", ten_mebibytes())
        .await;
    checks
        .check("the tip is 0 ms behind, and older places are not", behind())
        .await;
    checks.check("an iterator can be used twice", twice()).await;
}

async fn put(client: &Client, stream: &str, from: usize, count: usize) -> Result<()> {
    let entry = |index: usize| {
        let data = Blob::new(index.to_string());
        PutRecordsRequestEntry::builder()
            .partition_key("k")
            .data(data)
            .build()
    };
    let entries = (from..from + count).map(entry).collect::<Result<_, _>>()?;
    let answer = client
        .put_records()
        .stream_name(stream)
        .set_records(Some(entries));
    let failed = answer.send().await?.failed_record_count;
    ensure!(failed == Some(0), "{failed:?} failed");
    Ok(())
}

async fn filled(client: &Client, prefix: &str, count: usize) -> Result<String> {
    let name = stream(client, prefix, 1).await?;
    put(client, &name, 0, count).await?;
    Ok(name)
}

/// Fails unless the records are those put with these numbers.
fn numbered(records: &[Record], from: usize) -> Result<()> {
    for (index, record) in (from..).zip(records) {
        let data = record.data.as_ref();
        ensure!(
            data == index.to_string().as_bytes(),
            "{index}: {:?}",
            record.data
        );
    }
    Ok(())
}

async fn all(client: &Client, stream: &str, count: usize) -> Result<Vec<Record>> {
    read(client, stream, &shard_id(0), From::TrimHorizon, count).await
}

async fn trim_horizon() -> Result<()> {
    let client = client();
    let name = filled(&client, "trim-horizon", 30).await?;

    numbered(&all(&client, &name, 30).await?, 0)
}

async fn latest() -> Result<()> {
    let client = client();
    let name = filled(&client, "latest", 10).await?;

    let from_now = iterator(&client, &name, &shard_id(0), From::Latest).await?;
    put(&client, &name, 10, 5).await?;

    numbered(&follow_by(&client, from_now, 5, 10_000).await?, 10)
}

async fn at_sequence() -> Result<()> {
    let client = client();
    let name = filled(&client, "at-sequence", 20).await?;
    let records = all(&client, &name, 20).await?;

    for index in [0, 7, 19] {
        let from = From::AtSequence(records[index].sequence_number.clone());
        numbered(
            &read(&client, &name, &shard_id(0), from, 20 - index).await?,
            index,
        )?;
    }
    Ok(())
}

async fn after_sequence() -> Result<()> {
    let client = client();
    let name = filled(&client, "after-sequence", 20).await?;
    let records = all(&client, &name, 20).await?;

    for index in [0, 7, 18] {
        let from = From::AfterSequence(records[index].sequence_number.clone());
        numbered(
            &read(&client, &name, &shard_id(0), from, 19 - index).await?,
            index + 1,
        )?;
    }
    let tip = From::AfterSequence(records[19].sequence_number.clone());
    let tip = iterator(&client, &name, &shard_id(0), tip).await?;
    put(&client, &name, 20, 3).await?;
    numbered(&follow_by(&client, tip, 3, 10_000).await?, 20)
}

async fn starting_number() -> Result<()> {
    let client = client();
    let name = filled(&client, "starting-number", 5).await?;
    let shards = client.list_shards().stream_name(&name).send().await?;
    let shard = shards.shards().first().context("no shard")?;
    let range = shard.sequence_number_range.as_ref().context("no range")?;
    let start = range.starting_sequence_number.clone();

    let at = read(
        &client,
        &name,
        &shard_id(0),
        From::AtSequence(start.clone()),
        5,
    )
    .await?;
    numbered(&at, 0)?;
    let after = read(&client, &name, &shard_id(0), From::AfterSequence(start), 5).await?;
    numbered(&after, 0)
}

async fn at_timestamp() -> Result<()> {
    let client = client();
    let name = stream(&client, "at-timestamp", 1).await?;
    for batch in 0..4 {
        put(&client, &name, batch * 5, 5).await?;
        // Arrivals are compared in milliseconds, so the next batch must not share one.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let records = all(&client, &name, 20).await?;

    for index in [0, 4, 5, 12, 19] {
        let time_ms = arrival_ms(&records[index])?;
        let mut expected = 0;
        while arrival_ms(&records[expected])? < time_ms {
            expected += 1;
        }
        let from = From::AtTimestamp(DateTime::from_millis(time_ms));
        let found = read(&client, &name, &shard_id(0), from, 20 - expected).await?;
        numbered(&found, expected)?;
    }
    let old = From::AtTimestamp(DateTime::from_secs(1_000_000_000));
    numbered(&read(&client, &name, &shard_id(0), old, 20).await?, 0)?;
    let now = From::AtTimestamp(DateTime::from_millis(now_ms()));
    let now = iterator(&client, &name, &shard_id(0), now).await?;
    put(&client, &name, 20, 1).await?;
    numbered(&follow_by(&client, now, 1, 10_000).await?, 20)
}

async fn limited() -> Result<()> {
    let client = client();
    let name = filled(&client, "limited", 50).await?;

    for limit in [1, 7, 49, 50, 10_000] {
        let start = iterator(&client, &name, &shard_id(0), From::TrimHorizon).await?;
        numbered(&follow_by(&client, start, 50, limit).await?, 0)?;
    }
    Ok(())
}

async fn ten_mebibytes() -> Result<()> {
    let client = client();
    let name = stream(&client, "ten-mebibytes", 1).await?;
    let data = vec![b'x'; (1 << 20) - 1];
    for _ in 0..12 {
        let put = client.put_record().stream_name(&name).partition_key("k");
        put.data(Blob::new(data.clone())).send().await?;
    }
    let mut next = Some(iterator(&client, &name, &shard_id(0), From::TrimHorizon).await?);
    let mut counts = Vec::new();

    while counts.iter().sum::<usize>() < 12 {
        ensure!(counts.len() < 24, "no progress: {counts:?}");
        let answer = client.get_records().set_shard_iterator(next).send().await?;
        counts.push(answer.records.len());
        next = answer.next_shard_iterator;
    }

    ensure!(
        counts.iter().all(|count| *count <= 10),
        "{counts:?} records of 1 MiB"
    );
    Ok(())
}

async fn behind() -> Result<()> {
    let client = client();
    let name = filled(&client, "behind", 3).await?;
    tokio::time::sleep(Duration::from_millis(30)).await;
    put(&client, &name, 3, 1).await?;
    tokio::time::sleep(Duration::from_millis(30)).await;

    let start = iterator(&client, &name, &shard_id(0), From::TrimHorizon).await?;
    let first = client
        .get_records()
        .shard_iterator(start)
        .limit(1)
        .send()
        .await?;
    let behind = first
        .millis_behind_latest
        .context("no MillisBehindLatest")?;
    ensure!(
        (1..60_000).contains(&behind),
        "{behind} ms behind with records to come"
    );
    let tip = iterator(&client, &name, &shard_id(0), From::Latest).await?;
    let tip = client.get_records().shard_iterator(tip).send().await?;
    ensure!(
        tip.millis_behind_latest == Some(0),
        "{:?} ms",
        tip.millis_behind_latest
    );
    ensure!(
        tip.records.is_empty() && tip.next_shard_iterator.is_some(),
        "{tip:?}"
    );
    Ok(())
}

async fn twice() -> Result<()> {
    let client = client();
    let name = filled(&client, "twice", 5).await?;
    let start = iterator(&client, &name, &shard_id(0), From::TrimHorizon).await?;

    for _ in 0..2 {
        let answer = client.get_records().shard_iterator(&start).send().await?;
        ensure!(
            answer.records.len() == 5,
            "{} records",
            answer.records.len()
        );
        numbered(&answer.records, 0)?;
        ensure!(
            answer.next_shard_iterator.as_ref() != Some(&start),
            "the same iterator"
        );
    }
    Ok(())
}
