//! Put by the AWS SDK, read by rdkafka.

use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use braid_clients::Checks;
use braid_clients::kafka::{Given, REQUEST_WAIT, client as kafka_client, read_all};
use braid_clients::kinesis::{From, arrival_ms, client, read, shard_id, stream};
use braid_clients::sequence::Sequence;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::time::Duration;

const SHARDS: i32 = 3;

pub async fn run(checks: &mut Checks) {
    checks
        .check(
            "the SDK's single puts are read by rdkafka, each equal",
            singles(),
        )
        .await;
    checks
        .check(
            "the SDK's batches are read by rdkafka, each equal",
            batches(),
        )
        .await;
    checks
        .check("an explicit hash key becomes a header", explicit())
        .await;
    checks
        .check(
            "arrival times are found by rdkafka's time search",
            by_time(),
        )
        .await;
    checks
        .check(
            "a stream of the SDK's is a topic of rdkafka's",
            stream_is_topic(),
        )
        .await;
    checks
        .check("a batch of 10 MiB is read by rdkafka", ten_mebibytes())
        .await;
}

/// Where a put record is, as the answer said.
struct Put {
    shard: usize,
    number: Sequence,
    key: String,
    data: Vec<u8>,
}

impl Put {
    fn new(shard: &str, number: &str, key: String, data: Vec<u8>) -> Result<Put> {
        let digits = shard.strip_prefix("shardId-").context("not a shard id")?;
        Ok(Put {
            shard: digits.parse()?,
            number: Sequence::parse(number)?,
            key,
            data,
        })
    }
}

fn sample(index: usize) -> (String, Vec<u8>) {
    let data = match index % 4 {
        0 => Vec::new(),
        1 => (0..=255).collect(),
        2 => format!("text {index} größe").into_bytes(),
        _ => vec![b'x'; index * 50],
    };
    (format!("schlüssel-{index}"), data)
}

/// Every put record must be on the partition and offset that its number tells, and nothing else.
async fn compare(client: &Client, stream: &str, puts: &[Put]) -> Result<()> {
    let partitions = read_all(stream, SHARDS).await?;
    let count: usize = partitions.iter().map(Vec::len).sum();
    ensure!(count == puts.len(), "{count} records, {} put", puts.len());
    for (shard, messages) in partitions.iter().enumerate() {
        let of_shard: Vec<&Put> = puts.iter().filter(|put| put.shard == shard).collect();
        let id = shard_id(shard);
        let records = read(client, stream, &id, From::TrimHorizon, of_shard.len()).await?;
        for (offset, (put, message)) in (0_i64..).zip(of_shard.iter().zip(messages)) {
            ensure!(
                i64::try_from(put.number.offset)? == offset,
                "{:?} at {offset}",
                put.number
            );
            ensure!(
                usize::try_from(put.number.shard)? == shard,
                "{:?} in {id}",
                put.number
            );
            let mut expected = Given::new(
                message.partition(),
                Some(put.key.as_bytes()),
                Some(&put.data),
            );
            expected.timestamp_ms = message.timestamp().to_millis();
            ensure!(
                message.offset() == offset,
                "offset {} at {offset}",
                message.offset()
            );
            let seen = Given::seen(message);
            ensure!(seen == expected, "put {expected:?}, read {seen:?}");
            let record = &records[usize::try_from(offset)?];
            ensure!(
                record.sequence_number == put.number.decimal(),
                "{}",
                record.sequence_number
            );
            let created = rdkafka::Timestamp::CreateTime(arrival_ms(record)?);
            ensure!(
                message.timestamp() == created,
                "{:?}, not {created:?}",
                message.timestamp()
            );
        }
    }
    Ok(())
}

async fn singles() -> Result<()> {
    let client = client();
    let name = stream(&client, "crossing-singles", SHARDS).await?;
    let mut puts = Vec::new();

    for (key, data) in (0..60).map(sample) {
        let put = client.put_record().stream_name(&name).partition_key(&key);
        let answer = put.data(Blob::new(data.clone())).send().await?;
        puts.push(Put::new(
            &answer.shard_id,
            &answer.sequence_number,
            key,
            data,
        )?);
    }

    compare(&client, &name, &puts).await
}

async fn batches() -> Result<()> {
    let client = client();
    let name = stream(&client, "crossing-batches", SHARDS).await?;
    let samples: Vec<(String, Vec<u8>)> = (0..400).map(sample).collect();
    let mut puts = Vec::new();

    for batch in samples.chunks(150) {
        let entry = |(key, data): &(String, Vec<u8>)| {
            let data = Blob::new(data.clone());
            PutRecordsRequestEntry::builder()
                .partition_key(key)
                .data(data)
                .build()
        };
        let entries = batch.iter().map(entry).collect::<Result<_, _>>()?;
        let answer = client
            .put_records()
            .stream_name(&name)
            .set_records(Some(entries));
        let answer = answer.send().await?;
        ensure!(
            answer.failed_record_count == Some(0),
            "{:?}",
            answer.failed_record_count
        );
        for (entry, (key, data)) in answer.records.iter().zip(batch) {
            let shard = entry.shard_id.as_deref().context("no shard")?;
            let number = entry.sequence_number.as_deref().context("no number")?;
            puts.push(Put::new(shard, number, key.clone(), data.clone())?);
        }
    }

    compare(&client, &name, &puts).await
}

async fn explicit() -> Result<()> {
    let client = client();
    let name = stream(&client, "crossing-explicit", 2).await?;
    let hashes = ["0", "340282366920938463463374607431768211455"];
    for hash in hashes {
        let put = client
            .put_record()
            .stream_name(&name)
            .explicit_hash_key(hash);
        put.partition_key("same")
            .data(Blob::new("x"))
            .send()
            .await?;
    }

    let partitions = read_all(&name, 2).await?;

    for (messages, hash) in partitions.iter().zip(hashes) {
        let message = messages.first().context("no record")?;
        let header = (
            "kinesis.explicit-hash-key".to_owned(),
            Some(hash.as_bytes().to_vec()),
        );
        let seen = Given::seen(message);
        ensure!(seen.headers == [header], "{:?}", seen.headers);
        ensure!(seen.key.as_deref() == Some(b"same"), "{:?}", seen.key);
    }
    Ok(())
}

async fn by_time() -> Result<()> {
    let client = client();
    let name = stream(&client, "crossing-by-time", 1).await?;
    for index in 0..10 {
        let put = client.put_record().stream_name(&name).partition_key("k");
        put.data(Blob::new(index.to_string())).send().await?;
        // Two records of one millisecond could not be told apart by time.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let messages: Vec<OwnedMessage> = read_all(&name, 1).await?.remove(0);
    let looker: BaseConsumer = kafka_client(&[]).create()?;

    for message in &messages {
        let time_ms = message.timestamp().to_millis().context("no time")?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(&name, 0, Offset::Offset(time_ms))?;
        let found = looker.offsets_for_times(asked, REQUEST_WAIT)?;
        let found = found.elements()[0].offset();
        ensure!(
            found == Offset::Offset(message.offset()),
            "{}: {found:?}",
            message.offset()
        );
    }
    Ok(())
}

async fn stream_is_topic() -> Result<()> {
    let client = client();
    let name = stream(&client, "crossing-stream", 4).await?;

    let looker: BaseConsumer = kafka_client(&[]).create()?;
    let metadata = looker.fetch_metadata(Some(&name), REQUEST_WAIT)?;
    let partitions = metadata.topics()[0].partitions().len();
    ensure!(partitions == 4, "{partitions} partitions");

    let admin = braid_clients::kafka::admin()?;
    let asked = [rdkafka::admin::ResourceSpecifier::Topic(&name)];
    let answers = admin
        .describe_configs(&asked, &braid_clients::kafka::options())
        .await?;
    let resource = answers.into_iter().next().context("no answer")?;
    let resource = resource.map_err(|code| anyhow::anyhow!("{code}"))?;
    let retention = resource
        .get("retention.ms")
        .and_then(|entry| entry.value.clone());
    ensure!(
        retention.as_deref() == Some("86400000"),
        "retention.ms {retention:?}"
    );

    let deleted = admin
        .delete_topics(&[&name], &braid_clients::kafka::options())
        .await?;
    ensure!(deleted == [Ok(name.clone())], "{deleted:?}");
    for _ in 0..500 {
        let asked = client
            .describe_stream_summary()
            .stream_name(&name)
            .send()
            .await;
        if asked.is_err() {
            braid_clients::kinesis::refused(asked, "ResourceNotFoundException")?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(anyhow::anyhow!("the deleted topic is still a stream"))
}

async fn ten_mebibytes() -> Result<()> {
    let client = client();
    let name = stream(&client, "crossing-large", 1).await?;
    let data = vec![b'z'; (1 << 20) - 1];
    let entry = PutRecordsRequestEntry::builder()
        .partition_key("k")
        .data(Blob::new(data.clone()));
    let entries = vec![entry.build()?; 10];

    let put = client
        .put_records()
        .stream_name(&name)
        .set_records(Some(entries))
        .send()
        .await?;
    ensure!(
        put.failed_record_count == Some(0),
        "{:?} failed",
        put.failed_record_count
    );

    let messages = read_all(&name, 1).await?.remove(0);
    ensure!(messages.len() == 10, "{} records", messages.len());
    let equal = messages
        .iter()
        .all(|message| message.payload() == Some(&data));
    ensure!(equal, "other data");
    Ok(())
}
