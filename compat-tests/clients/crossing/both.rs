//! Writers of both protocols on one stream at once: one order, the same for every reader.

use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::primitives::Blob;
use braid_clients::Checks;
use braid_clients::kafka::{Given, produce, producer, read_all};
use braid_clients::kinesis::{From, client, read, shard_id, stream};
use braid_clients::sequence::Sequence;
use rdkafka::message::Message;

pub async fn run(checks: &mut Checks) {
    checks
        .check("writers of both protocols share one order", one_order())
        .await;
    checks
        .check(
            "a consumer of each protocol waits for the other's writer",
            tailing(),
        )
        .await;
}

/// A writer's acknowledged places: offset and value.
type Places = Vec<(u64, String)>;

async fn through_kafka(stream: String, writer: usize) -> Result<Places> {
    let producer = producer(&[("enable.idempotence", "true"), ("compression.type", "lz4")])?;
    let mut places = Vec::new();
    for round in 0..20 {
        let value = |index: usize| format!("kafka-{writer}-{}", round * 5 + index);
        let values: Vec<String> = (0..5).map(value).collect();
        let given = |value: &String| Given::new(0, Some(b"k"), Some(value.as_bytes()));
        let records: Vec<Given> = values.iter().map(given).collect();
        let offsets = produce(&producer, &stream, &records).await?;
        for (offset, value) in offsets.into_iter().zip(values) {
            places.push((u64::try_from(offset)?, value));
        }
    }
    Ok(places)
}

async fn through_kinesis(stream: String, writer: usize) -> Result<Places> {
    let client = client();
    let mut places = Vec::new();
    for index in 0..100 {
        let value = format!("kinesis-{writer}-{index}");
        let put = client.put_record().stream_name(&stream).partition_key("k");
        let answer = put.data(Blob::new(value.clone())).send().await?;
        places.push((Sequence::parse(&answer.sequence_number)?.offset, value));
    }
    Ok(places)
}

async fn one_order() -> Result<()> {
    let client = client();
    let name = stream(&client, "one-order", 1).await?;
    let writers = [
        tokio::spawn(through_kafka(name.clone(), 0)),
        tokio::spawn(through_kinesis(name.clone(), 1)),
        tokio::spawn(through_kafka(name.clone(), 2)),
        tokio::spawn(through_kinesis(name.clone(), 3)),
    ];
    let mut places = Places::new();
    for writer in writers {
        let written = writer.await??;
        ensure!(
            written.is_sorted(),
            "a writer's own records are out of order"
        );
        places.extend(written);
    }
    places.sort();

    let messages = read_all(&name, 1).await?.remove(0);
    let by_kafka = messages.iter().map(|message| {
        let value = message.payload().unwrap_or_default();
        Ok((
            u64::try_from(message.offset())?,
            String::from_utf8(value.to_vec())?,
        ))
    });
    let by_kafka: Places = by_kafka.collect::<Result<_>>()?;
    ensure!(
        by_kafka == places,
        "rdkafka reads another order than was acknowledged"
    );
    let records = read(
        &client,
        &name,
        &shard_id(0),
        From::TrimHorizon,
        places.len(),
    )
    .await?;
    let by_kinesis = records.iter().map(|record| {
        let offset = Sequence::parse(&record.sequence_number)?.offset;
        Ok((offset, String::from_utf8(record.data.as_ref().to_vec())?))
    });
    let by_kinesis: Places = by_kinesis.collect::<Result<_>>()?;
    ensure!(
        by_kinesis == places,
        "the SDK reads another order than was acknowledged"
    );
    Ok(())
}

async fn tailing() -> Result<()> {
    let client = client();
    let name = stream(&client, "tailing", 1).await?;
    let consumer = braid_clients::kafka::reader(&name, 1, rdkafka::Offset::Beginning)?;
    let producer = producer(&[("linger.ms", "0")])?;
    let from_start = From::TrimHorizon;
    let mut next =
        braid_clients::kinesis::iterator(&client, &name, &shard_id(0), from_start).await?;

    for round in 0..10 {
        let put = client.put_record().stream_name(&name).partition_key("k");
        put.data(Blob::new(format!("put-{round}"))).send().await?;
        let message = braid_clients::kafka::receive(&consumer, 1).await?.remove(0);
        ensure!(
            message.payload() == Some(format!("put-{round}").as_bytes()),
            "round {round}"
        );

        let value = format!("produced-{round}");
        let record = [Given::new(0, Some(b"k"), Some(value.as_bytes()))];
        produce(&producer, &name, &record).await?;
        // An acknowledged record is visible: no second look is needed.
        let answer = client.get_records().shard_iterator(next).send().await?;
        let last = answer.records.last().context("nothing to read")?;
        ensure!(
            answer.records.len() == 2,
            "{} records",
            answer.records.len()
        );
        ensure!(last.data.as_ref() == value.as_bytes(), "round {round}");
        next = answer.next_shard_iterator.context("no next iterator")?;
        braid_clients::kafka::receive(&consumer, 1).await?;
    }
    Ok(())
}
