//! Everything the server kept, read through both protocols.

use crate::streams::PARTITIONS;
use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::Client;
use braid_clients::kafka::{self, REQUEST_WAIT, client_of, receive};
use braid_clients::kinesis::{self, From, shard_id};
use braid_clients::sequence::Sequence;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;

/// One partition's records from some offset on: offset and value.
pub type Log = Vec<(u64, String)>;

/// Every partition's records from `from` on, as rdkafka reads them.
pub async fn by_kafka(address: &str, stream: &str, from: &[u64]) -> Result<Vec<Log>> {
    let settings = [("isolation.level", "read_committed")];
    let config = client_of(address, &settings);
    let looker: BaseConsumer = config.create()?;
    let mut logs = Vec::new();
    for (partition, start) in (0..PARTITIONS).zip(from) {
        let (_, end) = looker.fetch_watermarks(stream, partition, REQUEST_WAIT)?;
        let end = u64::try_from(end)?;
        ensure!(
            end >= *start,
            "partition {partition} ends at {end}, was read up to {start}"
        );
        logs.push((end - start, Log::new()));
    }
    let expected: u64 = logs.iter().map(|(count, _)| count).sum();
    let consumer = kafka::reader_of(&config, stream, 0, Offset::Beginning)?;
    let mut list = rdkafka::TopicPartitionList::new();
    for ((partition, start), (count, _)) in (0..PARTITIONS).zip(from).zip(&logs) {
        if *count > 0 {
            let start = Offset::Offset(i64::try_from(*start)?);
            list.add_partition_offset(stream, partition, start)?;
        }
    }
    consumer.assign(&list)?;
    for message in receive(&consumer, usize::try_from(expected)?).await? {
        let value = String::from_utf8(message.payload().unwrap_or_default().to_vec())?;
        let (_, log) = &mut logs[usize::try_from(message.partition())?];
        log.push((u64::try_from(message.offset())?, value));
    }
    Ok(logs.into_iter().map(|(_, log)| log).collect())
}

/// Every shard's records from `from` on, as the SDK reads them.
pub async fn by_kinesis(client: &Client, stream: &str, from: &[u64]) -> Result<Vec<Log>> {
    let listed = client.list_shards().stream_name(stream).send().await?;
    let mut logs = Vec::new();
    for (shard, start) in listed.shards().iter().zip(from) {
        let range = shard
            .sequence_number_range
            .as_ref()
            .context("no sequence numbers")?;
        let first = Sequence::parse(&range.starting_sequence_number)?;
        let offset = *start;
        let position = Sequence { offset, ..first }.decimal();
        let id = &shard.shard_id;
        let next = kinesis::iterator(client, stream, id, From::AtSequence(position)).await?;
        logs.push(
            to_the_tip(client, next, first.shard)
                .await
                .with_context(|| id.clone())?,
        );
    }
    Ok(logs)
}

async fn to_the_tip(client: &Client, iterator: String, shard: u32) -> Result<Log> {
    let mut next = iterator;
    let mut log = Log::new();
    // Far more answers than any shard here needs.
    for _ in 0..100_000 {
        let answer = client.get_records().shard_iterator(next).send().await?;
        for record in &answer.records {
            let number = Sequence::parse(&record.sequence_number)?;
            ensure!(number.shard == shard, "a record of shard {}", number.shard);
            let value = String::from_utf8(record.data.as_ref().to_vec())?;
            log.push((number.offset, value));
        }
        if answer.records.is_empty() && answer.millis_behind_latest == Some(0) {
            return Ok(log);
        }
        next = answer.next_shard_iterator.context("an open shard ended")?;
    }
    Err(anyhow::anyhow!("the tip is never reached"))
}

/// The first record of a stream's first shard.
pub async fn first(client: &Client, stream: &str) -> Result<Option<(String, u64)>> {
    let next = kinesis::iterator(client, stream, &shard_id(0), From::TrimHorizon).await?;
    let log = to_the_tip(client, next, 0).await?;
    Ok(log
        .into_iter()
        .next()
        .map(|(offset, value)| (value, offset)))
}
