//! Produced by rdkafka with every codec and odd keys, read by the AWS SDK.

use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::Record;
use aws_smithy_types::DateTime;
use braid_clients::Checks;
use braid_clients::checks::now_ms;
use braid_clients::kafka::{CODECS, Given, produce, producer, topic, topic_with};
use braid_clients::kinesis::{From, arrival_ms, client, follow_by, iterator, read, shard_id};
use braid_clients::sequence::Sequence;
use md5::{Digest, Md5};
use std::time::Duration;

const PARTITIONS: i32 = 3;

pub async fn run(checks: &mut Checks) {
    for codec in CODECS {
        for idempotent in ["true", "false"] {
            let kind = if idempotent == "true" {
                "idempotent "
            } else {
                ""
            };
            let name = format!("{kind}{codec} records of rdkafka are read by the SDK, each equal");
            checks.check(&name, everything(codec, idempotent)).await;
        }
    }
    checks
        .check(
            "AT_TIMESTAMP finds rdkafka's records by arrival",
            at_timestamp(),
        )
        .await;
    checks
        .check(
            "a number made of stamp and offset is a position",
            made_numbers(),
        )
        .await;
    checks
        .check("large batches are read in pieces of any Limit", pieces())
        .await;
    checks
        .check(
            "a topic of rdkafka's is a stream of the SDK's",
            topic_is_stream(),
        )
        .await;
    checks.check("a record of 5 MB crosses", large()).await;
}

/// Keys and values of every awkward kind, for one partition.
fn odd(partition: i32) -> Vec<Given> {
    let long = "k".repeat(257);
    let longest = "ü".repeat(256);
    let keys: [Option<&[u8]>; 9] = [
        None,
        Some(b""),
        Some(b"plain"),
        Some("größe-🦀".as_bytes()),
        Some(&[0xff, 0xfe, 0x00]),
        Some(b"nul\0inside"),
        Some(long.as_bytes()),
        Some(longest.as_bytes()),
        Some(b"12"),
    ];
    let binary: Vec<u8> = (0..=255).collect();
    let text = "v".repeat(3_000);
    let values: [Option<&[u8]>; 5] = [
        None,
        Some(b""),
        Some(b"short"),
        Some(&binary),
        Some(text.as_bytes()),
    ];
    let pairs = keys
        .iter()
        .flat_map(|key| values.iter().map(move |value| (key, value)));
    pairs
        .map(|(key, value)| Given {
            headers: vec![("h".into(), Some(b"unseen".to_vec()))],
            // The producer's own time is not what Kinesis readers see.
            timestamp_ms: Some(1_000_000_000_000),
            ..Given::new(partition, *key, *value)
        })
        .collect()
}

/// The partition key that a Kafka key is shown as.
fn partition_key(key: Option<&[u8]>, offset: usize) -> String {
    let Some(key) = key else {
        return offset.to_string();
    };
    match std::str::from_utf8(key) {
        Ok(text) if (1..=256).contains(&text.chars().count()) => text.to_owned(),
        _ => Md5::digest(key)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    }
}

/// The records of one partition as a shard's, each compared with what was given.
pub fn compare(given: &[&Given], records: &[Record], shard: u32, since_ms: i64) -> Result<()> {
    ensure!(
        given.len() == records.len(),
        "{} given, {} read",
        given.len(),
        records.len()
    );
    let mut stamps = Vec::new();
    let mut arrival_before = since_ms - 1;
    for (offset, (given, record)) in given.iter().zip(records).enumerate() {
        let number = Sequence::parse(&record.sequence_number)?;
        ensure!(
            number.offset == u64::try_from(offset)?,
            "record {offset}: {number:?}"
        );
        ensure!(number.shard == shard, "record {offset}: {number:?}");
        stamps.push(number.stamp);
        let arrival_ms = arrival_ms(record)?;
        ensure!(
            arrival_before <= arrival_ms && arrival_ms <= now_ms() + 1,
            "record {offset} arrived at {arrival_ms} after {arrival_before}"
        );
        arrival_before = arrival_ms;
        ensure!(
            i64::try_from(number.second)? == arrival_ms / 1000,
            "{number:?}: {arrival_ms}"
        );
        let key = partition_key(given.key.as_deref(), offset);
        ensure!(
            record.partition_key() == Some(&key),
            "key {:?}, not {key}",
            record.partition_key()
        );
        let value = given.value.as_deref().unwrap_or_default();
        ensure!(
            record.data.as_ref() == value,
            "record {offset} has other data"
        );
    }
    stamps.dedup();
    ensure!(stamps.len() <= 1, "several stamps in a shard: {stamps:?}");
    Ok(())
}

async fn everything(codec: &str, idempotent: &str) -> Result<()> {
    let topic = topic(&format!("crossing-{codec}"), PARTITIONS).await?;
    let settings = [
        ("compression.type", codec),
        ("enable.idempotence", idempotent),
        ("linger.ms", "5"),
    ];
    let since_ms = now_ms();
    let by_partition: Vec<Vec<Given>> = (0..PARTITIONS).map(odd).collect();
    let interleaved: Vec<Given> = (0..by_partition[0].len())
        .flat_map(|index| {
            by_partition
                .iter()
                .map(move |records| records[index].clone())
        })
        .collect();
    let producer = producer(&settings)?;
    for batch in interleaved.chunks(40) {
        produce(&producer, &topic, batch).await?;
    }

    let client = client();
    let shards = client.list_shards().stream_name(&topic).send().await?;
    let ids: Vec<&str> = shards
        .shards()
        .iter()
        .map(|shard| shard.shard_id())
        .collect();
    ensure!(ids == [shard_id(0), shard_id(1), shard_id(2)], "{ids:?}");
    for (shard, given) in (0..).zip(&by_partition) {
        let id = shard_id(usize::try_from(shard)?);
        let records = read(&client, &topic, &id, From::TrimHorizon, given.len()).await?;
        let given: Vec<&Given> = given.iter().collect();
        compare(&given, &records, shard, since_ms).with_context(|| id.clone())?;
        from_each_arrival(&client, &topic, &id, &records).await?;
    }
    Ok(())
}

/// AT_TIMESTAMP at some records' arrivals gives the records that arrived then and later.
async fn from_each_arrival(
    client: &Client,
    stream: &str,
    shard: &str,
    records: &[Record],
) -> Result<()> {
    for index in [0, records.len() / 2, records.len() - 1] {
        let time_ms = arrival_ms(&records[index])?;
        let earlier = |record: &&Record| arrival_ms(record).is_ok_and(|ms| ms < time_ms);
        let first = records.iter().take_while(earlier).count();
        let from = From::AtTimestamp(DateTime::from_millis(time_ms));
        let found = read(client, stream, shard, from, records.len() - first).await?;
        ensure!(
            found == records[first..],
            "AT_TIMESTAMP of record {index} gives others"
        );
    }
    Ok(())
}

async fn at_timestamp() -> Result<()> {
    let topic = topic("crossing-times", 1).await?;
    let producer = producer(&[("compression.type", "lz4")])?;
    let client = client();
    let mut bounds = Vec::new();
    for round in 0..5 {
        let record = |index: i32| {
            let value = format!("{round}-{index}");
            Given::new(0, Some(b"k"), Some(value.as_bytes()))
        };
        let records: Vec<Given> = (0..10).map(record).collect();
        // Rounds must not share a millisecond.
        tokio::time::sleep(Duration::from_millis(3)).await;
        bounds.push(now_ms());
        tokio::time::sleep(Duration::from_millis(3)).await;
        produce(&producer, &topic, &records).await?;
    }

    for (round, bound_ms) in bounds.iter().enumerate() {
        let from = From::AtTimestamp(DateTime::from_millis(*bound_ms));
        let records = read(&client, &topic, &shard_id(0), from, 10 * (5 - round)).await?;
        let first = records.first().context("no record")?;
        ensure!(
            first.data.as_ref() == format!("{round}-0").as_bytes(),
            "round {round}"
        );
    }
    Ok(())
}

async fn made_numbers() -> Result<()> {
    let topic = topic("crossing-positions", 1).await?;
    let value = |index: i32| Given::new(0, None, Some(index.to_string().as_bytes()));
    let given: Vec<Given> = (0..20).map(value).collect();
    produce(&producer(&[("compression.type", "zstd")])?, &topic, &given).await?;
    let client = client();
    let all = read(&client, &topic, &shard_id(0), From::TrimHorizon, 20).await?;

    for index in [0, 1, 10, 19] {
        let record = Sequence::parse(&all[index].sequence_number)?;
        let position = record.position();
        ensure!(
            position < record,
            "{position:?} does not sort before {record:?}"
        );
        for from in [
            From::AtSequence(record.decimal()),
            From::AtSequence(position.decimal()),
            From::AfterSequence(position.decimal()),
        ] {
            let found = read(&client, &topic, &shard_id(0), from, 20 - index).await?;
            ensure!(found == all[index..], "record {index}");
        }
        let from = From::AfterSequence(record.decimal());
        let found = read(&client, &topic, &shard_id(0), from, 19 - index).await?;
        ensure!(found == all[index + 1..], "after record {index}");
    }
    let end = Sequence {
        offset: 20,
        ..Sequence::parse(&all[0].sequence_number)?.position()
    };
    let end = From::AtSequence(end.decimal());
    let tip = iterator(&client, &topic, &shard_id(0), end).await?;
    produce(&producer(&[])?, &topic, &[Given::new(0, None, Some(b"20"))]).await?;
    let found = follow_by(&client, tip, 1, 10).await?;
    ensure!(
        found[0].data.as_ref() == b"20",
        "the position of the end misses what comes next"
    );
    Ok(())
}

async fn pieces() -> Result<()> {
    let topic = topic("crossing-pieces", 1).await?;
    let value = |index: usize| Given::new(0, Some(b"k"), Some(index.to_string().as_bytes()));
    let given: Vec<Given> = (0..3_000).map(value).collect();
    let settings = [("compression.type", "zstd"), ("linger.ms", "50")];
    let since_ms = now_ms();
    produce(&producer(&settings)?, &topic, &given).await?;
    let client = client();

    for limit in [100, 999, 10_000] {
        let start = iterator(&client, &topic, &shard_id(0), From::TrimHorizon).await?;
        let records = follow_by(&client, start, 3_000, limit).await?;
        compare(&given.iter().collect::<Vec<_>>(), &records, 0, since_ms)?;
    }
    Ok(())
}

async fn topic_is_stream() -> Result<()> {
    let config = [("retention.ms", "172800000")];
    let topic = topic_with("crossing-topic", 2, &config).await?;
    let client = client();

    let summary = client
        .describe_stream_summary()
        .stream_name(&topic)
        .send()
        .await?;
    let summary = summary.stream_description_summary.context("no summary")?;
    ensure!(
        summary.open_shard_count == 2,
        "{} shards",
        summary.open_shard_count
    );
    ensure!(
        summary.retention_period_hours == 48,
        "{} h",
        summary.retention_period_hours
    );

    client.delete_stream().stream_name(&topic).send().await?;
    let looker: rdkafka::consumer::BaseConsumer =
        braid_clients::kafka::client(&[("allow.auto.create.topics", "false")]).create()?;
    for _ in 0..500 {
        use rdkafka::consumer::Consumer;
        let wait = braid_clients::kafka::REQUEST_WAIT;
        let metadata = looker.fetch_metadata(Some(&topic), wait)?;
        if metadata.topics()[0].error().is_some() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(anyhow::anyhow!("the deleted stream is still a topic"))
}

async fn large() -> Result<()> {
    let config = [("max.message.bytes", "6000000")];
    let topic = topic_with("crossing-large", 1, &config).await?;
    let value: Vec<u8> = (0..5_000_000_u32)
        .map(|at| (at % 251).to_le_bytes()[0])
        .collect();
    let given = [Given::new(0, Some(b"large"), Some(&value))];
    let since_ms = now_ms();

    produce(
        &producer(&[("message.max.bytes", "6000000")])?,
        &topic,
        &given,
    )
    .await?;

    let records = read(&client(), &topic, &shard_id(0), From::TrimHorizon, 1).await?;
    compare(&[&given[0]], &records, 0, since_ms)
}
