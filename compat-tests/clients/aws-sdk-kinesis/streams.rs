//! Creating, describing, listing and deleting streams.

use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{StreamMode, StreamStatus};
use braid_clients::Checks;
use braid_clients::kinesis::{client, refusal, refused, shard_id, stream};
use braid_clients::sequence::Sequence;
use std::time::Duration;

pub async fn run(checks: &mut Checks) {
    checks
        .check("a created stream is described with its shards", described())
        .await;
    checks
        .check("a stream's summary counts its open shards", summary())
        .await;
    checks
        .check("shards are listed in pages", shard_pages())
        .await;
    checks.check("shards tile the hash space", tiled()).await;
    checks
        .check("streams are listed in order and in pages", stream_pages())
        .await;
    checks
        .check("a deleted stream is gone and can be made again", deleted())
        .await;
    checks.check("a stream is found by its ARN", by_arn()).await;
}

async fn described() -> Result<()> {
    let client = client();
    let name = stream(&client, "described", 3).await?;

    let answer = client.describe_stream().stream_name(&name).send().await?;

    let found = answer.stream_description.context("no description")?;
    ensure!(found.stream_name == name, "{}", found.stream_name);
    ensure!(
        found.stream_arn.ends_with(&format!(":stream/{name}")),
        "{}",
        found.stream_arn
    );
    ensure!(
        found.stream_status == StreamStatus::Active,
        "{:?}",
        found.stream_status
    );
    ensure!(
        found.retention_period_hours == 24,
        "{} h",
        found.retention_period_hours
    );
    ensure!(!found.has_more_shards, "more than three shards");
    let mode = found.stream_mode_details.context("no mode")?.stream_mode;
    ensure!(mode == StreamMode::Provisioned, "{mode:?}");
    let ids: Vec<&str> = found.shards.iter().map(|shard| shard.shard_id()).collect();
    ensure!(ids == [shard_id(0), shard_id(1), shard_id(2)], "{ids:?}");
    Ok(())
}

async fn summary() -> Result<()> {
    let client = client();
    let name = stream(&client, "summary", 4).await?;

    let answer = client
        .describe_stream_summary()
        .stream_name(&name)
        .send()
        .await?;

    let found = answer.stream_description_summary.context("no summary")?;
    ensure!(
        found.open_shard_count == 4,
        "{} open shards",
        found.open_shard_count
    );
    ensure!(found.stream_name == name && found.retention_period_hours == 24);
    let age = found.stream_creation_timestamp.secs() - braid_clients::checks::now_ms() / 1000;
    ensure!(age.abs() < 60, "created {age} s from now");
    Ok(())
}

async fn shard_pages() -> Result<()> {
    let client = client();
    let name = stream(&client, "shard-pages", 5).await?;
    let mut ids = Vec::new();

    let mut answer = client
        .list_shards()
        .stream_name(&name)
        .max_results(2)
        .send()
        .await?;
    loop {
        ensure!(
            answer.shards().len() <= 2,
            "{} shards in a page",
            answer.shards().len()
        );
        ids.extend(answer.shards().iter().map(|shard| shard.shard_id.clone()));
        ensure!(ids.len() <= 5, "more shards than there are");
        let Some(token) = answer.next_token else {
            break;
        };
        answer = client
            .list_shards()
            .next_token(token)
            .max_results(2)
            .send()
            .await?;
    }

    ensure!(ids == (0..5).map(shard_id).collect::<Vec<_>>(), "{ids:?}");
    let after = client
        .list_shards()
        .stream_name(&name)
        .exclusive_start_shard_id(shard_id(2));
    let after = after.send().await?;
    let ids: Vec<&str> = after
        .shards()
        .iter()
        .map(|shard| shard.shard_id())
        .collect();
    ensure!(ids == [shard_id(3), shard_id(4)], "{ids:?}");
    Ok(())
}

async fn tiled() -> Result<()> {
    let client = client();
    let name = stream(&client, "tiled", 3).await?;

    let answer = client.list_shards().stream_name(&name).send().await?;

    let mut next: u128 = 0;
    for (index, shard) in answer.shards().iter().enumerate() {
        let range = shard.hash_key_range.as_ref().context("no hash key range")?;
        let start: u128 = range.starting_hash_key.parse()?;
        ensure!(
            start == next,
            "shard {index} starts at {start}, not at {next}"
        );
        next = range.ending_hash_key.parse::<u128>()?.wrapping_add(1);
        let numbers = shard
            .sequence_number_range
            .as_ref()
            .context("no sequence numbers")?;
        ensure!(
            numbers.ending_sequence_number.is_none(),
            "shard {index} is closed"
        );
        let first = Sequence::parse(&numbers.starting_sequence_number)?;
        ensure!(
            usize::try_from(first.shard)? == index,
            "shard {index}: {first:?}"
        );
        ensure!(first.offset == 0, "shard {index}: {first:?}");
        ensure!(
            shard.parent_shard_id.is_none(),
            "shard {index} has a parent"
        );
    }
    ensure!(
        next == 0 && answer.shards().len() == 3,
        "the last shard ends before the end"
    );
    Ok(())
}

async fn stream_pages() -> Result<()> {
    let client = client();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(stream(&client, "listed", 1).await?);
    }
    let mut names: Vec<String> = Vec::new();

    loop {
        let start = names.last().cloned();
        let asked = client
            .list_streams()
            .limit(2)
            .set_exclusive_start_stream_name(start);
        let answer = asked.send().await?;
        ensure!(
            answer.stream_names.len() <= 2,
            "{} names",
            answer.stream_names.len()
        );
        names.extend(answer.stream_names);
        if !answer.has_more_streams {
            break;
        }
    }

    ensure!(names.is_sorted(), "not in order: {names:?}");
    let missing = made.iter().find(|name| !names.contains(name));
    ensure!(missing.is_none(), "{missing:?} is missing");
    Ok(())
}

async fn gone(client: &Client, name: &str) -> Result<()> {
    for _ in 0..500 {
        let asked = client
            .describe_stream_summary()
            .stream_name(name)
            .send()
            .await;
        if asked.is_err() {
            refused(asked, "ResourceNotFoundException")?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(anyhow::anyhow!("{name} is still there"))
}

async fn deleted() -> Result<()> {
    let client = client();
    let name = stream(&client, "deleted", 1).await?;
    let data = Blob::new("before");
    let put = client
        .put_record()
        .stream_name(&name)
        .partition_key("k")
        .data(data);
    let before = put.send().await?.sequence_number;

    client.delete_stream().stream_name(&name).send().await?;
    gone(&client, &name).await?;
    let data = Blob::new("too late");
    let put = client
        .put_record()
        .stream_name(&name)
        .partition_key("k")
        .data(data);
    let (code, _) = refusal(put.send().await)?;
    ensure!(code == "ResourceNotFoundException", "{code}");

    client
        .create_stream()
        .stream_name(&name)
        .shard_count(2)
        .send()
        .await?;
    braid_clients::kinesis::active(&client, &name).await?;
    let data = Blob::new("after");
    let put = client
        .put_record()
        .stream_name(&name)
        .explicit_hash_key("0");
    let after = put
        .partition_key("k")
        .data(data)
        .send()
        .await?
        .sequence_number;
    let (before, after) = (Sequence::parse(&before)?, Sequence::parse(&after)?);
    ensure!(after.offset == 0, "started again at {}", after.offset);
    ensure!(after > before, "{after:?} does not sort after {before:?}");
    Ok(())
}

async fn by_arn() -> Result<()> {
    let client = client();
    let name = stream(&client, "by-arn", 1).await?;
    let summary = client
        .describe_stream_summary()
        .stream_name(&name)
        .send()
        .await?;
    let arn = summary
        .stream_description_summary
        .context("no summary")?
        .stream_arn;

    let put = client
        .put_record()
        .stream_arn(&arn)
        .partition_key("k")
        .data(Blob::new("x"));
    put.send().await?;
    let found = client.describe_stream().stream_arn(&arn).send().await?;

    let found = found.stream_description.context("no description")?;
    ensure!(found.stream_name == name, "{}", found.stream_name);
    Ok(())
}
